"""The forecast of a run's cost: near the end's after a tenth of the run, whatever is accepted and whoever is dear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from codeclm_hf import Budget, CodecLM, Progress, endpoint
from codeclm_hf.run.forecast import MEASURED, Forecast
from support.model_server import StandIn
from support.simulated_costs import CostWorld, Simulation

WorldOf = Callable[..., tuple[StandIn, StandIn]]
DEAR_STRONG = {"strong": (3.0, 15.0), "target": (0.1, 0.2), "judge": (3.0, 15.0)}
DEAR_JUDGE = {"strong": (0.5, 1.0), "target": (0.0, 0.0), "judge": (15.0, 60.0)}
DEAR_TARGET = {"strong": (1.0, 4.0), "target": (2.0, 30.0), "judge": (0.2, 0.4)}
WORLDS = {
    "nearly all is accepted": CostWorld(accepted=(0.9, 0.6, 0.5, 0.5), prices=DEAR_STRONG, num_instructions=2000),
    "little is accepted, judged by a dear judge": CostWorld(
        accepted=(0.2, 0.15, 0.1, 0.1), prices=DEAR_JUDGE, num_instructions=2000, growth=1.1, spread=0.7, slots=32
    ),
    "each is judged once, on a slow server": CostWorld(
        accepted=(0.5,), prices=DEAR_TARGET, num_instructions=2000, spread=0.6, slots=16
    ),
    "examples, many of four iterations": CostWorld(
        accepted=(0.4, 0.3, 0.2, 0.1), prices=DEAR_TARGET, num_examples=1500, copies=0.03
    ),
    "examples, few of three iterations": CostWorld(
        accepted=(0.3, 0.2, 0.1), prices=DEAR_STRONG, num_examples=1500, copies=0.02, slots=128, spread=0.6
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(WORLDS))
def test_after_a_tenth_of_a_run_the_forecast_is_near_its_final_cost(name: str) -> None:
    """Within 15 %, from the measured acceptance; nothing is said before 50 instructions are done."""
    simulation = Simulation(WORLDS[name], seed=3)
    final = simulation.run()
    told = [progress for progress in simulation.heard if progress.stage == "tailor"]
    for share in (0.1, 0.5, 0.9):
        at = next(progress for progress in told if progress.done >= share * told[-1].total)
        assert at.projected == pytest.approx(final, rel=0.15), f"after {share:.0%} of the instructions"
    assert {progress.done < MEASURED for progress in told if progress.projected is None} == {True}
    assert told[-1].projected == pytest.approx(final)
    assert all(progress.done <= progress.total for progress in told)
    assert told[-1].done == told[-1].total == len(simulation.verdicts)
    assert all((progress.projected or final) >= (progress.cost or 0.0) for progress in told)


def test_the_loop_of_one_more_instruction_is_expected_by_the_shares_of_each_iteration() -> None:
    """By hand: half is accepted at once for 2, the other half improved, of which a quarter is accepted for 3."""
    forecast = Forecast(iterations=2)
    forecast.expect(1000)
    for number in range(400):
        if number % 2:
            forecast.record_retry(number, 2.0)
            forecast.record_end(number, 5.0, accepted=number % 8 == 1)
        else:
            forecast.record_end(number, 2.0, accepted=True)
    rest, one = forecast.expected()
    assert one.cost == pytest.approx(2 + 0.5 * 3, rel=0.03)
    assert one.accepted == pytest.approx(0.5 + 0.5 * 0.25, rel=0.03)
    assert rest == pytest.approx((600 * one.cost, 600 * one.accepted))
    assert forecast.paid == pytest.approx(200 * 2 + 200 * 5)


def test_missing_instructions_cost_nothing() -> None:
    """They are done, and no share of those that are judged."""
    forecast = Forecast(iterations=1)
    forecast.expect(3)
    forecast.record_missing("missing")
    forecast.record_end("a", 4.0, accepted=True)
    assert (forecast.ended, forecast.paid) == (2, 4.0)
    rest, _ = forecast.expected()
    assert rest == pytest.approx((4.0, 1.0))


def test_those_on_their_way_are_taken_to_be_as_dear_as_those_that_took_as_long() -> None:
    """Cheap versions come first: while dear ones are on their way the mean of those that are done is too low."""
    forecast = Forecast(iterations=1)
    forecast.expect(200)
    for number in range(100):
        forecast.record_begin(number)
    for number in range(40):
        forecast.record_end(number, 1.0, accepted=True)
    for number in range(60, 70):
        forecast.record_end(number, 5.0, accepted=True)
    plain = (40 * 1 + 10 * 5) / 50
    _, one = forecast.expected()
    assert one.cost == pytest.approx((40 * 1 + 60 * 5) / 100)
    assert one.cost > plain


def test_a_forecast_needs_prices_and_measured_instructions(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path
) -> None:
    """A small run has one when all its instructions are done, and then it is what was paid."""
    strong, target = (endpoint(server.url) for server in world_of())
    for prices in (dict[str, Any](), {"price_in": 1.0, "price_out": 2.0}):
        told: list[Progress] = []
        CodecLM(strong=strong, target=target).run(
            seeds, out=tmp_path / f"{len(prices)}", num_examples=5, num_metadata=4, budget=Budget(**prices),
            on_progress=told.append,
        )  # fmt: skip
        assert told[0].projected is None
        assert (told[-1].projected is None) is not bool(prices)
        assert told[-1].projected == (told[-1].cost if prices else None)
        assert {progress.wanted for progress in told} == {5}
