"""Words for readers: text of data made harmless, cut and compared; shares as percentages; "did you mean"."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

SHOWN_LENGTH = 300
"""Characters of a long text that are shown."""
NAME_LENGTH = 80
"""Characters of a name that are shown."""
ROWS_SHOWN = 10
"""Rows of each kind and config that a comparison of two versions has, unless another limit is given."""
CONTEXT_WORDS = 6
"""Words that stay on each side of a change where the rest is elided."""
MOST_COMPARED_WORDS = 400
"""Words that are compared, from the first that differs to the last."""
LONGEST_CHANGE = 400
"""Characters of one change that are shown."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Control characters, marks that turn the direction of writing, half characters."""
UNSPACED_SCRIPTS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
)
"""Characters of scripts that put no spaces between words: each is a word."""
_WORD = re.compile(rf"\s?(?:[{UNSPACED_SCRIPTS}]|[^\s{UNSPACED_SCRIPTS}]{{1,40}})")


class DiffSpan(NamedTuple):
    """One stretch of a comparison of two texts; a long one is shortened to its ends."""

    same: bool
    """Whether both texts have it."""
    before: str
    """What the first text has here; empty where something was added."""
    after: str
    """What the second text has here; empty where something was removed."""


def single_line(text: str) -> str:
    """Return the text on one line, without characters that cannot be seen."""
    return " ".join(visible_text(text).split())


def visible_text(text: str) -> str:
    """Return the text without control characters and marks of direction; it keeps its lines."""
    return _UNSEEN.sub("", text)


def shorten(text: str, length: int = SHOWN_LENGTH) -> str:
    """Return the beginning of the text on one line, without what cannot be seen; `…` ends a cut one."""
    line = single_line(text)
    return line if len(line) <= length else line[:length] + "…"


def display_name(text: str) -> str:
    """Return a name on one short line, without characters that cannot be seen; it is never empty."""
    return shorten(text, NAME_LENGTH) or "(empty)"


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `; did you mean X?` with the choice spelled most like the word, or "" where none is close."""
    close = difflib.get_close_matches(word, list(choices), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def percentage(share: float) -> str:
    """Return a share of 1 as a percentage with one decimal; one that would round to nothing is `< 0.1 %`."""
    return "< 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"


def money(amount: float) -> str:
    """Return an amount with two decimals; a small one has two digits that say something."""
    exponent = int(f"{amount:e}".partition("e")[2])
    return f"{amount:.{max(2, 1 - exponent)}f}"


def value_text(value: Any) -> str:
    """Return a value of a row as text: a chat as turns, names with commas, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if (
        isinstance(value, list)
        and value
        and all(isinstance(item, dict) and "content" in item for item in value)
    ):
        return "\n".join(f"{turn.get('role')}: {turn['content']}" for turn in value)
    return "none" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def word_diff(before: Any, after: Any) -> list[DiffSpan]:
    """Compare two values of a row word by word; the list is empty where they are the same.

    Values that differ only in what a reader cannot see (white space, a type, control characters) are compared
    as Python writes them in ASCII.
    """
    exact = [ascii(value).replace("  ", " \\x20") for value in (before, after)]
    if exact[0] == exact[1]:
        return []
    b, a = (_WORD.findall(single_line(value_text(value))) for value in (before, after))
    if _strip_words(b) == _strip_words(a):
        b, a = map(_WORD.findall, exact)
    return [DiffSpan(same, "".join(b), "".join(a)) for same, b, a in _runs(b, a) if any(b) or any(a)]


def _runs(before: list[str], after: list[str]) -> Iterator[tuple[bool, list[str], list[str]]]:
    """Yield stretches of two texts: whether both have the same words there, and the words of each."""
    b, a = _strip_words(before), _strip_words(after)
    shorter = min(len(b), len(a))
    head = next((n for n in range(shorter) if b[n] != a[n]), shorter)
    tail = next((n for n in range(shorter - head) if b[-1 - n] != a[-1 - n]), shorter - head)
    ends = len(b) - tail, len(a) - tail
    stops = [min(end, head + MOST_COMPARED_WORDS) for end in ends]
    yield True, _elide(before[:head], first=0), _elide(after[:head], first=0)
    for tag, *at in difflib.SequenceMatcher(None, b[head : stops[0]], a[head : stops[1]]).get_opcodes():
        runs = before[head + at[0] : head + at[1]], after[head + at[2] : head + at[3]]
        if tag == "equal":
            yield True, _elide(runs[0]), _elide(runs[1])
        else:
            yield False, _shorten_change(runs[0]), _shorten_change(runs[1])
    left = [end - stop for end, stop in zip(ends, stops, strict=True)]
    notes = [[f" … {count} more words"] if count else [] for count in left]
    yield False, notes[0], notes[1]
    yield True, _elide(before[ends[0] :], last=0), _elide(after[ends[1] :], last=0)


def _elide(run: list[str], *, first: int = CONTEXT_WORDS, last: int = CONTEXT_WORDS) -> list[str]:
    return run if len(run) <= first + last + 3 else [*run[:first], " …", *run[len(run) - last :]]


def _shorten_change(run: list[str]) -> list[str]:
    text = "".join(run)
    return [text if len(text) <= LONGEST_CHANGE else text[:LONGEST_CHANGE] + "…"]


def _strip_words(words: list[str]) -> list[str]:
    return [word.strip() for word in words]
