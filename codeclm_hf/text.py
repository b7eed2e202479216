"""Text of data as words: made harmless, cut, and compared."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

SHORT = 300
"""Characters of a long text that are shown."""
NAME = 80
"""Characters of a name that are shown."""
AROUND = 6
"""Words that stay on each side of a change where the rest is elided."""
MOST_COMPARED = 400
"""Words that are compared, from the first that differs to the last."""
LONGEST_CHANGE = 400
"""Characters of one change that are shown."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Control characters, marks that turn the direction of writing, half characters."""
ALONE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
"""Characters of scripts that put no spaces between words: each is a word."""
_WORD = re.compile(rf"\s?(?:[{ALONE}]|[^\s{ALONE}]{{1,40}})")


class Run(NamedTuple):
    """A stretch of two texts as it is shown: elided where it is long."""

    same: bool
    before: str
    after: str


def clean(text: str) -> str:
    """The text as one line of what can be seen."""
    return " ".join(visible(text).split())


def visible(text: str) -> str:
    """The text without control characters and marks that turn the direction of writing; it keeps its lines."""
    return _UNSEEN.sub("", text)


def short(text: str, length: int = SHORT) -> str:
    """The beginning of the text, as one line of what can be seen."""
    line = clean(text)
    return line if len(line) <= length else line[:length] + "…"


def name(text: str) -> str:
    """A name, never empty, as one short line of what can be seen."""
    return short(text, NAME) or "(empty)"


def meant(given: str, known: Iterable[str]) -> str:
    """The end of a sentence about a word that is not known: the nearest that is, if one is near."""
    near = difflib.get_close_matches(given, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def told(value: Any) -> str:
    """A value of a row as a reader wants it: chats as turns, lists of names with commas."""
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


def compare(before: Any, after: Any) -> list[Run]:
    """Two values of a row, word by word; none where they are the same.

    Values that only differ in what a reader cannot see (white space, a type, control characters) are written as
    Python writes them in ASCII.
    """
    exact = [ascii(value).replace("  ", " \\x20") for value in (before, after)]
    if exact[0] == exact[1]:
        return []
    b, a = (_WORD.findall(clean(told(value))) for value in (before, after))
    if _bare(b) == _bare(a):
        b, a = map(_WORD.findall, exact)
    return [Run(same, "".join(b), "".join(a)) for same, b, a in _runs(b, a) if any(b) or any(a)]


def _runs(before: list[str], after: list[str]) -> Iterator[tuple[bool, list[str], list[str]]]:
    """(the same on both sides, words before, words after)."""
    b, a = _bare(before), _bare(after)
    shorter = min(len(b), len(a))
    head = next((n for n in range(shorter) if b[n] != a[n]), shorter)
    tail = next((n for n in range(shorter - head) if b[-1 - n] != a[-1 - n]), shorter - head)
    ends = len(b) - tail, len(a) - tail
    stops = [min(end, head + MOST_COMPARED) for end in ends]
    yield True, _elided(before[:head], first=0), _elided(after[:head], first=0)
    for tag, *at in difflib.SequenceMatcher(None, b[head : stops[0]], a[head : stops[1]]).get_opcodes():
        runs = before[head + at[0] : head + at[1]], after[head + at[2] : head + at[3]]
        if tag == "equal":
            yield True, _elided(runs[0]), _elided(runs[1])
        else:
            yield False, _cut(runs[0]), _cut(runs[1])
    left = [end - stop for end, stop in zip(ends, stops, strict=True)]
    notes = [[f" … {count} more words"] if count else [] for count in left]
    yield False, notes[0], notes[1]
    yield True, _elided(before[ends[0] :], last=0), _elided(after[ends[1] :], last=0)


def _elided(run: list[str], *, first: int = AROUND, last: int = AROUND) -> list[str]:
    return run if len(run) <= first + last + 3 else [*run[:first], " …", *run[len(run) - last :]]


def _cut(run: list[str]) -> list[str]:
    text = "".join(run)
    return [text if len(text) <= LONGEST_CHANGE else text[:LONGEST_CHANGE] + "…"]


def _bare(words: list[str]) -> list[str]:
    return [word.strip() for word in words]
