"""What a run directory and the Hub had in common when the folder was last published or pulled.

That is the base of the next merge. It is kept in `DIR/.base-*.parquet`, a file for each repository and
branch, with a line for each row of the folder's tables at that time: `config`, `id`, `digest`. These are
the rows of the folder, not of the version: rows that others had added to the version were never in the
folder, so that not having them removes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from codeclm_hf import ids
from codeclm_hf.errors import BadInput, CodecLMError
from codeclm_hf.files import replace_file
from codeclm_hf.hub.repository import Repository
from codeclm_hf.hub.snapshot import DIGESTS
from codeclm_hf.text import single_line

_METADATA = b"codeclm-hf"


@dataclass(frozen=True)
class MergeBase:
    """The rows that a folder had when it was last published or pulled, and where that was."""

    repo: str
    """`org/name` on the Hub."""
    branch: str
    commit: str
    """The commit that was published or pulled."""
    version: str
    """Its number."""
    is_whole_version: bool
    """Whether that version held just these rows."""
    card_words: str = ""
    """What people had written in the version's card, and in the folder's."""
    digests: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """By config, the `id` and the `digest` of every row."""


def path_of(directory: Path, repo: str, branch: str) -> Path:
    """Return the file in which the base for a repository and branch is kept."""
    return directory / f".base-{ids.row_id(repo, branch)}.parquet"


def save(directory: Path, base: MergeBase) -> None:
    """Write a base in place of the earlier one for its repository and branch.

    Raises:
        CodecLMError: the folder cannot be written.
    """
    empty = pl.DataFrame(schema={**DIGESTS, "config": pl.String})
    parts = [digests.with_columns(config=pl.lit(config)) for config, digests in base.digests.items()]
    table = pl.concat([empty, *parts]).to_arrow().replace_schema_metadata({_METADATA: _to_json(base)})
    content = pa.BufferOutputStream()
    pq.write_table(table, content)
    try:
        replace_file(path_of(directory, base.repo, base.branch), content.getvalue().to_pybytes())
    except OSError as exc:
        raise CodecLMError(
            f"{base.repo} is at version {base.version}, but {directory} cannot note it "
            f"({exc.strerror or exc})",
            hint="make the folder writable and run the same again",
        ) from exc


def load(directory: Path, repo: str, branch: str) -> MergeBase | None:
    """Return the base for a repository and branch; None where the folder has had nothing to do with them.

    Raises:
        BadInput: the file cannot be read.
    """
    path = path_of(directory, repo, branch)
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
        base = _from_json(table.schema.metadata[_METADATA])
        rows = pl.DataFrame(pl.from_arrow(table))
        configs = rows["config"].unique().to_list()
        parts = {name: rows.filter(pl.col("config") == name).select(*DIGESTS) for name in configs}
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError, KeyError, TypeError) as exc:
        raise BadInput(
            f"needs what publish or pull wrote; {path} cannot be read ({single_line(str(exc))}); pull again"
        ) from exc
    return replace(base, digests=parts)


def find(hub: Repository, directory: Path, branch: str) -> MergeBase | None:
    """Return the base of the next merge with a branch; None where the branch's history does not have it.

    A repository that was deleted and made anew never had the rows: to go by the old base would remove them
    here.

    Raises:
        BadInput: see `load`.
        HubError: the Hub gives no answer.
    """
    base = load(directory, hub.id, branch)
    head = hub.head(branch) if base else None
    if base is None or head is None:
        return None
    if base.commit == head.commit or base.commit in {commit.id for commit in hub.commits(branch)}:
        return base
    return None


def _to_json(base: MergeBase) -> bytes:
    """Write all but the rows; the names stay those of files that are in use."""
    return json.dumps(
        {
            "repo": base.repo,
            "branch": base.branch,
            "commit": base.commit,
            "version": base.version,
            "whole": base.is_whole_version,
            "words": base.card_words,
        }
    ).encode()


def _from_json(text: bytes) -> MergeBase:
    value = json.loads(text)
    return MergeBase(
        repo=value["repo"],
        branch=value["branch"],
        commit=value["commit"],
        version=value["version"],
        is_whole_version=value["whole"],
        card_words=value.get("words", ""),
    )
