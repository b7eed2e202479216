"""The results of an evaluation: their types, and `results.json`, which is written and read here alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from codeclm_hf import ids
from codeclm_hf.errors import BadInput
from codeclm_hf.evaluation.judge_check import JudgeReport
from codeclm_hf.json_types import ABSENT, from_json, to_json
from codeclm_hf.run.manifest import StageUsage

RESULTS = "results.json"
"""What the file is called in an evaluation's folder."""


@dataclass(frozen=True, kw_only=True)
class Models:
    """Which model, or whose responses, play which role."""

    candidate: str
    """Whose Capacity Recovery Ratio is measured."""
    reference: str
    """What the candidate is measured against."""
    judge: str
    """Who scores."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the answers and the judgements were asked for."""

    temperature: float
    """Of the answers that were asked for; the judge is greedy."""
    max_new_tokens: int
    """Most tokens of such an answer."""
    seed: int
    """The evaluation's seed."""
    prompt: str
    """The hash of the judge's prompt."""
    candidate_system: str | None = field(default=None, metadata=ABSENT)
    """The system prompt that the candidate answered with."""
    reference_system: str | None = field(default=None, metadata=ABSENT)
    """The same of the reference."""
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, metadata=ABSENT)
    """The fields that were added to every request, by role."""

    @property
    def system_prompts(self) -> dict[str, str]:
        """The system prompts, by role that had one."""
        prompts = {"candidate": self.candidate_system, "reference": self.reference_system}
        return {role: prompt for role, prompt in prompts.items() if prompt is not None}

    def additions(self, role: str) -> str:
        """Return what was added to a role's requests, in words; empty where nothing was."""
        fields = f"the fields {ids.canonical(dict(self.extra[role]))}" if self.extra.get(role) else ""
        prompt = self.system_prompts.get(role)
        system = f"the system prompt {ids.row_id(prompt)}" if prompt else ""
        return " and ".join(filter(None, (fields, system)))


@dataclass(frozen=True, kw_only=True)
class BenchmarkSource:
    """Where the instructions come from."""

    rows: int
    """Rows of the benchmark."""
    sources: tuple[str, ...]
    """Names of files, or `org/name@commit`; the first twenty."""
    license: str | None = field(default=None, metadata=ABSENT)
    """The benchmark's license, where it says one."""
    repeated: int
    """Rows that were left out, because their instruction came before."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a candidate did on some instructions.

    A ratio, or an end of its interval, is None where there is no such number.
    """

    instructions: int
    """How many there are."""
    not_judged: int
    """How many of them have no outcome; no other field counts them."""
    wins: int
    """Comparisons that the candidate won."""
    ties: int
    """Comparisons that nobody won."""
    losses: int
    """Comparisons that the reference won."""
    comparisons: int
    """The sum of wins, ties and losses."""
    capacity_recovery_ratio: float | None
    """(wins + ties) / comparisons, in [0, 1]."""
    wilson_low: float | None
    """The low end of the ratio's 95 % interval by Wilson's score."""
    wilson_high: float | None
    """Its high end."""
    bootstrap_low: float | None
    """The low end of the interval by resampling (BCa)."""
    bootstrap_high: float | None
    """Its high end."""
    order_disagreement: float | None
    """The share of the comparisons whose two orders do not say the same."""


@dataclass(frozen=True, kw_only=True)
class GroupName:
    """The name of a group; a class of its own, because its field stands before the others in JSON."""

    name: str | None
    """None for what has none."""


@dataclass(frozen=True, kw_only=True)
class Group(Result, GroupName):
    """How the candidate did on the instructions that have a use case, a skill or a source in common."""


@dataclass(frozen=True, kw_only=True)
class NotJudged:
    """How many instructions have no outcome, by the reason."""

    without_a_response: int
    """A side that brought its responses has none to this instruction."""
    without_an_answer: int = field(default=0, metadata=ABSENT)
    """A side's response is no answer: empty, filtered, refused, or thoughts alone."""
    with_an_unreadable_judgement: int
    """The judge's answer holds no two scores."""
    without_an_instruction: int
    """The benchmark's row has no instruction that can be used."""
    failed_otherwise: int
    """A server refused a request or broke on it."""

    @property
    def summary(self) -> str:
        """The reasons that occur, as words with commas between them; empty where everything was judged."""
        return ", ".join(
            f"{count} {reason.replace('_', ' ')}" for reason, count in asdict(self).items() if count
        )


@dataclass(frozen=True, kw_only=True)
class WithoutAnswer:
    """The instructions to which a side gave no answer."""

    instructions: int
    """How many there are."""
    first: tuple[str, ...]
    """The first few of them, shortened."""


@dataclass(frozen=True, kw_only=True)
class EvaluationResults:
    """Every number of an evaluation."""

    codeclm_hf: str
    """The version of codeclm-hf that made them."""
    models: Models
    """Who was compared, and who judged."""
    settings: Settings
    """How answers and judgements were asked for."""
    benchmark: BenchmarkSource
    """Where the instructions come from."""
    judge: JudgeReport
    """The check of the judge, which comes before everything else."""
    overall: Result
    """Of all instructions together."""
    by: str | None
    """What makes a group, one of `comparisons.GROUPINGS`; None where there are no groups."""
    groups: tuple[Group, ...]
    """The highest ratio first."""
    not_judged: NotJudged
    """Instructions without an outcome."""
    without_a_response: Mapping[str, int]
    """By role whose responses were brought: instructions to which there is none."""
    without_an_answer: Mapping[str, WithoutAnswer] = field(default_factory=dict, metadata=ABSENT)
    """By role that gave no answer to some instructions: which those are."""
    to_other_instructions: Mapping[str, int]
    """By role whose responses were brought: responses to other instructions."""
    usage: tuple[StageUsage, ...]
    """Answers and tokens by stage and model."""


def results_text(results: EvaluationResults) -> str:
    """Return the text of `results.json`."""
    return json.dumps(to_json(results), indent=2, ensure_ascii=False) + "\n"


def parse_results(text: str) -> EvaluationResults:
    """Return the results in the text of a `results.json`.

    Raises:
        ValueError: it is not what `results_text` writes.
    """
    return from_json(EvaluationResults, json.loads(text))


def read_results(folder: Path) -> EvaluationResults:
    """Return the results in a folder that `Evaluation.run` made.

    Raises:
        BadInput: it is no such folder.
    """
    try:
        return parse_results((folder / RESULTS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise no_evaluation(folder, exc) from exc


def no_evaluation(folder: Path, reason: object) -> BadInput:
    """Return the error for a folder that holds no finished evaluation."""
    words = " ".join(str(reason).split())
    return BadInput(f"needs a folder that codeclm-hf evaluate made; {folder} is none ({words})")
