"""The report of an evaluation: its words and tables in Markdown, and the captions of its pictures."""

from __future__ import annotations

from collections.abc import Sequence

import yaml
from markupsafe import Markup

from codeclm_hf import text
from codeclm_hf.card import render as card
from codeclm_hf.card.captions import MOST_BARS, quantity, ratio
from codeclm_hf.evaluation.comparisons import Comparison
from codeclm_hf.evaluation.judge_check import JudgeReport
from codeclm_hf.evaluation.results import EvaluationResults, Group
from codeclm_hf.run import directory

REPORT = directory.CARD
"""What the report is called in an evaluation's folder: the Hub shows it as the folder's page."""
RECOVERY, OUTCOMES = PICTURES = ("recovery.png", "outcomes.png")
MOST_LISTED = 20
"""Instructions without an outcome that a report lists; the Parquet has them all."""


def render(results: EvaluationResults, comparisons: Sequence[Comparison], *, pattern: str) -> str:
    """Return the report in Markdown; its front matter makes `load_dataset` read the comparisons.

    Args:
        results: the numbers.
        comparisons: the rows, of which those without an outcome are listed.
        pattern: matches the Parquet files, seen from the report's folder.
    """
    not_judged = [comparison for comparison in comparisons if comparison.outcome is None]
    front_matter = {
        "configs": [{"config_name": "comparisons", "data_files": pattern}],
        "tags": ["codeclm-hf", "evaluation"],
    }
    body = card.templates.get_template("evaluation.md.jinja").render(
        results=results,
        shown_groups=shown_groups(results),
        captions=captions(results),
        findings=judge_findings(results.judge),
        listed=not_judged[:MOST_LISTED],
        not_listed=max(0, len(not_judged) - MOST_LISTED),
        ratio=lambda result: Markup(ratio(result)),
        percent=lambda share: Markup(text.percentage(share)),
    )
    return f"---\n{yaml.safe_dump(front_matter, sort_keys=False)}---\n\n{body}"


def shown_groups(results: EvaluationResults) -> list[Group]:
    """Return the groups that pictures and tables show: the largest, with the highest ratio first."""
    compared = [group for group in results.groups if group.comparisons]
    largest = sorted(compared, key=lambda group: -group.comparisons)[:MOST_BARS]
    return [group for group in compared if group in largest]


def group_label(group: Group) -> str:
    """Return a group's name as one short line; for the instructions without a name, words that say so."""
    return "none given" if group.name is None else text.display_name(group.name)


def captions(results: EvaluationResults) -> dict[str, str]:
    """Return one line of plain text for each picture that there is to draw, by file name.

    It holds names that models wrote: to be escaped where markup is written.
    """
    if not results.overall.comparisons:
        return {}
    rows = [
        ("all", results.overall),
        *((f"“{group_label(group)}”", group) for group in shown_groups(results)),
    ]
    ratios = ", ".join(f"{label} {ratio(result)}" for label, result in rows)
    outcomes = ", ".join(f"{label} {result.wins}, {result.ties}, {result.losses}" for label, result in rows)
    comparisons = quantity(results.overall.comparisons, "comparison")
    return {
        RECOVERY: f"Capacity Recovery Ratios with 95 % intervals, of {comparisons}: {ratios}.",
        OUTCOMES: f"Bars of the candidate's wins, ties and losses, in {comparisons}: {outcomes}.",
    }


def judge_findings(report: JudgeReport) -> list[tuple[str, str]]:
    """Return what the check of a judge measured: how much, and of what."""
    order_bias = "not known" if report.order_bias is None else f"{report.order_bias:+.1f}"
    return [
        (_share(report.readable), "judgements that can be read"),
        (_share(report.accuracy), "obviously better answers found"),
        (order_bias, "points for being shown first"),
        (_share(report.order_disagreement), "winners that depend on the order"),
        (_share(report.length_bias), "longer, worse answers rated no lower"),
        (_share(report.injection_rate), "answers that tell it how to rate, rated no lower"),
    ]


def _share(share: float | None) -> str:
    return "not known" if share is None else f"{share:.0%}"
