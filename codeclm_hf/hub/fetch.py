"""Reading what stands on the Hub at a commit, whoever made it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import datasets

from codeclm_hf import schema
from codeclm_hf.errors import BadInput
from codeclm_hf.evaluation.bundle import published_evaluations
from codeclm_hf.files import ROWS_A_BATCH, write_parquet
from codeclm_hf.hub import paths
from codeclm_hf.hub.merge_base import MergeBase
from codeclm_hf.hub.repository import Head, Repository
from codeclm_hf.hub.snapshot import Snapshot, read_run_directory
from codeclm_hf.hub.version import Version
from codeclm_hf.run import directory
from codeclm_hf.run.manifest import Manifest
from codeclm_hf.text import single_line


def revision_name(revision: str) -> str:
    """Return the name of a revision on the Hub: a version such as 1.2.0 stands for its tag."""
    version = Version.of_tag(revision)
    return version.tag if version else revision


def fetch_version(
    hub: Repository,
    head: Head,
    *,
    base: MergeBase | None = None,
    adopt: bool = False,
    configs: Collection[str] = tuple(schema.TABLES),
) -> Snapshot:
    """Return the version that stands at a commit: its card, manifest and pictures, and some of its tables.

    Args:
        hub: the repository.
        head: the commit.
        base: rows that need no download where they are all that this version holds.
        adopt: take a repository that codeclm-hf did not make for an empty version with a card.
        configs: the tables to download.

    Raises:
        BadInput: codeclm-hf did not make the repository, and it is not to be adopted.
        HubError: the Hub gives no answer.
    """
    card = _read_card(hub, head)
    if directory.MANIFEST not in head.files:
        if not adopt and head.files - paths.NEW_REPOSITORY:
            raise BadInput(
                f"needs a repository that codeclm-hf made, or a new one; {hub.id} holds other files; "
                "pass --adopt to add to it; they stay as they are"
            )
        return Snapshot(card=card, commit=head.commit)
    text = hub.read_text(directory.MANIFEST, head.commit) or ""
    manifest = Manifest.from_json(text, source=hub.id)
    manifest = replace(manifest, evaluations=published_evaluations(manifest.evaluations, head.files))
    if base is not None and base.is_whole_version and base.commit == head.commit:
        return Snapshot(manifest=manifest, card=card, commit=head.commit, known_digests=base.digests)
    names = sorted(
        name for name in head.files if paths.config_of(name) in configs or paths.picture_name(name)
    )
    files = dict(zip(names, hub.download(head.commit, names), strict=True))
    tables = {
        # in the order of the schema, so that the same version makes the same card again
        config: [files[name] for name in names if paths.config_of(name) == config]
        for config in schema.TABLES
    }
    pictures = {picture: files[name].read_bytes() for name in names if (picture := paths.picture_name(name))}
    return Snapshot(
        {config: shards for config, shards in tables.items() if shards},
        manifest,
        card,
        head.commit,
        figures=pictures,
    )


def _read_card(hub: Repository, head: Head) -> str:
    """Return a commit's card; an empty text where there is none."""
    if directory.CARD not in head.files:
        return ""
    return hub.read_text(directory.CARD, head.commit) or ""


def fetch_any(hub: Repository, head: Head, scratch: Path) -> Snapshot:
    """Return what stands at a commit, whoever made it.

    Args:
        hub: the repository.
        head: the commit.
        scratch: a folder for the tables of a data set that codeclm-hf did not make.

    Raises:
        BadInput: `datasets` cannot load it.
        HubError: the Hub gives no answer.
    """
    if directory.MANIFEST in head.files:
        return fetch_version(hub, head)
    card = _read_card(hub, head)
    return Snapshot(_load_foreign_tables(hub, head, scratch), card=card, commit=head.commit)


def _load_foreign_tables(hub: Repository, head: Head, scratch: Path) -> dict[str, list[Path]]:
    """Write a data set that codeclm-hf did not make as Parquet: a folder a config, or a config and split."""
    where = {"revision": head.commit, "token": hub.api.token}
    files: dict[str, list[Path]] = {}
    try:
        for config in hub.ask(datasets.get_dataset_config_names, hub.id, **where):
            splits = hub.ask(datasets.load_dataset, hub.id, config, cache_dir=str(scratch / "cache"), **where)
            for split, table in splits.items():
                name = config if len(splits) == 1 else f"{config}/{split}"
                portions = table.with_format("arrow").iter(ROWS_A_BATCH)
                batches = (batch for portion in portions for batch in portion.to_batches())
                shards = write_parquet(scratch / name, batches, table.features.arrow_schema)
                files[name] = [scratch / name / shard for shard in shards]
    except (datasets.exceptions.DatasetsError, ValueError) as exc:
        words = single_line(str(exc))
        raise BadInput(f"needs a data set that `datasets` can load; {hub.id} is none ({words})") from exc
    return files


def open_source(source: str, scratch: Path, *, token: str | None = None) -> Snapshot:
    """Return the content of a run directory, or of a data set on the Hub at a revision.

    Args:
        source: a run directory, `org/name`, or `org/name@revision`.
        scratch: a folder for the tables of a data set that codeclm-hf did not make.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Raises:
        BadInput: there is no such folder, data set or revision.
        HubError: the Hub gives no answer.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return read_run_directory(folder)
    name, _, revision = source.partition("@")
    hub = Repository(name, token=token)
    return fetch_any(hub, hub.require_head(revision_name(revision or "main")), scratch)
