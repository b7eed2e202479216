"""The natural languages of a data set's instructions, detected in a sample."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl

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


def languages(default: pl.LazyFrame) -> dict[str, Any]:
    """Which languages the instructions are written in.

    The same rows in any order give the same result.

    Args:
        default: columns `id` and `instruction`.

    Returns:
        `sample`: how many instructions were looked at, those of the first ids, which are hashes; `found`: by ISO 639-1
        code how many are surely in it, the most frequent first; `unclear`: how many are in none for sure.
    """
    known = default.select("id", pl.col("instruction").str.head(_CHARACTERS)).drop_nulls()
    texts = known.bottom_k(SAMPLE, by=["id", "instruction"]).collect(engine="streaming")["instruction"]
    told = [_detected(text) for text in texts]
    found = Counter(language for language in told if language)
    return {
        "sample": len(told),
        "found": dict(sorted(found.items(), key=lambda one: (-one[1], one[0]))),
        "unclear": len(told) - found.total(),
    }


def spoken(found: Mapping[str, Any]) -> list[str]:
    """The languages of a data set, of what `languages` found: those of more than a twentieth of the sample."""
    return [language for language, rows in found.get("found", {}).items() if rows >= LEAST * found["sample"]]


def _detected(text: str) -> str | None:
    """The language that a text is surely in."""
    if len(text.encode()) < _LEAST_BYTES:
        return None
    from py3langid import rank  # its model takes half a second to load

    scores = dict(rank(text))
    likely = max(scores, key=lambda language: (scores[language], language))
    probability = 1 / sum(math.exp(score - scores[likely]) for score in scores.values())
    return likely if probability >= SURE and likely != _NO_LANGUAGE else None
