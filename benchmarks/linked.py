"""The stand-in Hub of the tests behind a link of some speed, in a process of its own, with its files on disk."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests"))


@dataclass
class Books:
    """What came through the link."""

    requests: int = 0
    sent: int = 0
    """Bytes of the bodies that the client sent, and that it received."""
    received: int = 0
    unknown: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Running:
    """The server, seen from the benchmark."""

    pipe: Connection
    cache: Path

    def reset(self) -> Books:
        """Forget all repositories and the client's caches; returns what came through since the last time."""
        self.pipe.send("reset")
        books: Books = self.pipe.recv()
        assert not books.unknown, books.unknown
        shutil.rmtree(self.cache, ignore_errors=True)
        return books


@contextlib.contextmanager
def started(folder: Path, mbit: float) -> Iterator[Running]:
    """The server; processes that are started while it runs are its clients.

    Args:
        folder: where its files and the clients' caches go.
        mbit: what the link carries each way in Mbit/s, however many connections share it; 0 is no limit.
    """
    pipe, other = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_serve, args=(folder / "hub", mbit, other), daemon=True)
    process.start()
    os.environ |= {
        "HF_ENDPOINT": pipe.recv(),
        "HF_TOKEN": "hf_write",
        "HF_HUB_CACHE": str(folder / "cache" / "hub"),
        "HF_DATASETS_CACHE": str(folder / "cache" / "datasets"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    try:
        yield Running(pipe, folder / "cache")
    finally:
        process.kill()
        process.join()


class _Link:
    """One direction."""

    def __init__(self, mbit: float) -> None:
        self.mbit, self.free, self.carried, self.lock = mbit, 0.0, 0, threading.Lock()

    def carry(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            with self.lock:
                now = time.monotonic()
                self.free = max(self.free, now) + (8e-6 * len(block) / self.mbit if self.mbit else 0)
                self.carried += len(block)
                wait = self.free - now
            time.sleep(wait)
            yield block


def _serve(folder: Path, mbit: float, pipe: Connection) -> None:
    from support.hub_server import Hub

    up, down = _Link(mbit), _Link(mbit)

    class Linked(Hub):
        def _reply(self, ask: Any) -> Any:
            ask.blocks = up.carry(ask.blocks)
            reply = super()._reply(ask)
            reply.blocks = reply.blocks and down.carry(reply.blocks)
            return reply

    hub = Linked(folder)
    pipe.send(hub.url)
    while pipe.recv():
        pipe.send(Books(len(hub.seen), up.carried, down.carried, hub.unknown[:]))
        hub.clear()
        up.carried = down.carried = 0
