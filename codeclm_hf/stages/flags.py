"""Flags: what is wrong with a response, whatever it says."""

from __future__ import annotations

import re
from collections.abc import Iterable

from codeclm_hf.stages.contamination import CONTAMINATED
from codeclm_hf.stages.languages import are_in_different_languages
from codeclm_hf.stages.loops import LOOP, loop_length
from codeclm_hf.stages.refusal_openings import is_refusal
from codeclm_hf.text import visible_text

CUT_OFF, EMPTY, DEGENERATE = "cut_off", "empty", "degenerate"
REFUSAL, WRONG_LANGUAGE, ECHO = "refusal", "wrong_language", "echo"
FLAGS = (CUT_OFF, EMPTY, DEGENERATE, CONTAMINATED, REFUSAL, WRONG_LANGUAGE, ECHO)
"""All of them, in the order in which a row lists them."""
BLOCKING = (CUT_OFF, EMPTY, DEGENERATE, CONTAMINATED)
"""Those that keep a response from being judged."""
ASKED_AGAIN = (CUT_OFF, EMPTY, DEGENERATE)
"""Those of them for which the response is asked for once more, with twice the room."""

_ECHO_EXTRA = 0.2
"""Share of an instruction's letters that a response may add to it and be an echo still."""
_ECHO_LETTERS = 15
"""Fewest letters of an instruction that can be echoed: "Say yes" may be."""
_NOT_LETTERS = re.compile(r"[\W_]+")


def flags_of(response: str, *, instruction: str, finish_reason: str) -> tuple[str, ...]:
    """Return the flags of a response, in the order of `FLAGS`, contamination left out.

    Args:
        response: its text, without thoughts.
        instruction: what it answers.
        finish_reason: why it ended; `length` where it was cut off.
    """
    response = response.strip() if visible_text(response).strip() else ""
    found = {CUT_OFF: finish_reason == "length", EMPTY: not response}
    if response:
        found[DEGENERATE] = is_degenerate(response)
        found[REFUSAL] = is_refusal(response)
        found[WRONG_LANGUAGE] = are_in_different_languages(response, instruction)
        found[ECHO] = is_echo(response, instruction)
    return in_order(flag for flag, holds in found.items() if holds)


def in_order(flags: Iterable[str]) -> tuple[str, ...]:
    """Return flags, each once, in the order of `FLAGS`."""
    found = set(flags)
    return tuple(flag for flag in FLAGS if flag in found)


def is_degenerate(response: str) -> bool:
    """Return whether a response is a loop, by `loop_length`."""
    return loop_length(response) >= LOOP


def is_echo(response: str, instruction: str) -> bool:
    """Return whether a response is its instruction again, or begins with all of it and adds little."""
    if len(response) > 2 * len(instruction) + 100:
        return False
    asked, answered = (_NOT_LETTERS.sub("", text.casefold()) for text in (instruction, response))
    extra = len(answered) - len(asked)
    return len(asked) >= _ECHO_LETTERS and answered.startswith(asked) and extra <= _ECHO_EXTRA * len(asked)
