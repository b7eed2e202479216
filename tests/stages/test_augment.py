"""Mixing and matching metadata, and drawing a share of it."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from codeclm_hf import augment, schema, subsample
from codeclm_hf.stages.augment import one_spelling
from codeclm_hf.stages.encode import metadata_row

words = st.sampled_from(["writing", "Writing", "coding", "travel", "maths", "law"])
rows = st.builds(
    lambda use_case, skills, n: metadata_row(use_case, skills, origin="seed", seed_ids=[f"seed{n}"]),
    words,
    st.lists(words, min_size=1, max_size=3, unique_by=str.casefold),
    st.integers(0, 99),
)
failed = {
    **metadata_row("x", ["y"], origin="seed", seed_ids=["s"]),
    "use_case": None,
    "skills": [],
    "error": "why",
}


def table(rows: list[dict[str, Any]]) -> Dataset:
    return Dataset.from_list(rows, features=schema.METADATA)


@settings(max_examples=40)
@given(st.lists(rows, min_size=1, max_size=6), st.integers(1, 30), st.integers(0, 3))
def test_augmented_metadata_is_mixed_from_what_there_was(
    given_rows: list[dict[str, Any]], size: int, seed: int
) -> None:
    """New rows pair a known use case with 1–3 distinct known skills; none is there twice; all the old ones stay."""
    before, after = table(given_rows), augment(table(given_rows), size, seed=seed)
    use_cases = {row["use_case"] for row in before}
    skills = {skill for row in before for skill in row["skills"]}
    ids = after["metadata_id"]
    assert len(set(ids)) == len(ids)
    assert set(before["metadata_id"]) <= set(ids)
    for row in after:
        assert row["use_case"] in use_cases
        assert set(row["skills"]) <= skills
        assert len({skill.casefold() for skill in row["skills"]}) == len(row["skills"])
        assert row["origin"] == "seed" or 1 <= len(row["skills"]) <= 3
        assert row["seed_ids"]


def test_augmentation_ends_where_the_combinations_do() -> None:
    """Two use cases and three skills have fourteen pairs, and all are found."""
    few = [
        metadata_row(u, [s], origin="seed", seed_ids=["1"]) for u, s in (("a", "x"), ("b", "y"), ("b", "z"))
    ]
    assert len(augment(table(few), 200)) == 14


def test_the_seeds_of_duplicates_are_united() -> None:
    """Seeds with the same metadata, however spelt, share one row that names them all."""
    twice = [
        metadata_row("Writing", ["a", "b"], origin="seed", seed_ids=["1"]),
        metadata_row("writing", ["B", "A"], origin="seed", seed_ids=["2"]),
    ]
    (row,) = augment(table(twice), 1).to_list()
    assert (row["use_case"], row["seed_ids"]) == ("Writing", ["1", "2"])


def test_failed_rows_stay_and_take_no_part() -> None:
    """A row without metadata is kept, last, and counts for nothing."""
    after = augment(table([failed, metadata_row("a", ["x"], origin="seed", seed_ids=["1"])]), 1)
    assert after["use_case"] == ["a", None]
    assert subsample(after, 0.5)["use_case"] == ["a", None]


@pytest.mark.parametrize(("fraction", "kept"), [(1.0, 10), (0.6, 6), (0.25, 2), (0.01, 1)])
def test_a_share_of_the_metadata_is_drawn(fraction: float, kept: int) -> None:
    """The share is rounded, never nothing, and the order stays."""
    many = [metadata_row(f"use {n}", ["x"], origin="seed", seed_ids=["1"]) for n in range(10)]
    drawn = subsample(table(many), fraction)["use_case"]
    assert len(drawn) == kept
    assert drawn == sorted(drawn, key=lambda name: int(name.split()[1]))


def test_the_draw_follows_from_the_seed() -> None:
    """The same seed draws the same, another seed draws otherwise."""
    few = [
        metadata_row(u, [s], origin="seed", seed_ids=["1"]) for u, s in (("a", "x"), ("b", "y"), ("c", "z"))
    ]
    one, same, other = (augment(table(few), 12, seed=seed).to_list() for seed in (1, 1, 2))
    assert one == same != other


def test_spellings_of_one_name_are_mixed_as_one() -> None:
    """Each name takes its most frequent spelling; rows that become equal are one, with the seeds of all."""
    spelt = [
        ("Data analysis", ["SQL query"]),
        ("data-analysis", ["sql queries"]),
        ("data-analysis", ["SQL query", "SQL-Queries"]),
        ("poetry", ["SQL query", "rhyme"]),
    ]
    rows = [metadata_row(u, s, origin="seed", seed_ids=[str(n)]) for n, (u, s) in enumerate(spelt)]
    after = augment(table(rows), 50).to_list()
    assert {row["use_case"] for row in after} == {"data-analysis", "poetry"}
    assert {skill for row in after for skill in row["skills"]} == {"SQL query", "rhyme"}
    assert [row["seed_ids"] for row in after if row["origin"] == "seed"] == [["0", "1", "2"], ["3"]]
    assert after[0] == metadata_row("data-analysis", ["SQL query"], origin="seed", seed_ids=["0", "1", "2"])
    assert len({row["metadata_id"] for row in after}) == len(after) == 6


@given(st.lists(rows, min_size=1, max_size=6), st.randoms())
def test_the_spelling_does_not_depend_on_the_order_of_seeds(
    given_rows: list[dict[str, Any]], random: Any
) -> None:
    """The same rows in another order have the same names."""
    shuffled = list(given_rows)
    random.shuffle(shuffled)
    spelt, again = one_spelling(given_rows), one_spelling(shuffled)
    assert sorted(map(repr, spelt)) == sorted(map(repr, again))
    assert one_spelling(spelt) == spelt


def test_a_table_without_variants_stays_as_it_is() -> None:
    """Ids, rubrics and errors included, whatever the rows were made by."""
    own = {
        "metadata_id": "mine",
        "use_case": "Poetry",
        "skills": ["rhyme", "SQL"],
        "origin": "given",
        "seed_ids": [],
        "rubrics": ["r"],
        "actions": ["a"],
        "error": "e",
    }
    assert augment(table([own, failed]), 1).to_list() == [own, failed]


def test_a_seed_that_is_counted_twice_weighs_twice() -> None:
    """A row of two seeds wins against a row of one, whichever is first by alphabet."""
    rows = [
        metadata_row("Poems", ["x"], origin="seed", seed_ids=["1"]),
        metadata_row("poem", ["y"], origin="seed", seed_ids=["2", "3"]),
    ]
    assert [row["use_case"] for row in one_spelling(rows)] == ["poem", "poem"]
