"""The history of a data set: its versions, which of them brought a row, and the way back to one."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from codeclm_hf.card import render
from codeclm_hf.errors import BadInput
from codeclm_hf.hub.commit import CommitRequest, commit_version
from codeclm_hf.hub.fetch import fetch_version
from codeclm_hf.hub.publish import PublishResult, publish_result
from codeclm_hf.hub.read_back import read_back
from codeclm_hf.hub.repository import Commit, Repository
from codeclm_hf.hub.snapshot import Row, Snapshot
from codeclm_hf.hub.version import Version
from codeclm_hf.json_types import to_json
from codeclm_hf.run import directory
from codeclm_hf.run.manifest import Manifest

MANIFESTS_AT_ONCE = 8
"""How many manifests are read at a time."""


@dataclass(frozen=True)
class LogEntry:
    """One version in the log."""

    version: str
    """Its number, such as 1.2.0; the tag has a v before it."""
    commit: str
    """Its commit, 40 hexadecimal digits."""
    date: datetime
    """When it was committed, in UTC."""
    author: str
    """Who committed it, by their names on the Hub, with commas."""
    message: str
    """The line that `publish` was given."""
    rows: dict[str, int]
    """By config."""
    changes: dict[str, dict[str, int]]
    """By config: rows added, removed and changed against the version before."""
    models: dict[str, str]
    """By role: `strong`, `target` and `judge`."""


@dataclass(frozen=True)
class Blame:
    """Which version brought a row, and what made it."""

    id: str
    """The row's id."""
    config: str
    """The table it stands in."""
    version: str
    """The version that brought the row as it is now."""
    commit: str
    """The commit of `version`."""
    date: datetime
    """When that was, in UTC."""
    author: str
    """Whose commit it is."""
    first_version: str
    """The version in which a row of this id first stood."""
    row: Row
    """Its columns."""
    models: dict[str, str]
    """The models that made that version, by role: `strong`, `target` and `judge`."""
    prompts: dict[str, str]
    """The hashes of the prompts, by name."""
    seeds: dict[str, Any] | None
    """What the seeds of that version are, and as `ids` the seeds that led to the row."""


def log(repo: str, *, token: str | None = None) -> list[LogEntry]:
    """List the versions of a data set, newest first.

    Raises:
        BadInput: there is no such data set, or no version of it.
        HubError: the Hub gives no answer.
    """
    hub = Repository(repo, token=token)
    versions = _versions(hub)
    with ThreadPoolExecutor(MANIFESTS_AT_ONCE) as pool:
        manifests = pool.map(lambda commit: _read_manifest(hub, commit.id), versions.values())
    return [
        LogEntry(
            version=str(version),
            commit=commit.id,
            date=commit.date,
            author=commit.authors,
            message=commit.title.removeprefix(f"{version.tag}: "),
            rows=dict(manifest.counts.rows) if manifest else {},
            changes=to_json(manifest.changes) if manifest else {},
            models=dict(manifest.models) if manifest else {},
        )
        for (version, commit), manifest in zip(versions.items(), manifests, strict=True)
    ]


def _versions(hub: Repository) -> dict[Version, Commit]:
    """Return the commit of every version, newest first."""
    head, tags = hub.require_head(), hub.tags()
    if not tags:
        raise BadInput(f"needs a data set with versions; {hub.id} has none; codeclm-hf publish makes one")
    commits = {commit.id: commit for commit in hub.commits(head.commit)}
    for version, commit_id in tags.items():
        if commit_id not in commits:  # on another branch
            commits |= {commit.id: commit for commit in hub.commits(version.tag)}
    return {version: commits[tags[version]] for version in sorted(tags, reverse=True)}


def _read_manifest(hub: Repository, commit: str) -> Manifest | None:
    """Return the manifest at a commit; None where the tag is not ours, but on something else."""
    try:
        return Manifest.from_json(hub.read_text(directory.MANIFEST, commit) or "", source=hub.id)
    except BadInput:
        return None


class _RowVersion(NamedTuple):
    """A row as it stands in a version."""

    version: Version
    commit: Commit
    content: Snapshot
    config: str
    row: Row


def blame(repo: str, id: str, *, token: str | None = None) -> Blame:
    """Find the version that brought a row as it is now, and what made it.

    Args:
        repo: `org/name` of a data set on the Hub.
        id: the row's id, of any config.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Raises:
        BadInput: no version has such a row.
        HubError: the Hub gives no answer.
    """
    hub = Repository(repo, token=token)
    first: Version | None = None
    newest: _RowVersion | None = None
    for version, commit in reversed(_versions(hub).items()):
        if (head := hub.head(commit.id)) is None or directory.MANIFEST not in head.files:
            continue
        content = fetch_version(hub, head)
        if (place := _find_row(content, id)) is None:
            continue
        config, row = place
        first = first or version
        if newest is None or (newest.config, newest.row) != (config, row):
            newest = _RowVersion(version, commit, content, config, row)
    if newest is None or first is None:
        raise BadInput(f"needs the id of a row; no version of {hub.id} has {id!r}")
    manifest = newest.content.require_manifest()
    return Blame(
        id=id,
        config=newest.config,
        version=str(newest.version),
        commit=newest.commit.id,
        date=newest.commit.date,
        author=newest.commit.authors,
        first_version=str(first),
        row=newest.row,
        models=dict(manifest.models),
        prompts=dict(manifest.prompts),
        seeds={**(to_json(manifest.seeds) or {}), "ids": newest.row.get("seed_ids") or []},
    )


def _find_row(content: Snapshot, id: str) -> tuple[str, Row] | None:
    """Return the first config that has a row of this id, and the row; `default` comes first."""
    for config in content.files:
        if (key := content.key_column(config)) is not None:
            row = content.first_row(config, key, id)
            if row is not None:
                return config, row
    return None


def rollback(
    repo: str, version: str, *, message: str | None = None, token: str | None = None
) -> PublishResult:
    """Publish the content of an older version as a new one; nothing of the history changes.

    Rows that somebody publishes in the same moment stay, and so does what people wrote in the card.

    Args:
        repo: `org/name` of a data set on the Hub.
        version: the one to go back to, such as "1.2.0".
        message: one line for the log.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Raises:
        BadInput: there is no such version.
        HubError: the Hub gives no answer.
    """
    old, hub = Version.parse(version), Repository(repo, token=token)
    hub.check_access()
    if (head := hub.head(old.tag)) is None:
        versions = "none; the data set is not there"
        if hub.head("main") is not None:
            versions = ", ".join(map(str, sorted(hub.tags()))) or "none"
        raise BadInput(f"needs a version of {hub.id}; came {old}; there are {versions}")
    content = fetch_version(hub, head)
    with tempfile.TemporaryDirectory(prefix="codeclm-hf-") as scratch:
        request = CommitRequest(
            incoming=content,
            base=None,
            base_card_words=render.words(content.card),
            scratch=Path(scratch),
            message=message or f"back to {old}",
        )
        result = commit_version(hub, request)
        read_back(hub, result, Path(scratch))
    return publish_result(hub, result)
