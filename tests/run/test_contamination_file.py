"""What a run writes of the texts that stand in evaluation sets."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from codeclm_hf.card.shapes import BenchmarkMatches, ContaminationSummary
from codeclm_hf.errors import CodecLMError
from codeclm_hf.json_types import from_json, to_json
from codeclm_hf.run import contamination_file
from codeclm_hf.run.contamination_file import FILE, MOST_FOUND
from codeclm_hf.stages.contamination import Benchmark, ContaminatedText, Match

EXAM = Benchmark(name="exam", texts=("How far is the Moon from here?", "", "Who is he?"))
OTHER = Benchmark(name="other", texts=("What is this?",))


def match(benchmark: str = "exam", row: int = 1, length: int = 10) -> Match:
    return Match(
        benchmark=benchmark,
        row=row,
        words="x" * length,
        start=1,
        end=1 + length,
        benchmark_start=2,
        benchmark_end=2 + length,
    )


def finding(
    number: int, kind: str = "instruction", *matches: Match, allowed: bool = False
) -> ContaminatedText:
    return ContaminatedText(
        id=f"{number:016x}",
        kind=kind,
        text=f"text {number} \ud83d",
        matches=matches or (match(),),
        allowed=allowed,
    )


FINDINGS = [
    finding(3),
    finding(1, "target_response"),
    finding(2, "strong_response", match("other", 1, 5), match("exam", 3, 20)),
    finding(1, allowed=True),
    finding(0),
    finding(3),
]


def test_the_lines_do_not_depend_on_the_order_of_findings(tmp_path: Path) -> None:
    """Each text has a line a kind: instructions before responses, by id, and those that are allowed at the end."""
    shuffled = random.Random(0).sample(FINDINGS, len(FINDINGS))
    contamination_file.write(tmp_path, shuffled)
    text = (tmp_path / FILE).read_text(encoding="ascii")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["allowed"], line["kind"], int(line["id"], 16)) for line in lines] == [
        (False, "instruction", 0),
        (False, "instruction", 3),
        (False, "strong_response", 2),
        (False, "target_response", 1),
        (True, "instruction", 1),
    ]
    assert lines[0]["text"] == "text 0 \ud83d"
    assert list(lines[0]["matches"][0]) == [
        "benchmark", "row", "words", "start", "end", "benchmark_start", "benchmark_end",
    ]  # fmt: skip
    contamination_file.write(tmp_path, FINDINGS)
    assert (tmp_path / FILE).read_text() == text


def test_without_findings_there_is_no_file(tmp_path: Path) -> None:
    """An earlier run's file goes."""
    contamination_file.write(tmp_path, FINDINGS)
    contamination_file.write(tmp_path, [])
    contamination_file.write(tmp_path, [])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """A run says so in words."""
    (tmp_path / FILE).mkdir()
    with pytest.raises(CodecLMError, match=r"contamination\.jsonl cannot be written"):
        contamination_file.write(tmp_path, FINDINGS)


def test_what_the_manifest_says() -> None:
    """Texts by kind and by evaluation set, the longest words of the first of them, and ids that nothing has."""
    allowed = ["0" * 15 + "1", "f" * 16]
    summary = contamination_file.summary(FINDINGS, [EXAM, OTHER], allowed)
    assert summary.removed == {"instruction": 2, "strong_response": 1, "target_response": 1}
    assert summary.allowed == 1
    assert summary.benchmarks == (
        BenchmarkMatches(name="exam", rows=2, texts=5),
        BenchmarkMatches(name="other", rows=1, texts=1),
    )
    shared = summary.found[2]
    assert (shared.kind, shared.benchmark, shared.row, shared.words) == (
        "strong_response",
        "exam",
        3,
        "x" * 20,
    )
    assert (shared.start, shared.end, shared.benchmark_start, shared.benchmark_end) == (1, 21, 2, 22)
    assert [each.allowed for each in summary.found] == [False] * 4 + [True]
    assert summary.unmatched == ("f" * 16,)
    assert from_json(ContaminationSummary, to_json(summary)) == summary


def test_the_manifest_names_the_first_texts_alone() -> None:
    """It stays small, whatever was found; long words are cut."""
    findings = [finding(number, "instruction", match(length=5000)) for number in range(50)]
    summary = contamination_file.summary(findings, [EXAM])
    assert len(summary.found) == MOST_FOUND
    assert all(len(shared.words) < 500 for shared in summary.found)
    assert summary.removed == {"instruction": 50}
