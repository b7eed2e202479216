"""Asking a model for what a stage needs: several things together, and again while an answer cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from codeclm_hf import ids
from codeclm_hf.endpoints.protocol import (
    STRUCTURED_MAX_TOKENS,
    Completion,
    Endpoint,
    GenerationRequest,
    Message,
)
from codeclm_hf.errors import RowError, UnreadableAnswer
from codeclm_hf.stages.parsing import answers

T = TypeVar("T")
ASKED_AGAIN = 2
"""How often an answer that cannot be read is asked for again, each time with another seed."""
AGAIN_TEMPERATURE = 0.7
"""A greedy answer would come back the same, so the further tries of a greedy request sample."""


async def together(*coroutines: Any) -> list[Any]:
    """Await all, then raise the first row error in their order; an error that stops the run is raised at once."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    waiting = set(tasks)
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                if (error := task.exception()) is not None and not isinstance(error, RowError):
                    raise error
        return [task.result() for task in tasks]
    finally:
        for task in tasks:
            task.cancel()


async def respond(
    endpoint: Endpoint,
    instruction: str,
    *,
    of: tuple[str, str],
    seed: int,
    temperature: float,
    max_new_tokens: int,
) -> str:
    """A model's answer to the bare instruction.

    Args:
        endpoint: whom to ask.
        instruction: what to answer.
        of: the model's role, and the id of the row: with the run's seed, the request's own seed.
        seed: the run's seed.
        temperature: 0 means greedy.
        max_new_tokens: where the answer is cut off.
    """
    completion = await endpoint.generate(
        GenerationRequest(
            messages=(Message("user", instruction),),
            seed=ids.derive(seed, "respond", *of, 0),
            temperature=temperature,
            max_new_tokens=max_new_tokens,
            stage="respond",
        )
    )
    return completion.text.strip()


async def ask(
    endpoint: Endpoint,
    messages: tuple[Message, ...],
    read: Callable[[Completion], T],
    *,
    schema: Mapping[str, Any],
    seed: int,
    of: tuple[str, ...],
    temperature: float,
    max_new_tokens: int = STRUCTURED_MAX_TOKENS,
    top_logprobs: int = 0,
    tries: int = 1 + ASKED_AGAIN,
) -> T:
    """Ask for a structured answer, and again while it cannot be read.

    Args:
        endpoint: whom to ask.
        messages: the filled-in prompt.
        read: the reader; raises `UnreadableAnswer`.
        schema: the JSON schema the answer should follow.
        seed: the run's seed.
        of: what the request is about (step, row id, …): with the run's seed and the attempt, its own seed.
        temperature: 0 means greedy.
        max_new_tokens: where the answer is cut off; a small model may write a string without an end.
        top_logprobs: alternatives a token.
        tries: most requests to send.

    Raises:
        UnreadableAnswer: no answer could be read; quotes the last.
    """
    for attempt in range(tries):
        completion = await endpoint.generate(
            GenerationRequest(
                messages=messages,
                seed=ids.derive(seed, *of, attempt),
                temperature=temperature if attempt == 0 else temperature or AGAIN_TEMPERATURE,
                max_new_tokens=min(max_new_tokens, STRUCTURED_MAX_TOKENS),
                schema=schema,
                top_logprobs=top_logprobs,
                stage=of[0],
            )
        )
        cut_off = completion.finish_reason == "length"
        try:
            # Where prose was cut off nobody can tell; JSON tells it by itself.
            if cut_off and not completion.text.lstrip().startswith("{"):
                raise answers.unreadable("a whole answer", completion.text)
            return read(completion)
        except UnreadableAnswer as exc:
            unreadable = exc
            if cut_off:
                unreadable = UnreadableAnswer(
                    f"{exc} and was cut off after {completion.completion_tokens} tokens"
                )
    raise unreadable


def array_of(item: Mapping[str, Any], n: int) -> dict[str, Any]:
    """The JSON schema of an array with exactly n items."""
    return {"type": "array", "items": dict(item), "minItems": n, "maxItems": n}


def object_of(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of an object with exactly these properties."""
    return {
        "type": "object",
        "properties": {name: dict(schema) for name, schema in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }
