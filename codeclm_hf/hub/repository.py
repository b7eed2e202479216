"""A data set repository on the Hub.

This is the one place that talks to the Hub. Requests that change nothing twice are sent again until there
is an answer; a commit is sent once, and the caller learns whether it has to read again.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import huggingface_hub
import tenacity
from huggingface_hub import (
    CommitInfo,
    CommitOperationAdd,
    CommitOperationDelete,
    Discussion,
    HfApi,
    constants,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, not re-exported

from codeclm_hf.errors import BadInput, HubError
from codeclm_hf.hub.errors import http_status, hub_message, is_temporary, translate_errors
from codeclm_hf.hub.version import Version

T = TypeVar("T")
Operation = CommitOperationAdd | CommitOperationDelete
Sleep = Callable[[float], None]
"""Waits for some seconds."""
TRIES = 7
"""How often a request is sent that gets no answer."""
_PREFIXES = ("hf://", "datasets/")


class BranchMoved(Exception):
    """Somebody else committed to the branch since we read it; nothing of ours was committed."""


class AnswerLost(Exception):
    """There was no answer to a commit: it may be on the branch or not."""

    def __init__(self, error: HubError) -> None:
        super().__init__(str(error))
        self.error = error
        """What to raise where trying again does not help."""


class TagExists(Exception):
    """The tag is there already, on another commit."""


class Head(NamedTuple):
    """The commit that a revision stands for, and the names of its files."""

    commit: str
    files: frozenset[str]


class Commit(NamedTuple):
    """A commit in the history of a branch."""

    id: str
    """40 hexadecimal digits."""
    title: str
    date: datetime
    """In UTC."""
    authors: str
    """Their names on the Hub, with commas; empty where the Hub names nobody."""


class PullRequest(NamedTuple):
    """A pull request on the Hub."""

    number: int
    title: str


class Repository:
    """A data set repository, which need not be there yet.

    Args:
        name: `org/name`, or its URL.
        token: by default the one that `hf auth login` or HF_TOKEN gives.
        sleep: waits between two tries of a request.

    Raises:
        BadInput: the name cannot be that of a data set repository.
    """

    def __init__(self, name: str, *, token: str | None = None, sleep: Sleep = time.sleep) -> None:
        self.api = HfApi(token=token, library_name="codeclm-hf")
        self.id = _repository_id(name, self.api.endpoint)
        self.sleep = sleep

    def check_access(self, *, write: bool = True) -> str:
        """Check, before anything is uploaded, that our token may write here, and return the user's name.

        A bare repository name becomes one of that user's.

        Raises:
            BadInput: there is no token, or it may only read.
            HubError: the Hub gives no answer.
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
        """Return the commit of a branch or tag; None where there is no such repository or revision.

        Raises:
            BadInput: the repository is gated, or of another type.
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

    def require_head(self, revision: str = "main") -> Head:
        """Return the commit of a revision that has to be there.

        Raises:
            BadInput: the repository or the revision is not there, or as in `head`.
            HubError: the Hub gives no answer.
        """
        if (head := self.head(revision)) is None:
            raise BadInput(
                f"needs a data set on the Hub that this token may read; {self.id}@{revision} is none"
            )
        return head

    def create(self, *, private: bool) -> None:
        """Make the repository, unless it is there already."""
        self.ask(self.api.create_repo, self.id, repo_type="dataset", private=private, exist_ok=True)

    def create_branch(self, name: str) -> None:
        """Start a branch at main, unless it is there already."""
        self.ask(self.api.create_branch, self.id, repo_type="dataset", branch=name, exist_ok=True)

    def download(self, commit: str, names: Iterable[str]) -> list[Path]:
        """Return files of a commit in the cache of `huggingface_hub`, where none is fetched twice."""
        fetch = self.api.hf_hub_download
        return [Path(self.find(fetch, self.id, name, repo_type="dataset", revision=commit)) for name in names]

    def cache_uploads(self, operations: Iterable[Operation]) -> None:
        """Copy the files of a commit to where `download` and `load_dataset` look first.

        A file that cannot be copied is left out: it will be downloaded when it is needed.
        """
        repo_folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=self.id, repo_type="dataset")
        for operation in operations:
            if not isinstance(operation, CommitOperationAdd):
                continue
            if isinstance(operation.path_or_fileobj, str | Path):
                with suppress(OSError):
                    digest = operation.upload_info.sha256.hex()
                    _copy(Path(operation.path_or_fileobj), repo_folder / "blobs" / digest)

    def read_text(self, path: str, commit: str) -> str | None:
        """Return the text of a file in a commit; None where there is no such file."""
        try:
            (file,) = self.download(commit, [path])
        except EntryNotFoundError:
            return None
        return file.read_text(encoding="utf-8")

    def tags(self) -> dict[Version, str]:
        """Return the commit of every tag that names a version."""
        refs = self.ask(self.api.list_repo_refs, self.id, repo_type="dataset")
        commits = {Version.of_tag(ref.name): ref.target_commit for ref in refs.tags}
        return {version: commit for version, commit in commits.items() if version is not None}

    def branches(self) -> set[str]:
        """Return the names of the branches."""
        refs = self.ask(self.api.list_repo_refs, self.id, repo_type="dataset")
        return {ref.name for ref in refs.branches}

    def commits(self, revision: str) -> list[Commit]:
        """Return the commits that lead to a revision, newest first."""
        return [
            Commit(info.commit_id, info.title, info.created_at, ", ".join(info.authors))
            for info in self.ask(self.api.list_repo_commits, self.id, repo_type="dataset", revision=revision)
        ]

    def commit(self, operations: Sequence[Operation], *, parent: str, branch: str, title: str) -> str:
        """Commit to a branch, on top of `parent`, and return the commit's id. The commit is sent once.

        Raises:
            BranchMoved: `parent` is not the branch's newest commit any more.
            AnswerLost: nobody knows whether the commit was made.
            HubError: the files cannot be uploaded.
            BadInput: the Hub refuses the commit.
        """
        self._upload(operations, branch=branch, as_pull_request=False)
        return self._create_commit(
            operations, parent_commit=parent, revision=branch, commit_message=title
        ).oid

    def open_pull_request(
        self, operations: Sequence[Operation], *, parent: str, title: str, text: str
    ) -> int:
        """Open a pull request to main, with one commit, and return its number. It is sent once.

        Args:
            operations: what the commit changes.
            parent: the commit that the pull request starts at.
            title: the pull request's title, and the commit's.
            text: the pull request's description, as Markdown.

        Raises:
            BranchMoved: see `commit`.
            AnswerLost: nobody knows whether the pull request was opened.
            HubError: the files cannot be uploaded.
            BadInput: the Hub refuses the pull request.
        """
        self._upload(operations, branch="main", as_pull_request=True)
        info = self._create_commit(
            operations,
            parent_commit=parent,
            revision="main",
            commit_message=title,
            commit_description=text,
            create_pr=True,
        )
        return int(info.pr_num or 0)

    def list_pull_requests(self) -> list[PullRequest]:
        """Return the pull requests that are open."""
        return [
            PullRequest(discussion.num, discussion.title)
            for discussion in self.ask(self._discussions)
            if discussion.is_pull_request and discussion.status == "open"
        ]

    def _discussions(self) -> list[Discussion]:
        # the client gives an iterator, which asks while it is read
        return list(self.api.get_repo_discussions(self.id, repo_type="dataset"))

    def pull_request(self, number: int) -> PullRequest:
        """Return a pull request that may still be merged.

        Raises:
            BadInput: there is no such pull request, or it is closed.
            HubError: the Hub gives no answer.
        """
        try:
            discussion = self.find(self.api.get_discussion_details, self.id, number, repo_type="dataset")
        except HfHubHTTPError as exc:
            raise BadInput(f"needs a pull request of {self.id}; there is no #{number}") from exc
        if not discussion.is_pull_request or discussion.status not in ("open", "draft"):
            what = discussion.status if discussion.is_pull_request else "a discussion"
            raise BadInput(f"needs an open pull request of {self.id}; #{number} is {what}")
        return PullRequest(number, discussion.title)

    def close_pull_request(self, number: int, comment: str) -> None:
        """Close a pull request with a comment."""
        self.ask(
            self.api.change_discussion_status, self.id, number, "closed", repo_type="dataset", comment=comment
        )

    def _create_commit(self, operations: Sequence[Operation], **options: Any) -> CommitInfo:
        try:
            with translate_errors(self.id):
                info: CommitInfo = self.api.create_commit(self.id, operations, repo_type="dataset", **options)
                return info
        except HfHubHTTPError as exc:  # 409 or 412
            raise BranchMoved from exc
        except HubError as exc:
            raise AnswerLost(exc) from exc
        except ValueError as exc:  # the Hub's check of the front matter
            raise BadInput(f"needs a card that the Hub takes; it says: {hub_message(exc)}") from exc

    def _upload(self, operations: Sequence[Operation], *, branch: str, as_pull_request: bool) -> None:
        """Upload the files of a commit ahead of it: these requests may be repeated, the commit may not."""
        files = [operation for operation in operations if isinstance(operation, CommitOperationAdd)]
        self.ask(self._preupload, files, revision=branch, create_pr=as_pull_request)

    def _preupload(self, files: Sequence[CommitOperationAdd], **options: Any) -> None:
        try:
            self.api.preupload_lfs_files(self.id, files, repo_type="dataset", free_memory=False, **options)
        except RuntimeError as exc:  # the Hub's client puts a bare one around what was wrong
            raise exc.__cause__ or exc from None

    def create_tag(self, version: Version, commit: str, message: str) -> None:
        """Tag a commit with a version, unless that tag is on the commit already.

        Raises:
            TagExists: the tag is on another commit.
            HubError: the Hub gives no answer.
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
            if http_status(exc) != 409:
                raise
            if self.tags().get(version) != commit:
                raise TagExists from exc

    def ask(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function of the Hub's client that may be called twice, until there is an answer.

        Raises:
            HubError: there is no answer for too long.
            BadInput: the Hub refuses the request.
        """
        with translate_errors(self.id):
            return self._retry(function, *args, **kwargs)

    def find(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call such a function, and let the client's own errors for missing things through: they are answers.

        Raises:
            HubError: there is no answer for too long.
            BadInput: the Hub refuses the request.
        """
        with translate_errors(self.id, may_be_missing=True):
            return self._retry(function, *args, **kwargs)

    def _retry(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_temporary),
            stop=tenacity.stop_after_attempt(TRIES),
            wait=_pause,
            sleep=self.sleep,
            reraise=True,
        )
        return retrying(function, *args, **kwargs)


def _copy(file: Path, to: Path) -> None:
    """Copy a file to a path that ends in its SHA-256, unless the file has changed since that was computed."""
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


def _pause(state: tenacity.RetryCallState) -> float:
    """Return seconds until the next try: longer each time, and as long as the Hub asks for."""
    exc = state.outcome.exception() if state.outcome else None
    retry_after = getattr(getattr(exc, "response", None), "headers", {}).get("Retry-After", "")
    return max(_backoff(state), float(retry_after) if retry_after.isdigit() else 0.0)


_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=30)


def _may_write(token: dict[str, Any], repo: str) -> bool:
    """Return whether a token, as the Hub describes it, may write to a repository."""
    if token.get("role") != "fineGrained":
        return True
    scoped = (token.get("fineGrained") or {}).get("scoped") or []
    return any(
        scope.get("entity", {}).get("name") in (repo, repo.split("/")[0])
        and "repo.write" in scope.get("permissions", [])
        for scope in scoped
    )


def _repository_id(name: str, endpoint: str) -> str:
    """Return `org/name` or a bare `name`, of which there may be an address or a prefix."""
    short = name.strip().removeprefix(endpoint).removeprefix("https://huggingface.co").strip("/")
    for prefix in _PREFIXES:
        short = short.removeprefix(prefix)
    if short.startswith(("models/", "spaces/")):
        raise BadInput(f"needs a data set repository; came {name!r}")
    try:
        validate_repo_id(short)
    except HFValidationError as exc:
        raise BadInput(f"needs a repository such as org/name; came {name!r} ({hub_message(exc)})") from None
    return short
