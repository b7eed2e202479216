"""Evaluation: a candidate measured against a reference, in a folder that the same call resumes."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset

from codeclm_hf import BadInput, Budget, BudgetSpent, CodecLM, Evaluation, endpoint, schema
from codeclm_hf.endpoints.process import InProcess
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest
from codeclm_hf.evaluation.compare import compare_evaluations
from codeclm_hf.evaluation.comparisons import comparisons
from codeclm_hf.evaluation.groups import group_results
from codeclm_hf.evaluation.results import EvaluationResults, Models, read_results
from codeclm_hf.stages.compare import Compare
from support.command_line import Cli, output_of, refusal_of
from support.inputs import tree
from support.judges import good, judging
from support.killed_processes import exit_codes
from support.model_server import StandIn

Serve = Callable[..., StandIn]
SKILL = {"letters": 0.95, "recipes": 0.7, "code": 0.4, "proofs": 0.1}
"""By topic, how often the candidate answers as well as the reference."""
EACH = 24
"""Instructions of each topic."""
SCORES = {"good": 8.0, "fair": 6.0, "poor": 3.0}


def topic_of(instruction: str) -> str:
    found = re.search(r"about (\w+)", instruction)
    assert found is not None
    return found[1]


def able(messages: list[dict[str, str]], how: dict[str, Any]) -> str:
    """A candidate that knows some topics better than others."""
    draw = random.Random(f"{messages[-1]['content']} {how['seed']}")
    return (
        draw.choice(["good", "fair"]) if draw.random() < SKILL[topic_of(messages[-1]["content"])] else "poor"
    )


def rate(instruction: str, answer: str, first: bool) -> float:
    """A judge who knows what an answer is worth."""
    return SCORES[answer] if answer in SCORES else good(instruction, answer, first)


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    """A file of instructions with their topics."""
    path = tmp_path / "benchmark.jsonl"
    rows = [
        {"text": f"Write number {n} about {topic}.", "question_id": n, "category": topic}
        for n in range(EACH)
        for topic in SKILL
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def models(serve: Serve) -> dict[str, StandIn]:
    """The candidate, the reference and the judge."""
    said = {"candidate": able, "reference": lambda *_: "fair", "judge": judging(rate)}
    return {role: serve(answer, tgi=False, model=f"the-{role}") for role, answer in said.items()}


def options(models: dict[str, StandIn], **instead: Any) -> list[str]:
    """The command's options, with what stands in for an endpoint."""
    sides = {role: server.url for role, server in models.items()} | instead
    return [word for role, side in sides.items() for word in (f"--{role}", str(side))]


def results(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "results.json").read_text())
    return found


def test_results_by_use_case_recover_what_the_candidate_can(
    models: dict[str, StandIn], benchmark: Path, cli: Cli, tmp_path: Path
) -> None:
    """In the table, in results.json and in the Parquet; the interval of every topic holds the truth."""
    out = tmp_path / "out"
    told = output_of(cli("evaluate", benchmark, *options(models), "--out", out))
    found = results(out)
    assert found["by"] == "use_case"
    assert [one["name"] for one in found["groups"]] == list(SKILL)
    assert [name for name in re.findall(r"\w+", told) if name in SKILL] == list(SKILL)
    for one in found["groups"]:
        assert one["wilson_low"] <= SKILL[one["name"]] <= one["wilson_high"]
        assert one["comparisons"] == one["wins"] + one["ties"] + one["losses"] == EACH
    assert found["overall"]["comparisons"] == 4 * EACH
    assert found["models"] == {role: f"the-{role}" for role in ("candidate", "reference", "judge")}
    table = load_dataset(str(out), "comparisons", split="train")
    assert table.features == schema.COMPARISONS
    assert table.unique("outcome") and len(table) == 4 * EACH
    won = [row["outcome"] for row in table if row["use_case"] == "letters"]
    assert won.count("win") == found["groups"][0]["wins"]
    assert len(models["candidate"].asked) == len(models["reference"].asked) == 4 * EACH
    assert {asked["temperature"] for asked in models["judge"].asked} == {0}


@dataclass
class InPlace(InProcess):
    """A model without a server."""

    identity: str
    answer: Callable[..., Any]

    async def generate(self, request: GenerationRequest, *, send_guard: Any = nullcontext) -> Completion:
        said = self.answer([message._asdict() for message in request.messages], {"seed": request.seed})
        text = said if isinstance(said, str) else json.dumps(said)
        return Completion(text=text, finish_reason="stop", prompt_tokens=1, completion_tokens=1)


def test_intervals_cover_the_truth_in_100_runs() -> None:
    """Of every topic, in at least nine of ten seeded evaluations; in the mean, the topics come in their order."""
    covered, ratios = Counter[str](), Counter[str]()
    asked = Dataset.from_list(
        [
            {
                "instruction": f"Write number {n} about {topic}.",
                "use_case": topic,
                "reference_response": "fair",
            }
            for topic in SKILL
            for n in range(EACH)
        ]
    )
    models = {"candidate": InPlace("able", able), "judge": InPlace("judge", judging(rate))}
    for seed in range(100):
        rows = comparisons(Compare(**models, seed=seed).map(asked))
        for group in group_results(rows, "use_case"):
            assert group.name and group.wilson_low is not None and group.wilson_high is not None
            covered[group.name] += group.wilson_low <= SKILL[group.name] <= group.wilson_high
            ratios[group.name] += (group.capacity_recovery_ratio or 0) / 100
    assert {topic: covered[topic] >= 90 for topic in SKILL} == dict.fromkeys(SKILL, True), covered
    assert [topic for topic, _ in ratios.most_common()] == list(SKILL)
    assert all(abs(ratios[topic] - skill) < 0.02 for topic, skill in SKILL.items())


def test_killed_at_random_it_ends_with_the_same_results(
    models: dict[str, StandIn], benchmark: Path, tmp_path: Path
) -> None:
    """Killed again and again, after any number of answers or while it writes, nothing kept is asked for twice."""
    command = ["evaluate", str(benchmark), *options(models), "--out"]
    assert exit_codes({"command": [*command, str(tmp_path / "whole")]}) == [0]
    answers = sum(len(server.asked) for server in models.values())
    draw, killed = random.Random(7), {"command": [*command, str(tmp_path / "killed")]}
    for dies in [*(draw.randrange(1, 160) for _ in range(3)), "while it writes"]:
        assert exit_codes({**killed, "dies": dies}) == [-9]
    assert exit_codes(killed) == [0]
    for name in ("results.json", "README.md"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")
    kept = {path.name for path in (tmp_path / "killed").iterdir() if "journal" not in path.name}
    assert kept == {"README.md", "results.json", "data", "figures", ".lock"}
    most_in_flight = 3 * 64  # at three servers
    assert sum(len(server.asked) for server in models.values()) <= 2 * answers + 3 * most_in_flight
    before = [len(server.asked) for server in models.values()]
    assert exit_codes(killed) == [0]
    assert [len(server.asked) for server in models.values()] == before


def evaluated(rows: Any, models: dict[str, StandIn], out: Path, **options: Any) -> EvaluationResults:
    """The results of a small benchmark, with what stands in for an endpoint."""
    table = rows if isinstance(rows, Dataset) else Dataset.from_list(rows)
    names = ("candidate", "reference", "judge", "seed", "temperature", "prompts")
    sides = {name: options.pop(name) for name in names if name in options}
    ends = {role: endpoint(server.url) for role, server in models.items() if role not in sides}
    found = Evaluation(**{**ends, **sides}).run(table, out=out, **options)
    assert read_results(out) == found
    return found


def responses(given: dict[str, str], whose: str = "") -> Dataset:
    table = Dataset.from_dict({"instruction": list(given), "response": list(given.values())})
    table.info.description = whose
    return table


def test_responses_that_are_given_are_judged_as_they_are(models: dict[str, StandIn], tmp_path: Path) -> None:
    """Nobody is asked for them; instructions without one are counted, and cost nothing."""
    asked = [{"instruction": text} for text in ("One.", "Two.", "Three.", "  Two.\n", "")]
    sides = {
        "candidate": responses({"One. ": "good", "Two.": "poor", "Nobody asked.": "good"}, "a-model"),
        "reference": responses({"One.": "fair", "Three.": "fair", "Two.": "fair"}),
    }
    found = evaluated(asked, models, tmp_path, **sides)
    assert (found.overall.wins, found.overall.losses, found.overall.not_judged) == (1, 1, 2)
    assert found.without_a_response == {"candidate": 1, "reference": 0}
    assert found.to_other_instructions == {"candidate": 1, "reference": 0}
    assert found.not_judged.without_a_response == found.not_judged.without_an_instruction == 1
    assert found.benchmark.repeated == 1
    assert found.models == Models(candidate="a-model", reference="3 given responses", judge="the-judge")
    assert [len(models[role].asked) for role in ("candidate", "reference")] == [0, 0]
    report = (tmp_path / "README.md").read_text()
    assert "| Three. | there is no candidate response to this instruction" in report


def test_a_side_that_is_missing_costs_the_other_nothing(models: dict[str, StandIn], tmp_path: Path) -> None:
    """Where there is no reference to compare with, the candidate is not asked."""
    evaluated([{"instruction": "On about code."}, {"instruction": "Two about code."}], models, tmp_path,
              reference=responses({"Two about code.": "fair"}))  # fmt: skip
    assert [asked["messages"][0]["content"] for asked in models["candidate"].asked] == ["Two about code."]


def test_an_unfit_judge_stops_it(models: dict[str, StandIn], serve: Serve, cli: Cli, benchmark: Path, tmp_path: Path,
                                 caplog: pytest.LogCaptureFixture) -> None:  # fmt: skip
    """Before anybody is asked for an answer; with --anyway it goes on, and the report says so."""
    models["judge"] = serve(judging(lambda *_: 7), tgi=False)
    command = ["evaluate", benchmark, *options(models), "--out", tmp_path / "out"]
    told = refusal_of(cli(*command), 1)
    assert "is unfit: it finds the obviously better answer in 0% of the pairs" in told
    assert told.endswith("pass --anyway if its word will do")
    assert models["candidate"].asked == models["reference"].asked == []
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"journal.sqlite"}
    output_of(cli(*command, "--anyway"))
    assert "is unfit" in caplog.text
    assert results(tmp_path / "out")["judge"]["fit"] is False
    assert "> The judge failed its check" in (tmp_path / "out" / "README.md").read_text()


def test_judgements_that_cannot_be_read_are_counted(
    models: dict[str, StandIn], serve: Serve, tmp_path: Path
) -> None:
    """They are no ties; a ratio of nothing is none."""
    silent = judging(rate)
    models["judge"] = serve(
        lambda messages, how: "Hm." if "about code" in messages[-1]["content"] else silent(messages, how),
        tgi=False,
    )
    found = evaluated([{"instruction": "One about code."}], models, tmp_path)
    assert found.overall.capacity_recovery_ratio is None
    assert (found.overall.ties, found.not_judged.with_an_unreadable_judgement) == (0, 1)
    assert "Nothing could be judged" in (tmp_path / "README.md").read_text()
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize(
    ("columns", "by", "names"),
    [
        ({"skills": [["a", "b"], ["b"]]}, "skill", ["a", "b"]),
        ({"Skill": ["a, b", "b"]}, "skill", ["a", "b"]),
        ({"skills": ['["a", "b"]', '["b"]']}, "skill", ["a", "b"]),
        ({"skills": ["\t[a", "[" * 9999]}, "skill", ["[a", "[" * 9999]),
        ({"source": ["x.json", "y.json"]}, "source", ["x.json", "y.json"]),
        ({"Category": ["a", "b"], "skills": [["c"], ["d"]]}, "use_case", ["a", "b"]),
        ({"use_case": ["a", None]}, "use_case", ["a", None]),
        ({"use_case": ["a", "a"]}, None, []),
        ({}, None, []),
    ],
)
def test_groups_are_found_in_the_benchmark(
    models: dict[str, StandIn], tmp_path: Path, columns: dict[str, Any], by: str | None, names: list[str]
) -> None:
    """By whatever it has, the first thing in which the instructions differ; an instruction counts with each skill."""
    table = Dataset.from_dict({"instruction": ["One.", "Two."], **columns})
    given = responses({"One.": "good", "Two.": "poor"})
    found = evaluated(
        table, models, tmp_path, candidate=given, reference=responses({"One.": "fair", "Two.": "fair"})
    )
    assert (found.by, [group.name for group in found.groups]) == (by, names)
    assert all(
        group.comparisons == (2 if group.name == "b" and by == "skill" else 1) for group in found.groups
    )


def test_sources_of_files_are_the_files(models: dict[str, StandIn], cli: Cli, tmp_path: Path) -> None:
    """Several benchmarks in a folder give a line each."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    for name in ("koala", "vicuna"):
        (folder / f"{name}.jsonl").write_text(
            json.dumps({"instruction": f"Write about code for {name}."}) + "\n"
        )
    output_of(cli("evaluate", folder, *options(models), "--out", tmp_path / "out", "--by", "source"))
    assert {one["name"] for one in results(tmp_path / "out")["groups"]} == {"koala.jsonl", "vicuna.jsonl"}


def test_an_earlier_evaluation_gives_its_responses(
    models: dict[str, StandIn], cli: Cli, benchmark: Path, tmp_path: Path
) -> None:
    """A second candidate is measured against the same answers, which are not paid for again."""
    output_of(cli("evaluate", benchmark, *options(models), "--out", tmp_path / "one"))
    asked = len(models["reference"].asked)
    output_of(
        cli("evaluate", benchmark, *options(models, reference=tmp_path / "one"), "--out", tmp_path / "two")
    )
    assert len(models["reference"].asked) == asked
    assert results(tmp_path / "two")["models"] == results(tmp_path / "one")["models"]
    assert results(tmp_path / "two")["overall"] == results(tmp_path / "one")["overall"]


def test_a_spent_budget_stops_it_and_a_larger_one_goes_on(models: dict[str, StandIn], tmp_path: Path) -> None:
    """The budget counts the check of the judge; nothing is asked twice."""
    asked = [{"instruction": f"Number {n} about code."} for n in range(10)]
    with pytest.raises(BudgetSpent):
        evaluated(asked, models, tmp_path, budget=Budget(max_requests=80))
    assert not (tmp_path / "results.json").exists()
    evaluated(asked, models, tmp_path, budget=Budget(max_requests=200))
    assert sum(len(server.asked) for server in models.values()) == 72 + 10 * 4


def test_the_plan_says_what_it_would_ask(
    models: dict[str, StandIn], cli: Cli, benchmark: Path, tmp_path: Path
) -> None:
    """Nothing is asked or written; what came to be asked lies within it."""
    told = output_of(cli("evaluate", benchmark, *options(models), "--out", tmp_path / "out", "--dry-run"))
    assert re.search(rf"respond\W+{8 * EACH}\W+{8 * EACH}\W", told)
    assert re.search(rf"│ judge\W+{8 * EACH}\W+{24 * EACH}\W", told)
    assert not (tmp_path / "out").exists()
    assert sum(len(server.asked) for server in models.values()) == 0


REFUSED = [
    ({"candidate": "missing.jsonl"}, [], "there is no `missing.jsonl`"),
    ({"candidate": "localhost:8080"}, [], "needs an endpoint like http(s)://HOST:PORT"),
    ({"candidate": "benchmark.jsonl"}, [], "needs a column with responses"),
    ({"candidate": "others.jsonl"}, [], "the candidate's responses answer 0"),
    (
        {"candidate": "half.jsonl", "reference": "rest.jsonl"},
        [],
        "answer 1 and the reference's responses answer 1 and",
    ),
    ({}, ["--by", "topic"], "needs results by use_case, skill or source; came 'topic'"),
    (
        {},
        ["--by", "skill"],
        "needs instructions with a skill for results by it; there is none; there is use_case",
    ),
    ({}, ["--temperature", "3"], "needs temperature from 0 to 2; came 3.0"),
    ({}, ["--column", "words"], "needs a column `words`"),
    ({}, ["--judge-key-env", "NOT_SET"], "needs a token in the environment variable NOT_SET"),
    ({"judge": "http://127.0.0.1:9"}, [], "needs an LLM server"),
]


@pytest.mark.parametrize(("sides", "more", "words"), REFUSED, ids=[words for *_, words in REFUSED])
def test_bad_input_is_one_sentence(
    models: dict[str, StandIn], cli: Cli, benchmark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    sides: dict[str, Any], more: list[str], words: str,
) -> None:  # fmt: skip
    """Exit code 2; nobody is asked, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    topics = list(SKILL)
    for name, instruction in (
        ("half", f"Write number 0 about {topics[0]}."), ("rest", f"Write number 0 about {topics[1]}."), ("others", "?")
    ):  # fmt: skip
        (tmp_path / f"{name}.jsonl").write_text(
            json.dumps({"instruction": instruction, "output": "good"}) + "\n"
        )
    assert words in refusal_of(cli("evaluate", benchmark, *options(models, **sides), "--out", "out", *more))
    assert not (tmp_path / "out").exists()
    assert sum(len(server.asked) for server in models.values()) == 0


def test_a_folder_of_something_else_is_refused(models: dict[str, StandIn], cli: Cli, benchmark: Path, tmp_path: Path,
                                               codec: CodecLM, seeds: Dataset) -> None:  # fmt: skip
    """Also the folder of a run, whose card it would overwrite, and a file."""
    codec.run(seeds, out=tmp_path / "run", num_instructions=2)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").touch()
    for out, words in (
        ("run", "holds something else"),
        ("photos", "holds something else"),
        (benchmark, "is a file"),
    ):
        assert words in refusal_of(cli("evaluate", benchmark, *options(models), "--out", tmp_path / out))


def asked_otherwise(**more: Any) -> Evaluation:
    """A small evaluation in the process, whose candidate may be asked with more."""
    sides = {
        "candidate": InPlace("the-candidate", able),
        "reference": InPlace("the-reference", lambda *_: "fair"),
        "judge": InPlace("the-judge", judging(rate)),
    }
    for role in more.pop("extra", {}):
        sides[role].extra = {"reasoning_effort": "low"}  # type: ignore[attr-defined]
    return Evaluation(**sides, **more)


@pytest.mark.parametrize(
    ("more", "settings", "words"),
    [
        ({}, {}, []),
        ({"candidate_system": "Be *terse*.", "reference_system": "Be kind."},
         {"candidate_system": "Be *terse*.", "reference_system": "Be kind."},
         ["The candidate answered with this system prompt:\n\n```text\nBe *terse*.\n```", "Be kind."]),
        ({"extra": ["candidate", "judge"]},
         {"extra": {"candidate": {"reasoning_effort": "low"}, "judge": {"reasoning_effort": "low"}}},
         ["Added to every request to the candidate: ", "Added to every request to the judge: ", r"\{"]),
    ],
)  # fmt: skip
def test_results_and_report_tell_what_was_added_to_the_requests(
    tmp_path: Path, more: dict[str, Any], settings: dict[str, Any], words: list[str]
) -> None:
    """Only where there was something; each side's system prompt is its own, and no judge's."""
    evaluation = asked_otherwise(**more)
    rows = Dataset.from_list([{"instruction": f"Write number {n} about code."} for n in range(3)])
    evaluation.run(rows, out=tmp_path)
    told = results(tmp_path)["settings"]
    assert {
        name: told[name] for name in told if name in ("candidate_system", "reference_system", "extra")
    } == settings
    report = (tmp_path / "README.md").read_text()
    assert [word for word in words if word not in report] == []
    assert ("system prompt" in report, "Added to every request" in report) == (
        "candidate_system" in more,
        "extra" in more,
    )
    assert read_results(tmp_path).settings.system_prompts == {
        role: more[f"{role}_system"] for role in ("candidate", "reference") if f"{role}_system" in more
    }


def test_a_side_that_is_asked_otherwise_is_another_side(tmp_path: Path) -> None:
    """Two evaluations can be compared where the candidate alone is asked otherwise, and not the reference too."""
    rows = Dataset.from_list([{"instruction": f"Write number {n} about code."} for n in range(3)])
    for name, more in (
        ("plain", {}), ("terse", {"candidate_system": "x"}),
        ("both", {"candidate_system": "x", "reference_system": "x"}),
    ):  # fmt: skip
        asked_otherwise(**more).run(rows, out=tmp_path / name)
    compare_evaluations(tmp_path / "plain", tmp_path / "terse")
    with pytest.raises(BadInput, match=r"the reference is the-reference, with the system prompt \w{16} in"):
        compare_evaluations(tmp_path / "both", tmp_path / "plain")


def test_given_responses_have_no_system_prompt(models: dict[str, StandIn], benchmark: Path, cli: Cli) -> None:
    """It says that an endpoint is needed, before anything is asked; an empty one is bad input too."""
    rows = Dataset.from_dict({"instruction": ["x"], "response": ["y"]})
    judge = InPlace("the-judge", judging(rate))
    with pytest.raises(BadInput, match="needs an endpoint as the reference beside a reference-system"):
        Evaluation(candidate=judge, reference=rows, judge=judge, reference_system="x")
    command = ["evaluate", benchmark, *options(models), "--out", "out", "--candidate-system", " "]
    assert "--candidate-system" in refusal_of(cli(*command))
