"""The manifest of a run directory and of a version: what made it, and what it holds.

It stands in `codeclm.json`, which nothing else in the package reads, checks or writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from codeclm_hf.card.shapes import (
    ContaminationSummary,
    Contents,
    Counts,
    Distributions,
    EvaluationSummary,
    Funnel,
    Languages,
    RowChanges,
    RunConfig,
    ScanResult,
    SeedSources,
    VersionDrift,
)
from codeclm_hf.errors import BadInput
from codeclm_hf.json_types import ABSENT, MORE, from_json, is_written, to_json

FILE = "codeclm.json"
"""Its name in a run directory and on the Hub."""
RUNNING, COMPLETE = "running", "complete"
"""What `status` says while a run has no tables yet, and from then on."""
_OF_A_VERSION = ("changes", "incomplete", "version", "parent", "contributions", "evaluations", "drift")
"""What is said of one version alone, and anew of the next one."""
_IN_EVERY_VERSION = ("columns", "changes", "version", "contributions")
"""Keys that a version has even where they hold nothing."""
_NO_KEYS = (MORE, "key_order")
_EVALUATION_ROLES = {"candidate", "reference", "judge"}


@dataclass(frozen=True, kw_only=True)
class StageUsage:
    """The answers of one model in one stage that the tables are made of, asked now or replayed."""

    stage: str
    """Such as `encode`."""
    role: str
    """`strong`, `target` or `judge`."""
    model: str
    """The endpoint's identity."""
    answers: int
    """How many."""
    prompt_tokens: int
    """Tokens that were sent for them."""
    completion_tokens: int
    """Tokens of them, thoughts included."""
    thinking_tokens: int = field(default=0, metadata=ABSENT)
    """Tokens of thoughts alone."""
    estimated: int = field(default=0, metadata=ABSENT)
    """Answers whose tokens are our estimate, since the server counted none."""
    cost: float | None = field(default=None, metadata=ABSENT)
    """Their price; None where the run had no prices."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What other versions of codeclm-hf say."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run's answers cost, in the currency of its prices."""

    price_in: float | None
    """Of a million tokens that are sent to a model without a price of its own."""
    price_out: float | None
    """Of a million tokens of its answers."""
    all: float
    """Of all answers in the journal."""
    prices: Mapping[str, tuple[float, ...]] = field(default_factory=dict, metadata=ABSENT)
    """The same two prices of the models that have their own, by identity."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What other versions of codeclm-hf say."""


@dataclass(frozen=True, kw_only=True)
class Parent:
    """The version before, or the commit that the first version was added to; None where there was nothing."""

    commit: str | None = None
    """40 hexadecimal digits."""
    version: str | None = None
    """Such as 1.2.0."""


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What made the rows that one version brought."""

    version: str | None = None
    """The version that brought them; None where it has no number yet."""
    codeclm_hf: str | None = field(default=None, metadata=ABSENT)
    """The version of the package."""
    models: Mapping[str, str | None] = field(default_factory=dict, metadata=ABSENT)
    """By role."""
    config: RunConfig | None = field(default=None, metadata=ABSENT)
    """The run's settings."""
    prompts: Mapping[str, str] = field(default_factory=dict, metadata=ABSENT)
    """The prompts' hashes, by name."""
    seeds: SeedSources | None = field(default=None, metadata=ABSENT)
    """Where the inputs came from."""
    scan: ScanResult | None = field(default=None, metadata=ABSENT)
    """What was found before the release."""
    versions: Mapping[str, str] = field(default_factory=dict, metadata=ABSENT)
    """The versions of other packages."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What other versions of codeclm-hf say."""

    def has_same_making(self, other: Contribution) -> bool:
        """Return whether both have the same models, settings, prompts and inputs, in whatever version."""
        return replace(self, version=None, scan=None) == replace(other, version=None, scan=None)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What made the tables of a run directory or of a version, and what they hold."""

    codeclm_hf: str
    """The version of the package that made the tables."""
    models: Mapping[str, str]
    """Which model plays which role: `strong`, `target` and `judge`."""
    config: RunConfig
    """What the run was asked for."""
    prompts: Mapping[str, str] = field(default_factory=dict, metadata=ABSENT)
    """The hashes of the prompts, by name."""
    prompt_texts: Mapping[str, str] = field(default_factory=dict, metadata=ABSENT)
    """Their full texts."""
    versions: Mapping[str, str] = field(default_factory=dict, metadata=ABSENT)
    """The versions of the packages that matter."""
    seeds: SeedSources | None = field(default=None, metadata=ABSENT)
    """Where the inputs come from."""
    counts: Counts = field(default=Counts(), metadata=ABSENT)
    """How many rows there are; all 0 while the run is not finished."""
    distributions: Distributions | None = field(default=None, metadata=ABSENT)
    """What the rows hold; None while the run is not finished."""
    languages: Languages | None = field(default=None, metadata=ABSENT)
    """The languages of the instructions; None while the run is not finished."""
    usage: tuple[StageUsage, ...] | None = field(default=None, metadata=ABSENT)
    """Answers and tokens by stage and model; None while the run is not finished."""
    cost: Cost | None = field(default=None, metadata=ABSENT)
    """What they cost; None where the budget had no prices."""
    funnel: Funnel | None = field(default=None, metadata=ABSENT)
    """What became of every instruction that was asked for; None while the run is not finished."""
    contamination: ContaminationSummary | None = field(default=None, metadata=ABSENT)
    """What was found in evaluation sets; None where there were none to compare with."""
    status: str
    """`running` or `complete`."""
    scan: ScanResult | None = field(default=None, metadata=ABSENT)
    """What was found before the release; None before it is published."""
    card_template: str | None = field(default=None, metadata=ABSENT)
    """The text of a card template that somebody gave; empty where they chose ours again."""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict, metadata=ABSENT)
    """Of a version: the names and types of each table's columns."""
    changes: Mapping[str, RowChanges] = field(default_factory=dict, metadata=ABSENT)
    """Of a version: what changed since the one before, by table."""
    incomplete: bool = field(default=False, metadata=ABSENT)
    """Whether the version holds no row to train on."""
    version: str | None = field(default=None, metadata=ABSENT)
    """Its number, such as 1.2.0; None in a run directory that was not pulled, and in a pull request."""
    parent: Parent | None = field(default=None, metadata=ABSENT)
    """Of a version: what it was made on top of."""
    contributions: tuple[Contribution, ...] = field(default=(), metadata=ABSENT)
    """Of a version: what made its rows, version by version."""
    evaluations: Mapping[str, EvaluationSummary] = field(default_factory=dict, metadata=ABSENT)
    """Of a version: the evaluations that are published beside it, by name."""
    drift: VersionDrift | None = field(default=None, metadata=ABSENT)
    """Of a version: how far the names moved since the one before."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What other versions of codeclm-hf say; it goes into the next version too."""
    key_order: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """The keys of the file it was read from, in their order, which is kept."""

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """Return the manifest of a run directory.

        Raises:
            BadInput: there is none, or no run wrote it.
        """
        manifest = cls.read_if_there(directory)
        if manifest is None:
            raise BadInput(
                f"needs a run directory with a {FILE}; {directory} has none; make one with codeclm-hf run"
            )
        return manifest

    @classmethod
    def read_if_there(cls, directory: Path) -> Manifest | None:
        """Return the manifest of a run directory; None where the folder has none.

        Raises:
            BadInput: no run wrote it.
        """
        path = directory / FILE
        if not path.is_file():
            return None
        try:
            return _parse(path.read_text(encoding="utf-8"))
        except ValueError as exc:
            raise BadInput(
                f"needs a manifest that a run wrote; {path} is none ({exc}); name another folder"
            ) from exc

    @classmethod
    def from_json(cls, document: str | Mapping[str, Any], *, source: str) -> Manifest:
        """Return the manifest of a version.

        Args:
            document: the file's text, or what a JSON parser made of it.
            source: whose it is, for errors, such as `org/name`.

        Raises:
            BadInput: codeclm-hf did not write it.
        """
        try:
            return _parse(document)
        except ValueError as exc:
            raise BadInput(f"needs a {FILE} that codeclm-hf wrote; that of {source} is none ({exc})") from exc

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as a JSON parser would give it; keys that were read stay where they were."""
        always = {*self.key_order, *(_IN_EVERY_VERSION if self.parent is not None else ())}
        entries = {
            entry.name: to_json(getattr(self, entry.name))
            for entry in fields(self)
            if entry.name not in _NO_KEYS and (entry.name in always or is_written(entry, self))
        }
        entries |= self.more
        place = {name: number for number, name in enumerate(self.key_order)}
        return dict(sorted(entries.items(), key=lambda item: place.get(item[0], len(place))))

    def to_text(self) -> str:
        """Return the manifest as it stands in a folder and on the Hub."""
        return json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n"

    def finished(
        self,
        contents: Contents,
        *,
        usage: Iterable[StageUsage],
        cost: Cost | None = None,
        funnel: Funnel | None = None,
        contamination: ContaminationSummary | None = None,
    ) -> Manifest:
        """Return the manifest of the same run once it has its tables."""
        return replace(
            self,
            counts=contents.counts,
            distributions=contents.distributions,
            languages=contents.languages,
            usage=tuple(usage),
            cost=cost,
            funnel=funnel,
            contamination=contamination,
            status=COMPLETE,
        )

    def next_version(
        self,
        contents: Contents,
        *,
        version: str | None,
        parent: Parent,
        before: Manifest | None,
        columns: Mapping[str, tuple[str, ...]],
        changes: Mapping[str, RowChanges],
        evaluations: Mapping[str, EvaluationSummary],
        drift: VersionDrift | None = None,
    ) -> Manifest:
        """Return the manifest of a version whose rows were made as this manifest says.

        Args:
            contents: what its tables hold.
            version: its number; None for a pull request.
            parent: what it is made on top of.
            before: the manifest of the version before, whose contributions stay; None where there is none.
            columns: the names and types of its columns, by table.
            changes: what changed since the version before, by table.
            evaluations: what is published beside it, by name.
            drift: how far its names moved since the version before.
        """
        maker = replace(
            self,
            counts=contents.counts,
            distributions=contents.distributions,
            languages=contents.languages,
            status=COMPLETE,
            columns=columns,
            changes=changes,
            incomplete=not contents.counts.rows["default"],
            version=version,
            parent=parent,
            evaluations=evaluations,
            drift=drift,
            key_order=tuple(name for name in self.key_order if name not in _OF_A_VERSION),
        )
        earlier = before.contributions if before else ()
        brought = any(change.added or change.changed for change in changes.values())
        incoming = [*self.contributions, maker.contribution()] if brought else []
        return replace(maker, contributions=_join_contributions(earlier, incoming, version))

    def contribution(self) -> Contribution:
        """Return what this manifest says of the making of its rows."""
        return Contribution(
            version=self.version,
            codeclm_hf=self.codeclm_hf,
            models=self.models,
            config=self.config,
            prompts=self.prompts,
            seeds=self.seeds,
            scan=self.scan,
            versions=self.versions,
        )


def _parse(document: str | Mapping[str, Any]) -> Manifest:
    """Read a manifest.

    Raises:
        ValueError: it is none.
    """
    plain = json.loads(document) if isinstance(document, str) else document
    if not isinstance(plain, Mapping) or not {"codeclm_hf", "status", "models"} <= set(plain):
        raise ValueError("it is no manifest of a run")
    if plain["status"] == COMPLETE and not {"config", "counts", "usage"} <= set(plain):
        raise ValueError("it has no counts")
    evaluations = _readable_evaluations(plain.get("evaluations"))
    entries = {name: value for name, value in plain.items() if name not in _NO_KEYS}
    manifest = from_json(Manifest, {**entries, "evaluations": evaluations})
    return replace(manifest, key_order=tuple(plain))


def _readable_evaluations(value: object) -> dict[str, Any]:
    """Return the entries that are evaluations: people may have written something else into a manifest."""
    evaluations = {}
    for name, summary in value.items() if isinstance(value, Mapping) else ():
        try:
            evaluation = from_json(EvaluationSummary, summary)
        except ValueError:
            continue
        if evaluation.models.keys() >= _EVALUATION_ROLES:
            evaluations[name] = summary
    return evaluations


def _join_contributions(
    earlier: Iterable[Contribution], incoming: Iterable[Contribution], version: str | None
) -> tuple[Contribution, ...]:
    """Return all contributions, each way of making rows once, with its newest scan.

    Args:
        earlier: those of the version before.
        incoming: those of what was merged into it.
        version: the new version, which brings those that have no number yet.
    """
    joined = list(earlier)
    for new in incoming:
        same = next((at for at, old in enumerate(joined) if old.has_same_making(new)), None)
        if same is None:
            joined.append(replace(new, version=new.version or version))
        elif new.scan is not None:
            joined[same] = replace(joined[same], scan=new.scan)
    return tuple(joined)
