"""The front matter of a dataset card: what the Hub and `datasets` would not take of it, and on which line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from codeclm_hf.card.card_keys import RULES, Found, entries, is_a, items, told
from codeclm_hf.card.render import parted
from codeclm_hf.errors import BadInput
from codeclm_hf.text import shorten

_FRONT = re.compile(r"\A\ufeff?---([ \t]*)\r?\n(.*?)^---([ \t]*)(?:\r?\n|\Z)", re.S | re.M)
_TAG = "tag:yaml.org,2002:"
_SLIPS = (ValueError, LookupError, AttributeError, TypeError, RecursionError)
"""What PyYAML lets through of values that are not what their tags say, and of depth."""


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with a line of a card."""

    line: int
    """In the file, from 1."""
    words: str
    """What is needed and what came."""


def split(card: str) -> tuple[str | None, str]:
    """The YAML text of a card, None where it has none, and its body."""
    match = _FRONT.match(card)
    return (match[2], card[match.end() :]) if match else (None, card.removeprefix("\ufeff"))


def values(card: str) -> dict[str, Any]:
    """What the front matter says; nothing where it is not plain YAML."""
    text, _ = split(card)
    try:
        node = yaml.compose(text or "", Loader=yaml.SafeLoader)
        return parted(card)[0] if node is not None and not any(_plain(node)) else {}
    except (yaml.YAMLError, RecursionError, BadInput):
        return {}


def check(card: str) -> list[Problem]:
    """Everything that is wrong with a card's front matter, in the order of the lines; none if it is fine.

    Keys that the Hub does not know are kept by it, and are no problem here.
    """
    match = _FRONT.match(card)
    if match is None:
        if re.match(r"\ufeff?---[ \t]*(\r?\n|\Z)", card):
            return [Problem(1, "needs a second line of --- that ends the front matter; came none")]
        return [
            Problem(1, "needs front matter between two lines of ---, the first of them line 1; came none")
        ]
    text, last = match[2], card.count("\n", 0, match.start(3)) + 1
    spaces = {1: match[1], last: match[3]}
    problems = [
        Problem(line, "needs --- alone on its line; came white space after it")
        for line, after in spaces.items()
        if after
    ]
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return [*problems, Problem(1, "needs front matter between the two lines of ---; came nothing")]
        found = list(_plain(node))
        if not found:
            yaml.safe_load(text)  # may still find a tag on what it is not for
            found = list(_front(node))
    except (yaml.YAMLError, *_SLIPS) as exc:
        return sorted([*problems, _unreadable(text, exc)])
    return sorted(
        [*problems, *(Problem(_line(text, place.start_mark.index), words) for place, words in found)]
    )


def _line(text: str, index: int) -> int:
    """The line in the file; YAML's own count also takes characters for line ends that editors do not."""
    return text.count("\n", 0, index) + 2


def _unreadable(text: str, exc: Exception) -> Problem:
    """What PyYAML stumbles over, where it says so."""
    if isinstance(exc, RecursionError):
        return Problem(1, "needs front matter that can be read; came one that is too deep")
    mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
    index = mark.index if mark else getattr(exc, "position", 0)
    words = getattr(exc, "problem", None) or getattr(exc, "reason", None) or str(exc)
    return Problem(_line(text, index), f"needs YAML; came what cannot be read ({shorten(str(words))})")


def _plain(root: yaml.Node) -> Found:
    """Values that are no plain YAML, and keys that stand twice."""
    left, seen = [root], {id(root)}
    while left:
        node = left.pop()
        if isinstance(node, yaml.MappingNode):
            yield from _keys(node)
        inner = (
            [part for pair in node.value for part in pair]
            if isinstance(node, yaml.MappingNode)
            else node.value
        )
        for part in inner if isinstance(node, yaml.CollectionNode) else []:
            if id(part) not in seen:
                seen.add(id(part))
                left.append(part)
        if node.tag not in yaml.SafeLoader.yaml_constructors:
            if node.tag != f"{_TAG}merge":
                yield node, f"needs plain YAML; came the tag {shorten(node.tag)}"
        elif isinstance(node, yaml.ScalarNode) and node.tag != f"{_TAG}str":
            try:
                yaml.constructor.SafeConstructor().construct_object(node)
            except (yaml.YAMLError, *_SLIPS):
                yield (
                    node,
                    f"needs a value that can be read; came {shorten(node.value)}; put it in quotes if it is text",
                )


def _keys(node: yaml.MappingNode) -> Found:
    first: dict[tuple[str, str], yaml.Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            yield key, f"needs a word as a key; came {told(key)}"
        elif key.tag == f"{_TAG}merge" and isinstance(value, yaml.SequenceNode):
            # each such key can multiply what it takes in: ten short lines would fill the memory
            yield key, f"needs one mapping for {key.value}; came a list"
        elif (key.tag, key.value) in first:
            before = first[key.tag, key.value].start_mark
            above = key.start_mark.line - before.line
            where = (
                f"it stands {above} line{'s' * (above > 1)} above too"
                if above
                else "it stands on this line twice"
            )
            yield key, f"needs every key once; came {shorten(key.value)!r} again: {where}"
        else:
            first[key.tag, key.value] = key


def _front(node: yaml.Node) -> Found:
    if not isinstance(node, yaml.MappingNode):
        yield node, f"needs keys with values; came {told(node)}"
        return
    front = entries(node)
    for name, value in front.items():
        if name in RULES and is_a("null", value):
            if name != "paperswithcode_id":
                yield value, f"needs a value for {name}, or no {name} at all; came nothing"
        elif name in RULES:
            yield from RULES[name](name, value)
    licenses = [item for item in items(front.get("license")) if is_a("str", item) and item.value == "other"]
    if licenses and "license_name" not in front:
        yield licenses[0], "needs license_name where the license is other; came none"
    if licenses and not {"license_link", "license_details"} & set(front):
        yield licenses[0], "needs license_link, or license_details, where the license is other; came neither"
