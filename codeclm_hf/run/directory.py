"""The run directory: a data set with its card, its manifest and its journal.

::

    OUT/README.md            the card; its `configs` make `load_dataset("OUT")` work
    OUT/data/<config>/       Parquet named by its content, one folder a table; a table without rows has none
    OUT/figures/             the card's pictures
    OUT/codeclm.json         the manifest: what made it, and counts
    OUT/journal.sqlite       every paid answer; never published
    OUT/contamination.jsonl  the texts that evaluation sets hold; never published
    OUT/.metadata.parquet    the metadata that a person edited; the next run is made of them
    OUT/.pulled/<config>/    the rows of the version that was pulled here; they stay in every run
    OUT/.base-*.parquet      what the folder and the Hub last agreed on
    OUT/.lock                held while the others are put in place
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Dataset, Features, concatenate_datasets
from filelock import FileLock

from codeclm_hf import schema
from codeclm_hf.card.shapes import TableFiles
from codeclm_hf.errors import BadInput, CodecLMError
from codeclm_hf.files import ROWS_A_BATCH, replace_file, write_parquet
from codeclm_hf.run import manifest as manifests
from codeclm_hf.run.card_context import render_card
from codeclm_hf.run.manifest import RUNNING, Manifest

MANIFEST = manifests.FILE
JOURNAL = "journal.sqlite"
CARD = "README.md"
DATA = "data"
FIGURES = "figures"
PULLED = ".pulled"
LOCK = ".lock"
SCRATCH = ".data-"
"""How a folder's name begins that holds tables until they are put in place."""


def check(out: str | Path) -> Path:
    """Return the folder as a path, if a run may use it.

    Raises:
        BadInput: it holds something else.
    """
    directory = usable_folder(out, maker="a run", is_own=_holds_a_run)
    if directory.is_dir():
        Manifest.read_if_there(directory)
    return directory


def _holds_a_run(directory: Path) -> bool:
    # a run killed while it claimed the folder leaves a scratch file of ours
    scratch_alone = all(path.name.startswith(f".{MANIFEST}-") for path in directory.iterdir())
    return scratch_alone or (directory / MANIFEST).is_file()


def usable_folder(out: str | Path, *, maker: str, is_own: Callable[[Path], bool]) -> Path:
    """Return the folder as a path, if it is new, empty, or holds what its maker can go on with.

    Args:
        out: the folder.
        maker: who goes on with it, for errors, such as "a run".
        is_own: whether a folder that holds something is one that the maker made.

    Raises:
        BadInput: it holds something else, or cannot be used.
    """
    directory = Path(out).expanduser()
    try:
        if directory.exists() and not directory.is_dir():
            raise BadInput(f"needs a folder to write to; {directory} is a file; name another --out")
        if directory.is_dir() and any(directory.iterdir()) and not is_own(directory):
            raise BadInput(
                f"needs a new folder, or one that {maker} made; {directory} holds something else; "
                "name another --out"
            )
    except OSError as exc:
        raise BadInput(f"needs a folder that can be used; {directory} cannot ({exc.strerror})") from exc
    return directory


def locked(directory: Path) -> FileLock:
    """Return the lock to hold while the folder's tables are read or replaced; other processes wait for it."""
    return FileLock(directory / LOCK)


def claim(out: str | Path, manifest: Manifest, *, metadata_only: bool = False) -> Path:
    """Make the folder a run's own, so that a run killed at any moment can find it again.

    Args:
        out: the folder.
        manifest: that of the run.
        metadata_only: whether the run stops before there are rows to train on, so that it must not replace any.

    Raises:
        BadInput: it holds something else, or cannot be written.
    """
    directory = check(out)
    before = Manifest.read_if_there(directory) if metadata_only else None
    if before is not None and before.status != RUNNING:
        raise BadInput(
            f"needs a new folder for metadata alone; {directory} holds a finished data set; export its metadata "
            "as they are, or name another --out"
        )
    make_folder(directory)
    try:
        if not (directory / MANIFEST).exists():
            replace_file(directory / MANIFEST, replace(manifest, status=RUNNING).to_text())
    except OSError as exc:
        raise _unwritable(directory, exc) from exc
    return directory


def make_folder(directory: Path) -> Path:
    """Return the folder, made if it is not there.

    Raises:
        BadInput: it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise _unwritable(directory, exc) from exc
    return directory


def _unwritable(directory: Path, exc: OSError) -> BadInput:
    return BadInput(f"needs a folder that can be written; {directory} cannot ({exc.strerror})")


def write(
    directory: Path,
    tables: Mapping[str, Dataset],
    manifest: Manifest,
    figures: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Put tables, card, pictures and manifest in place; two runs that end at once take turns.

    Raises:
        CodecLMError: the folder cannot be written.
    """
    try:
        with locked(directory):
            files = replace_tables(directory, tables)
            previous = Manifest.read_if_there(directory)
            if previous is not None:  # the template that somebody gave stays
                manifest = replace(manifest, card_template=previous.card_template)
            card = directory / CARD
            text = card.read_text(encoding="utf-8") if card.is_file() else ""
            put_card(directory, render_card(manifest, table_files(files), text), figures)
            replace_file(directory / MANIFEST, manifest.to_text())
    except OSError as exc:
        raise write_error("the tables", directory, exc) from exc


def write_unfinished(directory: Path, tables: Mapping[str, Dataset]) -> None:
    """Put the tables of a run that is to go on in place; its manifest says that it is running.

    Raises:
        CodecLMError: the folder cannot be written.
    """
    try:
        with locked(directory):
            replace_tables(directory, tables)
    except OSError as exc:
        raise write_error("the metadata", directory, exc) from exc


def write_error(what: str, directory: Path, exc: OSError) -> CodecLMError:
    """Return the error that a finished run or evaluation could not put its files into its folder."""
    words = f"{what} cannot be written to {directory} ({exc.strerror or exc})"
    return CodecLMError(words, hint="every answer is kept; free the disk and run the same command again")


def replace_tables(directory: Path, tables: Mapping[str, Dataset]) -> dict[str, list[Path]]:
    """Put tables in place of all that were there; the caller holds the lock.

    Returns:
        The files of each table that has rows; the others have none.
    """
    for leftover in directory.glob(f"{SCRATCH}*"):  # of a run that was killed here
        shutil.rmtree(leftover)
    fresh = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=directory))
    try:
        (fresh / DATA).mkdir()
        names = {
            name: _write_table(fresh / DATA / name, table) for name, table in tables.items() if len(table)
        }
        if (directory / DATA).exists():
            os.rename(directory / DATA, fresh / "old")
        os.rename(fresh / DATA, directory / DATA)
    finally:
        shutil.rmtree(fresh)
    return {name: [directory / DATA / name / file for file in files] for name, files in names.items()}


def read_card(directory: Path) -> str:
    """Return the card of a run directory.

    Raises:
        BadInput: it is no run directory, its run has not ended, or the card is not in UTF-8.
    """
    Manifest.read(directory)
    path = directory / CARD
    if not path.is_file():
        raise BadInput(
            f"needs a run directory with a {path.name}; {directory} has none yet; let the run there end first"
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise BadInput(
            f"needs a card in UTF-8; {path} cannot be read ({' '.join(str(exc).split())})"
        ) from exc


def put_template(directory: Path, manifest: Manifest, card: str) -> None:
    """Put a card and the manifest that keeps its template in place; the caller holds the lock."""
    replace_file(directory / MANIFEST, manifest.to_text())
    replace_file(directory / CARD, card)


def put_card(directory: Path, text: str, figures: Mapping[str, bytes]) -> None:
    """Put a card and its pictures in place of those that are there; the caller holds the lock."""
    folder = directory / FIGURES
    if figures:
        folder.mkdir(exist_ok=True)
    for name, picture in figures.items():
        replace_file(folder / name, picture)
    replace_file(directory / CARD, text)
    for path in folder.glob("*.png"):
        if path.name not in figures:
            path.unlink()


def _write_table(folder: Path, table: Dataset) -> list[str]:
    """Write a table as Parquet and return the names of the files."""
    parts = table.with_format("arrow").iter(ROWS_A_BATCH)
    batches = (batch for part in parts for batch in part.to_batches())
    return list(write_parquet(folder, batches, table.features.arrow_schema))


def table_files(files: Mapping[str, Sequence[Path]]) -> dict[str, TableFiles]:
    """Return what the card says of the files of each table that has some."""
    return {name: _table_files(name, paths) for name, paths in files.items()}


def _table_files(name: str, paths: Sequence[Path]) -> TableFiles:
    footers = [pq.read_metadata(path) for path in paths]
    return TableFiles(
        pattern=f"{DATA}/{name}/train-*-{paths[0].name.rsplit('-', 1)[1]}",
        features=Features.from_arrow_schema(pq.read_schema(paths[0])),
        download_size=sum(path.stat().st_size for path in paths),
        dataset_size=sum(
            footer.row_group(group).total_byte_size
            for footer in footers
            for group in range(footer.num_row_groups)
        ),
    )


def pulled_instructions(directory: Path) -> list[tuple[str, str]]:
    """Return (id, instruction) of the rows of `default` that were pulled into a run's folder."""
    files = sorted(str(file) for file in (directory / PULLED / "default").glob("*.parquet"))
    rows = [row for file in files for row in pq.read_table(file, columns=["id", "instruction"]).to_pylist()]
    return [(row["id"], row["instruction"]) for row in rows if row["instruction"]]


def add_pulled_rows(directory: Path, tables: Mapping[str, Dataset]) -> dict[str, Dataset]:
    """Return a run's tables with the rows that were pulled into its folder.

    Of rows with the same id, the one that the run made stays.
    """
    joined = dict(tables)
    for name, table in tables.items():
        files = sorted(str(file) for file in (directory / PULLED / name).glob("*.parquet"))
        if files:
            # either may keep thoughts, and the other not
            columns = [*pq.read_schema(files[0]).names, *table.column_names]
            features = schema.features(name, columns)
            pulled = pq.read_table(files, schema=features.arrow_schema, memory_map=True)
            new = pa.array(table[schema.KEYS[name]][:], pa.string())
            rest = pulled.filter(pc.invert(pc.is_in(pulled[schema.KEYS[name]], new)))
            joined[name] = concatenate_datasets([Dataset(rest), schema.with_features(table, features)])
    return joined


def read_tables(directory: Path, manifest: Manifest | None = None) -> dict[str, Dataset]:
    """Return the four tables of a complete run.

    Args:
        directory: a run directory.
        manifest: its manifest, where the tables must have as many rows as it says.

    Raises:
        BadInput: they cannot be read, or do not have those rows.
    """
    tables = {}
    for name in schema.TABLES:
        files = sorted(str(file) for file in (directory / DATA / name).glob("*.parquet"))
        if files:
            try:
                features = schema.features(name, pq.read_schema(files[0]).names)
                tables[name] = Dataset(pq.read_table(files, schema=features.arrow_schema))
            except (pa.ArrowException, OSError) as exc:
                words = " ".join(str(exc).split())
                raise BadInput(
                    f"needs the table `{name}` of {directory}; it cannot be read ({words})"
                ) from exc
        else:
            tables[name] = schema.table([], schema.TABLES[name])
    for name, rows in manifest.counts.rows.items() if manifest else ():
        if len(tables[name]) != rows:
            raise BadInput(
                f"needs {rows} rows of `{name}` in {directory}; there are {len(tables[name])}; run again"
            )
    return tables
