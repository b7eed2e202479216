"""What a pull request says of the versions it is about: Markdown in which no text of data is markup."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codeclm_hf.card import render
from codeclm_hf.card.shapes import Drift
from codeclm_hf.hub.diff import KINDS, Diff
from codeclm_hf.text import display_name, percentage

_DISTRIBUTIONS = {"use_case": "use cases", "skills": "skills"}
_LINKING = re.compile(r"[@#$]|:(?=\S)|(?<=\w)\.(?=[^\W\d])|(?<=www)\.", re.I)
"""Where sites see a mention, an issue, a link or a formula in text that Markdown leaves alone."""
_WORD_JOINER = "\u2060"


def markdown(diff: Diff) -> str:
    """What changed, as GitHub-flavoured Markdown: counts by config, and how use cases and skills moved.

    Names that come from data are cut and, whatever they hold, plain text.
    """
    lines = [f"Rows, {_cell(display_name(diff.before))} → {_cell(display_name(diff.after))}:", ""]
    lines += [f"| config | {' | '.join(KINDS)} |", "|---|---:|---:|---:|"]
    for config, change in diff.tables.items():
        lines.append(
            f"| {_cell(display_name(config))} | {change.added} | {change.removed} | {change.changed} |"
        )
    for column, drift in diff.drift.items():
        lines += ["", _cell(title(column, drift))]
        rows = list(moved(drift))
        if rows:
            lines += ["", f"| {_cell(of(column))} | before | after | |", "|---|---:|---:|---|"]
        lines += [f"| {_cell(moving)} | {' | '.join(cells)} |" for moving, *cells in rows]
    return "\n".join(lines) + "\n"


def moved(drift: Drift) -> Iterator[tuple[str, str, str, str]]:
    """(name, share before, share after, new or vanished) of the names that moved."""
    for shares, total, kind in (
        (drift.movers, 0, ""),
        (drift.new, drift.new_total, "new"),
        (drift.vanished, drift.vanished_total, "vanished"),
    ):
        for share in shares:
            yield display_name(share.name), percentage(share.before), percentage(share.after), kind
        if total > len(shares):
            yield f"… and {total - len(shares)} more", "", "", kind


def title(column: str, drift: Drift) -> str:
    """How far a column moved, in a line."""
    counts = f"{drift.new_total} new, {drift.vanished_total} vanished"
    return f"{of(column)}: Jensen–Shannon divergence {drift.divergence:.3f}, {counts}"


def of(column: str) -> str:
    """What a column's values are called."""
    return _DISTRIBUTIONS.get(column) or display_name(column)


def _cell(text: str) -> str:
    """Harmless Markdown: no site sees a mention, an issue, a link or a formula in it."""
    return _LINKING.sub(rf"\g<0>{_WORD_JOINER}", render.escape(text))
