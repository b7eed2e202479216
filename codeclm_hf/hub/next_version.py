"""The next version, worked out before anything is sent: its tables, its number, its manifest and its card.

The steps, in order: `merge_versions`, `unchanged_draft` (the branch may have all of it already),
`write_tables`, `decide_version` and `draft_version`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from datasets import Features

from codeclm_hf.card import blocks
from codeclm_hf.card.captions import DRIFT
from codeclm_hf.card.charts import pictures
from codeclm_hf.card.shapes import Distributions, RowChanges
from codeclm_hf.errors import BadInput, MergeConflict
from codeclm_hf.files import write_parquet
from codeclm_hf.hub import conflicts
from codeclm_hf.hub.conflicts import ConflictLine
from codeclm_hf.hub.merge import (
    Conflict,
    MergeInputs,
    Side,
    TableMerge,
    merge_tables,
    merged_rows,
)
from codeclm_hf.hub.merge_card import merge_cards
from codeclm_hf.hub.snapshot import Snapshot
from codeclm_hf.hub.version import FIRST, Version
from codeclm_hf.hub.version_manifest import (
    column_types,
    evaluations,
    next_manifest,
    source_manifest,
)
from codeclm_hf.run import directory
from codeclm_hf.run.card_context import render_card
from codeclm_hf.run.manifest import Manifest

CONFLICTS_SHOWN = 5
"""Conflicts that a message names."""


@dataclass(frozen=True, kw_only=True)
class VersionRequest:
    """What a caller asks of the next version."""

    version: Version | None = None
    """Its number; None for the one that follows from `bump`."""
    bump: str = "auto"
    """The part of the number that goes up: "major", "minor", "patch", or "auto", as the changes call for."""
    front_matter: Mapping[str, str | list[str]] = field(default_factory=dict)
    """Front matter of the card, such as its license."""
    is_numbered: bool = True
    """Whether it gets a number now; a pull request gets one when it is merged."""


class VersionMerge(NamedTuple):
    """A merge without conflicts."""

    tables: Mapping[str, TableMerge]
    """By config."""
    card: str
    """The card whose hand-written parts stand."""

    @property
    def changes(self) -> dict[str, RowChanges]:
        """By config, what changes in the current version."""
        return {config: table.changes for config, table in self.tables.items()}

    @property
    def is_incoming(self) -> bool:
        """Whether the merged rows are the incoming ones and no others."""
        return all(table.is_incoming_table for table in self.tables.values())


@dataclass(frozen=True)
class Draft:
    """A version that could be committed."""

    version: Version | None
    """None for a pull request."""
    content: Snapshot
    """Its tables, its manifest and its card as they will stand on the Hub."""
    changes: Mapping[str, RowChanges] = field(default_factory=dict)
    """By config, what changes in the current version."""
    is_new: bool = True
    """False where the current version has all of it already: then this is the current version."""
    is_incoming: bool = True
    """Whether its rows are the incoming ones and no others."""
    edited_blocks: tuple[str, ...] = ()
    """The generated blocks of the card that somebody edited; each edit is kept after its block."""


def merge_versions(
    inputs: MergeInputs, *, take: Side | None = None, conflict_lines: Sequence[ConflictLine] = ()
) -> VersionMerge:
    """Merge the rows and the cards of two versions.

    Args:
        inputs: the two sides and their base.
        take: the side that ends every conflict.
        conflict_lines: how some conflicts of rows end, where no side ends all.

    Raises:
        MergeConflict: both sides changed a row, or the card's text, differently, and nothing ends that.
    """
    tables = merge_tables(inputs, take=take)
    if conflict_lines and take is None:
        resolutions = conflicts.resolutions(conflict_lines, _conflicts(tables))
        tables = merge_tables(inputs, resolutions=resolutions)
    if unresolved := _conflicts(tables):
        raise MergeConflict(_conflict_message(unresolved), conflicts=unresolved)
    return VersionMerge(tables, merge_cards(inputs, take=take))


def _conflicts(tables: Mapping[str, TableMerge]) -> list[Conflict]:
    return [conflict for table in tables.values() for conflict in table.conflicts]


def _conflict_message(unresolved: Sequence[Conflict]) -> str:
    """Count conflicts in a sentence, and name some."""
    count = len(unresolved)
    names = ", ".join(f"{conflict.config} {conflict.id}" for conflict in unresolved[:CONFLICTS_SHOWN])
    more = f" and {count - CONFLICTS_SHOWN} more" if count > CONFLICTS_SHOWN else ""
    return f"{count} row{'s' * (count > 1)} changed on both sides, differently: {names}{more}"


def unchanged_draft(
    inputs: MergeInputs, merge: VersionMerge, request: VersionRequest, *, repo: str
) -> Draft | None:
    """Return the current version as a draft, where it has all of what comes in; None where something changes.

    Args:
        inputs: what was merged.
        merge: what came of it.
        request: what was asked for.
        repo: what the card tells people to load.
    """
    current = inputs.current
    if current.manifest is None or any(merge.changes.values()):
        return None
    expected = evaluations(inputs)
    manifest = replace(source_manifest(inputs, merge.changes), evaluations=expected)
    tables = _unchanged_tables(inputs)
    files = directory.table_files(tables)
    card = render_card(manifest, files, merge.card, name=repo, front=request.front_matter)
    if card != current.card or expected != current.manifest.evaluations:
        return None
    return Draft(
        Version.of_tag(current.version or ""),
        Snapshot(tables, current.manifest, current.card, same_rows_as=current),
        is_new=False,
        is_incoming=merge.is_incoming,
    )


def _unchanged_tables(inputs: MergeInputs) -> Mapping[str, list[Path]]:
    """Return the files of the current rows; where those were not fetched, the incoming ones are the same."""
    return inputs.current.files or inputs.incoming.files


def write_tables(inputs: MergeInputs, merge: VersionMerge, scratch: Path) -> Mapping[str, list[Path]]:
    """Return the files of every table of the next version that has rows.

    They are the incoming or the current files as they are, where these hold the merged rows and no others.

    Args:
        inputs: what was merged.
        merge: what came of it.
        scratch: a folder for merged tables.

    Raises:
        BadInput: the rows of the two sides do not fit the same columns.
    """
    if inputs.current.manifest is not None and not any(merge.changes.values()):
        return _unchanged_tables(inputs)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    tables = {}
    for config, table in merge.tables.items():
        columns = _merged_columns(config, inputs)
        if table.is_incoming_table and columns.names == inputs.incoming.schema(config).names:
            tables[config] = inputs.incoming.files.get(config, [])
            continue
        shards = write_parquet(folder / config, merged_rows(config, table, inputs, columns), columns)
        tables[config] = [folder / config / shard for shard in shards]
    return {config: files for config, files in tables.items() if files}


def _merged_columns(config: str, inputs: MergeInputs) -> pa.Schema:
    """Return the columns of a merged table: the incoming ones, and what the current table has besides."""
    if config not in inputs.incoming.files:
        return inputs.current.schema(config)
    incoming = inputs.incoming.schema(config)
    if config not in inputs.current.files:
        return incoming
    current = inputs.current.schema(config)
    more = [column for column in current if column.name not in incoming.names]
    return Features.from_arrow_schema(pa.schema([*incoming, *more])).arrow_schema if more else incoming


def decide_version(
    request: VersionRequest,
    inputs: MergeInputs,
    merge: VersionMerge,
    tables: Mapping[str, list[Path]],
    *,
    latest: Version | None,
) -> Version | None:
    """Return the number of the next version; None where it gets none now.

    Args:
        request: what was asked for.
        inputs: what was merged.
        merge: what came of it.
        tables: the files of the next version.
        latest: the highest version there is, on any branch.

    Raises:
        BadInput: the number that was asked for is taken, or lower than the latest.
    """
    if not request.is_numbered:
        return None
    if request.version is None:
        if latest is None:
            return FIRST
        level = _level(inputs, merge, tables) if request.bump == "auto" else request.bump
        return latest.bump(level)
    if latest and request.version <= latest:
        what = (
            "is there already, with other content"
            if request.version == latest
            else f"is lower than {latest}, the latest"
        )
        raise BadInput(
            f"needs a version above {latest}; {request.version} {what}; "
            "leave --version out to have the next one"
        )
    return request.version


def _level(inputs: MergeInputs, merge: VersionMerge, tables: Mapping[str, list[Path]]) -> str:
    """Return which part of the number the changes call for."""
    current, content = inputs.current.manifest, Snapshot(tables)
    if current is None:
        return "major"
    source = source_manifest(inputs, merge.changes)
    if source.config.scoring != current.config.scoring:
        return "major"  # scores mean something else
    for config in current.columns.keys() & tables.keys():
        if set(current.columns[config]) != set(column_types(content, config)):
            return "major"
    return "minor" if any(merge.changes.values()) else "patch"


def draft_version(
    inputs: MergeInputs,
    merge: VersionMerge,
    request: VersionRequest,
    *,
    tables: Mapping[str, list[Path]],
    version: Version | None,
    earlier: Snapshot,
    repo: str,
) -> Draft:
    """Return the next version with its manifest, its pictures and its card.

    Args:
        inputs: what was merged.
        merge: what came of it.
        request: what was asked for.
        tables: the files of the next version.
        version: its number; None for a pull request.
        earlier: the current version with the files of `default`, where the two are compared.
        repo: what the card tells people to load.
    """
    manifest = next_manifest(inputs, Snapshot(tables), merge.changes, version=version, earlier=earlier)
    files = directory.table_files(tables)
    content = Snapshot(
        tables,
        manifest,
        render_card(manifest, files, merge.card, name=repo, front=request.front_matter),
        same_rows_as=inputs.incoming if tables == inputs.incoming.files else None,
        figures=_pictures(inputs.incoming, manifest),
        evaluations=inputs.incoming.evaluations,
    )
    return Draft(
        version,
        content,
        merge.changes,
        is_incoming=merge.is_incoming,
        edited_blocks=tuple(blocks.hand_edits(merge.card)),
    )


def _pictures(incoming: Snapshot, manifest: Manifest) -> dict[str, bytes]:
    """Return the pictures of the card: the incoming ones, where they show the same numbers, and new ones."""
    assert manifest.distributions is not None, "the manifest of a version says what its tables hold"
    reusable = {}
    if incoming.manifest and _pictured_numbers(incoming.manifest) == _pictured_numbers(manifest):
        reusable = {name: png for name, png in incoming.figures.items() if name != DRIFT}
    return pictures(manifest.distributions, manifest.drift, existing=reusable)


def _pictured_numbers(manifest: Manifest) -> Distributions | None:
    """Return what pictures show of the distributions: manifests of earlier versions say less of the rest."""
    found = manifest.distributions
    return replace(found, diversity=None, flags={}) if found else None
