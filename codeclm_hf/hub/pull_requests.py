"""People who work on one data set: pull requests that say what they change, merged row by row."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from huggingface_hub import DiscussionWithDetails
from huggingface_hub.errors import HfHubHTTPError

from codeclm_hf.card import render
from codeclm_hf.errors import BadInput, HubError, MergeConflict
from codeclm_hf.hub import conflicts, description, diff, release_check
from codeclm_hf.hub.commit import LOST, Landing, fetch, operations, stands, summary
from codeclm_hf.hub.next_version import Draft, Sides, Wish, draft
from codeclm_hf.hub.publish import Published, asked, complete, last_agreed, published, verify
from codeclm_hf.hub.repository import Head, Repository, Stale
from codeclm_hf.hub.snapshot import Snapshot, held


def contribute(
    directory: str | Path,
    repo: str,
    *,
    message: str | None = None,
    allow_incomplete: bool = False,
    allow_secrets: bool = False,
    redact: bool = False,
    token: str | None = None,
) -> Published:
    """Open a pull request with the rows of a run directory; its description says what it changes.

    It starts at the version that the folder was last published as or pulled from, or at the newest. The same again
    opens no second one.

    Args:
        directory: a run directory.
        repo: `org/name` of a data set on the Hub.
        message: its title.
        allow_incomplete: contribute a run that accepted nothing.
        allow_secrets: contribute although the texts seem to hold secrets.
        redact: put `[EMAIL]`, `[PHONE]` and `[IP]` where personal data stand.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Raises:
        BadInput: something given cannot be used; nothing was sent.
        HubError: the Hub gives no answer.
    """
    folder = Path(directory).expanduser()
    with held(folder) as ours, tempfile.TemporaryDirectory(prefix="codeclm-hf-") as scratch:
        complete(ours, folder, allow_incomplete=allow_incomplete)
        hub = Repository(repo, token=token)
        hub.check_access(write=False)
        base = last_agreed(hub, folder, "main")
        head = hub.needed(base.commit if base else "main")
        ours, personal = release_check.checked(
            ours, Path(scratch), allow_secrets=allow_secrets, redact=redact
        )
        theirs = fetch(hub, head)
        sides = Sides(ours=ours, theirs=theirs, base=base.digests if base else {})
        wish = Wish(take="ours", numbered=False)
        made = draft(sides, wish, latest=None, repo=hub.id, scratch=Path(scratch))
        if not made.new:
            return Published(hub.id, str(made.version), head.commit, new=False, personal=personal)
        number = _open(hub, made, head, theirs, " ".join((message or summary(made)).split()))
    return Published(hub.id, None, None, True, made.changes, number, personal)


def _open(hub: Repository, made: Draft, head: Head, theirs: Snapshot, title: str) -> int:
    """Open the pull request, unless it is open already: the answer to an earlier try may have got lost."""
    version = theirs.manifest and theirs.manifest.version
    before = f"v{version}" if version else head.commit[:7]
    changed = diff.compare(theirs, made.content, (before, "this pull request"), limit=0)
    lost: HubError | None = None
    for _ in range(LOST):
        for pull in hub.ask(lambda: list(hub.api.get_repo_discussions(hub.id, repo_type="dataset"))):
            same_title = pull.is_pull_request and pull.status == "open" and pull.title == title
            if same_title and stands(hub, f"refs/pr/{pull.num}", made):
                return int(pull.num)
        try:
            commit = hub.commit(
                operations(made, head),
                parent=head.commit,
                branch="main",
                title=title,
                text=description.markdown(changed),
                pr=True,
            )
            return int(commit.pr_num or 0)
        except Stale as exc:
            lost = exc.lost or HubError(
                f"{hub.id} takes no pull request at the moment", hint="run the same again"
            )
    assert lost is not None
    raise lost


def merge(
    repo: str,
    *,
    pr: int,
    take: str | None = None,
    conflicts_file: str | Path | None = None,
    version: str | None = None,
    bump: str = "auto",
    message: str | None = None,
    allow_secrets: bool = False,
    token: str | None = None,
) -> Published:
    """Merge a pull request row by row, as a new version, and close it.

    Rows are compared with the newest commit that both the branch and the pull request come from. A row that both sides
    changed, differently, stops the merge, unless something says how it ends.

    Args:
        repo: `org/name` of a data set on the Hub.
        pr: the pull request's number.
        take: how every conflict ends: "ours", the row on the branch, or "theirs", the row in the pull request.
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
    wish, hub = asked(version, bump), Repository(repo, token=token)
    file = Path(conflicts_file).expanduser() if conflicts_file else None
    lines = conflicts.read(file) if file and file.exists() else []
    if take not in (None, "ours", "theirs"):
        raise BadInput(f"needs a take of ours or theirs; came {take!r}")
    hub.check_access()
    pull = _pull(hub, pr)
    head = hub.needed(f"refs/pr/{pr}")
    theirs, ancestor = fetch(hub, head), fetch(hub, _ancestor(hub, pr))
    flipped: Any = {"ours": "theirs", "theirs": "ours"}.get(take or "")

    def sides(main: Snapshot) -> Sides:
        return Sides(ours=theirs, theirs=main, base=ancestor.digests, base_words=render.words(ancestor.card))

    def chosen(main: Sides) -> Any:
        if flipped or not lines:
            return flipped
        return conflicts.ended(
            lines, [conflict for one in main.merged().values() for conflict in one.conflicts]
        )

    with tempfile.TemporaryDirectory(prefix="codeclm-hf-") as scratch:
        release_check.checked(theirs, Path(scratch), allow_secrets=allow_secrets)
        try:
            landed = Landing(
                hub=hub,
                scratch=Path(scratch),
                wish=wish,
                message=message or f"{pull.title} (#{pr})",
                take=chosen,
            ).land(sides)
        except MergeConflict as exc:
            raise _stopped(exc, file, lines, pr) from exc
        verify(hub, landed, Path(scratch))
    said = f"Merged row by row as v{landed.draft.version}, commit {landed.commit}."
    hub.ask(hub.api.change_discussion_status, hub.id, pr, "closed", repo_type="dataset", comment=said)
    return published(hub, landed)


def _pull(hub: Repository, number: int) -> DiscussionWithDetails:
    hub.needed()
    try:
        pull = hub.find(hub.api.get_discussion_details, hub.id, number, repo_type="dataset")
    except HfHubHTTPError as exc:
        raise BadInput(f"needs a pull request of {hub.id}; there is no #{number}") from exc
    if not pull.is_pull_request or pull.status not in ("open", "draft"):
        what = pull.status if pull.is_pull_request else "a discussion"
        raise BadInput(f"needs an open pull request of {hub.id}; #{number} is {what}")
    return pull


def _ancestor(hub: Repository, number: int) -> Head:
    """The newest commit that main and the pull request both come from."""
    main = {commit.commit_id for commit in hub.commits("main")}
    for commit in hub.commits(f"refs/pr/{number}"):
        if commit.commit_id in main:
            return hub.needed(commit.commit_id)
    raise BadInput(
        f"needs a pull request that starts at main of {hub.id}; #{number} has no commit in common with it"
    )


def _stopped(exc: MergeConflict, file: Path | None, lines: list[Any], number: int) -> MergeConflict:
    """The conflict, with the ways to end it."""
    if file and not lines and exc.conflicts:
        conflicts.write(file, exc.conflicts)
        return MergeConflict(
            f"{exc}; nothing was sent; {file} lists them",
            hint="write ours, theirs, neither or a row into each line's `take` and run the same again",
            conflicts=exc.conflicts,
        )
    return MergeConflict(
        f"{exc}; nothing was sent",
        hint=f"pass --ours, --theirs, or --conflicts FILE to settle #{number} row by row",
        conflicts=exc.conflicts,
    )
