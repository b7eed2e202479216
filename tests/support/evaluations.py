"""Results of evaluations, made straight from outcomes: no model, no judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codeclm_hf.evaluation.comparisons import Comparison
from codeclm_hf.evaluation.groups import group_results, result_of
from codeclm_hf.evaluation.judge_check import JudgeReport
from codeclm_hf.evaluation.results import BenchmarkSource, EvaluationResults, Models, NotJudged, Settings

MODELS = Models(candidate="small", reference="big", judge="third")
JUDGE = JudgeReport(
    fit=True,
    judge="third",
    pairs=36,
    readable=1.0,
    accuracy=0.9,
    order_bias=-0.25,
    order_disagreement=0.0,
    length_bias=None,
    injection_rate=0.1,
    faults=(),
)
_SCORES: dict[str | None, Any] = {
    "win": ((8.0, 7.0), (5.0, 6.0)),
    "tie": ((8.0, 5.0), (5.0, 8.0)),
    "loss": ((2.0, 3.0), (9.0, 4.0)),
    None: (None, None),
}
"""The candidate's scores in both orders, and the reference's."""


def comparison(outcome: str | None, use_case: str | None = "letters", text: str = "Do it.") -> Comparison:
    """A comparison with this outcome; one without an outcome has the text as its error, too."""
    candidate, reference = _SCORES[outcome]
    return Comparison(
        id="0a",
        instruction=text,
        source=None,
        use_case=use_case,
        skills=(),
        candidate_scores=candidate,
        reference_scores=reference,
        error=None if outcome else text,
    )


def results_of(
    rows: Sequence[Comparison], models: Models = MODELS, prompt: str = "0a", **more: Any
) -> EvaluationResults:
    """What an evaluation with these comparisons would find, by use case.

    Args:
        rows: the comparisons.
        models: who was compared, and who judged.
        prompt: the hash of the judge's prompt.
        more: other fields of the results.
    """
    parts: dict[str, Any] = {
        "codeclm_hf": "0.1.0",
        "models": models,
        "settings": Settings(temperature=0.7, max_new_tokens=2048, seed=0, prompt=prompt),
        "benchmark": BenchmarkSource(rows=len(rows), sources=(), license=None, repeated=0),
        "judge": JUDGE,
        "overall": result_of(rows),
        "by": "use_case",
        "groups": group_results(rows, "use_case"),
        "not_judged": NotJudged(
            without_a_response=0,
            with_an_unreadable_judgement=sum(not row.outcome for row in rows),
            without_an_instruction=0,
            failed_otherwise=0,
        ),
        "without_a_response": {},
        "to_other_instructions": {},
        "usage": (),
    }
    return EvaluationResults(**{**parts, **more})
