"""The Capacity Recovery Ratio against the paper's own table, and its intervals by simulation."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from codeclm_hf.evaluation.capacity_recovery import CapacityRecovery
from codeclm_hf.evaluation.outcomes import (
    bootstrap_interval,
    outcome,
    recovery,
    resampling_distribution,
    wilson_interval,
)

TABLE_5 = [
    (17, 140, 61, 72.02), (29, 136, 53, 75.69), (17, 147, 54, 75.23), (26, 148, 44, 79.82),
    (23, 141, 54, 75.23), (26, 154, 38, 82.57), (19, 143, 56, 74.31), (30, 149, 39, 82.11),
    (19, 146, 53, 75.69), (31, 153, 34, 84.40), (29, 145, 44, 79.82), (35, 154, 29, 86.70),
]  # fmt: skip
WIN, TIE, LOSS = ([8, 7], [5, 6]), ([8, 5], [6, 6]), ([2, 3], [4, 9])
SIZES = [80, 218, 252]
"""Instructions of the Vicuna, Evol-Instruct and Self-Instruct test sets."""
EVALUATIONS = 2_000


def computed(*pairs: tuple[Any, Any]) -> Any:
    """What the metric gives for comparisons: the candidate's and the reference's scores."""
    return CapacityRecovery().compute(predictions=[p for p, _ in pairs], references=[r for _, r in pairs])


@pytest.mark.parametrize(("wins", "ties", "losses", "ratio"), TABLE_5)
def test_the_papers_counts_give_its_ratios(wins: int, ties: int, losses: int, ratio: float) -> None:
    """Every row of table 5, to two decimals, and each ratio inside its own intervals."""
    result = computed(*[WIN] * wins, *[TIE] * ties, *[LOSS] * losses)
    assert (result["wins"], result["ties"], result["losses"]) == (wins, ties, losses)
    assert (result["comparisons"], result["unreadable"]) == (218, 0)
    assert f"{100 * result['capacity_recovery_ratio']:.2f}" == f"{ratio:.2f}"
    for method in ("wilson", "bootstrap"):
        assert result[f"{method}_low"] < result["capacity_recovery_ratio"] < result[f"{method}_high"]
    assert result["order_disagreement"] == ties / 218


@pytest.mark.parametrize(
    ("candidate", "reference", "expected", "disagree"),
    [
        ([6, 6], [5, 5], "win", False),
        ([5, 5], [6, 6], "loss", False),
        ([6, 5], [5, 6], "tie", True),
        ([6, 5], [5, 5], "tie", True),
        ([5, 4], [5, 5], "tie", True),
        ([5, 5], [5, 5], "tie", False),
        ([6.25, 1.5], [6.24, 1.49], "win", False),
    ],
)
def test_only_both_orders_decide(candidate: Any, reference: Any, expected: str, disagree: bool) -> None:
    """A response wins or loses only where both orders say so; orders that differ in anything disagree."""
    assert outcome(candidate, reference) == expected
    result = computed((candidate, reference))
    plural = {"win": "wins", "tie": "ties", "loss": "losses"}
    assert {name: result[name] for name in plural.values()} == {
        name: int(key == expected) for key, name in plural.items()
    }
    assert result["order_disagreement"] == disagree


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    "scores", [None, [], [None, 5], [5, None], [math.nan, 5], [5, math.inf], [None, None]]
)
def test_what_cannot_be_read_is_no_tie(scores: Any, side: int) -> None:
    """A missing score, or one that is no finite number, makes its comparison unreadable and changes nothing else."""
    pair = ([5, 5], scores) if side else (scores, [5, 5])
    assert outcome(*pair) is None
    result, without = computed(WIN, pair, TIE, LOSS), computed(WIN, TIE, LOSS)
    assert (result.pop("unreadable"), without.pop("unreadable")) == (1, 0)
    assert result == without
    assert (result["comparisons"], result["ties"]) == (3, 1)


def test_nothing_readable_gives_no_numbers() -> None:
    """Where nothing was compared, ratio, intervals and disagreement are not numbers, and the counts say why."""
    result = computed((None, [5, 5]), ([5, 5], [None, 5]))
    assert (result["comparisons"], result["unreadable"]) == (0, 2)
    assert all(math.isnan(value) for value in result.values() if isinstance(value, float))
    assert recovery([], []).comparisons == 0


def test_another_number_of_orders_is_refused() -> None:
    """One order, or three, is a mistake of the caller and no unreadable judgement."""
    with pytest.raises(ValueError, match="two scores of each answer, one an order; came 1 and 2"):
        recovery([[5]], [[5, 5]])
    with pytest.raises(ValueError, match="came 3 and 3"):
        outcome([5, 5, 5], [6, 6, 6])
    with pytest.raises(ValueError, match="longer"):
        recovery([[5, 5]], [[5, 5], [6, 6]])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interval", [wilson_interval, bootstrap_interval])
def test_the_intervals_cover(interval: Any, size: int) -> None:
    """2,000 simulated evaluations of each row of table 5: the interval holds the true ratio in 95 % ± 2 % of them."""
    ends = np.array([interval(recovered, size) for recovered in range(size + 1)])
    random = np.random.default_rng(size)
    for *counts, _ in TABLE_5:
        shares = np.array(counts) / 218
        true = shares[0] + shares[1]
        drawn = random.multinomial(size, shares, EVALUATIONS)
        low, high = ends[drawn[:, 0] + drawn[:, 1]].T
        assert 0.93 <= np.mean((low <= true) & (true <= high)) <= 0.97


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("interval", "least", "most"), [(wilson_interval, 0.93, 0.97), (bootstrap_interval, 0.94, 0.98)]
)
def test_the_intervals_cover_between_the_papers_ratios_too(
    interval: Any, least: float, most: float, size: int
) -> None:
    """Summed over all evaluations that can be, for true ratios from 0.70 to 0.88: no drawing, no luck."""
    ends = np.array([interval(recovered, size) for recovered in range(size + 1)])
    ways = np.array([math.comb(size, recovered) for recovered in range(size + 1)], float)
    for true in np.linspace(0.70, 0.88, 91):
        chance = ways * true ** np.arange(size + 1) * (1 - true) ** np.arange(size, -1, -1)
        assert least <= chance[(ends[:, 0] <= true) & (true <= ends[:, 1])].sum() <= most


def test_the_bootstrap_is_what_drawing_converges_to() -> None:
    """The distribution of resampled sums agrees with 200,000 drawn ones, and with the binomial's own numbers."""
    chance = resampling_distribution([44, 174])
    assert chance.sum() == pytest.approx(1)
    assert chance[170] == pytest.approx(math.comb(218, 170) * (174 / 218) ** 170 * (44 / 218) ** 48, rel=1e-9)
    steps = resampling_distribution([3, 5, 2])
    drawn = np.random.default_rng(0).multinomial(10, [0.3, 0.5, 0.2], 200_000) @ [0, 1, 2]
    assert np.abs(np.bincount(drawn, minlength=21) / 200_000 - steps).max() < 0.005


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_the_published_one(part: int, whole: int, low: float, high: float) -> None:
    """The examples of Newcombe 1998 (Statistics in Medicine 17, table I, method 3), and their mirror images."""
    assert wilson_interval(part, whole) == pytest.approx((low, high), abs=5e-5)
    assert wilson_interval(whole - part, whole) == pytest.approx((1 - high, 1 - low), abs=5e-5)


@pytest.mark.parametrize(("part", "whole"), [(157, 218), (189, 218), (60, 80), (76, 80), (9, 252)])
def test_the_bootstrap_is_bca(part: int, whole: int) -> None:
    """A million drawn resamples, the bias counted and the acceleration jackknifed, give its ends to within a step."""
    drawn = np.random.default_rng(0).binomial(whole, part / whole, 1_000_000)
    left_out = (part - np.repeat([1, 0], [part, whole - part])) / (whole - 1)
    spread = left_out.mean() - left_out
    acceleration = (spread**3).sum() / (6 * (spread**2).sum() ** 1.5)
    normal = NormalDist()
    bias = normal.inv_cdf(float(np.mean(drawn < part) + np.mean(drawn == part) / 2))
    for level, end in zip((0.025, 0.975), bootstrap_interval(part, whole), strict=True):
        z = bias + normal.inv_cdf(level)
        expected = np.quantile(drawn, normal.cdf(bias + z / (1 - acceleration * z)), method="inverted_cdf")
        assert abs(end * whole - expected) <= 1


@pytest.mark.parametrize(("part", "whole"), [(0, 80), (80, 80), (0, 0)])
def test_resampling_cannot_show_what_was_never_seen(part: int, whole: int) -> None:
    """With one outcome alone the bootstrap has no interval; Wilson's has, and stays within 0 and 1."""
    assert all(map(math.isnan, bootstrap_interval(part, whole)))
    low, high = wilson_interval(part, whole)
    assert 0 <= low < high <= 1 if whole else math.isnan(low) and math.isnan(high)
