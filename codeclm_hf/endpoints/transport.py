"""One event loop in the background and one HTTP session for the process.

`Dataset.map` makes a new event loop per call and a notebook has one running already, so neither can own the
connections. The loop here lives in a thread of its own and outlives them all.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import logging
import os
import threading
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar

import aiohttp

from codeclm_hf.endpoints.process import wrong_process
from codeclm_hf.errors import BadInput

T = TypeVar("T")
log = logging.getLogger("codeclm_hf")

KEEP_ALIVE = 4.0
"""Seconds an idle connection is kept: fewer than servers keep it (uvicorn: 5), or a request meets its end."""


class _Background:
    """The loop, its thread and its session, made at first use; a fork inherits all but the thread."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is not None and self._pid != os.getpid():
            raise wrong_process()
        with self._lock:
            if self._loop is None:
                self._pid = os.getpid()
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="codeclm-hf", daemon=True).start()
                atexit.register(self._close)
            return self._loop

    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            tracing = aiohttp.TraceConfig()
            tracing.on_connection_create_end.append(_report_connection)
            # No limit here: each server has its own.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[tracing],
            )
        return self._session

    def _close(self) -> None:
        if self._pid != os.getpid():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(timeout=5)
        self.loop.call_soon_threadsafe(self.loop.stop)

    async def _end(self) -> None:
        # Whoever still waits, as a server's pause does, would be missed by asyncio, and the user told of it.
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        if waiting:
            ended, _ = await asyncio.wait(waiting, timeout=1)
            for task in ended:
                if not task.cancelled():
                    task.exception()  # nobody is left to be told
        if self._session is not None:
            await self._session.close()


async def _report_connection(_: aiohttp.ClientSession, context: SimpleNamespace, __: Any) -> None:
    context.trace_request_ctx()


_background = _Background()


_said: set[str] = set()


def warn_once(words: str) -> None:
    """Tell the user something, the first time in this process."""
    if words not in _said:
        _said.add(words)
        log.warning("%s", words)


def session() -> aiohttp.ClientSession:
    """Return the process's session, for use on the loop.

    It calls what a request has as its `trace_request_ctx` when the request makes a connection.
    """
    return _background.session()


def submit(coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Start a coroutine on the background loop.

    Raises:
        BadInput: this process was forked from the one whose loop it is.
    """
    try:
        loop = _background.loop
    except BadInput:
        coroutine.close()
        raise
    return asyncio.run_coroutine_threadsafe(coroutine, loop)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and wait for its result; the caller may have a running loop."""
    return result(submit(coroutine))


def result(future: concurrent.futures.Future[T]) -> T:
    """Wait for a future's result; Ctrl-C cancels it."""
    try:
        # In slices: once polars is imported, SIGINT does not wake a thread that waits for a lock without end.
        while not future.done():
            concurrent.futures.wait([future], timeout=0.2)
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        raise
