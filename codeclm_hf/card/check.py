"""Problems of a card's front matter: what the Hub and `datasets` would not take of it, and on which line."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

from codeclm_hf.card.front_matter_rules import rule_faults
from codeclm_hf.card.render import FRONT_MATTER, split_card
from codeclm_hf.card.yaml_nodes import CONSTRUCTOR_ERRORS, plain_faults
from codeclm_hf.errors import BadInput
from codeclm_hf.text import shorten

_UNENDED = re.compile(r"\ufeff?---[ \t]*(\r?\n|\Z)")


class Problem(NamedTuple):
    """Something that is wrong with a line of a card."""

    line: int
    """The line of the file, from 1."""
    message: str
    """What is needed and what came."""


def front_matter_text(card: str) -> tuple[str | None, str]:
    """Return the YAML text of a card, or None where it has none, and the body."""
    match = FRONT_MATTER.match(card)
    return (match["yaml"], card[match.end() :]) if match else (None, card.removeprefix("\ufeff"))


def front_matter_values(card: str) -> dict[str, Any]:
    """Return what the front matter of a card says; {} where it is not plain YAML."""
    text, _ = front_matter_text(card)
    try:
        node = yaml.compose(text or "", Loader=yaml.SafeLoader)
        return split_card(card)[0] if node is not None and not any(plain_faults(node)) else {}
    except (yaml.YAMLError, RecursionError, BadInput):
        return {}


def check(card: str) -> list[Problem]:
    """Return everything that is wrong with a card's front matter, in the order of lines; [] if it is fine.

    Keys that the Hub does not know are kept by it, and are no problem here.
    """
    match = FRONT_MATTER.match(card)
    if match is None:
        if _UNENDED.match(card):
            return [Problem(1, "needs a second line of --- that ends the front matter; came none")]
        return [
            Problem(1, "needs front matter between two lines of ---, the first of them line 1; came none")
        ]
    last = card.count("\n", 0, match.start("end")) + 1
    spaces = [
        Problem(line, "needs --- alone on its line; came white space after it")
        for line, after in ((1, match["begin"]), (last, match["end"]))
        if after
    ]
    return sorted([*spaces, *_yaml_problems(match["yaml"])])


def _yaml_problems(text: str) -> list[Problem]:
    """Return what is wrong with the text between the two lines of ---."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return [Problem(1, "needs front matter between the two lines of ---; came nothing")]
        faults = list(plain_faults(root))
        if not faults:
            yaml.safe_load(text)  # may still find a tag on what it is not for
            faults = list(rule_faults(root))
    except (yaml.YAMLError, *CONSTRUCTOR_ERRORS) as exc:
        return [_unreadable(text, exc)]
    return [Problem(_line(text, fault.node.start_mark.index), fault.message) for fault in faults]


def _line(text: str, index: int) -> int:
    """Return the line of the file; YAML itself takes more characters for line ends than editors do."""
    return text.count("\n", 0, index) + 2


def _unreadable(text: str, exc: Exception) -> Problem:
    """Return what PyYAML stumbles over, and where, if it says so."""
    if isinstance(exc, RecursionError):
        return Problem(1, "needs front matter that can be read; came one that is too deep")
    mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
    index = mark.index if mark else getattr(exc, "position", 0)
    reason = getattr(exc, "problem", None) or getattr(exc, "reason", None) or str(exc)
    return Problem(_line(text, index), f"needs YAML; came what cannot be read ({shorten(str(reason))})")
