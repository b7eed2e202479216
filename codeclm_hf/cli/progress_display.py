"""What the command line shows of a run, an evaluation or a check while it is on its way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from codeclm_hf.run.progress import Progress
from codeclm_hf.run.time_left import TimeLeft
from codeclm_hf.text import money


@dataclass
class _StageBar:
    """The bar of one stage, and what the whole run had done when it appeared."""

    task: TaskID
    """Its number in rich's display."""
    since: float
    """When it appeared, in seconds of the monotonic clock."""
    requests: int
    """Requests that were answered before."""
    tokens: int
    """Tokens of those requests and answers."""
    time_left: TimeLeft = field(default_factory=TimeLeft)
    """How long it will still take."""
    total: int = 0
    """Rows that it had last."""
    tenth: int = -1
    """The last tenth of the stage that a plain line was printed for, since it has so many rows."""


class _Bars(Bars):
    """Bars of stages, and below them a line about the whole run, which would not fit beside them."""

    rates = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the bars and the line below."""
        yield from super().get_renderables()
        yield Text(self.rates)


class _TimeLeftColumn(ProgressColumn):
    """How long a stage will still take, beside its bar."""

    def __init__(self, words: Callable[[TaskID], str]) -> None:
        super().__init__()
        self._words = words

    def render(self, task: Task) -> Text:
        """Return the words of this moment."""
        return Text(self._words(task.id))


class LiveProgress:
    """Shows a run's progress: on a terminal a bar for each stage, elsewhere a line for each tenth of one.

    Args:
        console: where it is shown.
        clock: gives seconds since some moment.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._stages: dict[str, _StageBar] = {}
        self._bars = _Bars(
            TextColumn("{task.description:>8}"),
            BarColumn(),
            MofNCompleteColumn(),
            _TimeLeftColumn(self._time_left),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> LiveProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, progress: Progress) -> None:
        """Show how far a stage is."""
        now = self._clock()
        if progress.stage not in self._stages:
            task = self._bars.add_task(progress.stage, total=progress.total)
            self._stages[progress.stage] = _StageBar(task, now, progress.requests, progress.tokens)
        stage = self._stages[progress.stage]
        stage.time_left.record(progress, now)
        seconds = max(now - stage.since, 1e-6)
        self._bars.rates = self._rates(progress, stage, seconds)
        self._bars.update(stage.task, completed=progress.done, total=progress.total)
        if progress.total > stage.total:
            stage.total, stage.tenth = progress.total, -1
        tenth = 10 * progress.done // progress.total if progress.total else 10
        if not self._console.is_terminal and tenth > stage.tenth:
            stage.tenth = tenth
            line = f"{progress.stage}: {progress.done}/{progress.total} rows"
            if progress.done:
                line += f", {self._bars.rates}"
            if left := stage.time_left.words(now):
                line += f", {left}"
            self._console.print(line, soft_wrap=True)

    def _time_left(self, task: TaskID) -> str:
        """Return how long the stage of a bar will still take; empty where nothing is known of that."""
        stage = next((stage for stage in list(self._stages.values()) if stage.task == task), None)
        return stage.time_left.words(self._clock()) if stage else ""

    def _rates(self, progress: Progress, stage: _StageBar, seconds: float) -> str:
        """Say how fast the stage is, what was accepted, and what it costs."""
        requests = (progress.requests - stage.requests) / seconds
        slow = 0 < requests < 0.1
        rates = f"{60 * requests:.1f} requests/min" if slow else f"{requests:.1f} requests/s"
        rates += f", {(progress.tokens - stage.tokens) / seconds:.0f} tokens/s"
        if "tailor" in self._stages:
            of_wanted = "" if progress.wanted is None else f" of {progress.wanted}"
            rates += f", {progress.accepted} accepted{of_wanted}"
        if progress.cost is not None:
            rates += f", cost {money(progress.cost)}"
        if progress.projected is not None:
            rates += f" of about {money(progress.projected)}"
        return rates


@contextmanager
def live_progress(console: Console, directory: Path | None = None) -> Iterator[LiveProgress]:
    """Show a command's progress; Ctrl-C ends it with a message and exit code 130.

    Args:
        console: where it is shown.
        directory: where the same command finds the answers that came, if it resumes.
    """
    try:
        with LiveProgress(console) as show:
            yield show
    except KeyboardInterrupt:
        kept = f"; every answer that came is kept in {directory}; run the same command again to go on"
        words = "stopped" + (kept if directory else "")
        console.print(words, soft_wrap=True)
        raise typer.Exit(130) from None
