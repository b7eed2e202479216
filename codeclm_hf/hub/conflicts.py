"""The file in which a person ends the conflicts of a merge, row by row.

A line of JSON has `config`, `id`, `ours` (the row on the branch), `theirs` (the row in the pull request)
and `take`, which is null until somebody writes "ours", "theirs", "neither", or the row to have. Those are
the words of the file and of the command line; in Python the two sides are called `current` and `incoming`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from codeclm_hf import schema
from codeclm_hf.errors import BadInput
from codeclm_hf.hub.merge import Conflict, Resolution
from codeclm_hf.hub.snapshot import Row

_WORDS: dict[str, Resolution] = {"ours": "current", "theirs": "incoming", "neither": "neither"}
_FIELDS = {"config", "id", "ours", "theirs", "take"}


class ConflictLine(NamedTuple):
    """A line of the file."""

    conflict: Conflict
    """The conflict as it was when the file was written, with values as JSON holds them."""
    resolution: Resolution | None
    """How it ends; None where nobody has said it yet."""


def write(path: Path, conflicts: Iterable[Conflict]) -> None:
    """Write a line for each conflict.

    Raises:
        BadInput: the file cannot be written.
    """
    lines = [
        {
            "config": conflict.config,
            "id": conflict.id,
            "ours": conflict.current,
            "theirs": conflict.incoming,
            "take": None,
        }
        for conflict in conflicts
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise BadInput(f"needs a file that can be written; {path} cannot ({exc.strerror})") from exc


def read(path: Path) -> list[ConflictLine]:
    """Return the lines of a file that `write` made and a person edited.

    Raises:
        BadInput: a line is no conflict, or ends in a way that there is not.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise BadInput(f"needs a file of conflicts; {path} cannot be read ({exc})") from exc
    return [
        _parse_line(line, f"line {number} of {path}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _parse_line(text: str, where: str) -> ConflictLine:
    try:
        line = json.loads(text)
    except ValueError as exc:
        raise BadInput(f"needs JSON; {where} is none ({exc})") from exc
    if not isinstance(line, dict) or not _FIELDS <= set(line):
        raise BadInput(f"needs config, id, ours, theirs and take; {where} lacks some")
    conflict = Conflict(line["config"], line["id"], current=line["ours"], incoming=line["theirs"])
    return ConflictLine(conflict, _resolution(line["take"], conflict, where))


def _resolution(take: object, conflict: Conflict, where: str) -> Resolution | None:
    """Read what a person wrote into a line's `take`."""
    if isinstance(take, dict):
        optional = schema.optional_columns(conflict.config)
        if (
            take.keys() - optional != schema.TABLES.get(conflict.config, {}).keys() - optional
            or take[schema.KEYS[conflict.config]] != conflict.id
        ):
            raise BadInput(
                f"needs a row with the columns of `{conflict.config}` and the id {conflict.id}; see {where}"
            )
        return take
    if take is None:
        return None
    if not isinstance(take, str) or take not in _WORDS:
        raise BadInput(f'needs a take of "ours", "theirs", "neither" or a row; {where} has {take!r}')
    return _WORDS[take]


def resolutions(
    lines: Iterable[ConflictLine], conflicts: Iterable[Conflict]
) -> dict[str, dict[str, Resolution]]:
    """Return how conflicts end, by config and id.

    A conflict whose rows have changed since the file was written does not end.

    Args:
        lines: what a person said.
        conflicts: the conflicts that there are now.
    """
    now = {(conflict.config, conflict.id): conflict for conflict in conflicts}
    ends: dict[str, dict[str, Resolution]] = {}
    for then, resolution in lines:
        conflict = now.get((then.config, then.id))
        if conflict is None or resolution is None:
            continue
        if _is_same(then.current, conflict.current) and _is_same(then.incoming, conflict.incoming):
            ends.setdefault(conflict.config, {})[conflict.id] = resolution
    return ends


def _is_same(line: Row | None, row: Row | None) -> bool:
    """Return whether a row of the file is a row of the data."""
    return bool(line == json.loads(json.dumps(row)))
