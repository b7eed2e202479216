"""How many requests a server gets at a time, and when it is asked again: the states of the two classes."""

from __future__ import annotations

import pytest

from codeclm_hf.endpoints.limiter import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MOST_PATIENCE,
    OPENS_AFTER,
    PATIENCE,
    AdaptiveLimit,
    CircuitBreaker,
)
from support.clock import FastClock


@pytest.fixture
def limit() -> AdaptiveLimit:
    limit = AdaptiveLimit()
    limit.start(64)
    return limit


@pytest.fixture
def breaker(clock: FastClock) -> CircuitBreaker:
    return CircuitBreaker(clock)


def crowd(limit: AdaptiveLimit, *, in_flight: int) -> None:
    """A burst of refusals while the server still has some requests."""
    limit.start_burst()
    for n in range(4):
        limit.record_refusal(in_flight=in_flight, first_of_burst=n == 0)
    limit.record_refusal(in_flight=in_flight, first_of_burst=True)


def full_answers(limit: AdaptiveLimit, count: int) -> None:
    for _ in range(count):
        limit.record_answer(full=True)


def fail(breaker: CircuitBreaker, *, refused: bool = False, retry_after: float | None = None) -> bool:
    return breaker.record_failure(burst=breaker.burst, refused=refused, retry_after=retry_after)


def test_a_crowd_of_refusals_halves_the_limit_at_most(limit: AdaptiveLimit) -> None:
    """It falls to what the server still had, and in one burst to no less than half."""
    crowd(limit, in_flight=40)
    assert limit.value == 40
    crowd(limit, in_flight=3)
    assert limit.value == 20


def test_a_refusal_among_answers_is_chance(limit: AdaptiveLimit) -> None:
    """One refusal after every eight answers leaves the limit alone."""
    for _ in range(50):
        limit.start_burst()
        limit.record_refusal(in_flight=10, first_of_burst=True)
        full_answers(limit, 8)
    assert limit.value == 64


def test_the_limit_grows_in_larger_and_larger_steps(limit: AdaptiveLimit) -> None:
    """By 1 and by 2 after many full answers each, then by 4 and 8 after as many as the limit, up to the most."""
    crowd(limit, in_flight=32)
    values = []
    for answers in (PATIENCE, PATIENCE, 35, 39, 47, 63):
        full_answers(limit, answers - 1)
        before = limit.value
        full_answers(limit, 1)
        values.append((before, limit.value))
    assert values == [(32, 33), (33, 35), (35, 39), (39, 47), (47, 63), (63, 64)]


def test_answers_that_left_a_slot_free_grow_nothing(limit: AdaptiveLimit) -> None:
    """They do not say whether the server takes more."""
    crowd(limit, in_flight=32)
    for _ in range(10 * PATIENCE):
        limit.record_answer(full=False)
    assert limit.value == 32


def test_one_too_many_doubles_the_patience(limit: AdaptiveLimit) -> None:
    """A server that refuses each further request is asked for it ever more rarely, but not never."""
    crowd(limit, in_flight=32)
    needed = []
    for _ in range(8):
        count = 0
        while limit.value == 32:
            full_answers(limit, 1)
            count += 1
        needed.append(count)
        crowd(limit, in_flight=32)
    assert needed == [min(PATIENCE * 2**n, MOST_PATIENCE) for n in range(8)]


def test_a_server_that_was_away_gets_its_limit_back(limit: AdaptiveLimit) -> None:
    """What it held before the failures counts, unless its callers want less by now."""
    limit.remember()
    crowd(limit, in_flight=1)
    crowd(limit, in_flight=1)
    limit.restore()
    assert limit.value == 64
    limit.cap(8)
    limit.restore()
    assert limit.value == 8


def test_the_circuit_opens_and_lets_one_request_try(breaker: CircuitBreaker, clock: FastClock) -> None:
    """After some bursts nothing goes until the pause is over; then one at a time, until an answer closes it."""
    for _ in range(OPENS_AFTER):
        assert not breaker.open
        fail(breaker)
    assert breaker.open
    assert not breaker.allows()
    clock.time += breaker.pause()
    assert breaker.allows()
    assert breaker.record_send(alone=True)
    assert not breaker.allows()
    breaker.record_return(trial=True)
    assert breaker.allows()
    breaker.record_answer()
    assert not breaker.open
    assert not breaker.record_send(alone=True)
    assert breaker.allows()


def test_failures_of_requests_sent_together_count_once(breaker: CircuitBreaker) -> None:
    """A hundred requests that a dying server drops do not open the circuit."""
    burst = breaker.burst
    assert breaker.record_failure(burst=burst, refused=False, retry_after=None)
    assert not any(breaker.record_failure(burst=burst, refused=False, retry_after=None) for _ in range(99))
    assert not breaker.open
    assert breaker.allows()


def test_the_pause_doubles_up_to_its_most(breaker: CircuitBreaker, clock: FastClock) -> None:
    """Each is drawn between half and one and a half of its length, so that clients do not come back together."""
    for n in range(12):
        fail(breaker, refused=True)
        length = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** max(n - 1, 0))
        assert 0.5 * length <= breaker.pause() <= 1.5 * length
        clock.time += breaker.pause()


def test_an_answer_does_not_end_the_wait_that_the_server_asked_for(
    breaker: CircuitBreaker, clock: FastClock
) -> None:
    """`Retry-After` holds for all, whatever comes of the requests that are on their way."""
    fail(breaker, refused=True, retry_after=90)
    breaker.record_answer()
    assert breaker.pause() == 90
    clock.time += 90
    assert breaker.allows()


def test_time_in_which_nobody_asked_does_not_count(breaker: CircuitBreaker, clock: FastClock) -> None:
    """The seconds without an answer are those in which a request was on its way or a pause was waited for."""
    breaker.record_send(alone=True)
    clock.time += 10
    fail(breaker)
    breaker.record_return(trial=False)
    clock.time += 3600
    breaker.record_send(alone=True)
    clock.time += 20
    assert breaker.seconds_failing() == pytest.approx(20)
    breaker.record_answer()
    assert breaker.seconds_failing() is None
