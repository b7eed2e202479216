"""The statistics of two sets of outcomes on the same instructions: of two candidates, or of two judges."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

from codeclm_hf.errors import BadInput
from codeclm_hf.evaluation.outcomes import OUTCOMES, TAILS, quantile, resampling_distribution

_MOST_LISTED = 3
"""Instructions that an error names."""


@dataclass(frozen=True)
class RecoveryDifference:
    """The Capacity Recovery Ratios of two candidates on the instructions on which both were judged."""

    instructions: int
    """Instructions on which both have a readable outcome."""
    unreadable: int
    """Instructions left out, because one of the two has no readable outcome there."""
    first_ratio: float
    """The Capacity Recovery Ratio of the first, in [0, 1]."""
    second_ratio: float
    """The Capacity Recovery Ratio of the second, in [0, 1]."""
    difference: float
    """The first ratio less the second."""
    low: float
    """The low end of the difference's 95 % interval, by resampling the instructions; not a number where all
    instructions are alike."""
    high: float
    """Its high end."""
    only_first: int
    """Instructions on which the first alone recovers the reference (a win or a tie)."""
    only_second: int
    """Instructions on which the second alone does."""
    p_value: float
    """The p-value of the exact two-sided sign test on the instructions that one alone recovers; 1 where there
    are none."""


@dataclass(frozen=True)
class JudgeAgreement:
    """How far two judges agree on win, tie or loss, beyond what chance would give."""

    comparisons: int
    """Comparisons with a readable outcome of both judges."""
    unreadable: int
    """Comparisons left out, because one of the two gave no readable outcome there."""
    agreed: int
    """Comparisons to which both give the same outcome."""
    kappa: float
    """Cohen's κ: 1 for full agreement, 0 for that of chance; not a number where nothing varies."""
    low: float
    """The low end of κ's 95 % interval, for large numbers; not a number where the judges always agree."""
    high: float
    """Its high end."""


def recovery_difference(
    first: Mapping[str, str | None], second: Mapping[str, str | None]
) -> RecoveryDifference:
    """Return how much more often one candidate than another recovers the reference (§5.3).

    Both were judged on the same instructions. Go by the sign test: where few instructions tell the two apart,
    the interval is too narrow.

    Args:
        first: by instruction, "win", "tie" or "loss" of the first candidate against the reference; None where
            the judge could not be read.
        second: the same of the second candidate, against the same reference.

    Raises:
        BadInput: the instructions are not the same, a word is no outcome, or no instruction has two outcomes.
    """
    pairs, unreadable = _outcome_pairs(first, second)
    recovered = Counter((left != "loss", right != "loss") for left, right in pairs)
    only_first, only_second = recovered[True, False], recovered[False, True]
    n = len(pairs)
    steps = [only_second, n - only_first - only_second, only_first]
    low = high = math.nan
    if max(steps) < n:
        probabilities = resampling_distribution(steps)
        low, high = ((quantile(probabilities, level) - n) / n for level in TAILS)
    return RecoveryDifference(
        instructions=n,
        unreadable=unreadable,
        first_ratio=(recovered[True, True] + only_first) / n,
        second_ratio=(recovered[True, True] + only_second) / n,
        difference=(only_first - only_second) / n,
        low=low,
        high=high,
        only_first=only_first,
        only_second=only_second,
        p_value=sign_test(only_first, only_second),
    )


def sign_test(first: int, second: int) -> float:
    """Return the exact two-sided p-value of a sign test.

    Args:
        first: how many signs are of the first kind.
        second: how many are of the second kind; as likely as the first if there is no difference.
    """
    n = first + second
    term = ways = 1
    for successes in range(min(first, second)):
        term = term * (n - successes) // (successes + 1)
        ways += term
    return min(1.0, ways / 2 ** (n - 1)) if n else 1.0


def judge_agreement(first: Mapping[str, str | None], second: Mapping[str, str | None]) -> JudgeAgreement:
    """Return how far two judges, or a judge and a person, agree: Cohen's κ with its interval.

    Args:
        first: by comparison, "win", "tie" or "loss" by the first judge; None where it could not be read.
        second: the same of the second judge.

    Raises:
        BadInput: the comparisons are not the same, a word is no outcome, or no comparison has two outcomes.
    """
    pairs, unreadable = _outcome_pairs(first, second)
    n = len(pairs)
    cells = Counter(pairs)
    agreed = sum(cells[name, name] for name in OUTCOMES)
    rows = {name: sum(cells[name, other] for other in OUTCOMES) / n for name in OUTCOMES}
    columns = {name: sum(cells[other, name] for other in OUTCOMES) / n for name in OUTCOMES}
    observed = agreed / n
    expected = sum(rows[name] * columns[name] for name in OUTCOMES)
    if len(cells) == 1 and agreed:
        return JudgeAgreement(n, unreadable, agreed, math.nan, math.nan, math.nan)
    kappa = (observed - expected) / (1 - expected)
    if agreed == n:
        return JudgeAgreement(n, unreadable, agreed, kappa, math.nan, math.nan)
    # Fleiss, Cohen and Everitt 1969, Large sample standard errors of kappa and weighted kappa
    spread = sum(
        count / n * ((i == j) * (1 - expected) - (columns[i] + rows[j]) * (1 - observed)) ** 2
        for (i, j), count in cells.items()
    )
    variance = (spread - (observed * expected - 2 * expected + observed) ** 2) / (n * (1 - expected) ** 4)
    half = NormalDist().inv_cdf(TAILS[1]) * math.sqrt(max(0.0, variance))
    return JudgeAgreement(n, unreadable, agreed, kappa, max(-1.0, kappa - half), min(1.0, kappa + half))


def _outcome_pairs(
    first: Mapping[str, str | None], second: Mapping[str, str | None]
) -> tuple[list[tuple[str, str]], int]:
    """Return the two outcomes of each instruction that has both, and how many instructions do not.

    Raises:
        BadInput: the instructions are not the same, a word is no outcome, or no instruction has both.
    """
    if first.keys() != second.keys():
        missing, more = _listing(first.keys() - second.keys()), _listing(second.keys() - first.keys())
        raise BadInput(
            f"needs the same instructions on both sides; only the first has {missing}, "
            f"only the second has {more}; judge both on the same file"
        )
    for name, outcome in (*first.items(), *second.items()):
        if outcome is not None and outcome not in OUTCOMES:
            raise BadInput(
                f'needs "win", "tie" or "loss", or None where it is unreadable; {name!r} has {outcome!r}'
            )
    pairs = [(left, right) for name, left in first.items() if left and (right := second[name])]
    if not pairs:
        raise BadInput(
            f"needs an instruction with two readable outcomes; of {len(first)} instructions none has"
        )
    return pairs, len(first) - len(pairs)


def _listing(names: set[str]) -> str:
    if not names:
        return "none"
    shown = ", ".join(map(repr, sorted(names)[:_MOST_LISTED]))
    return f"{len(names)} ({shown}{', …' if len(names) > _MOST_LISTED else ''})"
