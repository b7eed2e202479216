"""The items of a list that a model wrote, in any style of numbering, without the talk around them."""

from __future__ import annotations

import re
import textwrap
from itertools import pairwise

from codeclm_hf.stages.parsing.numbering import Mark, mark_of, marks_within
from codeclm_hf.stages.parsing.talk import CHAT, introduces

_OUTRO = re.compile(r"""(?ix)
        [*_(]{0,3}(?:let\ me\ know|i\ (?:hope|tried)|hope\ (?:this|these|that|it)
        |feel\ free|is\ there\ anything|enjoy
        |these\ (?:instructions|tasks|prompts|are|cover|vary)|each\ (?:instruction|of\ these)|all\ of\ these
        |if\ you\ (?:need|want|['’]?d\ like|would\ like)|do\ you\ (?:want|need)|happy\ to|would\ you\ like
        |this\ (?:instruction|version|rewrite|makes|adds)
        |(?:explanation|rationale|justification|what\ changed|changes(?:\ made)?)\ ?[*_]{0,3}:)(?!\w)""")
_POINTS_ON = re.compile(r":\s*$|\b(?:following|below)\b", re.I)
_ENDED = re.compile(r"""[.?!;。？！；…"”’』」)）*]$""")
_DASHES = ("-", "–", "—", "+", "*")
"""Bullets that mean something else as often within a line."""
_BEFORE = 40
"""Characters before a mark that are looked at: the end of a sentence, and white space."""
_INSIDE = 99
"""The depth of what a code fence encloses, which is never an item or a paragraph of its own."""


def lines_of(text: str) -> list[tuple[str, int]]:
    """Return the lines with their depth; none if a code fence stays open."""
    lines, fenced = [], False
    for line in text.split("\n"):
        edge = line.lstrip().startswith("```")
        fenced ^= edge
        depth = _INSIDE if fenced or edge else len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())
        rule = depth < _INSIDE and re.fullmatch(r"[-*_\s]{3,}", line)
        lines.append(("" if rule else line.rstrip(), depth))
    return [] if fenced else lines


def items_of(text: str, *, names: bool = False) -> tuple[str, list[str]]:
    """Return the text before a list, and the list's items: none where it is in doubt where they begin.

    Lines that are indented, fenced, or marked more weakly than the first item (bullets under numbers, numbers
    under `Instruction 1:`) belong to the item above them. Letters mark items only where nothing but an
    introduction stands before them: after a question they are its choices.

    Args:
        text: the list and what stands around it.
        names: the items are names and no sentences, so that in one line no punctuation tells them apart.
    """
    before: list[str] = []
    items: list[list[tuple[str, int]]] = []
    first, kind, level = None, None, 0
    for line, depth in lines_of(text):
        mark = mark_of(line) if depth < _INSIDE else None
        if mark and mark.is_letter and not (first.is_letter if first else _only_talk("\n".join(before))):
            mark = None
        if mark and (first is None or (depth <= level and mark.rank >= first.rank)):
            if first is None:
                first, kind, level = mark, mark.kind(1), depth
            in_turn = mark.ordinals.get(kind or "") == len(items) + 1 if mark.ordinals else depth == level
            if mark.sign != first.sign or mark.rank != first.rank or not in_turn:
                return "\n".join(before), []
            items.append([(_marked(first, line[mark.end :]), 0)])
        elif items:
            items[-1].append((line, depth - level))
        else:
            before.append(line)
    if first is None:
        return _after_introduction(text, names)
    texts = [item_text(item) for item in items]
    if len(texts) == 1 and texts[0] is not None:
        texts = _of_one_line(first, texts[0], names)
    if first.is_letter and len(texts) < 2:
        return text, []
    return "\n".join(before), [] if None in texts else [item for item in texts if item]


def _only_talk(before: str) -> bool:
    return introduces(before) or (before.rstrip().endswith(":") and CHAT.match(before) is not None)


def _after_introduction(text: str, names: bool) -> tuple[str, list[str]]:
    """Return the list that begins in the line of its introduction, or no list."""
    before, colon, rest = text.partition(":")
    if colon and introduces(before + colon) and mark_of(rest.partition("\n")[0]):
        _, items = items_of(rest.lstrip(" \t"), names=names)
        return (before + colon, items) if len(items) > 1 else (text, [])
    return text, []


def _of_one_line(first: Mark, text: str, names: bool) -> list[str | None]:
    """Return the items of an enumeration in one line, or the only one; None for what is in doubt.

    In prose, `2.` may end a sentence, and a dash may join two. A mark begins an item where the one before it
    has ended, and numbers come once each, in turn.
    """
    line, more = text.partition("\n")[::2]
    kind = first.kind(1) or ""
    marks = [mark for mark in marks_within(line) if mark.sign == first.sign and mark.rank == first.rank]
    marks = [mark for mark in marks if _begins_item(line, mark, kind)]
    if not marks:
        return [text]
    starts, ends = [0, *(mark.end for mark in marks)], [*(mark.start for mark in marks), len(line)]
    parts = [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    in_turn = not kind or [mark.ordinals.get(kind) for mark in marks] == list(range(2, len(marks) + 2))
    apart = first.rank > 2 or all(_ENDED.search(part) for part in parts[:-1])
    glued = any(line[mark.start - 1] in ".?!;" for mark in marks)
    parts = [*(part.rstrip(";；") for part in parts[:-1]), parts[-1]]
    if more or glued or first.sign in _DASHES or not in_turn or not (apart or names) or not all(parts):
        return [None]
    return [parts[0], *(_marked(first, part) for part in parts[1:])]


def _begins_item(line: str, mark: Mark, kind: str) -> bool:
    """Return whether a mark within a line may begin an item: `2.5` and `2.x` do not, nor a dash in a sentence."""
    apart = not line[mark.end - 1 : mark.end + 1].strip().isascii() or line[mark.end - 1].isspace()
    # A part of what stands before is enough, and all of it for each mark would take quadratic time.
    ended = _ENDED.search(line[max(0, mark.start - _BEFORE) : mark.start].rstrip()) is not None
    return kind in mark.ordinals and (apart or ended) if kind else ended


def unmarked(texts: list[str]) -> list[str]:
    """Return the texts of an array without the numbers that they begin with, if all do, in turn."""
    marks = [mark_of(text) for text in texts]
    if len(texts) < 2 or (first := marks[0]) is None or (kind := first.kind(1)) is None:
        return texts
    in_turn = [mark and mark.sign == first.sign and mark.ordinals.get(kind) for mark in marks]
    if in_turn != list(range(1, len(texts) + 1)):
        return texts
    return [text[mark.end :] for text, mark in zip(texts, marks, strict=True) if mark]


def _marked(first: Mark, text: str) -> str:
    """Return an item's text with the bold type that its mark opened."""
    return "**" * (first.sign.count("**") == 1) + text


def item_text(lines: list[tuple[str, int]]) -> str | None:
    """Return an item's text without an answer's closing words; None where it is in doubt what they are."""
    kept = [line for line, _ in lines[:1]]
    points_on = not any(kept)
    for (above, _), (line, depth) in pairwise(lines):
        points_on = points_on or _POINTS_ON.search(above) is not None
        outro = line and depth <= 0 and _OUTRO.match(line)
        if outro and not above and not points_on:
            break
        if outro or (line and depth <= 0 and (line.startswith(("#", "**")) or not (above or points_on))):
            return None
        kept.append(line)
    return "\n".join([*kept[:1], textwrap.dedent("\n".join(kept[1:]))]).strip()
