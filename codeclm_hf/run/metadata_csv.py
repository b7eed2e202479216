"""Metadata as a CSV file that a person edits in a spreadsheet, and reading it back with all that is wrong in it.

A cell with several texts holds one a line. The file is UTF-8 with a byte order mark, without which Excel
shows accents wrongly; a cell that a spreadsheet would take for a formula or a number begins with an apostrophe.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from codeclm_hf.errors import BadInput
from codeclm_hf.stages.encode import metadata_row
from codeclm_hf.stages.names import LONGEST_NAME
from codeclm_hf.stages.stage import Row
from codeclm_hf.text import did_you_mean, shorten

COLUMNS = ("metadata_id", "origin", "use_case", "skills", "rubrics", "actions")
"""The columns of the file; the first two are not to be edited."""
LISTS = ("skills", "rubrics", "actions")
"""The columns whose cells hold several texts."""
MOST_PROBLEMS = 8
"""Problems that an error lists."""
SEPARATORS = (",", ";", "\t")
"""What may stand between cells; European spreadsheets write semicolons."""
_FIELD_LIMIT = 1 << 24
_FORMULA = re.compile(r"[=+\-@]|(?:[\d.,]+(?:E[+-]?\d+)?|TRUE|FALSE)\Z", re.I)
"""What a spreadsheet would reckon with, or write in another way."""


class Edits(NamedTuple):
    """What a person made of a metadata table."""

    rows: list[Row]
    """The table `schema.METADATA`, in the order that it had."""
    originals: list[str]
    """The id that each row had."""
    edited: int
    """Rows with something else in them than before."""
    removed: int
    """Rows that were there before."""


class _Line(NamedTuple):
    """A row of the file."""

    number: int
    """The line that it begins on, from 1."""
    cells: dict[str, str]


class _Problems:
    """What is wrong in a file."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._found: list[str] = []

    def add(self, line: int, words: str) -> None:
        self._found.append(f"line {line}: {words}")

    def raise_any(self) -> None:
        """Raise an error that lists the problems, if there are any."""
        if self._found:
            more = len(self._found) - MOST_PROBLEMS
            listed = "; ".join(self._found[:MOST_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
            raise BadInput(f"needs the exported metadata, edited; {self._source} has mistakes: {listed}")


def to_csv(rows: Sequence[Row]) -> bytes:
    """Return the usable rows of a metadata table as a CSV file."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(
        [_guard(cell) for cell in _cells(row).values()] for row in rows if row["use_case"] is not None
    )
    return codecs.BOM_UTF8 + text.getvalue().encode()


def from_csv(content: bytes, rows: Sequence[Row], *, source: str) -> Edits:
    """Return a metadata table as the file has it.

    Rows that the file lacks are left out, and rows without a use case stay. A row with another use case or
    other skills has another id; the order is that of the table.

    Args:
        content: the file.
        rows: the table that was exported, under the ids of the file.
        source: the file's name, for errors.

    Raises:
        BadInput: the file is no such table, or something in it is wrong; lists what, by line.
    """
    problems = _Problems(source)
    usable = {row["metadata_id"]: row for row in rows if row["use_case"] is not None}
    edited: dict[str, Row] = {}
    lines: dict[str, int] = {}
    made_on: dict[str, int] = {}
    for line in _lines(_decoded(content, source), source, problems):
        id = line.cells["metadata_id"]
        if not id:
            problems.add(line.number, "the metadata_id is empty; write new rows into a file for --metadata")
        elif id not in usable:
            problems.add(line.number, f"there is no metadata_id {shorten(id)}{did_you_mean(id, usable)}")
        elif id in lines:
            problems.add(line.number, f"the metadata_id {id} is on line {lines[id]} already")
        elif (row := _edited(line, usable[id], problems)) is not None:
            same = made_on.setdefault(row["metadata_id"], line.number)
            if same != line.number:
                problems.add(line.number, f"the use case and skills are those of line {same}; delete one")
            edited[id] = row
        lines.setdefault(id, line.number)
    problems.raise_any()
    if not edited:
        raise BadInput(f"needs one metadata row at least; {source} has none")
    pairs = [
        (row["metadata_id"], edited.get(row["metadata_id"], row))
        for row in rows
        if row["metadata_id"] in edited or row["use_case"] is None
    ]
    return Edits(
        rows=[row for _, row in pairs],
        originals=[id for id, _ in pairs],
        edited=sum(_cells(row) | {"metadata_id": ""} != _cells(usable[id]) | {"metadata_id": ""}
                   for id, row in edited.items()),
        removed=len(usable) - len(edited),
    )  # fmt: skip


def _edited(line: _Line, row: Row, problems: _Problems) -> Row | None:
    """Return a row of the table as a line of the file has it; None where the line is wrong."""
    before = _cells(row)
    # what was not touched stays, also where its form in a cell could be read in another way
    values: Row = {
        name: row[name] if line.cells[name] == before[name] else _read(name, line.cells[name])
        for name in COLUMNS
    }
    faults = list(_faults(values, row))
    for fault in faults:
        problems.add(line.number, fault)
    if faults:
        return None
    new = {**row, "rubrics": values["rubrics"], "actions": values["actions"], "error": None}
    if (values["use_case"], values["skills"]) != (row["use_case"], row["skills"]):
        named = metadata_row(
            values["use_case"], values["skills"], origin=row["origin"], seed_ids=row["seed_ids"]
        )
        new |= {name: named[name] for name in ("metadata_id", "use_case", "skills")}
    return new


def _faults(values: Row, row: Row) -> Iterator[str]:
    """Yield what is wrong with the values of a row."""
    if values["origin"] != row["origin"]:
        yield f"the origin was {row['origin']}, which cannot be edited"
    if not values["use_case"]:
        yield "the use case is empty; to leave the metadata out, delete the row"
    for name in LISTS:
        if values[name] is None:
            yield f"the {name} need a list of texts; write one a line"
            return
    if not values["skills"]:
        yield "there are no skills; write one a line"
    for what, name in [("use case", values["use_case"]), *(("skill", skill) for skill in values["skills"])]:
        changed = name != row["use_case"] and name not in row["skills"]
        if changed and (len(name) > LONGEST_NAME or "\n" in name):
            yield f"the {what} `{shorten(name, 20)}` needs one line of at most {LONGEST_NAME} characters"
    if len(values["rubrics"]) != len(values["actions"]):
        yield (
            f"there are {len(values['rubrics'])} rubrics and {len(values['actions'])} actions; "
            "each rubric needs its action"
        )


def _decoded(content: bytes, source: str) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadInput(f"needs text in UTF-8; {source} is UTF-16; save it as CSV UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content[: exc.start].count(b"\n") + 1
        raise BadInput(f"needs text in UTF-8; line {line} of {source} is not; save it as CSV UTF-8") from exc


def _lines(text: str, source: str, problems: _Problems) -> Iterator[_Line]:
    """Yield the rows of a CSV file that hold something.

    Raises:
        BadInput: the columns are not those that were exported.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _FIELD_LIMIT))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    header: list[str] | None = None
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as exc:
            problems.add(number, f"the row is not CSV ({exc})")
            continue
        if cells is None:
            break
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            _check_columns(header, source)
        elif any(cell.strip() for cell in cells[len(header) :]):
            problems.add(number, f"the row has {len(cells)} cells, the header {len(header)}")
        else:
            padded = [*cells, *[""] * (len(header) - len(cells))]
            row = dict(zip(header, map(_plain, padded), strict=False))
            yield _Line(number, {name: row[name] for name in COLUMNS})
    if header is None:
        raise BadInput(f"needs the columns {', '.join(COLUMNS)}; {source} is empty")


def _separator(text: str) -> str:
    """Return what separates the cells of the first line that has some."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(SEPARATORS, key=first.count)


def _check_columns(header: Sequence[str], source: str) -> None:
    wrong = [f"lacks `{name}`" for name in COLUMNS if name not in header]
    wrong += [
        f"has `{shorten(name)}`{did_you_mean(name, COLUMNS)}"
        for name in header
        if name and name not in COLUMNS
    ]
    wrong += [f"has `{name}` twice" for name in COLUMNS if header.count(name) > 1]
    if wrong:
        raise BadInput(f"needs the columns {', '.join(COLUMNS)}; {source} {', '.join(wrong)}")


def _cells(row: Row) -> dict[str, str]:
    """Return the cells of a row, before any apostrophe."""
    return {name: _list_cell(row[name]) if name in LISTS else _lined(str(row[name])) for name in COLUMNS}


def _list_cell(items: Sequence[str]) -> str:
    """Return texts one a line; as JSON where lines would be read otherwise."""
    lines = "\n".join(items)
    return lines if _read_list(_lined(lines)) == list(items) else json.dumps(list(items), ensure_ascii=False)


def _read(name: str, cell: str) -> str | list[str] | None:
    return _read_list(cell) if name in LISTS else cell


def _read_list(cell: str) -> list[str] | None:
    """Return the texts in a cell; None where it holds JSON that is no list of texts."""
    if cell.startswith("["):
        try:
            items = json.loads(cell)
        except (ValueError, RecursionError):
            pass
        else:
            texts = isinstance(items, list) and all(isinstance(item, str) and item.strip() for item in items)
            return items if texts else None
    return [line.strip() for line in cell.split("\n") if line.strip()]


def _lined(cell: str) -> str:
    """Return a cell with the line ends of the table, and without white space around it."""
    return cell.replace("\r\n", "\n").replace("\r", "\n").strip()


def _guard(cell: str) -> str:
    """Return a cell as no spreadsheet takes it for a formula or a number."""
    return f"'{cell}" if _FORMULA.match(cell.lstrip("'")) else cell


def _plain(cell: str) -> str:
    """Return what a cell holds, without the apostrophe before it."""
    cell = _lined(cell)
    return cell[1:].strip() if cell.startswith("'") and _FORMULA.match(cell.lstrip("'")) else cell
