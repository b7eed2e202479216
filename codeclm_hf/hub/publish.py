"""Publishing a run directory: scan, read the branch, merge, decide the version, commit, tag, read back."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from codeclm_hf.card import render
from codeclm_hf.card.charts import pictures
from codeclm_hf.card.front_matter_rules import is_language
from codeclm_hf.card.shapes import RowChanges
from codeclm_hf.errors import BadInput, MergeConflict
from codeclm_hf.evaluation.bundle import read_bundles
from codeclm_hf.hub import merge_base
from codeclm_hf.hub.commit import CommitRequest, CommitResult, commit_version
from codeclm_hf.hub.merge_base import MergeBase
from codeclm_hf.hub.next_version import VersionRequest
from codeclm_hf.hub.read_back import read_back
from codeclm_hf.hub.release_check import check_release
from codeclm_hf.hub.repository import Repository
from codeclm_hf.hub.snapshot import Snapshot, lock_run_directory
from codeclm_hf.hub.version import LEVELS, Version
from codeclm_hf.run import directory as run_directory
from codeclm_hf.run.card_context import render_card
from codeclm_hf.run.manifest import COMPLETE


@dataclass(frozen=True, kw_only=True)
class PublishRequest:
    """What is to be published, and how."""

    directory: Path
    """A run directory."""
    version: VersionRequest = field(default_factory=VersionRequest)
    message: str | None = None
    """One line for the log; by default the changes in numbers."""
    private: bool = False
    """Whether a new repository is private."""
    branch: str = "main"
    """Made at main if it is not there."""
    evaluations: tuple[Path, ...] = ()
    """Folders that `Evaluation.run` made."""
    replace: bool = False
    """Leave out the rows of the latest version that the folder does not have."""
    adopt: bool = False
    """Add to a repository that codeclm-hf did not make."""
    allow_incomplete: bool = False
    """Publish a run that accepted nothing."""
    allow_secrets: bool = False
    """Publish although the texts seem to hold secrets."""
    redact: bool = False
    """Put placeholders where personal data stand."""
    dry_run: bool = False
    """Work everything out and send nothing."""


@dataclass(frozen=True)
class PublishResult:
    """What came of publishing."""

    repo: str
    """`org/name` on the Hub."""
    version: str | None
    """None for a pull request, which gets its number when it is merged."""
    commit: str | None
    """None for a dry run."""
    new: bool = True
    """False where the Hub had all of it already."""
    changes: dict[str, RowChanges] = field(default_factory=dict)
    """By config, rows added, removed and changed."""
    pull_request: int | None = None
    """Its number; None where a version was published."""
    personal: Mapping[str, int] = field(default_factory=dict)
    """How many personal data were counted, by kind."""
    edited: tuple[str, ...] = ()
    """The generated blocks of the card that somebody edited; each edit is kept after its block."""


def publish(
    directory: str | Path,
    repo: str,
    *,
    version: str | None = None,
    bump: str = "auto",
    message: str | None = None,
    private: bool = False,
    branch: str = "main",
    license: str | None = None,
    language: str | None = None,
    evaluations: Collection[str | Path] = (),
    replace: bool = False,
    adopt: bool = False,
    allow_incomplete: bool = False,
    allow_secrets: bool = False,
    redact: bool = False,
    dry_run: bool = False,
    token: str | None = None,
) -> PublishResult:
    """Put a run directory on the Hub as the next version; the same content again changes nothing.

    What others have published since the folder was last published or pulled stays, row by row. A folder
    that was never published there or pulled from there adds its rows to those that stand there.

    Args:
        directory: a run directory.
        repo: `org/name` of a data set on the Hub, made if it is not there.
        version: its number, such as "1.2.0"; by default the next one.
        bump: which part of the number goes up: "major", "minor", "patch", or "auto", as the changes call for.
        message: one line for the log.
        private: whether a new repository is private.
        branch: made at main if it is not there.
        license: the card's license identifier.
        language: the card's languages, ISO 639 codes with commas; by default those that are detected.
        evaluations: folders that `Evaluation.run` made; each is put beside the data, under `evaluations/`
            and its own name, in place of what stood there.
        replace: leave out the rows of the latest version that the folder does not have.
        adopt: add to a repository that codeclm-hf did not make; its files stay.
        allow_incomplete: publish a run that accepted nothing; the card says so.
        allow_secrets: publish although the texts seem to hold secrets.
        redact: put `[EMAIL]`, `[PHONE]` and `[IP]` where personal data stand.
        dry_run: work everything out and send nothing.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Raises:
        BadInput: an argument cannot be used; nothing was sent.
        MergeConflict: others changed the same rows since; nothing was sent.
        HubError: the Hub gives no answer; the same call again goes on.
    """
    request = PublishRequest(
        directory=Path(directory).expanduser(),
        version=version_request(version, bump, license=license, language=language),
        message=message,
        private=private,
        branch=branch,
        evaluations=tuple(map(Path, evaluations)),
        replace=replace,
        adopt=adopt,
        allow_incomplete=allow_incomplete,
        allow_secrets=allow_secrets,
        redact=redact,
        dry_run=dry_run,
    )
    return publish_version(request, Repository(repo, token=token))


def version_request(
    version: str | None, bump: str, *, license: str | None = None, language: str | None = None
) -> VersionRequest:
    """Read what a caller asks of the next version.

    Raises:
        BadInput: the number, the bump or a language is none.
    """
    if bump not in ("auto", *LEVELS):
        raise BadInput(f"needs a bump of auto, {', '.join(LEVELS)}; came {bump!r}")
    codes = [code.strip() for code in language.split(",")] if language else []
    if unknown := [code for code in codes if not is_language(code)]:
        raise BadInput(f"needs languages by their ISO 639 codes, such as en,de; came {unknown[0]!r}")
    front_matter: dict[str, str | list[str]] = {}
    if license:
        front_matter["license"] = license
    if codes:
        front_matter["language"] = codes
    number = Version.parse(version) if version else None
    return VersionRequest(version=number, bump=bump, front_matter=front_matter)


def publish_version(request: PublishRequest, hub: Repository) -> PublishResult:
    """Publish a run directory to a repository, step by step.

    Args:
        request: what is to be published, and how.
        hub: the repository.

    Raises:
        BadInput: the request cannot be met; nothing was sent.
        MergeConflict: others changed the same rows since; nothing was sent.
        HubError: the Hub gives no answer; the same request again goes on.
    """
    with (
        lock_run_directory(request.directory) as content,
        tempfile.TemporaryDirectory(prefix="codeclm-hf-") as folder,
    ):
        scratch = Path(folder)
        check_complete(content, request.directory, allow_incomplete=request.allow_incomplete)
        evaluated = replace(content, evaluations=read_bundles(request.evaluations))
        hub.check_access()
        base = merge_base.find(hub, request.directory, request.branch)
        release = check_release(
            evaluated, scratch, allow_secrets=request.allow_secrets, redact=request.redact
        )
        if not request.dry_run:
            prepare_branch(hub, request.branch, private=request.private)
        try:
            result = commit_version(hub, _commit_request(request, release.content, base, scratch))
        except MergeConflict as exc:
            raise _explain_conflict(exc, hub, request, base) from exc
        if result.commit is not None:
            read_back(hub, result, scratch)
            card = update_card(request.directory, content, result.draft.content.card)
            new_base = MergeBase(
                repo=hub.id,
                branch=request.branch,
                commit=result.commit,
                version=str(result.draft.version),
                is_whole_version=result.draft.is_incoming,
                card_words=render.words(card),
                digests=release.content.digests,
            )
            merge_base.save(request.directory, new_base)
    return publish_result(hub, result, release.personal)


def check_complete(content: Snapshot, folder: Path, *, allow_incomplete: bool) -> None:
    """Check that a run directory has what a version needs.

    Raises:
        BadInput: its run is not finished, or accepted nothing.
    """
    if content.require_manifest().status != COMPLETE or not content.files:
        raise BadInput(
            f"needs a finished run; that in {folder} has no tables yet; the same codeclm-hf run finishes it"
        )
    if "default" not in content.files and not allow_incomplete:
        raise BadInput(
            f"needs a run that accepted something; the table `default` of {folder} is empty; "
            "pass --allow-incomplete to publish what there is"
        )


def prepare_branch(hub: Repository, branch: str, *, private: bool) -> None:
    """Make the repository and the branch, unless they are there already."""
    if hub.head("main") is None:
        hub.create(private=private)
    if branch != "main":
        hub.create_branch(branch)


def _commit_request(
    request: PublishRequest, incoming: Snapshot, base: MergeBase | None, scratch: Path
) -> CommitRequest:
    base_rows = base.digests if base else {}
    return CommitRequest(
        incoming=incoming,
        base=None if request.replace else base_rows,
        base_card_words=base.card_words if base else None,
        scratch=scratch,
        branch=request.branch,
        version=request.version,
        message=request.message,
        known_base=base,
        adopt=request.adopt,
        dry_run=request.dry_run,
    )


def _explain_conflict(
    conflict: MergeConflict, hub: Repository, request: PublishRequest, base: MergeBase | None
) -> MergeConflict:
    """Return the conflict with the commits of others that it may be about, and the way out."""
    since = []
    for commit in hub.commits(request.branch):
        if base is not None and commit.id == base.commit:
            break
        since.append(f"{commit.authors or 'somebody'} in {commit.id[:7]} ({commit.title})")
    return MergeConflict(
        f"{conflict}; on the Hub by {'; '.join(since[:3]) or 'an earlier version'}; nothing was sent",
        hint=f"codeclm-hf contribute {request.directory} {hub.id} opens a pull request; "
        "codeclm-hf merge settles it row by row",
    )


def update_card(folder: Path, content: Snapshot, published_card: str) -> str:
    """Bring what people wrote on the Hub into a folder's card, so that both go on from the same words.

    Args:
        folder: the run directory, locked.
        content: what it holds.
        published_card: the card on the Hub.

    Returns:
        The folder's card now.
    """
    manifest = content.require_manifest()
    card = render_card(manifest, run_directory.table_files(content.files), published_card)
    if card != content.card:
        figures = content.figures
        if manifest.distributions:
            figures = pictures(manifest.distributions, existing=figures)
        run_directory.put_card(folder, card, figures)
    return card


def publish_result(
    hub: Repository, result: CommitResult, personal: Mapping[str, int] = MappingProxyType({})
) -> PublishResult:
    """Return what came of a commit, for the caller."""
    draft = result.draft
    return PublishResult(
        repo=hub.id,
        version=str(draft.version) if draft.version else None,
        commit=result.commit,
        new=draft.is_new,
        changes=dict(draft.changes),
        personal=personal,
        edited=draft.edited_blocks,
    )
