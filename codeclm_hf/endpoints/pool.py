"""One model behind one or more servers: who gets the next request, what is tried again, and when to give up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import tenacity

from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.dialect import Dialect
from codeclm_hf.endpoints.limiter import Sent, Server
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest, InProcess, Sending
from codeclm_hf.errors import BadInput, CodecLMError, EndpointDown, GenerationFailed, ModelChanged, RowError

GIVE_UP_AFTER = 900.0
"""Seconds without any answer after which the run stops: longer than a server that scaled to zero takes to start."""
TRIES = 8
"""How often a server may break on one request before the row is given up."""
RETRY_WAIT: tenacity.wait.wait_base = tenacity.wait_exponential(
    multiplier=0.5, max=30
) + tenacity.wait_random(0, 1)
CHECK_EVERY = 60.0
"""Seconds after which a server is asked again which model it serves."""


@dataclass(eq=False)
class Replica:
    """One server of a pool."""

    dialect: Dialect
    identify: Callable[[], Awaitable[str]] | None = None
    """Asks the server which model it serves; None where it cannot change."""
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self.server = self.dialect.client.server
        self._checked_at = transport.clock.now()
        self._checked_connections = self.server.connections
        self._found = self.dialect.identity
        self._begun = self._done = 0  # checks, counted; one may be cancelled between
        self._checking = asyncio.Lock()

    @property
    def _sure(self) -> bool:
        known = self._checked_connections == self.server.connections
        return self.identify is None or (known and transport.clock.now() - self._checked_at < CHECK_EVERY)

    async def check(self) -> None:
        """See that the model is the one of the beginning, where that is in doubt; what is not told does not count.

        Raises:
            ModelChanged: it is another.
        """
        if self._sure or self.identify is None:
            return
        begun = self._begun
        async with self._checking:
            # A check that began after this answer came is as good as one of its own: many wait for one.
            if self._done <= begun:
                self._begun += 1
                await self._check(self.identify)
                self._done = self._begun
        if self._found != self.dialect.identity:
            raise ModelChanged(
                f"{self.dialect.client.shown} served {self.dialect.identity} when the run began and now serves "
                f"{self._found}",
                hint="serve the first again, or make the data set of the second in a folder of its own",
            )

    async def _check(self, identify: Callable[[], Awaitable[str]]) -> None:
        now, connections = transport.clock.now(), self.server.connections
        try:
            self._found = await identify()
        except (CodecLMError, KeyError, TypeError):
            return
        # Another model leaves all answers in doubt until the first is there again.
        if self._found == self.dialect.identity:
            self._checked_at, self._checked_connections = now, connections


class Pool(InProcess):
    """An endpoint of one or more servers that serve the same model.

    Args:
        replicas: the servers, each in its dialect.
        slots: most requests in flight at each.
        give_up_after: seconds without any answer after which requests end in an error.

    Raises:
        BadInput: they serve different models.
    """

    def __init__(
        self, replicas: Sequence[Replica], *, slots: int, give_up_after: float = GIVE_UP_AFTER
    ) -> None:
        self.replicas = list(replicas)
        self.slots = slots
        self.identity = replicas[0].dialect.identity
        for replica in replicas:
            if replica.dialect.identity != self.identity:
                one, other = replicas[0].dialect, replica.dialect
                raise BadInput(
                    f"needs one model behind all servers of an endpoint; {one.client.shown} serves {one.identity}, "
                    f"{other.client.shown} serves {other.identity}"
                )
        self._give_up_after = give_up_after
        self._queue: deque[asyncio.Future[tuple[Replica, Sent]]] = deque()
        for replica in replicas:
            replica.server.join(self)

    async def generate(self, request: GenerationRequest, *, sending: Sending = nullcontext) -> Completion:
        """Answer one request, on whichever server has room; tried again where that can help.

        Raises:
            EndpointDown: no server has answered anything for too long.
            ModelChanged: another model than at the beginning answers.
            AccessDenied: a server refuses our token.
            RowError: the servers cannot answer this request.
        """
        try:
            return await self._try(request, sending)  # the retrying costs more than all else here
        except CodecLMError as exc:
            if not exc.retryable:
                raise
            return await self._again(request, sending, _cost(exc))

    async def _again(self, request: GenerationRequest, sending: Sending, used: int) -> Completion:
        def over(state: tenacity.RetryCallState) -> bool:
            nonlocal used
            used += _cost(_failure(state))
            return used >= TRIES

        try:
            async for attempt in tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception(
                    lambda exc: isinstance(exc, CodecLMError) and exc.retryable
                ),
                wait=_wait,
                stop=over,
                sleep=transport.clock.sleep,
                reraise=True,
            ):
                with attempt:
                    return await self._try(request, sending)
        except EndpointDown as exc:
            if exc.retryable:  # others were answered, this one never
                raise GenerationFailed(f"{exc}, again and again") from exc
            raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _try(self, request: GenerationRequest, sending: Sending) -> Completion:
        replica, sent = await self._slot()
        try:
            with sending():
                completion = await replica.dialect.generate(request)
                await replica.check()
        except EndpointDown as exc:
            replica.server.failed(sent, exc)
            if self._over():
                words = f"{exc}; gave up after {self._give_up_after:g} s without an answer"
                raise EndpointDown(words, hint="run again to go on", final=True) from exc
            raise
        except RowError:
            replica.server.answered(sent)
            raise
        else:
            replica.server.answered(sent)
        finally:
            replica.server.back(sent)
        return completion

    def _over(self) -> bool:
        """Whether no server has answered for too long; whoever comes next starts to wait anew."""
        now = transport.clock.now()
        since = [replica.server.failing_since for replica in self.replicas]
        if any(start is None or now - start < self._give_up_after for start in since):
            return False
        for replica in self.replicas:
            replica.server.failing_since = None
        return True

    async def _slot(self) -> tuple[Replica, Sent]:
        free = [replica for replica in self.replicas if replica.server.free()]
        if free:
            # One that fails is tried when the others are full: a lone request must not go round among dead servers.
            replica = min(free, key=lambda one: (one.server.failing_since is not None, one.server.load))
            return replica, replica.server.send()
        turn: asyncio.Future[tuple[Replica, Sent]] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        for replica in self.replicas:
            replica.server.wait(self)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                replica, sent = turn.result()
                replica.server.back(sent)
            raise

    @property
    def waits(self) -> bool:
        """Whether a request waits for a slot."""
        while self._queue and self._queue[0].done():  # cancelled
            self._queue.popleft()
        return bool(self._queue)

    def take(self, server: Server) -> None:
        """Send the first request that waits to this server."""
        replica = next(replica for replica in self.replicas if replica.server is server)
        self._queue.popleft().set_result((replica, server.send()))


def _failure(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _cost(failure: BaseException | None) -> int:
    """How many of a request's tries a failure uses up."""
    return failure.tries if isinstance(failure, EndpointDown) else 1


def _wait(state: tenacity.RetryCallState) -> float:
    # A server that does not take requests is waited for where all wait for it.
    return RETRY_WAIT(state) if isinstance(_failure(state), GenerationFailed) else 0.0
