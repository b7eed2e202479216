"""The manifest of the next version: what made its rows, what changed, and what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from codeclm_hf.card.diversity import diversity
from codeclm_hf.card.drift import NAMES, version_drift
from codeclm_hf.card.shapes import EvaluationSummary, RowChanges
from codeclm_hf.card.statistics import READ, contents
from codeclm_hf.hub.merge import MergeInputs
from codeclm_hf.hub.snapshot import Snapshot
from codeclm_hf.hub.version import Version
from codeclm_hf.run.manifest import Manifest, Parent


def next_manifest(
    inputs: MergeInputs,
    content: Snapshot,
    changes: Mapping[str, RowChanges],
    *,
    version: Version | None,
    earlier: Snapshot,
) -> Manifest:
    """Return the manifest of the next version.

    Args:
        inputs: what was merged.
        content: the tables of the next version.
        changes: by config, what changes in the current tables.
        version: its number; None for a pull request.
        earlier: the current version with the files of `default`, where that is to be compared.
    """
    current, source = inputs.current, source_manifest(inputs, changes)
    frames = {config: content.frame(config, _present(content, config)) for config in READ}
    drift = None
    if current.version and shows_drift(inputs, changes):
        drift = replace(
            version_drift(
                earlier.frame("default", NAMES), content.frame("default", NAMES), since=current.version
            ),
            diversity=diversity(earlier.frame("default", ("id", "instruction"))),
        )
    return source.next_version(
        contents(frames, threshold=source.config.threshold),
        version=str(version) if version else None,
        parent=Parent(commit=current.commit, version=current.version),
        before=current.manifest,
        columns={config: column_types(content, config) for config in content.files},
        changes=changes,
        evaluations=evaluations(inputs),
        drift=drift,
    )


def _present(content: Snapshot, config: str) -> list[str]:
    """Return the columns that are read of a table and that it has: an earlier version's lacks new ones."""
    names = content.schema(config).names
    return [column for column in READ[config] if column in names]


def source_manifest(inputs: MergeInputs, changes: Mapping[str, RowChanges]) -> Manifest:
    """Return the manifest that the next one goes on from.

    It is the current one where no row changes, else the incoming one.
    """
    source = inputs.current.manifest
    if source is None or any(changes.values()):
        source = inputs.incoming.require_manifest()
    return replace(source, card_template=_template(inputs))


def _template(inputs: MergeInputs) -> str | None:
    """Return the card template that somebody gave: the incoming one, also where that says to do without."""
    for side in (inputs.incoming, inputs.current):
        if side.manifest is not None and side.manifest.card_template is not None:
            return side.manifest.card_template
    return None


def column_types(content: Snapshot, config: str) -> tuple[str, ...]:
    """Return the columns of a table with their types, as a manifest names them."""
    return tuple(f"{column.name}: {column.type}" for column in content.schema(config))


def shows_drift(inputs: MergeInputs, changes: Mapping[str, RowChanges]) -> bool:
    """Return whether rows of `default` change from a current version, so that the two are to be compared."""
    return bool(changes.get("default")) and bool(inputs.current.version)


def evaluations(inputs: MergeInputs) -> dict[str, EvaluationSummary]:
    """Return the evaluations of the next version: those of the current one, and new ones."""
    current = inputs.current.manifest
    summaries = dict(current.evaluations) if current else {}
    summaries |= {name: bundle.summary for name, bundle in inputs.incoming.evaluations.items()}
    return dict(sorted(summaries.items()))
