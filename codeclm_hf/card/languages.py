"""The natural languages of a data set's instructions, detected in a sample."""

from __future__ import annotations

import math
from collections import Counter

import polars as pl

from codeclm_hf.card.shapes import Languages

SAMPLE = 200
"""Most instructions that are looked at."""
SURE = 0.9
"""Least probability of a language that counts."""
LEAST = 0.05
"""Share of the sample that makes a language one of the data set's."""
_CHARACTERS = 2_000
_LEAST_BYTES = 20
"""Of shorter texts no language is sure, whatever its probability."""
_NO_LANGUAGE = "zxx"


def languages(default: pl.LazyFrame) -> Languages:
    """Detect the languages that the instructions are written in, in those of the first ids.

    The same rows in any order give the same result.

    Args:
        default: columns `id` and `instruction`.
    """
    instructions = default.select("id", pl.col("instruction").str.head(_CHARACTERS)).drop_nulls()
    texts = instructions.bottom_k(SAMPLE, by=["id", "instruction"]).collect(engine="streaming")["instruction"]
    detected = Counter(language for text in texts if (language := _detect(text)))
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


def _detect(text: str) -> str | None:
    """Return the language that a text is surely in."""
    if len(text.encode()) < _LEAST_BYTES:
        return None
    from py3langid import rank  # its model takes half a second to load

    scores = dict(rank(text))
    likely = max(scores, key=lambda language: (scores[language], language))
    probability = 1 / sum(math.exp(score - scores[likely]) for score in scores.values())
    return likely if probability >= SURE and likely != _NO_LANGUAGE else None
