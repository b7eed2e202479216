"""Runs of words that two texts share; the words are codes, equal for equal words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

RUN = 5
"""Words that stand together in both texts, at least."""
_PLACES = 4
"""Places that are tried of words that a row repeats over and over, so that looking stays linear."""
_AT_ONCE = 16
"""Runs that may overlap at a place of the text, for the same reason: two loops fit each other anywhere."""
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93,
                     0xA0761D6478BD642F], np.uint64)  # fmt: skip

Codes = np.ndarray[Any, np.dtype[np.uint64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


class Run(NamedTuple):
    """Words that stand together in a text and in a row."""

    at: int
    """The number of the first one in the text, from 0."""
    row_at: int
    """Its number in the row."""
    length: int
    """How many they are."""


def run_hashes(codes: Codes) -> Codes:
    """Return the hash of each run of `RUN` words."""
    size = max(len(codes) - RUN + 1, 0)
    hashes: Codes = np.zeros(size, np.uint64)
    for at, factor in enumerate(_FACTORS[:RUN]):
        hashes += codes[at : at + size] * factor
    hashes ^= hashes >> np.uint64(29)
    return hashes


def covered_words(runs: Flags) -> Flags:
    """Return which words stand in the runs of `RUN` words that are marked by where they begin."""
    covered = np.zeros(len(runs) + RUN - 1 if len(runs) else 0, bool)
    for at in range(RUN):
        covered[at : at + len(runs)] |= runs
    return covered


def shared_runs(codes: Sequence[int], row_codes: Sequence[int]) -> Iterator[Run]:
    """Yield the longest runs of at least `RUN` words that stand in a text and in a row, by place in the text."""
    places: dict[tuple[int, ...], list[int]] = {}
    for at in range(len(row_codes) - RUN + 1):
        known = places.setdefault(tuple(row_codes[at : at + RUN]), [])
        if len(known) < _PLACES:
            known.append(at)
    ends: dict[int, int] = {}
    under_way: list[int] = []
    for at in range(len(codes) - RUN + 1):
        for row_at in places.get(tuple(codes[at : at + RUN]), ()):
            shift = at - row_at
            under_way = [end for end in under_way if end > at]
            if at < ends.get(shift, 0) or len(under_way) == _AT_ONCE:
                continue
            length = RUN
            most = min(len(codes) - at, len(row_codes) - row_at)
            while length < most and codes[at + length] == row_codes[row_at + length]:
                length += 1
            ends[shift] = at + length
            under_way.append(at + length)
            yield Run(at, row_at, length)
