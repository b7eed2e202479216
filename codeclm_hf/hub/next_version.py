"""The next version, worked out before anything is sent: merged tables, its number, its manifest and its card."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from datasets import Features

from codeclm_hf import files as parquet
from codeclm_hf import schema
from codeclm_hf.card import blocks, render
from codeclm_hf.card.captions import DRIFT
from codeclm_hf.card.charts import pictures
from codeclm_hf.card.drift import NAMES, version_drift
from codeclm_hf.card.shapes import EvaluationSummary, RowChanges
from codeclm_hf.card.statistics import READ, contents
from codeclm_hf.errors import BadInput, MergeConflict
from codeclm_hf.hub import merge
from codeclm_hf.hub.merge import Conflict, Counts, Merged
from codeclm_hf.hub.snapshot import Snapshot
from codeclm_hf.hub.version import FIRST, Version
from codeclm_hf.run import directory
from codeclm_hf.run.card_context import render_card
from codeclm_hf.run.manifest import Manifest, Parent

SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked of the next version."""

    version: Version | None = None
    bump: str = "auto"
    front: Mapping[str, Any] = field(default_factory=dict)
    """Front matter of the card, such as its license."""
    take: Any = None
    """How conflicts end: "ours", "theirs", or by config what `merge.merge` takes."""
    numbered: bool = True
    """Whether it gets a number now; a pull request gets one when it is merged."""


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What comes in, where it goes, and what both come from."""

    ours: Snapshot
    theirs: Snapshot
    base: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    base_words: str | None = None
    """What people had written in the common ancestor's card; None where there is none."""

    def merged(self, take: Any = None) -> dict[str, Merged]:
        """Every config, merged; conflicts are listed, not raised."""
        held = {*self.ours.files, *self.theirs.digests}
        return {
            name: merge.merge(
                name,
                self.base.get(name),
                self.ours,
                self.theirs,
                take=take.get(name, {}) if isinstance(take, Mapping) else take,
            )
            for name in schema.TABLES
            if name in held
        }


@dataclass(frozen=True)
class Draft:
    """A version that could be committed."""

    version: Version | None
    """None for a pull request."""
    content: Snapshot
    """Its tables, its manifest and its card as they will stand on the Hub."""
    changes: dict[str, Counts] = field(default_factory=dict)
    """By config, against theirs."""
    new: bool = True
    """False where theirs has all of it already: then this is theirs."""
    whole: bool = True
    """Whether its rows are ours and no others."""
    edited: tuple[str, ...] = ()
    """The generated blocks of the card that somebody edited; each edit is kept after its block."""


def draft(
    sides: Sides,
    wish: Wish,
    *,
    latest: Version | None,
    repo: str,
    scratch: Path,
    before: Callable[[], Snapshot] | None = None,
) -> Draft:
    """Work out the next version.

    Args:
        sides: what is to be merged.
        wish: what was asked for.
        latest: the highest version there is, on any branch.
        repo: what the card tells people to load.
        scratch: a folder for merged tables.
        before: gives theirs with the files of `default`, where `sides` has it without.

    Raises:
        MergeConflict: both sides changed a row, or the card's text, differently.
        BadInput: the version that was asked for is taken, or lower than the latest.
    """
    theirs = sides.theirs
    merged = sides.merged(wish.take)
    conflicts = [conflict for one in merged.values() for conflict in one.conflicts]
    if conflicts:
        raise MergeConflict(told(conflicts), conflicts=conflicts)
    onto = _onto(sides, wish.take)
    changes = {name: one.changes for name, one in merged.items()}
    whole = all(one.ours_whole for one in merged.values())
    evaluations = _evaluations(sides)
    if theirs.manifest and not any(changes.values()):
        maker = replace(theirs.manifest, evaluations=evaluations, card_template=_template(sides))
        tables = (
            theirs.files or sides.ours.files
        )  # the same rows; theirs are not here where they are known to be ours
        text = render_card(maker, directory.table_files(tables), onto, name=repo, front=wish.front)
        if text == theirs.card and evaluations == theirs.manifest.evaluations:
            there = Snapshot(tables, theirs.manifest, theirs.card, known=lambda: theirs.digests)
            return Draft(Version.of_tag(maker.version or ""), there, new=False, whole=whole)
    else:
        assert sides.ours.manifest is not None, "what comes in has a manifest"
        tables = _tables(merged, sides, scratch)
        maker = replace(sides.ours.manifest, card_template=_template(sides))
    content = Snapshot(tables)
    columns = {name: tuple(f"{f.name}: {f.type}" for f in content.schema(name)) for name in tables}
    frames = {name: content.frame(name, columns) for name, columns in READ.items()}
    version = None
    if wish.numbered:
        level = _level(theirs.manifest, maker, columns, any(changes.values()))
        version = _next(wish, level, latest)
    before_this = theirs.manifest.version if theirs.manifest else None
    drift = None
    if changes.get("default") and before_this:
        earlier = theirs if theirs.files or before is None else before()
        drift = version_drift(
            earlier.frame("default", NAMES), content.frame("default", NAMES), since=before_this
        )
    manifest = maker.next_version(
        contents(frames, threshold=maker.config.threshold),
        version=str(version) if version else None,
        parent=Parent(commit=theirs.commit, version=before_this),
        before=theirs.manifest,
        columns=columns,
        changes={name: RowChanges(**one.as_json()) for name, one in changes.items()},
        evaluations=evaluations,
        drift=drift,
    )
    figures = _figures(sides.ours, manifest)
    text = render_card(manifest, directory.table_files(tables), onto, name=repo, front=wish.front)
    known = (lambda: sides.ours.digests) if tables == sides.ours.files else None
    edited = tuple(blocks.hand_edits(onto))
    content = Snapshot(
        tables, manifest, text, known=known, figures=figures, evaluations=sides.ours.evaluations
    )
    return Draft(version, content, changes, whole=whole, edited=edited)


def told(conflicts: list[Conflict]) -> str:
    """Conflicts in a sentence."""
    some = ", ".join(f"{conflict.config} {conflict.id}" for conflict in conflicts[:SHOWN])
    more = f" and {len(conflicts) - SHOWN} more" if len(conflicts) > SHOWN else ""
    return (
        f"{len(conflicts)} row{'s' * (len(conflicts) > 1)} changed on both sides, differently: {some}{more}"
    )


def _tables(merged: Mapping[str, Merged], sides: Sides, scratch: Path) -> dict[str, list[Path]]:
    """The files of every table that has rows: ours as they are, where they hold the merged rows and no others."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    tables = {}
    for name, one in merged.items():
        if one.ours_whole:
            tables[name] = sides.ours.files.get(name, [])
            continue
        columns = _columns(name, sides)
        rows = merge.rows(name, one, sides.ours, sides.theirs, columns)
        tables[name] = [folder / name / file for file in parquet.write(folder / name, rows, columns)]
    return {name: files for name, files in tables.items() if files}


def _columns(config: str, sides: Sides) -> pa.Schema:
    """The columns of a merged table: ours, and what theirs has besides."""
    if config not in sides.ours.files:
        return sides.theirs.schema(config)
    ours, theirs = sides.ours.schema(config), sides.theirs.schema(config)
    more = [field for field in theirs if field.name not in ours.names]
    return Features.from_arrow_schema(pa.schema([*ours, *more])).arrow_schema if more else ours


def _template(sides: Sides) -> str | None:
    """The card's template that somebody gave: ours, if we were given one or told to do without."""
    manifests = [one.manifest for one in (sides.ours, sides.theirs) if one.manifest is not None]
    templates = (manifest.card_template for manifest in manifests)
    return next((template for template in templates if template is not None), None)


def _evaluations(sides: Sides) -> dict[str, EvaluationSummary]:
    """The evaluations of the next version: those that stand there, and ours."""
    there = theirs.evaluations if (theirs := sides.theirs.manifest) else {}
    ours = {name: one.summary for name, one in sides.ours.evaluations.items()}
    return dict(sorted({**there, **ours}.items()))


def _figures(ours: Snapshot, manifest: Manifest) -> dict[str, bytes]:
    """The card's pictures: ours, where they show the same numbers."""
    assert manifest.distributions is not None, "a version has distributions"
    same = ours.manifest is not None and ours.manifest.distributions == manifest.distributions
    kept = {name: png for name, png in ours.figures.items() if same and name != DRIFT}
    return pictures(manifest.distributions, manifest.drift, there=kept)


def _onto(sides: Sides, take: Any) -> str:
    """The card whose hand-written parts go into the next version: that of the side that changed them."""
    ours, theirs = sides.ours.card, sides.theirs.card
    if not theirs or take == "ours":
        return ours
    if not ours or take == "theirs":
        return theirs
    mine, other = render.words(ours), render.words(theirs)
    before = render.PLAIN if sides.base_words is None else sides.base_words
    if mine in (other, before):
        return theirs
    if other == before:
        return ours
    raise MergeConflict(
        "the text of the card was changed on both sides, differently; make the two alike by hand"
    )


def _level(
    theirs: Manifest | None, maker: Manifest, columns: Mapping[str, tuple[str, ...]], rows: bool
) -> str:
    """What the version changes: columns or what scores mean, rows, or words alone."""
    if theirs is None:
        return "major"
    both = theirs.columns.keys() & columns.keys()
    meaning = rows and theirs.config.scoring != maker.config.scoring
    if meaning or any(set(theirs.columns[name]) != set(columns[name]) for name in both):
        return "major"
    return "minor" if rows else "patch"


def _next(wish: Wish, level: str, latest: Version | None) -> Version:
    if wish.version is None:
        return latest.bump(level if wish.bump == "auto" else wish.bump) if latest else FIRST
    if latest and wish.version <= latest:
        what = (
            "is there already, with other content"
            if wish.version == latest
            else f"is lower than {latest}, the latest"
        )
        raise BadInput(
            f"needs a version above {latest}; {wish.version} {what}; leave --version out to have the next one"
        )
    return wish.version
