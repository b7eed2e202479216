"""What is learnt about one server while it is asked: how many requests it takes at a time, and whether it serves."""

from __future__ import annotations

import asyncio
import random
import weakref
from typing import NamedTuple, Protocol

from codeclm_hf.endpoints import transport
from codeclm_hf.errors import EndpointDown

OPENS_AFTER = 3
"""Failures in a row, each of requests sent after the one before, after which one request at a time tries."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds without requests after a refusal, or the second failure in a row, doubled with each further one."""
PATIENCE, MOST_PATIENCE = 128, 4096
"""Answers that come well before one more request at a time is tried; doubled each time that was too many."""
CROWDED_AT, FORGIVEN_BY_AN_ANSWER = 3.0, 0.25
"""How many refusals are a crowd, and what an answer takes off: a few among many answers are chance."""


class Waiting(Protocol):
    """Who has requests that wait for a slot."""

    slots: int

    @property
    def waits(self) -> bool:
        """Whether there is one."""
        ...

    def take(self, server: Server) -> None:
        """Send the first in the queue to this server."""
        ...


class Sent(NamedTuple):
    """A request on the wire."""

    epoch: int
    full: bool
    """Whether it took the last slot, and so its answer says that so many are well."""
    probe: bool


class Server:
    """One server's slots, shared by all who ask it; used on the transport's loop alone.

    The limit falls to what the server took when it refuses (429, 503, a time-out), at most by half for one burst, and
    grows when that many went well for long. Failures in a row open the circuit: after a pause one request tries.

    Args:
        shown: its URL, as it may be shown.
    """

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.most = self.limit = 1
        self.in_flight = 0
        self.failing_since: float | None = None
        """When the first failure came after which there has been no answer."""
        self.connections = 0
        """Connections made to it so far: behind a new one another model may stand."""
        self._queues: weakref.WeakSet[Waiting] = weakref.WeakSet()
        self._waiting: dict[Waiting, None] = {}
        self._epoch = self._streak = 0
        self._probing = False
        self._resume_at = self._told_to_wait = self._idle_since = 0.0
        self._waking: asyncio.Task[None] | None = None
        self._refusals = 0.0
        self._floor = 1
        self._well = 0
        self._patience, self._step, self._grew = 0, 1, False
        self._before: tuple[int, int, int] | None = None
        """Limit, patience and step at the first failure after which there has been no answer."""

    def join(self, queue: Waiting) -> None:
        """Take requests from a queue too; of all the limits asked for the smallest holds."""
        first = not self._queues
        self._queues.add(queue)
        weakref.finalize(queue, self._left)  # a notebook that connects anew asks for another limit
        self.most = min(queue.slots for queue in self._queues)
        self.limit = self.most if first else min(self.limit, self.most)

    def _left(self) -> None:
        untouched = self.limit == self.most
        self.most = min((queue.slots for queue in self._queues), default=self.most)
        self.limit = self.most if untouched else min(self.limit, self.most)

    @property
    def open(self) -> bool:
        """Whether the server failed so often that only one request at a time tries."""
        return self._streak >= OPENS_AFTER

    @property
    def load(self) -> float:
        """The share of its slots that is taken."""
        return self.in_flight / self.limit

    def free(self) -> bool:
        """Whether a request may be sent now."""
        if self._resume_at and self._resume_at > transport.clock.now():
            return False
        return self.in_flight < self.limit and not (self.open and self._probing)

    def send(self) -> Sent:
        """Take a slot."""
        if self.failing_since is not None and not self.in_flight:
            # Time in which nobody asked is no time without an answer.
            now = transport.clock.now()
            self.failing_since += max(0.0, now - max(self._idle_since, self._resume_at))
        self.in_flight += 1
        self._probing = self.open
        return Sent(self._epoch, self.in_flight >= self.limit, self._probing)

    def back(self, sent: Sent) -> None:
        """Give the slot back, whatever came of it, and let the next one go."""
        self.in_flight -= 1
        if self.failing_since is not None:
            self._idle_since = transport.clock.now()
        if sent.probe:
            self._probing = False
        self.wake()

    def answered(self, sent: Sent) -> None:
        """The server took the request."""
        if self.open:
            transport.log.warning("%s serves again", self.shown)
        self._streak, self.failing_since = 0, None
        self._resume_at = self._told_to_wait
        self._refusals = max(0.0, self._refusals - FORGIVEN_BY_AN_ANSWER)
        self._before = None
        if sent.full:
            self._well += 1
        if self.limit < self.most and self._well >= max(self.limit, self._patience):
            self._well = 0
            # That the step before this one went well shows that there is room; the next ones may be larger.
            self._patience, self._step = (0, 2 * self._step) if self._step > 1 else (self._patience, 2)
            self.limit, self._grew = min(self.most, self.limit + self._step // 2), True

    def failed(self, sent: Sent, failure: EndpointDown) -> None:
        """The server did not take the request, or broke off."""
        now = transport.clock.now()
        if self.failing_since is None:
            self.failing_since = now
            self._before = self.limit, self._patience, self._step
        crowded = failure.status in (429, 503) or failure.timed_out
        # What was sent before the last failure came is of the same burst.
        new = sent.epoch == self._epoch
        if new:
            self._epoch += 1
            self._streak += 1
            self._floor = max(1, self.limit // 2)
            if self._streak > 1 or crowded:  # the next answer ends a pause: then there is room for one
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(max(self._streak - 2, 0), 16))
                self._resume_at = max(self._resume_at, now + pause * random.uniform(0.5, 1.5))
            if self._streak == OPENS_AFTER:
                transport.log.warning("%s; trying again until it serves", failure)
        if failure.retry_after:
            self._told_to_wait = now + failure.retry_after
            self._resume_at = max(self._resume_at, self._told_to_wait)
        if crowded:
            self._shrink(new)
        if self.open and self.in_flight == 1 and self._before is not None:
            # It took none of many, and none of one: it is away, which says nothing about how many it takes.
            limit, self._patience, self._step = self._before
            self.limit, self._refusals = min(limit, self.most), 0.0
        if self._resume_at > now:
            if self._waking is not None:
                self._waking.cancel()
            self._waking = asyncio.create_task(self._wake_later())

    def _shrink(self, new: bool) -> None:
        self._refusals += 1
        if self._refusals < CROWDED_AT:
            return
        if new:
            # Where so many went well since the limit changed it was chance, not one more than the server takes.
            chance, too_many = self._well >= PATIENCE, self._grew
            patience = PATIENCE if chance else 2 * self._patience if too_many else self._patience
            self._patience = min(MOST_PATIENCE, max(PATIENCE, patience))
            self._step, self._grew = 1, False
        self._well = 0
        # Those still in flight, this one not counted, are what the server took.
        self.limit = min(self.limit, max(self._floor, self.in_flight - 1))

    async def _wake_later(self) -> None:
        while (left := self._resume_at - transport.clock.now()) > 0:
            await transport.clock.sleep(max(left, 0.001))  # a timer may be early by less than it can tell
        self.wake()

    def wait(self, queue: Waiting) -> None:
        """Have a queue's requests sent when there is room."""
        self._waiting[queue] = None

    def wake(self) -> None:
        """Give free slots to those who wait, each queue in its turn."""
        while self._waiting and self.free():
            queue = next(iter(self._waiting))
            del self._waiting[queue]
            if queue.waits:
                self._waiting[queue] = None
                queue.take(self)


_servers: weakref.WeakValueDictionary[str, Server] = weakref.WeakValueDictionary()


def at(shown: str) -> Server:
    """The one server at a URL: two endpoints on it share its slots."""
    return _servers.setdefault(shown, Server(shown))
