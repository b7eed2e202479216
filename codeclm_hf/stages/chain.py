"""Chain: rubrics, decode and tailor of one metadata row in one go, so that no row waits at a stage's end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, Features, List

from codeclm_hf import schema
from codeclm_hf.stages.decode import Decode
from codeclm_hf.stages.rubrics import Rubrics
from codeclm_hf.stages.stage import OnRows, Row, Stage
from codeclm_hf.stages.structured import gather
from codeclm_hf.stages.tailor import Tailor

MOST_IN_THE_LOOP = 4096
"""Instructions that are judged and improved at a time: enough for any endpoint, and all that is held in memory."""
_in_the_loop = asyncio.Semaphore(MOST_IN_THE_LOOP)


@dataclass(frozen=True, kw_only=True)
class Chain(Stage):
    """Metadata → the same metadata with its rubrics and, in a column `trace`, the trace of all its instructions.

    The rows are those that the three stages make one after the other; rubrics are made beside the instructions, and
    each instruction's loop begins as soon as it is there.
    """

    features: ClassVar[Features] = Features({**schema.METADATA, "trace": List(dict(schema.TRACE))})
    needs: ClassVar[tuple[str, ...]] = Rubrics.needs

    rubrics: Rubrics | None
    """None where nothing is improved."""
    decode: Decode
    """Makes the basic instructions."""
    tailor: Tailor
    """Judges and improves each of them."""

    async def rows(self, row: Row) -> list[Row]:
        """One row a metadata."""
        return await self.told(row, None)

    async def told(self, row: Row, on_rows: OnRows | None) -> list[Row]:
        """`rows`, and word of what the three stages do."""
        describing = asyncio.ensure_future(self._describe(row, on_rows))

        async def actions() -> list[str]:
            described = await asyncio.shield(describing)
            return list(described["actions"])

        async def tailored(instruction: Row) -> list[Row]:
            async with _in_the_loop:
                trace = await self.tailor.trace(instruction, actions)
            if on_rows is not None:
                on_rows(self.tailor.name, trace)
            return trace

        async def instructions() -> list[Row]:
            made = await self.decode.told(row, on_rows)
            return [one for trace in await gather(*map(tailored, made)) for one in trace]

        described, trace = await gather(describing, instructions())
        return [{**described, "trace": trace}]

    def totals(self, dataset: Dataset) -> dict[str, int]:
        """How many rows there are to be told of, by stage."""
        rubrics = {} if self.rubrics is None else self.rubrics.totals(dataset)
        return rubrics | self.decode.totals(dataset) | {self.tailor.name: self.decode.wanted(dataset)}

    async def _describe(self, row: Row, on_rows: OnRows | None) -> Row:
        if self.rubrics is None:
            return row
        (described,) = await self.rubrics.told(row, on_rows)
        return described


def split_trace(made: Dataset) -> tuple[Dataset, Dataset]:
    """What `Chain` made as two tables: the trace, and the metadata."""
    # Chunk by chunk: together the texts may be more than the 2 GiB that one array holds.
    traces = made.data.table.column("trace")
    flat = pa.chunked_array([pc.list_flatten(chunk) for chunk in traces.chunks], type=traces.type.value_type)
    trace = pa.Table.from_struct_array(flat).select(list(schema.TRACE))
    return Dataset(trace.cast(schema.TRACE.arrow_schema)), made.remove_columns("trace")
