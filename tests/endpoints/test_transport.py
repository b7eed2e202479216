"""The loop in the background, and how it ends."""

from __future__ import annotations

import asyncio
import atexit

import pytest

from codeclm_hf.endpoints.transport import _Background


def test_whoever_still_waits_at_the_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A server's pause may be on when a command ends: asyncio has nothing to complain of then."""
    background, ended = _Background(), list[str]()

    async def pause() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            ended.append("pause")

    async def start() -> None:
        kept.append(asyncio.create_task(pause()))
        await asyncio.sleep(0)

    kept: list[asyncio.Task[None]] = []
    asyncio.run_coroutine_threadsafe(start(), background.loop).result(5)
    atexit.unregister(background._close)
    background._close()
    assert ended == ["pause"]
    assert kept[0].cancelled()
    assert not caplog.records
