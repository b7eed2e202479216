"""A clock that makes no test wait."""

from __future__ import annotations

import asyncio

from codeclm_hf.endpoints import transport


class FastClock(transport.Clock):
    """Time passes when somebody waits for it, and no test does; like any clock it never goes back."""

    time = 0.0

    def now(self) -> float:
        return FastClock.time

    async def sleep(self, seconds: float) -> None:
        until = self.now() + seconds
        await asyncio.sleep(0)
        FastClock.time = max(self.now(), until)
