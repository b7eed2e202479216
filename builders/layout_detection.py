"""Which layout is read: the one that was asked for, or the one that the first rows have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from codeclm_hf.errors import BadInput
from codeclm_hf.text import did_you_mean

from . import formats, layouts
from .layouts import Layout
from .seed_pass import is_lines, likely, named, no_column
from .sources import File

AUTO = "auto"
PLAIN = ("prompt", "text")
HEAD_ROWS = 1000
"""Rows that decide on the layout and on the columns' types."""
HEAD_ROWS_A_FILE = 200
HEAD_FILES = 20

Head = Sequence[tuple[str, formats.Row]]
"""First rows, each with the name of its file."""


def head(paths: Iterable[File]) -> Head:
    """The first rows of the first files; the lines of .txt files, which have no layout, only where there are no others.

    Raises:
        BadInput: a file cannot be read.
    """
    rows: list[tuple[str, formats.Row]] = []
    lines: list[tuple[str, formats.Row]] = []
    filled = 0
    for file in paths:
        found = [(file.name, row) for row in islice(formats.rows(file), HEAD_ROWS_A_FILE)]
        (lines if is_lines(file) else rows).extend(found)
        filled += bool(found)
        if len(rows) >= HEAD_ROWS or filled >= HEAD_FILES:
            break
    return rows or lines


def chosen(rows: Head, *, layout: str, column: str | None) -> Layout:
    """How to read the files that these are the first rows of.

    Args:
        rows: at least one.
        layout: a name that there is, or "auto".
        column: the column that holds the instructions; it needs no layout.

    Raises:
        BadInput: there is no such column, or "auto" cannot tell.
    """
    objects = [(name, row.cells) for name, row in rows if row.cells is not None]
    if not objects:
        name, row = rows[0]
        more = f"; of the next {len(rows) - 1:,} none can" if len(rows) > 1 else ""
        raise BadInput(f"needs rows that can be read; {name}:{row.number}: {row.error}{more}")
    name, cells = objects[0]
    if layout in (AUTO, *PLAIN) and all(is_lines(File(name, name)) for name, _ in rows):
        return layouts.plain(formats.TEXT_COLUMN)
    if column is not None:
        taken: Layout | None = layouts.plain(column)
    elif layout == "text":
        taken = layouts.plain(formats.TEXT_COLUMN)
    elif layout in (AUTO, "prompt"):
        taken = layouts.recognised([cells for _, cells in objects], plainly=layout == "prompt")
    else:
        taken = layouts.LAYOUTS[layout]
    if taken is None:
        raise _cannot_tell(name, cells)
    if taken.needs and not any(taken.has(cells) for _, cells in objects):
        raise no_column(taken, name, cells)
    return taken


def check(layout: str, column: str | None, turns: str) -> None:
    """Refuse what is no layout, with the nearest that is one; a column beside another layout; unknown turns."""
    if layout != AUTO and layout not in layouts.NAMES:
        raise BadInput(
            f"needs a layout that is known; there is no `{layout}`{did_you_mean(layout, (AUTO, *layouts.NAMES))}",
            hint=f"pass one of {', '.join((AUTO, *layouts.NAMES))}",
        )
    if column is not None and layout not in (AUTO, *PLAIN):
        raise BadInput(
            f"needs a column or a layout; came the column `{column}` and the layout `{layout}`; pass one"
        )
    if turns not in ("first", "all"):
        raise BadInput(f'needs "first" or "all" turns; came {turns!r}')


def described(layout: Layout, whole: bool, counted: str) -> str:
    """What was read, in one line."""
    dialogue = ", with the whole dialogue up to the user's last turn" if whole else ""
    return f"layout `{layout.name}`: {layout.takes}{dialogue}; {counted}"


def _cannot_tell(name: str, cells: Mapping[str, Any]) -> BadInput:
    return BadInput(
        f"needs a layout that can be told from the first rows; {name} has {named(cells)}",
        hint=f"pass --column {likely(cells)}, or --layout NAME ({', '.join(layouts.NAMES)})",
    )
