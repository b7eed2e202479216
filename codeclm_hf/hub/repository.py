"""A data set repository on the Hub: the one place that talks to it, and where foreign errors become ours."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import huggingface_hub
import tenacity
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, GitCommitInfo, HfApi, constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # it is public, not re-exported

from codeclm_hf.errors import BadInput, HubError
from codeclm_hf.hub.errors import means_later, status, translated, words
from codeclm_hf.hub.version import Version

T = TypeVar("T")
Operation = CommitOperationAdd | CommitOperationDelete
TRIES = 7
_PREFIXES = ("hf://", "datasets/")
sleep = time.sleep


class Stale(Exception):
    """Somebody else committed since we read, or an answer got lost; the caller reads again."""

    def __init__(self, lost: HubError | None = None) -> None:
        self.lost = lost
        """Why there was no answer; None where somebody else committed."""


class Taken(Exception):
    """There is such a tag already."""


@dataclass(frozen=True)
class Head:
    """The newest commit of a branch, and the names of its files."""

    commit: str
    files: frozenset[str]


class Repository:
    """A data set repository, there or not yet.

    Args:
        name: `org/name`, or its URL.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Raises:
        BadInput: it is no name of a data set repository.
    """

    def __init__(self, name: str, *, token: str | None = None) -> None:
        self.api = HfApi(token=token, library_name="codeclm-hf")
        self.id = _repository_id(name, self.api.endpoint)

    def check_access(self, *, write: bool = True) -> str:
        """See that our token may write here, before anything is uploaded; returns the user's name.

        Raises:
            BadInput: there is no token, or it may only read.
        """
        if not (self.api.token or huggingface_hub.get_token()):
            raise BadInput("needs a token of the Hub; there is none; set HF_TOKEN or run hf auth login")
        me = self.ask(self.api.whoami)
        if "/" not in self.id:
            self.id = f"{me['name']}/{self.id}"
        token = (me.get("auth") or {}).get("accessToken") or {}
        if write and (token.get("role") == "read" or not _may_write(token, self.id)):
            kind = "may only read" if token["role"] == "read" else "has no write scope here"
            raise BadInput(
                f"needs a token that may write to {self.id}; this one, of {me['name']}, {kind}; "
                f"make one with the role write at {self.api.endpoint}/settings/tokens"
            )
        return str(me["name"])

    def head(self, revision: str) -> Head | None:
        """The newest commit of a branch, or the commit of a tag; None where there is no repository or revision.

        Raises:
            BadInput: it is gated, or of another type.
            HubError: the Hub gives no answer.
        """
        try:
            info = self.find(self.api.dataset_info, self.id, revision=revision)
        except RevisionNotFoundError:
            return None
        except RepositoryNotFoundError:
            if self.ask(self.api.repo_exists, self.id, repo_type="model"):
                raise BadInput(
                    f"needs a data set repository; {self.id} is a model; name another, or make the data set "
                    "repository of that name first"
                ) from None
            return None
        return Head(str(info.sha), frozenset(file.rfilename for file in info.siblings or []))

    def needed(self, revision: str = "main") -> Head:
        """The same, where it has to be there.

        Raises:
            BadInput: there is none.
        """
        if (head := self.head(revision)) is None:
            raise BadInput(
                f"needs a data set on the Hub that this token may read; {self.id}@{revision} is none"
            )
        return head

    def create(self, *, private: bool) -> None:
        """Make the repository, unless it is there."""
        self.ask(self.api.create_repo, self.id, repo_type="dataset", private=private, exist_ok=True)

    def branch(self, name: str) -> None:
        """Start a branch at main, unless it is there."""
        self.ask(self.api.create_branch, self.id, repo_type="dataset", branch=name, exist_ok=True)

    def download(self, commit: str, names: Iterable[str]) -> list[Path]:
        """Files as they are in a commit, in the cache of `huggingface_hub`; what is there is not fetched again."""
        fetch = self.api.hf_hub_download
        return [Path(self.find(fetch, self.id, name, repo_type="dataset", revision=commit)) for name in names]

    def keep(self, operations: Iterable[Operation]) -> None:
        """Copy files that are sent to where `download` and `load_dataset` put them; what cannot be is fetched then."""
        folder = (
            Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=self.id, repo_type="dataset") / "blobs"
        )
        for one in operations:
            if isinstance(one, CommitOperationAdd) and isinstance(one.path_or_fileobj, str | Path):
                with suppress(OSError):
                    _copy(Path(one.path_or_fileobj), folder / one.upload_info.sha256.hex())

    def read(self, path: str, commit: str) -> str | None:
        """One file's text in a commit; None where it is not there."""
        try:
            (file,) = self.download(commit, [path])
        except EntryNotFoundError:
            return None
        return file.read_text(encoding="utf-8")

    def tags(self) -> dict[Version, str]:
        """The commit of every tag that names a version."""
        refs = self.ask(self.api.list_repo_refs, self.id, repo_type="dataset")
        found = {Version.of_tag(ref.name): ref.target_commit for ref in refs.tags}
        return {version: commit for version, commit in found.items() if version is not None}

    def branches(self) -> set[str]:
        """The names of its branches."""
        refs = self.ask(self.api.list_repo_refs, self.id, repo_type="dataset")
        return {ref.name for ref in refs.branches}

    def commits(self, revision: str) -> list[GitCommitInfo]:
        """The commits that lead to a revision, newest first."""
        return list(self.ask(self.api.list_repo_commits, self.id, repo_type="dataset", revision=revision))

    def commit(
        self,
        operations: Sequence[Operation],
        *,
        parent: str,
        branch: str,
        title: str,
        text: str = "",
        pr: bool = False,
    ) -> huggingface_hub.CommitInfo:
        """One commit on top of `parent`; it is sent once.

        Raises:
            Stale: the branch has moved on, or there was no answer: the commit may be there or not.
            HubError: the files cannot be uploaded.
            BadInput: the Hub refuses it.
        """
        # Uploads may be sent again, so that one that breaks off costs no commit.
        files = [operation for operation in operations if isinstance(operation, CommitOperationAdd)]
        self.ask(self._upload, files, repo_type="dataset", revision=branch, create_pr=pr, free_memory=False)
        try:
            with translated(self.id):
                return self.api.create_commit(
                    self.id,
                    operations,
                    repo_type="dataset",
                    commit_message=title,
                    commit_description=text,
                    parent_commit=parent,
                    revision=branch,
                    create_pr=pr,
                )
        except HfHubHTTPError as exc:  # 409 or 412
            raise Stale from exc
        except HubError as exc:
            raise Stale(exc) from exc
        except ValueError as exc:  # the Hub's check of the front matter
            raise BadInput(f"needs a card that the Hub takes; it says: {words(exc)}") from exc

    def _upload(self, files: Sequence[CommitOperationAdd], **options: Any) -> None:
        try:
            self.api.preupload_lfs_files(self.id, files, **options)
        except RuntimeError as exc:  # the Hub's client puts a bare one around what was wrong
            raise exc.__cause__ or exc from None

    def tag(self, version: Version, commit: str, message: str) -> None:
        """Tag a commit; a tag that is there and means it is as good.

        Raises:
            Taken: the tag is on another commit.
        """
        try:
            self.ask(
                self.api.create_tag,
                self.id,
                repo_type="dataset",
                tag=version.tag,
                tag_message=message,
                revision=commit,
            )
        except HfHubHTTPError as exc:
            if status(exc) != 409:
                raise
            if self.tags().get(version) != commit:
                raise Taken from exc

    def ask(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Ask what may be asked again, until there is an answer.

        Raises:
            HubError: there is none, for too long.
            BadInput: the Hub refuses it.
        """
        with translated(self.id):
            return _retrying(function, *args, **kwargs)

    def find(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """The same, where the Hub's own error for a missing thing is an answer."""
        with translated(self.id, may_be_missing=True):
            return _retrying(function, *args, **kwargs)


def _copy(file: Path, to: Path) -> None:
    """Copy a file to a place named by its SHA-256."""
    to.parent.mkdir(parents=True, exist_ok=True)
    if to.exists():
        return
    with tempfile.TemporaryDirectory(dir=to.parent) as scratch:
        copy, digest = Path(scratch) / to.name, hashlib.sha256()
        with file.open("rb") as read, copy.open("wb") as write:
            while block := read.read(1 << 20):
                digest.update(block)
                write.write(block)
        if digest.hexdigest() == to.name:
            os.replace(copy, to)


def _retrying(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(means_later),
        stop=tenacity.stop_after_attempt(TRIES),
        wait=_wait,
        sleep=lambda seconds: sleep(seconds),
        reraise=True,
    )
    return retrying(function, *args, **kwargs)


def _wait(state: tenacity.RetryCallState) -> float:
    exc = state.outcome.exception() if state.outcome else None
    asked = getattr(getattr(exc, "response", None), "headers", {}).get("Retry-After", "")
    return max(_backoff(state), float(asked) if asked.isdigit() else 0.0)


_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=30)


def _may_write(token: dict[str, Any], repo: str) -> bool:
    if token.get("role") != "fineGrained":
        return True
    scoped = (token.get("fineGrained") or {}).get("scoped") or []
    return any(
        scope.get("entity", {}).get("name") in (repo, repo.split("/")[0])
        and "repo.write" in scope.get("permissions", [])
        for scope in scoped
    )


def _repository_id(name: str, endpoint: str) -> str:
    short = name.strip().removeprefix(endpoint).removeprefix("https://huggingface.co").strip("/")
    for prefix in _PREFIXES:
        short = short.removeprefix(prefix)
    if short.startswith(("models/", "spaces/")):
        raise BadInput(f"needs a data set repository; came {name!r}")
    try:
        validate_repo_id(short)
    except HFValidationError as exc:
        raise BadInput(f"needs a repository such as org/name; came {name!r} ({words(exc)})") from None
    return short
