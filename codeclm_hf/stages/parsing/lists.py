"""The items of a list that a model wrote, in any style of numbering, without the talk around them."""

from __future__ import annotations

import re
import textwrap
from itertools import pairwise

_OUTRO = re.compile(r"""(?ix)
        [*_(]{0,3}(?:let\ me\ know|i\ (?:hope|tried)|hope\ (?:this|these|that|it)
        |feel\ free|is\ there\ anything|enjoy
        |these\ (?:instructions|tasks|prompts|are|cover|vary)|each\ (?:instruction|of\ these)|all\ of\ these
        |if\ you\ (?:need|want|['’]?d\ like|would\ like)|do\ you\ (?:want|need)|happy\ to|would\ you\ like
        |this\ (?:instruction|version|rewrite|makes|adds))\b""")
_POINTS_ON = re.compile(r":\s*$|\b(?:following|below)\b", re.I)
_MARKER = re.compile(r"""(?ix)
        [ \t]*(?P<mark> (?:\*\*|\#{1,6}[ ])? (?:(?P<word>instruction|rubric|action|task|prompt)[ ])?
          [\#(]?(?P<number>[0-9]{1,3}) (?: (?:\*\*)?[.):]{1,2}(?:\*\*)?(?=[\s*]|[^\W\d]|$) | [ ][-–—](?=[ ])
            | (?:(?<=\#[0-9])|(?<=\#[0-9][0-9]))(?=[ ]) | (?=[ ]*$) )
        | [-–—+*•·▪◦‣](?=[ ]) ) [ \t]*(?P<text>.*)""")
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


def items_of(text: str) -> tuple[str, list[str]]:
    """Return the text before a list, and the list's items: none where it is in doubt where they begin.

    Lines that are indented, fenced, or marked more weakly than the first item (bullets under numbers, numbers
    under `Instruction 1:`) belong to the item above them.
    """
    before: list[str] = []
    items: list[list[tuple[str, int]]] = []
    first, level = (0, ""), 0
    for line, depth in lines_of(text):
        if marker := _MARKER.fullmatch(line) if depth < _INSIDE else None:
            rank = 3 if marker["word"] else 2 if marker["number"] else 1
            style = (rank, re.sub(r"[0-9]+", "", marker["mark"].casefold()))
            first, level = (first, level) if items else (style, depth)
            if depth <= level and rank >= first[0]:
                in_turn = int(marker["number"]) == len(items) + 1 if marker["number"] else depth == level
                if style != first or not in_turn:
                    return "\n".join(before), []
                items.append([("**" * (style[1].count("**") == 1) + marker["text"], 0)])
                continue
        if items:
            items[-1].append((line, depth - level))
        else:
            before.append(line)
    texts = [item_text(item) for item in items]
    return "\n".join(before) if items else text, [] if None in texts else [item for item in texts if item]


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
