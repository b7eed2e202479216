"""Every paid answer on disk before anyone sees it.

One SQLite file, keyed by the whole request and the model's identity: never by URL, token or concurrency. The
journal is what makes a run resumable; an answer it holds is never asked for again.
"""

from __future__ import annotations

import asyncio
import hashlib
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codeclm_hf import ids
from codeclm_hf.endpoints import clock as clocks
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.budget import Budget
from codeclm_hf.endpoints.journal_db import JournalFile, Kept, Row, as_json
from codeclm_hf.endpoints.protocol import Completion, Endpoint, GenerationRequest, InProcess, SendGuard, Usage
from codeclm_hf.errors import CodecLMError, JournalError

GATHER = 0.02
"""Seconds that an answer waits for others to be committed with it: a commit costs as much CPU as a request."""
MANY = 32
"""Answers that do not wait for more."""


class Journal:
    """The answers of one run directory; safe for several processes at once.

    Args:
        path: the SQLite file; made where there is none.
        budget: what may be asked for; what is kept already counts.
        clock: what a commit waits by; the current one where none is given.

    Raises:
        JournalError: the file is torn, or is not a journal of ours.
    """

    def __init__(
        self, path: str | Path, budget: Budget | None = None, *, clock: clocks.Clock | None = None
    ) -> None:
        self.path = Path(path)
        self.budget = Budget() if budget is None else budget
        self._clock = clock or clocks.current()
        self._waiting: dict[bytes, list[asyncio.Future[Completion]]] = {}
        """By key, who waits for an answer that is asked for or on its way to the disk."""
        self._asking: set[asyncio.Task[None]] = set()
        self._on_the_wire: set[asyncio.Task[Any] | None] = set()
        self._closing = False
        self._enough = asyncio.Event()
        self._pending: list[tuple[Row, Completion]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._used = array("q")
        """The ids of the answers that were given since the journal was opened."""
        # The loop's thread reads and the writer's thread writes, each on a connection of its own.
        self._reading = JournalFile(self.path, create=True)
        try:
            totals = self._reading.totals()
            self._writing = JournalFile(self.path)
        except JournalError:
            self._reading.close()
            raise
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="codeclm-hf-journal")
        self.budget.start(
            sum(kept.answers for kept in totals),
            sum(kept.prompt_tokens for kept in totals),
            sum(kept.completion_tokens for kept in totals),
        )

    async def ask(self, endpoint: Endpoint, request: GenerationRequest) -> tuple[Completion, bool]:
        """The answer to a request, and whether it was here already; identical requests in flight are asked once."""
        asked = ids.canonical(request.as_dict())
        key = _key(endpoint.identity, asked)
        waiting = self._waiting.get(key)
        if new := waiting is None:
            if (kept := self._reading.find(key)) is not None:
                self._used.append(kept.id)
                return kept.completion, True
            waiting = self._waiting[key] = []
            # A task of its own: what was paid for is kept, also when every caller has been cancelled.
            task = asyncio.create_task(self._ask(key, endpoint, request, asked))
            self._asking.add(task)
            task.add_done_callback(lambda task: self._asked(key, task))
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        waiting.append(future)
        return await future, not new

    async def _ask(self, key: bytes, endpoint: Endpoint, request: GenerationRequest, asked: str) -> None:
        completion = await endpoint.generate(request, send_guard=self._send_guard)
        # No await from here on: a cancellation comes too late to lose what was paid for.
        self.budget.spend(completion)
        try:
            text = as_json(completion)
        except (TypeError, ValueError) as exc:
            raise JournalError(
                f"an answer of {endpoint.identity} cannot be kept in {self.path} ({exc})"
            ) from exc
        tokens = completion.prompt_tokens, completion.completion_tokens
        self._pending.append((Row(key, endpoint.identity, request.stage, *tokens, asked, text), completion))
        if len(self._pending) >= MANY:
            self._enough.set()
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())

    @contextmanager
    def _send_guard(self) -> Iterator[None]:
        """Around a request on the wire: it is paid for, so closing waits for it, but it is not tried again."""
        task = asyncio.current_task()
        with self.budget.reserve():
            self._on_the_wire.add(task)
            try:
                yield
            except CodecLMError:
                if self._closing:
                    raise asyncio.CancelledError from None
                raise
            finally:
                self._on_the_wire.discard(task)

    def _asked(self, key: bytes, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if task.cancelled():
            for future in self._waiting.pop(key):
                future.cancel()
        elif (exc := task.exception()) is not None:
            self._failed(key, exc)

    def _failed(self, key: bytes, exc: BaseException) -> None:
        for future in self._waiting.pop(key):
            if not future.done():
                future.set_exception(exc)

    async def _flush(self) -> None:
        while self._pending:
            if not self._closing and len(self._pending) < MANY:
                self._enough.clear()
                timer = self._clock.call_later(GATHER, self._enough.set)
                await self._enough.wait()
                timer.cancel()
            batch, self._pending = self._pending, []
            rows = [row for row, _ in batch]
            try:
                kept = await asyncio.get_running_loop().run_in_executor(
                    self._writer, self._writing.keep, rows
                )
            except Exception as exc:  # whatever it is, those who wait must hear of it
                error = (
                    exc
                    if isinstance(exc, CodecLMError)
                    else JournalError(f"{self.path} cannot be written ({exc})")
                )
                for row in rows:
                    self._failed(row.key, error)
                continue
            for (row, completion), found in zip(batch, kept, strict=True):
                # The first answer kept for a key wins, also another process's: every caller sees the same one.
                answer, given = found if isinstance(found, Kept) else (found, completion)
                self._used.append(answer)
                for future in self._waiting.pop(row.key):
                    if not future.done():
                        future.set_result(given)
        self._flushing = None

    def complete(self) -> None:
        """Record that the run is complete: it is made of the answers given since the journal was opened.

        Raises:
            JournalError: the file cannot be written.
        """
        transport.run(self._complete())

    async def _complete(self) -> None:
        used = array("q", self._used)
        await asyncio.get_running_loop().run_in_executor(self._writer, self._writing.record, used)

    def __len__(self) -> int:
        """How many answers are kept."""
        return sum(kept.answers for kept in self._reading.totals())

    def close(self) -> None:
        """Take what is on the wire, cancel what is not, commit, and close the file; call it outside the loop.

        A second Ctrl-C, while it waits, leaves what is on the wire.
        """
        try:
            transport.run(self._drain(patient=True))
        except KeyboardInterrupt:
            transport.run(self._drain(patient=False))
            raise
        finally:
            self._writer.shutdown()
            self._reading.close()
            self._writing.close()

    async def _drain(self, *, patient: bool) -> None:
        self._closing = True
        self._enough.set()
        if patient and self._on_the_wire:
            words = "waiting for the answers that are on their way (%d); Ctrl-C leaves them"
            transport.log.warning(words, len(self._on_the_wire))
        while self._asking or self._flushing is not None:
            for task in self._asking - self._on_the_wire if patient else self._asking:
                task.cancel()
            tasks = self._asking if self._flushing is None else self._asking | {self._flushing}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def _key(identity: str, asked: str) -> bytes:
    return hashlib.sha256(f"{ids.canonical(identity)}\n{asked}".encode()).digest()


@dataclass
class Journaled(InProcess):
    """An endpoint whose answers are kept in a journal, and counted."""

    endpoint: Endpoint
    journal: Journal
    usage: dict[str, Usage] = field(default_factory=dict)
    """By the stage that asked."""

    @property
    def identity(self) -> str:  # type: ignore[override]
        """The identity of the endpoint inside."""
        return self.endpoint.identity

    async def generate(
        self, request: GenerationRequest, *, send_guard: SendGuard = nullcontext
    ) -> Completion:
        """The kept answer, or a new one that is kept before it is returned.

        Args:
            request: what is asked.
            send_guard: unused; the journal's budget stands around what is sent.

        Raises:
            JournalError: the answer cannot be read or kept.
        """
        completion, replayed = await self.journal.ask(self.endpoint, request)
        self.usage.setdefault(request.stage, Usage()).add(completion, replayed=replayed)
        return completion
