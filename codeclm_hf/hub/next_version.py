"""The next version, worked out before anything is sent: merged tables, its number, its manifest and its card."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
from codeclm_hf.card.contents import contents
from codeclm_hf.card.drift import NAMES, moved
from codeclm_hf.card.statistics import READ
from codeclm_hf.errors import BadInput, MergeConflict
from codeclm_hf.evaluation.bundle import FOLDER as EVALUATIONS
from codeclm_hf.hub import merge
from codeclm_hf.hub.merge import Conflict, Counts, Merged
from codeclm_hf.hub.snapshot import Snapshot
from codeclm_hf.hub.version import FIRST, Version
from codeclm_hf.run import directory

MADE = ("codeclm_hf", "models", "config", "prompts", "seeds", "scan", "versions")
"""What a manifest says of the making of rows; `contributions` keeps it of every version that brought some."""
_OF_A_VERSION = ("version", "parent", "changes", "contributions", "incomplete", "drift", EVALUATIONS)
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
    evaluated = _evaluated(sides)
    if theirs.manifest and not any(changes.values()):
        maker = {**theirs.manifest, **_template(sides), **evaluated}
        tables = (
            theirs.files or sides.ours.files
        )  # the same rows; theirs are not here where they are known to be ours
        text = render.render(maker, directory.described(tables), onto, name=repo, front=wish.front)
        if text == theirs.card and evaluated == _known(theirs):
            there = Snapshot(tables, theirs.manifest, theirs.card, known=lambda: theirs.digests)
            return Draft(Version.of_tag(maker.get("version") or ""), there, new=False, whole=whole)
    else:
        tables, maker = _tables(merged, sides, scratch), {**sides.ours.manifest, **_template(sides)}
    content = Snapshot(tables)
    manifest = {name: value for name, value in maker.items() if name not in _OF_A_VERSION}
    manifest["status"] = "complete"
    frames = {name: content.frame(name, columns) for name, columns in READ.items()}
    manifest |= contents(frames, threshold=manifest["config"]["threshold"])
    manifest["columns"] = {name: [f"{f.name}: {f.type}" for f in content.schema(name)] for name in tables}
    manifest["changes"] = {name: one.as_json() for name, one in changes.items()}
    if not manifest["counts"]["rows"]["default"]:
        manifest["incomplete"] = True
    version = _next(wish, _level(theirs.manifest, manifest), latest) if wish.numbered else None
    manifest["version"] = str(version) if version else None
    manifest["parent"] = {"commit": theirs.commit, "version": theirs.manifest.get("version")}
    manifest["contributions"] = _contributions(theirs.manifest, maker, manifest)
    manifest |= evaluated
    if any(manifest["changes"].get("default", {}).values()) and theirs.manifest.get("version"):
        manifest["drift"] = _drift(theirs if theirs.files or before is None else before(), content)
    figures = _figures(sides.ours, manifest)
    text = render.render(manifest, directory.described(tables), onto, name=repo, front=wish.front)
    known = (lambda: sides.ours.digests) if tables == sides.ours.files else None
    edited = tuple(blocks.edits(onto))
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


def _drift(before: Snapshot, content: Snapshot) -> dict[str, Any]:
    """How far the names moved, and since which version."""
    told = moved(before.frame("default", NAMES), content.frame("default", NAMES))
    return {**told, "since": before.manifest["version"]}


def _template(sides: Sides) -> dict[str, Any]:
    """The card's template that somebody gave: ours, if we were given one or told to do without."""
    name = directory.TEMPLATE
    given = [one.manifest[name] for one in (sides.ours, sides.theirs) if name in one.manifest]
    return {name: given[0]} if given else {}


def _known(theirs: Snapshot) -> dict[str, Any]:
    """What the manifest says of evaluations, if it says anything."""
    return {EVALUATIONS: theirs.manifest[EVALUATIONS]} if theirs.manifest.get(EVALUATIONS) else {}


def _evaluated(sides: Sides) -> dict[str, Any]:
    """The same of the next version: those that stand there, and ours."""
    told = {name: one.summary for name, one in sides.ours.evaluations.items()}
    both = {**_known(sides.theirs).get(EVALUATIONS, {}), **told}
    return {EVALUATIONS: dict(sorted(both.items()))} if both else {}


def _figures(ours: Snapshot, manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """The card's pictures: ours, where they show the same numbers."""
    same = ours.manifest.get("distributions") == manifest["distributions"]
    kept = {name: png for name, png in ours.figures.items() if same and name != DRIFT}
    return pictures(manifest["distributions"], manifest.get("drift"), there=kept)


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


def _level(theirs: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """What the version changes: columns or what scores mean, rows, or words alone."""
    if not theirs:
        return "major"
    both = theirs.get("columns", {}).keys() & manifest["columns"].keys()
    rows = any(any(one.values()) for one in manifest["changes"].values())
    meaning = rows and theirs["config"].get("scoring") != manifest["config"].get("scoring")
    if meaning or any(set(theirs["columns"][name]) != set(manifest["columns"][name]) for name in both):
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


def _contributions(
    theirs: Mapping[str, Any], ours: Mapping[str, Any], manifest: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What made the rows, version by version; what comes in may itself be made of several."""
    all_of_them = list(theirs.get("contributions", []))
    own = {"version": manifest["version"], **{name: manifest[name] for name in MADE if name in manifest}}
    brought = any(one["added"] or one["changed"] for one in manifest["changes"].values())
    for new in [*ours.get("contributions", []), own] if brought else []:
        same = next((at for at, one in enumerate(all_of_them) if _making(one) == _making(new)), None)
        if same is None:
            all_of_them.append({**new, "version": new.get("version") or manifest["version"]})
        elif "scan" in new:
            all_of_them[same] = {**all_of_them[same], "scan": new["scan"]}
    return all_of_them


def _making(contribution: Mapping[str, Any]) -> dict[str, Any]:
    """What made the rows of a contribution, whenever it was published."""
    return {name: value for name, value in contribution.items() if name not in ("version", "scan")}
