"""Two candidates on the same instructions, and two judges: against published examples and by simulation."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from codeclm_hf import BadInput
from codeclm_hf.evaluation.outcomes import OUTCOMES
from codeclm_hf.evaluation.paired import (
    JudgeAgreement,
    RecoveryDifference,
    judge_agreement,
    recovery_difference,
    sign_test,
)

SIZES = [80, 218, 252]
EVALUATIONS = 2_000
PSYCHIATRISTS = [[75, 1, 4], [5, 4, 1], [0, 0, 10]]
"""Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions: 100 diagnoses by two raters."""


def judged(
    *counts: tuple[str | None, str | None, int],
) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """The two sides' outcomes by instruction, from how often each pair of outcomes is there."""
    pairs = [(one, other) for one, other, times in counts for _ in range(times)]
    first, second = ({f"i{n}": pair[side] for n, pair in enumerate(pairs)} for side in (0, 1))
    return first, second


def tabled(table: list[list[int]]) -> tuple[dict[str, str | None], dict[str, str | None]]:
    return judged(*((OUTCOMES[i], OUTCOMES[j], n) for i, row in enumerate(table) for j, n in enumerate(row)))


def test_two_candidates_are_compared() -> None:
    """All numbers are of the instructions on which both were judged; turned round, they are mirrored."""
    first, second = judged(("win", "loss", 9), ("tie", "loss", 5), ("loss", "tie", 3), ("tie", "win", 60),
                           ("loss", "loss", 3), (None, "tie", 2), ("tie", None, 1), (None, None, 1))  # fmt: skip
    found = recovery_difference(first, second)
    assert found == RecoveryDifference(
        instructions=80, unreadable=4, first_ratio=74 / 80, second_ratio=63 / 80, difference=11 / 80,
        low=found.low, high=found.high, only_first=14, only_second=3, p_value=sign_test(14, 3),
    )  # fmt: skip
    back = recovery_difference(second, dict(reversed(first.items())))
    assert (back.difference, back.p_value) == (-found.difference, found.p_value)
    assert (back.low, back.high) == (-found.high, -found.low)


def test_the_interval_of_a_difference_is_the_resampled_one() -> None:
    """Half a million drawn resamples of the instructions have the same percentiles, to within one instruction."""
    found = recovery_difference(*judged(("win", "loss", 14), ("loss", "tie", 3), ("tie", "win", 63)))
    drawn = np.random.default_rng(0).multinomial(80, [14 / 80, 3 / 80, 63 / 80], 500_000)
    low, high = np.quantile(drawn[:, 0] - drawn[:, 1], [0.025, 0.975], method="inverted_cdf")
    assert abs(found.low * 80 - low) <= 1
    assert abs(found.high * 80 - high) <= 1
    assert 0 < found.low < found.difference < found.high


@pytest.mark.parametrize(
    ("first", "second", "p_value"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 5, 1.0),
        (0, 5, 2 / 32),
        (6, 0, 2 / 64),
        (8, 2, 112 / 1024),
        (9, 1, 22 / 1024),
    ],
)
def test_the_sign_test_is_exact(first: int, second: int, p_value: float) -> None:
    """Twice the tail of a fair coin, never more than 1, the same from both sides."""
    assert sign_test(first, second) == sign_test(second, first) == p_value


def test_the_sign_test_of_many() -> None:
    """Twenty thousand signs are no trouble: still the exact fraction, rounded once."""
    ways = sum(math.comb(2_000, k) for k in range(951))
    assert sign_test(950, 1_050) == float(Fraction(2 * ways, 2**2_000))
    assert sign_test(9_700, 10_300) == pytest.approx(
        math.erfc(599 / math.sqrt(20_000) / math.sqrt(2)), rel=5e-3
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("apart", [0.05, 0.1, 0.2, 0.35, 0.5])
def test_equal_candidates_are_seldom_told_apart(size: int, apart: float) -> None:
    """In 2,000 evaluations of two candidates that are equally good, the test errs in at most 6 %, and so the interval.

    `apart` is the share of the instructions that one of the two alone recovers.
    """
    random = np.random.default_rng(size)
    drawn, times = np.unique(
        random.multinomial(size, [apart / 2, apart / 2, 1 - apart], EVALUATIONS), axis=0, return_counts=True
    )
    false = covered = 0
    for (one, other, rest), here in zip(drawn.tolist(), times.tolist(), strict=True):
        found = recovery_difference(
            *judged(("tie", "loss", one), ("loss", "win", other), ("tie", "tie", rest))
        )
        false += here * (found.p_value <= 0.05)
        covered += here * (not (found.low > 0 or found.high < 0))
    assert false / EVALUATIONS <= 0.06
    assert covered / EVALUATIONS >= 0.94


def test_alike_candidates_have_no_interval() -> None:
    """Where no instruction tells the two apart, the p-value is 1 and resampling shows nothing."""
    same = recovery_difference(*judged(("win", "tie", 30), ("loss", "loss", 10)))
    assert (same.difference, same.p_value, same.only_first, same.only_second) == (0, 1, 0, 0)
    assert math.isnan(same.low)
    assert math.isnan(same.high)


def test_two_judges_agree_as_published() -> None:
    """Fleiss's example: κ is 0.68 and its standard error 0.088."""
    found = judge_agreement(*tabled(PSYCHIATRISTS))
    assert (found.comparisons, found.agreed, found.unreadable) == (100, 89, 0)
    assert found.kappa == pytest.approx(0.23 / 0.34)
    assert (found.high - found.low) / 2 / 1.959964 == pytest.approx(0.0877, abs=5e-5)
    turned = judge_agreement(*tabled([list(row) for row in zip(*PSYCHIATRISTS, strict=True)]))
    assert turned.kappa == pytest.approx(found.kappa)


def test_the_interval_of_kappa_covers() -> None:
    """2,000 times 218 comparisons by two judges with a κ of 0.49: it is in 95 % ± 2 % of the intervals."""
    shares = np.array([[0.09, 0.05, 0.01], [0.05, 0.45, 0.10], [0.01, 0.06, 0.18]])
    chance = shares.sum(0) @ shares.sum(1)
    true, random = (np.trace(shares) - chance) / (1 - chance), np.random.default_rng(0)
    covered = 0
    for drawn in random.multinomial(218, shares.ravel(), EVALUATIONS).reshape(-1, 3, 3).tolist():
        found = judge_agreement(*tabled(drawn))
        covered += found.low <= true <= found.high
    assert 0.93 <= covered / EVALUATIONS <= 0.97


def test_full_agreement_and_none() -> None:
    """κ is 1 where all agree, below 0 where they agree less than by chance, and no number where nothing varies."""
    assert judge_agreement(*judged(("win", "win", 3), ("loss", "loss", 4))).kappa == 1
    assert judge_agreement(*judged(("win", "loss", 5), ("loss", "win", 5))).kappa == -1
    assert judge_agreement(*judged(("win", "loss", 5))).kappa == 0
    same = judge_agreement(*judged(("tie", "tie", 5), ("tie", None, 2)))
    assert same == JudgeAgreement(5, 2, 5, same.kappa, same.low, same.high)
    assert all(map(math.isnan, (same.kappa, same.low, same.high)))


@pytest.mark.parametrize("paired", [recovery_difference, judge_agreement])
def test_other_instructions_on_one_side(paired: object) -> None:
    """Sets that differ are refused, with how many and which instructions are on one side alone."""
    assert callable(paired)
    first, second = dict.fromkeys("abcdefg", "tie"), dict.fromkeys("aghi", "win")
    with pytest.raises(
        BadInput, match=r"first has 5 \('b', 'c', 'd', …\), only the second has 2 \('h', 'i'\)"
    ):
        paired(first, second)
    with pytest.raises(BadInput, match=r"first has none, only the second has 1 \('z'\)"):
        paired({"a": "tie"}, {"a": "tie", "z": None})


@pytest.mark.parametrize("paired", [recovery_difference, judge_agreement])
def test_outcomes_that_are_none(paired: object) -> None:
    """A word that is no outcome, and nothing that both sides have an outcome for, are refused in words."""
    assert callable(paired)
    with pytest.raises(BadInput, match=r"None where it is unreadable; 'b' has 'won'"):
        paired({"a": "tie", "b": "won"}, {"a": "tie", "b": "win"})
    with pytest.raises(BadInput, match="of 2 instructions none has"):
        paired({"a": None, "b": "win"}, {"a": "win", "b": None})
    with pytest.raises(BadInput, match="of 0 instructions"):
        paired({}, {})
