"""What the pictures of a card show, in words: for those who do not see them, and to know which pictures there are."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from codeclm_hf import text

USE_CASES, SKILLS, GAP, ITERATIONS, DRIFT = PICTURES = (
    "use-cases.png",
    "skills.png",
    "gap.png",
    "iterations.png",
    "drift.png",
)
MOST_BARS = 10
"""Names that a picture of use cases or skills shows, and lines that a table of the card does."""
MOST_MOVED = 6
"""Names of each kind that a picture of drift shows."""
MOST_TOLD = 5
"""Names of a ranking that its caption lists; the table has them all."""
KINDS = {"movers": "Moved most", "new": "New", "vanished": "Vanished"}


def captions(distributions: Mapping[str, Any], drift: Mapping[str, Any] | None = None) -> dict[str, str]:
    """One line of plain text for each picture that there is to draw, by file name.

    It holds names that models wrote: to be escaped where markup is written. Fonts do not matter to it.

    Args:
        distributions: what `codeclm_hf.card.statistics.distributions` found.
        drift: the manifest's `drift`: how far the names moved since an earlier version.
    """
    told = {}
    for file, noun, found, of in rankings(distributions):
        if found["top"]:
            names = [(one["name"], text.percentage(one["share"])) for one in found["top"][:MOST_TOLD]]
            told[file] = f"Bar chart of {noun}s. {ranked(noun, found, of)}: {_listed(names)}."
    iterations, gap = distributions["iterations"], distributions["gap"]
    accepted = sum(one["accepted"] for one in iterations)
    if gap["judged"]:
        mean = "" if gap["mean"] is None else f"; the mean gap is {gap['mean']:.2f}"
        told[GAP] = (
            f"Histogram of the judge's gap between the strong and the target's answer. {gap['judged']:,} judged, "
            f"threshold ±{gap['threshold']:g}, {beyond(gap, accepted)}{mean}."
        )
    if accepted:
        parts = [
            f"{one['iteration']}: {one['accepted']:,} of {one['judged']:,} ({text.percentage(one['share'])})"
            for one in iterations
        ]
        told[ITERATIONS] = (
            f"Bar chart of {counted(accepted, 'accepted instruction')} by iteration, with how many were judged and "
            f"the share of all accepted: {', '.join(parts)}."
        )
    if drift and any(drift["use_case"][kind] for kind in KINDS):
        told[DRIFT] = _moved(drift)
    return told


def rankings(distributions: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any], str]]:
    """(file, what is ranked, its distribution, how often what was counted) of the pictures of names."""
    use_cases, skills = distributions["use_cases"], distributions["skills"]
    return [
        (USE_CASES, "use case", use_cases, counted(use_cases["rows"], "row")),
        (SKILLS, "skill", skills, counted(skills["mentions"], "mention")),
    ]


def ranked(noun: str, found: Mapping[str, Any], of: str) -> str:
    """How much of all the names a ranking shows."""
    top, total = found["top"][:MOST_BARS], found["total"]
    if total <= len(top):
        return f"{counted(total, noun)} in {of}"
    share = text.percentage(sum(one["share"] for one in top))
    return f"The {len(top)} most frequent of {total:,} {noun}s, {share} of {of}"


def beyond(gap: Mapping[str, Any], accepted: int) -> str:
    """How many were accepted."""
    share = f" ({text.percentage(accepted / gap['judged'])})" if accepted <= gap["judged"] else ""
    return f"{accepted:,} accepted{share}"


def gap_bins(gap: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The gaps that were judged most often, as intervals, and how often."""
    bins = zip(pairwise(gap["edges"]), gap["counts"], strict=True)
    most = sorted((one for one in bins if one[1]), key=lambda one: (-one[1], one[0]))[:MOST_BARS]
    return [(_interval(*edges), count) for edges, count in most]


def _interval(low: float, high: float) -> str:
    """A bin as it is defined: it holds the end that is farther from 0."""
    return f"{'(' if low > 0 else '['}{low:g}, {high:g}{')' if low < 0 else ']'}".replace("-", "−")


def heading(kind: str, moved: Mapping[str, Any]) -> str:
    """What a part of the picture of drift shows, and of how many."""
    shown, total = min(len(moved[kind]), MOST_MOVED), moved.get(f"{kind}_total")
    if total is None:
        return KINDS[kind]
    return f"{KINDS[kind]} ({total:,}{f', the largest {shown}' if total > shown else ''})"


def moving(kind: str, share: Mapping[str, Any], to: str) -> str:
    """A name's share on the sides that have it."""
    sides = {"movers": ("before", "after"), "new": ("after",), "vanished": ("before",)}[kind]
    return f" {to} ".join(text.percentage(share[side]) for side in sides)


def ratio(one: Mapping[str, Any]) -> str:
    """A Capacity Recovery Ratio with its interval, as people read it."""
    if one["capacity_recovery_ratio"] is None:
        return "not known"
    low, high = (f"{100 * one[end]:.1f}" for end in ("wilson_low", "wilson_high"))
    return f"{text.percentage(one['capacity_recovery_ratio'])} ({low}–{high})"


def counted(count: int, noun: str) -> str:
    """A number of things."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _moved(drift: Mapping[str, Any]) -> str:
    moved = drift["use_case"]
    parts = [
        f"{heading(kind, moved)}: "
        + _listed([(share["name"], moving(kind, share, "to")) for share in moved[kind][:MOST_MOVED]])
        for kind in KINDS
        if moved[kind]
    ]
    return (
        f"Chart of how the use cases moved since {text.display_name(drift['since'])}: Jensen–Shannon divergence "
        f"{moved['divergence']:.3f}, that of the skills {drift['skills']['divergence']:.3f}. {'; '.join(parts)}."
    )


def _listed(named: list[tuple[str, str]]) -> str:
    return ", ".join(f"“{text.display_name(name)}” {what}" for name, what in named)
