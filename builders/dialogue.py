"""What a user asked in a dialogue: the turns of chat messages and of ShareGPT's conversations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from codeclm_hf.endpoints.reply import THOUGHT_PARTS

from .formats import describe

_USER = {"user", "human", "prompter"}
_SYSTEM = {"system", "developer"}
_TOOL = {"tool", "function", "function_call", "function_response", "tool_call", "tool_response",
         "observation", "ipython"}  # fmt: skip
_TOOL_FIELDS = ("tool_calls", "function_call", "tool_call_id")
_TEXT_PARTS = {"text", "input_text", "output_text", None}
_TOOL_PARTS = {"tool_use", "tool_result", "function_call", "function_call_output"}
MEDIA_COLUMNS = ("image", "images", "video", "videos", "audio", "audios")
"""Where data sets keep what a dialogue shows."""
TOOLS = "the dialogue has tool calls, needs text alone"
MEDIA = "the dialogue has images or other media, needs text alone"


class Fault(NamedTuple):
    """Why a row gives no instruction, as its `error` will say it; it never quotes the row."""

    reason: str


def turns_in(value: Any) -> list[Mapping[str, Any]] | None:
    """Return the turns of a dialogue, which may be JSON text as in CSV files; None if it is no dialogue."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, list) or not all(
        isinstance(turn, dict) and ({"role", "from"} & set(turn)) for turn in value
    ):
        return None
    return value


def user_text(row: Mapping[str, Any], dialogue: Any, whole: bool = False) -> str | Fault:
    """Return what a user asked in a dialogue: the first user turn, or all turns up to the last user turn.

    Of all turns, each stands after its role. System prompts are left out: they are no instructions.

    Returns:
        The text, or a `Fault` where there are tool calls, images or other media, or no user turn.
    """
    turns = turns_in(dialogue)
    if turns is None and not dialogue:
        return Fault("there is no turn")
    if turns is None:
        return Fault(f"the dialogue is {describe(dialogue)}, needs a list of turns with roles")
    if any(row.get(column) for column in MEDIA_COLUMNS):
        return Fault(MEDIA)
    spoken: list[tuple[str, str]] = []
    for turn in turns:
        role = str(turn.get("role") or turn.get("from")).strip().lower()
        if role in _TOOL or any(turn.get(field) for field in _TOOL_FIELDS):
            return Fault(TOOLS)
        text = _content(turn.get("content", turn.get("value")))
        if isinstance(text, Fault):
            return text
        if role not in _SYSTEM:
            spoken.append(("user" if role in _USER else "assistant", text))
    return instruction_of_turns(spoken, whole)


def assistant_text(turns: Sequence[Mapping[str, Any]] | None) -> str | None:
    """Return the text of the assistant's first turn, or None."""
    for turn in turns or ():
        if str(turn.get("role") or turn.get("from")).strip().lower() not in _USER | _SYSTEM | _TOOL:
            text = _content(turn.get("content", turn.get("value")))
            return text if isinstance(text, str) else None
    return None


def instruction_of_turns(turns: Sequence[tuple[str, str]], whole: bool) -> str | Fault:
    """Return the instruction in turns of (role, text), as `user_text` does."""
    users = [at for at, (role, _) in enumerate(turns) if role == "user"]
    if not users:
        return Fault("there is no user turn")
    if not whole or users[-1] == 0:
        return turns[users[0]][1]
    return "\n\n".join(f"{role}: {text}" for role, text in turns[: users[-1] + 1])


def _content(content: Any) -> str | Fault:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return Fault(f"a turn is {describe(content)}, needs text")
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(kind, str) and kind in _TOOL_PARTS:
            return Fault(TOOLS)
        if isinstance(kind, str) and kind in THOUGHT_PARTS:
            continue  # what a model thought is no part of what it said
        if not (isinstance(kind, str | None) and kind in _TEXT_PARTS and isinstance(text, str)):
            return Fault(MEDIA)
        texts.append(text)
    return "\n".join(texts)
