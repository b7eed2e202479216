"""What is held out to evaluate on."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from codeclm_hf import BadInput
from codeclm_hf.exports.hold_out import choose_groups, hold_out_ids, use_case_key
from codeclm_hf.hub.snapshot import Snapshot
from support import gallery

NAMES = [f"use case {n}" for n in range(12)]
SIZES = some.lists(some.integers(1, 50), min_size=2, max_size=12).map(
    lambda sizes: dict(zip(NAMES, sizes, strict=False))
)
SHARES = some.fractions(Fraction(1, 100), Fraction(99, 100)).map(float)


@given(SIZES, SHARES)
def test_a_share_is_met_to_within_half_a_use_case(sizes: dict[str, int], fraction: float) -> None:
    """Some are held out and some are not; only where whole use cases do not allow it is the share missed by more."""
    held = choose_groups(sizes, fraction)
    assert held and held < set(sizes)
    wanted, got = fraction * sum(sizes.values()), sum(sizes[name] for name in held)
    small = {name for name, size in sizes.items() if size <= wanted}
    if not small:  # each is more than the share: the smallest alone
        assert [sizes[name] for name in held] == [min(sizes.values())]
    elif held < small and len(held) < len(sizes) - 1:
        assert abs(got - wanted) <= max(sizes[name] for name in small) / 2 + 1e-9
    else:  # the small ones, or all but one use case, are less than was wanted
        assert got <= wanted + max(sizes[name] for name in small) / 2 and len(held) >= len(small) - 1


@given(SIZES, SHARES, some.randoms())
def test_the_order_of_the_rows_does_not_matter(
    sizes: dict[str, int], fraction: float, chance: Random
) -> None:
    """The same use cases with as many rows are always split alike."""
    turned = list(sizes.items())
    chance.shuffle(turned)
    assert choose_groups(dict(turned), fraction) == choose_groups(sizes, fraction)


@given(SIZES, SIZES, SHARES)
def test_use_cases_change_sides_in_one_direction_alone(
    sizes: dict[str, int], more: dict[str, int], fraction: float
) -> None:
    """As rows and use cases come, known ones come to those held out or go from them, never both."""
    grown = {name: sizes.get(name, 0) + more.get(name, 0) for name in [*sizes, *more]}

    def large(counts: dict[str, int]) -> set[str]:
        return {name for name in sizes if counts[name] > fraction * sum(counts.values())}

    assume(large(sizes) == large(grown) and large(sizes) < set(sizes))
    before, after = choose_groups(sizes, fraction), choose_groups(grown, fraction) & set(sizes)
    assert before <= after or after <= before


def test_a_tenth_more_rows_moves_next_to_nothing() -> None:
    """Of what is held out, less than a tenth changes sides."""
    sizes = {f"use case {n}": 1 + 200 // (n + 1) for n in range(300)}
    grown = {name: size + (n % 3 == 0) * (size // 4 + 1) for n, (name, size) in enumerate(sizes.items())}
    before, after = choose_groups(sizes, 0.1), choose_groups(grown | {"new": 3, "newer": 9}, 0.1)
    moved = (before ^ after) & set(sizes)
    assert sum(sizes[name] for name in moved) < sum(sizes[name] for name in before) / 10


@pytest.mark.parametrize(
    "names",
    [
        ["Travel planning", "travel-planning ", "plan travels", "The planning of travel", "TRAVEL  PLANNER."],
        ["Résumé writing", "resume writing", "writing a resume"],
        ["code generation", "generating code"],
        ["写诗", "写 诗。"],
        ["कविता लिखना", "कविता, लिखना"],
        ["C++", "c"],
        ["???", ""],
    ],
)
def test_near_duplicates_are_one_use_case(names: list[str]) -> None:
    """Case, accents, punctuation, order and form of words do not tell use cases apart."""
    assert len({use_case_key(name) for name in names}) == 1


def test_other_use_cases_are_others() -> None:
    """Other words are other use cases, also the synonyms, which are not known."""
    names = [
        "travel planning",
        "trip planning",
        "travel writing",
        "travel",
        "写诗",
        "写信",
        "tax law",
        "tort law",
        "of",
    ]
    assert len({use_case_key(name) for name in names}) == len(names)


def content(rows: list[tuple[str, str, str | None]], tmp_path: Path) -> Snapshot:
    """A data set of (id, instruction, use case)."""
    tables = gallery.tables_of("tiny")
    (first, *_), pair = tables["default"], tables["preference"][0]
    tables["default"] = [{**first, "id": i, "instruction": text, "use_case": name} for i, text, name in rows]
    tables["preference"] = [{**pair, "id": i} for i, _, _ in rows]
    folder = gallery.run_directory_of(tmp_path / "run", "tiny", tables)
    return Snapshot({name: sorted((folder / "data" / name).iterdir()) for name in ("default", "preference")})


def test_use_cases_with_the_same_instruction_are_on_one_side(tmp_path: Path) -> None:
    """Whatever they are called; so are those without a name."""
    rows: list[tuple[str, str, str | None]] = [
        ("a", "Plan a trip.", "travel"),
        ("b", "plan a  trip", "holidays"),
        ("c", "Sing", "holidays"),
    ]
    rows += [("d", "Bake", "baking"), ("e", "x", None), ("f", "y", None)]
    found = content(rows, tmp_path)
    for fraction in (0.1, 0.3, 0.5, 0.7, 0.9):
        held = hold_out_ids(found, fraction)
        assert 0 < len(held) < 6
        assert {"a", "b", "c"} <= held or not {"a", "b", "c"} & held
        assert {"e", "f"} <= held or not {"e", "f"} & held


def test_what_cannot_be_split_is_told(tmp_path: Path) -> None:
    """One use case alone, also in two spellings."""
    found = content([("a", "x", "travel planning"), ("b", "y", "planning travel")], tmp_path)
    with pytest.raises(BadInput, match="needs two different use cases at least to split by; came one"):
        hold_out_ids(found, 0.5)
