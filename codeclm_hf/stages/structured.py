"""Asking a model for what a stage needs: several things gather, and again while an answer cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from codeclm_hf import ids
from codeclm_hf.endpoints.protocol import (
    STRUCTURED_MAX_TOKENS,
    Completion,
    Endpoint,
    GenerationRequest,
    Message,
)
from codeclm_hf.endpoints.thinking import split
from codeclm_hf.errors import NoAnswer, RowError, UnreadableAnswer
from codeclm_hf.stages.parsing import talk
from codeclm_hf.text import visible_text

T = TypeVar("T")
RETRIES = 2
"""Requests after the first, each with another seed, while an answer cannot be read."""
RETRY_TEMPERATURE = 0.7
"""The temperature of those requests where the first is greedy: a greedy answer would come back the same."""


SENTENCE = {"type": "string", "minLength": 1}
"""The JSON schema of a text that is not empty."""


class Response(NamedTuple):
    """A model's answer to an instruction."""

    text: str
    thinking: str
    """What it thought before; empty where nothing is known of that."""


async def gather(*coroutines: Any) -> list[Any]:
    """Await all and return their results in order.

    An error that stops the run is raised at once; a row's error only when all have ended, the first in their
    order.
    """
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
    about: tuple[str, str],
    seed: int,
    temperature: float,
    max_new_tokens: int,
    system: str | None = None,
) -> Response:
    """Return a model's answer to the bare instruction (§4.3), without white space around it.

    The arguments are those of `request_response`.

    Raises:
        NoAnswer: the model gave no answer.
    """
    completion = await request_response(
        endpoint,
        instruction,
        about=about,
        seed=seed,
        temperature=temperature,
        max_new_tokens=max_new_tokens,
        system=system,
    )
    return Response(answer_text(completion).strip(), completion.thinking.strip())


async def request_response(
    endpoint: Endpoint,
    instruction: str,
    *,
    about: tuple[str, str],
    seed: int,
    temperature: float,
    max_new_tokens: int,
    system: str | None = None,
    attempt: int = 0,
    least_new_tokens: int | None = None,
) -> Completion:
    """Return what a model answers to the bare instruction (§4.3), whatever it is.

    Args:
        endpoint: whom to ask.
        instruction: what to answer.
        about: the model's role and the id of the row, from which, with the run's seed and the attempt, the
            request's seed follows.
        seed: the run's seed.
        temperature: 0 means greedy.
        max_new_tokens: where the answer is cut off.
        system: the system prompt that the model is served with, if any.
        attempt: how often the same was asked before.
        least_new_tokens: fewest tokens that will do where the server refuses so many.
    """
    messages = (Message("user", instruction),)
    return await endpoint.generate(
        GenerationRequest(
            messages=(Message("system", system), *messages) if system else messages,
            seed=ids.derive(seed, "respond", *about, attempt),
            temperature=temperature,
            max_new_tokens=max_new_tokens,
            least_new_tokens=least_new_tokens,
            stage="respond",
        )
    )


def no_answer_reason(completion: Completion) -> str:
    """Return why a completion is no answer, in words that go on after "the model"; "" where it is one."""
    return completion.no_answer or ("" if visible_text(completion.text).strip() else "gave an empty answer")


def answer_text(completion: Completion) -> str:
    """Return the text of an answer.

    Raises:
        NoAnswer: the model gave none: an empty text, thoughts alone, a refusal of its server.
    """
    if reason := no_answer_reason(completion):
        raise NoAnswer(f"needs an answer; the model {reason}", reason=reason)
    return completion.text


def given_answer(text: str, instruction: str = "") -> str:
    """Return the answer in a response that was not asked for here, without the thoughts before it.

    Args:
        text: the response.
        instruction: what it answers; tags that this asks for are no thoughts.

    Raises:
        NoAnswer: it holds none: an empty text, or thoughts alone.
    """
    parts = split(text, instruction)
    if visible_text(parts.text).strip():
        return parts.text
    reason = "thought, and gave no answer" if parts.thinking else "gave an empty answer"
    raise NoAnswer(f"needs an answer; the model {reason}", reason=reason)


async def ask(
    endpoint: Endpoint,
    messages: tuple[Message, ...],
    read: Callable[[Completion], T],
    *,
    schema: Mapping[str, Any],
    seed: int,
    about: tuple[str, ...],
    temperature: float,
    max_new_tokens: int = STRUCTURED_MAX_TOKENS,
    top_logprobs: int = 0,
    tries: int = 1 + RETRIES,
) -> T:
    """Return what was read from a structured answer; ask again while it cannot be read.

    Args:
        endpoint: whom to ask.
        messages: the filled-in prompt.
        read: makes a value of the answer, or raises `UnreadableAnswer`.
        schema: the JSON schema the answer should follow.
        seed: the run's seed.
        about: the step, the id of the row and what else tells this request from others; its seed follows from
            it, the run's seed and the attempt.
        temperature: 0 means greedy.
        max_new_tokens: where the answer is cut off; a small model may write a string without an end.
        top_logprobs: alternatives a token.
        tries: most requests to send.

    Raises:
        UnreadableAnswer: no answer could be read; quotes the last.
        NoAnswer: the last answer was none.
    """
    last_error: RowError
    for attempt in range(tries):
        completion = await endpoint.generate(
            GenerationRequest(
                messages=messages,
                seed=ids.derive(seed, *about, attempt),
                temperature=temperature if attempt == 0 else temperature or RETRY_TEMPERATURE,
                max_new_tokens=min(max_new_tokens, STRUCTURED_MAX_TOKENS),
                schema=schema,
                top_logprobs=top_logprobs,
                stage=about[0],
            )
        )
        cut_off = completion.finish_reason == "length"
        try:
            answer_text(completion)
            # Where prose was cut off nobody can tell; JSON tells it by itself.
            if cut_off and not completion.text.lstrip().startswith("{"):
                raise talk.unreadable("a whole answer", completion.text)
            return read(completion)
        except NoAnswer as exc:
            last_error = exc
        except UnreadableAnswer as exc:
            last_error = exc
            if cut_off:
                last_error = UnreadableAnswer(
                    f"{exc} and was cut off after {completion.completion_tokens} tokens"
                )
    raise last_error


def array_of(item: Mapping[str, Any], n: int) -> dict[str, Any]:
    """Return the JSON schema of an array with exactly n items."""
    return {"type": "array", "items": dict(item), "minItems": n, "maxItems": n}


def object_of(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an object with exactly these properties."""
    return {
        "type": "object",
        "properties": {name: dict(schema) for name, schema in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }
