"""What a run directory and the Hub last agreed on: the common ancestor of the next merge.

It is kept in `DIR/.base-*.parquet`, a file for each repository and branch, one row a row of the folder's tables at
that time: `config`, `id`, `digest`. These are the folder's own rows, not the version's: rows that others had added
there were never in the folder, so that their absence is no removal.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from codeclm_hf import ids
from codeclm_hf.errors import BadInput, CodecLMError
from codeclm_hf.hub.snapshot import DIGESTS

_ABOUT = b"codeclm-hf"


@dataclass(frozen=True)
class Base:
    """The rows that a folder had when it was last published or pulled, and where that was."""

    repo: str
    branch: str
    commit: str
    version: str
    whole: bool
    """Whether that version held these rows and no others."""
    words: str = ""
    """What people had written in its card, and in the folder's."""
    digests: Mapping[str, pl.DataFrame] = field(default_factory=dict)


def save(directory: Path, base: Base) -> None:
    """Put it in place of what was there.

    Raises:
        CodecLMError: the folder cannot be written.
    """
    parts = [table.with_columns(config=pl.lit(config)) for config, table in base.digests.items()]
    table = pl.concat([pl.DataFrame(schema={**DIGESTS, "config": pl.String}), *parts]).to_arrow()
    about = {name: value for name, value in vars(base).items() if name != "digests"}
    path = file(directory, base.repo, base.branch)
    scratch = path.with_suffix(f".{os.getpid()}")
    try:
        pq.write_table(table.replace_schema_metadata({_ABOUT: json.dumps(about).encode()}), scratch)
        os.replace(scratch, path)
    except OSError as exc:
        words = f"{base.repo} is at version {base.version}, but {directory} cannot note it ({exc.strerror or exc})"
        raise CodecLMError(words, hint="make the folder writable and run the same again") from exc


def file(directory: Path, repo: str, branch: str) -> Path:
    """Where it is kept."""
    return directory / f".base-{ids.row_id(repo, branch)}.parquet"


def load(directory: Path, repo: str, branch: str) -> Base | None:
    """The base for this repository and branch; None where the folder never was there.

    Raises:
        BadInput: the file is torn.
    """
    path = file(directory, repo, branch)
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
        about = json.loads(table.schema.metadata[_ABOUT])
        rows = pl.DataFrame(pl.from_arrow(table))
        configs = rows["config"].unique().to_list()
        parts = {name: rows.filter(pl.col("config") == name).select(*DIGESTS) for name in configs}
        return Base(**about, digests=parts)
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError, KeyError, TypeError) as exc:
        words = " ".join(str(exc).split())
        raise BadInput(
            f"needs what publish or pull wrote; {path} cannot be read ({words}); pull again"
        ) from exc
