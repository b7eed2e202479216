"""The run directory: a data set with its card, its manifest and its journal.

::

    OUT/README.md            the card; its `configs` make `load_dataset("OUT")` work
    OUT/data/<config>/       Parquet named by its content, one folder a table; a table without rows has none
    OUT/figures/             the card's pictures
    OUT/codeclm.json         the manifest: what made it, and counts
    OUT/journal.sqlite       every paid answer; never published
    OUT/.pulled/<config>/    the rows of the version that the folder was pulled from, which stay in every run here
    OUT/.base-*.parquet      what the folder and the Hub last agreed on
    OUT/.lock                held while the others are put in place
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Dataset, Features, concatenate_datasets
from filelock import FileLock

from codeclm_hf import files as parquet
from codeclm_hf import schema
from codeclm_hf.errors import BadInput, CodecLMError

MANIFEST = "codeclm.json"
JOURNAL = "journal.sqlite"
CARD = "README.md"
DATA = "data"
FIGURES = "figures"
PULLED = ".pulled"
LOCK = ".lock"
SCRATCH = ".data-"
"""How a folder's name begins that holds tables until they are put in place."""
TEMPLATE = "card_template"
"""The manifest's name for the text of a card template that somebody gave; it stays through runs."""


def check(out: str | Path) -> Path:
    """The folder as a path, if a run may use it.

    Raises:
        BadInput: it holds something else.
    """
    directory = Path(out).expanduser()
    try:
        return _check(directory)
    except OSError as exc:
        raise BadInput(f"needs a folder that can be used; {directory} cannot ({exc.strerror})") from exc


def _check(directory: Path) -> Path:
    if directory.exists() and not directory.is_dir():
        raise BadInput(f"needs a folder to write to; {directory} is a file; name another --out")
    # a run killed while it claimed the folder leaves a scratch file of ours
    held = directory.is_dir() and any(
        not path.name.startswith(f".{MANIFEST}-") for path in directory.iterdir()
    )
    if held and not (directory / MANIFEST).is_file():
        raise BadInput(
            f"needs a new folder, or one that a run made; {directory} holds something else; name another --out"
        )
    if directory.is_dir():
        read_manifest(directory, missing_ok=True)
    return directory


def locked(directory: Path) -> FileLock:
    """Held while the folder's tables are read or put in place; a run that ends meanwhile waits."""
    return FileLock(directory / LOCK)


def claim(out: str | Path, manifest: dict[str, Any]) -> Path:
    """Make the folder a run's own, so that a run killed at any moment can find it again.

    Raises:
        BadInput: it holds something else, or cannot be written.
    """
    directory = check(out)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not (directory / MANIFEST).exists():
            put(directory / MANIFEST, manifest_text({**manifest, "status": "running"}))
    except OSError as exc:
        raise BadInput(f"needs a folder that can be written; {directory} cannot ({exc.strerror})") from exc
    return directory


class Table(NamedTuple):
    """What the card says of a table's files."""

    pattern: str
    features: Features
    size: int
    """Bytes of the files."""
    nbytes: int
    """Bytes of the rows, as Parquet encodes them before it compresses."""


Render = Callable[[dict[str, Any], dict[str, Table], str], str]
"""Makes a card of the manifest, the tables that have files, and the card that was there."""


def write(
    directory: Path,
    tables: dict[str, Dataset],
    manifest: dict[str, Any],
    render: Render,
    figures: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Put tables, card, its pictures and manifest in place of what was there; two runs that end together take turns.

    Raises:
        CodecLMError: the folder cannot be written.
    """
    try:
        _write(directory, tables, manifest, render, figures)
    except OSError as exc:
        words = f"the tables cannot be written to {directory} ({exc.strerror or exc})"
        raise CodecLMError(
            words, hint="every answer is kept; free the disk and run the same command again"
        ) from exc


def _write(
    directory: Path,
    tables: dict[str, Dataset],
    manifest: dict[str, Any],
    render: Render,
    figures: Mapping[str, bytes],
) -> None:
    manifest = {**manifest, "status": "complete"}
    with locked(directory):
        for left in directory.glob(f"{SCRATCH}*"):  # by a run that was killed here
            shutil.rmtree(left)
        fresh = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=directory))
        try:
            (fresh / DATA).mkdir()
            files = {
                name: _write_table(fresh / DATA / name, table) for name, table in tables.items() if len(table)
            }
            told = described(files)
            if (directory / DATA).exists():
                os.rename(directory / DATA, fresh / "old")
            os.rename(fresh / DATA, directory / DATA)
        finally:
            shutil.rmtree(fresh)
        was = read_manifest(directory, missing_ok=True)
        if TEMPLATE in was:
            manifest[TEMPLATE] = was[TEMPLATE]
        card = directory / CARD
        before = card.read_text(encoding="utf-8") if card.is_file() else ""
        put_card(directory, render(manifest, told, before), figures)
        put(directory / MANIFEST, manifest_text(manifest))


def put_template(directory: Path, manifest: Mapping[str, Any], template: str, card: str) -> None:
    """Put a card, and the template that it was made with, in place; the caller holds the folder."""
    put(directory / MANIFEST, manifest_text({**manifest, TEMPLATE: template}))
    put(directory / CARD, card)


def put_card(directory: Path, text: str, figures: Mapping[str, bytes]) -> None:
    """Put a card and its pictures in place of those that are there; the caller holds the folder."""
    folder = directory / FIGURES
    if figures:
        folder.mkdir(exist_ok=True)
    for name, picture in figures.items():
        put(folder / name, picture)
    put(directory / CARD, text)
    for path in folder.glob("*.png"):
        if path.name not in figures:
            path.unlink()


def _write_table(folder: Path, table: Dataset) -> list[Path]:
    """Write a table's Parquet."""
    parts = table.with_format("arrow").iter(parquet.ROWS_A_BATCH)
    batches = (batch for part in parts for batch in part.to_batches())
    return [folder / name for name in parquet.write(folder, batches, table.features.arrow_schema)]


def described(files: Mapping[str, Sequence[Path]]) -> dict[str, Table]:
    """What the card says of the files of each table that has some."""
    return {name: _described(name, paths) for name, paths in files.items()}


def _described(name: str, paths: Sequence[Path]) -> Table:
    groups = [(told, group) for told in map(pq.read_metadata, paths) for group in range(told.num_row_groups)]
    return Table(
        pattern=f"{DATA}/{name}/train-*-{paths[0].name.rsplit('-', 1)[1]}",
        features=Features.from_arrow_schema(pq.read_schema(paths[0])),
        size=sum(path.stat().st_size for path in paths),
        nbytes=sum(told.row_group(group).total_byte_size for told, group in groups),
    )


def with_pulled(directory: Path, tables: dict[str, Dataset]) -> dict[str, Dataset]:
    """The tables with the rows that the folder was pulled with; where a run made the same row, it is the run's."""
    both = dict(tables)
    for name, table in tables.items():
        files = sorted(str(file) for file in (directory / PULLED / name).glob("*.parquet"))
        if files:
            pulled = pq.read_table(files, schema=table.features.arrow_schema, memory_map=True)
            made = pa.array(table[schema.KEYS[name]][:], pa.string())
            kept = pulled.filter(pc.invert(pc.is_in(pulled[schema.KEYS[name]], made)))
            both[name] = concatenate_datasets([Dataset(kept), table])
    return both


def read_manifest(directory: Path, *, missing_ok: bool = False) -> dict[str, Any]:
    """The manifest of a run directory.

    Raises:
        BadInput: there is none, or it is not ours.
    """
    path = directory / MANIFEST
    if not path.is_file():
        if missing_ok:
            return {}
        raise BadInput(
            f"needs a run directory with a {MANIFEST}; {directory} has none; make one with codeclm-hf run"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(manifest, dict) or not {"codeclm_hf", "status", "models"} <= set(manifest):
            raise ValueError("it is no manifest of a run")
        if manifest["status"] == "complete" and not {"config", "counts", "usage"} <= set(manifest):
            raise ValueError("it has no counts")
        if not isinstance(manifest.get("usage", []), list):
            raise ValueError("an older version of codeclm-hf wrote it")
    except (ValueError, TypeError) as exc:
        raise BadInput(
            f"needs a manifest that a run wrote; {path} is none ({exc}); name another folder"
        ) from exc
    return dict(manifest)


def read_tables(directory: Path) -> dict[str, Dataset]:
    """The four tables of a complete run.

    Raises:
        BadInput: they cannot be read.
    """
    tables = {}
    for name, features in schema.TABLES.items():
        files = sorted(str(file) for file in (directory / DATA / name).glob("*.parquet"))
        if files:
            try:
                tables[name] = Dataset(pq.read_table(files, schema=features.arrow_schema))
            except (pa.ArrowException, OSError) as exc:
                words = " ".join(str(exc).split())
                raise BadInput(
                    f"needs the table `{name}` of {directory}; it cannot be read ({words})"
                ) from exc
        else:
            tables[name] = schema.table([], features)
    return tables


def manifest_text(value: Mapping[str, Any]) -> str:
    """A manifest as it stands in a folder and on the Hub."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def put(path: Path, content: str | bytes) -> None:
    """Write a file whole, in place of what was there."""
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    os.chmod(scratch, 0o644)  # mkstemp makes files private; a data set is to be shared
    os.replace(scratch, path)
