"""What a run starts from."""

from __future__ import annotations

import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from codeclm_hf.run import inputs

texts = st.lists(st.text(st.characters(codec="utf-8")).filter(str.strip), min_size=1, max_size=30)


@given(texts, st.integers(0, 12), st.integers(0, 3))
def test_seeds_are_drawn_by_content_alone(seeds: list[str], size: int, seed: int) -> None:
    """Distinct ones, as many as asked for, in their order; the same ones whatever that order and the repetitions."""
    drawn = inputs.sample_seeds(Dataset.from_dict({"instruction": seeds}), "instruction", size, seed)[
        "instruction"
    ][:]
    distinct = list(dict.fromkeys(seeds))
    assert len(drawn) == min(size, len(distinct))
    assert drawn == [text for text in distinct if text in drawn]
    shuffled = Dataset.from_dict({"instruction": [*reversed(seeds), *seeds]})
    assert set(inputs.sample_seeds(shuffled, "instruction", size, seed)["instruction"]) == set(drawn)


@given(texts, st.integers(-1, 12), st.integers(1, 12), st.integers(0, 3))
def test_both_samples_are_those_that_would_be_drawn_alone(
    seeds: list[str], size: int, most_known: int, seed: int
) -> None:
    """One reading gives the seeds to encode, with those that cannot be used, and the seeds to compare with."""
    table = Dataset.from_dict({"instruction": [*seeds, " "]})
    run = inputs.RunInputs(seeds=table, metadata=None, column="instruction", num_instructions=1, num_metadata=1,
                           metadata_fraction=1.0)  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "MOST_KNOWN", most_known)
        samples = run.seed_samples(size, seed)
    alone = inputs.sample_seeds(table, "instruction", size, seed)
    assert samples.to_encode.to_list() == alone.to_list()
    known = inputs.sample_seeds(table, "instruction", most_known, seed)
    rows = zip(known["id"], known["instruction"], strict=True)
    assert list(samples.known) == [(id, text) for id, text in rows if text is not None]


@settings(max_examples=50)
@given(texts, st.text(min_size=1).filter(str.strip), st.integers(1, 5))
def test_a_new_seed_displaces_at_most_one(seeds: list[str], new: str, size: int) -> None:
    """A file that grows by a line keeps its draw, but for the one the new line may take the place of."""
    before, after = (
        set(
            inputs.sample_seeds(Dataset.from_dict({"instruction": rows}), "instruction", size, 0)[
                "instruction"
            ]
        )
        for rows in (seeds, [*seeds, new])
    )
    assert len(before - after) <= 1
    assert after <= before | {new}


def test_a_large_table_is_drawn_from_in_the_memory_of_the_draw() -> None:
    """Ten thousand seeds leave a draw of five, of all of which each is one of them."""
    drawn = inputs.sample_seeds(
        Dataset.from_dict({"instruction": [f"seed {n}" for n in range(10_000)]}), "instruction", 5, 0
    )
    assert len(set(drawn["instruction"])) == 5
