"""What the command line shows of versions on the Hub; text of data is never markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from codeclm_hf.card.shapes import Drift, RowChanges
from codeclm_hf.hub.description import column_label, drift_rows, drift_title
from codeclm_hf.hub.diff import KINDS, Diff, RowChange, TableDiff
from codeclm_hf.hub.history import Blame, LogEntry
from codeclm_hf.hub.publish import PublishResult
from codeclm_hf.hub.snapshot import Row
from codeclm_hf.text import DiffSpan, display_name, shorten, value_text, word_diff

_SHOWN_COLUMNS = (
    "use_case",
    "skills",
    "instruction",
    "prompt",
    "response",
    "chosen",
    "rejected",
    "verdict",
    "error",
)
"""The columns that say what a row is, in the order in which they are shown."""


def print_diff(console: Console, diff: Diff) -> None:
    """Print counts by config, the rows that the diff holds, and how use cases and skills moved."""
    table = _table("config", *KINDS, title=f"Rows, {display_name(diff.before)} → {display_name(diff.after)}")
    for config, change in diff.tables.items():
        table.add_row(Text(display_name(config)), *(str(getattr(change, kind)) for kind in KINDS))
    console.print(table)
    for config, change in diff.tables.items():
        _print_changed_rows(console, diff, config, change)
    for column, drift in diff.drift.items():
        console.print("")
        _print_drift(console, column, drift)


def _print_changed_rows(console: Console, diff: Diff, config: str, change: TableDiff) -> None:
    """Print the rows of one config that the diff holds, and how many more there are."""
    for row in change.rows:
        _print(console, f"\n{display_name(config)}: {_kind_of(row)} {display_name(row.id)}", style="bold")
        if row.before is not None and row.after is not None:
            _print_both_sides(console, diff, row.before, row.after)
        else:
            _print_row(console, row.after or row.before or {})
    if more := ", ".join(f"{count} more {kind}" for kind, count in _count_more(change) if count):
        _print(console, f"\n{display_name(config)}: … and {more}")


def _print_drift(console: Console, column: str, drift: Drift) -> None:
    """Print how far the names of one column moved, and which of them."""
    rows = list(drift_rows(drift))
    if not rows:
        _print(console, drift_title(column, drift))
        return
    table = _table(column_label(column), "before", "after", "", title=drift_title(column, drift))
    for row in rows:
        table.add_row(Text(row.name), row.before, row.after, row.kind)
    console.print(table)


def print_log(console: Console, entries: Sequence[LogEntry]) -> None:
    """Print the versions of a data set: one table, a version a row."""
    if not entries:
        console.print("no version yet")
        return
    table = Table(title="Versions", caption="rows: + added, - removed, ~ changed")
    table.add_column("version", overflow="fold", min_width=10)
    table.add_column("rows", overflow="fold")
    table.add_column("what", overflow="fold")
    for entry in entries:
        rows = []
        for config in dict.fromkeys((*entry.rows, *entry.changes)):
            change = entry.changes.get(config, {})
            signs = [
                f"{sign}{change[kind]}" for sign, kind in zip("+-~", KINDS, strict=True) if change.get(kind)
            ]
            rows.append(" ".join([display_name(config), str(entry.rows.get(config, 0)), *signs]))
        version = [display_name(entry.version), f"{entry.date:%Y-%m-%d}", display_name(entry.commit)[:8]]
        models = [f"{display_name(role)}: {display_name(model)}" for role, model in entry.models.items()]
        what = [shorten(entry.message) or "(no message)", f"by {display_name(entry.author)}", *models]
        table.add_row(*(Text("\n".join(lines)) for lines in (version, rows, what)), end_section=True)
    console.print(table)


def print_blame(console: Console, blame: Blame) -> None:
    """Print where a row comes from (version, author, models, prompts, seeds), and the row."""
    when = f"{blame.date:%Y-%m-%d %H:%M %Z}".strip()
    _print(console, f"{display_name(blame.config)}: {display_name(blame.id)}", style="bold")
    commit, author = display_name(blame.commit)[:8], display_name(blame.author)
    _print(console, f"as it is since {display_name(blame.version)}: {commit}, {when}, by {author}")
    _print(console, f"first in {display_name(blame.first_version)}")
    for role, model in blame.models.items():
        _print(console, f"{display_name(role)}: {display_name(model)}")
    for prompt, text in blame.prompts.items():
        _print(console, f"prompt {display_name(prompt)}: {shorten(text)}")
    for key, value in (blame.seeds or {}).items():
        _print(console, f"seeds, {display_name(key)}: {shorten(value_text(value))}")
    _print_row(console, blame.row)


def print_publish_result(console: Console, result: PublishResult) -> None:
    """Print what came of publishing, and how to load it."""
    _print(console, _publish_outcome(result))
    if personal := ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in result.personal.items() if n):
        _print(console, f"the texts hold {personal}; --redact takes them out")
    if result.edited:
        blocks = ", ".join(f"`{block}`" for block in result.edited)
        note = "each edit is kept after its block"
        _print(console, f"the card was edited inside of generated blocks ({blocks}); {note}")
    if result.commit and result.version:
        revision = f'revision="v{result.version}"'
        _print(console, f'load_dataset("{result.repo}", "default", split="train", {revision})')


def _publish_outcome(result: PublishResult) -> str:
    """Say what became of the repository."""
    version = f"version {result.version}" if result.version else "a pull request"
    changes = _change_counts(result.changes) or "the card"
    if result.pull_request is not None:
        return f"{result.repo}: pull request #{result.pull_request} is open ({changes})"
    if result.commit is None and result.new:
        return f"{result.repo} would become {version} ({changes}); nothing was sent"
    if result.commit is None:
        return f"{result.repo} has all of this in {version}; nothing was sent"
    if not result.new:
        return f"{result.repo} has all of this already, in {version}"
    return f"{result.repo} is at {version}, commit {result.commit[:7]} ({changes})"


def _change_counts(changes: Mapping[str, RowChanges]) -> str:
    """Say how many rows of each config were added (+), removed (-) and changed (~)."""
    counts = []
    for config, change in changes.items():
        numbers = zip("+-~", (change.added, change.removed, change.changed), strict=True)
        if signs := " ".join(f"{sign}{number}" for sign, number in numbers if number):
            counts.append(f"{config} {signs}")
    return ", ".join(counts)


def _kind_of(row: RowChange) -> str:
    """Say which of `KINDS` a row is."""
    return "added" if row.before is None else "removed" if row.after is None else "changed"


def _count_more(change: TableDiff) -> list[tuple[str, int]]:
    """Count the rows of each kind that the diff does not hold."""
    shown = [_kind_of(row) for row in change.rows]
    return [(kind, getattr(change, kind) - shown.count(kind)) for kind in KINDS]


def _print_row(console: Console, row: Row) -> None:
    """Print the columns that say what a row is, shortened; all columns where it has none of these."""
    columns = [column for column in _SHOWN_COLUMNS if row.get(column) is not None]
    for column in columns or sorted(row.keys() - {"id"}):
        line = Text.assemble((display_name(column), "bold"), f": {shorten(value_text(row[column]))}")
        console.print(line, soft_wrap=True)


def _print_both_sides(console: Console, diff: Diff, before: Row, after: Row) -> None:
    """Print the columns that differ, before at the left and after at the right."""
    table = Table(box=box.MINIMAL, expand=True)
    table.add_column(Text(f"before: {display_name(diff.before)}"), ratio=1, overflow="fold")
    table.add_column(Text(f"after: {display_name(diff.after)}"), ratio=1, overflow="fold")
    colour = not console.no_color and console.color_system is not None
    for column in dict.fromkeys((*before, *after)):
        spans = word_diff(before.get(column), after.get(column))
        if spans:
            table.add_row(Text(display_name(column), style="bold"), "")
            table.add_row(*_mark_differences(spans, colour=colour), end_section=True)
    if table.row_count:
        console.print(table)
    else:
        _print(console, "no value differs")


def _mark_differences(spans: list[DiffSpan], *, colour: bool) -> tuple[Text, Text]:
    """Return both sides, with what differs coloured, or between signs where there is no colour."""
    sides = Text(), Text()
    marks = (("", "", "bold red"), ("", "", "bold green")) if colour else (("[-", "-]", ""), ("{+", "+}", ""))
    for same, *texts in spans:
        for side, text, (opening, closing, style) in zip(sides, texts, marks, strict=True):
            words = text.strip()
            if words:
                side.append(" " * (text.startswith(" ") and bool(side)))
                side.append(words if same else f"{opening}{words}{closing}", style="" if same else style)
    return sides


def _print(console: Console, line: str, *, style: str = "") -> None:
    console.print(Text(line, style=style), soft_wrap=True)


def _table(first: str, *others: str, title: str) -> Table:
    table = Table(title=Text(title))
    table.add_column(first, overflow="fold")
    for other in others:
        table.add_column(other, justify="right" if other else "left", no_wrap=True)
    return table
