"""Answers in tags, as `<use_case>…</use_case><skills>…</skills>`, read as the JSON that they stand for."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from codeclm_hf.stages.parsing.json_values import field, json_value
from codeclm_hf.stages.parsing.talk import plain

_OPENING = re.compile(r"(?:^|(?<=>))[ \t]*<(?P<name>[a-z][a-z0-9_ -]{0,40})>", re.I | re.M)
_FIELD = re.compile(r"""(?x)
        usecase | task | skills? | rubrics? | actions? | (?:scores?|ratings?)[12ab]?
        | (?:assistant|answer|response|model)(?:[12ab]|one|two)(?:score)?
        | (?:new|final|improved|rewritten|revised|harder)?(?:instructions?|prompt) | answer | output | result""")

_WRAPPERS = ("answer", "output", "result")


class Tagged(NamedTuple):
    """What an answer says in tags."""

    before: str
    """The text before the first tag."""
    around: str
    """All text that no tag encloses."""
    fields: dict[str, Any]
    """What each tag encloses, by its name as `field` gives it: a text, JSON, more fields, or a list of these."""


def tagged(bare: str) -> Tagged | None:
    """Return what a plain answer says in tags that are named like what was asked for, or None.

    A tag with attributes, one that is not closed, and one within itself make it None: HTML is text.
    """
    lower, at, end = bare.lower(), 0, 0
    around, fields = list[str](), dict[str, list[str]]()
    while opening := _OPENING.search(bare, at):
        at = opening.end()
        if not _FIELD.fullmatch(name := field(opening["name"])):
            continue
        closing = lower.find(f"</{opening['name'].lower()}>", at)
        if closing < 0 or f"<{opening['name'].lower()}>" in lower[at:closing]:
            return None
        around.append(bare[end : opening.start()])
        fields.setdefault(name, []).append(bare[at:closing].strip())
        at = end = closing + len(opening["name"]) + 3
    values = {name: [_content(name, text) for text in texts] for name, texts in fields.items()}
    whole = {name: texts if len(texts) > 1 else texts[0] for name, texts in values.items()}
    return Tagged(around[0], "\n".join([*around, bare[end:]]), whole) if whole else None


def value_of(text: str) -> Any:
    """Return what the answer says in tags or in JSON, wherever in it, with keys as `field` gives them; or None."""
    if (found := tagged(plain(text))) is None:
        return json_value(text, inline=True)
    wrapped = [content for name, content in found.fields.items() if name in _WRAPPERS]
    return (
        wrapped[0]
        if len(wrapped) == len(found.fields) == 1 and not isinstance(wrapped[0], str)
        else found.fields
    )


def _content(name: str, text: str) -> Any:
    """Return what a tag encloses: a list where it is of tags that are called as one of its items."""
    inner = tagged(text)
    if inner is not None and not inner.before.strip():
        items = inner.fields.get(name.removesuffix("s")) if len(inner.fields) == 1 else None
        return inner.fields if items is None else items if isinstance(items, list) else [items]
    value = json_value(text) if text.startswith(("{", "[", "(")) else None
    return text if value is None else value
