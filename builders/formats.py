"""The formats of files that rows are read from, one row at a time, so that a large file never fills memory.

The reader of JSON arrays is ours, on the standard library's `raw_decode`. `ijson` was tried: it is faster,
but it turns half a surrogate pair into `?` without a word, refuses a whole file for one NaN or one bad byte,
and a text of 100,000 open brackets ends the process.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import json
import lzma
import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple, TextIO

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from codeclm_hf.errors import BadInput

from .sources import CHUNK as _CHUNK
from .sources import File, format_of, name_in, refusal

TEXT_COLUMN = "text"  # the one column of a .txt file, whose lines have no name of their own
_PARQUET_ROWS = 256
_CSV_FIELD_LIMIT = 1 << 24  # an unclosed quote swallows at most this much before it is reported
_LONGEST_TOKEN = 16  # no literal, escape or half number that a chunk's end cuts is longer
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class Row(NamedTuple):
    """One row of a file."""

    number: int
    """The line that it starts on, from 1; in .json, .parquet and .yaml the row's own number."""
    cells: dict[str, Any] | None
    """Its values by column; None where it is broken."""
    error: str | None = None
    """Why there are none, in words."""


def rows(path: str | File, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Yield the rows of a file, without blank lines.

    Args:
        path: the file.
        columns: the columns that are needed; formats that can do so read no others.

    Raises:
        BadInput: the file is not what its suffix says, or the system does not let us read it.
    """
    file = path if isinstance(path, File) else File(path, name_in(path))
    try:
        yield from _READERS[format_of(file.name)](file, columns)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as exc:
        raise refusal(exc, file.name) from exc


def describe(value: Any) -> str:
    """Return what kind of thing a value is, for a sentence: "a number (5)", "a list"."""
    if isinstance(value, bool):
        return f"a truth value ({str(value).lower()})"
    if isinstance(value, (int, float)):
        return f"a number ({value})"
    kinds = {str: "a text", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(value), f"a value of type {type(value).__name__}")


def _unreadable(source: File, reason: object) -> BadInput:
    return BadInput(f"cannot read {source.name}: {' '.join(str(reason).split())}")


@contextlib.contextmanager
def _open(source: File, newline: str | None) -> Iterator[TextIO]:
    with source.open() as bytes_:
        start = bytes_.peek(2)[:2]  # type: ignore[attr-defined]  # buffered
        if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise BadInput(f"needs text in UTF-8; {source.name} is UTF-16; save it as UTF-8")
        # surrogateescape: one broken byte fails its own row, not the file
        with io.TextIOWrapper(
            bytes_, encoding="utf-8-sig", errors="surrogateescape", newline=newline
        ) as text:
            yield text


def _json_row(number: int, value: Any) -> Row:
    if isinstance(value, dict):
        return Row(number, value)
    return Row(number, None, f"the row is {describe(value)}, needs an object")


def _txt(source: File, _: Sequence[str] | None) -> Iterator[Row]:
    with _open(source, None) as file:
        for number, line in enumerate(file, 1):
            if text := line.strip():
                yield Row(number, {TEXT_COLUMN: text})


def _jsonl(source: File, _: Sequence[str] | None) -> Iterator[Row]:
    with _open(source, "\n") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = _json_row(number, json.loads(line))
            except (ValueError, RecursionError) as exc:
                row = Row(number, None, f"the line is not JSON ({getattr(exc, 'msg', str(exc))})")
            yield row


def _csv(source: File, _: Sequence[str] | None) -> Iterator[Row]:
    csv.field_size_limit(max(csv.field_size_limit(), _CSV_FIELD_LIMIT))
    with _open(source, "") as file:
        reader, header = csv.reader(file, strict=True), None
        while True:
            number = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as exc:
                if header is None:
                    raise _unreadable(source, f"its header is not CSV ({exc})") from exc
                yield Row(number, None, f"the row is not CSV ({exc})")
                continue
            if cells is None:
                return
            if header is None:
                header = cells or None
            elif cells:
                yield _csv_row(number, header, cells)


def _csv_row(number: int, header: list[str], cells: list[str]) -> Row:
    if any(cells[len(header) :]):
        # most often an unquoted comma in the text, of which only the first half would be read
        return Row(
            number, None, f"the row has {len(cells)} cells, the header {len(header)}; quote text with commas"
        )
    return Row(number, dict.fromkeys(header) | dict(zip(header, cells, strict=False)))


def _parquet(source: File, columns: Sequence[str] | None) -> Iterator[Row]:
    with source.open() as bytes_:
        if not bytes_.peek(1):  # type: ignore[attr-defined]  # buffered
            return
    try:
        # without a buffer and with pre_buffer, a row group is read whole
        with source.open() as bytes_, pq.ParquetFile(bytes_, buffer_size=_CHUNK, pre_buffer=False) as file:
            present = file.schema_arrow.names
            wanted = [name for name in present if columns is None or name in columns]
            numbers = count(1)
            for batch in file.iter_batches(_PARQUET_ROWS, columns=wanted):
                values = {name: _values(column) for name, column in zip(wanted, batch.columns, strict=True)}
                for at in range(batch.num_rows):
                    yield Row(next(numbers), {name: column[at] for name, column in values.items()})
    except pa.ArrowException as exc:
        raise _unreadable(source, exc) from exc


def _values(column: pa.Array) -> list[Any]:
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        # what surrogateescape makes of such a byte elsewhere, for the values that hold one
        return (
            ["\udcff"] if len(column) == 1 else [_values(column[at : at + 1])[0] for at in range(len(column))]
        )


def _yaml(source: File, _: Sequence[str] | None) -> Iterator[Row]:
    with _open(source, None) as file:
        try:
            value = yaml.safe_load(file)
        except (yaml.YAMLError, ValueError, RecursionError) as exc:
            raise _unreadable(source, f"it is not YAML ({exc})") from exc
    value = value.get("data", value) if isinstance(value, dict) else value
    if not isinstance(value, (list, type(None))):
        raise BadInput(f"needs a list of rows; {source.name} holds {describe(value)}")
    yield from map(_json_row, count(1), value or [])


def _json(source: File, columns: Sequence[str] | None) -> Iterator[Row]:
    if _holds_lines(source):
        yield from _jsonl(source, columns)
        return
    with _open(source, None) as file:
        text = _JsonText(file, source)
        yield from map(_json_row, count(1), text.rows() if text.peek() else ())


def _holds_lines(source: File) -> bool:
    """Return whether a .json file is JSON Lines: an object a line, and not `{"data": [...]}` alone."""
    with _open(source, None) as file:
        head = next(filter(str.strip, iter(lambda: file.readline(_CHUNK), "")), "")
        try:
            value = json.loads(head)
        except (ValueError, RecursionError):
            return False
        alone = isinstance(value, dict) and isinstance(value.get("data"), list)
        return isinstance(value, dict) and (not alone or any(line.strip() for line in file))


class _JsonText:
    """A JSON text of which no more than a chunk and the value at hand is in memory."""

    def __init__(self, file: TextIO, source: File) -> None:
        self._file, self._source = file, source
        self._buffer, self._at, self._number = "", 0, 0

    def rows(self) -> Iterator[Any]:
        """Yield the elements of the array that the text is, or that it holds under "data"."""
        if not (bare := self.peek() == "["):
            self._enter_data()
        self._take("[")
        while self.peek() != "]":
            self._number += 1
            yield self._value()
            if self.peek() != "]":
                self._take(",")
        self._take("]")
        if bare and self.peek():
            raise self._broken("there is more text after the array's end")

    def peek(self) -> str:
        """Return the next character that is no white space; "" at the end."""
        while True:
            space = _SPACE.match(self._buffer, self._at)
            assert space is not None, "the pattern matches anything"
            self._at = space.end()
            if self._at < len(self._buffer) or not self._fill():
                return self._buffer[self._at : self._at + 1]

    def _enter_data(self) -> None:
        while self.peek() in ("{", ","):
            self._at += 1
            key = self._value()
            self._take(":")
            if key == "data" and self.peek() == "[":
                return
            self._value()
        raise BadInput(
            f'needs an array of objects, {{"data": [...]}} or one object a line; {self._source.name} is none'
        )

    def _take(self, char: str) -> None:
        if self.peek() != char:
            raise self._broken(f"`{char}` is missing")
        self._at += 1

    def _value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._at)
            except (ValueError, RecursionError) as exc:
                # a broken file must not be read whole in vain: what is tried again is only what a chunk's end
                # may have cut
                cut = isinstance(exc, json.JSONDecodeError) and (
                    exc.msg.startswith("Unterminated string") or exc.pos > len(self._buffer) - _LONGEST_TOKEN
                )
                if not (cut and self._fill()):
                    raise self._broken(getattr(exc, "msg", str(exc))) from exc
                continue
            # a number that ends where the chunk does may go on in the next one
            if end < len(self._buffer) or not self._fill():
                self._at = end
                return value

    def _fill(self) -> bool:
        # at least as much as is there: a value of any size is then tried a few times only
        chunk = self._file.read(max(_CHUNK, len(self._buffer) - self._at))
        if chunk:
            self._buffer, self._at = self._buffer[self._at :] + chunk, 0
        return bool(chunk)

    def _broken(self, reason: str) -> BadInput:
        return _unreadable(self._source, f"it is not JSON at or after row {self._number} ({reason})")


_READERS = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".parquet": _parquet, ".txt": _txt}
_READERS |= {".yaml": _yaml, ".yml": _yaml}
