"""The rows that two people changed differently, as a file of JSON Lines that a person ends them in.

A line has `config`, `id`, `ours` (the row on the branch), `theirs` (the row in the pull request) and `take`, which is
null until somebody writes "ours", "theirs", "neither", or the row to have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from codeclm_hf import schema
from codeclm_hf.errors import BadInput
from codeclm_hf.hub.merge import Conflict

_ENDS = {"ours": "theirs", "theirs": "ours", "neither": None}
"""A merge brings the pull request in, so that its own side is the pull request."""


def write(path: Path, conflicts: Iterable[Conflict]) -> None:
    """Write a line a conflict.

    Raises:
        BadInput: the file cannot be written.
    """
    lines = [
        {"config": one.config, "id": one.id, "ours": one.theirs, "theirs": one.ours, "take": None}
        for one in conflicts
    ]
    try:
        path.write_text(
            "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8"
        )
    except OSError as exc:
        raise BadInput(f"needs a file that can be written; {path} cannot ({exc.strerror})") from exc


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a file that `write` made and a person edited.

    Raises:
        BadInput: a line is no conflict, or says what nobody can do.
    """
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise BadInput(f"needs a file of conflicts; {path} cannot be read ({exc})") from exc
    lines = []
    for number, text in enumerate(texts, start=1):
        if text.strip():
            lines.append(_line(text, f"line {number} of {path}"))
    return lines


def _line(text: str, where: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError as exc:
        raise BadInput(f"needs JSON; {where} is none ({exc})") from exc
    if not isinstance(line, dict) or not {"config", "id", "ours", "theirs", "take"} <= set(line):
        raise BadInput(f"needs config, id, ours, theirs and take; {where} lacks some")
    take, columns = line["take"], set(schema.TABLES.get(line["config"], ()))
    if isinstance(take, dict):
        if take.keys() != columns or take[schema.KEYS[line["config"]]] != line["id"]:
            raise BadInput(
                f"needs a row with the columns of `{line['config']}` and the id {line['id']}; see {where}"
            )
    elif take is not None and take not in _ENDS:
        raise BadInput(f'needs a take of "ours", "theirs", "neither" or a row; {where} has {take!r}')
    return line


def ended(lines: Iterable[dict[str, Any]], conflicts: Iterable[Conflict]) -> dict[str, dict[str, Any]]:
    """How these conflicts end, by config and id, for `merge.merge`; one whose rows have changed since is not ended."""
    open_ones = {(one.config, one.id): one for one in conflicts}
    take: dict[str, dict[str, Any]] = {}
    for line in lines:
        conflict = open_ones.get((line["config"], line["id"]))
        if conflict is None or line["take"] is None:
            continue
        if _same(line["ours"], conflict.theirs) and _same(line["theirs"], conflict.ours):
            chosen = line["take"]
            take.setdefault(line["config"], {})[line["id"]] = (
                chosen if isinstance(chosen, dict) else _ENDS[chosen]
            )
    return take


def _same(line: Any, row: Any) -> bool:
    return bool(line == json.loads(json.dumps(row)))
