"""Two answers shown to the judge in both orders, against position bias (§4.3, §5.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from codeclm_hf import ids
from codeclm_hf.endpoints.protocol import Completion, Endpoint
from codeclm_hf.prompts import Prompt
from codeclm_hf.stages.structured import array_of, ask, object_of, together

SCORES = array_of({"type": "integer", "minimum": 1, "maximum": 10}, 2)
SCORES_ALONE = object_of(scores=SCORES)

T = TypeVar("T")
Pair = tuple[float, float]
"""The scores of the two answers in the order shown."""


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
) -> tuple[T, T]:
    """Have two answers scored twice, each once shown first.

    Args:
        judge: whom to ask; greedily.
        prompt: gets `instruction`, `first`, `second` and a `fence` that no answer can know.
        read: the reader of a judgement; raises `UnreadableAnswer`.
        id: the row that the answers belong to.
        instruction: what was answered.
        answers: the two answers by their names.
        seed: the run's seed.
        schema: the JSON schema of the judge's answer.
        how: as for `ask`.

    Returns:
        What was read with the first name's answer shown first, and with the second's.

    Raises:
        UnreadableAnswer: a judgement gives no two scores.
    """
    (one, first), (other, second) = answers.items()

    async def judged(order: str, first: str, second: str) -> T:
        # Hashed from the answers too: whoever wrote them could not have known it, so they cannot close the fence.
        fence = ids.row_id(seed, order, id, first, second)
        messages = prompt.messages(instruction=instruction, first=first, second=second, fence=fence)
        about = ("judge", order, id)
        return await ask(judge, messages, read, schema=schema, seed=seed, of=about, temperature=0.0, **how)

    as_given, swapped = await together(
        judged(f"{one} first", first, second), judged(f"{other} first", second, first)
    )
    return as_given, swapped


def scores_by_answer(as_given: Pair, swapped: Pair) -> tuple[list[float], list[float]]:
    """The scores of both orders as [of the first answer, of the second] each."""
    return [*as_given], [*reversed(swapped)]
