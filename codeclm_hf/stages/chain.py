"""Chain: rubrics, decode and tailor of one metadata row in one go, so that no row waits at a stage's end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, Features, List

from codeclm_hf import schema
from codeclm_hf.endpoints import row_requests
from codeclm_hf.stages.decode import Decode
from codeclm_hf.stages.rubrics import Rubrics
from codeclm_hf.stages.stage import OnRows, Row, Stage
from codeclm_hf.stages.structured import gather
from codeclm_hf.stages.tailor import Tailor

MOST_IN_THE_LOOP = 4096
"""Instructions that are judged and improved at a time: enough for any endpoint, and a limit for memory."""
_in_the_loop = asyncio.Semaphore(MOST_IN_THE_LOOP)


@dataclass(frozen=True, kw_only=True)
class Chain(Stage):
    """Metadata → the same metadata with rubrics and, in a column `trace`, the trace of all its instructions.

    The rows are those that the three stages make one after the other; rubrics are made beside the
    instructions, and each instruction's loop begins as soon as it is there.
    """

    needs: ClassVar[tuple[str, ...]] = Rubrics.needs

    rubrics: Rubrics | None
    """None where nothing is improved."""
    decode: Decode
    """Makes the basic instructions."""
    tailor: Tailor
    """Judges and improves each of them."""

    @property
    def features(self) -> Features:
        """The metadata, with a list of the rows that `tailor` makes."""
        return Features({**schema.METADATA, "trace": List(dict(self.tailor.features))})

    async def rows(self, row: Row) -> list[Row]:
        """Return the metadata row with its rubrics and its trace."""
        return await self.process(row, None)

    async def process(self, row: Row, on_rows: OnRows | None) -> list[Row]:
        """Process one row and report the output rows of each of the three stages to `on_rows`."""
        describing = asyncio.ensure_future(self._describe(row, on_rows))

        async def actions() -> list[str]:
            described = await asyncio.shield(describing)
            return list(described["actions"])

        async def tailored(instruction: Row) -> list[Row]:
            async with _in_the_loop:
                row_requests.begin_row()
                trace = await self.tailor.trace(instruction, actions)
            if on_rows is not None:
                on_rows(self.tailor.name, trace)
            return trace

        async def instructions() -> list[Row]:
            basic = await self.decode.process(row, on_rows)
            return [version for trace in await gather(*map(tailored, basic)) for version in trace]

        described, trace = await gather(describing, instructions())
        return [{**described, "trace": trace}]

    def totals(self, dataset: Dataset) -> dict[str, int]:
        """Return how many input rows will be reported, by stage."""
        rubrics = {} if self.rubrics is None else self.rubrics.totals(dataset)
        return rubrics | self.decode.totals(dataset) | {self.tailor.name: self.decode.wanted(dataset)}

    async def _describe(self, row: Row, on_rows: OnRows | None) -> Row:
        if self.rubrics is None:
            return row
        (described,) = await self.rubrics.process(row, on_rows)
        return described


def split_trace(chained: Dataset) -> tuple[Dataset, Dataset]:
    """Return the output of `Chain` as two tables: the trace, and the metadata."""
    # Chunk by chunk: together the texts may be more than the 2 GiB that one array holds.
    traces = chained.data.table.column("trace")
    flat = pa.chunked_array([pc.list_flatten(chunk) for chunk in traces.chunks], type=traces.type.value_type)
    trace = pa.Table.from_struct_array(flat)
    features = schema.features("trace", trace.column_names)
    return Dataset(trace.select(list(features)).cast(features.arrow_schema)), chained.remove_columns("trace")
