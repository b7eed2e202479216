"""What a server's replies teach about it: how many requests it takes at a time, and whether it serves.

Two classes, each with one job. Neither sends anything: `server.Server` tells them what became of each
request, and asks them whether the next one may go.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from codeclm_hf.endpoints.clock import Clock

OPENS_AFTER = 3
"""Failures in a row, each of requests sent after the one before, after which one request at a time tries."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds without requests after a refusal, or the second failure in a row; doubled with each further one."""
PATIENCE, MOST_PATIENCE = 128, 4096
"""Full answers after which one more request at a time is tried; doubled each time that was too many."""
CROWDED_AT, FORGIVEN_BY_AN_ANSWER = 3.0, 0.25
"""How many refusals are a crowd, and what an answer takes off: a few among many answers are chance."""


class _Growth(NamedTuple):
    """Where the limit stood before the server failed."""

    value: int
    patience: int
    step: int


class AdaptiveLimit:
    """How many requests a server takes at a time, learnt from refusals (429, 503, a time-out) and answers.

    ::

        ┌───────────┐       a crowd of refusals        ┌───────────┐
        │    top    │ ───────────────────────────────▶ │  fallen   │ ◀─┐
        └───────────┘                                  └───────────┘   │
              ▲                                              │         │ a crowd of refusals:
              │                           many full answers, │         │ `patience` is doubled
              │                                          + 1 ▼         │
              │                                        ┌───────────┐   │
              └───────── `value` reaches `most` ────── │  growing  │ ──┘
                                                       └───────────┘

    top: `value` is `most`.
    fallen: `value` is what the server still had when it refused, but at least half of that before the burst.
    growing: + 1 and + 2 after `patience` full answers each, then + 4, + 8, … after `value` full answers each.

    A full answer is one to a request that took the last slot: only it says that so many at a time are well.
    In every state, a server that takes not even one request is away, and gets the `value` of before back.
    """

    def __init__(self) -> None:
        self.most = 1
        """Most requests at a time that the server's callers want."""
        self.value = 1
        """Requests at a time that it may have now."""
        self._refusals = 0.0
        self._floor = 1
        """What this burst of failures may make the value fall to."""
        self._well = 0
        """Full answers since the value changed."""
        self._patience = 0
        self._step = 1
        """Twice what the value grows by next."""
        self._has_grown = False
        """Whether it has grown since it fell: then the next fall means that this was too many."""
        self._before: _Growth | None = None

    def start(self, most: int) -> None:
        """Begin at the most that the first caller wants."""
        self.most = self.value = most

    def cap(self, most: int) -> None:
        """Take over another `most`; a value that never fell follows it."""
        at_most = self.value == self.most
        self.most = most
        self.value = most if at_most else min(self.value, most)

    def record_answer(self, *, full: bool) -> None:
        """Count an answer; `full` where its request took the last slot."""
        self._refusals = max(0.0, self._refusals - FORGIVEN_BY_AN_ANSWER)
        self._before = None
        self._well += full
        if self.value < self.most and self._well >= max(self.value, self._patience):
            self._grow()

    def _grow(self) -> None:
        self._well = 0
        # That the step before this one went well shows that there is room; the next ones may be larger.
        if self._step > 1:
            self._patience = 0
        self._step *= 2
        self.value = min(self.most, self.value + self._step // 2)
        self._has_grown = True

    def remember(self) -> None:
        """Note where the limit stands at the first failure after an answer."""
        self._before = _Growth(self.value, self._patience, self._step)

    def restore(self) -> None:
        """Go back to where the limit stood before the failures: a server that is away says nothing of it."""
        if self._before is not None:
            value, self._patience, self._step = self._before
            self.value, self._refusals = min(value, self.most), 0.0

    def start_burst(self) -> None:
        """Begin a burst of failures, in which the value falls at most by half."""
        self._floor = max(1, self.value // 2)

    def record_refusal(self, *, in_flight: int, first_of_burst: bool) -> None:
        """Count a refusal of a request; let the value fall where there are many.

        Args:
            in_flight: the requests that the server still has: so many it took.
            first_of_burst: whether the request was sent after the last failure came.
        """
        self._refusals += 1
        if self._refusals < CROWDED_AT:
            return
        if first_of_burst:
            self._patience = self._next_patience()
            self._step, self._has_grown = 1, False
        self._well = 0
        self.value = min(self.value, max(self._floor, in_flight))

    def _next_patience(self) -> int:
        if self._well >= PATIENCE:
            return PATIENCE  # so many went well since the value changed: it was chance, not one too many
        patience = 2 * self._patience if self._has_grown else self._patience
        return min(MOST_PATIENCE, max(PATIENCE, patience))


class CircuitBreaker:
    """Whether a server serves, and when it may be asked again.

    ::

        ┌───────────┐    OPENS_AFTER bursts in a row   ┌───────────┐
        │  closed   │ ───────────────────────────────▶ │   open    │ ◀─┐
        └───────────┘                                  └───────────┘   │
              ▲                                              │         │ a failure:
              │                                 the pause is │         │ the pause is doubled
              │                                         over ▼         │
              │                                        ┌───────────┐   │
              └────────────── an answer ────────────── │   trial   │ ──┘
                                                       └───────────┘

    closed: requests go; after a refusal or a second burst none go until a pause is over, or an answer comes.
    open: no request goes until the pause is over.
    trial: one request at a time goes.

    Failures of requests that were on their way together are one burst and count once.

    Args:
        clock: what pauses are measured by.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.burst = 0
        """The number of bursts of failures so far."""
        self._streak = 0
        """Bursts since the last answer."""
        self._trial = False
        """Whether the one request that tries an open circuit is on its way."""
        self._resume_at = 0.0
        self._retry_after = 0.0
        """The moment that the server itself named, which no answer of another request brings nearer."""
        self._failing_since: float | None = None
        self._idle_since = 0.0

    @property
    def open(self) -> bool:
        """Whether the server failed so often that only one request at a time tries."""
        return self._streak >= OPENS_AFTER

    @property
    def failing(self) -> bool:
        """Whether there has been no answer since a failure."""
        return self._failing_since is not None

    def seconds_failing(self) -> float | None:
        """Return seconds since the first failure after the last answer; None where the server answers."""
        return None if self._failing_since is None else self._clock.now() - self._failing_since

    def forget_failing(self) -> None:
        """Measure the time without an answer anew, from the next failure on."""
        self._failing_since = None

    def pause(self) -> float:
        """Return seconds until a request may go."""
        return max(0.0, self._resume_at - self._clock.now()) if self._resume_at else 0.0

    def allows(self) -> bool:
        """Return whether a request may be sent now."""
        if self._resume_at and self._resume_at > self._clock.now():
            return False
        return not (self._trial and self.open)

    def record_send(self, *, alone: bool) -> bool:
        """Note that a request is sent, and return whether it is the one that tries an open circuit.

        Args:
            alone: whether the server has no other.
        """
        if self._failing_since is not None and alone:
            # Time in which nobody asked is no time without an answer.
            self._failing_since += max(0.0, self._clock.now() - max(self._idle_since, self._resume_at))
        self._trial = self.open
        return self._trial

    def record_return(self, *, trial: bool) -> None:
        """Note that a request is back, whatever came of it."""
        if self._failing_since is not None:
            self._idle_since = self._clock.now()
        if trial:
            self._trial = False

    def record_answer(self) -> None:
        """Close the circuit: the server took a request."""
        self._streak, self._failing_since = 0, None
        self._resume_at = self._retry_after

    def record_failure(self, *, burst: int, refused: bool, retry_after: float | None) -> bool:
        """Count a failure, and return whether it is the first of a burst.

        Args:
            burst: the number of bursts when the request was sent.
            refused: whether the server said or showed that it has too much to do.
            retry_after: seconds that the server asked us to wait.
        """
        now = self._clock.now()
        if self._failing_since is None:
            self._failing_since = now
        first_of_burst = burst == self.burst
        if first_of_burst:
            self.burst += 1
            self._streak += 1
            if self._streak > 1 or refused:  # the next answer ends a pause: then there is room for one
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(max(self._streak - 2, 0), 16))
                self._resume_at = max(self._resume_at, now + pause * random.uniform(0.5, 1.5))
        if retry_after:
            self._retry_after = now + retry_after
            self._resume_at = max(self._resume_at, self._retry_after)
        return first_of_burst
