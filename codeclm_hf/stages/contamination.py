"""Contamination: which words of a text stand in an evaluation set."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from codeclm_hf import ids


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """An evaluation set whose texts must not be trained on."""

    name: str
    """The file or data set, as it was named, with the column after a colon where one was given."""
    texts: tuple[str, ...]
    """Its texts, row by row; empty where a row has none."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """Words that a text shares with a row of an evaluation set."""

    benchmark: str
    """The evaluation set's name."""
    row: int
    """Its row, from 1."""
    words: str
    """The longest run of words that both have, as the text has them."""
    start: int
    """Where they begin in the text, in characters."""
    end: int
    """Where they end."""
    benchmark_start: int
    """Where they begin in the evaluation set's text."""
    benchmark_end: int
    """Where they end there."""


@dataclass(frozen=True, kw_only=True)
class Contaminated:
    """A text that shares words with evaluation sets."""

    id: str
    """16 hexadecimal digits, hashed from the text: what `--allow-match` takes."""
    kind: str
    """`instruction`, `strong_response` or `target_response`."""
    text: str
    """The whole text."""
    matches: tuple[Match, ...]
    """One for each row that it shares words with."""
    allowed: bool = False
    """Whether it was kept, as `--allow-match` asks."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Contamination:
    """Finds the texts that share words with evaluation sets."""

    benchmarks: Sequence[Benchmark] = ()
    """The evaluation sets."""
    allowed: Collection[str] = ()
    """Ids of texts that are kept all the same."""

    def find(self, text: str, kind: str) -> Contaminated | None:
        """Return what a text shares with the evaluation sets; None where that is nothing.

        Args:
            text: an instruction or a response.
            kind: which of them, as `Contaminated.kind` says.
        """
        return None

    def spec(self) -> Any:
        """Return what shapes the findings as plain data: a hash of the texts, and what is allowed."""
        texts = [[benchmark.name, list(benchmark.texts)] for benchmark in self.benchmarks]
        return [ids.digest(texts), sorted(self.allowed)]
