"""How long a stage will still take, as far as the rows so far tell."""

from __future__ import annotations

from codeclm_hf.run.progress import Progress

LEAST_ROWS = 3
"""Rows that a server was asked for, below which nothing is said."""
_SETTLED = 0.5
"""Share of a row's own time that passes after the first row before rows come at an even rate: many are asked at
once, and the first of them tells nothing of the others."""


class TimeLeft:
    """Estimates how long a stage will still take.

    Rows that a journal answers, or that cannot be asked, take no time and say nothing of the others. So the
    clock starts when the first row was sent that a server answered, and the rate is that of such rows.
    """

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._first = 0.0
        """When the first row was done that a server was asked for."""
        self._since = 0.0
        """When that row was begun."""

    def record(self, progress: Progress, now: float) -> None:
        """Take in how far the stage is."""
        before = self._progress
        if progress.asked and (before is None or not before.asked):
            self._first, self._since = now, now - progress.row_seconds
        self._progress = progress

    def seconds(self, now: float) -> float | None:
        """Return the estimate; None where there is nothing to go by, or nothing left."""
        progress = self._progress
        if progress is None or progress.asked < LEAST_ROWS:
            return None
        if now - self._first < _SETTLED * progress.row_seconds:
            return None
        left = min(progress.total - progress.done, progress.to_ask - progress.asked)
        if left <= 0:
            return None
        by_rate = (now - self._since) / progress.asked * left
        # The last rows come no faster than a row takes, however many there were at once before.
        return max(by_rate, progress.row_seconds * left / (left + 1))

    def words(self, now: float) -> str:
        """Return the estimate in words; empty where there is none."""
        seconds = self.seconds(now)
        return "" if seconds is None else f"{about(seconds)} left"


def about(seconds: float) -> str:
    """Return a time in words, as exact as an estimate is."""
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 0.75:
        return "less than a minute"
    if minutes <= 90:
        return f"about {_rounded(minutes)} min"
    if hours < 48:
        return f"about {_rounded(hours)} h"
    return f"about {hours / 24:.0f} days"


def _rounded(number: float) -> str:
    """Return a number rounded up, to steps of five where it is large."""
    whole = -int(-number // 1)
    return str(whole if whole <= 20 else 5 * -(-whole // 5))
