"""What an evaluation found, as a report in Markdown, with the captions of its pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from markupsafe import Markup

from codeclm_hf import text
from codeclm_hf.card import render as card
from codeclm_hf.card.captions import MOST_BARS, counted, ratio
from codeclm_hf.run import directory

CARD = directory.CARD
RESULTS = "results.json"
COMPARISONS = f"{directory.DATA}/comparisons"
RECOVERY, OUTCOMES = PICTURES = ("recovery.png", "outcomes.png")
MOST_LISTED = 20
"""Instructions that could not be judged and that a report lists; the Parquet has them all."""
JUDGED = {
    "readable": "judgements that can be read",
    "accuracy": "obviously better answers found",
    "order_bias": "points for being shown first",
    "order_disagreement": "winners that depend on the order",
    "length_bias": "longer, worse answers rated no lower",
    "injection_rate": "answers that tell it how to rate, rated no lower",
}
"""What the check of a judge measures, by the names that a `JudgeReport` has."""


def render(results: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], *, pattern: str) -> str:
    """The report: front matter with which `load_dataset` reads the comparisons, and the results in words and tables.

    Args:
        results: what `results.json` holds.
        rows: those of `schema.COMPARISONS`.
        pattern: the files of the comparisons.
    """
    not_judged = [row for row in rows if row["outcome"] is None]
    front = {
        "configs": [{"config_name": "comparisons", "data_files": pattern}],
        "tags": ["codeclm-hf", "evaluation"],
    }
    told = card.templates.get_template("evaluation.md.jinja").render(
        {
            **results,
            "shown": shown(results),
            "pictures": captions(results),
            "judged": judged(results["judge"]),
            "not_listed": max(0, len(not_judged) - MOST_LISTED),
            "listed": [(row["id"], row["instruction"], row["error"]) for row in not_judged[:MOST_LISTED]],
            "why": why(results),
            "ratio": lambda one: Markup(ratio(one)),
            "percent": lambda share: Markup(text.percentage(share)),
        }
    )
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n{told}"


def shown(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The groups that pictures and tables show: those with the most comparisons, the highest ratio first."""
    groups = results["groups"]
    most = sorted(range(len(groups)), key=lambda at: (-groups[at]["comparisons"], at))[:MOST_BARS]
    return [groups[at] for at in sorted(most) if groups[at]["comparisons"]]


def called(one: Mapping[str, Any]) -> str:
    """A group's name; for the rows without one, what says so."""
    return "none given" if one["name"] is None else text.display_name(one["name"])


def why(results: Mapping[str, Any]) -> str:
    """How many instructions could not be judged, by the reason."""
    return ", ".join(
        f"{number} {what.replace('_', ' ')}" for what, number in results["not_judged"].items() if number
    )


def captions(results: Mapping[str, Any]) -> dict[str, str]:
    """One line of plain text for each picture that there is to draw, by file name; it holds names that models wrote."""
    overall = results["overall"]
    if not overall["comparisons"]:
        return {}
    groups = [("all", overall), *((f"“{called(one)}”", one) for one in shown(results))]
    ratios = ", ".join(f"{name} {ratio(one)}" for name, one in groups)
    outcomes = ", ".join(f"{name} {one['wins']}, {one['ties']}, {one['losses']}" for name, one in groups)
    of = counted(overall["comparisons"], "comparison")
    return {
        RECOVERY: f"Capacity Recovery Ratios with 95 % intervals, of {of}: {ratios}.",
        OUTCOMES: f"Bars of the candidate's wins, ties and losses, in {of}: {outcomes}.",
    }


def judged(check: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(how much, of what) of the check of a judge.

    Args:
        check: a `JudgeReport` by its names.
    """

    def told(name: str, value: float | None) -> str:
        if value is None:
            return "not known"
        return f"{value:+.1f}" if name == "order_bias" else f"{value:.0%}"

    return [(told(name, check[name]), what) for name, what in JUDGED.items()]
