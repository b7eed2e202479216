"""What the pictures of a card show, in words; it also says which pictures there are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

from codeclm_hf import text
from codeclm_hf.card.shapes import Distributions, Drift, Gap, NameShare, Share, VersionDrift

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
MOST_IN_CAPTION = 5
"""Names of a ranking that its caption lists; the table has them all."""
KINDS = {"movers": "Moved most", "new": "New", "vanished": "Vanished"}
"""The parts of a picture of drift, by the lists of a `Drift`."""


class Ranking(NamedTuple):
    """The most frequent names of one kind."""

    file: str
    """The picture that shows them."""
    noun: str
    """What is ranked."""
    top: Sequence[NameShare]
    """The most frequent."""
    total: int
    """How many different names there are."""
    basis: str
    """What the shares are of, such as "1,000 rows"."""


def captions(distributions: Distributions, drift: VersionDrift | None = None) -> dict[str, str]:
    """Return one line of plain text for each picture that there is to draw, by file name.

    It holds names that models wrote: to be escaped where markup is written. Fonts do not matter to it.

    Args:
        distributions: what the data set holds.
        drift: how far its names moved since an earlier version.
    """
    lines = {}
    for ranking in rankings(distributions):
        if ranking.top:
            names = [(entry.name, text.percentage(entry.share)) for entry in ranking.top[:MOST_IN_CAPTION]]
            lines[ranking.file] = f"Bar chart of {ranking.noun}s. {extent(ranking)}: {_listed(names)}."
    iterations, gap = distributions.iterations, distributions.gap
    accepted = sum(iteration.accepted for iteration in iterations)
    if gap.judged:
        mean = "" if gap.mean is None else f"; the mean gap is {gap.mean:.2f}"
        lines[GAP] = (
            "Histogram of the judge's gap between the strong and the target's answer. "
            f"{gap.judged:,} judged, threshold ±{gap.threshold:g}, {accepted_count(gap, accepted)}{mean}."
        )
    if accepted:
        parts = [
            f"{entry.iteration}: {entry.accepted:,} of {entry.judged:,} ({text.percentage(entry.share)})"
            for entry in iterations
        ]
        lines[ITERATIONS] = (
            f"Bar chart of {quantity(accepted, 'accepted instruction')} by iteration, "
            f"with how many were judged and the share of all accepted: {', '.join(parts)}."
        )
    if drift and any(shares_of(drift.use_case, kind) for kind in KINDS):
        lines[DRIFT] = _drift_line(drift)
    return lines


def rankings(distributions: Distributions) -> list[Ranking]:
    """Return the rankings that pictures show: of use cases, and of skills."""
    use_cases, skills = distributions.use_cases, distributions.skills
    return [
        Ranking(USE_CASES, "use case", use_cases.top, use_cases.total, quantity(use_cases.rows, "row")),
        Ranking(SKILLS, "skill", skills.top, skills.total, quantity(skills.mentions, "mention")),
    ]


def extent(ranking: Ranking, label: str = "") -> str:
    """Return how much of all the names a ranking shows.

    Args:
        ranking: what is shown.
        label: stands before the number of rows, as in "n = 1,000 rows".
    """
    top = ranking.top[:MOST_BARS]
    if ranking.total <= len(top):
        return f"{quantity(ranking.total, ranking.noun)} in {label}{ranking.basis}"
    share = text.percentage(sum(entry.share for entry in top))
    names = f"{len(top)} most frequent of {ranking.total:,} {ranking.noun}s"
    return f"The {names}, {share} of {label}{ranking.basis}"


def accepted_count(gap: Gap, accepted: int) -> str:
    """Return how many instructions were accepted, and their share of those that were judged."""
    share = f" ({text.percentage(accepted / gap.judged)})" if accepted <= gap.judged else ""
    return f"{accepted:,} accepted{share}"


def gap_bins(gap: Gap) -> list[tuple[str, int]]:
    """Return the gaps that were judged most often, as intervals, and how often."""
    bins = zip(pairwise(gap.edges), gap.counts, strict=True)
    filled = [(edges, count) for edges, count in bins if count]
    largest = sorted(filled, key=lambda bin: (-bin[1], bin[0]))[:MOST_BARS]
    return [(_interval(*edges), count) for edges, count in largest]


def _interval(low: float, high: float) -> str:
    """Return a bin of gaps as an interval, such as `(3, 3.5]`: it holds the end that is farther from 0."""
    return f"{'(' if low > 0 else '['}{low:g}, {high:g}{')' if low < 0 else ']'}".replace("-", "−")


def shares_of(drift: Drift, kind: str) -> tuple[Share, ...]:
    """Return the names of one of the `KINDS`."""
    return {"movers": drift.movers, "new": drift.new, "vanished": drift.vanished}[kind]


def drift_heading(kind: str, drift: Drift) -> str:
    """Return the heading of one of the `KINDS` in the picture of drift, with how many names there are."""
    total = {"new": drift.new_total, "vanished": drift.vanished_total}.get(kind)
    if total is None:
        return KINDS[kind]
    shown = min(len(shares_of(drift, kind)), MOST_MOVED)
    return f"{KINDS[kind]} ({total:,}{f', the largest {shown}' if total > shown else ''})"


def share_change(kind: str, share: Share, to: str) -> str:
    """Return a name's share in the versions that have it."""
    sides = {"movers": (share.before, share.after), "new": (share.after,), "vanished": (share.before,)}[kind]
    return f" {to} ".join(map(text.percentage, sides))


class HasRatio(Protocol):
    """Anything with a Capacity Recovery Ratio in [0, 1] and its interval; None where there are no numbers."""

    @property
    def capacity_recovery_ratio(self) -> float | None: ...  # noqa: D102
    @property
    def wilson_low(self) -> float | None: ...  # noqa: D102
    @property
    def wilson_high(self) -> float | None: ...  # noqa: D102


def ratio(result: HasRatio) -> str:
    """Return a Capacity Recovery Ratio with its interval, as people read it."""
    share, low, high = result.capacity_recovery_ratio, result.wilson_low, result.wilson_high
    if share is None or low is None or high is None:
        return "not known"
    return f"{text.percentage(share)} ({100 * low:.1f}–{100 * high:.1f})"


def quantity(count: int, noun: str) -> str:
    """Return a number with its noun, such as `1 row` or `2,000 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _drift_line(drift: VersionDrift) -> str:
    use_case = drift.use_case
    parts = [
        f"{drift_heading(kind, use_case)}: "
        + _listed([(share.name, share_change(kind, share, "to")) for share in shares[:MOST_MOVED]])
        for kind in KINDS
        if (shares := shares_of(use_case, kind))
    ]
    return (
        f"Chart of how the use cases moved since {text.display_name(drift.since)}: Jensen–Shannon divergence "
        f"{use_case.divergence:.3f}, that of the skills {drift.skills.divergence:.3f}. {'; '.join(parts)}."
    )


def _listed(named: list[tuple[str, str]]) -> str:
    return ", ".join(f"“{text.display_name(name)}” {what}" for name, what in named)
