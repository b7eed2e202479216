"""How many instructions the rounds of a run ask for, and when it gives up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.run.rounds import LEAST_TRIED, Tally, shares

ASKED = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 9), min_size=1, max_size=12)


@given(asked=ASKED, size=st.integers(0, 200))
def test_the_shares_add_up_and_even_out(asked: dict[str, int], size: int) -> None:
    """All is shared out, and whoever gets something has at most one more than anybody in the end."""
    share = shares(asked, size)
    assert sum(share.values()) == size
    after = {id: asked[id] + share[id] for id in asked}
    assert all(after[id] <= min(after.values()) + 1 for id, number in share.items() if number)


@given(asked=ASKED, size=st.integers(0, 200))
def test_those_that_stand_first_get_what_is_left_over(asked: dict[str, int], size: int) -> None:
    """Of metadata that were asked for equally many, an earlier one never gets less than a later one."""
    share = shares(asked, size)
    order = list(asked)
    for at, id in enumerate(order):
        assert all(share[id] >= share[other] for other in order[at + 1 :] if asked[other] == asked[id])


def test_nobody_to_share_with() -> None:
    """Without metadata nothing is shared out."""
    assert shares({}, 7) == {}


@pytest.mark.parametrize(
    ("tally", "size"),
    [
        (Tally(), 100),
        (Tally(asked=100, tried=100, accepted=50), 100),
        (Tally(asked=100, tried=90, accepted=80), 25),
        (Tally(asked=100, tried=100, accepted=99), 2),
        (Tally(asked=100, tried=100, accepted=10), 200),
        (Tally(asked=4, tried=4, accepted=0), 8),
        (Tally(asked=900, tried=12, accepted=6, asked_since=600), LEAST_TRIED),
        (Tally(asked=200, tried=150, accepted=98, asked_since=4), 9),
    ],
)
def test_a_round_is_as_large_as_the_acceptance_so_far_asks_for(tally: Tally, size: int) -> None:
    """The first asks for what is wanted; later ones for what is missing over the share accepted, within bounds;
    where nothing new came, for no more than `LEAST_TRIED`."""
    assert tally.next_size(100) == size


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50)), max_size=20))
def test_every_round_asks_for_something(results: list[tuple[int, int, int]]) -> None:
    """Whatever came of the rounds before, the next one asks for at least one instruction."""
    tally = Tally()
    for asked, tried, accepted in results:
        tally = tally.after(asked=asked, tried=min(tried, asked), accepted=min(accepted, tried, asked))
    assert tally.next_size(tally.accepted + 1) >= 1


def test_rounds_that_bring_nothing_are_followed_by_larger_ones() -> None:
    """So the last rows of a set do not take a hundred rounds."""
    tally, sizes = Tally(asked=100, tried=100, accepted=90), []
    for _ in range(5):
        sizes.append(tally.next_size(91))
        tally = tally.after(asked=sizes[-1], tried=sizes[-1], accepted=0)
    assert sizes == [2, 4, 8, 16, 32]


def test_a_run_gives_up_when_nothing_was_accepted_for_long() -> None:
    """With none accepted at all after enough instructions; else after ten times what a row took so far."""
    assert not Tally().after(asked=90, tried=90, accepted=0).gives_up
    assert Tally().after(asked=100, tried=LEAST_TRIED, accepted=0).gives_up
    rare = Tally().after(asked=100, tried=100, accepted=5)
    assert not rare.gives_up
    assert not rare.after(asked=190, tried=190, accepted=0).gives_up
    assert rare.after(asked=400, tried=400, accepted=0).gives_up
    assert not rare.after(asked=400, tried=400, accepted=0).after(asked=9, tried=9, accepted=1).gives_up
