"""What every stage that asks a model shares: the ways to map it, and the fingerprint."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

import polars as pl
import pyarrow as pa
from datasets import Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict

from codeclm_hf import ids, schema
from codeclm_hf.endpoints import row_requests, transport
from codeclm_hf.endpoints.protocol import Endpoint, asked_with
from codeclm_hf.errors import BadInput
from codeclm_hf.package import VERSION
from codeclm_hf.prompts import Prompt
from codeclm_hf.stages.contamination import Contamination

Row = dict[str, Any]
"""One row of a table, by column."""
AnyDataset = TypeVar("AnyDataset", Dataset, DatasetDict, IterableDataset, IterableDatasetDict)
"""The kinds of data set that a stage maps; it returns the kind that it was given."""
OnRows = Callable[[str, list[Row]], None]
"""Called on the transport's thread with a stage's name and the output rows of one input row."""

BATCH_SIZE = 16
"""Rows in one call of `Dataset.map`; small, so that no row waits long for its neighbours."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A batched map transform; its fields are everything that shapes its output.

    `Dataset.map(stage, batched=True)` takes it as it is and keeps the input's columns beside the stage's own;
    `stage.map(dataset)` keeps the endpoint full and gives the stage's table alone.
    """

    needs: ClassVar[tuple[str, ...]]
    """The columns the stage reads and cannot do without."""

    seed: int = 0
    """The run's seed; every request's own seed is derived from it."""

    @property
    def features(self) -> Features:
        """The table the stage makes."""
        raise NotImplementedError

    async def rows(self, row: Row) -> list[Row]:
        """Return the output rows of one input row; a row that cannot be done has an `error`."""
        raise NotImplementedError

    async def process(self, row: Row, on_rows: OnRows | None) -> list[Row]:
        """Process one row and report the output rows to `on_rows`."""
        row_requests.begin_row()
        rows = await self.rows(row)
        if on_rows is not None:
            on_rows(self.name, rows)
        return rows

    def totals(self, dataset: Dataset) -> dict[str, int]:
        """Return how many input rows will be reported, by stage."""
        return {self.name: len(dataset)}

    @property
    def name(self) -> str:
        """The stage's name in progress reports and in a manifest's usage."""
        return type(self).__name__.lower()

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Return one batch with the stage's columns, when all its rows are done.

        Args:
            batch: columns of equal length, or a table of pandas, polars or pyarrow.

        Returns:
            The input's columns and the stage's, one value an output row.

        Raises:
            BadInput: a column is missing, or this is not the process that connected the endpoints.
        """
        batch = _columns(batch)
        outputs = transport.run(self._batch(batch, None))
        carried = [{**row, **new} for row, rows in zip(_rows(batch), outputs, strict=True) for new in rows]
        return {
            name: [row.get(name) for row in carried]
            for name in [*batch, *(f for f in self.features if f not in batch)]
        }

    def map(self, dataset: AnyDataset, *, on_rows: OnRows | None = None) -> AnyDataset:
        """Return the stage's table for a whole data set, with as many rows in work as the endpoint takes.

        Args:
            dataset: one that has the stage's columns, in any format; its own caching applies. Each of several
                splits is mapped. A stream is mapped while it is read, `BATCH_SIZE` rows at a time, and need
                not end.
            on_rows: called for each input row that is done.

        Returns:
            The same kind of data set with the stage's `features`.

        Raises:
            BadInput: a column is missing, or this is not the process that connected the endpoints.
            EndpointError: the endpoint cannot serve now; what was answered is in the journal, if there is
                one.
        """
        if isinstance(dataset, dict):
            return type(dataset)({split: self.map(part, on_rows=on_rows) for split, part in dataset.items()})
        if isinstance(dataset, IterableDataset):
            return self._stream(dataset, on_rows)
        kind = dataset.format["type"]
        return self._table(dataset.with_format(None), self.fingerprint(dataset), on_rows).with_format(kind)

    def _stream(self, dataset: IterableDataset, on_rows: OnRows | None) -> IterableDataset:
        # A generator's columns show in its first row.
        names = dataset.column_names or list(next(iter(dataset), {}))
        _require(self.needs, names)
        return dataset.with_format(None).map(
            functools.partial(self._stream_batch, on_rows=on_rows),
            batched=True,
            batch_size=BATCH_SIZE,
            remove_columns=names,
            features=self.features,
        )

    def _stream_batch(
        self, batch: Mapping[str, Sequence[Any]], *, on_rows: OnRows | None
    ) -> dict[str, list[Any]]:
        return self._own_columns(transport.run(self._batch(batch, on_rows)))

    def _table(self, dataset: Dataset, fingerprint: str, on_rows: OnRows | None) -> Dataset:
        _require(self.needs, dataset.column_names)
        if not len(dataset):
            # `Dataset.map` gives an empty data set back as it is, without the stage's columns.
            return schema.table([], self.features)
        running: set[concurrent.futures.Future[Any]] = set()
        loops: set[asyncio.AbstractEventLoop] = set()
        map_all = functools.partial(
            dataset.map,
            functools.partial(self._map_batch, running=running, loops=loops, on_rows=on_rows),
            batched=True,
            batch_size=BATCH_SIZE,
            remove_columns=dataset.column_names,
            features=self.features,
            new_fingerprint=fingerprint,
        )
        pool = concurrent.futures.ThreadPoolExecutor(1)
        try:
            if not _in_loop():
                return map_all()
            # `Dataset.map` runs async functions on a loop of its own, which a thread can have only one of.
            return transport.result(pool.submit(map_all))
        finally:
            for future in list(running):
                future.cancel()
            pool.shutdown(wait=False)
            # `Dataset.map` leaves its loop open, with three files; a run maps many times.
            for loop in loops:
                if not loop.is_running():
                    loop.close()

    async def _map_batch(
        self,
        batch: Mapping[str, Sequence[Any]],
        *,
        running: set[concurrent.futures.Future[Any]],
        loops: set[asyncio.AbstractEventLoop],
        on_rows: OnRows | None,
    ) -> dict[str, list[Any]]:
        loops.add(asyncio.get_running_loop())
        future = transport.submit(self._batch(batch, on_rows))
        running.add(future)
        try:
            return self._own_columns(await asyncio.wrap_future(future))
        finally:
            running.discard(future)

    def _own_columns(self, outputs: list[list[Row]]) -> dict[str, list[Any]]:
        """Return the stage's own columns of a batch's output rows."""
        return {name: [row[name] for rows in outputs for row in rows] for name in self.features}

    async def _batch(self, batch: Mapping[str, Sequence[Any]], on_rows: OnRows | None) -> list[list[Row]]:
        _require(self.needs, list(batch))
        tasks = [asyncio.ensure_future(self.process(row, on_rows)) for row in _rows(batch)]
        try:
            return await asyncio.gather(*tasks)
        finally:
            # After an error, which stops the run, the batch's other rows would go on asking.
            for task in tasks:
                task.cancel()

    def spec(self) -> dict[str, Any]:
        """Return what shapes the output as plain data.

        An endpoint is its model's identity there, and a prompt its text.
        """
        values = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return {"stage": type(self).__name__, "version": VERSION, **values}

    def fingerprint(self, dataset: Dataset) -> str:
        """Return the output's fingerprint: a hash of the data's fingerprint and the stage's spec.

        No URL, token or limit of concurrency is part of it.
        """
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
        extra = asked_with(value)
        return [value.identity, dict(extra)] if extra else value.identity
    if isinstance(value, Stage | Contamination):
        return value.spec()
    return value


def _columns(batch: Any) -> Mapping[str, Sequence[Any]]:
    """Return a batch of a data set in any format as columns."""
    if isinstance(batch, pl.DataFrame):
        batch = batch.to_arrow()
    elif not isinstance(batch, (Mapping, pa.Table)):  # of pandas, which need not be imported for it
        batch = pa.Table.from_pandas(batch, preserve_index=False)
    columns: Mapping[str, Sequence[Any]] = batch.to_pydict() if isinstance(batch, pa.Table) else batch
    return columns


def _rows(batch: Mapping[str, Sequence[Any]]) -> list[Row]:
    return [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]


def _require(needed: Sequence[str], columns: Sequence[str]) -> None:
    for name in needed:
        if name not in columns:
            have = ", ".join(f"`{column}`" for column in columns) or "none"
            raise BadInput(f"needs a column `{name}`; the data set has {have}")
