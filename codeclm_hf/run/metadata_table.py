"""The metadata of a run directory that a person edits between encode and decode.

What was edited stands in `.metadata.parquet`, beside the table that the run made, and takes its place when
the run goes on. It remembers which row of the run's table each row was.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, Features, Value

from codeclm_hf import schema
from codeclm_hf.errors import BadInput
from codeclm_hf.files import replace_file
from codeclm_hf.run import directory as run_directory
from codeclm_hf.run.manifest import Manifest
from codeclm_hf.stages.stage import Row

FILE = ".metadata.parquet"
"""Its name in a run directory."""
ORIGINAL = "original_id"
"""The column that says which row of the run's table a row was."""
_STORED = Features({**schema.METADATA, ORIGINAL: Value("string")})


def read(directory: Path) -> Dataset | None:
    """Return the table `schema.METADATA` that a person edited; None where nobody did.

    Raises:
        BadInput: the file cannot be read.
    """
    rows = _stored(directory)
    return None if rows is None else schema.table(rows, schema.METADATA)


def made_rows(directory: Path) -> list[Row]:
    """Return the metadata that a run made, and can be edited.

    Raises:
        BadInput: it is no run directory, has no metadata, or has some of a version that was pulled.
    """
    Manifest.read(directory)
    if any((directory / run_directory.PULLED / "metadata").glob("*.parquet")):
        raise BadInput(
            f"needs metadata of one run; {directory} holds those of a version that was pulled too; "
            "edit them in the folder of the run"
        )
    rows: list[Row] = run_directory.read_tables(directory)["metadata"].to_list()
    if not any(row["use_case"] for row in rows):
        raise BadInput(
            f"needs metadata to edit; {directory} has none; make some with codeclm-hf run --metadata-only"
        )
    return rows


def rows_to_edit(directory: Path) -> list[Row]:
    """Return the metadata as they are to be edited, under the ids of the run's table.

    They are those that were edited before, as long as the run has not gone on with them.

    Raises:
        BadInput: there are none, or they cannot be read.
    """
    made, stored = made_rows(directory), _stored(directory)
    ids = {row["metadata_id"] for row in made}
    if stored is None or any(row[ORIGINAL] not in ids for row in stored):
        return made
    return [{**row, "metadata_id": row[ORIGINAL]} for row in stored]


def write(directory: Path, rows: Sequence[Row], originals: Sequence[str]) -> None:
    """Store metadata that a person edited, in place of earlier ones.

    Args:
        directory: a run directory.
        rows: the table `schema.METADATA`.
        originals: the id that each row has in the run's table.

    Raises:
        CodecLMError: the folder cannot be written.
    """
    stored = [{**row, ORIGINAL: original} for row, original in zip(rows, originals, strict=True)]
    content = io.BytesIO()
    pq.write_table(schema.table(stored, _STORED).data.table, content)
    try:
        replace_file(directory / FILE, content.getvalue())
    except OSError as exc:
        raise run_directory.write_error("the edited metadata", directory, exc) from exc


def _stored(directory: Path) -> list[Row] | None:
    path = directory / FILE
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path, schema=_STORED.arrow_schema)
    except (pa.ArrowException, OSError) as exc:
        words = " ".join(str(exc).split())
        raise BadInput(f"needs the edited metadata in {path}; it cannot be read ({words})") from exc
    rows: list[Row] = Dataset(table).to_list()
    return rows
