"""The content of one version as files on this machine: its tables, its manifest and its card."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
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

from codeclm_hf import schema
from codeclm_hf.card.captions import PICTURES
from codeclm_hf.errors import BadInput
from codeclm_hf.evaluation.bundle import EvaluationBundle
from codeclm_hf.files import read_parquet
from codeclm_hf.run import directory as run_directory
from codeclm_hf.run.manifest import Manifest
from codeclm_hf.text import single_line

DIGESTS = {"id": pl.String, "digest": pl.String}
"""The columns that tell rows apart: what a row is called, and a hash of all that it holds."""
NO_ROWS = pl.DataFrame(schema=DIGESTS)
"""The digests of a table without rows."""
_LATER = frozenset(name for names in schema.LATER.values() for name in names)

Row = dict[str, Any]
"""A row of a table, by column."""


@dataclass(frozen=True)
class Snapshot:
    """The content of a run directory, or of one revision of a data set on the Hub."""

    files: Mapping[str, list[Path]] = field(default_factory=dict)
    """The Parquet files of each config that has rows."""
    manifest: Manifest | None = None
    """None where codeclm-hf did not make the data set."""
    card: str = ""
    commit: str | None = None
    """The commit on the Hub; None for a run directory."""
    known_digests: Mapping[str, pl.DataFrame] | None = None
    """The digests of the rows, where an earlier publish or pull noted them; then `files` may lack tables."""
    same_rows_as: Snapshot | None = None
    """A snapshot with the same rows, whose digests serve for this one."""
    figures: Mapping[str, bytes] = field(default_factory=dict)
    """The card's pictures, by file name."""
    evaluations: Mapping[str, EvaluationBundle] = field(default_factory=dict)
    """Evaluations that are to be published beside the data, by name."""

    @property
    def version(self) -> str | None:
        """The number of the version, such as 1.2.0; None where the manifest has none."""
        return self.manifest.version if self.manifest else None

    def require_manifest(self) -> Manifest:
        """Return the manifest of a data set that is known to be ours."""
        assert self.manifest is not None, "codeclm-hf made it"
        return self.manifest

    def schema(self, config: str) -> pa.Schema:
        """Return a table's columns: those of its files, or of `codeclm_hf.schema` where it has no rows."""
        if self.files.get(config):
            return pq.read_schema(self.files[config][0])
        return schema.TABLES[config].arrow_schema

    def key_column(self, config: str) -> str | None:
        """Return the column that names a row; None where a table has no such column."""
        names = self.schema(config).names
        return next((name for name in (schema.KEYS.get(config), "id") if name in names), None)

    def batches(self, config: str) -> Iterator[pa.RecordBatch]:
        """Yield a table's rows, in order."""
        return read_parquet(self.files.get(config, []))

    def frame(self, config: str, columns: Sequence[str]) -> pl.LazyFrame:
        """Return some columns of a table as a lazy frame, which is read in batches.

        One that the table may lack, and does, is null.
        """
        there = self.schema(config)
        more = schema.optional_columns(config) & set(columns) - set(there.names)
        kinds = pa.schema([*there, *map(schema.features(config, more).arrow_schema.field, sorted(more))])

        # read with pyarrow: polars' own lazy scan of Parquet has crashed where several threads publish
        def batches(
            wanted: list[str] | None, predicate: pl.Expr | None, rows: int | None, _size: int | None
        ) -> Iterator[pl.DataFrame]:
            names = wanted or columns
            chosen = pa.schema([kinds.field(name) for name in names])
            for batch in read_parquet(
                self.files.get(config, []), [name for name in names if name not in more]
            ):
                frame = polars_frame(with_columns(batch, chosen))
                frame = frame.head(batch.num_rows if rows is None else rows)
                rows = None if rows is None else rows - frame.height
                yield frame if predicate is None else frame.filter(predicate)

        empty = kinds.empty_table().select(list(columns))
        return register_io_source(batches, schema=pl.DataFrame(pl.from_arrow(empty)).schema)

    def first_row(self, config: str, column: str, value: str) -> Row | None:
        """Return the first row of a table with this value in a column; None where there is no such row."""
        for file in self.files.get(config, []):
            rows = pq.read_table(file, filters=pc.field(column) == value, partitioning=None)
            if rows.num_rows:
                return dict(rows.slice(0, 1).to_pylist()[0])
        return None

    def height(self, config: str) -> int:
        """Return how many rows a table has."""
        if self.known_digests is not None:
            return self.digests[config].height if config in self.digests else 0
        if self.same_rows_as is not None:
            return self.same_rows_as.height(config)
        return sum(pq.read_metadata(file).num_rows for file in self.files.get(config, []))

    @cached_property
    def digests(self) -> Mapping[str, pl.DataFrame]:
        """By config, the `id` and the `digest` of every row, in order. The tables are read once."""
        if self.known_digests is not None:
            return self.known_digests
        if self.same_rows_as is not None:
            return self.same_rows_as.digests
        return {
            config: row_digests(read_parquet(files), self.key_column(config))
            for config, files in self.files.items()
        }

    def rows(self, config: str, ids: Sequence[str]) -> dict[str, Row]:
        """Return some rows of a table, by their ids in `digests`; ids that are not there are left out."""
        if not ids or config not in self.files:
            return {}
        numbered = self.digests[config].with_row_index("number")
        wanted = numbered.filter(pl.col("id").is_in(list(set(ids)))).select("number", "id").rows()
        rows: dict[str, Row] = {}
        start, done = 0, 0
        for batch in self.batches(config):
            while done < len(wanted) and wanted[done][0] < start + batch.num_rows:
                number, row_id = wanted[done]
                rows[row_id] = batch.slice(number - start, 1).to_pylist()[0]
                done += 1
            start += batch.num_rows
            if done == len(wanted):
                break
        return rows


@contextmanager
def lock_run_directory(directory: Path) -> Iterator[Snapshot]:
    """Read a run directory and keep it as it is inside the block: a run that ends there meanwhile waits.

    Raises:
        BadInput: see `read_run_directory`.
    """
    Manifest.read(directory)
    with run_directory.locked(directory):
        yield read_run_directory(directory)


def read_run_directory(directory: Path) -> Snapshot:
    """Return the content of a run directory.

    Raises:
        BadInput: the folder is no run directory, or a table of it cannot be read.
    """
    manifest = Manifest.read(directory)
    files = {}
    for config in schema.TABLES:
        if shards := sorted((directory / run_directory.DATA / config).glob("*.parquet")):
            _check_columns(config, shards)
            files[config] = shards
    pictures = sorted((directory / run_directory.FIGURES).glob("*.png"))
    figures = {path.name: path.read_bytes() for path in pictures if path.name in PICTURES}
    return Snapshot(files, manifest, _read_card(directory / run_directory.CARD), figures=figures)


def _read_card(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else ""
    except UnicodeDecodeError as exc:
        raise BadInput(f"needs a card in UTF-8; {path} is not ({exc.reason})") from exc


def _check_columns(config: str, files: list[Path]) -> None:
    for file in files:
        try:
            there = {*pq.read_schema(file).names, *schema.optional_columns(config)}
        except (pa.ArrowException, OSError) as exc:
            raise BadInput(f"needs Parquet files; {file} cannot be read ({single_line(str(exc))})") from exc
        if missing := schema.TABLES[config].keys() - there:
            raise BadInput(f"needs the columns of `{config}`; {file} lacks {', '.join(sorted(missing))}")


def row_digests(batches: Iterator[pa.RecordBatch], key: str | None) -> pl.DataFrame:
    """Return what each row is called, and a hash of all that it holds.

    Args:
        batches: a table's rows.
        key: the column that names a row; without one a row is called by its hash.

    Returns:
        `id` and `digest`, in the rows' order. Where several rows have the same name, the later ones are
        called `name#2`, `name#3`, …, so that no row hides another. A column that is missing counts like one
        of nulls; so does an empty list in a column that earlier versions did not write.
    """
    parts = [NO_ROWS]
    for batch in batches:
        frame = polars_frame(batch)
        texts = frame.select(
            pl.concat_str(map(_as_json, sorted(frame.columns), repeat(frame.schema)), ignore_nulls=True)
        )
        digests = [hashlib.blake2b(text.encode(), digest_size=16).hexdigest() for text in texts.to_series()]
        hashes = pl.Series("digest", digests)
        names = hashes if key is None else frame[key].cast(pl.String).fill_null("null")
        parts.append(pl.DataFrame({"id": names, "digest": hashes}))
    table = pl.concat(parts)
    nth = pl.int_range(1, pl.len() + 1).over("id")
    while table["id"].is_duplicated().any():  # again where a row has the name that another was just given
        table = table.with_columns(id=pl.when(nth > 1).then(pl.format("{}#{}", "id", nth)).otherwise("id"))
    return table


def with_columns(batch: pa.RecordBatch, columns: pa.Schema) -> pa.RecordBatch:
    """Return a batch with these columns, in this order; one that it does not have is null."""
    arrays = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.nulls(len(batch), field.type)
        for field in columns
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=columns)


def polars_frame(batch: pa.RecordBatch) -> pl.DataFrame:
    """Return a batch as a frame of polars."""
    return pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))


def _as_json(name: str, columns: Mapping[str, pl.DataType]) -> pl.Expr:
    """Write a column's values as JSON; a null stays null."""
    column = pl.col(name)
    has_value = column.is_not_null()
    if name in _LATER and isinstance(columns[name], pl.List):
        # else a run that is resumed by a later version would change every row
        has_value &= column.list.len() > 0
    return pl.when(has_value).then(pl.struct(column.cast(_lossless(columns[name]))).struct.json_encode())


def _lossless(kind: pl.DataType) -> pl.DataType:
    """Return a type that JSON holds without loss: as numbers, infinities and NaN would become null."""
    if kind.is_float():
        return pl.String()
    if isinstance(kind, pl.List):
        return pl.List(_lossless(cast(pl.DataType, kind.inner)))
    if isinstance(kind, pl.Struct):
        return pl.Struct({field.name: _lossless(cast(pl.DataType, field.dtype)) for field in kind.fields})
    return kind
