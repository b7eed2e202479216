"""`--decontaminate` and `--allow-match`: what stands in an evaluation set is neither paid for nor kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from codeclm_hf.run.manifest import Manifest
from support.command_line import Cli, output_of, refusal_of
from support.model_server import StandIn
from support.world import World, number

WorldOf = Callable[..., tuple[StandIn, StandIn]]

QUESTIONS = (
    "A baker sold 48 loaves in April and half as many in May; how many loaves did the baker sell in both months?",
    "Which planet of the solar system has the shortest day, and how long does that day last?",
    "Write a function that returns the longest palindrome inside a string of lower-case letters.",
    "Two trains leave the same station at noon in opposite directions; after how many hours are they 500 km apart?",
    "Name the three branches of government and explain which of them may declare a law void.",
)


@dataclass(frozen=True)
class Copyist(World):
    """A model whose first idea is a question of the benchmark, in words of its own before it."""

    def decode(self, use_case: str, skills: list[str], n: int) -> list[str]:
        ideas = super().decode(use_case, skills, n)
        question = QUESTIONS[number(use_case, *skills) % len(QUESTIONS)]
        return [f"Answer with care: {question.upper()}", *ideas[1:]] if n > 1 else ideas

    def respond(self, role: str, instruction: str) -> str:
        return f"The {role} model's answer {number(role, instruction) % 9}"


@dataclass(frozen=True)
class Quoter(World):
    """Models that bring in a question when they answer, and when they improve some instructions."""

    def respond(self, role: str, instruction: str) -> str:
        n = number(role, instruction)
        return f"As they say: {QUESTIONS[n % 5]} So much for that." if n % 3 == 0 else f"Answer {n}"

    def improve(self, instruction: str, action: str) -> str:
        n = number(instruction, action)
        return f"{instruction}. {QUESTIONS[n % 5]}" if n % 2 else super().improve(instruction, action)


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    path = tmp_path / "exam.jsonl"
    path.write_text("".join(json.dumps({"question": text, "answer": "42"}) + "\n" for text in QUESTIONS))
    return path


@pytest.fixture
def servers(world_of: WorldOf) -> tuple[StandIn, StandIn]:
    return world_of(Copyist(), tgi=False)


@pytest.fixture
def typed(servers: tuple[StandIn, StandIn], tmp_path: Path, seeds_file: Path) -> list[object]:
    strong, target = servers
    return ["run", seeds_file, "--strong", strong.url, "--target", target.url, "--out", tmp_path / "out",
            "--num-instructions", 12, "--num-metadata", 4, "--threshold", 0]  # fmt: skip


def findings(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "contamination.jsonl").read_text().splitlines()]


def asked_for_responses(server: StandIn) -> str:
    """Everything that a server was asked."""
    return json.dumps(server.asked)


def test_copied_questions_are_removed_before_they_cost_a_response(
    cli: Cli, typed: list[object], servers: tuple[StandIn, StandIn], benchmark: Path, tmp_path: Path
) -> None:
    """No copied question reaches the target; the file, the manifest and the last lines say what was removed."""
    shown = output_of(cli(*typed, "--decontaminate", f"{benchmark}:question"))
    assert "evaluation set: exam.jsonl:question, 5 texts" in shown
    found = findings(tmp_path / "out")
    assert (
        f"removed instruction {len(found)}; {tmp_path / 'out'}/contamination.jsonl shows the words" in shown
    )
    assert f"removed instruction {len(found)}" in output_of(cli("inspect", tmp_path / "out"))
    assert found
    for finding in found:
        assert (finding["kind"], finding["allowed"]) == ("instruction", False)
        (match,) = finding["matches"]
        text, question = finding["text"], QUESTIONS[match["row"] - 1]
        assert text[match["start"] : match["end"]] == match["words"]
        assert question[match["benchmark_start"] : match["benchmark_end"]].upper() == match["words"]
    assert "LOAVES" not in asked_for_responses(servers[1])
    trace = load_dataset(str(tmp_path / "out"), "trace", split="train")
    assert not any(text.startswith("Answer with care") for text in trace["instruction"])
    summary = Manifest.read(tmp_path / "out").contamination
    assert summary is not None
    assert summary.removed == {"instruction": len(found)}
    assert [(set_.name, set_.rows) for set_ in summary.benchmarks] == [("exam.jsonl:question", 5)]
    assert [each.id for each in summary.found] == [finding["id"] for finding in found]


def test_responses_and_improvements_that_quote_are_not_kept(
    cli: Cli, world_of: WorldOf, benchmark: Path, tmp_path: Path, seeds_file: Path
) -> None:
    """Nothing in `default` and `preference` holds a question; each text that does is a line of the file."""
    strong, target = world_of(Quoter(), tgi=False)
    out = tmp_path / "out"
    words = ["run", seeds_file, "--strong", strong.url, "--target", target.url, "--out", out]
    output_of(cli(*words, "--num-instructions", 20, "--num-metadata", 4, "--decontaminate", benchmark))
    tables = {
        name: load_dataset(str(out), name, split="train") for name in ("default", "preference", "trace")
    }
    assert len(tables["default"])
    for name in ("default", "preference"):
        assert not any(question in json.dumps(list(tables[name])) for question in QUESTIONS)
    found = findings(out)
    assert {finding["kind"] for finding in found} == {"instruction", "strong_response", "target_response"}
    quoted = {
        (kind, row[kind])
        for row in tables["trace"]
        for kind in ("strong_response", "target_response")
        if row[kind] and row[kind].startswith("As they say")
    }
    assert {(each["kind"], each["text"]) for each in found if each["kind"] != "instruction"} == quoted
    assert [row["error"] for row in tables["trace"] if row["verdict"] != "failed" and quoted_by(row)] == []


def quoted_by(row: dict[str, Any]) -> bool:
    """Whether a response in a row of the trace holds a question."""
    return any((row[kind] or "").startswith("As they say") for kind in ("strong_response", "target_response"))


def test_an_allowed_match_is_kept_and_no_other(
    cli: Cli, typed: list[object], benchmark: Path, tmp_path: Path
) -> None:
    """`--allow-match` keeps exactly the text with that id; an id that nothing has is said at the end."""
    cli(*typed, "--decontaminate", benchmark)
    first, *others = findings(tmp_path / "out")
    shown = output_of(
        cli(*typed, "--decontaminate", benchmark, "--allow-match", first["id"], "--allow-match", "0" * 16)
    )
    assert f"allowed, but nowhere found: {'0' * 16}" in shown
    after = findings(tmp_path / "out")
    assert [finding["text"] for finding in after if finding["allowed"]] == [first["text"]]
    assert {finding["id"] for finding in after if not finding["allowed"]} >= {each["id"] for each in others}
    trace = load_dataset(str(tmp_path / "out"), "trace", split="train")
    kept = {text for text in trace["instruction"] if text.startswith("Answer with care")}
    assert kept == {first["text"]}


def test_without_a_finding_there_is_no_file(
    cli: Cli, typed: list[object], benchmark: Path, tmp_path: Path
) -> None:
    """A later run that finds nothing takes the earlier one's file away."""
    cli(*typed, "--decontaminate", benchmark)
    assert (tmp_path / "out" / "contamination.jsonl").exists()
    output_of(cli(*typed))
    assert not (tmp_path / "out" / "contamination.jsonl").exists()
    assert Manifest.read(tmp_path / "out").contamination is None


def test_sets_and_ids_stand_in_a_configuration_file(
    cli: Cli, typed: list[object], benchmark: Path, tmp_path: Path
) -> None:
    """A YAML file has them as one word or as lists."""
    config = tmp_path / "run.yaml"
    config.write_text(f"decontaminate: {benchmark}\nallow-match: ['{'a' * 16}']\n")
    assert f"nowhere found: {'a' * 16}" in output_of(cli(*typed, "--config", config))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--decontaminate", "{exam}:task"], "needs a column `task`; exam.jsonl has `question`, `answer`"),
        (["--decontaminate", "{folder}/none.jsonl"], "there is no `{folder}/none.jsonl`"),
        (["--decontaminate", "{exam}:answer"], "needs texts of 3 words and more"),
        (["--decontaminate", "{empty}"], "holds no row"),
        (["--decontaminate", "{exam}:"], "a column after a colon"),
        (["--allow-match", "0123456789abcdef"], "needs an evaluation set"),
        (["--decontaminate", "{exam}", "--allow-match", "first"], "needs an id of 16 hexadecimal digits"),
    ],
)
def test_what_cannot_be_compared_with_stops_the_run_before_it_begins(
    cli: Cli,
    typed: list[object],
    servers: tuple[StandIn, StandIn],
    benchmark: Path,
    tmp_path: Path,
    words: list[str],
    says: str,
) -> None:
    """One sentence, exit code 2, nothing asked and nothing written."""
    (tmp_path / "empty.jsonl").touch()
    places = {"exam": benchmark, "folder": tmp_path, "empty": tmp_path / "empty.jsonl"}
    line = refusal_of(cli(*typed, *(word.format(**places) for word in words)))
    assert says.format(**places) in line
    assert not (tmp_path / "out").exists()
    assert [server.asked for server in servers] == [[], []]
