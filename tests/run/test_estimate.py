"""What a plan says of requests and costs before anything is spent."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codeclm_hf import Budget, prompts
from codeclm_hf.run.estimate import (
    LENGTHS,
    RESPONSE,
    Requests,
    instructions_for,
    plan_costs,
    plan_rounds,
)
from support.command_line import Cli, output_of
from support.model_server import StandIn

WorldOf = Callable[..., tuple[StandIn, StandIn]]
MODELS = {"strong": "big", "target": "small", "judge": "wise"}
PRICES = {"strong": (1.0, 10.0), "target": (0.0, 2.0), "judge": (5.0, 0.0)}
INSTRUCTION = (
    "Write a comparison of three ways to cache the pages of a shop that ten million people read, with what each "
    "costs and how each fails, and recommend one of them for a team of two."
)
METADATA = {"use_case": "software design", "skills": ["web caching", "distributed systems"]}
FILLED: dict[str, dict[str, Any]] = {
    "encode": {"instruction": INSTRUCTION, "use_cases": (), "skills": ()},
    "check_metadata": METADATA,
    "rubrics": {**METADATA, "n": 4},
    "decode": {**METADATA, "n": 10},
    "improve": {"instruction": INSTRUCTION, "action": "Ask for a decision between two limits that conflict."},
    "judge": {"instruction": INSTRUCTION, "first": "x" * 4 * RESPONSE, "second": "y" * 4 * RESPONSE, "fence": "abcdef"},
}  # fmt: skip


@pytest.mark.parametrize("name", list(FILLED))
def test_the_assumed_prompts_are_as_long_as_ours(name: str) -> None:
    """Filled in with ordinary contents, at four bytes a token, to within a fifth."""
    messages = prompts.load(name).messages(**FILLED[name])
    tokens = sum(len(message.content.encode()) for message in messages) / 4
    assert LENGTHS["check" if name == "check_metadata" else name].prompt == pytest.approx(tokens, rel=0.2)


def budget() -> Budget:
    return Budget(prices={MODELS[role]: price for role, price in PRICES.items()})


def test_a_plan_is_priced_by_stage_and_model() -> None:
    """By hand: each response is half the strong model's and half the target's, the judge has a price of its own."""
    planned = [Requests("respond", 2_000_000, 9_000_000, 8_000_000), Requests("judge", 2_000_000, 3_000_000)]
    planned.append(Requests("decode", 1_000_000, 7_000_000, 2_000_000))
    costs = plan_costs(
        planned, budget=budget(), models=MODELS, responders=("strong", "target"), max_new_tokens=2048,
        instructions=(1_000_000, 2_000_000),
    )  # fmt: skip
    respond = (50 * 1 + RESPONSE * 10) / 2 + RESPONSE * 2 / 2
    judge = LENGTHS["judge"].prompt * 5
    expected = [(2 * respond, 8 * respond), (2 * judge, 3 * judge), (100 + 500, 200 + 1000)]
    assert [cost.stage for cost in costs] == ["respond", "judge", "decode"]
    assert [cost[1:] for cost in costs] == [pytest.approx(pair) for pair in expected]


def test_answers_are_no_longer_than_the_run_lets_them_be() -> None:
    """Neither the responses nor what the judge is shown of them."""
    planned = [Requests("respond", 1, 1), Requests("judge", 1, 1)]
    long, short = (
        plan_costs(planned, budget=budget(), models=MODELS, responders=["target"], max_new_tokens=most)
        for most in (2048, 50)
    )
    assert short[0].low == pytest.approx(long[0].low * 50 / RESPONSE)
    assert long[1].low - short[1].low == pytest.approx(2 * (RESPONSE - 50) * 5 / 1e6)


def test_without_prices_nothing_is_said_of_costs() -> None:
    """A plan has the requests alone."""
    assert (
        plan_costs([Requests("judge", 1, 1)], budget=Budget(), models=MODELS, responders=(), max_new_tokens=9)
        == []
    )


@pytest.mark.parametrize(
    ("examples", "few", "many", "quick", "slow"),
    [(1000, 1250, 5000, 2, 3), (1, 2, 5, 1, 1), (8, 10, 40, 2, 3)],
)
def test_examples_take_instructions_and_rounds(
    examples: int, few: int, many: int, quick: int, slow: int
) -> None:
    """As many as the assumed shares of accepted instructions say, in rounds of the sizes that a run takes."""
    assert instructions_for(examples) == (few, many)
    assert (plan_rounds(examples, 0.8), plan_rounds(examples, 0.2)) == (quick, slow)


def test_a_dry_run_shows_what_examples_would_cost(
    world_of: WorldOf, seeds_file: Path, tmp_path: Path, cli: Cli
) -> None:
    """A low and a high cost for each stage, and what they are reckoned with; nothing is asked or written."""
    servers = world_of(tgi=False)
    shown = output_of(
        cli("run", seeds_file, "--strong", servers[0].url, "--target", servers[1].url, "--out", tmp_path / "out",
            "--num-examples", 100, "--num-metadata", 4, "--price-in", 3, "--price-out", 15, "--dry-run")
    )  # fmt: skip
    rows = re.findall(r"│ (\w+) +│ +(\d+) │ +(\d+) │ +([\d.]+) │ +([\d.]+) │", shown)
    assert [row[0] for row in rows] == ["encode", "rubrics", "decode", "respond", "judge", "improve", "all"]
    assert all(float(low) <= float(high) for *_, low, high in rows)
    low = 125 * 2 * (50 * 3 + RESPONSE * 15) / 1e6
    assert float(rows[3][3]) == pytest.approx(low, rel=0.01)
    assert float(rows[3][4]) == pytest.approx(4 * 4 * low, rel=0.01)
    assert "20.0 % to 80.0 % of the instructions accepted, so that 100 rows take 2 to 3 rounds" in shown
    assert [server.asked for server in servers] == [[], []]
    assert not (tmp_path / "out").exists()
