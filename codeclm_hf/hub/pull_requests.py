"""Pull requests: they say what they change, and are merged row by row."""

from __future__ import annotations

import tempfile
from pathlib import Path

from codeclm_hf.card import render
from codeclm_hf.errors import BadInput, HubError, MergeConflict
from codeclm_hf.hub import conflicts, description, diff, merge_base
from codeclm_hf.hub.commit import (
    LOST_ANSWERS,
    BranchState,
    CommitRequest,
    commit_version,
    make_draft,
)
from codeclm_hf.hub.fetch import fetch_version
from codeclm_hf.hub.merge import Side
from codeclm_hf.hub.next_version import Draft, VersionRequest
from codeclm_hf.hub.operations import commit_operations, holds_draft, title_line
from codeclm_hf.hub.publish import PublishResult, check_complete, publish_result, version_request
from codeclm_hf.hub.read_back import read_back
from codeclm_hf.hub.release_check import check_release
from codeclm_hf.hub.repository import AnswerLost, BranchMoved, Head, Repository
from codeclm_hf.hub.snapshot import Snapshot, lock_run_directory


def contribute(
    directory: str | Path,
    repo: str,
    *,
    message: str | None = None,
    allow_incomplete: bool = False,
    allow_secrets: bool = False,
    redact: bool = False,
    token: str | None = None,
) -> PublishResult:
    """Open a pull request with the rows of a run directory; its description says what it changes.

    It starts at the version that the folder was last published as or pulled from, or at the newest. The
    same call again opens no second one.

    Args:
        directory: a run directory.
        repo: `org/name` of a data set on the Hub.
        message: its title.
        allow_incomplete: contribute a run that accepted nothing.
        allow_secrets: contribute although the texts seem to hold secrets.
        redact: put `[EMAIL]`, `[PHONE]` and `[IP]` where personal data stand.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Raises:
        BadInput: an argument cannot be used; nothing was sent.
        HubError: the Hub gives no answer.
    """
    folder = Path(directory).expanduser()
    with (
        lock_run_directory(folder) as content,
        tempfile.TemporaryDirectory(prefix="codeclm-hf-") as scratch,
    ):
        check_complete(content, folder, allow_incomplete=allow_incomplete)
        hub = Repository(repo, token=token)
        hub.check_access(write=False)
        base = merge_base.find(hub, folder, "main")
        head = hub.require_head(base.commit if base else "main")
        release = check_release(content, Path(scratch), allow_secrets=allow_secrets, redact=redact)
        state = BranchState(head, fetch_version(hub, head), latest=None)
        base_rows = base.digests if base else {}
        request = CommitRequest(
            incoming=release.content,
            base=base_rows,
            base_card_words=None,
            scratch=Path(scratch),
            version=VersionRequest(is_numbered=False),
            take="incoming",
        )
        draft = make_draft(hub, state, request, base_rows)
        if not draft.is_new:
            return PublishResult(
                hub.id, str(draft.version), head.commit, new=False, personal=release.personal
            )
        number = _open_pull_request(hub, draft, head, state.current, title_line(draft, message))
    return PublishResult(
        repo=hub.id,
        version=None,
        commit=None,
        changes=dict(draft.changes),
        pull_request=number,
        personal=release.personal,
    )


def _open_pull_request(hub: Repository, draft: Draft, head: Head, current: Snapshot, title: str) -> int:
    """Open a pull request, unless it is open already: the answer to an earlier try may have got lost.

    Args:
        hub: the repository.
        draft: what is to be merged.
        head: the commit that the pull request starts at.
        current: what stands there.
        title: the pull request's title.

    Returns:
        Its number.
    """
    names = (f"v{current.version}" if current.version else head.commit[:7], "this pull request")
    text = description.markdown(diff.compare(current, draft.content, names, limit=0))
    error: HubError | None = None
    for _ in range(LOST_ANSWERS):
        for pull_request in hub.list_pull_requests():
            if pull_request.title == title and holds_draft(hub, f"refs/pr/{pull_request.number}", draft):
                return pull_request.number
        try:
            changes = commit_operations(draft, head)
            return hub.open_pull_request(changes, parent=head.commit, title=title, text=text)
        except BranchMoved:
            error = None
        except AnswerLost as exc:
            error = exc.error
    raise error or HubError(f"{hub.id} takes no pull request at the moment", hint="run the same again")


def merge(
    repo: str,
    *,
    pr: int,
    take: Side | None = None,
    conflicts_file: str | Path | None = None,
    version: str | None = None,
    bump: str = "auto",
    message: str | None = None,
    allow_secrets: bool = False,
    token: str | None = None,
) -> PublishResult:
    """Merge a pull request row by row, as a new version, and close it.

    Rows are compared with the newest commit that both main and the pull request come from. A row that both
    sides changed, differently, stops the merge, unless something says how it ends.

    Args:
        repo: `org/name` of a data set on the Hub.
        pr: the pull request's number.
        take: how every conflict ends: "current", with the row on main, or "incoming", with that in the pull
            request.
        conflicts_file: a file that says it for each row; written where there is none and there are conflicts.
        version: the number of the new version; by default the next one.
        bump: as for `publish`.
        message: one line for the log; by default the pull request's title.
        allow_secrets: merge although the texts seem to hold secrets.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Raises:
        MergeConflict: conflicts that nothing ends; nothing was sent.
        BadInput: there is no such pull request, or it is closed.
        HubError: the Hub gives no answer.
    """
    numbering = version_request(version, bump)
    if take not in (None, "current", "incoming"):
        raise BadInput(f"needs a take of current or incoming; came {take!r}")
    file = Path(conflicts_file).expanduser() if conflicts_file else None
    lines = conflicts.read(file) if file and file.exists() else []
    hub = Repository(repo, token=token)
    hub.check_access()
    hub.require_head()
    pull_request = hub.pull_request(pr)
    head = hub.require_head(f"refs/pr/{pr}")
    incoming, base = fetch_version(hub, head), fetch_version(hub, _find_base(hub, pr))
    with tempfile.TemporaryDirectory(prefix="codeclm-hf-") as scratch:
        check_release(incoming, Path(scratch), allow_secrets=allow_secrets)
        request = CommitRequest(
            incoming=incoming,
            base=base.digests,
            base_card_words=render.words(base.card),
            scratch=Path(scratch),
            version=numbering,
            message=message or f"{pull_request.title} (#{pr})",
            take=take,
            conflict_lines=lines,
        )
        try:
            result = commit_version(hub, request)
        except MergeConflict as exc:
            raise _explain_conflict(exc, file, pr, is_first_time=not lines) from exc
        read_back(hub, result, Path(scratch))
    comment = f"Merged row by row as v{result.draft.version}, commit {result.commit}."
    hub.close_pull_request(pr, comment)
    return publish_result(hub, result)


def _find_base(hub: Repository, number: int) -> Head:
    """Return the newest commit that main and a pull request both come from."""
    on_main = {commit.id for commit in hub.commits("main")}
    for commit in hub.commits(f"refs/pr/{number}"):
        if commit.id in on_main:
            return hub.require_head(commit.id)
    raise BadInput(
        f"needs a pull request that starts at main of {hub.id}; #{number} has no commit in common with it"
    )


def _explain_conflict(
    conflict: MergeConflict, file: Path | None, number: int, *, is_first_time: bool
) -> MergeConflict:
    """Return the conflict with the ways to end it; the first time, the file for that is written."""
    if file and is_first_time and conflict.conflicts:
        conflicts.write(file, conflict.conflicts)
        return MergeConflict(
            f"{conflict}; nothing was sent; {file} lists them",
            hint="write ours, theirs, neither or a row into each line's `take` and run the same again",
            conflicts=conflict.conflicts,
        )
    return MergeConflict(
        f"{conflict}; nothing was sent",
        hint=f"pass --ours, --theirs, or --conflicts FILE to settle #{number} row by row",
        conflicts=conflict.conflicts,
    )
