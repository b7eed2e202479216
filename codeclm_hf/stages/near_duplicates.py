"""Near-duplicates: which instructions say the same in nearly the same words."""

from __future__ import annotations

from typing import NamedTuple

THRESHOLD = 0.8
"""Similarity from which on two instructions are near-duplicates."""


class Duplicate(NamedTuple):
    """An earlier text that a text repeats."""

    reason: str
    """`duplicate`, equal after normalising, or `near_duplicate`."""
    of: str
    """The key that the earlier text was added with."""
    similarity: float
    """From `THRESHOLD` to 1."""


def normalise(text: str) -> str:
    """Return a text without what does not tell it from another: case, spacing, punctuation."""
    return " ".join(text.casefold().split())


def similarity(one: str, other: str) -> float:
    """Return how alike two texts are, from 0 to 1: the Jaccard index of their shingles."""
    first, second = set(normalise(one).split()), set(normalise(other).split())
    return len(first & second) / len(first | second) if first | second else 1.0


class NearDuplicates:
    """The texts so far, to find those among them that a further text repeats."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def find(self, text: str) -> Duplicate | None:
        """Return the earlier text that a text repeats; of several the most similar, the first added of those."""
        alike = [(similarity(text, other), -at, key) for at, (key, other) in enumerate(self._texts.items())]
        share, _, key = max(alike, default=(0.0, 0, ""))
        if share < THRESHOLD:
            return None
        equal = normalise(self._texts[key]) == normalise(text)
        return Duplicate("duplicate" if equal else "near_duplicate", key, share)

    def add(self, key: str, text: str) -> None:
        """Add a text under a key of its own."""
        self._texts[key] = text
