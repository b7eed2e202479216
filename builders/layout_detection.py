"""The layout to read seeds in: the one that was asked for, or the one that their first rows have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from codeclm_hf.errors import BadInput
from codeclm_hf.text import did_you_mean

from . import formats, layouts
from .layouts import Layout
from .seed_pass import column_list, is_lines, likely_column, no_column
from .sources import File

AUTO = "auto"
PLAIN = ("prompt", "text")
HEAD_ROWS = 1000
"""Rows that decide on the layout and on the columns' types."""
HEAD_ROWS_A_FILE = 200
HEAD_FILES = 20

Head = Sequence[tuple[str, formats.Row]]
"""First rows, each with the name of its file."""


def first_rows(paths: Iterable[File]) -> Head:
    """Return the first rows of the first files.

    Lines of .txt files, which have no layout, are detected only where there are no other files.

    Raises:
        BadInput: a file cannot be read.
    """
    rows: list[tuple[str, formats.Row]] = []
    lines: list[tuple[str, formats.Row]] = []
    filled = 0
    for file in paths:
        first = [(file.name, row) for row in islice(formats.rows(file), HEAD_ROWS_A_FILE)]
        (lines if is_lines(file) else rows).extend(first)
        filled += bool(first)
        if len(rows) >= HEAD_ROWS or filled >= HEAD_FILES:
            break
    return rows or lines


def detect_layout(rows: Head, *, layout: str, column: str | None) -> Layout:
    """Return the layout to read files in, of which these are the first rows.

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
        return layouts.column_layout(formats.TEXT_COLUMN)
    if column is not None:
        detected: Layout | None = layouts.column_layout(column)
    elif layout == "text":
        detected = layouts.column_layout(formats.TEXT_COLUMN)
    elif layout in (AUTO, "prompt"):
        detected = layouts.most_common_layout(
            [cells for _, cells in objects], single_column=layout == "prompt"
        )
    else:
        detected = layouts.LAYOUTS[layout]
    if detected is None:
        raise _cannot_tell(name, cells)
    if detected.needs and not any(detected.has(cells) for _, cells in objects):
        raise no_column(detected, name, cells)
    return detected


def check_options(layout: str, column: str | None, turns: str) -> None:
    """Raise an error for an unknown layout, unknown turns, or a column beside a layout that has its own.

    Raises:
        BadInput: with the nearest layout, where the name is unknown.
    """
    if layout != AUTO and layout not in layouts.NAMES:
        raise BadInput(
            f"needs a layout that is known; there is no `{layout}`"
            + did_you_mean(layout, (AUTO, *layouts.NAMES)),
            hint=f"pass one of {', '.join((AUTO, *layouts.NAMES))}",
        )
    if column is not None and layout not in (AUTO, *PLAIN):
        raise BadInput(
            f"needs a column or a layout; came the column `{column}` and the layout `{layout}`; pass one"
        )
    if turns not in ("first", "all"):
        raise BadInput(f'needs "first" or "all" turns; came {turns!r}')


def reading_summary(layout: Layout, whole: bool, counts: str) -> str:
    """Return in one line how seeds were read, and how many.

    Args:
        layout: what they were read in.
        whole: whether dialogues gave all their turns.
        counts: the pass's counts, in words.
    """
    dialogue = ", with the whole dialogue up to the user's last turn" if whole else ""
    return f"layout `{layout.name}`: {layout.takes}{dialogue}; {counts}"


def _cannot_tell(name: str, cells: Mapping[str, Any]) -> BadInput:
    return BadInput(
        f"needs a layout that can be told from the first rows; {name} has {column_list(cells)}",
        hint=f"pass --column {likely_column(cells)}, or --layout NAME ({', '.join(layouts.NAMES)})",
    )
