"""The outcome of a comparison, from a judge's scores in both orders, and the ratio of outcomes (§5.3).

The `evaluate` metric takes this file along wherever it is loaded or pushed, so it imports nothing of ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

OUTCOMES = ("win", "tie", "loss")
"""What a comparison can be for the candidate."""
TAILS = (0.025, 0.975)
"""The levels between which a 95 % interval lies."""
_NORMAL = NormalDist()

Scores = Sequence[float | None]
"""An answer's two scores, one for each order of showing the two answers."""


class Recovery(NamedTuple):
    """The Capacity Recovery Ratio of a candidate, with what it is made of.

    Ratios are in [0, 1]; where nothing was compared, they and their intervals are not a number.
    """

    wins: int
    """Comparisons that the candidate won."""
    ties: int
    """Comparisons that nobody won."""
    losses: int
    """Comparisons that the reference won."""
    unreadable: int
    """Comparisons with a score that is missing or not a finite number; no other field counts them."""
    comparisons: int
    """The sum of wins, ties and losses."""
    capacity_recovery_ratio: float
    """(wins + ties) / comparisons."""
    wilson_low: float
    """The low end of the ratio's 95 % interval by Wilson's score."""
    wilson_high: float
    """Its high end."""
    bootstrap_low: float
    """The low end of the interval by resampling; not a number where all are recovered, or none is."""
    bootstrap_high: float
    """Its high end."""
    order_disagreement: float
    """The share of the comparisons whose two orders do not say the same."""


def outcome(candidate: Scores | None, reference: Scores | None) -> str | None:
    """Return whether the candidate's answer wins, ties or loses.

    Args:
        candidate: its two scores, one for each order of showing the two answers.
        reference: its two scores, in the same orders.

    Returns:
        "win" or "loss" where both orders say so, else "tie". None where a score is missing or not a finite
        number: that is no outcome, and no tie either.

    Raises:
        ValueError: there are not exactly two orders.
    """
    leads = _leads(candidate, reference)
    return _outcome_of(leads) if leads else None


def recovery(predictions: Sequence[Scores | None], references: Sequence[Scores | None]) -> Recovery:
    """Return the Capacity Recovery Ratio of a candidate against a reference, with 95 % intervals.

    Args:
        predictions: for each comparison, the candidate's two scores, one for each order, or None.
        references: for each comparison, the reference's two scores, in the same orders.

    Raises:
        ValueError: a comparison does not have exactly two orders, or the two arguments differ in length.
    """
    leads = [_leads(*pair) for pair in zip(predictions, references, strict=True)]
    readable = [pair for pair in leads if pair]
    outcomes = [_outcome_of(pair) for pair in readable]
    comparisons = len(readable)
    wins, ties, losses = (outcomes.count(name) for name in OUTCOMES)
    wilson_low, wilson_high = wilson_interval(wins + ties, comparisons)
    bootstrap_low, bootstrap_high = bootstrap_interval(wins + ties, comparisons)
    return Recovery(
        wins=wins,
        ties=ties,
        losses=losses,
        unreadable=len(leads) - comparisons,
        comparisons=comparisons,
        capacity_recovery_ratio=_ratio(wins + ties, comparisons),
        wilson_low=wilson_low,
        wilson_high=wilson_high,
        bootstrap_low=bootstrap_low,
        bootstrap_high=bootstrap_high,
        order_disagreement=_ratio(sum(first != second for first, second in readable), comparisons),
    )


def wilson_interval(part: int, whole: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a ratio; it holds its level for small numbers and near 0 and 1, too.

    Returns:
        Low and high end in [0, 1]; not a number where `whole` is 0.
    """
    if not whole:
        return math.nan, math.nan
    z = _NORMAL.inv_cdf(TAILS[1])
    middle = (part + z * z / 2) / (whole + z * z)
    half = z / (whole + z * z) * math.sqrt(part * (whole - part) / whole + z * z / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_interval(part: int, whole: int) -> tuple[float, float]:
    """Return the 95 % interval of a ratio by resampling the comparisons.

    It is bias-corrected and accelerated (BCa).

    Of 80 comparisons, with a true ratio from 0.05 to 0.95, it covers 93.9 % to 98.5 %; plain percentiles fall
    to 88 %. With fewer than about five of the rarer outcome every bootstrap covers too little: take Wilson's
    there.

    Returns:
        Low and high end in [0, 1]; not a number where all comparisons are recovered, or none is, because
        resampling cannot show what was never seen.
    """
    if not 0 < part < whole:
        return math.nan, math.nan
    probabilities = resampling_distribution([whole - part, part])
    bias = _NORMAL.inv_cdf(float(probabilities[:part].sum() + probabilities[part] / 2))
    acceleration = (whole - 2 * part) / (6 * math.sqrt(whole * part * (whole - part)))
    shifted = [bias + _NORMAL.inv_cdf(level) for level in TAILS]
    low, high = (_NORMAL.cdf(bias + z / (1 - acceleration * z)) for z in shifted)
    return quantile(probabilities, low) / whole, quantile(probabilities, high) / whole


def resampling_distribution(counts: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the distribution of a bootstrap's sum: of as many draws with replacement as there are values.

    It is computed exactly and not simulated, so that it takes no seed and no number of resamples.

    Args:
        counts: how many of the values are 0, 1, 2, and so on.

    Returns:
        The probability of each sum from 0 up.
    """
    draws = sum(counts)
    size = draws * (len(counts) - 1) + 1
    spectrum = np.fft.rfft(np.asarray(counts, float) / draws, size)
    return np.clip(np.fft.irfft(spectrum**draws, size), 0.0, None)


def quantile(probabilities: np.ndarray[Any, np.dtype[np.float64]], level: float) -> int:
    """Return the least sum up to which at least `level` of the probability lies."""
    return min(int(np.searchsorted(np.cumsum(probabilities), level)), len(probabilities) - 1)


def _leads(candidate: Scores | None, reference: Scores | None) -> tuple[int, int] | None:
    """Return who is ahead in each order: 1 the candidate, -1 the reference, 0 neither.

    It is None where a score is missing.

    Raises:
        ValueError: there are not exactly two orders.
    """
    if not candidate or not reference:
        return None
    if len(candidate) != 2 or len(reference) != 2:
        raise ValueError(
            f"needs two scores of each answer, one an order; came {len(candidate)} and {len(reference)}"
        )
    scores = [score for score in (*candidate, *reference) if score is not None and math.isfinite(score)]
    if len(scores) < 4:
        return None
    return _sign(scores[0] - scores[2]), _sign(scores[1] - scores[3])


def _sign(difference: float) -> int:
    return (difference > 0) - (difference < 0)


def _outcome_of(leads: tuple[int, int]) -> str:
    return {(1, 1): "win", (-1, -1): "loss"}.get(leads, "tie")


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
