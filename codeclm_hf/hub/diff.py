"""What changed between two versions of a data set: rows by id, and how far use cases and skills moved."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from codeclm_hf.card.drift import drift
from codeclm_hf.card.shapes import Drift
from codeclm_hf.errors import BadInput
from codeclm_hf.hub.fetch import fetch_any, revision_name
from codeclm_hf.hub.repository import Repository
from codeclm_hf.hub.snapshot import NO_ROWS, Row, Snapshot, read_run_directory
from codeclm_hf.run import directory as run_directory
from codeclm_hf.text import ROWS_SHOWN

KINDS = ("added", "removed", "changed")
"""What can become of a row from one version to another."""


@dataclass(frozen=True)
class RowChange:
    """One row on both sides; None where it is not there."""

    id: str
    """The row's id."""
    before: Row | None
    """Its columns before."""
    after: Row | None
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
        """Return everything as values that JSON can hold."""
        return asdict(self)


def compare_versions(
    repo: str, before: str, after: str, *, limit: int = ROWS_SHOWN, token: str | None = None
) -> Diff:
    """Compare two versions of a data set on the Hub, or one with a run directory.

    Args:
        repo: `org/name` of the data set.
        before: a version, tag, branch or commit, or a run directory.
        after: the same.
        limit: at most so many rows of each kind and config are in the result; the counts are of all.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Raises:
        BadInput: the limit is negative, or there is no such data set or revision.
        HubError: the Hub gives no answer.
    """
    if limit < 0:
        raise BadInput(f"needs a limit of 0 or more; came {limit}")
    hub = Repository(repo, token=token)
    with tempfile.TemporaryDirectory(prefix="codeclm-hf-") as scratch:
        contents = [
            read_run_directory(Path(name))
            if (Path(name) / run_directory.MANIFEST).is_file()
            else fetch_any(hub, hub.require_head(revision_name(name)), Path(scratch) / side)
            for side, name in (("before", before), ("after", after))
        ]
        return compare(contents[0], contents[1], (before, after), limit=limit)


def compare(before: Snapshot, after: Snapshot, names: tuple[str, str], *, limit: int = ROWS_SHOWN) -> Diff:
    """Compare two versions, row by row.

    Args:
        before: the earlier one.
        after: the later one.
        names: what the two are called.
        limit: at most so many rows of each kind and config are in the result; the counts are of all.
    """
    configs = dict.fromkeys([*before.files, *after.files])
    return Diff(
        before=names[0],
        after=names[1],
        tables={config: _compare_tables(config, before, after, limit) for config in configs},
        drift=drift(_drift_columns(before), _drift_columns(after)),
    )


def _compare_tables(config: str, before: Snapshot, after: Snapshot, limit: int) -> TableDiff:
    old, new = before.digests.get(config, NO_ROWS), after.digests.get(config, NO_ROWS)
    added = new.join(old, on="id", how="anti", maintain_order="left")["id"]
    removed = old.join(new, on="id", how="anti", maintain_order="left")["id"]
    both = old.join(new, on="id", suffix="_after", maintain_order="left")
    changed = both.filter(pl.col("digest") != pl.col("digest_after"))["id"]
    shown = [*added[:limit], *removed[:limit], *changed[:limit]]
    old_rows, new_rows = before.rows(config, shown), after.rows(config, shown)
    return TableDiff(
        added=added.len(),
        removed=removed.len(),
        changed=changed.len(),
        rows=tuple(RowChange(id, old_rows.get(id), new_rows.get(id)) for id in shown),
    )


def _drift_columns(snapshot: Snapshot) -> pl.LazyFrame:
    """Return the columns whose distributions are compared; no rows where the data has no such columns."""
    types: dict[str, pl.DataType] = {"use_case": pl.String(), "skills": pl.List(pl.String)}
    if "default" not in snapshot.files or not types.keys() <= set(snapshot.schema("default").names):
        return pl.LazyFrame(schema=types)
    return snapshot.frame("default", list(types)).select(
        pl.col(name).cast(kind) for name, kind in types.items()
    )
