"""What a stand-in Hub keeps: commits, branches, tags, pull requests and blobs, with the Hub's rules of conflict."""

from __future__ import annotations

import base64
import hashlib
import itertools
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import yaml

from support.hub_blobs import Blobs, Refused

LARGEST_REGULAR = 10_000_000
"""Bytes; a larger file is kept by LFS."""
ATTRIBUTES = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n*.png filter=lfs diff=lfs merge=lfs -text\n"
_number = itertools.count()
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class User:
    """Whose a token is, and what it may do."""

    name: str
    role: str = "write"
    """read | write | fineGrained."""
    scopes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Of a fineGrained token: (a namespace or "org/name", permissions such as repo.write)."""

    def may(self, repo: str, *permissions: str) -> bool:
        """Whether the token gives one of `permissions` on the repository; any at all where none is named."""
        if self.role != "fineGrained":
            return self.role == "write" or not permissions
        given = {
            what for entity, names in self.scopes if entity in (repo, repo.split("/")[0]) for what in names
        }
        return bool(given & set(permissions) if permissions else given)


@dataclass(frozen=True)
class Tag:
    target: str
    message: str = ""


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    files: dict[str, str]
    """Path -> SHA-256 of the content."""
    title: str
    description: str
    author: str
    date: str


@dataclass
class Pull:
    num: int
    title: str
    description: str
    author: str
    base: str
    """The commit it started from."""
    status: str
    """draft | open | closed | merged."""
    merge_commit: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def comments(self) -> list[str]:
        return [event["data"]["latest"]["raw"] for event in self.events[1:] if event["type"] == "comment"]


def is_lfs(path: str, size: int) -> bool:
    """Whether the Hub keeps such a file by LFS; an empty one it never does."""
    return size > 0 and (path.endswith((".parquet", ".png")) or size > LARGEST_REGULAR)


def card_data(text: str) -> dict[str, Any]:
    """What the YAML at the head of a card says; `ValueError` where it cannot be read."""
    text = text.replace("\r\n", "\n")
    if not text.startswith("---\n") or "\n---" not in text[3:]:
        return {}
    try:
        found = yaml.load(text[4 : text.index("\n---", 3) + 1], Loader=_Loader) or {}
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    if not isinstance(found, dict):
        raise ValueError("needs a mapping at the head of the card")
    return found


class Repo:
    """One repository. Every change is made under the Hub's one lock, wholly or not at all."""

    def __init__(
        self, kind: str, name: str, blobs: Blobs, lock: threading.RLock, *, private: bool = False
    ) -> None:
        self.kind, self.name, self.blobs, self.private, self.lock = kind, name, blobs, private, lock
        self.gated = False
        """Whether its files are only for whom its owner lets in, which is nobody here; what it is, all may see."""
        self.branches: dict[str, str] = {}
        self.tags: dict[str, Tag] = {}
        self.commits: dict[str, Commit] = {}
        self.pulls: dict[int, Pull] = {}

    def files(self, revision: str = "main") -> dict[str, bytes]:
        return {path: self.blobs.read(sha) for path, sha in self.at(revision).files.items()}

    def log(self, revision: str = "main") -> list[Commit]:
        """The commits of a revision, newest first."""
        commits = [self.at(revision)]
        while parent := commits[-1].parent:
            commits.append(self.commits[parent])
        return commits

    def commit(
        self,
        files: dict[str, bytes | None],
        *,
        branch: str = "main",
        title: str = "Update",
        author: str = "me",
    ) -> str:
        """A commit that somebody else makes; None deletes a file."""
        with self.lock:
            parent = self.branches.get(branch)
            after = dict(self.commits[parent].files) if parent else {}
            for path, content in files.items():
                if content is None:
                    del after[path]
                else:
                    after[path] = self.blobs.add([content])
            self.branches[branch] = self.keep(parent, after, title, "", author)
            return self.branches[branch]

    def keep(
        self, parent: str | None, files: dict[str, str], title: str, description: str, author: str
    ) -> str:
        """Keep a commit that no branch names yet, and return its oid."""
        with self.lock:
            content = repr((parent, sorted(files.items()), title, next(_number)))
            commit = Commit(
                hashlib.sha1(content.encode()).hexdigest(),
                parent,
                files,
                title,
                description,
                author,
                self.now(),
            )
            self.commits[commit.oid] = commit
            return commit.oid

    def now(self) -> str:
        """The repository's own time: a second a commit or event, the same in every run."""
        ticks = len(self.commits) + sum(len(pull.events) for pull in self.pulls.values())
        return (
            f"{datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=ticks):%Y-%m-%dT%H:%M:%S.000Z}"
        )

    def at(self, revision: str) -> Commit:
        """The commit that a branch, a tag or a whole oid names."""
        oid = self.branches.get(revision) or ((tag := self.tags.get(revision)) and tag.target) or revision
        if oid not in self.commits:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[oid]

    def apply(
        self, branch: str, header: dict[str, Any], changes: list[dict[str, Any]], author: str, pull: bool
    ) -> Any:
        """Make the commit that a client describes, on a branch or as a new pull request: (oid, its number or None)."""
        with self.lock:
            base, wanted = self.at(branch), header.get("parentCommit")
            if branch not in self.branches:
                raise Refused(400, f"needs a branch to commit to; came {branch}")
            number = branch.removeprefix("refs/pr/")
            if number != branch and self.pulls[int(number)].status not in ("draft", "open"):
                raise Refused(403, "This pull request is closed")
            if wanted and pull:
                base = next((commit for oid, commit in self.commits.items() if oid.startswith(wanted)), base)
            if wanted and not base.oid.startswith(wanted):
                raise Refused(412, "A commit has happened since. Please refresh and try again.")
            files = dict(base.files)
            for change in changes:
                self._change(files, change["key"], change["value"])
            if clash := [folder for path in files for folder in parents(path) if folder in files]:
                raise Refused(400, f"A file with the name of a folder: {clash[0]}")
            oid = self.keep(base.oid, files, header["summary"], header.get("description") or "", author)
            if not pull:
                self.branches[branch] = oid
                return oid, None
            opened = self.open(header["summary"], header.get("description") or "", author, base.oid, "open")
            self.branches[f"refs/pr/{opened.num}"] = oid
            return oid, opened.num

    def _change(self, files: dict[str, str], key: str, value: dict[str, Any]) -> None:
        path = value["path"]
        if key == "file":
            content = base64.b64decode(value["content"])
            if len(content) > LARGEST_REGULAR:
                raise Refused(
                    400, f"Your push was rejected because it contains files larger than 10 MB: {path}"
                )
            files[path] = self.blobs.add([content])
        elif key == "lfsFile":
            if value["oid"] not in self.blobs:
                raise Refused(
                    400, f"An LFS pointer pointed to a file that does not exist. Offending file: {path}"
                )
            files[path] = value["oid"]
        else:
            gone = [name for name in files if (name == path if key == "deletedFile" else inside(name, path))]
            if not gone:
                raise Refused(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
            for name in gone:
                del files[name]

    def open(self, title: str, description: str, author: str, base: str, status: str) -> Pull:
        """A new pull request at the commit it starts from."""
        with self.lock:
            pull = Pull(len(self.pulls) + 1, title, description, author, base, status)
            self.pulls[pull.num] = pull
            self.branches[f"refs/pr/{pull.num}"] = base
            self.say(pull, author, description)
            return pull

    def say(self, pull: Pull, author: str, words: str) -> dict[str, Any]:
        return self.event(pull, author, "comment", edited=False, hidden=False, latest={"raw": words})

    def event(self, pull: Pull, author: str, kind: str, **data: Any) -> dict[str, Any]:
        event: dict[str, Any] = {
            "id": f"{pull.num}-{len(pull.events)}",
            "type": kind,
            "createdAt": self.now(),
        }
        event |= {"author": {"name": author}, "data": data}
        pull.events.append(event)
        return event

    def conflicts(self, pull: Pull) -> tuple[dict[str, str], list[str]]:
        """The files a merge would give, and the paths that both sides changed, differently."""
        base, ours, theirs = (self.at(name).files for name in (pull.base, "main", f"refs/pr/{pull.num}"))
        merged = {
            p: theirs.get(p) if ours.get(p) == base.get(p) else ours.get(p) for p in {*base, *ours, *theirs}
        }
        wrong = [p for p in merged if base.get(p) != ours.get(p) != theirs.get(p) != base.get(p)]
        return {path: sha for path, sha in merged.items() if sha}, sorted(wrong)

    def merge(self, pull: Pull, author: str) -> str:
        with self.lock:
            if pull.status != "open":
                raise Refused(400, f"needs an open pull request; came one that is {pull.status}")
            files, wrong = self.conflicts(pull)
            if wrong:
                raise Refused(409, f"This pull request has conflicts: {', '.join(wrong)}")
            words = f"Co-authored-by: {pull.author}"
            oid = self.keep(self.branches["main"], files, f"{pull.title} (#{pull.num})", words, author)
            self.branches["main"] = pull.merge_commit = oid
            pull.status = "merged"
            self.event(pull, author, "status-change", status="merged")
            return oid


def inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/") if folder.strip("/") else True


def parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
