"""Three-way merge of data sets, row by row, by id. It compares digests; only rows in dispute are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import polars as pl
import pyarrow as pa

from codeclm_hf.errors import BadInput
from codeclm_hf.hub.snapshot import DIGESTS, Snapshot

Side = Literal["ours", "theirs"]
_NOTHING = pl.DataFrame(schema=DIGESTS)
_ORIGINS = ("given", "seed", "augmented")
_GROWING = ("seed_ids", "rubrics", "actions")
"""Lists that only ever grow: where two rows differ in these alone, the lists are united."""


@dataclass(frozen=True)
class Conflict:
    """A row that both sides changed, differently; None where a side has no such row."""

    config: str
    id: str
    ours: dict[str, Any] | None
    theirs: dict[str, Any] | None


@dataclass(frozen=True)
class Counts:
    """Rows that came, went and changed, from theirs to the merged table."""

    added: int = 0
    removed: int = 0
    changed: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def as_json(self) -> dict[str, int]:
        """The counts by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class Merged:
    """What a merge of one config comes to."""

    from_theirs: pl.Series
    """For each of their rows, whether it is taken from there."""
    from_ours: pl.Series
    """For each of our rows, whether it is taken from here; a row that is the same on both sides is."""
    united: list[dict[str, Any]] = field(default_factory=list)
    """Rows made of both sides', or written by hand to end a conflict."""
    changes: Counts = field(default_factory=Counts)
    conflicts: list[Conflict] = field(default_factory=list)

    @property
    def ours_whole(self) -> bool:
        """Whether the merged table is just ours."""
        return not self.from_theirs.any() and self.from_ours.all() and not self.united


def merge(
    config: str,
    base: pl.DataFrame | None,
    ours: Snapshot,
    theirs: Snapshot,
    *,
    take: Side | Mapping[str, Side | dict[str, Any] | None] | None = None,
) -> Merged:
    """Merge one config.

    A row changed on one side only is taken from there, and so is its absence. A row that both sides made or changed in
    the same way is one. The rest is in conflict, but for rows that differ in what only ever grows (`seed_ids`, and the
    rubrics and actions of one use case): these are united.

    Args:
        config: which table.
        base: `id` and `digest` of the rows of the common ancestor; None where there is none.
        ours: one side; where rows stand in dispute, the merged rows come after theirs.
        theirs: the other side.
        take: how conflicts end: one side for all, or by id the side, the row to have, or None for no row.

    Returns:
        Which rows make up the merged table. Conflicts that `take` does not end stay theirs and are listed.
    """
    other, ancestor = theirs.digests.get(config, _NOTHING), _NOTHING if base is None else base
    if other.is_empty() and ancestor.is_empty():  # nothing to compare ours with
        height = ours.height(config)
        return Merged(
            pl.Series(dtype=pl.Boolean), pl.repeat(True, height, eager=True), changes=Counts(added=height)
        )
    mine = ours.digests.get(config, _NOTHING)
    rows = (
        other.lazy()
        .join(mine.lazy(), on="id", how="full", suffix="_ours", coalesce=True)
        .join(ancestor.lazy(), on="id", how="left", suffix="_base")
        .rename({"digest": "theirs", "digest_ours": "ours", "digest_base": "base"})
        .with_columns(
            side=pl.when(
                pl.col("ours").eq_missing(pl.col("theirs")) | pl.col("theirs").eq_missing(pl.col("base"))
            )
            .then(pl.lit("ours"))
            .when(pl.col("ours").eq_missing(pl.col("base")))
            .then(pl.lit("theirs"))
        )
        .collect()
    )
    settled = _settle(
        config, rows.filter(pl.col("side").is_null())["id"].sort().to_list(), ours, theirs, take
    )
    rows = rows.with_columns(
        side=pl.when(pl.col("id").is_in(settled.to_ours))
        .then(pl.lit("ours"))
        .when(pl.col("id").is_in([*settled.written, *settled.dropped]))
        .then(pl.lit("neither"))
        .otherwise(pl.col("side").fill_null("theirs"))
    )
    return Merged(
        other["id"].is_in(rows.filter(pl.col("side") == "theirs")["id"].implode()),
        mine["id"].is_in(rows.filter(pl.col("side") == "ours")["id"].implode()),
        list(settled.written.values()),
        _changes(rows, settled),
        settled.conflicts,
    )


def _changes(rows: pl.DataFrame, settled: _Settled) -> Counts:
    """What the merge changes in theirs."""
    ours = pl.col("side") == "ours"
    was, comes = pl.col("theirs").is_not_null(), pl.col("ours").is_not_null()
    found = rows.select(
        added=(ours & ~was & comes).sum(),
        removed=(was & (ours & ~comes | pl.col("id").is_in(settled.dropped))).sum(),
        changed=(ours & was & comes & (pl.col("ours") != pl.col("theirs"))).sum(),
    ).row(0, named=True)
    written = rows.filter(pl.col("id").is_in(list(settled.written)))
    again = written["theirs"].is_not_null().sum()
    return Counts(found["added"] + written.height - again, found["removed"], found["changed"] + again)


@dataclass
class _Settled:
    to_ours: list[str] = field(default_factory=list)
    written: dict[str, dict[str, Any]] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)


def _settle(config: str, disputed: list[str], ours: Snapshot, theirs: Snapshot, take: Any) -> _Settled:
    """End what can be ended of the rows that both sides changed, differently."""
    settled = _Settled()
    left, right = ours.rows(config, disputed), theirs.rows(config, disputed)
    for name in disputed:
        mine, other = left.get(name), right.get(name)
        if mine is not None and other is not None and (row := _united(mine, other)) is not None:
            if row != other:
                settled.written[name] = row
            continue
        chosen = take.get(name, ...) if isinstance(take, Mapping) else take or ...
        if isinstance(chosen, dict) and chosen in (mine, other):
            chosen = "ours" if chosen == mine else "theirs"
        if chosen == "ours":
            settled.to_ours.append(name)
        elif chosen is None:
            settled.dropped.append(name)
        elif isinstance(chosen, dict):
            settled.written[name] = chosen
        elif chosen != "theirs":
            settled.conflicts.append(Conflict(config, name, mine, other))
    return settled


def _united(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any] | None:
    """One row of two that differ only in what grows; None where they differ in more."""
    if set(ours) != set(theirs):
        return None
    row = dict(theirs)
    grown = {name for name in ours.keys() & set(_GROWING) if ours[name] != theirs[name]}
    for name in grown:
        both = [ours[name] or [], theirs[name] or []]
        if not all(isinstance(value, str) for values in both for value in values):
            return None
        row[name] = list(dict.fromkeys(chain(*sorted(both))))
    if {ours.get("origin"), theirs.get("origin")} <= set(_ORIGINS):
        grown.add("origin")
        row["origin"] = min(ours["origin"], theirs["origin"], key=_ORIGINS.index)
    return row if all(row[name] == ours[name] for name in ours.keys() - grown) else None


def rows(
    config: str, merged: Merged, ours: Snapshot, theirs: Snapshot, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """The rows of a merged config: theirs that stay, then ours, then those made of both.

    Raises:
        BadInput: a value of one side, or of a row written by hand, does not fit the schema.
    """
    try:
        yield from _rows(config, merged, ours, theirs, schema)
    except pa.ArrowException as exc:
        words = " ".join(str(exc).split())
        raise BadInput(f"needs rows that fit the columns of `{config}`; one does not ({words})") from exc


def _rows(
    config: str, merged: Merged, ours: Snapshot, theirs: Snapshot, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    for snapshot, wanted in ((theirs, merged.from_theirs), (ours, merged.from_ours)):
        start = 0
        for batch in snapshot.batches(config):
            chosen = wanted.slice(start, batch.num_rows)
            start += batch.num_rows
            if chosen.any():
                yield _as(batch.filter(pa.array(chosen.to_list())), schema)
    if merged.united:
        yield from pa.Table.from_pylist(merged.united, schema).to_batches()


def _as(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch with these columns, in this order; a column that its side does not have is null."""
    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.nulls(len(batch), field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
