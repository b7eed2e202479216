"""Flags: what is wrong with a response, whatever it says."""

from __future__ import annotations

CUT_OFF, EMPTY, DEGENERATE, CONTAMINATED = "cut_off", "empty", "degenerate", "contaminated"
REFUSAL, WRONG_LANGUAGE, ECHO = "refusal", "wrong_language", "echo"
FLAGS = (CUT_OFF, EMPTY, DEGENERATE, CONTAMINATED, REFUSAL, WRONG_LANGUAGE, ECHO)
"""All of them, in the order in which a row lists them."""
BLOCKING = (CUT_OFF, EMPTY, DEGENERATE, CONTAMINATED)
"""Those that keep a response from being judged."""
ASKED_AGAIN = (CUT_OFF, EMPTY, DEGENERATE)
"""Those of them for which the response is asked for once more, with twice the room."""


def flags_of(response: str, *, instruction: str, finish_reason: str) -> tuple[str, ...]:
    """Return the flags of a response, in the order of `FLAGS`, contamination left out.

    Args:
        response: its text, without thoughts.
        instruction: what it answers.
        finish_reason: why it ended; `length` where it was cut off.
    """
    found = {CUT_OFF: finish_reason == "length", EMPTY: not response.strip()}
    return tuple(flag for flag in FLAGS if found.get(flag))
