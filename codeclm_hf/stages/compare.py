"""Compare: how a judge scores a candidate's answer beside a reference's, in both orders (§5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from datasets import Features

from codeclm_hf import ids, schema, settings
from codeclm_hf.endpoints.protocol import Completion, Endpoint
from codeclm_hf.errors import NoAnswer, RowError, UnreadableAnswer
from codeclm_hf.prompts import Prompt, load
from codeclm_hf.stages.encode import instruction_fault
from codeclm_hf.stages.judging import SCORES, SCORES_ALONE, BothOrders, Pair, in_both_orders, scores_by_answer
from codeclm_hf.stages.parsing.json_values import json_value
from codeclm_hf.stages.parsing.scores import leading_scores
from codeclm_hf.stages.stage import Row, Stage
from codeclm_hf.stages.structured import gather, given_answer, object_of, respond

EXPLAINED_TOKENS = 512
"""Most tokens of a judgement with its explanation."""
UNREADABLE = "unreadable judgement"
"""How the `error` begins of a row whose judgement gives no scores."""
ROLES = ("candidate", "reference")
"""The two sides of a comparison."""
NO_ANSWER = {
    "no answer of either side: ": ROLES,
    **{f"no answer of the {role}: ": (role,) for role in ROLES},
}
"""How the `error` begins of a row in which a side gave no answer, and which did not."""
_RESULTS = ("scores_candidate_first", "scores_reference_first", "explanations", "error")
_EXPLAINED = object_of(scores=SCORES, explanation={"type": "string", "maxLength": 300})


class Judgement(NamedTuple):
    """What a judge wrote of two answers."""

    scores: Pair
    explanation: str | None


@dataclass(frozen=True, kw_only=True)
class Compare(Stage):
    """Instructions → comparisons without outcomes: both answers and the judge's scores in both orders (§5.3).

    A row that has a `candidate_response` or a `reference_response` is judged with it, without the thoughts
    before it; the other is asked for. Where a side gives no answer nothing is judged. Whether the scores are
    a win, a tie or a loss is for `codeclm_hf.evaluation.outcomes` to say.
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
    candidate_system: str | None = None
    """The system prompt that the candidate answers with, where it has one."""
    reference_system: str | None = None
    """The same of the reference."""

    async def rows(self, row: Row) -> list[Row]:
        """Return one comparison; one that could not be made has no scores, and its `error` says why."""
        comparison: Row = {name: row.get(name) for name in schema.JUDGEMENTS}
        comparison |= dict.fromkeys(_RESULTS)
        if error := instruction_fault(row["instruction"]):
            return [{**comparison, "error": row.get("error") or error}]
        comparison["id"] = row.get("id") or ids.row_id("instruction", row["instruction"])
        faults = _split_given(comparison)
        missing = [
            role
            for role in ROLES
            if comparison[f"{role}_response"] is None and role not in faults and getattr(self, role) is None
        ]
        if missing:  # said before the other side is asked for an answer that nothing can be compared with
            what = f"no {' and no '.join(missing)} response to this instruction"
            return [{**comparison, "error": f"there is {what}, and no endpoint to ask for one"}]
        faults = faults or await self._respond(comparison)
        if faults:
            return [{**comparison, "error": _side_error(faults)}]
        try:
            comparison |= await self._judge(comparison)
        except (UnreadableAnswer, NoAnswer) as exc:
            words = f"the judge {exc.reason}" if isinstance(exc, NoAnswer) else exc
            comparison["error"] = f"{UNREADABLE}: {words}"
        except RowError as exc:
            comparison["error"] = str(exc)
        return [comparison]

    async def _respond(self, comparison: Row) -> dict[str, RowError]:
        """Fill in the responses that are missing as they come, and return why a side has none."""

        async def fill(role: str) -> RowError | None:
            try:
                response = await respond(
                    getattr(self, role),
                    comparison["instruction"],
                    about=(role, comparison["id"]),
                    seed=self.seed,
                    temperature=self.temperature,
                    max_new_tokens=self.max_new_tokens,
                    system=getattr(self, f"{role}_system"),
                )
            except RowError as exc:
                return exc
            comparison[f"{role}_response"] = response.text
            return None

        asked = [role for role in ROLES if comparison[f"{role}_response"] is None]
        faults = dict(zip(asked, await gather(*map(fill, asked)), strict=True))
        return {role: fault for role, fault in faults.items() if fault is not None}

    async def _judge(self, comparison: Row) -> Row:
        """Return the judge's scores, and what it wrote after them."""
        judgements = await in_both_orders(
            self.judge,
            self.prompt,
            _read_judgement,
            id=comparison["id"],
            instruction=comparison["instruction"],
            answers={role: comparison[f"{role}_response"] for role in ROLES},
            seed=self.seed,
            schema=_EXPLAINED if self.explained else SCORES_ALONE,
            max_new_tokens=EXPLAINED_TOKENS,
        )
        by_order = scores_by_answer(BothOrders(judgements.as_given.scores, judgements.swapped.scores))
        explanations = [judgements.as_given.explanation, judgements.swapped.explanation]
        return {
            "explanations": explanations if any(explanations) else None,
            "scores_candidate_first": by_order.as_given,
            "scores_reference_first": by_order.swapped,
        }


def sides_without_answer(error: str | None) -> tuple[str, ...]:
    """Return which sides gave no answer, as the `error` of a row says."""
    return next((roles for words, roles in NO_ANSWER.items() if (error or "").startswith(words)), ())


def _split_given(comparison: Row) -> dict[str, RowError]:
    """Take the thoughts off the responses that a row brings, and return which of them are no answers."""
    faults: dict[str, RowError] = {}
    for role in ROLES:
        given = comparison[f"{role}_response"]
        try:
            comparison[f"{role}_response"] = (
                None if given is None else given_answer(str(given), comparison["instruction"])
            )
        except NoAnswer as exc:
            comparison[f"{role}_response"], faults[role] = None, exc
    return faults


def _side_error(faults: Mapping[str, RowError]) -> str:
    """Return the `error` of a row in which these sides have no response that could be judged."""
    silent = {role: fault.reason for role, fault in faults.items() if isinstance(fault, NoAnswer)}
    if not silent:
        return "; ".join(map(str, faults.values()))
    words = next(words for words, roles in NO_ANSWER.items() if roles == tuple(silent))
    if len(silent) == len(ROLES):
        return words + "; ".join(f"the {role} {reason}" for role, reason in silent.items())
    others = [f"the {role}: {fault}" for role, fault in faults.items() if role not in silent]
    return words + "; ".join([f"it {reason}" for reason in silent.values()] + others)


def _read_judgement(completion: Completion) -> Judgement:
    """Read the scores and what stands after them.

    Raises:
        UnreadableAnswer: there are no two scores.
    """
    return Judgement(leading_scores(completion.text), _explanation(completion.text))


def _explanation(text: str) -> str | None:
    """Return what a judge wrote after its scores; None where that is nothing, or its JSON was cut off."""
    value = json_value(text)
    explanation = value.get("explanation") if isinstance(value, dict) else text.strip().partition("\n")[2]
    return explanation.strip() or None if isinstance(explanation, str) else None
