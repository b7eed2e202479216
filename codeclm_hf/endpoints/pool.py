"""One model behind one or more servers: who gets the next request, what is retried, and when to give up."""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from codeclm_hf.endpoints.attempts import TRIVIAL, AlikeRefusals, Attempts
from codeclm_hf.endpoints.defaults import GIVE_UP_AFTER, THINKING_TOKENS
from codeclm_hf.endpoints.dialect import Dialect
from codeclm_hf.endpoints.extra import token_limit
from codeclm_hf.endpoints.process import InProcess
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest, SendGuard
from codeclm_hf.endpoints.room import ThinkingRoom
from codeclm_hf.endpoints.server import Server, SlotLease
from codeclm_hf.errors import (
    BadInput,
    CodecLMError,
    EndpointDown,
    EndpointError,
    GenerationFailed,
    ModelChanged,
    RowError,
)

CHECK_EVERY = 60.0
"""Seconds after which a server is asked again which model it serves."""


@dataclass(eq=False)
class Replica:
    """One server of a pool."""

    dialect: Dialect
    read_identity: Callable[[], Awaitable[str]] | None = None
    """Asks the server which model it serves; None where it cannot change."""
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self.server = self.dialect.client.server
        self._checked_at = self.server.clock.now()
        self._checked_connections = self.server.connections
        self._identity = self.dialect.identity
        """The model that the server named last."""
        # One check may be cancelled before it ends, so the two are counted apart.
        self._checks_started = self._checks_ended = 0
        self._check_lock = asyncio.Lock()

    def record_answer(self) -> None:
        """Note that the server answered a request."""
        self.server.answers += 1
        self.dialect.client.answered = True

    async def check_model(self) -> None:
        """See that the server still serves the model of the beginning, where that is in doubt.

        It is in doubt after a new connection, and after `CHECK_EVERY` seconds. A server that does not say
        what it serves is believed.

        Raises:
            ModelChanged: it serves another.
        """
        if self.read_identity is None or not self._in_doubt():
            return
        started = self._checks_started
        async with self._check_lock:
            # A check that began after this answer came is as good as one of its own: many wait for one.
            if self._checks_ended <= started:
                self._checks_started += 1
                await self._ask_identity(self.read_identity)
                self._checks_ended = self._checks_started
        if self._identity != self.dialect.identity:
            raise ModelChanged(
                f"{self.server.public_url} served {self.dialect.identity} when the run began and now serves "
                f"{self._identity}",
                hint="serve the first again, or make the data set of the second in a folder of its own",
            )

    def _in_doubt(self) -> bool:
        if self._checked_connections != self.server.connections:
            return True
        return self.server.clock.now() - self._checked_at >= CHECK_EVERY

    async def _ask_identity(self, read_identity: Callable[[], Awaitable[str]]) -> None:
        now, connections = self.server.clock.now(), self.server.connections
        try:
            self._identity = await read_identity()
        except (CodecLMError, KeyError, TypeError):
            return
        # Another model leaves all answers in doubt until the first is there again.
        if self._identity == self.dialect.identity:
            self._checked_at, self._checked_connections = now, connections


class _NotKept(CodecLMError):
    """An answer came that nobody wants."""


class _Turn(NamedTuple):
    """Where a request is sent, and the slot that it has there."""

    replica: Replica
    lease: SlotLease


class Pool(InProcess):
    """An endpoint of one or more servers that serve the same model.

    Args:
        replicas: the servers, each in its dialect.
        slots: most requests in flight at each.
        give_up_after: seconds without any answer after which requests end in an error.
        extra: fields that are added to every request.
        thinking_tokens: most tokens of thoughts that the model gets on top of an answer, if it thinks.
        earlier_identity: what earlier versions called the model, where that is another name.

    Raises:
        BadInput: they serve different models.
    """

    def __init__(
        self,
        replicas: Sequence[Replica],
        *,
        slots: int,
        give_up_after: float = GIVE_UP_AFTER,
        extra: Mapping[str, Any] | None = None,
        thinking_tokens: int = THINKING_TOKENS,
        earlier_identity: str | None = None,
    ) -> None:
        self.replicas = list(replicas)
        self.extra = dict(extra or {})
        self.room = ThinkingRoom(thinking_tokens, limit=token_limit(self.extra))
        self.slots = slots
        self.identity = replicas[0].dialect.identity
        self.earlier_identity = earlier_identity
        for replica in replicas:
            if replica.dialect.identity != self.identity:
                raise BadInput(
                    "needs one model behind all servers of an endpoint; "
                    f"{replicas[0].server.public_url} serves {self.identity}, "
                    f"{replica.server.public_url} serves {replica.dialect.identity}"
                )
        self._clock = replicas[0].server.clock
        self._refusals = AlikeRefusals()
        self._give_up_after = give_up_after
        self._queue: deque[asyncio.Future[_Turn]] = deque()
        for replica in replicas:
            replica.server.join(self)

    @property
    def allows_fallback(self) -> bool:
        """Whether a gateway may have another model answer."""
        return any(getattr(replica.dialect, "allow_fallback", False) for replica in self.replicas)

    async def generate(
        self, request: GenerationRequest, *, send_guard: SendGuard = nullcontext
    ) -> Completion:
        """Answer one request on whichever server has room; send it again where that can help.

        Raises:
            EndpointDown: no server has answered anything for too long.
            ModelChanged: another model than at the beginning answers.
            AccessDenied: a server refuses our token.
            RowError: the servers cannot answer this request.
        """
        try:
            return await self.room.answer(request, functools.partial(self._answer, request, send_guard))
        except RowError as exc:
            if stops := self._refusals.refused(exc):
                raise stops from exc
            raise

    def note_earlier_answer(self) -> None:
        """Note that the model has answered in an earlier run: what it refuses now is about the rows."""
        self._refusals.answered()

    async def _answer(self, request: GenerationRequest, send_guard: SendGuard, max_tokens: int) -> Completion:
        """Return what a server wrote; ask again while that can help."""
        attempts = Attempts()
        while True:
            try:
                return await self._send(request, send_guard, max_tokens, attempts)
            except CodecLMError as exc:
                if not exc.retryable:
                    raise
                if attempts.used_up:
                    if isinstance(exc, EndpointDown):  # others were answered, this one never
                        raise GenerationFailed(f"{exc}, again and again") from exc
                    raise
            if attempts.in_doubt:
                attempts.settle(answers=await self._answers_anything(send_guard))
            await self._clock.sleep(attempts.backoff)

    async def _answers_anything(self, send_guard: SendGuard) -> bool:
        """Ask something trivial, and return whether it is answered; it is nobody's answer, and not counted."""
        try:
            await self._send(TRIVIAL, send_guard, TRIVIAL.max_new_tokens, Attempts(), keep=False)
        except _NotKept:
            return True
        except CodecLMError as exc:
            if isinstance(exc, EndpointError) and not exc.retryable:
                raise
            return False
        raise AssertionError

    async def _send(
        self,
        request: GenerationRequest,
        send_guard: SendGuard,
        max_tokens: int,
        attempts: Attempts,
        *,
        keep: bool = True,
    ) -> Completion:
        """Send a request once, when its turn comes.

        Raises:
            _NotKept: it was answered, and the answer is not to be kept: `send_guard` sees it end in an error.
        """
        replica, lease = await self._turn()
        attempts.record_send(replica.server)
        try:
            with send_guard():
                completion = await replica.dialect.generate(request, max_tokens)
                await replica.check_model()
                replica.record_answer()
                if not keep:
                    raise _NotKept("an answer that nobody wants")
        except EndpointDown as exc:
            replica.server.record_failure(lease, exc)
            attempts.record_failure(replica.server, exc)
            if self._gives_up():
                words = f"{exc}; gave up after {self._give_up_after:g} s without an answer"
                raise EndpointDown(words, hint="run again to go on", final=True) from exc
            raise
        except RowError as exc:
            replica.server.record_answer(lease)
            if exc.retryable:
                attempts.record_failure(replica.server, exc)
            raise
        except _NotKept:
            replica.server.record_answer(lease)
            raise
        else:
            replica.server.record_answer(lease)
            self._refusals.answered()
        finally:
            replica.server.release(lease)
        return completion

    def _gives_up(self) -> bool:
        """Return whether no server has answered for too long; whoever asks next waits as long again."""
        breakers = [replica.server.breaker for replica in self.replicas]
        for breaker in breakers:
            seconds = breaker.seconds_failing()
            if seconds is None or seconds < self._give_up_after:
                return False
        for breaker in breakers:
            breaker.forget_failing()
        return True

    async def _turn(self) -> _Turn:
        """Take a slot, after all who came before."""
        with_room = [replica for replica in self.replicas if replica.server.has_room()]
        if with_room:
            replica = min(with_room, key=_preference)
            return _Turn(replica, replica.server.lease())
        future: asyncio.Future[_Turn] = asyncio.get_running_loop().create_future()
        self._queue.append(future)
        for replica in self.replicas:
            replica.server.wait(self)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                replica, lease = future.result()
                replica.server.release(lease)
            raise

    def has_requests(self) -> bool:
        """Return whether a request waits for a slot."""
        while self._queue and self._queue[0].done():  # cancelled
            self._queue.popleft()
        return bool(self._queue)

    def send_first(self, server: Server) -> None:
        """Send the request that has waited longest to this server."""
        replica = next(replica for replica in self.replicas if replica.server is server)
        self._queue.popleft().set_result(_Turn(replica, server.lease()))


def _preference(replica: Replica) -> tuple[bool, float]:
    # One that fails is tried when the others are full: a lone request must not go round among dead servers.
    return replica.server.breaker.failing, replica.server.load
