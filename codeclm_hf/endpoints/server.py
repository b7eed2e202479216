"""The slots of one server: who may send now, and who is next when a slot is free."""

from __future__ import annotations

import asyncio
import weakref
from typing import NamedTuple, Protocol

from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.clock import Clock
from codeclm_hf.endpoints.limiter import AdaptiveLimit, CircuitBreaker
from codeclm_hf.endpoints.refusals import TOO_MANY
from codeclm_hf.errors import EndpointDown


class RequestQueue(Protocol):
    """Requests that wait for a slot."""

    slots: int
    """Most requests at a time that its owner wants at a server."""

    def has_requests(self) -> bool:
        """Return whether a request waits."""
        ...

    def send_first(self, server: Server) -> None:
        """Send the request that has waited longest to this server."""
        ...


class SlotLease(NamedTuple):
    """The slot of one request, from when it is sent until it is back."""

    burst: int
    """How many bursts of failures the server had had when it was sent."""
    full: bool
    """Whether it took the last slot."""
    trial: bool
    """Whether it tries an open circuit."""


class Server:
    """One server, whose slots are shared by all endpoints that ask it; used on the transport's loop alone.

    Args:
        public_url: its URL without credentials and query.
        clock: what its pauses are measured by.
    """

    def __init__(self, public_url: str, clock: Clock) -> None:
        self.public_url = public_url
        self.clock = clock
        self.limit = AdaptiveLimit()
        self.breaker = CircuitBreaker(clock)
        self.in_flight = 0
        self.answers = 0
        """Answers it has given so far, to anybody."""
        self.connections = 0
        """Connections made to it so far: behind a new one another model may stand."""
        self._queues: weakref.WeakSet[RequestQueue] = weakref.WeakSet()
        self._waiting: dict[RequestQueue, None] = {}
        """The queues with a request for this server, in the order of their turns."""
        self._timer: asyncio.Task[None] | None = None

    def join(self, queue: RequestQueue) -> None:
        """Take requests from a queue too; of all the limits asked for the smallest holds."""
        if not self._queues:
            self.limit.start(queue.slots)
        self._queues.add(queue)
        weakref.finalize(queue, self._cap)  # a notebook that connects anew asks for another limit
        self._cap()

    def _cap(self) -> None:
        self.limit.cap(min((queue.slots for queue in self._queues), default=self.limit.most))

    @property
    def load(self) -> float:
        """The share of its slots that is taken."""
        return self.in_flight / self.limit.value

    def has_room(self) -> bool:
        """Return whether a request may be sent now."""
        return self.in_flight < self.limit.value and self.breaker.allows()

    def lease(self) -> SlotLease:
        """Take a slot for a request that is sent now."""
        trial = self.breaker.record_send(alone=not self.in_flight)
        self.in_flight += 1
        return SlotLease(self.breaker.burst, self.in_flight >= self.limit.value, trial)

    def release(self, lease: SlotLease) -> None:
        """Give the slot back, whatever came of the request, and let the next one go."""
        self.in_flight -= 1
        self.breaker.record_return(trial=lease.trial)
        self.send_waiting()

    def record_answer(self, lease: SlotLease) -> None:
        """Note that the server took the request."""
        if self.breaker.open:
            transport.log.warning("%s serves again", self.public_url)
        self.breaker.record_answer()
        self.limit.record_answer(full=lease.full)

    def record_failure(self, lease: SlotLease, failure: EndpointDown) -> None:
        """Note that the server did not take the request, or broke off."""
        was_open = self.breaker.open
        refused = failure.status in TOO_MANY or failure.timed_out
        if not self.breaker.failing:
            self.limit.remember()
        first_of_burst = self.breaker.record_failure(
            burst=lease.burst, refused=refused, retry_after=failure.retry_after
        )
        if self.breaker.open and not was_open:
            transport.log.warning("%s; trying again until it serves", failure)
        if first_of_burst:
            self.limit.start_burst()
        if refused:
            self.limit.record_refusal(in_flight=self.in_flight - 1, first_of_burst=first_of_burst)
        if self.breaker.open and self.in_flight == 1:
            self.limit.restore()  # it took none of many, and none of one
        if self.breaker.pause():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.create_task(self._send_after_pause())

    async def _send_after_pause(self) -> None:
        while pause := self.breaker.pause():
            await self.clock.sleep(max(pause, 0.001))  # a timer may be early by less than it can tell
        self.send_waiting()

    def wait(self, queue: RequestQueue) -> None:
        """Put a queue in line: its requests are sent when there is room."""
        self._waiting[queue] = None

    def send_waiting(self) -> None:
        """Give free slots to those who wait, each queue in its turn."""
        while self._waiting and self.has_room():
            queue = next(iter(self._waiting))
            del self._waiting[queue]
            if queue.has_requests():
                self._waiting[queue] = None
                queue.send_first(self)


_servers: weakref.WeakValueDictionary[str, Server] = weakref.WeakValueDictionary()


def server_at(public_url: str, clock: Clock) -> Server:
    """Return the one server at a URL: two endpoints on it share its slots, and the clock of the first."""
    return _servers.setdefault(public_url, Server(public_url, clock))
