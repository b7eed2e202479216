"""The Capacity Recovery Ratio (§5.3) as an `evaluate` metric."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

# A relative import makes evaluate take the file along, so that codeclm-hf need not be installed. evaluate
# parses these lines itself: it wants one import on each, and takes a comment behind one for a URL.
from .outcomes import recovery

_DESCRIPTION = """
A response wins only if the judge scores it higher in both orders of showing the two; it loses if it is scored
lower in both; anything else is a tie. The Capacity Recovery Ratio is (wins + ties) / comparisons.
"""
_CITATION = """
Wang, Li, Perot, Le, Miao, Zhang, Lee, Pfister. CodecLM: Aligning Language Models with Tailored Synthetic
Data. Findings of NAACL 2024. arXiv:2404.05875.
"""
_INPUTS = """
Args:
    predictions: for each comparison, the candidate's two scores, one for each order.
    references: for each comparison, the reference's two scores, in the same orders.

Returns:
    wins, ties, losses: of the candidate.
    comparisons: their sum.
    unreadable: comparisons with a score that is missing or not a finite number; nothing else counts them.
    capacity_recovery_ratio: (wins + ties) / comparisons; not a number when nothing was compared.
    wilson_low, wilson_high: its 95 % interval by Wilson's score.
    bootstrap_low, bootstrap_high: the same by resampling the comparisons (BCa); not a number where all are
        recovered, or none is.
    order_disagreement: share of the comparisons whose two orders do not say the same.
"""


class CapacityRecovery(evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """The metric: `CapacityRecovery().compute(predictions=…, references=…)`.

    `evaluate.load` takes this file's path; `codeclm_hf.hub.push_metric` puts the metric on the Hub.
    """

    def _info(self) -> evaluate.MetricInfo:
        scores = datasets.Sequence(datasets.Value("float64"))  # which older datasets know, too
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": scores, "references": scores}),
        )

    def _compute(self, *, predictions: list[list[float]], references: list[list[float]]) -> dict[str, Any]:
        return recovery(predictions, references)._asdict()
