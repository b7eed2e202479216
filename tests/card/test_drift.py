"""The drift of use cases and skills between two versions, against a recomputation in plain Python."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeclm_hf.card.drift import MOST_SHOWN, drift
from codeclm_hf.card.shapes import Drift, Share
from support.recount import best_spelling

Rows = list[tuple[str | None, list[str | None] | None]]
"""(use_case, skills), one a row."""

NAMES = st.one_of(st.sampled_from(["poetry", "Poetry", "poetry ", "", "SQL"]), st.text(max_size=3))
ROWS = st.lists(
    st.tuples(st.none() | NAMES, st.none() | st.lists(st.none() | NAMES, max_size=3)), max_size=30
)  # fmt: skip


def frame(rows: Rows) -> pl.LazyFrame:
    schema = {"use_case": pl.String, "skills": pl.List(pl.String)}
    return pl.LazyFrame(rows, schema=schema, orient="row")


def use_cases(**counts: int) -> pl.LazyFrame:
    return frame([(name, None) for name, count in counts.items() for _ in range(count)])


def counted(*sides: Rows) -> list[dict[str, Counter[str]]]:
    """How often each name is in each version, by the most frequent spelling in all of them."""
    mentions = [
        {
            "use_case": [name for name, _ in rows if name is not None],
            "skills": [skill for _, skills in rows for skill in skills or [] if skill is not None],
        }
        for rows in sides
    ]
    spelt = {
        column: best_spelling(Counter(name for side in mentions for name in side[column]))
        for column in ("use_case", "skills")
    }
    return [{column: Counter(map(spelt[column], side[column])) for column in spelt} for side in mentions]


def divergence(before: Counter[str], after: Counter[str]) -> float:
    """Jensen–Shannon as the textbook writes it."""
    if not before or not after:
        return float(bool(before or after))
    total = 0.0
    for name in before | after:
        p, q = before[name] / before.total(), after[name] / after.total()
        total += sum(share * math.log2(2 * share / (p + q)) / 2 for share in (p, q) if share)
    return total


@settings(max_examples=40)
@given(ROWS, ROWS)
def test_the_divergence_is_the_textbooks(before: Rows, after: Rows) -> None:
    """It equals the plain formula, lies in [0, 1], and is the same in both directions."""
    there, back = drift(frame(before), frame(after)), drift(frame(after), frame(before))
    for column in ("use_case", "skills"):
        value = there[column].divergence
        b, a = (side[column] for side in counted(before, after))
        assert value == pytest.approx(divergence(b, a), abs=1e-9)
        assert 0 <= value <= 1
        assert value == back[column].divergence


@settings(max_examples=40)
@given(ROWS, ROWS, st.integers(1, 3))
def test_the_divergence_is_zero_for_equal_distributions_only(before: Rows, after: Rows, times: int) -> None:
    """A distribution has none to itself, however often it is repeated, and some to any other."""
    assert {found.divergence for found in drift(frame(before), frame(before * times)).values()} == {0.0}
    for column, found in drift(frame(before), frame(after)).items():
        b, a = (side[column] for side in counted(before, after))
        equal = bool(b) == bool(a) and all(b[name] * a.total() == a[name] * b.total() for name in b | a)
        assert (found.divergence == 0) == equal


@settings(max_examples=40)
@given(ROWS, ROWS)
def test_every_name_is_new_vanished_moved_or_still(before: Rows, after: Rows) -> None:
    """The lists hold the largest of each kind with their shares, and the totals count all of them."""
    for column, found in drift(frame(before), frame(after)).items():
        b, a = (side[column] for side in counted(before, after))
        assert (found.new_total, found.vanished_total) == (len(set(a) - set(b)), len(set(b) - set(a)))
        assert [share.name for share in found.new] == sorted(set(a) - set(b), key=lambda x: (-a[x], x))[
            :MOST_SHOWN
        ]
        gone = sorted(set(b) - set(a), key=lambda name: (-b[name], name))
        assert [share.name for share in found.vanished] == gone[:MOST_SHOWN]
        change = {name: abs(a[name] * b.total() - b[name] * a.total()) for name in set(a) & set(b)}
        moved = sorted((name for name in change if change[name]), key=lambda name: (-change[name], name))
        assert [share.name for share in found.movers] == moved[:MOST_SHOWN]
        for share in found.movers + found.new + found.vanished:
            assert share.before == b[share.name] / (b.total() or 1)
            assert share.after == a[share.name] / (a.total() or 1)


def test_spellings_of_one_name_are_one() -> None:
    """A version that writes its names otherwise has not moved; the most frequent spelling is shown."""
    before, after = use_cases(**{"SQL query": 3, "poetry": 1}), use_cases(**{"sql-queries": 2, "poetry": 1})
    found = drift(before, after)["use_case"]
    assert (found.new, found.vanished) == ((), ())
    assert [share.name for share in found.movers] == ["SQL query", "poetry"]


def test_two_empty_versions_do_not_differ() -> None:
    """Nothing against nothing is 0, and lists nothing."""
    nothing = Drift(0.0, (), (), (), 0, 0)
    assert drift(frame([]), frame([(None, None), (None, []), (None, [None])])) == {
        "use_case": nothing,
        "skills": nothing,
    }


def test_all_is_new_against_nothing() -> None:
    """Nothing against something is 1 in both directions, and every name is new or vanished."""
    some = use_cases(a=3, b=1)
    assert drift(frame([]), some)["use_case"] == Drift(
        1.0, (), (Share("a", 0, 0.75), Share("b", 0, 0.25)), (), 2, 0
    )
    assert drift(some, frame([]))["use_case"] == Drift(
        1.0, (), (), (Share("a", 0.75, 0), Share("b", 0.25, 0)), 0, 2
    )


def test_no_shared_name_is_the_largest_divergence() -> None:
    """It is 1 exactly, though thirds and sevenths do not add up to 1 exactly."""
    before, after = use_cases(a=1, b=1, c=1), use_cases(d=1, e=2, f=4)
    assert drift(before, after)["use_case"].divergence == 1


def test_equal_changes_are_listed_by_name() -> None:
    """0.1 more is 0.1 more, whatever binary fractions make of it."""
    before, after = use_cases(z=1, a=2, m=3, n=4), use_cases(z=2, a=3, m=2, n=3)
    assert [share.name for share in drift(before, after)["use_case"].movers] == ["a", "m", "n", "z"]


def test_a_skill_counts_once_a_mention() -> None:
    """Shares of skills are of all mentions, not of the rows; a row may name a skill twice."""
    before, after = frame([(None, ["x", "x"]), (None, ["y"])]), frame([(None, ["x", "y", "z"])])
    found = drift(before, after)["skills"]
    assert found.movers == (Share("x", 2 / 3, 1 / 3),)
    assert found.new == (Share("z", 0, 1 / 3),)


def test_the_lists_are_cut_and_the_totals_are_not() -> None:
    """A thousand new names are counted, and ten are listed."""
    found = drift(use_cases(old=1), use_cases(**{f"n{n:04}": 1 for n in range(1000)}))["use_case"]
    assert found.new_total == 1000
    assert [share.name for share in found.new] == [f"n{n:04}" for n in range(MOST_SHOWN)]


def test_a_single_row_among_a_million_is_seen() -> None:
    """The divergence of nearly equal distributions keeps its digits and is not 0."""
    names = pl.int_range(1_000_000, dtype=pl.Int64, eager=True)
    before = pl.select(use_case=(names >= 500_000).cast(pl.String), skills=pl.lit(None)).lazy()
    after = pl.select(use_case=(names >= 500_001).cast(pl.String), skills=pl.lit(None)).lazy()
    step = 1e-6
    assert drift(before, after)["use_case"].divergence == pytest.approx(step**2 / (2 * math.log(2)), rel=1e-6)


def test_reads_the_published_files(tmp_path: Path) -> None:
    """A scan of Parquet files with more columns will do, and categories are compared by their text."""
    rows = pl.DataFrame({"id": ["1", "2"], "use_case": ["a", "b"], "skills": [["x"], []]})
    rows.write_parquet(tmp_path / "before.parquet")
    rows.with_columns(pl.col("use_case").cast(pl.Categorical)).write_parquet(tmp_path / "after.parquet")
    found = drift(pl.scan_parquet(tmp_path / "before.parquet"), pl.scan_parquet(tmp_path / "after.parquet"))
    assert found == {"use_case": Drift(0.0, (), (), (), 0, 0), "skills": Drift(0.0, (), (), (), 0, 0)}
