"""Capacity Recovery Ratio (§5.3), as an `evaluate` metric: how often a candidate does as well as the reference."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

_DESCRIPTION = """
A response wins only if the judge scores it higher in both orders of showing the two; it loses if it is scored lower in
both; anything else is a tie. The Capacity Recovery Ratio is (wins + ties) / comparisons.
"""
_CITATION = """
Wang, Li, Perot, Le, Miao, Zhang, Lee, Pfister. CodecLM: Aligning Language Models with Tailored Synthetic Data.
Findings of NAACL 2024. arXiv:2404.05875.
"""
_INPUTS = """
Args:
    predictions: for each comparison, the candidate's two scores, one an order.
    references: for each comparison, the reference's two scores, in the same orders.

Returns:
    wins, ties, losses: of the candidate.
    capacity_recovery_ratio: in [0, 1]; not a number when nothing was compared.
"""


class CapacityRecovery(evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """The metric; `CapacityRecovery().compute(predictions=…, references=…)`."""

    def _info(self) -> evaluate.MetricInfo:
        scores = datasets.List(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": scores, "references": scores}),
        )

    def _compute(self, *, predictions: list[list[float]], references: list[list[float]]) -> dict[str, Any]:
        comparisons = [list(zip(*pair, strict=True)) for pair in zip(predictions, references, strict=True)]
        wins = sum(all(candidate > reference for candidate, reference in orders) for orders in comparisons)
        losses = sum(all(candidate < reference for candidate, reference in orders) for orders in comparisons)
        ties = len(comparisons) - wins - losses
        return {
            "wins": wins,
            "ties": ties,
            "losses": losses,
            "capacity_recovery_ratio": (wins + ties) / len(comparisons) if comparisons else float("nan"),
        }
