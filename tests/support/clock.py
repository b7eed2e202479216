"""A clock that makes no test wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from codeclm_hf.endpoints.clock import Clock


class FastClock(Clock):
    """Time passes when somebody sleeps, and nobody has to; like any clock it never goes back."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        until = self.time + seconds
        await asyncio.sleep(0)
        self.time = max(self.time, until)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Call it at once, and let no time pass: what waits for company, as the journal's commits do, has it."""
        return asyncio.get_running_loop().call_later(0, callback)
