"""The versions of a data set on the Hub: the log, which version brought a row, and the way back to an older one."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from huggingface_hub import GitCommitInfo

from codeclm_hf.card import render
from codeclm_hf.errors import BadInput
from codeclm_hf.hub.commit import Landing, fetch
from codeclm_hf.hub.publish import Published, onto, published, verify
from codeclm_hf.hub.repository import Repository
from codeclm_hf.hub.snapshot import Snapshot, key
from codeclm_hf.hub.version import Version
from codeclm_hf.json_types import to_json
from codeclm_hf.run import directory
from codeclm_hf.run.manifest import Manifest

AT_ONCE = 8
"""Manifests that are read at a time."""


@dataclass(frozen=True)
class LogEntry:
    """One version."""

    version: str
    """Its number, such as 1.2.0; the tag has a v before it."""
    commit: str
    """The commit it is, 40 hexadecimal digits."""
    date: datetime
    """When, in UTC."""
    author: str
    """Who, by their names on the Hub."""
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
    """Where a row comes from."""

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
    row: dict[str, Any]
    """Its columns."""
    models: dict[str, str]
    """Who made that version, by role: `strong`, `target` and `judge`."""
    prompts: dict[str, str]
    """The hashes of the prompts, by name."""
    seeds: dict[str, Any] | None
    """What the seeds of that version are, and as `ids` those that led to the row."""


def log(repo: str, *, token: str | None = None) -> list[LogEntry]:
    """The versions of a data set, newest first.

    Raises:
        BadInput: there is no such data set, or no version of it.
        HubError: the Hub gives no answer.
    """
    hub = Repository(repo, token=token)
    versions = _versions(hub)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        manifests = pool.map(lambda commit: _manifest(hub, commit.commit_id), versions.values())
    return [
        LogEntry(
            str(version),
            commit.commit_id,
            commit.created_at,
            ", ".join(commit.authors),
            commit.title.removeprefix(f"{version.tag}: "),
            dict(manifest.counts.rows) if manifest else {},
            to_json(manifest.changes) if manifest else {},
            dict(manifest.models) if manifest else {},
        )
        for (version, commit), manifest in zip(versions.items(), manifests, strict=True)
    ]


def _versions(hub: Repository) -> dict[Version, GitCommitInfo]:
    """The commit of every version, newest first."""
    head, tags = hub.needed(), hub.tags()
    if not tags:
        raise BadInput(f"needs a data set with versions; {hub.id} has none; codeclm-hf publish makes one")
    commits = {commit.commit_id: commit for commit in hub.commits(head.commit)}
    for version, commit in tags.items():
        if commit not in commits:  # on another branch
            commits |= {found.commit_id: found for found in hub.commits(version.tag)}
    return {version: commits[tags[version]] for version in sorted(tags, reverse=True)}


def _manifest(hub: Repository, commit: str) -> Manifest | None:
    """The manifest of a version; None where the tag is not ours, but on something else."""
    try:
        return Manifest.from_json(hub.read(directory.MANIFEST, commit) or "", source=hub.id)
    except BadInput:
        return None


def blame(repo: str, id: str, *, token: str | None = None) -> Blame:
    """Which version brought a row as it is now, and what made it.

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
    found: tuple[Version, GitCommitInfo, Snapshot, str, dict[str, Any]] | None = None
    for version, commit in reversed(_versions(hub).items()):
        if (head := hub.head(commit.commit_id)) is None or directory.MANIFEST not in head.files:
            continue
        content = fetch(hub, head)
        for config, row in _row(content, id):
            first = first or version
            if found is None or found[-1] != row or found[-2] != config:
                found = version, commit, content, config, row
            break
    if found is None or first is None:
        raise BadInput(f"needs the id of a row; no version of {hub.id} has {id!r}")
    version, commit, content, config, row = found
    made = content.manifest
    assert made is not None, "only versions with a manifest were looked at"
    seeds = {**(to_json(made.seeds) or {}), "ids": row.get("seed_ids") or []}
    return Blame(
        id,
        config,
        str(version),
        commit.commit_id,
        commit.created_at,
        ", ".join(commit.authors),
        str(first),
        row,
        dict(made.models),
        dict(made.prompts),
        seeds,
    )


def _row(content: Snapshot, id: str) -> list[tuple[str, dict[str, Any]]]:
    """The row in each config that has it, `default` first."""
    found = []
    for config in content.files:
        if (name := key(config, content)) is not None:
            row = content.row(config, name, id)
            found += [(config, row)] if row is not None else []
    return found


def rollback(repo: str, version: str, *, message: str | None = None, token: str | None = None) -> Published:
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
        known = (
            ", ".join(map(str, sorted(hub.tags()))) if hub.head("main") else "none; the data set is not there"
        )
        raise BadInput(f"needs a version of {hub.id}; came {old}; there are {known or 'none'}")
    ours = fetch(hub, head)
    with tempfile.TemporaryDirectory(prefix="codeclm-hf-") as scratch:
        landing = Landing(hub=hub, scratch=Path(scratch), message=message or f"back to {old}")
        landed = landing.land(onto(ours, None, render.words(ours.card)))
        verify(hub, landed, Path(scratch))
    return published(hub, landed)
