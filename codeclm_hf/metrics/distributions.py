"""Counts of a run's tables, with polars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

VERDICTS = ("accept_strong", "accept_target", "retry", "exhausted", "failed")
COUNTED = {
    "default": ["id"],
    "preference": ["id"],
    "trace": ["iteration", "verdict"],
    "metadata": ["origin", "use_case"],
}
"""The columns that `counts` needs, by table."""
ORIGINS = ("seed", "given", "augmented")


def counts(tables: Mapping[str, pl.LazyFrame]) -> dict[str, Any]:
    """How many rows there are, by stage, iteration and verdict.

    Args:
        tables: the four tables of a run, or of a version; the columns `COUNTED` will do.

    Returns:
        `metadata` (by origin; `failed` have no use case), `instructions` (basic ones, failed ones included),
        `iterations` (one entry an iteration, by verdict; they add up to the trace's rows), and the rows of each table.
    """
    metadata = tables["metadata"].select("origin", "use_case").collect()
    usable = metadata.filter(pl.col("use_case").is_not_null())
    trace = tables["trace"].select("iteration", "verdict").collect()
    by_verdict = {(i, v): n for i, v, n in trace.group_by("iteration", "verdict").len().iter_rows()}
    return {
        "metadata": {
            "total": usable.height,
            **{origin: usable.filter(pl.col("origin") == origin).height for origin in ORIGINS},
            "failed": metadata.height - usable.height,
        },
        "instructions": trace.filter(pl.col("iteration") == 1).height,
        "iterations": [
            {"iteration": i, **{verdict: by_verdict.get((i, verdict), 0) for verdict in VERDICTS}}
            for i in sorted({i for i, _ in by_verdict})
        ],
        "rows": {name: table.select(pl.len()).collect().item() for name, table in tables.items()},
    }
