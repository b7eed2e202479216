"""`contamination.jsonl`: every text of a run that shares words with an evaluation set, and which words.

It stands in the run directory so that a false alarm can be seen, and is never published: it holds words of
evaluation sets.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from codeclm_hf.card.shapes import BenchmarkMatches, ContaminationSummary, SharedWords
from codeclm_hf.files import replace_file
from codeclm_hf.run.directory import write_error
from codeclm_hf.stages.contamination import KINDS, Benchmark, ContaminatedText, Match
from codeclm_hf.text import shorten

FILE = "contamination.jsonl"
"""Its name in a run directory."""
MOST_FOUND = 20
"""Texts that the manifest and the card name."""


def write(directory: Path, findings: Iterable[ContaminatedText]) -> None:
    """Put the file in place of an earlier run's: a line of JSON for each text, in the order of `in_order`.

    Where nothing was found, there is no file.

    Raises:
        CodecLMError: it cannot be written; what was there stays.
    """
    # in ASCII, since a model's answer may hold half a surrogate pair
    lines = [json.dumps(asdict(finding)) + "\n" for finding in in_order(findings)]
    try:
        if lines:
            replace_file(directory / FILE, "".join(lines))
        else:
            (directory / FILE).unlink(missing_ok=True)
    except OSError as exc:
        raise write_error(FILE, directory, exc) from exc


def in_order(findings: Iterable[ContaminatedText]) -> list[ContaminatedText]:
    """Return the findings, each text once a kind: the removed ones first, by kind and id."""
    by_key = {(finding.allowed, KINDS.index(finding.kind), finding.id): finding for finding in findings}
    return [by_key[key] for key in sorted(by_key)]


def summary(
    findings: Iterable[ContaminatedText], benchmarks: Sequence[Benchmark], allowed: Collection[str] = ()
) -> ContaminationSummary:
    """Return what the manifest and the card say of the findings.

    Args:
        findings: in any order.
        benchmarks: the evaluation sets.
        allowed: the ids that were to be allowed.
    """
    findings = in_order(findings)
    removed = Counter(finding.kind for finding in findings if not finding.allowed)
    texts = Counter(name for finding in findings for name in {match.benchmark for match in finding.matches})
    return ContaminationSummary(
        removed={kind: removed[kind] for kind in KINDS if removed[kind]},
        allowed=sum(finding.allowed for finding in findings),
        benchmarks=tuple(
            BenchmarkMatches(name=each.name, rows=sum(map(bool, each.texts)), texts=texts[each.name])
            for each in benchmarks
        ),
        found=tuple(_shared_words(finding) for finding in findings[:MOST_FOUND]),
        unmatched=tuple(sorted(set(allowed) - {finding.id for finding in findings})),
    )


def _shared_words(finding: ContaminatedText) -> SharedWords:
    longest = max(finding.matches, key=_length)
    return SharedWords(
        id=finding.id,
        kind=finding.kind,
        benchmark=longest.benchmark,
        row=longest.row,
        words=shorten(longest.words),
        start=longest.start,
        end=longest.end,
        benchmark_start=longest.benchmark_start,
        benchmark_end=longest.benchmark_end,
        allowed=finding.allowed,
    )


def _length(match: Match) -> int:
    return match.end - match.start
