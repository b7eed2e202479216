"""How long a stage still takes: told by rows that were asked, and never by those that took no time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.run.progress import Progress
from codeclm_hf.run.time_left import LEAST_ROWS, TimeLeft, about

START = Progress(
    stage="compare", done=0, total=0, to_ask=0, asked=0, row_seconds=0.0, accepted=0, requests=0, tokens=0
)


def served(
    rows: list[str], *, slots: int, seconds: float, seed: int, known: bool = False
) -> Iterator[tuple[float, Progress]]:
    """When each row is done, and what is reported then.

    Args:
        rows: what each row is: `ask`, or `replay` or `fail`, which take no time.
        slots: rows that are asked for at a time.
        seconds: about how long one takes.
        seed: of how long each takes.
        known: whether it is known beforehand which rows fail.
    """
    draw = random.Random(seed)
    busy: list[float] = []
    done: list[tuple[float, float]] = []
    for kind in rows:
        begin = heapq.heappop(busy) if len(busy) == slots else 0.0
        takes = seconds * draw.uniform(0.7, 1.3) if kind == "ask" else 0.0
        heapq.heappush(busy, begin + takes)
        done.append((begin + takes, takes))
    to_ask = len(rows) - (rows.count("fail") if known else 0)
    asked, spent = 0, 0.0
    for number, (now, takes) in enumerate(sorted(done), start=1):
        asked, spent = asked + bool(takes), spent + takes
        mean = spent / asked if asked else 0.0
        yield (
            now,
            replace(START, done=number, total=len(rows), to_ask=to_ask, asked=asked, row_seconds=mean),
        )


kinds = st.lists(st.sampled_from(["ask", "ask", "ask", "fail"]), min_size=LEAST_ROWS, max_size=200)


@given(kinds, st.integers(0, 400), st.integers(1, 64), st.floats(0.1, 900), st.integers(0, 99))
def test_the_estimate_is_near_the_truth(
    rows: list[str], replayed: int, slots: int, seconds: float, seed: int
) -> None:
    """Whatever is replayed or fails at once: never far too little, and nothing is said before there is a basis."""
    events = list(served(["replay"] * replayed + rows, slots=slots, seconds=seconds, seed=seed))
    end, left = events[-1][0], TimeLeft()
    for now, progress in events:
        left.record(progress, now)
        estimate = left.seconds(now)
        assert (estimate is None) or progress.asked >= LEAST_ROWS
        if estimate is not None and progress.asked < rows.count("ask"):
            assert estimate >= 0.4 * (end - now) - seconds
            if left.words(now) == "less than a minute left":
                assert end - now < 60 + 1.3 * seconds


def test_rows_known_to_fail_are_not_waited_for() -> None:
    """Nine of ten have no response: the estimate is that of the tenth."""
    rows = (["ask"] + ["fail"] * 9) * 40
    for known in (True, False):
        events = list(served(rows, slots=4, seconds=60.0, seed=1, known=known))
        left, half = TimeLeft(), len(events) // 2
        for now, progress in events[:half]:
            left.record(progress, now)
        estimate, truth = left.seconds(events[half][0]), events[-1][0] - events[half][0]
        assert estimate is not None
        assert (estimate < 2 * truth) is known


def test_it_grows_while_nothing_comes() -> None:
    """On a terminal it is shown anew all the time."""
    left = TimeLeft()
    for now, progress in list(served(["ask"] * 20, slots=4, seconds=30.0, seed=2))[:12]:
        left.record(progress, now)
    assert 0 < (left.seconds(now) or 0) < (left.seconds(now + 300) or 0)


@pytest.mark.parametrize(
    ("done", "asked", "total"), [(0, 0, 9), (9, 0, 99), (9, 2, 99), (9, 9, 9), (0, 0, 0)]
)
def test_nothing_is_said_without_a_basis_or_an_end(done: int, asked: int, total: int) -> None:
    """Neither of a stage that begins, nor of one whose rows were all replayed, nor of one that is done."""
    left = TimeLeft()
    for number in range(done + 1):
        row = replace(START, done=number, asked=min(number, asked), total=total, to_ask=total)
        left.record(row, 1.0 + number)
    assert left.words(1000.0) == ""


def test_the_first_rows_of_many_at_once_tell_nothing() -> None:
    """They would be taken for one after the other: the others come with them."""
    left, said = TimeLeft(), []
    for now, progress in served(["ask"] * 640, slots=64, seconds=60.0, seed=3):
        left.record(progress, now)
        said.append(left.seconds(now))
    assert said[:8] == [None] * 8
    assert all(900 > estimate > 450 for estimate in said[64:80] if estimate)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"), (44, "less than a minute"), (46, "about 1 min"), (61, "about 2 min"),
        (19 * 60, "about 19 min"), (21 * 60, "about 25 min"), (89 * 60, "about 90 min"), (91 * 60, "about 2 h"),
        (30 * 3600, "about 30 h"), (80 * 3600, "about 3 days"),
    ],
)  # fmt: skip
def test_the_words_are_as_exact_as_an_estimate(seconds: float, words: str) -> None:
    """Minutes, hours or days, rounded up."""
    assert about(seconds) == words
