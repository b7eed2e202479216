"""The Capacity Recovery Ratio against the paper's own table."""

from __future__ import annotations

import pytest

from codeclm_hf.metrics.capacity_recovery import CapacityRecovery

TABLE_5 = [
    (17, 140, 61, 72.02), (29, 136, 53, 75.69), (17, 147, 54, 75.23), (26, 148, 44, 79.82),
    (23, 141, 54, 75.23), (26, 154, 38, 82.57), (19, 143, 56, 74.31), (30, 149, 39, 82.11),
    (19, 146, 53, 75.69), (31, 153, 34, 84.40), (29, 145, 44, 79.82), (35, 154, 29, 86.70),
]  # fmt: skip
WIN, TIE, LOSS = ([8, 7], [5, 6]), ([8, 5], [6, 6]), ([2, 3], [4, 9])


@pytest.mark.parametrize(("wins", "ties", "losses", "ratio"), TABLE_5)
def test_the_papers_counts_give_its_ratios(wins: int, ties: int, losses: int, ratio: float) -> None:
    """Every row of table 5, to two decimals."""
    pairs = [WIN] * wins + [TIE] * ties + [LOSS] * losses
    result = CapacityRecovery().compute(predictions=[p for p, _ in pairs], references=[r for _, r in pairs])
    assert (result["wins"], result["ties"], result["losses"]) == (wins, ties, losses)
    assert f"{100 * result['capacity_recovery_ratio']:.2f}" == f"{ratio:.2f}"


@pytest.mark.parametrize(
    ("candidate", "reference", "outcome"),
    [
        ([6, 6], [5, 5], "wins"),
        ([5, 5], [6, 6], "losses"),
        ([6, 5], [5, 6], "ties"),
        ([6, 5], [5, 5], "ties"),
        ([5, 5], [5, 5], "ties"),
    ],
)
def test_only_both_orders_decide(candidate: list[float], reference: list[float], outcome: str) -> None:
    """A response wins or loses only where both orders say so."""
    result = CapacityRecovery().compute(predictions=[candidate], references=[reference])
    assert [name for name in ("wins", "ties", "losses") if result[name]] == [outcome]
