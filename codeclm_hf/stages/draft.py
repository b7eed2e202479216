"""Draft: the rubrics of a metadata row, and beside them a wave of its basic instructions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from datasets import Dataset, Features, List, Value

from codeclm_hf import schema
from codeclm_hf.endpoints import row_requests
from codeclm_hf.stages.decode import Decode
from codeclm_hf.stages.rubrics import Rubrics
from codeclm_hf.stages.stage import OnRows, Row, Stage
from codeclm_hf.stages.structured import gather


@dataclass(frozen=True, kw_only=True)
class Draft(Stage):
    """Metadata → the same metadata with rubrics, and with drafts of its instructions in a column `drafts`.

    Takes the table `schema.METADATA` with two columns more: `num_instructions`, how many to draft, and
    `wave`, which wave this is, from 0. A wave may bring fewer; then `shortage` says why.
    """

    features: ClassVar[Features] = Features(
        {**schema.METADATA, "drafts": List(Value("string")), "shortage": Value("string")}
    )
    needs: ClassVar[tuple[str, ...]] = (*Rubrics.needs, "num_instructions", "wave")

    rubrics: Rubrics | None
    """None where nothing is improved, or the rubrics are there already."""
    decode: Decode
    """Makes the basic instructions."""

    async def rows(self, row: Row) -> list[Row]:
        """Return the metadata row with its rubrics and its drafts."""
        return await self.process(row, None)

    async def process(self, row: Row, on_rows: OnRows | None) -> list[Row]:
        """Process one row and report the output rows of both stages to `on_rows`."""
        described, drafted = await gather(self._describe(row, on_rows), self._draft(row, on_rows))
        return [{**described, **drafted}]

    def totals(self, dataset: Dataset) -> dict[str, int]:
        """Return how many input rows will be reported, by stage."""
        rubrics = {} if self.rubrics is None else self.rubrics.totals(dataset)
        return rubrics | self.decode.totals(dataset)

    async def _describe(self, row: Row, on_rows: OnRows | None) -> Row:
        if self.rubrics is None:
            return row
        if row["actions"]:
            row_requests.begin_row()
            if on_rows is not None:
                on_rows(self.rubrics.name, [row])
            return row
        (described,) = await self.rubrics.process(row, on_rows)
        return described

    async def _draft(self, row: Row, on_rows: OnRows | None) -> Row:
        row_requests.begin_row()
        wave = await self.decode.ask_wave(row, row["num_instructions"] if row["use_case"] else 0, row["wave"])
        if on_rows is not None:
            on_rows(self.decode.name, [row])
        return {"drafts": wave.instructions, "shortage": wave.error}
