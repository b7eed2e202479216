"""Files: Parquet in shards named by their content and read a batch at a time; hashes; atomic replacement."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_A_BATCH = 5_000
SHARD_BYTES = 500_000_000
"""A shard is closed once it is larger than this."""


def write_parquet(folder: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> dict[str, str]:
    """Write one table; the same rows in the same order make the same bytes.

    The content's hash is in the names because `load_dataset` caches a local folder by the folder's name and
    its card alone: with the same names in the card it would go on showing an older run, or another run of the
    same folder name.

    Args:
        folder: made here; holds nothing else.
        batches: the rows, in any portions.
        schema: the columns, with the `datasets` features in its metadata.

    Returns:
        The SHA-256 of each shard by its name `train-00000-of-00001-<hash>.parquet`; nothing where there are
        no rows.
    """
    folder.mkdir(parents=True)
    shards: list[Path] = []
    writer: pq.ParquetWriter | None = None
    for batch in _even_batches(batches, schema):
        if writer is None:
            shards.append(folder / f"{len(shards)}.parquet")
            writer = pq.ParquetWriter(
                shards[-1], schema, use_content_defined_chunking=True, write_page_index=True
            )
        writer.write_batch(batch)
        if shards[-1].stat().st_size > SHARD_BYTES:
            writer.close()
            writer = None
    if writer is not None:
        writer.close()
    hashes = [sha256(shard) for shard in shards]
    content = hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]
    names = [f"train-{n:05}-of-{len(shards):05}-{content}.parquet" for n in range(len(shards))]
    for shard, name in zip(shards, names, strict=True):
        shard.rename(folder / name)
    return dict(zip(names, hashes, strict=True))


def _even_batches(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows in batches of one size: a table's bytes must not depend on how its rows came."""
    pending: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        pending.append(batch)
        rows += batch.num_rows
        if rows >= ROWS_A_BATCH:
            table = pa.Table.from_batches(pending, schema)
            whole = rows - rows % ROWS_A_BATCH
            for start in range(0, whole, ROWS_A_BATCH):
                yield from table.slice(start, ROWS_A_BATCH).combine_chunks().to_batches()
            pending, rows = table.slice(whole).to_batches(), rows - whole
    if rows:
        yield from pa.Table.from_batches(pending, schema).combine_chunks().to_batches()


def read_parquet(files: Sequence[Path], columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table's files, in order, a batch at a time."""
    for file in files:
        with pq.ParquetFile(file) as opened:
            yield from opened.iter_batches(ROWS_A_BATCH, columns=columns)


def sha256(content: Path | bytes) -> str:
    """Return the SHA-256, in hexadecimal, of some bytes or of a file, which is read in blocks."""
    digest = hashlib.sha256()
    if isinstance(content, bytes):
        digest.update(content)
        return digest.hexdigest()
    with content.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def replace_file(path: Path, content: str | bytes) -> None:
    """Put a file in place of what was there, whole or not at all; text is written in UTF-8.

    Until then it stands beside it, under a name that begins with a dot and the file's name.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        os.chmod(scratch, 0o644)  # mkstemp makes files private; these are to be shared
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise
