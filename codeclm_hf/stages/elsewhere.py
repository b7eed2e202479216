"""A stage in a forked process: it asks the process that has the endpoints, their limits and the journal."""

from __future__ import annotations

import concurrent.futures
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from typing import Any, Protocol

from codeclm_hf.endpoints import transport
from codeclm_hf.errors import BadInput, CodecLMError

Batch = Mapping[str, Sequence[Any]]
Made = list[list[dict[str, Any]]]

SEVERAL = (
    "needs one process: the endpoints live in the one that made them, and several were asked for (with num_proc, or as "
    "workers of a DataLoader); use stage.map(dataset), which keeps the endpoint full from one process"
)


class Asked(Protocol):
    """What a stage does in the process of its endpoints."""

    def begun(self, batch: Batch) -> concurrent.futures.Future[Made]:
        """The output rows of each row of a batch, when they are done."""
        ...


class _Home:
    """The process that has the endpoints; its forks know where it listens, and its key."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.key = secrets.token_bytes(32)
        self.listener = Listener(("127.0.0.1", 0), backlog=16)
        self.one = threading.Lock()
        """Held while a fork is connected: `guest`, its process id."""
        self.guest = self.pid
        self.crowded = False
        """Whether another fork asked meanwhile: neither gets anything, as `Dataset.map` waits for both."""
        self.work: concurrent.futures.Future[Made] | None = None
        threading.Thread(target=self._listen, name="codeclm-hf-forks", daemon=True).start()

    def _listen(self) -> None:
        while True:
            threading.Thread(target=self._answer, args=(self.listener.accept(),), daemon=True).start()

    def _answer(self, fork: Connection) -> None:
        with fork:
            try:
                # here and not in `accept`, where one that says nothing would keep out all others
                deliver_challenge(fork, self.key)
                answer_challenge(fork, self.key)
                guest, stage, batch = fork.recv()
                while not self.one.acquire(timeout=0.01):
                    if _lives(self.guest):
                        self._crowd()
                        fork.send(BadInput(SEVERAL))
                        return
            except (AuthenticationError, EOFError, OSError):
                return
            self.guest, self.crowded = guest, False
            try:
                while True:
                    fork.send(self._reply(stage, batch))
                    _, stage, batch = fork.recv()
            except (EOFError, OSError):  # the fork has ended
                pass
            finally:
                self.one.release()

    def _reply(self, stage: Asked, batch: Batch) -> Made | CodecLMError:
        try:
            self.work = stage.begun(batch)
            if self.crowded:
                self.work.cancel()
            return transport.result(self.work)
        except concurrent.futures.CancelledError:
            return BadInput(SEVERAL)
        except CodecLMError as exc:
            return exc

    def _crowd(self) -> None:
        self.crowded = True
        if self.work is not None:
            self.work.cancel()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


_home: _Home | None = None
_connected: tuple[int, Connection] | None = None
"""Which process is connected, and how: a fork of it has to connect itself."""


def _before_fork() -> None:
    global _home
    if _home is None and transport.running():
        _home = _Home()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)


def away() -> bool:
    """Whether this process was forked from the one that has the endpoints."""
    return _home is not None and _home.pid != os.getpid()


def ask(stage: Asked, batch: Batch) -> Made:
    """Let the process that has the endpoints do a batch.

    Raises:
        BadInput: it is doing another process's.
        CodecLMError: as the stage.
    """
    global _connected
    assert _home is not None
    if _connected is None or _connected[0] != os.getpid():
        _connected = os.getpid(), Client(_home.listener.address, authkey=_home.key)
    _, home = _connected
    home.send((os.getpid(), stage, {name: list(values) for name, values in batch.items()}))
    reply: Made | CodecLMError = home.recv()
    if isinstance(reply, CodecLMError):
        raise reply
    return reply
