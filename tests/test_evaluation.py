"""Evaluation: a candidate measured against a reference, in a folder that the same call resumes."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset
from test_hub_commands import Cli, cli, refused, said
from test_judge_check import BETTER, good, judging

from codeclm_hf import BadInput, Budget, BudgetSpent, CodecLMError, Evaluation, endpoint, schema
from codeclm_hf.builders import load_responses
from conftest import tree
from preparer import Preparer
from standin import StandIn

__all__ = ["cli"]

Serve = Callable[..., StandIn]
SKILL = {"letters": 0.95, "recipes": 0.7, "code": 0.4, "proofs": 0.1}
"""By topic, how often the candidate answers as well as the reference."""
EACH = 30
"""Instructions of each topic."""
SCORES = {"good": 8.0, "fair": 6.0, "poor": 3.0}


def topic_of(instruction: str) -> str:
    found = re.search(r"about (\w+)", instruction)
    assert found is not None
    return found[1]


def able(messages: list[dict[str, str]], how: dict[str, Any]) -> str:
    """A candidate that knows some topics better than others."""
    draw = random.Random(f"{messages[-1]['content']} {how['seed']}")
    return draw.choice(["good", "fair"]) if draw.random() < SKILL[topic_of(messages[-1]["content"])] else "poor"


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


def small(rows: list[dict[str, Any]], **columns: Any) -> Dataset:
    return Dataset.from_list(rows)


def results(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "results.json").read_text())
    return found


def test_results_by_use_case_recover_what_the_candidate_can(
    models: dict[str, StandIn], benchmark: Path, cli: Cli, tmp_path: Path
) -> None:
    """The topics come out in their order, in the table, in results.json and in the Parquet; intervals hold the truth."""
    out = tmp_path / "out"
    told = said(cli("evaluate", benchmark, *options(models), "--out", out))
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


def test_intervals_cover_the_truth_in_200_runs() -> None:
    """Of every topic, in at least nine of ten seeded evaluations; the order of the topics is that of the means."""
