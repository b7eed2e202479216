"""One version's content on disk: its tables, its manifest and its card, wherever they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any, cast

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from polars.io.plugins import register_io_source

from codeclm_hf import files as parquet
from codeclm_hf import schema
from codeclm_hf.card.captions import PICTURES
from codeclm_hf.errors import BadInput
from codeclm_hf.evaluation.bundle import EvaluationBundle
from codeclm_hf.run import directory as run_directory
from codeclm_hf.run.manifest import Manifest

DIGESTS = {"id": pl.String, "digest": pl.String}


@dataclass(frozen=True)
class Snapshot:
    """The content of a run directory, or of one revision of a data set on the Hub."""

    files: Mapping[str, list[Path]] = field(default_factory=dict)
    """The Parquet files of each config that has rows."""
    manifest: Manifest | None = None
    """None where codeclm-hf did not make it."""
    card: str = ""
    commit: str | None = None
    known: Callable[[], Mapping[str, pl.DataFrame]] | None = None
    """Gives the digests, where they are known without reading the files."""
    figures: Mapping[str, bytes] = field(default_factory=dict)
    """The card's pictures, by file name."""
    evaluations: Mapping[str, EvaluationBundle] = field(default_factory=dict)
    """What is published beside it, by name."""

    def schema(self, config: str) -> pa.Schema:
        """A table's columns: those of its files, or the contract's where it has no rows."""
        if self.files.get(config):
            return pq.read_schema(self.files[config][0])
        return schema.TABLES[config].arrow_schema

    def batches(self, config: str) -> Iterator[pa.RecordBatch]:
        """A table's rows, in order."""
        return parquet.read(self.files.get(config, []))

    def frame(self, config: str, columns: Sequence[str]) -> pl.LazyFrame:
        """Some columns of a table for polars, which need not fit in memory."""

        # read with pyarrow: polars' own lazy scan of Parquet has crashed where several threads publish
        def batches(
            wanted: list[str] | None, predicate: pl.Expr | None, rows: int | None, _size: int | None
        ) -> Iterator[pl.DataFrame]:
            for batch in parquet.read(self.files.get(config, []), wanted or columns):
                frame = (
                    rows_of(batch).select(wanted or columns).head(batch.num_rows if rows is None else rows)
                )
                rows = None if rows is None else rows - frame.height
                yield frame if predicate is None else frame.filter(predicate)

        empty = self.schema(config).empty_table().select(list(columns))
        return register_io_source(batches, schema=pl.DataFrame(pl.from_arrow(empty)).schema)

    def row(self, config: str, name: str, value: str) -> dict[str, Any] | None:
        """The first row whose column `name` has this value."""
        for file in self.files.get(config, []):
            found = pq.read_table(file, filters=pc.field(name) == value, partitioning=None)
            if found.num_rows:
                return dict(found.slice(0, 1).to_pylist()[0])
        return None

    def height(self, config: str) -> int:
        """How many rows a table has."""
        if self.known is not None:
            return self.digests[config].height if config in self.digests else 0
        return sum(pq.read_metadata(file).num_rows for file in self.files.get(config, []))

    @cached_property
    def digests(self) -> Mapping[str, pl.DataFrame]:
        """By config, the `id` and the `digest` of every row, in order."""
        if self.known is not None:
            return self.known()
        return {
            config: digests(parquet.read(files), key(config, self)) for config, files in self.files.items()
        }

    def rows(self, config: str, wanted: list[str]) -> dict[str, dict[str, Any]]:
        """Some rows by their ids."""
        if not wanted or config not in self.files:
            return {}
        here, left = self.digests[config].with_row_index("at"), set(wanted)
        places = here.filter(pl.col("id").is_in(list(left))).select("at", "id").rows()
        found: dict[str, dict[str, Any]] = {}
        start, at = 0, 0
        for batch in self.batches(config):
            while at < len(places) and places[at][0] < start + batch.num_rows:
                place, name = places[at]
                found[name] = batch.slice(place - start, 1).to_pylist()[0]
                at += 1
            start += batch.num_rows
            if at == len(places):
                break
        return found


@contextmanager
def held(directory: Path) -> Iterator[Snapshot]:
    """The content of a run directory, which stays as it is meanwhile: a run that ends there waits.

    Raises:
        BadInput: as `local`.
    """
    Manifest.read(directory)
    with run_directory.locked(directory):
        yield local(directory)


def local(directory: Path) -> Snapshot:
    """The content of a run directory.

    Raises:
        BadInput: it is none, or a table of it cannot be read.
    """
    manifest = Manifest.read(directory)
    files = {}
    for config in schema.TABLES:
        if found := sorted((directory / run_directory.DATA / config).glob("*.parquet")):
            _check(config, found)
            files[config] = found
    found = sorted((directory / run_directory.FIGURES).glob("*.png"))
    figures = {path.name: path.read_bytes() for path in found if path.name in PICTURES}
    return Snapshot(files, manifest, _card(directory / run_directory.CARD), figures=figures)


def _card(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else ""
    except UnicodeDecodeError as exc:
        raise BadInput(f"needs a card in UTF-8; {path} is not ({exc.reason})") from exc


def _check(config: str, files: list[Path]) -> None:
    for file in files:
        try:
            missing = set(schema.TABLES[config]) - set(pq.read_schema(file).names)
        except (pa.ArrowException, OSError) as exc:
            raise BadInput(
                f"needs Parquet files; {file} cannot be read ({' '.join(str(exc).split())})"
            ) from exc
        if missing:
            raise BadInput(f"needs the columns of `{config}`; {file} lacks {', '.join(sorted(missing))}")


def key(config: str, snapshot: Snapshot) -> str | None:
    """The column that names a row, if there is one."""
    names = snapshot.schema(config).names
    return next((name for name in (schema.KEYS.get(config), "id") if name in names), None)


def digests(batches: Iterator[pa.RecordBatch], key: str | None) -> pl.DataFrame:
    """What each row is called, and a hash of all that it holds.

    Args:
        batches: a table's rows.
        key: the column that names a row; without one a row is named by what it holds.

    Returns:
        `id` and `digest`, in the rows' order. Where a name stands twice, the later rows are called `name#2`, …, so
        that no row hides another. A column that is not there is the same as one that is null.
    """
    parts = [pl.DataFrame(schema=DIGESTS)]
    for batch in batches:
        frame = rows_of(batch)
        texts = frame.select(
            pl.concat_str(map(_text, sorted(frame.columns), repeat(frame.schema)), ignore_nulls=True)
        )
        hashes = pl.Series(
            "digest",
            [hashlib.blake2b(text.encode(), digest_size=16).hexdigest() for text in texts.to_series()],
        )
        names = hashes if key is None else frame[key].cast(pl.String).fill_null("null")
        parts.append(pl.DataFrame({"id": names, "digest": hashes}))
    table = pl.concat(parts)
    nth = pl.int_range(1, pl.len() + 1).over("id")
    while table["id"].is_duplicated().any():  # again where a row has the name that another was just given
        table = table.with_columns(id=pl.when(nth > 1).then(pl.format("{}#{}", "id", nth)).otherwise("id"))
    return table


def rows_of(batch: pa.RecordBatch) -> pl.DataFrame:
    """A batch for polars."""
    return pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))


def _text(name: str, columns: Mapping[str, pl.DataType]) -> pl.Expr:
    """A column as JSON, null where it is null."""
    column = pl.col(name)
    return pl.when(column.is_not_null()).then(
        pl.struct(column.cast(_exact(columns[name]))).struct.json_encode()
    )


def _exact(kind: pl.DataType) -> pl.DataType:
    """The type that JSON can hold without loss: there, infinite numbers and those that are none would be null."""
    if kind.is_float():
        return pl.String()
    if isinstance(kind, pl.List):
        return pl.List(_exact(cast(pl.DataType, kind.inner)))
    if isinstance(kind, pl.Struct):
        return pl.Struct({field.name: _exact(cast(pl.DataType, field.dtype)) for field in kind.fields})
    return kind
