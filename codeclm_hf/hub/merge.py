"""A three-way merge of the rows of two versions, by id.

A merge has a base (the rows that both versions come from), a current version (what stands on the branch)
and an incoming one (what is to be merged into it). Rows are compared by their digests; only rows in dispute
are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

import polars as pl
import pyarrow as pa

from codeclm_hf import ids, schema
from codeclm_hf.card.shapes import RowChanges
from codeclm_hf.errors import BadInput
from codeclm_hf.hub.snapshot import NO_ROWS, Row, Snapshot, with_columns
from codeclm_hf.text import single_line

Side = Literal["current", "incoming"]
Resolution = Side | Literal["neither"] | Row
"""How a conflict ends: with the row of one side, with no row, or with this row."""
Resolutions = Mapping[str, Mapping[str, Resolution]]
"""How some conflicts end, by config and id."""

_ORIGINS = ("given", "seed", "augmented")
"""The values of `origin`; of two that differ, the one that stands first here is kept."""
_OPTIONAL = frozenset().union(*map(schema.optional_columns, schema.TABLES))
"""Columns that the rows of one side may lack."""
_GROWING = {
    "default": ("seed_ids", "flags"),
    "trace": ("flags", "strong_flags", "target_flags", "rejected"),
    "metadata": ("seed_ids", "rubrics", "actions"),
}
"""Lists that only ever grow, by config: where two rows differ in these alone, the lists are united."""


@dataclass(frozen=True, kw_only=True)
class MergeInputs:
    """What is merged."""

    current: Snapshot
    """What stands on the branch; empty where there is nothing yet."""
    incoming: Snapshot
    """What is to be merged into it."""
    base: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """By config, `id` and `digest` of the rows that both sides come from; empty where there is no base."""
    base_card_words: str | None = None
    """What people had written in the base's card; None where there is no base."""


@dataclass(frozen=True)
class Conflict:
    """A row that both sides changed, differently; None where a side has no such row."""

    config: str
    id: str
    current: Row | None
    incoming: Row | None


@dataclass(frozen=True)
class TableMerge:
    """Which rows a merged table has."""

    from_current: pl.Series
    """For each row of the current table, whether it is taken."""
    from_incoming: pl.Series
    """For each row of the incoming table, whether it is taken; of two equal rows, the incoming one is."""
    changes: RowChanges
    """What changes in the current table."""
    new_rows: list[Row] = field(default_factory=list)
    """Rows united from both sides, or written by hand to end a conflict."""
    conflicts: list[Conflict] = field(default_factory=list)
    """What nothing ends; until then the rows of the current table stand."""

    @property
    def is_incoming_table(self) -> bool:
        """Whether the merged table is just the incoming one."""
        return not self.from_current.any() and self.from_incoming.all() and not self.new_rows


def merge_tables(
    inputs: MergeInputs, *, take: Side | None = None, resolutions: Resolutions | None = None
) -> dict[str, TableMerge]:
    """Merge every config that a side has rows of; conflicts are listed, not raised.

    Args:
        inputs: the two sides and their base.
        take: the side whose row ends each conflict.
        resolutions: how some conflicts end.
    """
    configs = {*inputs.incoming.files, *inputs.current.digests}
    return {
        config: merge_table(config, inputs, take=take, resolutions=(resolutions or {}).get(config))
        for config in schema.TABLES
        if config in configs
    }


def merge_table(
    config: str,
    inputs: MergeInputs,
    *,
    take: Side | None = None,
    resolutions: Mapping[str, Resolution] | None = None,
) -> TableMerge:
    """Merge one config.

    A row that one side changed is taken from there, and so is its absence. A row that both sides made or
    changed in the same way is one row. Any other row is in conflict, unless the two differ only in what
    ever grows (`seed_ids`, the rubrics and actions of one use case, flags): then these are united.

    Args:
        config: which table.
        inputs: the two sides and their base.
        take: the side whose row ends each conflict.
        resolutions: how some conflicts end, by id; they go before `take`.
    """
    current = inputs.current.digests.get(config, NO_ROWS)
    base = inputs.base.get(config, NO_ROWS)
    if current.is_empty() and base.is_empty():  # nothing to compare the incoming rows with
        height = inputs.incoming.height(config)
        return TableMerge(
            from_current=pl.Series(dtype=pl.Boolean),
            from_incoming=pl.repeat(True, height, eager=True),
            changes=RowChanges(added=height, removed=0, changed=0),
        )
    incoming = inputs.incoming.digests.get(config, NO_ROWS)
    rows = _compare_sides(current, incoming, base)
    disputed = rows.filter(pl.col("side").is_null())["id"].sort().to_list()
    outcome = _resolve(config, disputed, inputs, take, resolutions or {})
    rows = rows.with_columns(
        side=pl.when(pl.col("id").is_in(outcome.from_incoming))
        .then(pl.lit("incoming"))
        .when(pl.col("id").is_in([*outcome.new_rows, *outcome.without]))
        .then(pl.lit("neither"))
        .otherwise(pl.col("side").fill_null("current"))
    )
    return TableMerge(
        from_current=current["id"].is_in(rows.filter(pl.col("side") == "current")["id"].implode()),
        from_incoming=incoming["id"].is_in(rows.filter(pl.col("side") == "incoming")["id"].implode()),
        new_rows=list(outcome.new_rows.values()),
        changes=_count_changes(rows, outcome),
        conflicts=outcome.conflicts,
    )


def _compare_sides(current: pl.DataFrame, incoming: pl.DataFrame, base: pl.DataFrame) -> pl.DataFrame:
    """Compare three tables row by row.

    Returns:
        `id`, the digests `current`, `incoming` and `base`, and the `side` to take: null where both changed.
    """
    rows = (
        current.lazy()
        .join(incoming.lazy(), on="id", how="full", suffix="_incoming", coalesce=True)
        .join(base.lazy(), on="id", how="left", suffix="_base")
        .rename({"digest": "current", "digest_incoming": "incoming", "digest_base": "base"})
    )
    is_same = pl.col("incoming").eq_missing(pl.col("current"))
    current_is_unchanged = pl.col("current").eq_missing(pl.col("base"))
    incoming_is_unchanged = pl.col("incoming").eq_missing(pl.col("base"))
    return rows.with_columns(
        side=pl.when(is_same | current_is_unchanged)
        .then(pl.lit("incoming"))
        .when(incoming_is_unchanged)
        .then(pl.lit("current"))
    ).collect()


@dataclass
class _Outcome:
    """What becomes of the rows in dispute."""

    from_incoming: list[str] = field(default_factory=list)
    """Ids of rows that are taken from the incoming table."""
    new_rows: dict[str, Row] = field(default_factory=dict)
    """United or written rows, by id."""
    without: list[str] = field(default_factory=list)
    """Ids of which no row stands."""
    conflicts: list[Conflict] = field(default_factory=list)


def _resolve(
    config: str,
    disputed: list[str],
    inputs: MergeInputs,
    take: Side | None,
    resolutions: Mapping[str, Resolution],
) -> _Outcome:
    """End what can be ended of the rows that both sides changed, differently."""
    outcome = _Outcome()
    current_rows = inputs.current.rows(config, disputed)
    incoming_rows = inputs.incoming.rows(config, disputed)
    for row_id in disputed:
        current, incoming = current_rows.get(row_id), incoming_rows.get(row_id)
        united = unite(config, current, incoming) if current is not None and incoming is not None else None
        if united is not None:
            if united != current:
                outcome.new_rows[row_id] = united
            continue
        resolution = resolutions.get(row_id, take)
        if isinstance(resolution, dict) and resolution in (current, incoming):
            resolution = "incoming" if resolution == incoming else "current"
        if resolution is None:
            outcome.conflicts.append(Conflict(config, row_id, current, incoming))
        elif isinstance(resolution, dict):
            outcome.new_rows[row_id] = resolution
        elif resolution == "incoming":
            outcome.from_incoming.append(row_id)
        elif resolution == "neither":
            outcome.without.append(row_id)
    return outcome


def unite(config: str, current: Row, incoming: Row) -> Row | None:
    """Return one row of two that differ only in what can be united; None where more differs.

    These are the lists that grow, `origin`, and `removed`: a row that either side has not removed stands.
    Of the columns of which one row knows nothing, what the other says is kept.
    """
    removed = current.get("removed"), incoming.get("removed")
    current, incoming = _with_optional(current, incoming), _with_optional(incoming, current)
    if set(current) != set(incoming):
        return None
    row = dict(current)
    growing = current.keys() & set(_GROWING.get(config, ()))
    grown = {name for name in growing if current[name] != incoming[name]}
    for name in grown:
        lists = [current[name] or [], incoming[name] or []]
        if not all(isinstance(value, str | dict) for values in lists for value in values):
            return None
        row[name] = list({ids.canonical(value): value for value in chain(*sorted(lists, key=str))}.values())
    if {current.get("origin"), incoming.get("origin")} <= set(_ORIGINS):
        grown.add("origin")
        row["origin"] = min(current["origin"], incoming["origin"], key=_ORIGINS.index)
    if "removed" in row:
        grown.add("removed")
        row["removed"] = None if None in removed else min(map(str, removed))
    return row if all(row[name] == incoming[name] for name in incoming.keys() - grown) else None


def _with_optional(row: Row, other: Row) -> Row:
    """Return a row with what the other alone knows of the columns that a row may lack."""
    names = sorted(_OPTIONAL & (row.keys() | other.keys()))
    return row | {name: other.get(name) if row.get(name) is None else row[name] for name in names}


def _count_changes(rows: pl.DataFrame, outcome: _Outcome) -> RowChanges:
    """Count what the merge changes in the current table."""
    is_incoming = pl.col("side") == "incoming"
    was_there, comes = pl.col("current").is_not_null(), pl.col("incoming").is_not_null()
    counts = rows.select(
        added=(is_incoming & ~was_there & comes).sum(),
        removed=(was_there & (is_incoming & ~comes | pl.col("id").is_in(outcome.without))).sum(),
        changed=(is_incoming & was_there & comes & (pl.col("incoming") != pl.col("current"))).sum(),
    ).row(0, named=True)
    new_rows = rows.filter(pl.col("id").is_in(list(outcome.new_rows)))
    rewritten = int(new_rows["current"].is_not_null().sum())
    return RowChanges(
        added=counts["added"] + new_rows.height - rewritten,
        removed=counts["removed"],
        changed=counts["changed"] + rewritten,
    )


def merged_rows(
    config: str, merge: TableMerge, inputs: MergeInputs, columns: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a merged table: the current ones that stay, the incoming ones, those made of both.

    Raises:
        BadInput: a value of a side, or of a row written by hand, does not fit the columns.
    """
    try:
        yield from _rows_of(config, inputs.current, merge.from_current, columns)
        yield from _rows_of(config, inputs.incoming, merge.from_incoming, columns)
        if merge.new_rows:
            yield from pa.Table.from_pylist(merge.new_rows, columns).to_batches()
    except pa.ArrowException as exc:
        words = single_line(str(exc))
        raise BadInput(f"needs rows that fit the columns of `{config}`; one does not ({words})") from exc


def _rows_of(
    config: str, snapshot: Snapshot, is_taken: pl.Series, columns: pa.Schema
) -> Iterator[pa.RecordBatch]:
    start = 0
    for batch in snapshot.batches(config):
        mask = is_taken.slice(start, batch.num_rows)
        start += batch.num_rows
        if mask.any():
            yield with_columns(batch.filter(pa.array(mask.to_list())), columns)
