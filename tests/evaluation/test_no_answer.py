"""No answer is no answer: what a side left empty, or only thought of, is counted and never judged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from codeclm_hf import Evaluation, endpoint
from codeclm_hf.builders import load_responses
from codeclm_hf.evaluation.comparisons import comparisons, read_outcomes
from codeclm_hf.evaluation.judge_check import check_judge
from codeclm_hf.evaluation.paired import recovery_difference
from codeclm_hf.evaluation.results import EvaluationResults, WithoutAnswer, read_results
from codeclm_hf.stages.compare import Compare, sides_without_answer
from support.command_line import Cli, output_of
from support.judges import Serve, good, judging
from support.model_server import StandIn

WORTH = {"good": 8.0, "fair": 6.0, "poor": 3.0}
THOUGHTS = "They want more."
NONE_IN_A_FILE: list[str | None] = [
    None, "", " \n\t", f"<think>{THOUGHTS}", f"<think>\n{THOUGHTS}\n</think>\n\n", f"{THOUGHTS}\n</think>",
    f"[THINK]{THOUGHTS}[/THINK]", f"<|channel|>analysis<|message|>{THOUGHTS}", "<|im_end|>", f"<reasoning>{THOUGHTS}",
]  # fmt: skip
"""Responses in files that hold no answer."""


def reply(content: str | None, finish_reason: str = "stop", **message: Any) -> Any:
    """The reply of a chat server, for a stand-in's `fault`."""
    choice = {"message": {"content": content, **message}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 3, "completion_tokens": 3}
    return 200, json.dumps({"choices": [choice], "usage": usage}), "application/json", {}


NONE_OF_A_SERVER = [
    reply(None), reply(""), reply(" \n"), reply(f"<think>{THOUGHTS}</think>"), reply("", reasoning_content=THOUGHTS),
    reply("fai", "content_filter"), reply(None, refusal="I cannot help."), reply(f"<think>{THOUGHTS}", "length"),
]  # fmt: skip
"""Replies of a server that hold no answer."""


def rate(instruction: str, answer: str, first: bool) -> float:
    assert answer and THOUGHTS not in answer, "the judge is shown answers alone"
    return WORTH[answer] if answer in WORTH else good(instruction, answer, first)


@pytest.fixture
def judge(serve: Serve) -> StandIn:
    """A judge that knows what an answer is worth, and is shown nothing else."""
    return serve(judging(rate), tgi=False, model="judge")


def file_of(path: Path, responses: dict[str, Any]) -> Path:
    """A file of responses."""
    rows = [{"instruction": text, "response": said} for text, said in responses.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def evaluated(judge: StandIn, out: Path, **sides: Any) -> EvaluationResults:
    """What the evaluation finds of the instructions in the candidate's file, or of those of the endpoints."""
    texts = sides.pop("texts")
    return Evaluation(judge=endpoint(judge.url), **sides).run(
        Dataset.from_dict({"instruction": texts}), out=out
    )


def test_files_without_answers_change_no_ratio(judge: StandIn, tmp_path: Path) -> None:
    """Empty and thoughts alone are counted by side and listed; thoughts before an answer are not judged."""
    said = {f"Number {n}.": ("good", "poor", "fair")[n % 3] for n in range(12)}
    answers = {"candidate": said, "reference": dict.fromkeys(said, "fair")}
    twins = {role: file_of(tmp_path / f"twin-{role}.jsonl", texts) for role, texts in answers.items()}
    silent = {role: {f"The {role}'s {n}.": none for n, none in enumerate(NONE_IN_A_FILE)} for role in twins}
    both = dict.fromkeys([*silent["candidate"], *silent["reference"], "Nobody's."], "good") | {
        "Nobody's.": ""
    }
    thinks = {text: f"<think>{THOUGHTS}</think>\n{answer}" for text, answer in said.items()}
    files = {
        role: file_of(tmp_path / f"{role}.jsonl", (thinks if role == "candidate" else dict.fromkeys(said, "fair"))
                      | both | silent[role])
        for role in twins
    }  # fmt: skip
    found, twin = (
        evaluated(judge, tmp_path / out, texts=texts,
                  **{role: load_responses(str(path), role=role) for role, path in of.items()})
        for out, texts, of in (("out", [*said, *both], files), ("twin", list(said), twins))
    )  # fmt: skip
    assert found.overall.capacity_recovery_ratio == twin.overall.capacity_recovery_ratio == 8 / 12
    assert (found.overall.comparisons, found.overall.not_judged) == (12, 2 * len(NONE_IN_A_FILE) + 1)
    assert found.not_judged.summary == f"{2 * len(NONE_IN_A_FILE) + 1} without an answer"
    for role in twins:
        of_role = found.without_an_answer[role]
        assert of_role.instructions == len(NONE_IN_A_FILE) + 1
        assert set(of_role.first) <= {*silent[role], "Nobody's."}
    assert read_results(tmp_path / "out") == found
    assert "without_an_answer" not in (tmp_path / "twin" / "results.json").read_text()
    report = (tmp_path / "out" / "README.md").read_text()
    assert f"The candidate gave no answer to {len(NONE_IN_A_FILE) + 1}. The reference gave" in report
    assert "| no answer of the candidate: it gave an empty answer |" in report
    outcomes = read_outcomes(tmp_path / "out")
    assert recovery_difference(outcomes, outcomes).unreadable == found.overall.not_judged
    assert not any(THOUGHTS in str(asked["messages"]) for asked in judge.asked)


def test_endpoints_without_answers_change_no_ratio(judge: StandIn, serve: Serve, tmp_path: Path) -> None:
    """Whatever a server sends in place of an answer; what came of the other side stays in the row."""
    texts = [f"Number {n}." for n in range(8)]
    silent = {f"Silent {n}.": none for n, none in enumerate(NONE_OF_A_SERVER)}
    whole = serve(lambda messages, _: "fair", tgi=False, model="whole")

    def serve_silent() -> StandIn:
        def answer(messages: list[dict[str, str]], _: Any) -> str:
            return f"<think>{THOUGHTS}</think>{'good' if '1' in messages[0]['content'] else 'poor'}"

        def fault(body: dict[str, Any]) -> Any:
            return silent.get(body["messages"][0]["content"])

        return serve(answer, tgi=False, fault=fault, model="silent")

    found, twin, other = (
        evaluated(judge, tmp_path / name, texts=asked,
                  candidate=endpoint(candidate.url), reference=endpoint(reference.url))
        for name, asked, candidate, reference in (
            ("out", [*texts, *silent], serve_silent(), whole), ("twin", texts, serve_silent(), whole),
            ("other", [*texts, *silent], whole, serve_silent()),
        )
    )  # fmt: skip
    assert found.overall.capacity_recovery_ratio == twin.overall.capacity_recovery_ratio == 1 / 8
    assert other.overall.capacity_recovery_ratio == 7 / 8
    shown = WithoutAnswer(instructions=len(silent), first=tuple(silent))
    assert (found.without_an_answer, other.without_an_answer) == ({"candidate": shown}, {"reference": shown})
    assert found.not_judged.without_an_answer == other.not_judged.without_an_answer == len(silent)
    table = load_responses(str(tmp_path / "out"), role="reference")
    assert [row["response"] for row in table if row["instruction"] in silent] == ["fair"] * len(silent)
    assert THOUGHTS not in json.dumps(load_responses(str(tmp_path / "out"), role="candidate").to_list())


def test_the_command_names_the_instructions_without_an_answer(
    judge: StandIn, cli: Cli, tmp_path: Path
) -> None:
    """Before anything is asked, and beside the ratio."""
    texts = [f"Number {n}." for n in range(6)]
    benchmark = file_of(tmp_path / "b.jsonl", dict.fromkeys(texts))
    candidate = file_of(
        tmp_path / "c.jsonl", dict.fromkeys(texts, "good") | dict.fromkeys(texts[:4], "<think>Hm")
    )
    reference = file_of(tmp_path / "r.jsonl", dict.fromkeys(texts, "fair"))
    command = ["evaluate", benchmark, "--candidate", candidate, "--reference", reference, "--judge", judge.url,
               "--out", tmp_path / "out"]  # fmt: skip
    named = "to 4 of 6 instructions: Number 0.; Number 1.; Number 2.; and 1 more"
    planned = output_of(cli(*command, "--dry-run"))
    assert f"no answer in the candidate's response (empty, or thoughts alone) {named}" in planned
    assert re.search(r"│ judge +│ +4 │ +12 │", planned)
    told = output_of(cli(*command))
    assert "not judged, and counted nowhere: 4 without an answer" in told
    assert f"no answer of the candidate {named}" in told


@pytest.mark.parametrize(
    ("candidate", "reference", "silent", "words"),
    [
        ("", "fair", ("candidate",), "no answer of the candidate: it gave an empty answer"),
        ("good", "<think>So", ("reference",), "no answer of the reference: it thought, and gave no answer"),
        (" ", "<think>", ("candidate", "reference"), "no answer of either side: the candidate gave an empty answer; "
         "the reference gave an empty answer"),
        ("good", None, (), "there is no reference response to this instruction"),
        ("", None, (), "there is no reference response to this instruction"),
    ],
)  # fmt: skip
def test_a_row_says_which_side_is_silent(
    judge: StandIn, candidate: str | None, reference: str | None, silent: tuple[str, ...], words: str
) -> None:
    """Where the response is missing as well, that is said; nobody is judged."""
    row = {"instruction": "Do it.", "candidate_response": candidate, "reference_response": reference}
    table = Compare(judge=endpoint(judge.url)).map(Dataset.from_list([row]))
    (found,) = comparisons(table)
    assert (found.error or "").startswith(words) and found.outcome is None
    assert sides_without_answer(found.error) == silent
    assert table[0]["candidate_response"] == (candidate if candidate == "good" else None)
    assert judge.asked == []


@pytest.mark.parametrize(
    ("responses", "kept"),
    [
        (["", "good"], "good"), (["good", ""], "good"), ([None, "<think>x"], "<think>x"),
        (["<think>a</think>b", "c"], "<think>a</think>b"), ([None], ""), (["", None], ""),
    ],
)  # fmt: skip
def test_the_first_answer_to_an_instruction_counts(judge: StandIn, responses: list[Any], kept: str) -> None:
    """A text that is no answer is one only where there is no other."""
    table = Dataset.from_dict(
        {"instruction": ["One."] * len(responses) + ["Two."], "response": [*responses, "x"]}
    )
    evaluation = Evaluation(candidate=table, reference=table, judge=endpoint(judge.url))
    joined = evaluation.join(Dataset.from_dict({"instruction": ["One.", "Two.", "Three."]}))
    assert joined.rows["candidate_response"][0] == kept
    answered = kept in ("good", "<think>a</think>b")
    assert joined.without_answer["candidate"] == (() if answered else ("One.",))
    assert joined.without_response["candidate"] == ("Three.",)
    assert (joined.count_complete(), joined.count_complete(["candidate", "reference"])) == (1 + answered, 3)


def test_a_side_that_fails_keeps_the_answer_of_the_other(judge: StandIn, serve: Serve) -> None:
    """It was paid for; the judge is not asked."""
    whole = serve(lambda *_: "good", tgi=False)
    broken = serve(
        lambda *_: "", tgi=False, fault=lambda _: (400, '{"error": "too long"}', "application/json", {})
    )
    stage = Compare(judge=endpoint(judge.url), candidate=endpoint(whole.url), reference=endpoint(broken.url))
    (row,) = stage.map(Dataset.from_dict({"instruction": ["Do it."]}))
    assert (row["candidate_response"], row["reference_response"]) == ("good", None)
    assert "too long" in row["error"] and sides_without_answer(row["error"]) == ()


def test_a_judge_without_an_answer_is_unreadable(serve: Serve) -> None:
    """In its own words, also in its check: never a tie."""
    filtered = serve(lambda *_: "", tgi=False, fault=lambda _: reply("7 3", "content_filter"))
    report = check_judge(endpoint(filtered.url), of_each=1)
    words = "unreadable judgement: the judge gave an answer that its server kept back (content_filter)"
    assert (report.readable, report.fit, report.error) == (0, False, words)


def test_tags_that_the_instruction_asks_for_are_judged(judge: StandIn) -> None:
    """A response from a file in such tags is an answer, whole; the same tags unasked are thoughts."""
    text = "<reasoning>good</reasoning>"
    rows = [
        {"instruction": instruction, "candidate_response": text, "reference_response": "fair"}
        for instruction in ("Answer in <reasoning> tags.", "Answer.")
    ]
    table = Compare(judge=endpoint(judge.url)).map(Dataset.from_list(rows))
    assert table["candidate_response"] == [text, None]
    assert sides_without_answer(table[1]["error"]) == ("candidate",)
