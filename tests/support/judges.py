"""Stand-in judges whose faults are known."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from codeclm_hf.evaluation.judge_check import judge_pairs
from support.model_server import StandIn

Serve = Callable[..., StandIn]


Rate = Callable[[str, str, bool], float]
"""(instruction, answer, whether it is shown first) -> the score."""


BETTER = {(pair.instruction, pair.better) for pair in judge_pairs()}


def shown(asked: str) -> tuple[str, str, str]:
    """The instruction and the two answers that a judge is shown."""
    fence = re.search(r"lines of \[(\w+)\]", asked)
    assert fence is not None
    _, _, *parts = asked.split(f"[{fence[1]}")
    instruction, first, second = (part.partition("]")[2].strip() for part in parts[:3])
    return instruction, first, second


def judging(rate: Rate) -> Any:
    """A stand-in judge."""

    def answer(messages: list[dict[str, str]], _: dict[str, Any]) -> Any:
        instruction, first, second = shown(messages[-1]["content"])
        scores = [rate(instruction, first, True), rate(instruction, second, False)]
        return {"scores": scores, "explanation": "Assistant 2 names 3 facts, assistant 1 scores 4 of them."}

    return answer


def good(instruction: str, answer: str, _: bool) -> float:
    return 9 if (instruction, answer) in BETTER else 3
