"""The whole run against an independent re-implementation of the method."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from codeclm_hf import CodecLM, endpoint
from support import oracle
from support.inputs import SEEDS
from support.model_server import StandIn
from support.world import World


@pytest.mark.parametrize(("threshold", "iterations"), [(0, 4), (3, 1), (3, 4), (9, 2)])
def test_the_tables_equal_the_oracles(
    world_of: Callable[..., tuple[StandIn, StandIn]],
    seeds: Dataset,
    tmp_path: Path,
    threshold: int,
    iterations: int,
) -> None:
    """With the paper's settings and at their bounds, the four tables are the oracle's, row for row."""
    strong, target = world_of()
    codec = CodecLM(
        strong=endpoint(strong.url), target=endpoint(target.url), threshold=threshold, iterations=iterations
    )
    tables = codec.run(seeds, out=tmp_path / "out", num_instructions=14, num_metadata=8)
    expected = oracle.run(
        World(), SEEDS, size=8, total=14, threshold=threshold, iterations=iterations, seed=0
    )
    assert {name: shared(rows, expected[name]) for name, rows in tables.items()} == expected


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seeds=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1),
        min_size=1,
        max_size=8,
    ),
    total=st.integers(1, 10),
    size=st.integers(1, 12),
    threshold=st.integers(0, 9) | st.floats(0, 9).map(lambda value: round(value, 1)),
    iterations=st.integers(1, 4),
    seed=st.integers(0, 5),
    bias=st.sampled_from([0, -1, 2]),
)
@example(seeds=["one"], total=10, size=12, threshold=0.0, iterations=4, seed=0, bias=0)
def test_any_run_equals_the_oracles(
    world_of: Callable[..., tuple[StandIn, StandIn]], bias: float, seeds: list[str], **how: Any
) -> None:
    """Whatever the seeds, sizes, threshold, iterations, run seed and bias of the judge, the tables are the oracle's."""
    strong, target = world_of(World(bias))
    codec = CodecLM(
        strong=endpoint(strong.url),
        target=endpoint(target.url),
        **{name: how[name] for name in ("threshold", "iterations", "seed")},
    )
    with tempfile.TemporaryDirectory() as out:
        tables = codec.run(
            Dataset.from_dict({"instruction": seeds}),
            out=out,
            num_instructions=how["total"],
            num_metadata=how["size"],
        )
    expected = oracle.run(World(bias), seeds, **{**how, "size": min(how["size"], how["total"])})
    assert {name: shared(rows, expected[name]) for name, rows in tables.items()} == expected


def shared(table: Dataset, expected: list[oracle.Row]) -> list[oracle.Row]:
    """The rows with the columns of the oracle, which knows of no response or draft with something wrong."""
    return [{name: row[name] for name in expected[0]} for row in table] if expected else table.to_list()
