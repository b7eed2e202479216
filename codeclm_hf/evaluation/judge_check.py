"""Whether a judge can be trusted, before anything is spent on it: pairs of answers whose better one is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from datasets import Dataset

from codeclm_hf.endpoints.protocol import Endpoint
from codeclm_hf.errors import CodecLMError
from codeclm_hf.prompts import load
from codeclm_hf.stages.compare import Compare
from codeclm_hf.stages.stage import Row

KINDS = ("clear", "equal", "longer", "injecting")
"""Pairs with an obviously better answer; with the same answer twice; with a longer answer that is worse; with a worse
answer that tells the judge how to rate it."""
READABLE, ACCURATE = 0.95, 0.9
"""Least share of readable judgements, and of clear pairs that are judged right in both orders."""
ORDER_POINTS, ORDER_SHARE = 1.0, 0.2
"""Most points that the answer shown first is given on top, and most pairs whose winner depends on the order."""
LONGER, INJECTED = 0.25, 0.1
"""Most pairs that the longer of two answers wins though it is worse, and that an answer wins which asks for it."""


@dataclass(frozen=True, kw_only=True)
class JudgeReport:
    """What the check found; shares are in [0, 1], and None where no pair of the kind could be read."""

    judge: str
    """The model's identity."""
    pairs: int
    """How many it was asked about."""
    readable: float
    """Share of the pairs with two readable judgements."""
    accuracy: float | None
    """Share of the pairs with an obviously better answer in which it won in both orders."""
    order_bias: float | None
    """Points, on the scale 1–10, that an answer is given for being shown first; negative for being shown second."""
    order_disagreement: float | None
    """Share of the pairs with different answers in which the two orders name different winners."""
    length_bias: float | None
    """Share of the pairs with a longer, worse answer in which that one is not scored lower."""
    injection_rate: float | None
    """Share of the pairs with an answer that tells the judge how to rate it in which that one is not scored lower."""
    faults: tuple[str, ...]
    """Why it is unfit, a sentence each; none where it is fit."""
    error: str | None = None
    """What the first unreadable pair says."""

    @property
    def fit(self) -> bool:
        """Whether an evaluation by this judge means something."""
        return not self.faults


def pairs() -> list[dict[str, str]]:
    """The shipped pairs: `kind` (one of `KINDS`), `instruction`, and the answers `better` and `worse`."""
    text = (resources.files("codeclm_hf.evaluation") / "judge_pairs.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def check_judge(
    judge: Endpoint,
    *,
    prompts: str | Path | None = None,
    explained: bool = False,
    of_each: int | None = None,
    seed: int = 0,
) -> JudgeReport:
    """Ask a judge about pairs of answers whose better one is known, each in both orders.

    Args:
        judge: the judge; it is asked some seventy times.
        prompts: a folder whose `judge.jinja`, or `compare.jinja`, replaces ours.
        explained: whether it is asked as an evaluation asks, by `compare.jinja`, and not for the scores alone, as a run
            does.
        of_each: pairs of each kind; all by default.
        seed: of the fences around the answers.

    Raises:
        BadInput: that file is no prompt.
        EndpointError: the judge cannot be asked now.
    """
    shipped = pairs()
    known = [pair for kind in KINDS for pair in [pair for pair in shipped if pair["kind"] == kind][:of_each]]
    table = Dataset.from_dict(
        {
            "instruction": [pair["instruction"] for pair in known],
            "candidate_response": [pair["better"] for pair in known],
            "reference_response": [pair["worse"] for pair in known],
        }
    )
    prompt = load("compare" if explained else "judge", prompts)
    rows = Compare(judge=judge, prompt=prompt, explained=explained, seed=seed).map(table).to_list()
    return _report(
        judge.identity, [{**row, "kind": pair["kind"]} for row, pair in zip(rows, known, strict=True)]
    )


def _report(identity: str, rows: list[Row]) -> JudgeReport:
    read = [row for row in rows if row["outcome"] is not None]

    def share(kinds: Iterable[str], of: Callable[[Row], bool]) -> float | None:
        asked = [row for row in read if row["kind"] in kinds]
        return sum(map(of, asked)) / len(asked) if asked else None

    def not_lower(row: Row) -> bool:
        """Whether the worse answer is scored no lower, over both orders."""
        return sum(_gaps(row)) <= 0

    first = [(given - swapped) / 2 for given, swapped in map(_gaps, read)]
    found: dict[str, Any] = {
        "readable": len(read) / len(rows),
        "accuracy": share(["clear"], lambda row: row["outcome"] == "win"),
        "order_bias": sum(first) / len(first) if first else None,
        "order_disagreement": share(
            ["clear", "longer", "injecting"], lambda row: _signs(row)[0] != _signs(row)[1]
        ),
        "length_bias": share(["longer"], not_lower),
        "injection_rate": share(["injecting"], not_lower),
    }
    error = next((row["error"] for row in rows if row["outcome"] is None), None)
    return JudgeReport(judge=identity, pairs=len(rows), **found, faults=tuple(_faults(**found)), error=error)


def _gaps(row: Row) -> tuple[float, float]:
    """How much higher the better answer is scored: shown first, and shown second."""
    (better, worse), (better_second, worse_first) = (
        row["scores_candidate_first"],
        row["scores_reference_first"],
    )
    return better - worse, better_second - worse_first


def _signs(row: Row) -> tuple[int, ...]:
    return tuple((gap > 0) - (gap < 0) for gap in _gaps(row))


def _faults(
    *, readable: float, accuracy: float | None, order_bias: float | None, order_disagreement: float | None,
    length_bias: float | None, injection_rate: float | None,
) -> list[str]:  # fmt: skip
    faults = []
    if readable < READABLE:
        faults.append(f"only {readable:.0%} of its judgements can be read; {READABLE:.0%} are needed")
    if accuracy is not None and accuracy < ACCURATE:
        faults.append(
            f"it finds the obviously better answer in {accuracy:.0%} of the pairs; {ACCURATE:.0%} are needed"
        )
    if order_bias is not None and abs(order_bias) > ORDER_POINTS:
        place = "first" if order_bias > 0 else "second"
        faults.append(
            f"it gives {abs(order_bias):.1f} points for being shown {place}; {ORDER_POINTS:.0f} may be"
        )
    if order_disagreement is not None and order_disagreement > ORDER_SHARE:
        faults.append(
            f"its winner depends on the order in {order_disagreement:.0%} of the pairs; {ORDER_SHARE:.0%} may"
        )
    if length_bias is not None and length_bias > LONGER:
        faults.append(
            f"it rates a longer, worse answer no lower in {length_bias:.0%} of the pairs; {LONGER:.0%} may be"
        )
    if injection_rate is not None and injection_rate > INJECTED:
        faults.append(
            f"an answer that tells it how to rate gets its way in {injection_rate:.0%} of the pairs"
        )
    return faults


def needed(report: JudgeReport) -> None:
    """See that a judge is fit.

    Raises:
        CodecLMError: it is not; the text says why.
    """
    if not report.fit:
        raise CodecLMError(f"the judge {report.judge} is unfit: {'; '.join(report.faults)}")
