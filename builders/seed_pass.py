"""One pass over the rows of seeds: from each row to its instruction, its split and its columns, or to what is wrong."""

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
BATCH_CHARACTERS = 1 << 23
SHOWN = 3
"""Rows of another layout that are named."""


class Seen:
    """Which keys came before, at eight bytes each: sorted runs, of which equal lengths are merged."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray[Any, np.dtype[np.uint64]]] = []

    def first(self, keys: Sequence[int]) -> list[bool]:
        """For each key whether it comes for the first time."""
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
        return [bool(one) for one in new]


@dataclass
class Counts:
    """What a pass over all rows found."""

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
    shown: list[str] = field(default_factory=list)

    def told(self) -> str:
        """The counts as one line."""
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
        told = [f"{number:,} {one if number == 1 else many}" for number, one, many in parts if number]
        return ", ".join(told) or "no rows"


@dataclass
class Reading:
    """A pass over rows, into tables.

    Args:
        layout: how the rows keep their instructions.
        kept: the columns beside ours.
        keeps: whether the seed of a key belongs to the split that is read.
        whole: whether a dialogue gives all its turns.
        skip_bad: whether rows of another layout are left out; else the pass ends with `BadInput`.
        mixed: whether a row without what the layout reads may be of another; where the caller named a column, it is a
            row without an instruction.
        strict: whether it ends at the first such row, as a stream must, and not when all were counted.
    """

    layout: Layout
    kept: list[Column]
    keeps: Callable[[int], bool] = lambda key: True
    whole: bool = False
    skip_bad: bool = False
    mixed: bool = True
    strict: bool = False
    counts: Counts = field(default_factory=Counts)
    _seen: Seen = field(default_factory=Seen)
    _batch: list[tuple[str, Any, str | None, int, list[Any]]] = field(default_factory=list)
    _size: int = 0

    def __post_init__(self) -> None:
        self.features = columns.features(self.kept)

    def tables(self, paths: Iterable[File]) -> Iterator[pa.Table]:
        """The seeds of the files, in order.

        Raises:
            BadInput: a file lacks what the layout reads, cannot be read, or holds rows of another layout.
        """
        for file in paths:
            layout = layouts.plain(formats.TEXT_COLUMN) if is_lines(file) else self.layout
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
        """Take a row in."""
        layout = layout or self.layout
        self.counts.rows += 1
        source, error = f"{name}:{row.number}", row.error
        value: Any = None
        cells: Mapping[str, Any] = row.cells or {}
        if row.cells is not None:
            value, beside = self._take(cells, layout)
            if value is layouts.ABSENT:
                value = None
                if self._misfit(cells, layout, source):
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
        if not self.keeps(key):
            return
        kept = [column.convert(cells.get(column.source)) for column in self.kept]
        self._batch.append((source, value, error, key, kept))
        self._size += len(value or "") + sum(len(one) for one in kept if isinstance(one, str))

    def flush(self) -> pa.Table:
        """What was taken in since the last time, each instruction once."""
        batch, self._batch, self._size = self._batch, [], 0
        first = self._seen.first([key for *_, key, _ in batch])
        made: list[list[Any]] = [[] for _ in self.features]
        for (source, value, error, _, beside), new in zip(batch, first, strict=True):
            if not new and value is not None:
                self.counts.repeated += 1
                continue
            self.counts.usable += value is not None
            self.counts.unusable += value is None
            self.counts.with_tools_or_media += error in (TOOLS, MEDIA)
            of = source if value is None else value
            for cells, cell in zip(
                made, (ids.row_id("seed", of), value, source, error, *beside), strict=True
            ):
                cells.append(cell)
        schema = self.features.arrow_schema
        return pa.table(
            [pa.array(cells, one.type) for cells, one in zip(made, schema, strict=True)], schema=schema
        )

    def finish(self) -> None:
        """Say what must be said when all rows were seen: `BadInput` where some are of another layout."""
        if not self.counts.misfits or self.skip_bad:
            return
        number = "the first" if self.strict else f"{self.counts.misfits:,} of {self.counts.rows:,} rows"
        raise BadInput(
            f"needs one layout in all rows; {number} cannot be read as `{self.layout.name}` ({self.layout.takes}): "
            f"{'; '.join(self.counts.shown)}",
            hint="pass --skip-bad to leave such rows out, or --layout NAME to read as another layout",
        )

    def _take(self, cells: Mapping[str, Any], layout: Layout) -> tuple[Any, Mapping[str, Any]]:
        """The instruction of a row, and what may stand beside it: of a log's line, its harmless columns."""
        if layout.name != "traffic":
            return layout.text(cells, self.whole), cells
        request = request_of(cells, self.whole)
        return (request.text, request.kept) if request else (layouts.ABSENT, {})

    def _misfit(self, cells: Mapping[str, Any], layout: Layout, source: str) -> bool:
        found = layouts.other(cells, layout) if self.mixed else None
        if found is None:
            return False
        self.counts.misfits += 1
        if len(self.counts.shown) < SHOWN:
            self.counts.shown.append(f"{source} looks like `{found.name}` ({named(cells, 5)})")
        if self.strict:
            self.finish()
        return True

    def _check(self, cells: Mapping[str, Any], layout: Layout, name: str) -> None:
        """Refuse a file that lacks the column; its rows would fail one by one."""
        if layout.needs and not layout.has(cells) and not (self.mixed and layouts.other(cells, layout)):
            raise no_column(layout, name, cells)


def is_lines(file: File) -> bool:
    """Whether a file's lines are instructions, whatever the other files hold."""
    return format_of(file.name) == ".txt"


def key_of(text: str) -> int:
    """What decides on a seed's split and on whether it came before: 64 bits of its text.

    White space around it and the kind of its line ends have no say.
    """
    same = text.strip().replace("\r\n", "\n")
    return int.from_bytes(hashlib.sha256(same.encode()).digest()[:8], "big")


def text_fault(value: Any) -> str | None:
    """What keeps a value from being used as text, as the end of a sentence; None when nothing does."""
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


def named(names: Iterable[str], most: int = 20) -> str:
    """The names of columns, for a sentence."""
    found = [f"`{' '.join((columns.text_of(name) or '').split())[:40]}`" for name in names]
    return ", ".join([*found[:most], *(["…"] if len(found) > most else [])]) or "no columns"


def no_column(layout: Layout, name: str, cells: Mapping[str, Any]) -> BadInput:
    """The refusal of a file without what the layout reads."""
    plain = layout.name in ("prompt", "text")
    return BadInput(
        f"needs a column `{layout.needs}`{'' if plain else f' (layout {layout.name})'}; {name} has {named(cells)}",
        hint=f"pass --column {likely(cells)}" + ("" if plain else " or --layout auto"),
    )


def likely(cells: Mapping[str, Any]) -> str:
    """The column that probably holds the instructions, as the shell takes it; NAME where none stands out."""
    texts = [name for name, value in cells.items() if isinstance(value, str)]
    found = [text for text in texts if text.strip().lower() in layouts.LIKELY]
    if len(found) != 1:
        found = texts if len(texts) == 1 else []
    return shlex.quote(*found) if found else "NAME"
