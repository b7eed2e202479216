"""What the command line shows: progress, plan, summary, and a look into a run directory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import typer
from datasets import Dataset
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from codeclm_hf.card.statistics import VERDICTS
from codeclm_hf.errors import BadInput
from codeclm_hf.run import directory as run_directory
from codeclm_hf.run.estimate import Requests
from codeclm_hf.run.manifest import COMPLETE, Manifest, StageUsage
from codeclm_hf.run.progress import Progress
from codeclm_hf.text import percentage

ROWS_SHOWN = 3
SHORT = 300
"""Characters of a long text that are shown."""


@dataclass
class _Stage:
    """A bar, and where the run was when it appeared."""

    task: TaskID
    since: float
    requests: int
    tokens: int
    tenth: int = -1


class _Bars(Bars):
    """One bar a stage, and below them what is the whole run's: it would not fit beside them in 80 columns."""

    rates = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bars and the line below."""
        yield from super().get_renderables()
        yield Text(self.rates)


class Live:
    """One bar a stage on a terminal; elsewhere a plain line for every tenth of a stage."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = _Bars(
            TextColumn("{task.description:>8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._stages: dict[str, _Stage] = {}

    def __enter__(self) -> Live:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, progress: Progress) -> None:
        """Show how far a stage is."""
        now = time.monotonic()
        if progress.stage not in self._stages:
            task = self._bars.add_task(progress.stage, total=progress.total)
            self._stages[progress.stage] = _Stage(task, now, progress.requests, progress.tokens)
        stage = self._stages[progress.stage]
        seconds = max(now - stage.since, 1e-6)
        rates = f"{(progress.requests - stage.requests) / seconds:.1f} requests/s"
        rates += f", {(progress.tokens - stage.tokens) / seconds:.0f} tokens/s"
        if "tailor" in self._stages:
            rates += f", {progress.accepted} accepted"
        if progress.cost is not None:
            rates += f", cost {progress.cost:.2f}"
        if progress.projected is not None:
            rates += f" of about {progress.projected:.2f}"
        self._bars.rates = rates
        self._bars.update(stage.task, completed=progress.done)
        tenth = 10 * progress.done // progress.total if progress.total else 10
        if not self._console.is_terminal and tenth > stage.tenth:
            stage.tenth = tenth
            left = seconds / progress.done * (progress.total - progress.done) if progress.done else 0
            line = f"{progress.stage}: {progress.done}/{progress.total} rows"
            self._console.print(
                line + (f", {rates}, {left:.0f} s left" if progress.done else ""), soft_wrap=True
            )


@contextmanager
def running(console: Console, directory: Path) -> Iterator[Live]:
    """While something runs that the same command resumes; Ctrl-C ends it with words and exit code 130."""
    try:
        with Live(console) as live:
            yield live
    except KeyboardInterrupt:
        words = f"stopped; every answer that came is kept in {directory}; run the same command again to go on"
        console.print(words, soft_wrap=True)
        raise typer.Exit(130) from None


def plan(console: Console, requests: Sequence[Requests], models: dict[str, str], directory: Path) -> None:
    """Print what a run would ask and where it would write."""
    table = Table("stage", title="Requests")
    table.add_column("at least", justify="right")
    table.add_column("at most", justify="right")
    for stage in requests:
        table.add_row(stage.stage, str(stage.least), str(stage.most))
    table.add_row(
        "all", str(sum(stage.least for stage in requests)), str(sum(stage.most for stage in requests))
    )
    console.print(table)
    _models(console, models)
    console.print(f"would write to {escape(str(directory))}; nothing was asked or written", soft_wrap=True)


def summary(console: Console, manifest: Manifest) -> None:
    """Print a finished run's counts."""
    counts = manifest.counts
    metadata = counts.metadata
    console.print(
        f"metadata: {metadata.total} ({metadata.seed} from seeds, {metadata.given} given, "
        f"{metadata.augmented} mixed and matched), {metadata.failed} failed; "
        f"instructions: {counts.instructions}",
        soft_wrap=True,
    )
    table = Table("iteration", title="Instructions by iteration and verdict")
    for verdict in VERDICTS:
        table.add_column(verdict, justify="right")
    for row in counts.iterations:
        table.add_row(str(row.iteration), *(str(getattr(row, verdict)) for verdict in VERDICTS))
    console.print(table)
    console.print(
        "rows: " + ", ".join(f"{name} {rows}" for name, rows in counts.rows.items()), soft_wrap=True
    )
    _usage(console, manifest.usage or ())
    if manifest.cost:
        console.print(f"all answers in the journal cost {manifest.cost.all:.2f}")


def _usage(console: Console, usage: Sequence[StageUsage]) -> None:
    table = Table("stage", "model", title="What it is made of")
    for column in ("answers", "prompt tokens", "completion tokens"):
        table.add_column(column, justify="right")
    totals = [0, 0, 0]
    for row in usage:
        numbers = (row.answers, row.prompt_tokens, row.completion_tokens)
        table.add_row(row.stage, escape(row.model), *map(str, numbers))
        totals = [total + number for total, number in zip(totals, numbers, strict=True)]
    table.add_row("all", "", *map(str, totals))
    console.print(table)


def seeds(console: Console, table: Dataset) -> None:
    """Print what was read as seeds."""
    console.print(f"seeds: {escape(_short(table.info.description))}", soft_wrap=True)


def inspect(console: Console, directory: Path) -> None:
    """Print what is in a run directory: counts, and a few rows.

    Raises:
        BadInput: it is no run directory.
    """
    manifest = Manifest.read(directory)
    _models(console, manifest.models)
    if manifest.status != COMPLETE:
        console.print(
            "the run is not finished: the same codeclm-hf run command goes on with it", soft_wrap=True
        )
        return
    summary(console, manifest)
    tables = run_directory.read_tables(directory)
    for name, rows in manifest.counts.rows.items():
        if len(tables[name]) != rows:
            raise BadInput(
                f"needs {rows} rows of `{name}` in {directory}; there are {len(tables[name])}; run again"
            )
    _capacity(console, tables["trace"])
    for row in _head(tables["default"]):
        console.rule(
            f"{row['id']}: {row['winner']} won by {abs(row['gap'] or 0):.2f} in iteration {row['iteration']}"
        )
        for name in ("use_case", "skills", "instruction", "response"):
            value = row[name] if isinstance(row[name], str) else ", ".join(row[name])
            console.print(f"[bold]{name}[/bold]: {escape(_short(value))}", soft_wrap=True)
    failures = [row["error"] for name in ("metadata", "trace") for row in tables[name] if row["error"]]
    for error in failures[:ROWS_SHOWN]:
        console.print(f"failed: {escape(_short(error))}", soft_wrap=True)
    if len(failures) > ROWS_SHOWN:
        console.print(f"… and {len(failures) - ROWS_SHOWN} more failed rows")


def _models(console: Console, models: Mapping[str, str]) -> None:
    for role, model in models.items():
        console.print(f"{role}: {escape(model)}", soft_wrap=True)


def _capacity(console: Console, trace: Dataset) -> None:
    """Print how often the target already holds its own, on the basic instructions."""
    from codeclm_hf.evaluation.capacity_recovery import CapacityRecovery  # evaluate takes a second to import

    judged = [row for row in trace if row["iteration"] == 1 and row["gap"] is not None]
    if not judged:
        return
    orders = [
        list(zip(row["scores_strong_first"], row["scores_target_first"], strict=True)) for row in judged
    ]
    result = CapacityRecovery().compute(
        predictions=[list(target) for _, target in orders], references=[list(strong) for strong, _ in orders]
    )
    console.print(
        f"target against strong on the {len(judged)} basic instructions that were judged: {result['wins']} wins, "
        f"{result['ties']} ties, {result['losses']} losses; "
        f"capacity recovery ratio {percentage(result['capacity_recovery_ratio'])}",
        soft_wrap=True,
    )


def _head(table: Dataset) -> list[dict[str, Any]]:
    return [dict(row) for row in table.select(range(min(ROWS_SHOWN, len(table))))]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHORT else line[:SHORT] + "…"
