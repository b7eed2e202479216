"""How a version gets onto a branch: read what stands there, merge, decide the version, commit, tag.

Where somebody else commits in between, all of that is done again on top of what stands there then.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import polars as pl

from codeclm_hf.errors import BadInput, HubError
from codeclm_hf.hub import next_version
from codeclm_hf.hub.conflicts import ConflictLine
from codeclm_hf.hub.fetch import fetch_version
from codeclm_hf.hub.merge import MergeInputs, Side
from codeclm_hf.hub.merge_base import MergeBase
from codeclm_hf.hub.next_version import Draft, VersionRequest
from codeclm_hf.hub.operations import commit_operations, holds_draft, title_line
from codeclm_hf.hub.repository import AnswerLost, BranchMoved, Head, Repository
from codeclm_hf.hub.snapshot import Snapshot
from codeclm_hf.hub.tags import tag_current, tag_version
from codeclm_hf.hub.version import Version
from codeclm_hf.hub.version_manifest import column_types, shows_drift

ATTEMPTS = 50
"""How often others may commit first, before we give up."""
LOST_ANSWERS = 5
"""How often in a row the answer to a commit may get lost."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
"""Seconds that we wait at most before the second attempt, and before any later one."""


@dataclass(frozen=True, kw_only=True)
class CommitRequest:
    """What is to be put onto a branch. The branch is there, unless this is a dry run."""

    incoming: Snapshot
    """What is to be merged into the branch."""
    base: Mapping[str, pl.DataFrame] | None
    """By config, `id` and `digest` of the rows that the incoming ones come from.

    None where the incoming rows are to replace all that stands on the branch now; what others commit in the
    meantime is merged all the same.
    """
    base_card_words: str | None
    """What people had written in the base's card; None where there is no base."""
    scratch: Path
    """A folder for merged tables."""
    branch: str = "main"
    version: VersionRequest = field(default_factory=VersionRequest)
    message: str | None = None
    """One line for the log; by default the changes in numbers."""
    take: Side | None = None
    """The side that ends every conflict."""
    conflict_lines: Sequence[ConflictLine] = ()
    """How some conflicts end."""
    known_base: MergeBase | None = None
    """A version whose rows need no download where it still stands on the branch."""
    adopt: bool = False
    """Whether the repository may be one that codeclm-hf did not make."""
    dry_run: bool = False
    """Whether nothing is sent."""


class CommitResult(NamedTuple):
    """What stands on the branch now."""

    draft: Draft
    commit: str | None
    """None for a dry run."""


class BranchState(NamedTuple):
    """A branch at one moment."""

    head: Head | None
    """None where there is no such branch."""
    current: Snapshot
    """What stands there."""
    latest: Version | None
    """The highest version there is, on any branch."""


def commit_version(hub: Repository, request: CommitRequest) -> CommitResult:
    """Put a version onto a branch, as one commit and one tag.

    Args:
        hub: the repository.
        request: what is to be put there.

    Returns:
        What stands there now: the new version, or the current one where that has all of it already.

    Raises:
        MergeConflict: both sides changed a row or the card's text, and nothing ends that.
        BadInput: the version that was asked for is taken, or the repository is not ours.
        HubError: the Hub gives no answer, or others commit all the time.
    """
    base, lost_answers = request.base, 0
    for attempt in range(ATTEMPTS):
        if attempt:
            hub.sleep(_pause(attempt))
        state = read_branch(hub, request)
        if base is None:
            base = state.current.digests  # of the first attempt: only what stood there then is replaced
        draft = make_draft(hub, state, request, base)
        if request.dry_run or state.head is None:
            return CommitResult(draft, None)
        if not draft.is_new:
            return CommitResult(draft, state.head.commit)
        title = f"v{draft.version}: {title_line(draft, request.message)}"
        commit: str | None
        try:
            commit = send(hub, draft, request, state.head, title)
        except (BranchMoved, AnswerLost) as exc:
            lost_answers = lost_answers + 1 if isinstance(exc, AnswerLost) else 0
            commit = find_sent_commit(hub, draft, request.branch, state.head)
            if commit is None and isinstance(exc, AnswerLost) and lost_answers >= LOST_ANSWERS:
                raise exc.error from exc
        if commit is not None:
            if draft.version is not None:
                tag_version(hub, draft.version, commit, title)
            return CommitResult(draft, commit)
    raise HubError(
        f"others have committed to {hub.id} first {ATTEMPTS} times in a row", hint="run the same again"
    )


def _pause(attempt: int) -> float:
    """Draw the seconds to wait before an attempt, so that those who publish at once do not meet again."""
    return random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)))


def read_branch(hub: Repository, request: CommitRequest) -> BranchState:
    """Read what stands on a branch, and tag it if that is still to be done.

    Raises:
        BadInput: there is no such branch, or the repository is not ours.
        HubError: the Hub gives no answer.
    """
    head = hub.head(request.branch)
    if head is None:
        if not request.dry_run:
            raise BadInput(f"needs a branch {request.branch} of {hub.id}; there is none")
        return BranchState(None, Snapshot(), None)
    current = fetch_version(hub, head, base=request.known_base, adopt=request.adopt)
    if current.known_digests is not None and not _has_columns(current, request.incoming):
        # the incoming files cannot stand for those that were not fetched
        current = fetch_version(hub, head, adopt=request.adopt)
    tags = hub.tags()
    if not request.dry_run:
        tags = tag_current(hub, request.branch, current, tags)
    return BranchState(head, current, max(tags, default=None))


def _has_columns(version: Snapshot, incoming: Snapshot) -> bool:
    """Return whether a version's tables have the columns of the incoming ones, by its manifest."""
    columns = version.require_manifest().columns
    return all(columns.get(config) == column_types(incoming, config) for config in incoming.files)


def make_draft(
    hub: Repository, state: BranchState, request: CommitRequest, base: Mapping[str, pl.DataFrame]
) -> Draft:
    """Merge, and work out the next version.

    Args:
        hub: the repository.
        state: the branch, as it was read.
        request: what is to be merged with what stands there, and what is asked of the next version.
        base: by config, `id` and `digest` of the rows that both sides come from.

    Raises:
        MergeConflict: both sides changed a row or the card's text, and nothing ends that.
        BadInput: the version that was asked for is taken.
        HubError: the Hub gives no answer.
    """
    inputs = MergeInputs(
        current=state.current,
        incoming=request.incoming,
        base=base,
        base_card_words=request.base_card_words,
    )
    merge = next_version.merge_versions(inputs, take=request.take, conflict_lines=request.conflict_lines)
    unchanged = next_version.unchanged_draft(inputs, merge, request.version, repo=hub.id)
    if unchanged is not None:
        return unchanged
    tables = next_version.write_tables(inputs, merge, request.scratch)
    version = next_version.decide_version(request.version, inputs, merge, tables, latest=state.latest)
    earlier = state.current
    if state.head and not earlier.files and shows_drift(inputs, merge.changes):
        earlier = fetch_version(hub, state.head, configs=["default"])
    return next_version.draft_version(
        inputs,
        merge,
        request.version,
        tables=tables,
        version=version,
        earlier=earlier,
        repo=hub.id,
    )


def send(hub: Repository, draft: Draft, request: CommitRequest, head: Head, title: str) -> str:
    """Commit a draft on top of what was read, and return the commit's id.

    What is needed of the same files afterwards, to read the version back and to note what was sent, is made
    while they are on their way.

    Raises:
        BranchMoved: somebody else was faster.
        AnswerLost: nobody knows whether the commit was made.
        BadInput: the Hub refuses it.
    """
    changes = commit_operations(draft, head)
    with ThreadPoolExecutor(2) as pool:
        cached = pool.submit(hub.cache_uploads, changes)
        digests = pool.submit(lambda: request.incoming.digests)  # which the snapshot remembers
        commit = hub.commit(changes, parent=head.commit, branch=request.branch, title=title)
    cached.result()
    digests.result()
    return commit


def find_sent_commit(hub: Repository, draft: Draft, branch: str, head: Head) -> str | None:
    """Return the commit on top of `head` that holds a draft, if it is there although no answer said so."""
    for commit in hub.commits(branch):
        if commit.id == head.commit:
            return None
        if holds_draft(hub, commit.id, draft):
            return commit.id
    return None
