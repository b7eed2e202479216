"""Two answers shown to the judge in both orders, against position bias (§4.3, §5.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from codeclm_hf import ids
from codeclm_hf.endpoints.protocol import Completion, Endpoint
from codeclm_hf.prompts import Prompt
from codeclm_hf.stages.structured import array_of, ask, gather, object_of

SCORES = array_of({"type": "integer", "minimum": 1, "maximum": 10}, 2)
"""The JSON schema of the two scores."""
SCORES_ALONE = object_of(scores=SCORES)
"""The JSON schema of a judgement that is nothing but scores."""

T = TypeVar("T")
Pair = tuple[float, float]
"""The scores of the two answers, in the order in which they were shown."""


@dataclass(frozen=True)
class BothOrders(Generic[T]):
    """What was read from the two judgements of one pair of answers."""

    as_given: T
    """With the first answer shown first."""
    swapped: T
    """With the second answer shown first."""


async def in_both_orders(
    judge: Endpoint,
    prompt: Prompt,
    read: Callable[[Completion], T],
    *,
    id: str,
    instruction: str,
    answers: Mapping[str, str],
    seed: int,
    schema: Mapping[str, Any] = SCORES_ALONE,
    **how: Any,
) -> BothOrders[T]:
    """Return two judgements of a pair of answers, each answer shown first once.

    Args:
        judge: whom to ask; greedily.
        prompt: gets `instruction`, `first`, `second` and a `fence` that no answer can know.
        read: the reader of a judgement; raises `UnreadableAnswer`.
        id: the row that the answers belong to.
        instruction: what was answered.
        answers: the two answers by their names, such as `strong` and `target`.
        seed: the run's seed.
        schema: the JSON schema of the judge's answer.
        how: further arguments of `ask`.

    Raises:
        UnreadableAnswer: a judgement gives no two scores.
    """
    (name, answer), (other_name, other_answer) = answers.items()

    async def judge_once(order: str, first: str, second: str) -> T:
        # Hashed from the answers too: whoever wrote them could not know it, so they cannot close the fence.
        fence = ids.row_id(seed, order, id, first, second)
        messages = prompt.messages(instruction=instruction, first=first, second=second, fence=fence)
        about = ("judge", order, id)
        return await ask(judge, messages, read, schema=schema, seed=seed, about=about, temperature=0.0, **how)

    as_given, swapped = await gather(
        judge_once(f"{name} first", answer, other_answer),
        judge_once(f"{other_name} first", other_answer, answer),
    )
    return BothOrders(as_given, swapped)


def scores_by_answer(scores: BothOrders[Pair]) -> BothOrders[list[float]]:
    """Return the scores as [of the first answer, of the second answer], in either order of showing them."""
    return BothOrders([*scores.as_given], [*reversed(scores.swapped)])
