"""The rows of an evaluation: instructions, the judge's scores of both answers, and the outcome of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

from codeclm_hf import schema
from codeclm_hf.evaluation.outcomes import outcome
from codeclm_hf.run import directory

TABLE = "comparisons"
"""The name of the one table of an evaluation."""
COMPARISONS = f"{directory.DATA}/{TABLE}"
"""Where an evaluation's folder keeps the table."""
GROUPINGS = ("use_case", "skill", "source")
"""What results can be grouped by."""
_READ = [name for name in schema.JUDGEMENTS if not name.endswith("_response") and name != "explanations"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What counts of one row of `schema.JUDGEMENTS` or `schema.COMPARISONS`: all but the long texts."""

    id: str | None
    instruction: str | None
    """None where the benchmark's row has none that can be used."""
    source: str | None
    use_case: str | None
    skills: tuple[str, ...]
    candidate_scores: tuple[float, float] | None
    """The candidate's scores: shown first, and shown second; None where there is no judgement."""
    reference_scores: tuple[float, float] | None
    """The reference's scores in the same two judgements: shown second, and shown first."""
    error: str | None
    """Why there is no judgement."""

    @property
    def outcome(self) -> str | None:
        """Whether the candidate wins, ties or loses; None where nothing could be judged."""
        return outcome(self.candidate_scores, self.reference_scores)

    def names(self, grouping: str) -> tuple[str, ...]:
        """Return the names of the groups that it belongs to: several skills, one use case or source, or none.

        Args:
            grouping: one of `GROUPINGS`.
        """
        if grouping == "skill":
            return self.skills
        name = self.use_case if grouping == "use_case" else self.source
        return (name,) if name else ()


def comparisons(table: Dataset) -> list[Comparison]:
    """Return the comparisons of a table with the columns of `schema.JUDGEMENTS`."""
    return [_comparison(row) for row in table.select_columns(_READ)]


def _comparison(row: Mapping[str, Any]) -> Comparison:
    candidate = reference = None
    if row["scores_candidate_first"] and row["scores_reference_first"]:
        candidate, reference = zip(row["scores_candidate_first"], row["scores_reference_first"], strict=True)
    return Comparison(
        id=row["id"],
        instruction=row["instruction"],
        source=row["source"],
        use_case=row["use_case"],
        skills=tuple(row["skills"] or ()),
        candidate_scores=candidate,
        reference_scores=reference,
        error=row["error"],
    )


def comparison_files(folder: Path) -> list[Path]:
    """Return the Parquet files of the comparisons in an evaluation's folder, in order."""
    return sorted((folder / COMPARISONS).glob("*.parquet"))


def read_outcomes(folder: Path) -> dict[str, str | None]:
    """Return the outcome by instruction in an evaluation's folder; None where it could not be judged.

    Raises:
        OSError, pyarrow.ArrowException: the comparisons cannot be read.
    """
    outcomes: dict[str, str | None] = {}
    for file in comparison_files(folder):
        table = pq.read_table(file, columns=["instruction", "outcome"])
        outcomes |= zip(table["instruction"].to_pylist(), table["outcome"].to_pylist(), strict=True)
    return {instruction: outcome for instruction, outcome in outcomes.items() if instruction is not None}


def with_outcomes(judgements: Dataset, rows: Sequence[Comparison]) -> Dataset:
    """Return the table `schema.COMPARISONS`: what the judge said, and the outcome of each row.

    Args:
        judgements: a table of `schema.JUDGEMENTS`.
        rows: the same rows as comparisons.
    """
    table: pa.Table = judgements.with_format("arrow")[:]
    outcomes = pa.array([row.outcome for row in rows], pa.string())
    table = table.append_column("outcome", outcomes).select(list(schema.COMPARISONS))
    return Dataset(table.cast(schema.COMPARISONS.arrow_schema))
