"""The natural languages of a data set's instructions, detected in a sample."""

from __future__ import annotations

from collections import Counter

import polars as pl

from codeclm_hf.card.shapes import Languages
from codeclm_hf.stages.languages import detect_language

SAMPLE = 200
"""Most instructions that are looked at."""
LEAST = 0.05
"""Share of the sample that makes a language one of the data set's."""
_CHARACTERS = 2_000


def languages(default: pl.LazyFrame) -> Languages:
    """Detect the languages that the instructions are written in, in those of the first ids.

    The same rows in any order give the same result.

    Args:
        default: columns `id` and `instruction`.
    """
    instructions = default.select("id", pl.col("instruction").str.head(_CHARACTERS)).drop_nulls()
    texts = instructions.bottom_k(SAMPLE, by=["id", "instruction"]).collect(engine="streaming")["instruction"]
    detected = Counter(language for text in texts if (language := detect_language(text)))
    return Languages(
        sample=len(texts),
        found=dict(sorted(detected.items(), key=lambda item: (-item[1], item[0]))),
        unclear=len(texts) - detected.total(),
    )


def main_languages(languages: Languages | None) -> list[str]:
    """Return the languages of a data set: those of at least a twentieth of the sample."""
    if languages is None:
        return []
    return [code for code, rows in languages.found.items() if rows >= LEAST * languages.sample]
