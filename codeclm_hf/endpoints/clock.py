"""The clock that waits go by: pauses of a server, retries, checks of the model, commits of the journal.

The classes of this room take a clock as an argument. Where a caller gives none (`endpoint(…)`, a run, the
command line) they take `current()`, and `using(…)` is the one place to make that another clock for a while.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Clock:
    """The time of this machine."""

    def now(self) -> float:
        """Return seconds since some moment; it never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Call a function on the running loop when so many seconds are over; the handle can cancel it."""
        return asyncio.get_running_loop().call_later(seconds, callback)


_current = Clock()


def current() -> Clock:
    """Return the clock of what is connected or opened now."""
    return _current


@contextmanager
def using(clock: Clock) -> Iterator[None]:
    """Give another clock to what is connected or opened inside, which keeps that clock afterwards."""
    global _current
    before, _current = _current, clock
    try:
        yield
    finally:
        _current = before
