"""How much the instructions of a data set differ: by hand, by brute force, and in any order."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf import ids
from codeclm_hf.card import diversity as module
from codeclm_hf.card.diversity import CHARACTERS, distinct_share, diversity, nearest_similarities
from codeclm_hf.card.shapes import Diversity

SHINGLES = st.lists(st.frozensets(st.sampled_from("abcdefg"), min_size=1, max_size=5), max_size=9)


def of(*texts: str | None) -> Diversity | None:
    """The diversity of instructions, whose ids are hashes of them."""
    rows = {"id": [ids.row_id(text) for text in texts], "instruction": list(texts)}
    return diversity(pl.LazyFrame(rows, schema={"id": pl.String, "instruction": pl.String}))


def test_the_same_instruction_twice_is_a_near_duplicate() -> None:
    """Both rows have one, whatever their case and spacing, and are as similar as can be."""
    found = of("Write a poem about the sea", "write  a POEM about the sea", "Explain how bread rises")
    assert found is not None and (found.sample, found.near_duplicates) == (3, 2)
    assert found.similarity is not None and 2 / 3 <= found.similarity < 1


def test_words_are_counted_in_runs() -> None:
    """Distinct-1 to distinct-3 are shares of all runs of that length; where there is no run there is no share."""
    found = of("one two one two")
    assert found == Diversity(
        sample=1, similarity=None, near_duplicates=0, distinct_1=0.5, distinct_2=0.666667, distinct_3=1.0
    )
    short = of("one two", "")
    assert short is not None and (short.distinct_2, short.distinct_3) == (1.0, None)


def test_each_character_of_scripts_without_spaces_is_a_word() -> None:
    """Chinese has as many words as characters."""
    found = of("写一首诗写")
    assert found is not None and (found.distinct_1, found.distinct_2) == (0.8, 1.0)


@pytest.mark.parametrize("texts", [(), (None, None)])
def test_no_instructions_have_no_diversity(texts: tuple[None, ...]) -> None:
    """There is nothing to measure."""
    assert of(*texts) is None


@given(SHINGLES)
def test_the_nearest_is_that_of_all_pairs(texts: list[frozenset[str]]) -> None:
    """Each text is compared with every other one."""

    def alike(one: frozenset[str], other: frozenset[str]) -> float:
        return len(one & other) / len(one | other)

    nearest = [
        max(alike(text, other) for there, other in enumerate(texts) if there != here)
        for here, text in enumerate(texts)
        if len(texts) > 1
    ]
    assert nearest_similarities(texts) == nearest


@given(st.lists(st.text("ab cd写", max_size=12), max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(texts: list[str], chance: random.Random) -> None:
    """The same rows in any order have the same diversity, to the last digit."""
    assert of(*chance.sample(texts, len(texts))) == of(*texts)


def test_the_first_ids_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many rows a sample, which is the same for the same rows, and of a long text its beginning."""
    monkeypatch.setattr(module, "SAMPLE", 3)
    texts = [f"{word} {'x ' * CHARACTERS}{word}" for word in ("one", "two", "three", "four", "five")]
    found, first = of(*texts), sorted(texts, key=ids.row_id)[:3]
    assert found is not None and found.sample == 3
    assert found == of(*first) == of(*(text[:CHARACTERS] for text in first))


def test_a_share_is_of_all_runs() -> None:
    """Runs do not go from one text into the next."""
    assert distinct_share([["a", "b"], ["b", "a"]], 2) == 1.0
    assert distinct_share([["a", "b"], ["a", "b"]], 2) == 0.5
    assert distinct_share([["a"], ["b"]], 2) is None
