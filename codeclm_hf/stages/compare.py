"""Compare: how a judge scores a candidate's answer beside a reference's, in both orders (§5.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from datasets import Features

from codeclm_hf import ids, schema, settings
from codeclm_hf.endpoints.protocol import Completion, Endpoint
from codeclm_hf.errors import RowError, UnreadableAnswer
from codeclm_hf.prompts import Prompt, load
from codeclm_hf.stages.encode import instruction_fault
from codeclm_hf.stages.judging import SCORES, SCORES_ALONE, BothOrders, Pair, in_both_orders, scores_by_answer
from codeclm_hf.stages.parsing import answers
from codeclm_hf.stages.parsing.scores import leading_scores
from codeclm_hf.stages.stage import Row, Stage
from codeclm_hf.stages.structured import gather, object_of, respond

EXPLAINED_TOKENS = 512
"""Most tokens of a judgement with its explanation."""
UNREADABLE = "unreadable judgement"
"""How the `error` begins of a row whose judgement gives no scores."""
ROLES = ("candidate", "reference")
"""The two sides of a comparison."""
_RESULTS = ("scores_candidate_first", "scores_reference_first", "explanations", "error")
_EXPLAINED = object_of(scores=SCORES, explanation={"type": "string", "maxLength": 300})


class Judgement(NamedTuple):
    """What a judge wrote of two answers."""

    scores: Pair
    explanation: str | None


@dataclass(frozen=True, kw_only=True)
class Compare(Stage):
    """Instructions → comparisons without outcomes: both answers and the judge's scores in both orders (§5.3).

    A row that has a `candidate_response` or a `reference_response` is judged with it; the other is asked for.
    Whether the scores are a win, a tie or a loss is for `codeclm_hf.evaluation.outcomes` to say.
    """

    features: ClassVar[Features] = schema.JUDGEMENTS
    needs: ClassVar[tuple[str, ...]] = ("instruction",)

    judge: Endpoint
    candidate: Endpoint | None = None
    """Who answers where a row has no `candidate_response`."""
    reference: Endpoint | None = None
    """The same for `reference_response`."""
    prompt: Prompt = field(default_factory=lambda: load("compare"))
    explained: bool = True
    """Whether the prompt asks the judge to explain its scores after them."""
    temperature: float = settings.TEMPERATURE
    """Of the answers; the judge is greedy."""
    max_new_tokens: int = settings.MAX_NEW_TOKENS
    """Of an answer."""

    async def rows(self, row: Row) -> list[Row]:
        """Return one comparison; one that could not be made has no scores, and its `error` says why."""
        comparison: Row = {name: row.get(name) for name in schema.JUDGEMENTS}
        comparison |= dict.fromkeys(_RESULTS)
        if error := instruction_fault(row["instruction"]):
            return [{**comparison, "error": row.get("error") or error}]
        comparison["id"] = row.get("id") or ids.row_id("instruction", row["instruction"])
        missing = [
            role for role in ROLES if comparison[f"{role}_response"] is None and getattr(self, role) is None
        ]
        if missing:  # said before the other side is asked for an answer that nothing can be compared with
            what = f"no {' and no '.join(missing)} response to this instruction"
            return [{**comparison, "error": f"there is {what}, and no endpoint to ask for one"}]
        try:
            candidate, reference = await gather(
                *(self._response(role, getattr(self, role), comparison) for role in ROLES)
            )
            comparison |= {"candidate_response": candidate, "reference_response": reference}
            judgements = await in_both_orders(
                self.judge,
                self.prompt,
                _read_judgement,
                id=comparison["id"],
                instruction=comparison["instruction"],
                answers={"candidate": candidate, "reference": reference},
                seed=self.seed,
                schema=_EXPLAINED if self.explained else SCORES_ALONE,
                max_new_tokens=EXPLAINED_TOKENS,
            )
            by_order = scores_by_answer(BothOrders(judgements.as_given.scores, judgements.swapped.scores))
            first, second = by_order.as_given, by_order.swapped
            explanations = [judgements.as_given.explanation, judgements.swapped.explanation]
            comparison["explanations"] = explanations if any(explanations) else None
            comparison |= {"scores_candidate_first": first, "scores_reference_first": second}
        except UnreadableAnswer as exc:
            comparison["error"] = f"{UNREADABLE}: {exc}"
        except RowError as exc:
            comparison["error"] = str(exc)
        return [comparison]

    async def _response(self, role: str, endpoint: Endpoint, row: Row) -> str:
        if row[f"{role}_response"] is not None:
            return str(row[f"{role}_response"])
        response = await respond(
            endpoint,
            row["instruction"],
            about=(role, row["id"]),
            seed=self.seed,
            temperature=self.temperature,
            max_new_tokens=self.max_new_tokens,
        )
        return response.text


def _read_judgement(completion: Completion) -> Judgement:
    """Read the scores and what stands after them.

    Raises:
        UnreadableAnswer: there are no two scores.
    """
    return Judgement(leading_scores(completion.text), _explanation(completion.text))


def _explanation(text: str) -> str | None:
    """Return what a judge wrote after its scores; None where that is nothing, or its JSON was cut off."""
    value = answers.json_value(text)
    explanation = value.get("explanation") if isinstance(value, dict) else text.strip().partition("\n")[2]
    return explanation.strip() or None if isinstance(explanation, str) else None
