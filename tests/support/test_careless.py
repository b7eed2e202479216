"""The careless models make the mistakes they are to make, as often as they are to."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from codeclm_hf.stages.near_duplicates import THRESHOLD, similarity
from support.careless import QUESTIONS, ROOM, Careless

SKILLS = ["rhyme schemes", "SQL queries"]


def test_drafts_are_alike_where_they_are_of_one_family() -> None:
    """Three in ten repeat another, and drafts are near-duplicates just where their families are the same."""
    drafts = [
        draft for seed in range(16) for draft in Careless(seed=seed).drafts("creative writing", SKILLS, 10)
    ]
    for one, other in combinations(drafts, 2):
        assert (similarity(one.text, other.text) >= THRESHOLD) == (one.family == other.family)
    assert {draft.family for draft in drafts if draft.copied} <= set(QUESTIONS)
    assert 0.2 < 1 - len({draft.family for draft in drafts}) / len(drafts) < 0.45


def test_responses_have_wrong_with_them_what_they_are_to_have() -> None:
    """One in ten is cut off, one in twenty loops and one in twenty refuses; twice the room cures about half."""
    instructions = [f"Do {n}" for n in range(4000)]
    fates, cured = (
        Counter(Careless(room=room).fate("strong", text) for text in instructions)
        for room in (ROOM, 2 * ROOM)
    )
    for fate, share in (("cut_off", 10), ("degenerate", 5), ("refusal", 5), ("empty", 2)):
        assert abs(100 * fates[fate] / len(instructions) - share) < 1
    assert cured["cut_off"] < 0.6 * fates["cut_off"]
