"""A version from the Hub on this machine: as a folder to go on with, or as a table to look at."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import polars as pl

from codeclm_hf import schema
from codeclm_hf.card import render
from codeclm_hf.errors import BadInput
from codeclm_hf.hub import merge_base
from codeclm_hf.hub.fetch import fetch_any, fetch_version, revision_name
from codeclm_hf.hub.merge_base import MergeBase
from codeclm_hf.hub.repository import Repository
from codeclm_hf.hub.snapshot import Snapshot
from codeclm_hf.run import directory as run_directory
from codeclm_hf.text import did_you_mean


def pull(
    repo: str, directory: str | Path, *, revision: str | None = None, token: str | None = None
) -> Snapshot:
    """Make a run directory of a version.

    A run in it adds to its rows, and publishing it again adds to the version.
    A data set that codeclm-hf did not make becomes a folder of Parquet files, one folder for each config.

    Args:
        repo: `org/name` of a data set on the Hub.
        directory: a new or an empty folder.
        revision: a version such as "1.2.0", a tag, branch or commit; by default the newest.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Returns:
        What the folder holds now.

    Raises:
        BadInput: there is no such data set or revision, or the folder holds something.
        HubError: the Hub gives no answer.
    """
    folder = Path(directory).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"needs a new or an empty folder; {folder} holds something; name another")
    hub = Repository(repo, token=token)
    head = hub.require_head(revision_name(revision or "main"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            content = fetch_any(hub, head, Path(scratch) / "read")
            fresh = Path(scratch) / folder.name
            _write_folder(fresh, content)
            if content.manifest:
                branch = revision if revision and revision in hub.branches() else "main"
                merge_base.save(fresh, _base_of(hub.id, branch, head.commit, content))
            if folder.exists():
                folder.rmdir()
            os.rename(fresh, folder)
    except OSError as exc:
        raise BadInput(
            f"needs a folder that can be written; {folder} cannot ({exc.strerror or exc})"
        ) from exc
    return content


def _base_of(repo: str, branch: str, commit: str, content: Snapshot) -> MergeBase:
    """Return the base of the next publish from a folder that holds just what stands at a commit."""
    return MergeBase(
        repo=repo,
        branch=branch,
        commit=commit,
        version=str(content.version),
        is_whole_version=True,
        card_words=render.words(content.card),
        digests=content.digests,
    )


def _write_folder(folder: Path, content: Snapshot) -> None:
    """Write a run directory; what was pulled stands in `PULLED` as well, where no run replaces it."""
    folder.mkdir()
    for config, files in content.files.items():
        (folder / run_directory.DATA / config).mkdir(parents=True)
        if content.manifest:
            (folder / run_directory.PULLED / config).mkdir(parents=True)
        for file in files:
            copy = shutil.copy(file, folder / run_directory.DATA / config / file.name)
            if content.manifest:
                os.link(copy, folder / run_directory.PULLED / config / file.name)
    for name, picture in content.figures.items():
        (folder / run_directory.FIGURES).mkdir(exist_ok=True)
        (folder / run_directory.FIGURES / name).write_bytes(picture)
    if content.card:
        (folder / run_directory.CARD).write_text(content.card, encoding="utf-8")
    if content.manifest:
        (folder / run_directory.MANIFEST).write_text(content.manifest.to_text(), encoding="utf-8")


def scan(
    repo: str, config: str = "default", *, revision: str | None = None, token: str | None = None
) -> pl.LazyFrame:
    """Return a table of a version for polars.

    Its files are downloaded now, into the Hub's cache, and read when the frame is collected.

    Args:
        repo: `org/name` of a data set on the Hub that codeclm-hf made.
        config: `default`, `preference`, `trace` or `metadata`.
        revision: a version such as "1.2.0", a tag, branch or commit; by default the newest.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Raises:
        BadInput: there is no such data set, revision or table.
        HubError: the Hub gives no answer.
    """
    if config not in schema.TABLES:
        raise BadInput(
            f"needs a config of {', '.join(schema.TABLES)}; "
            f"came {config!r}{did_you_mean(config, schema.TABLES)}"
        )
    hub = Repository(repo, token=token)
    content = fetch_version(hub, hub.require_head(revision_name(revision or "main")), configs=[config])
    return content.frame(config, content.schema(config).names)
