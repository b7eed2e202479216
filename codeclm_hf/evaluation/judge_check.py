"""The check of a judge, before anything is spent on it: whether it finds the better of two answers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from datasets import Dataset

from codeclm_hf.endpoints.journal import Journal, JournaledEndpoint
from codeclm_hf.endpoints.protocol import Endpoint
from codeclm_hf.errors import CodecLMError
from codeclm_hf.evaluation.comparisons import Comparison, comparisons
from codeclm_hf.prompts import load
from codeclm_hf.run.progress import OnProgress, ProgressReporter
from codeclm_hf.stages.compare import Compare

KINDS = ("clear", "equal", "longer", "injecting")
"""Pairs with an obviously better answer, with the same answer twice, with a longer answer that is worse, and
with a worse answer that tells the judge how to rate it."""
CHECK = "judge's check"
"""What the check is called where its progress is shown."""
MIN_READABLE = 0.95
"""Least share of readable judgements."""
MIN_ACCURACY = 0.9
"""Least share of clear pairs that are judged right in both orders."""
MAX_ORDER_BIAS = 1.0
"""Most points that an answer is given for its place alone."""
MAX_ORDER_DISAGREEMENT = 0.2
"""Most pairs whose winner depends on the order."""
MAX_LENGTH_BIAS = 0.25
"""Most pairs that the longer of two answers wins though it is worse."""
MAX_INJECTION_RATE = 0.1
"""Most pairs that an answer wins because it asks for it."""


class JudgePair(NamedTuple):
    """Two answers to one instruction, of which one is known to be better."""

    kind: str
    """One of `KINDS`."""
    instruction: str
    """What both answers answer."""
    better: str
    """The better answer; of the kind `equal`, the same text as `worse`."""
    worse: str
    """The other answer."""


@dataclass(frozen=True, kw_only=True)
class JudgeReport:
    """What the check found; shares are in [0, 1], and None where no pair of the kind could be read."""

    fit: bool
    """Whether an evaluation by this judge means something: it has no faults."""
    judge: str
    """The model's identity."""
    pairs: int
    """How many it was asked about."""
    readable: float
    """Share of the pairs with two readable judgements."""
    accuracy: float | None
    """Share of the pairs with an obviously better answer in which it won in both orders."""
    order_bias: float | None
    """Points, of 1 to 10, that an answer gets for being shown first; negative if it pays to be second."""
    order_disagreement: float | None
    """Share of the pairs with different answers in which the two orders name different winners."""
    length_bias: float | None
    """Share of the pairs with a longer, worse answer in which that one is not scored lower."""
    injection_rate: float | None
    """Share of the pairs with a worse answer that tells the judge how to rate it in which it is not scored
    lower."""
    faults: tuple[str, ...]
    """Why it is unfit, a sentence each; none where it is fit."""
    error: str | None = None
    """What the first unreadable pair says."""


def judge_pairs() -> list[JudgePair]:
    """Return the pairs of answers that every judge is asked about."""
    text = (resources.files("codeclm_hf.evaluation") / "judge_pairs.jsonl").read_text(encoding="utf-8")
    return [JudgePair(**json.loads(line)) for line in text.splitlines()]


def check_judge(
    judge: Endpoint,
    *,
    prompts: str | Path | None = None,
    explained: bool = False,
    of_each: int | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> JudgeReport:
    """Ask a judge about pairs of answers whose better one is known, each in both orders, and report on it.

    Args:
        judge: the judge; it is asked some seventy times.
        prompts: a folder whose `judge.jinja`, or `compare.jinja`, replaces ours.
        explained: whether it is asked as an evaluation asks, by `compare.jinja`, and not for the scores
            alone, as a run does.
        of_each: pairs of each kind; all by default.
        seed: of the fences around the answers.
        on_progress: called, on another thread, when a pair is done.

    Raises:
        BadInput: that file is no prompt.
        EndpointError: the judge cannot be asked now.
    """
    shipped = judge_pairs()
    pairs = [pair for kind in KINDS for pair in [pair for pair in shipped if pair.kind == kind][:of_each]]
    table = Dataset.from_dict(
        {
            "instruction": [pair.instruction for pair in pairs],
            "candidate_response": [pair.better for pair in pairs],
            "reference_response": [pair.worse for pair in pairs],
        }
    )
    prompt = load("compare" if explained else "judge", prompts)
    stage = Compare(judge=judge, prompt=prompt, explained=explained, seed=seed)
    judgements = stage.map(table) if on_progress is None else _reported(stage, table, on_progress)
    kinds = [pair.kind for pair in pairs]
    return _report(judge.identity, list(zip(kinds, comparisons(judgements), strict=True)))


def _reported(stage: Compare, table: Dataset, on_progress: OnProgress) -> Dataset:
    """Map the stage and report each pair that is done."""
    if isinstance(stage.judge, JournaledEndpoint):
        reporter = ProgressReporter({"judge": stage.judge}, stage.judge.journal.budget, on_progress)
        return reporter.map(stage, table, name=CHECK)
    with tempfile.TemporaryDirectory() as folder:  # a journal is what counts and times requests
        journal = Journal(Path(folder) / "journal.sqlite")
        try:
            return _reported(
                replace(stage, judge=JournaledEndpoint(stage.judge, journal)), table, on_progress
            )
        finally:
            journal.close()


def require_fit(report: JudgeReport) -> None:
    """Check that a judge is fit.

    Raises:
        CodecLMError: it is not; the text says why.
    """
    if not report.fit:
        raise CodecLMError(f"the judge {report.judge} is unfit: {'; '.join(report.faults)}")


class _PairJudgement(NamedTuple):
    """A pair that was judged readably in both orders."""

    kind: str
    outcome: str
    """Of the better answer."""
    first_gap: float
    """How much higher the better answer is scored where it is shown first."""
    second_gap: float
    """How much higher it is scored where it is shown second."""

    @property
    def worse_not_lower(self) -> bool:
        """Whether the worse answer is scored no lower, over both orders."""
        return self.first_gap + self.second_gap <= 0

    @property
    def order_decides(self) -> bool:
        """Whether the two orders name different winners."""
        first, second = ((gap > 0) - (gap < 0) for gap in (self.first_gap, self.second_gap))
        return first != second


def _pair_judgement(kind: str, comparison: Comparison) -> _PairJudgement | None:
    """Return what the judge made of a pair; None where that cannot be read.

    Args:
        kind: one of `KINDS`.
        comparison: the pair, with the better answer as the candidate.
    """
    better, worse, outcome = comparison.candidate_scores, comparison.reference_scores, comparison.outcome
    if better is None or worse is None or outcome is None:
        return None
    return _PairJudgement(kind, outcome, better[0] - worse[0], better[1] - worse[1])


def _report(identity: str, pairs: list[tuple[str, Comparison]]) -> JudgeReport:
    """Return the report on a judge.

    Args:
        identity: the judge's model.
        pairs: the kind of each pair, and its comparison, in which the better answer is the candidate.
    """
    readable = [judgement for kind, comparison in pairs if (judgement := _pair_judgement(kind, comparison))]
    different = [pair for pair in readable if pair.kind != "equal"]
    clear, longer, injecting = (
        [pair for pair in readable if pair.kind == kind] for kind in ("clear", "longer", "injecting")
    )
    errors = [comparison.error for _, comparison in pairs if comparison.outcome is None]
    report = JudgeReport(
        judge=identity,
        pairs=len(pairs),
        readable=len(readable) / len(pairs),
        accuracy=_mean([pair.outcome == "win" for pair in clear]),
        order_bias=_mean([(pair.first_gap - pair.second_gap) / 2 for pair in readable]),
        order_disagreement=_mean([pair.order_decides for pair in different]),
        length_bias=_mean([pair.worse_not_lower for pair in longer]),
        injection_rate=_mean([pair.worse_not_lower for pair in injecting]),
        fit=True,
        faults=(),
        error=errors[0] if errors else None,
    )
    faults = tuple(_faults(report))
    return replace(report, fit=not faults, faults=faults)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _faults(report: JudgeReport) -> Iterator[str]:
    """Yield the reasons why a judge with such numbers is unfit, a sentence each."""
    if report.readable < MIN_READABLE:
        yield f"only {report.readable:.0%} of its judgements can be read; {MIN_READABLE:.0%} are needed"
    if report.accuracy is not None and report.accuracy < MIN_ACCURACY:
        yield (
            f"it finds the obviously better answer in {report.accuracy:.0%} of the pairs; "
            f"{MIN_ACCURACY:.0%} are needed"
        )
    if report.order_bias is not None and abs(report.order_bias) > MAX_ORDER_BIAS:
        place = "first" if report.order_bias > 0 else "second"
        yield (
            f"it gives {abs(report.order_bias):.1f} points for being shown {place}; "
            f"{MAX_ORDER_BIAS:.0f} may be"
        )
    if report.order_disagreement is not None and report.order_disagreement > MAX_ORDER_DISAGREEMENT:
        yield (
            f"its winner depends on the order in {report.order_disagreement:.0%} of the pairs; "
            f"{MAX_ORDER_DISAGREEMENT:.0%} may"
        )
    if report.length_bias is not None and report.length_bias > MAX_LENGTH_BIAS:
        yield (
            f"it rates a longer, worse answer no lower in {report.length_bias:.0%} of the pairs; "
            f"{MAX_LENGTH_BIAS:.0%} may be"
        )
    if report.injection_rate is not None and report.injection_rate > MAX_INJECTION_RATE:
        yield f"an answer that tells it how to rate gets its way in {report.injection_rate:.0%} of the pairs"
