"""The description of a pull request: Markdown in which no text of data is markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from codeclm_hf.card import render
from codeclm_hf.card.shapes import Drift
from codeclm_hf.hub.diff import KINDS, Diff
from codeclm_hf.text import display_name, percentage

_DISTRIBUTIONS = {"use_case": "use cases", "skills": "skills"}
_LINKING = re.compile(r"[@#$]|:(?=\S)|(?<=\w)\.(?=[^\W\d])|(?<=www)\.", re.I)
"""Where sites see a mention, an issue, a link or a formula in text that Markdown leaves alone."""
_WORD_JOINER = "\u2060"


def markdown(diff: Diff) -> str:
    """Write what changed as GitHub-flavoured Markdown: counts by config, and how use cases and skills moved.

    Names that come from data are cut, and are plain text whatever they hold.
    """
    lines = [f"Rows, {_cell(display_name(diff.before))} → {_cell(display_name(diff.after))}:", ""]
    lines += [f"| config | {' | '.join(KINDS)} |", "|---|---:|---:|---:|"]
    for config, change in diff.tables.items():
        lines.append(
            f"| {_cell(display_name(config))} | {change.added} | {change.removed} | {change.changed} |"
        )
    for column, drift in diff.drift.items():
        lines += ["", _cell(drift_title(column, drift))]
        rows = list(drift_rows(drift))
        if rows:
            lines += ["", f"| {_cell(column_label(column))} | before | after | |", "|---|---:|---:|---|"]
        lines += [f"| {_cell(row.name)} | {row.before} | {row.after} | {row.kind} |" for row in rows]
    return "\n".join(lines) + "\n"


class DriftRow(NamedTuple):
    """A name whose share changed, as it is shown."""

    name: str
    before: str
    """Its share, in percent."""
    after: str
    """Its share, in percent."""
    kind: str
    """`new`, `vanished`, or empty where it only became more or less frequent."""


def drift_rows(drift: Drift) -> Iterator[DriftRow]:
    """Yield the names that moved, and how many more there are."""
    for shares, total, kind in (
        (drift.movers, 0, ""),
        (drift.new, drift.new_total, "new"),
        (drift.vanished, drift.vanished_total, "vanished"),
    ):
        for share in shares:
            yield DriftRow(display_name(share.name), percentage(share.before), percentage(share.after), kind)
        if total > len(shares):
            yield DriftRow(f"… and {total - len(shares)} more", "", "", kind)


def drift_title(column: str, drift: Drift) -> str:
    """Say how far a column moved, in a line."""
    counts = f"{drift.new_total} new, {drift.vanished_total} vanished"
    return f"{column_label(column)}: Jensen–Shannon divergence {drift.divergence:.3f}, {counts}"


def column_label(column: str) -> str:
    """Return what a column's values are called."""
    return _DISTRIBUTIONS.get(column) or display_name(column)


def _cell(text: str) -> str:
    """Escape a text so that no site sees a mention, an issue, a link or a formula in it."""
    return _LINKING.sub(rf"\g<0>{_WORD_JOINER}", render.escape(text))
