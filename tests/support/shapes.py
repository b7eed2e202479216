"""How models that think write, as servers pass it on: the shapes of a stand-in's replies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from support.world import number

MARK = "θ"
"""A character that every thought of a stand-in has, and nothing else."""
USUAL, LONG = 300, 4500
"""Words of a thought: more than the least cap of an answer, and more than the usual room for thoughts."""
LONG_ONES = 10
"""Of so many requests one is thought about for long."""


@dataclass(frozen=True)
class Shape:
    """Where the thoughts stand in a message, and where the answer, which a cut may have left out."""

    message: Callable[[str, str | None], dict[str, Any]]
    counts_thoughts: bool = False
    """Whether `usage` tells the thoughts' tokens."""

    def choice(self, asked: str, text: str, cap: int) -> dict[str, Any]:
        """Return the choice of a reply, cut off after so many words."""
        thoughts = thoughts_about(asked)
        words = text.split(" ")
        room = max(0, cap - len(thoughts))
        cut_off = len(words) > room
        whole = thoughts[:cap], None if not room else " ".join(words[:room]) if cut_off else text
        message = {"role": "assistant", **self.message(" ".join(whole[0]), whole[1])}
        return {"index": 0, "message": message, "finish_reason": "length" if cut_off else "stop"}

    def usage(self, asked: str, text: str, cap: int) -> dict[str, Any]:
        """Return the tokens of a reply: its words."""
        thoughts = len(thoughts_about(asked))
        written = min(cap, thoughts + len(text.split(" ")))
        usage: dict[str, Any] = {"prompt_tokens": len(asked.split()), "completion_tokens": written}
        if self.counts_thoughts:
            usage["completion_tokens_details"] = {"reasoning_tokens": min(cap, thoughts)}
        return usage


def thoughts_about(asked: str) -> list[str]:
    """Return the words of a thought, among which are all the answers that it might be taken for."""
    length = LONG if number("long", asked) % LONG_ONES == 0 else USUAL
    words = (
        f'{MARK} Use case: {MARK}\nSkills: {MARK}\n\n1. {MARK}?\n2. {MARK}!\n\n{{"scores": [1, 1]}} or\n9 9 '
    )
    found = words.split(" ")
    return (found * (length // len(found) + 1))[:length]


def _inline(opening: str, closing: str, ending: str = "", between: str = "\n") -> Shape:
    def message(thinking: str, text: str | None) -> dict[str, Any]:
        begun = f"{opening}{between}{thinking}"
        return {"content": begun if text is None else f"{begun}\n{closing}{between}{text}{ending}"}

    return Shape(message)


def _field(name: str, empty: Any = None, **more: Any) -> Shape:
    return Shape(lambda thinking, text: {"content": empty if text is None else text, name: thinking, **more})


def _parts(thought: Callable[[str], dict[str, Any]]) -> Shape:
    def message(thinking: str, text: str | None) -> dict[str, Any]:
        parts = [thought(thinking)]
        return {"content": parts if text is None else [*parts, {"type": "text", "text": text}]}

    return Shape(message)


def _harmony(thinking: str, text: str | None) -> dict[str, Any]:
    begun = f"<|channel|>analysis<|message|>{thinking}"
    final = f"<|end|><|start|>assistant<|channel|>final<|message|>{text}<|return|>"
    return {"content": begun if text is None else begun + final}


SHAPES = {
    "field reasoning_content": _field("reasoning_content"),
    "field reasoning": _field("reasoning", reasoning_content=None),
    "field, empty content": _field("reasoning_content", ""),
    "details": Shape(
        lambda thinking, text: {
            "content": text, "reasoning": thinking,
            "reasoning_details": [{"type": "reasoning.text", "text": thinking}],
        }
    ),
    "hidden": Shape(lambda thinking, text: {"content": text}, counts_thoughts=True),
    "hidden, uncounted": Shape(lambda thinking, text: {"content": text or ""}),
    "parts thinking": _parts(lambda thinking: {"type": "thinking", "thinking": [{"type": "text", "text": thinking}]}),
    "parts reasoning": _parts(lambda thinking: {"type": "reasoning", "text": thinking}),
    "inline": _inline("<think>", "</think>"),
    "inline, answer in marks": _inline("<think>", "</think>\n<answer>", "</answer><|im_end|>"),
    "inline, other family": _inline("[THINK]", "[/THINK]", "</s>", between=""),
    "opened by the template": _inline("", "</think>"),
    "opened by the template, other family": _inline("", "<|END_THINKING|>", between=""),
    "field, told apart by the end alone": Shape(
        lambda thinking, text: (
            {"content": thinking} if text is None else {"content": text, "reasoning_content": thinking}
        )
    ),
    "harmony": Shape(_harmony),
    "harmony, special tokens left out": Shape(
        lambda thinking, text: {
            "content": f"analysisWe {thinking}" + ("" if text is None else f"assistantfinal{text}")
        }
    ),
}  # fmt: skip
"""The shapes by name; each is cut off where the most tokens of its request are spent."""
