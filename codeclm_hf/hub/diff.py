"""What changed between two versions of a data set: rows by id, and how far use cases and skills moved."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from codeclm_hf.card.drift import drift
from codeclm_hf.card.shapes import Drift
from codeclm_hf.hub.snapshot import DIGESTS, Snapshot
from codeclm_hf.text import ROWS_SHOWN

KINDS = ("added", "removed", "changed")
"""What can have become of a row."""
_NOTHING = pl.DataFrame(schema=DIGESTS)


@dataclass(frozen=True)
class RowChange:
    """One row on both sides; None where it is not there."""

    id: str
    """The row's id."""
    before: dict[str, Any] | None
    """Its columns before."""
    after: dict[str, Any] | None
    """Its columns after."""


@dataclass(frozen=True)
class TableDiff:
    """How many rows of one config came, went and changed, and some of them."""

    added: int
    """Rows that only the later version has."""
    removed: int
    """Rows that only the earlier version has."""
    changed: int
    """Rows of the same id that hold something else."""
    rows: tuple[RowChange, ...] = ()
    """Some of them, by default `ROWS_SHOWN` of each kind."""


@dataclass(frozen=True)
class Diff:
    """Two versions compared: rows by config, and how far the metadata moved."""

    before: str
    """What the earlier version is called."""
    after: str
    """What the later version is called."""
    tables: dict[str, TableDiff]
    """By config."""
    drift: dict[str, Drift]
    """By `use_case` and `skills`: how far the distribution of the names moved."""

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return asdict(self)


def compare(before: Snapshot, after: Snapshot, names: tuple[str, str], *, limit: int = ROWS_SHOWN) -> Diff:
    """Compare two contents.

    Args:
        before: the one.
        after: the other.
        names: what they are called.
        limit: at most so many rows of each kind and config are in the result; the counts are of all.
    """
    configs = dict.fromkeys([*before.files, *after.files])
    tables = {config: _table(config, before, after, limit) for config in configs}
    return Diff(*names, tables, drift(_named(before), _named(after)))


def _table(config: str, before: Snapshot, after: Snapshot, limit: int) -> TableDiff:
    was, now = before.digests.get(config, _NOTHING), after.digests.get(config, _NOTHING)
    came = now.join(was, on="id", how="anti", maintain_order="left")["id"]
    went = was.join(now, on="id", how="anti", maintain_order="left")["id"]
    changed = was.join(now, on="id", suffix="_now", maintain_order="left").filter(
        pl.col("digest") != pl.col("digest_now")
    )
    shown = [*came[:limit], *went[:limit], *changed["id"][:limit]]
    old, new = before.rows(config, shown), after.rows(config, shown)
    rows = tuple(RowChange(name, old.get(name), new.get(name)) for name in shown)
    return TableDiff(came.len(), went.len(), changed.height, rows)


def _named(snapshot: Snapshot) -> pl.LazyFrame:
    """The columns whose distribution is compared; none where the data has no such columns."""
    types: dict[str, pl.DataType] = {"use_case": pl.String(), "skills": pl.List(pl.String)}
    if "default" not in snapshot.files or not types.keys() <= set(snapshot.schema("default").names):
        return pl.LazyFrame(schema=types)
    return snapshot.frame("default", list(types)).select(
        pl.col(name).cast(kind) for name, kind in types.items()
    )
