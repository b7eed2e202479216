"""Which accepted rows stay: no copies over the whole set, and no more than were wanted."""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf import schema
from codeclm_hf.run.selection import Selection
from codeclm_hf.stages.near_duplicates import THRESHOLD, similarity

BREAD = "Write a recipe for sourdough bread that a beginner can bake within a single day"
ROUTE = "Plan a cycling tour along the Danube with five stops and a budget of 300 euros"
QUERY = "Explain which index a slow SQL query over ten million orders needs, and why"
WORDS = st.sampled_from("bake plan prove list draw sort name fold read sing".split())
TEXTS = st.lists(st.lists(WORDS, min_size=3, max_size=6).map(" ".join), max_size=12)


def trace_of(*rows: tuple[str, str, str]) -> Dataset:
    """A trace with these ids, instructions and verdicts."""
    empty: dict[str, Any] = dict.fromkeys(schema.TRACE)
    named = ({"id": id, "instruction": text, "verdict": verdict} for id, text, verdict in rows)
    return schema.table([{**empty, **row} for row in named], schema.TRACE)


def test_a_row_that_repeats_an_earlier_one_is_removed() -> None:
    """The later of two that say the same is out, and names the earlier; what was not accepted is not looked at."""
    trace = trace_of(
        ("a", BREAD, "accept_strong"),
        ("b", QUERY, "retry"),
        ("c", BREAD.upper() + "!", "accept_target"),
        ("d", QUERY, "accept_strong"),
        ("e", f"Please {BREAD[0].lower()}{BREAD[1:]}", "accept_strong"),
    )
    marked = Selection([]).mark(trace)
    assert marked["removed"][:] == [None, None, "duplicate of a", None, "near_duplicate of a"]
    assert marked.features == schema.TRACE
    assert marked.remove_columns("removed").to_list() == trace.remove_columns("removed").to_list()


def test_rows_of_earlier_rounds_and_seeds_come_first() -> None:
    """A row is compared with the seeds, and with what stays of every round before."""
    selection = Selection([("seed", ROUTE)])
    first = selection.mark(trace_of(("a", BREAD, "accept_strong"), ("b", ROUTE, "accept_strong")))
    second = selection.mark(trace_of(("c", BREAD, "accept_strong"), ("d", QUERY, "accept_strong")))
    assert first["removed"][:] == [None, "duplicate of seed"]
    assert second["removed"][:] == ["duplicate of a", None]
    assert selection.size == 2


def test_a_row_that_was_pulled_does_not_remove_itself() -> None:
    """The row of the same id stays; the same text under another id does not."""
    selection = Selection([("a", BREAD)])
    marked = selection.mark(trace_of(("a", BREAD, "accept_strong"), ("b", BREAD, "accept_strong")))
    assert marked["removed"][:] == [None, "duplicate of a"]


def test_no_more_than_were_wanted_stay() -> None:
    """What is accepted beyond that is surplus, and copies are not counted."""
    rows = [
        (id, text, "accept_strong") for id, text in zip("abcd", (BREAD, BREAD, ROUTE, QUERY), strict=True)
    ]
    selection = Selection([], 2)
    assert selection.mark(trace_of(*rows))["removed"][:] == [None, "duplicate of a", None, "surplus"]
    assert selection.size == 2


@given(texts=TEXTS, most=st.none() | st.integers(1, 5))
def test_whatever_is_offered_no_two_that_stay_are_alike(texts: list[str], most: int | None) -> None:
    """All pairs of what stays are below the threshold, and whatever is removed is like one that stays."""
    rows = [(str(at), text, "accept_strong") for at, text in enumerate(texts)]
    marked = Selection([], most).mark(trace_of(*rows))
    kept = {row["id"]: row["instruction"] for row in marked if row["removed"] is None}
    pairs = [(a, b) for a in kept for b in kept if a < b]
    assert all(similarity(kept[a], kept[b]) < THRESHOLD for a, b in pairs)
    assert len(kept) <= (most or len(texts))
    for row in marked:
        reason, _, of = (row["removed"] or "").partition(" of ")
        assert reason in ("", "surplus", "duplicate", "near_duplicate")
        if of:
            assert similarity(row["instruction"], kept[of]) >= THRESHOLD
