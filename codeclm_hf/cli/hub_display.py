"""What the command line shows of versions on the Hub: text of data is never markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from codeclm_hf.hub.description import column_label, drift_rows, drift_title
from codeclm_hf.hub.diff import KINDS, Diff, RowChange, TableDiff
from codeclm_hf.hub.history import Blame, LogEntry
from codeclm_hf.hub.publish import PublishResult
from codeclm_hf.text import DiffSpan, display_name, shorten, value_text, word_diff

_TELLING = (
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


def diff(console: Console, diff: Diff) -> None:
    """Print what changed: counts by config, the rows that the diff holds, and how use cases and skills moved."""
    table = _table("config", *KINDS, title=f"Rows, {display_name(diff.before)} → {display_name(diff.after)}")
    for config, change in diff.tables.items():
        table.add_row(Text(display_name(config)), *(str(getattr(change, kind)) for kind in KINDS))
    console.print(table)
    for config, change in diff.tables.items():
        for row in change.rows:
            _print(console, f"\n{display_name(config)}: {_kind(row)} {display_name(row.id)}", style="bold")
            if row.before is not None and row.after is not None:
                _side_by_side(console, diff, row.before, row.after)
            else:
                _block(console, row.after or row.before or {})
        left = ", ".join(f"{count} more {kind}" for kind, count in _left(change) if count)
        if left:
            _print(console, f"\n{display_name(config)}: … and {left}")
    for column, drift in diff.drift.items():
        console.print("")
        names = list(drift_rows(drift))
        if names:
            table = _table(column_label(column), "before", "after", "", title=drift_title(column, drift))
            for moved in names:
                table.add_row(Text(moved.name), moved.before, moved.after, moved.kind)
            console.print(table)
        else:
            _print(console, drift_title(column, drift))


def log(console: Console, entries: Sequence[LogEntry]) -> None:
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


def blame(console: Console, blame: Blame) -> None:
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
    _block(console, blame.row)


def published(console: Console, done: PublishResult) -> None:
    """Print what came of publishing, and how to load it."""
    what = f"version {done.version}" if done.version else "a pull request"
    counts = ", ".join(
        f"{config} {' '.join(f'{sign}{n}' for sign, n in zip('+-~', vars(change).values(), strict=True) if n)}"
        for config, change in done.changes.items()
        if change
    )
    if done.pull_request is not None:
        _print(console, f"{done.repo}: pull request #{done.pull_request} is open ({counts or 'the card'})")
    elif done.commit is None:
        state = f"would become {what} ({counts or 'the card'})" if done.new else f"has all of this in {what}"
        _print(console, f"{done.repo} {state}; nothing was sent")
    elif not done.new:
        _print(console, f"{done.repo} has all of this already, in {what}")
    else:
        _print(console, f"{done.repo} is at {what}, commit {done.commit[:7]} ({counts or 'the card'})")
    if personal := ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in done.personal.items() if n):
        _print(console, f"the texts hold {personal}; --redact takes them out")
    if done.edited:
        blocks = ", ".join(f"`{block}`" for block in done.edited)
        _print(
            console,
            f"the card was edited inside of generated blocks ({blocks}); each edit is kept after its block",
        )
    if done.commit and done.version:
        _print(console, f'load_dataset("{done.repo}", "default", split="train", revision="v{done.version}")')


def _kind(row: RowChange) -> str:
    return "added" if row.before is None else "removed" if row.after is None else "changed"


def _left(change: TableDiff) -> list[tuple[str, int]]:
    shown = [_kind(row) for row in change.rows]
    return [(kind, getattr(change, kind) - shown.count(kind)) for kind in KINDS]


def _block(console: Console, row: dict[str, Any]) -> None:
    """Print a row: the columns that tell what it is, shortened."""
    for column in [column for column in _TELLING if row.get(column) is not None] or sorted(
        row.keys() - {"id"}
    ):
        line = Text.assemble((display_name(column), "bold"), f": {shorten(value_text(row[column]))}")
        console.print(line, soft_wrap=True)


def _side_by_side(console: Console, diff: Diff, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Print the columns that differ, before at the left and after at the right."""
    table = Table(box=box.MINIMAL, expand=True)
    table.add_column(Text(f"before: {display_name(diff.before)}"), ratio=1, overflow="fold")
    table.add_column(Text(f"after: {display_name(diff.after)}"), ratio=1, overflow="fold")
    colour = not console.no_color and console.color_system is not None
    for column in dict.fromkeys((*before, *after)):
        runs = word_diff(before.get(column), after.get(column))
        if runs:
            table.add_row(Text(display_name(column), style="bold"), "")
            table.add_row(*_marked(runs, colour=colour), end_section=True)
    if table.row_count:
        console.print(table)
    else:
        _print(console, "no value differs")


def _marked(runs: list[DiffSpan], *, colour: bool) -> tuple[Text, Text]:
    """The two sides, with what differs coloured, or between signs where there is no colour."""
    sides = Text(), Text()
    marks = (("", "", "bold red"), ("", "", "bold green")) if colour else (("[-", "-]", ""), ("{+", "+}", ""))
    for same, *texts in runs:
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
