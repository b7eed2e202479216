"""What the command line shows of evaluations and of judges; text of data is never markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from codeclm_hf.card.captions import ratio
from codeclm_hf.evaluation.join import Benchmark
from codeclm_hf.evaluation.judge_check import JudgeReport
from codeclm_hf.evaluation.paired import JudgeAgreement, RecoveryDifference
from codeclm_hf.evaluation.report import group_label, judge_findings
from codeclm_hf.evaluation.results import EvaluationResults, Result
from codeclm_hf.stages.compare import ROLES
from codeclm_hf.text import percentage, shorten

LISTED = 3
"""Instructions without a response or an answer that are named."""


def print_missing_responses(console: Console, benchmark: Benchmark) -> None:
    """Print which instructions lack a response, before anything is asked."""
    usable = benchmark.count_complete(asked=ROLES)
    for role, missing in benchmark.without_response.items():
        if missing:
            _print(console, f"no {role} response to {_some(len(missing), missing, usable)}")
        if silent := benchmark.without_answer[role]:
            words = f"no answer in the {role}'s response (empty, or thoughts alone) to"
            _print(console, f"{words} {_some(len(silent), silent, usable)}")
        if others := benchmark.other_responses[role]:
            _print(console, f"{others} {role} responses are to other instructions")


def print_results(console: Console, results: EvaluationResults) -> None:
    """Print the ratios as a table, who was compared, and what could not be judged."""
    grouping = (results.by or "").replace("_", " ")
    table = Table(grouping, title="How often the candidate does as well as the reference")
    for column in ("judged", "wins", "ties", "losses", "capacity recovery (95 %)", "not judged"):
        table.add_column(column, justify="right")
    for group in results.groups:
        table.add_row(escape(group_label(group)), *_cells(group))
    table.add_row("all", *_cells(results.overall))
    console.print(table)
    failed = "" if results.judge.fit else " (failed its check)"
    for role, model in asdict(results.models).items():
        _print(console, f"{role}: {model}{failed if role == 'judge' else ''}")
    if reasons := results.not_judged.summary:
        _print(console, f"not judged, and counted nowhere: {reasons}")
    for role, silent in results.without_an_answer.items():
        named = _some(silent.instructions, silent.first, results.overall.instructions)
        _print(console, f"no answer of the {role} to {named}")


def _some(count: int, first: Sequence[str], of: int) -> str:
    """Return how many instructions there are, with the first of them by name."""
    some = "; ".join(shorten(instruction, 60) for instruction in first[:LISTED])
    more = f"; and {count - LISTED} more" if count > LISTED else ""
    return f"{count} of {of} instructions: {some}{more}"


def _cells(result: Result) -> list[str]:
    counts = (result.comparisons, result.wins, result.ties, result.losses)
    return [*map(str, counts), ratio(result), str(result.not_judged)]


def print_judge_report(console: Console, report: JudgeReport) -> None:
    """Print what the check of a judge measured, and why a pair could not be read."""
    for value, what in judge_findings(report):
        _print(console, f"{value:>9}  {what}")
    if report.error is not None:
        _print(console, report.error)


def print_comparison(
    console: Console, comparison: RecoveryDifference | JudgeAgreement, *, before: Path, after: Path
) -> None:
    """Print how far two candidates differ, or how far two judges agree, with what was left out."""
    if isinstance(comparison, JudgeAgreement):
        _print_agreement(console, comparison)
    else:
        _print_difference(console, comparison, before, after)
    if comparison.unreadable:
        _print(console, f"not judged on both sides, and left out: {comparison.unreadable}")


def _print_agreement(console: Console, agreement: JudgeAgreement) -> None:
    _print(
        console,
        f"the judges agree on {agreement.agreed} of {agreement.comparisons} instructions; "
        f"Cohen's κ {agreement.kappa:.2f} ({agreement.low:.2f} to {agreement.high:.2f})",
    )


def _print_difference(console: Console, difference: RecoveryDifference, before: Path, after: Path) -> None:
    candidates = (
        (before, difference.second_ratio, difference.only_second),
        (after, difference.first_ratio, difference.only_first),
    )
    for folder, share, alone in candidates:
        _print(console, f"{percentage(share):>7}  {folder}, which alone recovers {alone}")
    points, low, high = (100 * share for share in (difference.difference, difference.low, difference.high))
    _print(
        console,
        f"{points:+.1f} points ({low:+.1f} to {high:+.1f}) on {difference.instructions} instructions; "
        f"sign test p = {difference.p_value:.3g}",
    )


def _print(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, markup=False)
