"""What every stage that asks a model shares: the batch, the fingerprint, and asking again."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from datasets import Dataset, Features

from codeclm_hf import ids, schema
from codeclm_hf.about import VERSION
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.base import STRUCTURED_MAX_TOKENS, Completion, Endpoint, GenerationRequest, Message
from codeclm_hf.errors import BadInput, RowError, UnreadableAnswer
from codeclm_hf.prompts import Prompt
from codeclm_hf.stages import parse

T = TypeVar("T")
Row = dict[str, Any]
OnRows = Callable[[str, list[Row]], None]
"""Told the stage's name and the output rows of one input row, on the transport's thread, when they are done."""

BATCH_SIZE = 16
"""Rows in one call of `Dataset.map`; small, so that no row waits long for its neighbours."""
ASKED_AGAIN = 2
"""How often an answer that cannot be read is asked for again, each time with another seed."""
AGAIN_TEMPERATURE = 0.7
"""A greedy answer would come back the same, so the further tries of a greedy request sample."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A batched map transform; its fields are everything that shapes its output.

    `Dataset.map(stage, batched=True)` takes it as it is and keeps the input's columns beside the stage's own;
    `stage.map(dataset)` keeps the endpoint full and gives the stage's table alone.
    """

    features: ClassVar[Features]
    """The table the stage makes."""
    needs: ClassVar[tuple[str, ...]]
    """The columns the stage reads and cannot do without."""

    seed: int = 0
    """The run's seed; every request's own seed is derived from it."""

    async def rows(self, row: Row) -> list[Row]:
        """The output rows of one input row; a row that cannot be done comes back with its `error`."""
        raise NotImplementedError

    async def told(self, row: Row, on_rows: OnRows | None) -> list[Row]:
        """`rows`, and word of it."""
        made = await self.rows(row)
        if on_rows is not None:
            on_rows(self.name, made)
        return made

    def totals(self, dataset: Dataset) -> dict[str, int]:
        """How many rows there are to be told of, by stage."""
        return {self.name: len(dataset)}

    @property
    def name(self) -> str:
        """What the stage is called in progress and books."""
        return type(self).__name__.lower()

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Do one batch and wait for it.

        Args:
            batch: columns of equal length.

        Returns:
            The input's columns and the stage's, one value an output row.
        """
        made = transport.run(self._batch(batch, None))
        carried = [{**row, **new} for row, rows in zip(_rows(batch), made, strict=True) for new in rows]
        return {
            name: [row.get(name) for row in carried] for name in [*batch, *(f for f in self.features if f not in batch)]
        }

    def map(self, dataset: Dataset, *, on_rows: OnRows | None = None) -> Dataset:
        """Do a whole data set, as many rows at a time as the endpoint takes.

        Args:
            dataset: one that has the stage's columns; its own caching applies.
            on_rows: told of each input row that is done.

        Returns:
            A data set of the stage's `features`.

        Raises:
            BadInput: a column is missing.
            EndpointError: the endpoint cannot serve now; what was answered is in the journal, if there is one.
        """
        _require(self.needs, dataset.column_names)
        if not len(dataset):
            # `Dataset.map` gives an empty data set back as it is, without the stage's columns.
            return schema.table([], self.features)
        running: set[concurrent.futures.Future[Any]] = set()
        mapped = functools.partial(
            dataset.map,
            functools.partial(self._mapped, running=running, on_rows=on_rows),
            batched=True,
            batch_size=BATCH_SIZE,
            remove_columns=dataset.column_names,
            features=self.features,
            new_fingerprint=self.fingerprint(dataset),
        )
        pool = concurrent.futures.ThreadPoolExecutor(1)
        try:
            if not _in_loop():
                return mapped()
            # `Dataset.map` runs async functions on a loop of its own, which a thread can have only one of.
            return transport.result(pool.submit(mapped))
        finally:
            for future in list(running):
                future.cancel()
            pool.shutdown(wait=False)

    async def _mapped(
        self,
        batch: Mapping[str, Sequence[Any]],
        *,
        running: set[concurrent.futures.Future[Any]],
        on_rows: OnRows | None,
    ) -> dict[str, list[Any]]:
        future = transport.submit(self._batch(batch, on_rows))
        running.add(future)
        try:
            made = [row for rows in await asyncio.wrap_future(future) for row in rows]
        finally:
            running.discard(future)
        return {name: [row[name] for row in made] for name in self.features}

    async def _batch(self, batch: Mapping[str, Sequence[Any]], on_rows: OnRows | None) -> list[list[Row]]:
        _require(self.needs, list(batch))
        tasks = [asyncio.ensure_future(self.told(row, on_rows)) for row in _rows(batch)]
        try:
            return await asyncio.gather(*tasks)
        finally:
            # After an error, which stops the run, the batch's other rows would go on asking.
            for task in tasks:
                task.cancel()

    def spec(self) -> dict[str, Any]:
        """What shapes the output, as plain data: an endpoint is its model's identity, a prompt its text."""
        shaped = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return {"stage": type(self).__name__, "version": VERSION, **shaped}

    def fingerprint(self, dataset: Dataset) -> str:
        """The output's fingerprint: of the data's and of the stage's spec. Never of a URL, token or concurrency."""
        return ids.digest(dataset._fingerprint, self.spec())


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _plain(value: Any) -> Any:
    if isinstance(value, Prompt):
        return value.text
    if isinstance(value, Endpoint):
        return value.identity
    if isinstance(value, Stage):
        return value.spec()
    return value


def _rows(batch: Mapping[str, Sequence[Any]]) -> list[Row]:
    return [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]


def _require(needed: Sequence[str], columns: Sequence[str]) -> None:
    for name in needed:
        if name not in columns:
            have = ", ".join(f"`{column}`" for column in columns) or "none"
            raise BadInput(f"needs a column `{name}`; the data set has {have}")


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
                raise parse.unreadable("a whole answer", completion.text)
            return read(completion)
        except UnreadableAnswer as exc:
            unreadable = exc
            if cut_off:
                unreadable = UnreadableAnswer(f"{exc} and was cut off after {completion.completion_tokens} tokens")
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
