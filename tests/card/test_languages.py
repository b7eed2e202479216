"""Which languages a data set's instructions are in."""

from __future__ import annotations

from random import Random

import polars as pl
import pytest

from codeclm_hf.card.languages import languages, main_languages
from codeclm_hf.card.shapes import Languages

ENGLISH = "Write a short poem about the rain in autumn"
GERMAN = "Schreibe ein kurzes Gedicht über den Regen im Herbst"


def table(texts: list[str | None]) -> pl.LazyFrame:
    return pl.LazyFrame({"id": [f"{n:05}" for n in range(len(texts))], "instruction": texts}, schema=SCHEMA)


SCHEMA = {"id": pl.String, "instruction": pl.String}


def test_languages_are_counted_the_most_frequent_first() -> None:
    """A text that is in none for sure is unclear, one that is not there is not looked at."""
    found = languages(table([GERMAN, ENGLISH, ENGLISH, "x", "3 + 4 = 7, 7 - 4 = 3, 3 * 4 = 12", None, ""]))
    assert found == Languages(sample=6, found={"en": 2, "de": 1}, unclear=3)


def test_the_order_of_rows_does_not_matter() -> None:
    """Of many rows the same ones are looked at."""
    texts: list[str | None] = [(ENGLISH, GERMAN)[Random(n).random() < 0.3] for n in range(1_000)]
    told = table(texts).collect()
    found = languages(told.lazy())
    assert found.sample == 200 and set(found.found) == {"en", "de"}
    assert languages(told.sample(fraction=1, shuffle=True, seed=1).lazy()) == found


def test_no_row_is_no_language() -> None:
    """Nothing is guessed."""
    assert languages(table([])) == Languages(sample=0, found={}, unclear=0)
    assert main_languages(languages(table([]))) == main_languages(None) == []


@pytest.mark.parametrize(("german", "wanted"), [(9, ["en"]), (10, ["en", "de"])])
def test_a_twentieth_of_the_sample_makes_a_language(german: int, wanted: list[str]) -> None:
    """Fewer may be slips of the detector."""
    assert main_languages(languages(table([GERMAN] * german + [ENGLISH] * (200 - german)))) == wanted
