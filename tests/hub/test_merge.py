"""Three-way merge: nothing is lost, nothing is made up, and it does not matter who merges."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeclm_hf import files, schema
from codeclm_hf.card.shapes import RowChanges
from codeclm_hf.errors import BadInput
from codeclm_hf.hub.merge import Conflict, MergeInputs, TableMerge, merge_table, merged_rows
from codeclm_hf.hub.snapshot import Snapshot, row_digests
from support.tables import VERSIONS, Row, default_row, metadata_row, snapshot, table, write_shards

Version = tuple[str, list[Row], list[Row], list[Row]]
GROWING = ("seed_ids", "rubrics", "actions", "flags")
ORIGINS = ("given", "seed", "augmented")
EXAMPLES = settings(max_examples=40)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def both(
    folder: Path, config: str, base: list[Row] | None, current: list[Row], incoming: list[Row], **how: Any
) -> tuple[TableMerge, list[Row]]:
    """The merge of real files, and the rows that come of it."""
    inputs = MergeInputs(
        base={} if base is None else snapshot(folder, {config: base}).digests,
        current=snapshot(folder, {config: current}),
        incoming=snapshot(folder, {config: incoming}),
    )
    merged = merge_table(config, inputs, **how)
    return merged, table(merged_rows(config, merged, inputs, schema.TABLES[config].arrow_schema))


def by_id(config: str, found: list[Row]) -> dict[str, Row]:
    """Rows by id, of which each stands once."""
    named = {row[schema.KEYS[config]]: row for row in found}
    assert len(named) == len(found)
    return named


def expected(mine: Row | None, other: Row | None, was: Row | None) -> tuple[Row | None, bool]:
    """In plain Python, the row that stands after a merge, and whether it is in conflict."""
    if mine == other or other == was:
        return mine, False
    if mine == was:
        return other, False
    if (
        mine is None
        or other is None
        or any(mine[name] != other[name] for name in mine.keys() - {*GROWING, "origin"})
    ):
        return other, True
    row = dict(other)
    for name in mine.keys() & {*GROWING}:
        if mine[name] != other[name]:
            row[name] = sorted({*(mine[name] or []), *(other[name] or [])})
    if "origin" in mine:
        row["origin"] = min(mine["origin"], other["origin"], key=ORIGINS.index)
    return row, False


def bare(row: Row | None) -> Row | None:
    """A row without the order of the lists that grow."""
    return row and {
        name: sorted(value) if value and name in GROWING else value for name, value in row.items()
    }


@EXAMPLES
@given(version=VERSIONS)
def test_a_merge_is_what_plain_python_makes_of_each_row(folder: Path, version: Version) -> None:
    """Every id ends as the rules say: kept, taken, gone, united, or in a conflict in which the current row stays."""
    config, base, current, incoming = version
    merged, found = both(folder, config, base, current, incoming)
    was, mine, other, now = (by_id(config, side) for side in (base, incoming, current, found))
    conflicts = set()
    for name in was.keys() | mine.keys() | other.keys() | now.keys():
        row, disputed = expected(mine.get(name), other.get(name), was.get(name))
        assert bare(now.get(name)) == bare(row), name
        conflicts |= {name} if disputed else set()
    assert [conflict.id for conflict in merged.conflicts] == sorted(conflicts)
    for conflict in merged.conflicts:
        assert conflict == Conflict(
            config, conflict.id, current=other.get(conflict.id), incoming=mine.get(conflict.id)
        )


@EXAMPLES
@given(version=VERSIONS)
def test_the_counts_are_those_of_the_tables(folder: Path, version: Version) -> None:
    """Added, removed and changed against the current table are what a comparison of the two tables finds."""
    config, base, current, incoming = version
    merged, found = both(folder, config, base, current, incoming)
    assert merged.changes == recounted(config, current, found)
    assert bool(merged.changes) == (by_id(config, found) != by_id(config, current))


def recounted(config: str, current: list[Row], found: list[Row]) -> RowChanges:
    other, now = by_id(config, current), by_id(config, found)
    changed = sum(other[name] != now[name] for name in other.keys() & now.keys())
    added, removed = len(now.keys() - other.keys()), len(other.keys() - now.keys())
    return RowChanges(added=added, removed=removed, changed=changed)


@EXAMPLES
@given(version=VERSIONS)
def test_it_does_not_matter_who_merges(folder: Path, version: Version) -> None:
    """With the sides exchanged the same rows stand, and the same ids are in conflict."""
    config, base, current, incoming = version
    merged, found = both(folder, config, base, current, incoming)
    again, mirrored = both(folder, config, base, incoming, current)
    disputed = {conflict.id for conflict in merged.conflicts}
    assert disputed == {conflict.id for conflict in again.conflicts}
    left, right = by_id(config, found), by_id(config, mirrored)
    assert {*left} - disputed == {*right} - disputed
    assert all(left[name] == right[name] for name in {*left} - disputed)


@EXAMPLES
@given(version=VERSIONS)
def test_a_merge_again_changes_nothing(folder: Path, version: Version) -> None:
    """A version merged with itself is itself, and what was merged is merged already."""
    config, base, current, incoming = version
    merged, found = both(folder, config, incoming, incoming, incoming)
    assert merged.is_incoming_table and not merged.changes and found == incoming
    merged, found = both(folder, config, base, current, incoming, take="current")
    assert not merged.conflicts
    for before, mine in ((base, found), (current, found)):
        again, same = both(folder, config, before, found, mine)
        assert not again.changes and not again.conflicts
        assert by_id(config, same) == by_id(config, found)
    again, same = both(folder, config, base, found, incoming, take="current")
    assert not again.changes and by_id(config, same) == by_id(config, found)


@EXAMPLES
@given(version=VERSIONS)
def test_without_an_ancestor_tables_are_united(folder: Path, version: Version) -> None:
    """Every row of both sides stands, and none is removed."""
    config, _, incoming, current = version
    merged, found = both(folder, config, None, current, incoming)
    assert by_id(config, found).keys() == by_id(config, incoming).keys() | by_id(config, current).keys()
    assert merged.changes.removed == 0


A, B, C = (default_row("x", text) for text in "abc")


@pytest.mark.parametrize(
    ("base", "incoming", "current", "kept", "disputed"),
    [
        ([A], [B], [A], [B], False),
        ([A], [A], [B], [B], False),
        ([A], [], [A], [], False),
        ([A], [A], [], [], False),
        ([A], [], [], [], False),
        ([A], [B], [B], [B], False),
        ([], [A], [A], [A], False),
        ([A], [B], [C], [C], True),
        ([A], [B], [], [], True),
        ([A], [], [B], [B], True),
        ([], [A], [B], [B], True),
        (None, [A], [B], [B], True),
    ],
)
def test_conflicts_are_where_both_sides_changed_a_row_differently(
    base: list[Row] | None,
    incoming: list[Row],
    current: list[Row],
    kept: list[Row],
    disputed: bool,
    tmp_path: Path,
) -> None:
    """Change against change, change against removal, and two additions of one id; the same change twice is one."""
    merged, found = both(tmp_path, "default", base, current, incoming)
    assert found == kept
    assert bool(merged.conflicts) == disputed


@pytest.mark.parametrize(
    ("take", "kept"),
    [
        ("incoming", {"x": B, "y": None, "z": default_row("z", "incoming")}),
        ("current", {"x": C, "y": default_row("y", "new"), "z": None}),
        ({"x": "incoming", "y": "incoming", "z": "current"}, {"x": B, "y": None, "z": None}),
        ({"x": "current", "y": "current", "z": "incoming"},
         {"x": C, "y": default_row("y", "new"), "z": default_row("z", "incoming")}),
        ({"x": default_row("x", "hand"), "y": "neither", "z": "neither"},
         {"x": default_row("x", "hand"), "y": None, "z": None}),
        ({"x": "neither", "y": default_row("y", "hand"), "z": default_row("z", "hand")},
         {"x": None, "y": default_row("y", "hand"), "z": default_row("z", "hand")}),
        ({"x": B, "y": default_row("y", "new"), "z": "neither"}, {"x": B, "y": default_row("y", "new"), "z": None}),
        ({"x": C, "y": "neither", "z": default_row("z", "incoming")},
         {"x": C, "y": None, "z": default_row("z", "incoming")}),
    ],
)  # fmt: skip
def test_a_conflict_ends_as_somebody_says(take: Any, kept: dict[str, Row | None], tmp_path: Path) -> None:
    """With one side for all, or by id with a side, a row or no row; the counts are right each time."""
    base = [default_row(name, "a") for name in "xyz"]
    incoming, current = [B, default_row("z", "incoming")], [C, default_row("y", "new")]
    how = {"take": take} if isinstance(take, str) else {"resolutions": take}
    merged, found = both(tmp_path, "default", base, current, incoming, **how)
    assert merged.conflicts == []
    assert by_id("default", found) == {name: row for name, row in kept.items() if row}
    assert merged.changes == recounted("default", current, found)


def test_what_take_does_not_name_stays_in_conflict(tmp_path: Path) -> None:
    """Only the ids that are named end."""
    incoming, current = ([default_row(name, text) for name in "xy"] for text in "ab")
    merged, found = both(tmp_path, "default", None, current, incoming, resolutions={"x": "incoming"})
    assert [conflict.id for conflict in merged.conflicts] == ["y"]
    assert by_id("default", found) == {"x": incoming[0], "y": current[1]}


def test_lists_that_grow_are_united_and_the_earlier_origin_stays(tmp_path: Path) -> None:
    """One use case found twice is one row with the rubrics, actions and seeds of both."""
    incoming = metadata_row("m", rubrics=["r1", "r2"], seed_ids=["s1"], origin="augmented")
    current = metadata_row("m", rubrics=["r1", "r3"], seed_ids=["s2"], actions=["a"], origin="seed")
    merged, found = both(tmp_path, "metadata", None, [current], [incoming])
    whole = metadata_row("m", rubrics=["r1", "r2", "r3"], seed_ids=["s1", "s2"], actions=["a"], origin="seed")
    assert found == [whole]
    assert merged.changes == RowChanges(added=0, removed=0, changed=1) and not merged.conflicts


def test_an_origin_nobody_knows_is_no_reason_to_lose_a_row(tmp_path: Path) -> None:
    """Where the origins differ and one is none that we know, the row is in conflict."""
    incoming, current = metadata_row("m", origin="elsewhere"), metadata_row("m", origin="seed")
    merged, _ = both(tmp_path, "metadata", None, [current], [incoming])
    assert merged.conflicts == [Conflict("metadata", "m", current=current, incoming=incoming)]


def test_lists_that_are_not_there_stay_so(tmp_path: Path) -> None:
    """Uniting one list leaves another that is null on both sides null."""
    incoming, current = (metadata_row("m", actions=None, rubrics=[text]) for text in "ab")
    _, found = both(tmp_path, "metadata", None, [current], [incoming])
    assert found == [metadata_row("m", actions=None, rubrics=["a", "b"])]


def test_rows_are_taken_from_many_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several batches and files, the current rows that stay come first, then incoming, then united ones."""
    monkeypatch.setattr(files, "ROWS_A_BATCH", 2)
    monkeypatch.setattr(files, "SHARD_BYTES", 1)
    base = [default_row(name, "old") for name in "abcdefg"]
    incoming = [default_row(name, "incoming" if name in "ag" else "old") for name in "abcdegxy"]
    current = [default_row(name, "current" if name in "bd" else "old") for name in "zabdefg"]
    incoming[4]["seed_ids"], current[4]["seed_ids"] = ["o"], ["t"]
    _, found = both(tmp_path, "default", base, current, incoming)
    assert [(row["id"], row["instruction"]) for row in found] == [
        ("z", "old"), ("b", "current"), ("d", "current"), ("a", "incoming"), ("g", "incoming"),
        ("x", "old"), ("y", "old"),
        ("e", "old")]  # fmt: skip
    assert found[-1]["seed_ids"] == ["o", "t"]


@pytest.mark.parametrize("gap", ["wide", [1.0], {"a": 1}])
def test_a_row_by_hand_that_does_not_fit_is_told(gap: Any, tmp_path: Path) -> None:
    """A value of another type than its column's is bad input, in one line."""
    with pytest.raises(BadInput, match=r"^needs rows that fit the columns of `default`; ") as caught:
        both(tmp_path, "default", None, [C], [B], resolutions={"x": default_row("x", gap=gap)})
    assert "\n" not in str(caught.value)


def test_columns_that_cannot_be_one_are_told(tmp_path: Path) -> None:
    """Where a column of the current table cannot become the incoming one, nothing is made up."""
    columns = pa.schema({"id": pa.string(), "gap": pa.string()})
    current = Snapshot({"default": write_shards(tmp_path, [{"id": "y", "gap": "wide"}], columns)})
    incoming = snapshot(tmp_path, {"default": [A]})
    inputs = MergeInputs(current=current, incoming=incoming)
    merged = merge_table("default", inputs)
    with pytest.raises(BadInput, match=r"^needs rows that fit"):
        list(merged_rows("default", merged, inputs, schema.DEFAULT.arrow_schema))


_some_ids = st.sampled_from(["x", "x#2", "y", None])
_doubled = st.lists(st.builds(default_row, _some_ids, st.sampled_from("abc")), max_size=6)


@EXAMPLES
@given(incoming=_doubled, current=_doubled)
def test_a_name_that_stands_twice_hides_no_row(folder: Path, incoming: list[Row], current: list[Row]) -> None:
    """With double and missing ids each current row stands, and each incoming one does or is listed as a conflict."""
    merged, found = both(folder, "default", None, current, incoming)
    assert len(found) >= max(len(incoming), len(current))
    for row in current:
        assert found.count(row) >= current.count(row)
    for row in incoming:
        assert found.count(row) + [conflict.incoming for conflict in merged.conflicts].count(
            row
        ) >= incoming.count(row)


@EXAMPLES
@given(texts=st.tuples(*[st.lists(st.sampled_from("abc"), max_size=5)] * 3))
def test_rows_without_an_id_are_united_by_what_they_hold(
    texts: tuple[list[str], list[str], list[str]],
) -> None:
    """Of a text that stands n times on one side and m on the other, with no ancestor the larger number stands."""
    frames = [named_by_content(side) for side in texts]
    incoming, current = (Snapshot(known_digests={"default": frame}) for frame in frames[1:])
    merged = merge_table("default", MergeInputs(current=current, incoming=incoming))
    assert not merged.conflicts
    found = pl.concat([frames[2].filter(merged.from_current), frames[1].filter(merged.from_incoming)])[
        "digest"
    ].to_list()
    digest = {text: named_by_content([text])["digest"][0] for text in "abc"}
    for text in "abc":
        assert found.count(digest[text]) == max(texts[1].count(text), texts[2].count(text))


def named_by_content(texts: list[str]) -> pl.DataFrame:
    return row_digests(iter(pa.table({"text": pa.array(texts, pa.string())}).to_batches()), None)
