"""What stands on the Hub at a revision, here: to look at, to compare, or to go on with."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import datasets
import polars as pl

from codeclm_hf import files as parquet
from codeclm_hf import schema
from codeclm_hf.card import render
from codeclm_hf.errors import BadInput
from codeclm_hf.hub import merge_base as bases
from codeclm_hf.hub.commit import fetch
from codeclm_hf.hub.merge_base import Base
from codeclm_hf.hub.repository import Head, Repository
from codeclm_hf.hub.snapshot import Snapshot, local
from codeclm_hf.hub.version import Version
from codeclm_hf.run import directory as run_directory
from codeclm_hf.text import did_you_mean


def pull(
    repo: str, directory: str | Path, *, revision: str | None = None, token: str | None = None
) -> Snapshot:
    """Make a run directory of a version: a run in it adds to its rows, and publishing it again adds to the version.

    A data set that codeclm-hf did not make becomes a folder of Parquet files, one folder a config.

    Args:
        repo: `org/name` of a data set on the Hub.
        directory: a new or an empty folder.
        revision: a version such as "1.2.0", a tag, branch or commit; by default the newest.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Raises:
        BadInput: there is no such data set or revision, or the folder holds something.
        HubError: the Hub gives no answer.
    """
    folder = Path(directory).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"needs a new or an empty folder; {folder} holds something; name another")
    hub = Repository(repo, token=token)
    head = hub.needed(named(revision or "main"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            content = read(hub, head, Path(scratch) / "read")
            fresh = Path(scratch) / folder.name
            _fill(fresh, content)
            if content.manifest:
                branch = revision if revision and revision in hub.branches() else "main"
                version, said = str(content.manifest.version), render.words(content.card)
                bases.save(fresh, Base(hub.id, branch, head.commit, version, True, said, content.digests))
            if folder.exists():
                folder.rmdir()
            os.rename(fresh, folder)
    except OSError as exc:
        raise BadInput(
            f"needs a folder that can be written; {folder} cannot ({exc.strerror or exc})"
        ) from exc
    return content


def _fill(folder: Path, content: Snapshot) -> None:
    folder.mkdir()
    for config, files in content.files.items():
        (folder / run_directory.DATA / config).mkdir(parents=True)
        if content.manifest:
            (folder / run_directory.PULLED / config).mkdir(parents=True)
        for file in files:
            copied = shutil.copy(file, folder / run_directory.DATA / config / file.name)
            if content.manifest:
                os.link(copied, folder / run_directory.PULLED / config / file.name)
    for name, png in content.figures.items():
        (folder / run_directory.FIGURES).mkdir(exist_ok=True)
        (folder / run_directory.FIGURES / name).write_bytes(png)
    if content.card:
        (folder / run_directory.CARD).write_text(content.card, encoding="utf-8")
    if content.manifest:
        (folder / run_directory.MANIFEST).write_text(content.manifest.to_text(), encoding="utf-8")


def named(revision: str) -> str:
    """The name of a revision on the Hub: a version stands for its tag."""
    version = Version.of_tag(revision)
    return version.tag if version else revision


def scan(
    repo: str, config: str = "default", *, revision: str | None = None, token: str | None = None
) -> pl.LazyFrame:
    """A table of a version for polars; its files are downloaded now, into the Hub's cache, and read when needed.

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
            f"needs a config of {', '.join(schema.TABLES)}; came {config!r}{did_you_mean(config, schema.TABLES)}"
        )
    hub = Repository(repo, token=token)
    content = fetch(hub, hub.needed(named(revision or "main")), configs=[config])
    return content.frame(config, content.schema(config).names)


def opened(source: str, scratch: Path, *, token: str | None = None) -> Snapshot:
    """What a run directory holds, or a data set on the Hub at a revision.

    Args:
        source: a run directory, `org/name`, or `org/name@revision`.
        scratch: a folder for the tables of a data set that codeclm-hf did not make.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Raises:
        BadInput: there is none.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return local(folder)
    name, _, revision = source.partition("@")
    hub = Repository(name, token=token)
    return read(hub, hub.needed(named(revision or "main")), scratch)


def read(hub: Repository, head: Head, scratch: Path) -> Snapshot:
    """What stands in a commit, whoever made it.

    Args:
        hub: the repository.
        head: the commit.
        scratch: a folder for the tables of a data set that codeclm-hf did not make.

    Raises:
        BadInput: `datasets` cannot load it.
    """
    if run_directory.MANIFEST in head.files:
        return fetch(hub, head)
    text = hub.read(run_directory.CARD, head.commit) if run_directory.CARD in head.files else ""
    where = {"revision": head.commit, "token": hub.api.token}
    files: dict[str, list[Path]] = {}
    try:
        for config in hub.ask(datasets.get_dataset_config_names, hub.id, **where):
            splits = hub.ask(datasets.load_dataset, hub.id, config, cache_dir=str(scratch / "cache"), **where)
            for split, table in splits.items():
                name = config if len(splits) == 1 else f"{config}/{split}"
                rows = (
                    batch for part in table.with_format("arrow").iter(5_000) for batch in part.to_batches()
                )
                folder = scratch / name
                files[name] = [
                    folder / file for file in parquet.write(folder, rows, table.features.arrow_schema)
                ]
    except (datasets.exceptions.DatasetsError, ValueError) as exc:
        words = " ".join(str(exc).split())
        raise BadInput(f"needs a data set that `datasets` can load; {hub.id} is none ({words})") from exc
    return Snapshot(files, None, text or "", head.commit)
