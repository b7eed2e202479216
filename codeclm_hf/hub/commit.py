"""How a version gets onto a branch: read, merge, commit on what was read, and again where somebody was faster."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tenacity
from huggingface_hub import CommitOperationAdd, CommitOperationDelete

from codeclm_hf import schema
from codeclm_hf.card.captions import PICTURES
from codeclm_hf.errors import BadInput, HubError
from codeclm_hf.evaluation.bundle import FOLDER, of_a_version
from codeclm_hf.hub import repository
from codeclm_hf.hub.merge_base import Base
from codeclm_hf.hub.next_version import Draft, Sides, Wish, draft
from codeclm_hf.hub.repository import Head, Operation, Repository, Stale, Taken
from codeclm_hf.hub.snapshot import Snapshot
from codeclm_hf.hub.version import Version
from codeclm_hf.run import directory
from codeclm_hf.run.manifest import Manifest

TRIES = 50
"""How often others may commit first, before we give up."""
LOST = 5
"""How often in a row the answer to a commit may get lost."""
_OURS = re.compile(
    rf"{directory.DATA}/({'|'.join(schema.TABLES)})/train-\d{{5}}-of-\d{{5}}-[0-9a-f]{{16}}\.parquet"
)
_FIGURES = re.compile(rf"{directory.FIGURES}/({'|'.join(map(re.escape, PICTURES))})")
_BARE = {".gitattributes", directory.CARD}


@dataclass(frozen=True)
class Landed:
    """What stands on the branch now."""

    draft: Draft
    commit: str | None
    """None for a dry run."""


@dataclass(frozen=True, kw_only=True)
class Landing:
    """How a version is to get onto a branch.

    The branch is there, unless this is a dry run.
    """

    hub: Repository
    scratch: Path
    """A folder for merged tables."""
    branch: str = "main"
    wish: Wish = field(default_factory=Wish)
    message: str | None = None
    """One line for the log; by default the changes in numbers."""
    take: Callable[[Sides], Any] | None = None
    """How conflicts end, as `Wish.take`, given what is to be merged."""
    known: Base | None = None
    """Rows of a version that need not be downloaded."""
    adopt: bool = False
    """Whether the repository may be one that codeclm-hf did not make."""
    dry_run: bool = False

    def land(self, sides: Callable[[Snapshot], Sides]) -> Landed:
        """Bring a version onto the branch.

        Args:
            sides: what to merge with what stands on the branch.

        Raises:
            MergeConflict: see `draft`.
            BadInput: see `draft`, or the repository is not ours.
            HubError: the Hub gives no answer, or others commit all the time.
        """
        lost: list[HubError] = []
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Stale),
            stop=tenacity.stop_after_attempt(TRIES),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=10),
            sleep=lambda seconds: repository.sleep(seconds),
            reraise=True,
        )
        try:
            return retrying(self._attempt, sides, lost)
        except Stale as exc:
            words = f"others have committed to {self.hub.id} first {TRIES} times in a row"
            raise HubError(words, hint="run the same again") from exc

    def _attempt(self, sides: Callable[[Snapshot], Sides], lost: list[HubError]) -> Landed:
        hub = self.hub
        head = hub.head(self.branch)
        if head is None:
            if not self.dry_run:
                raise BadInput(f"needs a branch {self.branch} of {hub.id}; there is none")
            return Landed(
                draft(sides(Snapshot()), self.wish, latest=None, repo=hub.id, scratch=self.scratch), None
            )
        theirs = fetch(hub, head, known=self.known, adopt=self.adopt)
        tags = hub.tags()
        if not self.dry_run:
            _tag(hub, self.branch, theirs, tags)
        both = sides(theirs)
        wish = replace(self.wish, take=self.take(both)) if self.take else self.wish
        next_one = draft(
            both,
            wish,
            latest=max(tags, default=None),
            repo=hub.id,
            scratch=self.scratch,
            before=lambda: fetch(hub, head, configs=["default"]),
        )
        if self.dry_run or not next_one.new:
            return Landed(next_one, None if self.dry_run else head.commit)
        title = f"v{next_one.version}: {' '.join((self.message or summary(next_one)).split())}"
        try:
            commit = self._sent(next_one, both.ours, head, title)
        except Stale as exc:
            lost[:] = [*lost, exc.lost] if exc.lost else []
            found = _landed(hub, self.branch, head.commit, next_one)
            if found is None:
                if len(lost) >= LOST:
                    raise lost[-1] from exc
                raise
            commit = found
        _give(hub, next_one.version, commit, title)
        return Landed(next_one, commit)

    def _sent(self, made: Draft, ours: Snapshot, head: Head, title: str) -> str:
        """Commit it; what is needed of the same files afterwards is made while they are on their way."""
        changes = operations(made, head)
        with ThreadPoolExecutor(2) as meanwhile:
            meanwhile.submit(self.hub.keep, changes)
            meanwhile.submit(lambda: ours.digests)
            return self.hub.commit(changes, parent=head.commit, branch=self.branch, title=title).oid


def fetch(
    hub: Repository,
    head: Head,
    *,
    known: Base | None = None,
    adopt: bool = False,
    configs: Collection[str] = tuple(schema.TABLES),
) -> Snapshot:
    """What stands in a commit: its card, its manifest, its pictures, and the tables of some configs.

    Raises:
        BadInput: codeclm-hf did not make it, and it is not to be adopted.
    """
    text = hub.read(directory.CARD, head.commit) if directory.CARD in head.files else ""
    if directory.MANIFEST not in head.files:
        if not adopt and head.files - _BARE:
            raise BadInput(
                f"needs a repository that codeclm-hf made, or a new one; {hub.id} holds other files; pass --adopt to "
                "add to it; they stay as they are"
            )
        return Snapshot(card=text or "", commit=head.commit)
    manifest = Manifest.from_json(hub.read(directory.MANIFEST, head.commit) or "", source=hub.id)
    manifest = replace(manifest, evaluations=of_a_version(manifest.evaluations, head.files))
    if known is not None and known.whole and known.commit == head.commit:
        return Snapshot(manifest=manifest, card=text or "", commit=head.commit, known=lambda: known.digests)
    tables_of = {
        name: match[1] for name in head.files if (match := _OURS.fullmatch(name)) and match[1] in configs
    }
    names = sorted([*tables_of, *filter(_FIGURES.fullmatch, head.files)])
    found = dict(zip(names, hub.download(head.commit, names), strict=True))
    figures = {name.split("/")[1]: found[name].read_bytes() for name in names if _FIGURES.fullmatch(name)}
    # In the order of the card's configs, so that the same version makes the same card again.
    parts = {
        config: [found[name] for name in names if tables_of.get(name) == config] for config in schema.TABLES
    }
    files = {config: paths for config, paths in parts.items() if paths}
    return Snapshot(files, manifest, text or "", head.commit, figures=figures)


def _tag(hub: Repository, branch: str, theirs: Snapshot, tags: dict[Version, str]) -> None:
    """Tag the version that stands there, if whoever committed it could not any more."""
    version = Version.of_tag((theirs.manifest and theirs.manifest.version) or "")
    if version is None or version in tags:
        return
    for commit in hub.commits(branch):
        if commit.title.startswith(f"{version.tag}: "):
            _give(hub, version, commit.commit_id, commit.title)
            tags[version] = commit.commit_id
            return


def _give(hub: Repository, version: Version | None, commit: str, message: str) -> None:
    if version is None:
        return
    try:
        hub.tag(version, commit, message)
    except Taken as exc:
        raise BadInput(
            f"needs a version of its own; {version} was given to another branch of {hub.id} at the same moment; commit "
            f"{commit[:7]} stands without a tag; run the same again with a --version above {version}"
        ) from exc


def _landed(hub: Repository, branch: str, parent: str, ours: Draft) -> str | None:
    """The commit on top of `parent`, if it is ours although no answer said so."""
    for commit in hub.commits(branch):
        if commit.commit_id == parent:
            return None
        if stands(hub, commit.commit_id, ours):
            return commit.commit_id
    return None


def stands(hub: Repository, revision: str, ours: Draft) -> bool:
    """Whether a revision holds just this version: two manifests may be the same although rows or words are not."""
    head = hub.needed(revision)
    return (
        {name for name in head.files if _OURS.fullmatch(name)} == set(tables(ours))
        and hub.read(directory.MANIFEST, head.commit) == manifest_text(ours)
        and hub.read(directory.CARD, head.commit) == ours.content.card
    )


def manifest_text(ours: Draft) -> str:
    """The manifest of a draft, as it stands on the Hub."""
    assert ours.content.manifest is not None, "a draft has a manifest"
    return ours.content.manifest.to_text()


def tables(ours: Draft) -> dict[str, Path]:
    """The tables' files, by their names on the Hub, which hold a hash of what is in them."""
    return {
        f"{directory.DATA}/{config}/{file.name}": file
        for config, files in ours.content.files.items()
        for file in files
    }


def operations(ours: Draft, head: Head) -> list[Operation]:
    """One commit's worth: what is new, and what of ours is no more; what is not ours stays."""
    made = tables(ours)
    figures = {f"{directory.FIGURES}/{name}": png for name, png in ours.content.figures.items()}
    beside = {
        name: content for one in ours.content.evaluations.values() for name, content in one.files.items()
    }
    files: dict[str, Path | bytes] = {**made, **figures, **beside}
    anew = tuple(f"{FOLDER}/{name}/" for name in ours.content.evaluations)
    return [
        CommitOperationAdd(directory.CARD, ours.content.card.encode()),
        CommitOperationAdd(directory.MANIFEST, manifest_text(ours).encode()),
        *(CommitOperationAdd(name, content) for name, content in files.items()),
        *(
            CommitOperationDelete(name)
            for name in sorted(head.files - files.keys())
            if _OURS.fullmatch(name) or _FIGURES.fullmatch(name) or name.startswith(anew)
        ),
    ]


def summary(ours: Draft) -> str:
    """The changes in numbers."""
    counted = [f"{n} {what}" for what, n in total(ours).items() if n]
    evaluations = [f"evaluation {name}" for name in ours.content.evaluations]
    return ", ".join([f"rows {', '.join(counted)}"] if counted else evaluations or ["the card"])


def total(ours: Draft) -> dict[str, int]:
    """Rows added, removed and changed in `default`, or in all configs where there are none."""
    default = ours.changes.get("default")
    of = [default] if default else list(ours.changes.values())
    return {what: sum(getattr(one, what) for one in of) for what in ("added", "removed", "changed")}
