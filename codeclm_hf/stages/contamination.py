"""Contamination: which words of a text stand in an evaluation set.

Words are compared, whatever their case and the punctuation between them (see `stages/words.py`). A text is
contaminated by a row of an evaluation set when it holds

* the whole row: anywhere, from `WHOLE` words on; of a shorter one, as a sentence of its own; a row of fewer
  than `SENTENCE` words only where it is the whole text;
* or at least `SHARE` of the row's own words, and `WHOLE` of them, in runs of `RUN` words and more;
* or a run of `LONG_RUN` of them, as GPT-3's authors counted (Brown et al. 2020, appendix C).

Words that stand in runs of `RUN` in more than `COMMON_ROWS` rows, such as "Answer the following multiple choice
question", are not a row's own: they count in whole rows alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from codeclm_hf import ids
from codeclm_hf.errors import BadInput
from codeclm_hf.stages.word_runs import RUN, Codes, Run, covered_words, run_hashes, shared_runs
from codeclm_hf.stages.words import Word, is_character, normal_form, raw_words, words
from codeclm_hf.text import shorten

CONTAMINATED = "contaminated"
"""What a text is called, as a flag and as a reason, that shares words with an evaluation set."""
INSTRUCTION = "instruction"
"""The kind of a text that is one; a response's is the column that it stands in."""
KINDS = (INSTRUCTION, "strong_response", "target_response")
"""What may be contaminated, in the order in which it is listed."""
WHOLE = 8
"""Words from which on a row is found inside any other words."""
SENTENCE = 5
"""Words from which on a row is found where it is a sentence of its own."""
SHORTEST = 3
"""Words from which on a row is found where it is the whole text."""
SHARE = 0.65
"""Share of a row's own words from which on a text is contaminated."""
LONG_RUN = 13
"""A run of so many of a row's own words is enough, however long the row is."""
COMMON_ROWS = 10
"""A run of `RUN` words that more rows have says little about any of them."""
COMMON_SHARE = 0.5
"""The same of a run that more than this share of an evaluation set has, and three rows at least."""
CHARACTER = 0.5
"""What a character counts as in a script without spaces; a word counts as 1."""
MOST_MATCHES = 10
"""Rows that are named of those that a text shares words with."""
_ID = re.compile("[0-9a-f]{16}")
_BORDER = re.compile("[^\\s\\w,/\\\\&@#~^`%$+<=>-]|\n")  # what ends a sentence or a quote


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """An evaluation set whose texts must not be trained on."""

    name: str
    """The file or data set, as it was named, with the column after a colon where one was given."""
    texts: tuple[str, ...]
    """Its texts, row by row; empty where a row has none."""
    unreadable: str = ""
    """What is wrong with rows that should have a text and have none, in words; empty where nothing is."""


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
class ContaminatedText:
    """A text that shares words with evaluation sets."""

    id: str
    """16 hexadecimal digits, hashed from the text: what `--allow-match` takes."""
    kind: str
    """One of `KINDS`."""
    text: str
    """The whole text."""
    matches: tuple[Match, ...]
    """One for each row that it shares words with, by evaluation set and row; at most `MOST_MATCHES`."""
    allowed: bool = False
    """Whether it was kept, as `--allow-match` asks."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Contamination:
    """Finds the texts that share words with evaluation sets."""

    benchmarks: Sequence[Benchmark] = ()
    """The evaluation sets."""
    allowed: Collection[str] = ()
    """Ids of texts that are kept all the same."""

    def __post_init__(self) -> None:
        for benchmark in self.benchmarks:
            if not isinstance(benchmark, Benchmark):
                raise BadInput(
                    f"needs evaluation sets as load_benchmark gives them; came {shorten(repr(self.benchmarks))}"
                )
        check_allowed(self.allowed, self.benchmarks)

    def find(self, text: str, kind: str) -> ContaminatedText | None:
        """Return what a text shares with the evaluation sets; None where that is nothing.

        Args:
            text: an instruction or a response.
            kind: which of `KINDS` it is.
        """
        if not self.benchmarks:
            return None
        matches = self._index.matches(text)
        if not matches:
            return None
        id = ids.row_id("text", text)
        return ContaminatedText(id=id, kind=kind, text=text, matches=matches, allowed=id in self.allowed)

    def spec(self) -> Any:
        """Return what shapes the findings as plain data: a hash of the texts, and what is allowed."""
        texts = [[benchmark.name, list(benchmark.texts)] for benchmark in self.benchmarks]
        return [ids.digest(texts), sorted(self.allowed)]

    @cached_property
    def _index(self) -> _Index:
        return _Index(self.benchmarks)


def check_allowed(allowed: Collection[str], benchmarks: Collection[Any]) -> None:
    """Raise an error for ids that cannot be any text's, or that nothing is compared for.

    Raises:
        BadInput: there are such ids.
    """
    for id in allowed:
        if not _ID.fullmatch(id):
            raise BadInput(
                f"needs an id of 16 hexadecimal digits, as contamination.jsonl has them; came `{id}`"
            )
    if allowed and not benchmarks:
        raise BadInput("needs an evaluation set to decontaminate for beside the matches to allow; came none")


class _Row(NamedTuple):
    """A row of an evaluation set."""

    benchmark: str
    number: int
    text: str


class _Lookup(dict[str, int]):
    """The codes of words: 63 bits of a hash, and whether it is a character; 0 where no row has the word."""

    def __missing__(self, word: str) -> int:
        normal = normal_form(word)
        return self.get(normal, 0) if normal != word else 0

    def codes(self, found: Sequence[str]) -> Codes:
        """Return the codes of some words."""
        return np.fromiter(map(self.__getitem__, found), np.uint64, len(found))


class _Index:
    """The runs of `RUN` words in evaluation sets, as sorted hashes, with the rows that have them.

    What it finds does not depend on the order of the evaluation sets. It holds some 20 bytes a word.
    """

    def __init__(self, benchmarks: Sequence[Benchmark]) -> None:
        self._lookup = _Lookup()
        self._rows: list[list[_Row]] = []  # of each text the rows that have it
        self._whole: dict[bytes, int] = {}
        per_text: list[Codes] = []
        of_benchmark: list[set[int]] = []
        for benchmark in benchmarks:
            members: set[int] = set()
            for number, text in enumerate(benchmark.texts, 1):
                codes = self._learn(text)
                if self._weight(codes) < SHORTEST:
                    continue
                at = self._whole.setdefault(_key(codes), len(self._rows))
                if at == len(self._rows):
                    self._rows.append([])
                    per_text.append(codes)
                self._rows[at].append(_Row(benchmark.name, number, text))
                members.add(at)
            of_benchmark.append(members)
        self._build(per_text, of_benchmark)

    def _learn(self, text: str) -> Codes:
        """Return the codes of a row's words, after those that are new have got one."""
        found = [normal_form(word) for word in raw_words(text)]
        for word in found:
            if word not in self._lookup:
                digest = int.from_bytes(
                    hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "big"
                )
                self._lookup[word] = digest >> 1 << 1 | is_character(word)
        return self._lookup.codes(found)

    @staticmethod
    def _weight(codes: Codes) -> float:
        return float(len(codes) - (1 - CHARACTER) * int((codes & np.uint64(1)).sum()))

    def _build(self, per_text: Sequence[Codes], of_benchmark: Sequence[set[int]]) -> None:
        """Sort the runs of all texts, each once a text, and set those apart that say little."""
        hashes = [run_hashes(codes) for codes in per_text]
        lengths = [len(run) for run in hashes]
        all_hashes = np.concatenate([*hashes, np.zeros(0, np.uint64)])
        texts = np.repeat(np.arange(len(per_text), dtype=np.int32), lengths)
        order = np.lexsort((texts, all_hashes))
        all_hashes, texts = all_hashes[order], texts[order]
        first = np.ones(len(texts), bool)
        first[1:] = (all_hashes[1:] != all_hashes[:-1]) | (texts[1:] != texts[:-1])
        all_hashes, texts = all_hashes[first], texts[first]
        distinct, group, counts = np.unique(all_hashes, return_inverse=True, return_counts=True)
        common = counts > COMMON_ROWS
        for members in of_benchmark:
            inside = np.zeros(len(per_text), bool)
            inside[list(members)] = True
            here = np.bincount(group[inside[texts]], minlength=len(distinct))
            common |= (here >= 3) & (here > COMMON_SHARE * len(members))
        self._common = distinct[common]
        kept = ~common[group]
        own = np.bincount(texts[kept], minlength=len(per_text))
        # A text of common runs alone is found by its rarest one.
        rest = np.flatnonzero(own[texts] == 0)
        rest = rest[np.lexsort((all_hashes[rest], counts[group[rest]], texts[rest]))]
        kept[rest[np.unique(texts[rest], return_index=True)[1]]] = True
        self._postings = texts[kept]
        self._hashes, self._starts = np.unique(all_hashes[kept], return_index=True)
        self._starts = np.append(self._starts, len(self._postings)).astype(np.uint32)
        # Fewer shared runs than so many can be no match.
        enough = np.ceil(SHARE * np.maximum(own, 1) / RUN)
        self._needed = np.minimum(np.minimum(enough, -(-LONG_RUN // RUN)), np.maximum(own, 1)).astype(
            np.int64
        )
        bits = max(12, int(len(self._hashes) * 4).bit_length())
        self._shift = np.uint64(64 - bits)
        self._seen = np.zeros(1 << bits, bool)
        self._seen[self._hashes >> self._shift] = True

    def matches(self, text: str) -> tuple[Match, ...]:
        """Return the rows that contaminate a text, each with the longest run of words that both have."""
        codes = self._lookup.codes(raw_words(text))
        if not codes.any():
            return ()
        found: list[tuple[_Row, Match]] = []
        whole = self._whole.get(_key(codes))
        text_words: list[Word] | None = None
        for at in self._candidates(codes, whole):
            for row in self._rows[at]:
                text_words = text_words or words(text)
                if match := self._match(text, text_words, codes, row, is_whole=at == whole):
                    found.append((row, match))
        return tuple(match for _, match in sorted(found, key=lambda pair: pair[0])[:MOST_MATCHES])

    def _candidates(self, codes: Codes, whole: int | None) -> list[int]:
        """Return the texts that share enough runs to be worth comparing word by word."""
        alone = [] if whole is None else [whole]
        hashes = run_hashes(codes)
        hashes = hashes[self._seen[hashes >> self._shift]]
        if not len(hashes):
            return alone
        hashes = np.unique(hashes)
        places = np.searchsorted(self._hashes, hashes)
        places = places[self._hashes[np.minimum(places, len(self._hashes) - 1)] == hashes]
        if not len(places):
            return alone
        postings = [self._postings[self._starts[place] : self._starts[place + 1]] for place in places]
        texts, counts = np.unique(np.concatenate(postings), return_counts=True)
        enough = texts[counts >= self._needed[texts]]
        return sorted({*alone, *enough.tolist()})

    def _match(
        self, text: str, text_words: Sequence[Word], codes: Codes, row: _Row, *, is_whole: bool
    ) -> Match | None:
        """Return what a text shares with a row; None where that is too little."""
        row_words = words(row.text)
        row_codes = self._lookup.codes([word.text for word in row_words])
        if is_whole:
            best: Run | None = Run(0, 0, len(row_codes))
        else:
            runs = list(shared_runs(codes.tolist(), row_codes.tolist()))
            best = self._best(text, text_words, row_codes, runs)
        if best is None:
            return None
        first, last = text_words[best.at], text_words[best.at + best.length - 1]
        row_first, row_last = row_words[best.row_at], row_words[best.row_at + best.length - 1]
        return Match(
            benchmark=row.benchmark,
            row=row.number,
            words=text[first.start : last.end],
            start=first.start,
            end=last.end,
            benchmark_start=row_first.start,
            benchmark_end=row_last.end,
        )

    def _best(
        self, text: str, text_words: Sequence[Word], row_codes: Codes, runs: Sequence[Run]
    ) -> Run | None:
        """Return the longest of the runs that a text shares with a row, if they make it contaminated."""
        weight = self._weight(row_codes)
        for run in runs:
            is_row = run.length == len(row_codes)
            if is_row and (weight >= WHOLE or (weight >= SENTENCE and _is_sentence(text, text_words, run))):
                return run
        own = ~np.isin(run_hashes(row_codes), self._common)
        own_weight = self._weight(row_codes[covered_words(own)])
        shared = np.zeros(len(own), bool)
        contaminated = False
        for run in runs:
            in_run = np.zeros(len(own), bool)
            in_run[run.row_at : run.row_at + run.length - RUN + 1] = True
            contaminated |= self._weight(row_codes[covered_words(in_run & own)]) >= LONG_RUN
            shared |= in_run
        share = self._weight(row_codes[covered_words(shared & own)])
        contaminated |= share >= max(WHOLE, SHARE * own_weight)
        return max(runs, key=lambda run: (run.length, -run.at, -run.row_at)) if contaminated else None


def _key(codes: Codes) -> bytes:
    return hashlib.blake2b(codes.tobytes(), digest_size=16).digest()


def _is_sentence(text: str, text_words: Sequence[Word], run: Run) -> bool:
    """Return whether words stand between ends of sentences, quotes or lines, or the text's own ends."""
    last = run.at + run.length
    before = text[text_words[run.at - 1].end : text_words[run.at].start] if run.at else "\n"
    after = text[text_words[last - 1].end : text_words[last].start] if last < len(text_words) else "\n"
    return bool(_BORDER.search(before) and _BORDER.search(after))
