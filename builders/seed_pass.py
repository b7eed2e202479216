"""One pass over rows: each becomes a seed with its split and its columns, or a row with an error."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from codeclm_hf import ids
from codeclm_hf.errors import BadInput

from . import columns, formats, layouts
from .columns import Column
from .dialogue import MEDIA, TOOLS, Fault
from .layouts import Layout
from .request_logs import request_of
from .sources import File, format_of

BATCH_ROWS = 2000
"""Seeds in a table that the pass gives, at most."""
BATCH_CHARACTERS = 1 << 23
"""Characters in such a table, after which it is given as it is."""
EXAMPLES = 3
"""Rows of another layout that an error names."""


class SeenKeys:
    """The keys that came so far, at eight bytes each: sorted runs; those of like length are merged."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray[Any, np.dtype[np.uint64]]] = []

    def first(self, keys: Sequence[int]) -> list[bool]:
        """Return for each key whether it comes for the first time, and remember all of them."""
        batch, at = np.unique(np.array(keys, np.uint64), return_index=True)
        fresh = np.ones(len(batch), bool)
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, batch), len(run) - 1)
            fresh &= run[places] != batch
        new = np.zeros(len(keys), bool)
        new[at[fresh]] = True
        run = batch[fresh]
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        if len(run):
            self._runs.append(run)
        return [bool(flag) for flag in new]


@dataclass
class Counts:
    """How many rows a pass saw, by what became of them."""

    rows: int = 0
    usable: int = 0
    unusable: int = 0
    with_tools_or_media: int = 0
    """Of the unusable ones."""
    repeated: int = 0
    not_requests: int = 0
    """Lines of a log that ask for no generation."""
    misfits: int = 0
    """Rows of another layout."""
    examples: list[str] = field(default_factory=list)
    """The first of them, in words."""

    def summary(self) -> str:
        """Return the counts as one line."""
        tools = (
            f", {self.with_tools_or_media:,} of them for tool calls or media"
            if self.with_tools_or_media
            else ""
        )
        parts = [
            (self.usable, "seed", "seeds"),
            (self.unusable, f"row cannot be used{tools}", f"rows cannot be used{tools}"),
            (self.repeated, "row repeats an earlier one", "rows repeat an earlier one"),
            (self.not_requests, "line is no request to generate", "lines are no requests to generate"),
            (self.misfits, "row of another layout was left out", "rows of another layout were left out"),
        ]
        counts = [
            f"{number:,} {singular if number == 1 else plural}"
            for number, singular, plural in parts
            if number
        ]
        return ", ".join(counts) or "no rows"


@dataclass
class SeedPass:
    """A pass over rows that gives tables of seeds, each instruction once.

    Args:
        layout: how the rows keep their instructions.
        columns_kept: the columns beside ours.
        in_split: whether the seed of a key belongs to the split that is read.
        whole: whether a dialogue gives all its turns, and not the first alone.
        skip_bad: whether rows of another layout are left out; else the pass ends with `BadInput`.
        mixed: whether a row that lacks what the layout reads may be of another layout; where the caller named
            a column it may not, and is a row without an instruction.
        strict: whether the pass ends at the first row of another layout, as a stream must; else they are
            counted first.
    """

    layout: Layout
    columns_kept: list[Column]
    in_split: Callable[[int], bool] = lambda key: True
    whole: bool = False
    skip_bad: bool = False
    mixed: bool = True
    strict: bool = False
    counts: Counts = field(default_factory=Counts)
    _seen: SeenKeys = field(default_factory=SeenKeys)
    _batch: list[tuple[str, Any, str | None, int, list[Any]]] = field(default_factory=list)
    _size: int = 0

    def __post_init__(self) -> None:
        self.features = columns.features(self.columns_kept)

    def tables(self, paths: Iterable[File]) -> Iterator[pa.Table]:
        """Yield the seeds of the files in tables, in order.

        Raises:
            BadInput: a file lacks what the layout reads, cannot be read, or holds rows of another layout.
        """
        for file in paths:
            layout = layouts.column_layout(formats.TEXT_COLUMN) if is_lines(file) else self.layout
            first = True
            for row in formats.rows(file):
                if row.cells is not None and first:
                    self._check(row.cells, layout, file.name)
                    first = False
                self.add(row, file.name, layout)
                if len(self._batch) >= BATCH_ROWS or self._size >= BATCH_CHARACTERS:
                    yield self.flush()
        if self._batch:
            yield self.flush()
        self.finish()

    def add(self, row: formats.Row, name: str, layout: Layout | None = None) -> None:
        """Take a row in, for the next table.

        Args:
            row: a row of a file.
            name: what its `source` calls the file.
            layout: the file's layout, where it is not the pass's.
        """
        layout = layout or self.layout
        self.counts.rows += 1
        source, error = f"{name}:{row.number}", row.error
        value: Any = None
        cells: Mapping[str, Any] = row.cells or {}
        if row.cells is not None:
            value, beside = self._take(cells, layout)
            if value is layouts.ABSENT:
                value = None
                if self._count_misfit(cells, layout, source):
                    return
                if layout.name == "traffic":
                    self.counts.not_requests += 1
                    return
            cells = beside
            if isinstance(value, Fault):
                value, error = None, value.reason
            elif fault := text_fault(value):
                value, error = None, f"the instruction {fault}"
        key = key_of(source if value is None else value)
        if not self.in_split(key):
            return
        values = [column.convert(cells.get(column.source)) for column in self.columns_kept]
        self._batch.append((source, value, error, key, values))
        self._size += len(value or "") + sum(len(text) for text in values if isinstance(text, str))

    def flush(self) -> pa.Table:
        """Return what was taken in since the last time as a table, without instructions that came before."""
        batch, self._batch, self._size = self._batch, [], 0
        first = self._seen.first([key for *_, key, _ in batch])
        cells_by_column: list[list[Any]] = [[] for _ in self.features]
        for (source, value, error, _, beside), new in zip(batch, first, strict=True):
            if not new and value is not None:
                self.counts.repeated += 1
                continue
            self.counts.usable += value is not None
            self.counts.unusable += value is None
            self.counts.with_tools_or_media += error in (TOOLS, MEDIA)
            row_id = ids.row_id("seed", source if value is None else value)
            for cells, cell in zip(cells_by_column, (row_id, value, source, error, *beside), strict=True):
                cells.append(cell)
        schema = self.features.arrow_schema
        columns = zip(cells_by_column, schema, strict=True)
        return pa.table([pa.array(cells, column.type) for cells, column in columns], schema=schema)

    def finish(self) -> None:
        """End the pass, after all rows.

        Raises:
            BadInput: some rows are of another layout, and are not to be left out.
        """
        if not self.counts.misfits or self.skip_bad:
            return
        number = "the first" if self.strict else f"{self.counts.misfits:,} of {self.counts.rows:,} rows"
        raise BadInput(
            f"needs one layout in all rows; {number} cannot be read as `{self.layout.name}` "
            f"({self.layout.takes}): {'; '.join(self.counts.examples)}",
            hint="pass --skip-bad to leave such rows out, or --layout NAME to read as another layout",
        )

    def _take(self, cells: Mapping[str, Any], layout: Layout) -> tuple[Any, Mapping[str, Any]]:
        """Return a row's instruction and the columns that may be kept; of a log's line, the harmless ones."""
        if layout.name != "traffic":
            return layout.text(cells, self.whole), cells
        request = request_of(cells, self.whole)
        return (request.text, request.columns) if request else (layouts.ABSENT, {})

    def _count_misfit(self, cells: Mapping[str, Any], layout: Layout, source: str) -> bool:
        other = layouts.other_layout(cells, layout) if self.mixed else None
        if other is None:
            return False
        self.counts.misfits += 1
        if len(self.counts.examples) < EXAMPLES:
            self.counts.examples.append(f"{source} looks like `{other.name}` ({column_list(cells, 5)})")
        if self.strict:
            self.finish()
        return True

    def _check(self, cells: Mapping[str, Any], layout: Layout, name: str) -> None:
        """Raise an error for a file that lacks the layout's column, whose rows would all fail."""
        if not layout.needs or layout.has(cells):
            return
        if not (self.mixed and layouts.other_layout(cells, layout)):
            raise no_column(layout, name, cells)


def is_lines(file: File) -> bool:
    """Return whether each line of a file is an instruction, whatever the other files hold."""
    return format_of(file.name) == ".txt"


def key_of(text: str) -> int:
    """Return 64 bits of a text's hash, which decide on a seed's split and on whether it came before.

    White space around the text and the kind of its line ends do not matter.
    """
    same = text.strip().replace("\r\n", "\n")
    return int.from_bytes(hashlib.sha256(same.encode()).digest()[:8], "big")


def text_fault(value: Any) -> str | None:
    """Return why a value is no usable text, as the end of a sentence, or None if it is one."""
    if value is None:
        return "is missing"
    if not isinstance(value, str):
        return f"is {formats.describe(value)}, needs text"
    if not value.strip():
        return "is empty"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "holds characters that are not valid UTF-8"
    return None


def column_list(names: Iterable[str], most: int = 20) -> str:
    """Return names of columns for a sentence, at most so many of them."""
    quoted = [f"`{' '.join((columns.text_of(name) or '').split())[:40]}`" for name in names]
    return ", ".join([*quoted[:most], *(["…"] if len(quoted) > most else [])]) or "no columns"


def no_column(layout: Layout, name: str, cells: Mapping[str, Any]) -> BadInput:
    """Return the error for a file without the column that its layout reads."""
    plain = layout.name in ("prompt", "text")
    return BadInput(
        f"needs a column `{layout.needs}`{'' if plain else f' (layout {layout.name})'}; "
        f"{name} has {column_list(cells)}",
        hint=f"pass --column {likely_column(cells)}" + ("" if plain else " or --layout auto"),
    )


def likely_column(cells: Mapping[str, Any]) -> str:
    """Return the column that probably holds the instructions, quoted for a shell; NAME where none does."""
    texts = [name for name, value in cells.items() if isinstance(value, str)]
    likely = [name for name in texts if name.strip().lower() in layouts.LIKELY]
    for candidates in (likely, texts):
        if len(candidates) == 1:
            return shlex.quote(candidates[0])
    return "NAME"
