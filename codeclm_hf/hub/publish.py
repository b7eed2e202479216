"""A version is one commit: tables, card and manifest together, then a tag on just that commit, then read back."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from pathlib import Path
from types import MappingProxyType

import polars as pl
import pyarrow as pa
from datasets import Dataset, Features, load_dataset

from codeclm_hf.card import render
from codeclm_hf.card.charts import pictures
from codeclm_hf.card.front_matter_rules import is_language
from codeclm_hf.errors import BadInput, CodecLMError, MergeConflict
from codeclm_hf.evaluation.bundle import read_bundles
from codeclm_hf.hub import merge_base as bases
from codeclm_hf.hub import release_check
from codeclm_hf.hub.commit import Landed, Landing
from codeclm_hf.hub.merge import Counts
from codeclm_hf.hub.merge_base import Base
from codeclm_hf.hub.next_version import Sides, Wish
from codeclm_hf.hub.repository import Repository
from codeclm_hf.hub.snapshot import Snapshot, digests, held, key
from codeclm_hf.hub.version import LEVELS, Version
from codeclm_hf.run import directory as run_directory
from codeclm_hf.run.card_context import render_card
from codeclm_hf.run.manifest import COMPLETE


@dataclass(frozen=True)
class Published:
    """What came of publishing."""

    repo: str
    """`org/name` on the Hub."""
    version: str | None
    """None for a pull request, which gets its number when it is merged."""
    commit: str | None
    """None for a dry run."""
    new: bool = True
    """False where the Hub had all of it already."""
    changes: dict[str, Counts] = field(default_factory=dict)
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
) -> Published:
    """Put a run directory on the Hub as the next version; the same content again changes nothing.

    What others have published since the folder was last published or pulled stays, row by row. A folder that never was
    there adds its rows to those that are.

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
        evaluations: folders that `Evaluation.run` made; each is put beside the data, under `evaluations/` and its own
            name, in place of what stood there.
        replace: leave out the rows of the latest version that the folder does not have.
        adopt: add to a repository that codeclm-hf did not make; its files stay.
        allow_incomplete: publish a run that accepted nothing; the card says so.
        allow_secrets: publish although the texts seem to hold secrets.
        redact: put `[EMAIL]`, `[PHONE]` and `[IP]` where personal data stand.
        dry_run: work everything out and send nothing.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Raises:
        BadInput: something given cannot be used; nothing was sent.
        MergeConflict: others changed the same rows since; nothing was sent.
        HubError: the Hub gives no answer; the same call again goes on.
    """
    wish, folder = asked(version, bump, license=license, language=language), Path(directory).expanduser()
    with held(folder) as here, tempfile.TemporaryDirectory(prefix="codeclm-hf-") as scratch:
        complete(here, folder, allow_incomplete=allow_incomplete)
        whole = replaced(here, evaluations=read_bundles(evaluations))
        hub = Repository(repo, token=token)
        hub.check_access()
        base = last_agreed(hub, folder, branch)
        ours, personal = release_check.checked(
            whole, Path(scratch), allow_secrets=allow_secrets, redact=redact
        )
        if not dry_run:
            _ready(hub, branch, private=private)
        landing = Landing(
            hub=hub,
            scratch=Path(scratch),
            branch=branch,
            wish=wish,
            message=message,
            known=base,
            adopt=adopt,
            dry_run=dry_run,
        )
        try:
            rows = None if replace else base.digests if base else {}
            landed = landing.land(onto(ours, rows, base.words if base else None))
        except MergeConflict as exc:
            raise _told(exc, hub, branch, base, folder) from exc
        if landed.commit:
            verify(hub, landed, Path(scratch))
            version, alone = str(landed.draft.version), landed.draft.whole
            text = _caught_up(folder, here, landed.draft.content.card)
            bases.save(
                folder, Base(hub.id, branch, landed.commit, version, alone, render.words(text), ours.digests)
            )
    return published(hub, landed, personal)


def _caught_up(folder: Path, here: Snapshot, there: str) -> str:
    """Bring what people wrote on the Hub into the folder's card, so that both go on from the same words."""
    manifest = here.manifest
    assert manifest is not None, "a run directory has a manifest"
    text = render_card(manifest, run_directory.table_files(here.files), there)
    if text != here.card:
        figures = here.figures
        if manifest.distributions:
            figures = pictures(manifest.distributions, there=figures)
        run_directory.put_card(folder, text, figures)
    return text


def last_agreed(hub: Repository, folder: Path, branch: str) -> Base | None:
    """What the folder and the branch last agreed on; None where the branch's history does not have it.

    A repository that was deleted and made anew never had the rows; to go by the old agreement would remove them here.
    """
    base = bases.load(folder, hub.id, branch)
    head = hub.head(branch) if base else None
    if base is None or head is None:
        return None
    known = base.commit == head.commit or base.commit in {commit.commit_id for commit in hub.commits(branch)}
    return base if known else None


def _ready(hub: Repository, branch: str, *, private: bool) -> None:
    """Make the repository and the branch, unless they are there."""
    if hub.head("main") is None:
        hub.create(private=private)
    if branch != "main":
        hub.branch(branch)


def onto(
    ours: Snapshot, rows: Mapping[str, pl.DataFrame] | None, words: str | None
) -> Callable[[Snapshot], Sides]:
    """What to merge with what stands on the Hub.

    Args:
        ours: what comes in.
        rows: the digests of the common ancestor; None where ours is to replace all that stands there at first. What
            comes in between is merged all the same.
        words: what people had written in the ancestor's card; None where there is none.
    """
    first: list[Snapshot] = []

    def sides(theirs: Snapshot) -> Sides:
        first.append(theirs)
        return Sides(
            ours=ours, theirs=theirs, base=first[0].digests if rows is None else rows, base_words=words
        )

    return sides


def asked(version: str | None, bump: str, *, license: str | None = None, language: str | None = None) -> Wish:
    """The wish in the caller's words.

    Raises:
        BadInput: it is none.
    """
    if bump not in ("auto", *LEVELS):
        raise BadInput(f"needs a bump of auto, {', '.join(LEVELS)}; came {bump!r}")
    codes = [code.strip() for code in language.split(",")] if language else []
    if unknown := [code for code in codes if not is_language(code)]:
        raise BadInput(f"needs languages by their ISO 639 codes, such as en,de; came {unknown[0]!r}")
    front = {name: value for name, value in (("license", license), ("language", codes)) if value}
    return Wish(version=Version.parse(version) if version else None, bump=bump, front=front)


def complete(ours: Snapshot, folder: Path, *, allow_incomplete: bool) -> None:
    """See that a run directory has what a version needs.

    Raises:
        BadInput: its run is not finished, or accepted nothing.
    """
    if ours.manifest is None or ours.manifest.status != COMPLETE or not ours.files:
        raise BadInput(
            f"needs a finished run; that in {folder} has no tables yet; the same codeclm-hf run finishes it"
        )
    if "default" not in ours.files and not allow_incomplete:
        raise BadInput(
            f"needs a run that accepted something; the table `default` of {folder} is empty; pass --allow-incomplete "
            "to publish what there is"
        )


def verify(hub: Repository, landed: Landed, scratch: Path) -> None:
    """Load the version as anybody would, and compare it with what was sent, row by row.

    Raises:
        CodecLMError: they differ.
    """
    content, version = landed.draft.content, landed.draft.version
    compared = {}
    with ThreadPoolExecutor(1) as meanwhile:  # one table is compared while the next is loaded
        for config in content.files:
            table = hub.ask(_loaded, hub, config, version.tag if version else landed.commit, scratch)
            compared[config] = meanwhile.submit(_same, table, content, config)
    for config, same in compared.items():
        if not same.result():
            raise CodecLMError(
                f"version {version} of {hub.id} was published, but `{config}` reads back differently from "
                f"{content.files[config][0]}",
                hint="look at its files before anybody trains on it",
            )


def _same(table: Dataset, content: Snapshot, config: str) -> bool:
    features = Features.from_arrow_schema(content.schema(config))
    return table.features == features and (
        _equal(table, content, config) or _same_digests(table, content, config)
    )


def _equal(table: Dataset, content: Snapshot, config: str) -> bool:
    start, arrow = 0, table.data.table
    for batch in content.batches(config):
        sent = pa.Table.from_batches([batch]).cast(arrow.schema)
        if not arrow.slice(start, batch.num_rows).equals(sent):
            return False
        start += batch.num_rows
    return start == len(table)


def _same_digests(table: Dataset, content: Snapshot, config: str) -> bool:
    """The same, slower, where a number that is none equals itself."""
    return digests(iter(table.data.table.to_batches(5_000)), key(config, content)).equals(
        content.digests[config]
    )


def _loaded(hub: Repository, config: str, revision: str | None, scratch: Path) -> Dataset:
    # Every try has a cache of its own: without an answer load_dataset takes what it finds in the cache instead.
    cache = tempfile.mkdtemp(prefix="read-back-", dir=scratch)
    return load_dataset(
        hub.id, config, split="train", revision=revision, cache_dir=cache, token=hub.api.token
    )


def _told(exc: MergeConflict, hub: Repository, branch: str, base: Base | None, folder: Path) -> MergeConflict:
    """The conflict, with whose commits it is about and the way out."""
    since = []
    for commit in hub.commits(branch):
        if base is not None and commit.commit_id == base.commit:
            break
        since.append(f"{', '.join(commit.authors) or 'somebody'} in {commit.commit_id[:7]} ({commit.title})")
    return MergeConflict(
        f"{exc}; on the Hub by {'; '.join(since[:3]) or 'an earlier version'}; nothing was sent",
        hint=f"codeclm-hf contribute {folder} {hub.id} opens a pull request; codeclm-hf merge settles it row by row",
    )


def published(
    hub: Repository, landed: Landed, personal: Mapping[str, int] = MappingProxyType({})
) -> Published:
    """What came of it, for the caller."""
    made = landed.draft
    return Published(
        hub.id,
        str(made.version) if made.version else None,
        landed.commit,
        made.new,
        made.changes,
        personal=personal,
        edited=made.edited,
    )
