"""The journal: every paid answer is on disk before anyone sees it, and is never asked for again.

It is one SQLite file, keyed by the whole request and the model's identity, never by URL, token or
concurrency. A run that is repeated after it broke off finds in it what was answered, and goes on.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from codeclm_hf import ids
from codeclm_hf.endpoints import clock as clocks
from codeclm_hf.endpoints import row_requests, transport
from codeclm_hf.endpoints.budget import AnswerKind, Answers, Budget, FirstAnswerAwaited, RequestSize
from codeclm_hf.endpoints.journal_db import (
    AnswerRow,
    JournalFile,
    StoredAnswer,
    Totals,
    completion_json,
)
from codeclm_hf.endpoints.process import InProcess
from codeclm_hf.endpoints.protocol import (
    Completion,
    Endpoint,
    GenerationRequest,
    SendGuard,
    Usage,
    asked_with,
    identities,
)
from codeclm_hf.endpoints.room import most_tokens
from codeclm_hf.errors import CodecLMError, JournalError

GATHER = 0.02
"""Seconds that an answer waits for others in the same commit, which costs as much CPU as a request."""
MANY = 32
"""Answers that are committed without waiting for more."""


class JournalReply(NamedTuple):
    """The answer to a request, and where it came from."""

    completion: Completion
    replayed: bool
    """Whether the answer cost nothing: it was in the journal, or somebody else is asking the same."""


class _Lookup(NamedTuple):
    """A request as the journal knows it."""

    key: bytes
    request_json: str
    stored: StoredAnswer | None
    """The answer in the file; None where there is none, or somebody waits for one."""


class _PaidAnswer(NamedTuple):
    """An answer that is paid for and not on disk yet."""

    row: AnswerRow
    completion: Completion


class Journal:
    """The answers of one run directory; safe for several processes at once.

    Args:
        path: the SQLite file; made where there is none.
        budget: how much may be asked for; the answers in the file count already.
        clock: what a commit waits by; the current one where none is given.

    Raises:
        JournalError: the file is damaged, or is not a journal of ours.
    """

    def __init__(
        self, path: str | Path, budget: Budget | None = None, *, clock: clocks.Clock | None = None
    ) -> None:
        self.path = Path(path)
        self.budget = Budget() if budget is None else budget
        self._clock = clock or clocks.current()
        self._waiting: dict[bytes, list[asyncio.Future[Completion]]] = {}
        """By key, the callers who wait for an answer that is asked for or on its way to the disk."""
        self._requests: set[asyncio.Task[None]] = set()
        """The tasks that ask an endpoint."""
        self._on_the_wire: set[asyncio.Task[Any] | None] = set()
        """Those among them whose request is sent: it costs money."""
        self._request_ended = asyncio.Event()
        """Set, and replaced by a new one, whenever a request has ended: it may leave more of the budget."""
        self._closing = False
        self._commit_now = asyncio.Event()
        self._uncommitted: list[_PaidAnswer] = []
        self._commit_task: asyncio.Task[None] | None = None
        """The task that commits, while there is something to commit."""
        self._answers = array("q")
        """The ids of the answers that were given since the journal was opened."""
        # The loop's thread reads and the commits' thread writes, each on a connection of its own.
        self._reader = JournalFile(self.path, create=True)
        try:
            totals = self._reader.totals()
            self._writer = JournalFile(self.path)
        except JournalError:
            self._reader.close()
            raise
        self._commit_thread = ThreadPoolExecutor(1, thread_name_prefix="codeclm-hf-journal")
        self.budget.start(
            sum(total.answers for total in totals),
            sum(total.prompt_tokens for total in totals),
            sum(total.completion_tokens for total in totals),
            sum(total.thinking_tokens for total in totals),
            by_kind=_by_kind(totals, self._reader.fallbacks() if self.budget.prices_fallbacks else []),
        )

    async def ask(self, endpoint: Endpoint, request: GenerationRequest) -> JournalReply:
        """Return the stored answer to a request, or else the endpoint's.

        Of equal requests at the same time one is sent.

        Raises:
            JournalError: the answer cannot be read or stored.
            CodecLMError: as the endpoint.
        """
        key, request_json, stored = self._look_up(endpoint, request)
        if stored is not None:
            self._answers.append(stored.id)
            return JournalReply(stored.completion, replayed=True)
        waiting = self._waiting.get(key)
        is_new = waiting is None
        if waiting is None:
            waiting = self._waiting[key] = []
            # A task of its own: what was paid for is stored, also when every caller has been cancelled.
            task = asyncio.create_task(self._request(key, endpoint, request, request_json))
            self._requests.add(task)
            task.add_done_callback(functools.partial(self._end_request, key))
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        waiting.append(future)
        return JournalReply(await future, replayed=not is_new)

    def _look_up(self, endpoint: Endpoint, request: GenerationRequest) -> _Lookup:
        """Return what is stored for a request.

        An answer that was cut off in its thoughts is asked for anew once the endpoint gives more room.
        """
        extra, names = asked_with(endpoint), identities(endpoint)
        asked = request.as_dict() | ({"extra": dict(extra)} if extra else {})
        found = self._find(names, asked)
        if found.stored is not None and _lacked_room(found.stored.completion):
            # Earlier versions gave no room, and noted none.
            most, given = most_tokens(endpoint, request), found.stored.completion.max_tokens
            if most > (given or request.max_new_tokens):
                return self._find(names, {**asked, "max_tokens": most})
        return found

    def _find(self, names: Sequence[str], asked: Mapping[str, Any]) -> _Lookup:
        """Return what is stored for what is asked of a model, by its identity or an earlier name of it."""
        request_json = ids.canonical(asked)
        key, *earlier = (_key(name, request_json) for name in names)
        if key in self._waiting:
            return _Lookup(key, request_json, None)
        stored = next(filter(None, map(self._reader.find, (key, *earlier))), None)
        return _Lookup(key, request_json, stored)

    async def _request(
        self, key: bytes, endpoint: Endpoint, request: GenerationRequest, request_json: str
    ) -> None:
        size = RequestSize.of(endpoint.identity, request)
        while True:
            try:
                with self.budget.reserve_once(size) as reserved:
                    send_guard = functools.partial(self._send_guard, reserved)
                    completion = await endpoint.generate(request, send_guard=send_guard)
                break
            except FirstAnswerAwaited:
                while self.budget.must_wait(size):
                    await self._request_ended.wait()
        # No await from here on: a cancellation comes too late to lose what was paid for.
        self.budget.spend(completion, model=endpoint.identity, stage=request.stage)
        try:
            text = completion_json(completion)
        except (TypeError, ValueError) as exc:
            raise JournalError(
                f"an answer of {endpoint.identity} cannot be kept in {self.path} ({exc})"
            ) from exc
        row = AnswerRow(
            key=key,
            model=endpoint.identity,
            stage=request.stage,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            request=request_json,
            completion=text,
            thinking_tokens=completion.thinking_tokens,
        )
        self._uncommitted.append(_PaidAnswer(row, completion))
        if len(self._uncommitted) >= MANY:
            self._commit_now.set()
        if self._commit_task is None:
            self._commit_task = asyncio.create_task(self._commit_all())

    @contextmanager
    def _send_guard(self, reserved: SendGuard) -> Iterator[None]:
        """Stand around a request on the wire: closing waits for its answer, but has it not tried again."""
        task = asyncio.current_task()
        with reserved(), row_requests.on_the_wire(self._clock):
            self._on_the_wire.add(task)
            try:
                yield
            except CodecLMError:
                if self._closing:
                    raise asyncio.CancelledError from None
                raise
            finally:
                self._on_the_wire.discard(task)

    def _end_request(self, key: bytes, task: asyncio.Task[None]) -> None:
        """Tell the callers of a request that came to nothing."""
        self._requests.discard(task)
        self._request_ended.set()
        self._request_ended = asyncio.Event()
        if task.cancelled():
            for future in self._waiting.pop(key):
                future.cancel()
        elif (exc := task.exception()) is not None:
            self._fail(key, exc)

    def _fail(self, key: bytes, exc: BaseException) -> None:
        for future in self._waiting.pop(key):
            if not future.done():
                future.set_exception(exc)

    async def _commit_all(self) -> None:
        """Commit what was answered, some answers at a time, until there is nothing left."""
        while self._uncommitted:
            if not self._closing and len(self._uncommitted) < MANY:
                self._commit_now.clear()
                timer = self._clock.call_later(GATHER, self._commit_now.set)
                await self._commit_now.wait()
                timer.cancel()
            batch, self._uncommitted = self._uncommitted, []
            await self._commit(batch)
        self._commit_task = None

    async def _commit(self, batch: list[_PaidAnswer]) -> None:
        """Store answers together and give them to their callers."""
        rows = [answer.row for answer in batch]
        loop = asyncio.get_running_loop()
        try:
            results = await loop.run_in_executor(self._commit_thread, self._writer.store, rows)
        except Exception as exc:  # whatever it is, those who wait must hear of it
            unwritable = JournalError(f"{self.path} cannot be written ({exc})")
            error = exc if isinstance(exc, CodecLMError) else unwritable
            for row in rows:
                self._fail(row.key, error)
            return
        for answer, result in zip(batch, results, strict=True):
            # The first answer stored for a key wins, also another process's: every caller sees the same one.
            completion = answer.completion if result.earlier is None else result.earlier
            self._answers.append(result.id)
            for future in self._waiting.pop(answer.row.key):
                if not future.done():
                    future.set_result(completion)

    def complete(self) -> None:
        """Record that the run is complete, and that the answers since the journal was opened are its answers.

        Raises:
            JournalError: the file cannot be written.
        """
        transport.run(self._complete())

    async def _complete(self) -> None:
        answers = array("q", self._answers)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._commit_thread, self._writer.record_run, answers)

    def __len__(self) -> int:
        """Return the number of answers in the file."""
        return sum(total.answers for total in self._reader.totals())

    def close(self) -> None:
        """Wait for the answers on the wire, cancel the other requests, commit, and close the file.

        Call it outside the loop. Ctrl-C while it waits gives up the answers on the wire.
        """
        try:
            transport.run(self._drain(patient=True))
        except KeyboardInterrupt:
            transport.run(self._drain(patient=False))
            raise
        finally:
            self._commit_thread.shutdown()
            self._reader.close()
            self._writer.close()

    async def _drain(self, *, patient: bool) -> None:
        """Cancel the requests, those on the wire only where not `patient`; return when all is committed."""
        self._closing = True
        self._commit_now.set()
        if patient and self._on_the_wire:
            words = "waiting for the answers that are on their way (%d); Ctrl-C leaves them"
            transport.log.warning(words, len(self._on_the_wire))
        while self._requests or self._commit_task is not None:
            for task in self._requests - self._on_the_wire if patient else self._requests:
                task.cancel()
            tasks = self._requests if self._commit_task is None else self._requests | {self._commit_task}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def _by_kind(totals: Sequence[Totals], fallbacks: Sequence[tuple[str, Totals]]) -> list[Answers]:
    """Return a journal's answers as a budget counts them: those of fallbacks apart."""
    kinds = [AnswerKind(total.model, total.stage) for total in totals]
    answers = {kind: Answers(kind, *total[2:5]) for kind, total in zip(kinds, totals, strict=True)}
    for name, total in fallbacks:
        kind = AnswerKind(total.model, total.stage)
        answers[kind] = answers[kind].plus(*(-number for number in total[2:5]))
        answers[kind._replace(fallback=name)] = Answers(kind._replace(fallback=name)).plus(*total[2:5])
    return list(answers.values())


def _lacked_room(completion: Completion) -> bool:
    """Return whether an answer was cut off in its thoughts."""
    unfinished = bool(completion.no_answer) or (bool(completion.thinking) and not completion.text)
    return completion.finish_reason == "length" and unfinished


def _key(identity: str, request_json: str) -> bytes:
    return hashlib.sha256(f"{ids.canonical(identity)}\n{request_json}".encode()).digest()


@dataclass
class JournaledEndpoint(InProcess):
    """An endpoint whose answers are kept in a journal, and counted."""

    endpoint: Endpoint
    journal: Journal
    usage: dict[str, Usage] = field(default_factory=dict)
    """What was asked and answered, by stage."""

    @property
    def identity(self) -> str:  # type: ignore[override]
        """The identity of the endpoint inside."""
        return self.endpoint.identity

    @property
    def extra(self) -> Mapping[str, Any]:
        """The fields that the endpoint inside adds to every request."""
        return asked_with(self.endpoint)

    async def generate(
        self, request: GenerationRequest, *, send_guard: SendGuard = nullcontext
    ) -> Completion:
        """Return the answer that the journal has, or a new one that is stored before it is returned.

        Args:
            request: what is asked.
            send_guard: unused; the journal's own stands around what is sent.

        Raises:
            JournalError: the answer cannot be read or stored.
        """
        completion, replayed = await self.journal.ask(self.endpoint, request)
        if replayed and (note := getattr(self.endpoint, "note_earlier_answer", None)):
            note()
        self.usage.setdefault(request.stage, Usage()).add(completion, replayed=replayed)
        row_requests.of_this_row().count(completion, model=self.identity, stage=request.stage)
        return completion
