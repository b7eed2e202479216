"""Which accepted instructions stay in the data set: no copies over all of it, and no more than were wanted."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
from datasets import Dataset

from codeclm_hf.stages import contrast
from codeclm_hf.stages.near_duplicates import NearDuplicates

SURPLUS = "surplus"
"""Why an accepted row is left out of the data set when it has as many as were wanted."""


class Selection:
    """The accepted instructions that stay, in the order in which they are offered.

    Args:
        known: (id, text) of instructions that none may repeat but the row of the same id.
        most: how many may stay; None where all may.
    """

    def __init__(self, known: Iterable[tuple[str, str]], most: int | None = None) -> None:
        self._instructions = NearDuplicates()
        self._most = most
        self.size = 0
        """How many stay so far."""
        for key, text in known:
            self._instructions.add(key, text)

    def mark(self, trace: Dataset) -> Dataset:
        """Return the trace with its column `removed`: why an accepted row is not in the data set.

        Args:
            trace: what `Tailor` made, in the order in which its rows are to be preferred.
        """
        rows = trace.select_columns(["id", "instruction", "verdict"])
        reasons = [
            self._offer(row["id"], row["instruction"]) if row["verdict"] in contrast.ACCEPTED else None
            for row in rows
        ]
        table = trace.data.table
        at = table.column_names.index("removed")
        return Dataset(table.set_column(at, table.schema.field(at), pa.array(reasons, pa.string())))

    def _offer(self, id: str, instruction: str) -> str | None:
        """Take in an instruction, or return why it is left out."""
        duplicate = self._instructions.find(instruction)
        if duplicate is not None and duplicate.of != id:
            return f"{duplicate.reason} of {duplicate.of}"
        if self.size == self._most:
            return SURPLUS
        self.size += 1
        self._instructions.add(id, instruction)
        return None
