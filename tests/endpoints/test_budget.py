"""The budget: a run stops cleanly at its limit, goes on with a larger one, and says what it costs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf import BadInput, Budget, BudgetSpent, CodecLM, Completion, Progress, endpoint
from codeclm_hf.endpoints.budget import AnswerKind, FirstAnswerAwaited, RequestSize
from codeclm_hf.endpoints.journal import Journal
from support.inputs import tree
from support.model_server import StandIn

WorldOf = Callable[..., tuple[StandIn, StandIn]]
SMALL: dict[str, Any] = {"num_instructions": 10, "num_metadata": 4}


def codec_of(servers: tuple[StandIn, StandIn], **options: Any) -> CodecLM:
    strong, target = (endpoint(server.url, **options) for server in servers)
    return CodecLM(strong=strong, target=target)


def answer(tokens: int) -> Completion:
    return Completion(text="", finish_reason="stop", prompt_tokens=tokens, completion_tokens=tokens)


@given(st.lists(st.sampled_from(["send", "answer", "fail"])), st.integers(1, 5))
def test_no_more_is_ever_sent_than_may_be_answered(steps: list[str], most: int) -> None:
    """Answers and requests on the wire together never pass the limit; one that fails gives its place back."""
    budget = Budget(max_requests=most)
    wire: list[Any] = []
    for step in steps:
        if step == "send":
            reservation = budget.reserve()
            if budget.requests + len(wire) >= most:
                with pytest.raises(BudgetSpent, match=f"the budget of {most} requests is spent"):
                    reservation.__enter__()
            else:
                reservation.__enter__()
                wire.append(reservation)
        elif wire and step == "answer":
            wire.pop().__exit__(None, None, None)
            budget.spend(answer(1))
        elif wire:
            assert not wire.pop().__exit__(OSError, OSError("gone"), None)
    assert budget.requests + len(wire) <= most


def test_an_answer_keeps_its_place_from_the_first_request_that_was_answered() -> None:
    """What a model that thinks is asked again with more room is never refused; another answer is, meanwhile."""
    budget = Budget(max_requests=1)
    with budget.reserve_once() as send:
        with pytest.raises(OSError), send():
            raise OSError("gone")
        with budget.reserve():  # it gave its place back
            pass
        with send():
            pass
        with pytest.raises(BudgetSpent), budget.reserve():
            pass
        with pytest.raises(OSError), send():
            raise OSError("gone")
        with send():
            pass
    with budget.reserve():
        pass


def test_tokens_on_the_wire_count_as_the_mean_so_far() -> None:
    """A token budget stops before the answers that are on their way can overrun it by much."""
    budget = Budget(max_tokens=100)
    for _ in range(2):
        with budget.reserve():
            pass
        budget.spend(answer(10))
    wire = [budget.reserve() for _ in range(3)]
    for reservation in wire:
        reservation.__enter__()
    with pytest.raises(BudgetSpent, match="--max-tokens"):
        budget.reserve().__enter__()


@pytest.mark.parametrize(
    "limit",
    [
        {"max_requests": 0},
        {"max_tokens": -1},
        {"price_in": -1},
        {"price_out": float("inf")},
        {"max_cost": 0},
        {"max_cost": -0.5},
        {"max_cost": float("nan")},
    ],
)
def test_a_limit_that_is_none_is_refused(limit: dict[str, Any]) -> None:
    """The error names the option and what came."""
    (name,) = limit
    with pytest.raises(BadInput, match=f"needs .*{name.replace('_', '-')}.* came {limit[name]}"):
        Budget(**limit)


PRICES = {"strong": (10.0, 30.0), "target": (0.0, 1.0)}
Tokens = tuple[int, int]
kinds = st.builds(
    AnswerKind, st.sampled_from(list(PRICES)), st.sampled_from(["encode", "respond"]), st.none()
)
tokens_of = st.tuples(st.integers(0, 3000), st.integers(0, 3000))


def price_of(kind: AnswerKind, tokens: Tokens) -> float:
    return sum(price * number for price, number in zip(PRICES[kind.model], tokens, strict=True)) / 1e6


class Wire:
    """What is paid and on its way, reckoned as simply as can be."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, AnswerKind, Tokens]] = []
        """(reservation, kind, most tokens) of each."""
        self.answered: dict[AnswerKind, list[float]] = {}

    @property
    def paid(self) -> float:
        return sum(map(sum, self.answered.values()))

    def mean(self, kind: AnswerKind) -> float | None:
        costs = self.answered.get(kind)
        return sum(costs) / len(costs) if costs else None

    @property
    def expected(self) -> float:
        """By what others of their kind cost."""
        return sum(self.mean(kind) or 0.0 for _, kind, _ in self.sent)

    @property
    def feared(self) -> list[float]:
        """The most that those may cost of whose kind none was answered."""
        return [price_of(kind, most) for _, kind, most in self.sent if self.mean(kind) is None]


@given(
    st.lists(st.tuples(st.sampled_from(["send", "send", "answer", "fail"]), kinds, tokens_of), max_size=60),
    st.floats(0.001, 0.5),
    st.randoms(use_true_random=False),
)
def test_the_cost_passes_its_limit_by_no_more_than_what_is_on_its_way(
    steps: list[tuple[str, AnswerKind, Tokens]], limit: float, order: Random
) -> None:
    """In any order of requests and answers nothing is sent that may pass it, as far as can be told."""
    budget, wire, slack, on_its_way = Budget(max_cost=limit, prices=PRICES), Wire(), 1e-12, 0.0
    for step, kind, tokens in steps:
        if step == "send":
            reservation, mean = budget.reserve(RequestSize(kind, *tokens)), wire.mean(kind)
            known = wire.paid + wire.expected
            feared = known + sum(wire.feared) + price_of(kind, tokens)
            try:
                reservation.__enter__()
            except FirstAnswerAwaited:
                assert wire.feared, "nobody waits for nothing"
                assert feared > limit - slack or known + sum(wire.feared) + (mean or 0.0) > limit - slack
            except BudgetSpent:
                assert known + (mean or 0.0) > limit - slack
            else:
                assert known < limit + slack
                assert mean is None or known + mean < limit + slack
                assert mean is not None or not wire.feared or feared < limit + slack
                wire.sent.append((reservation, kind, tokens))
                on_its_way = wire.paid
        elif wire.sent:
            reservation, kind, most = wire.sent.pop(order.randrange(len(wire.sent)))
            reservation.__exit__(None, None, None)
            if step == "answer":
                used = (most[0], order.randint(0, most[1]))
                budget.spend(completion(used), model=kind.model, stage=kind.stage)
                wire.answered.setdefault(kind, []).append(price_of(kind, used))
        assert (budget.cost or 0.0) == pytest.approx(wire.paid)
        assert on_its_way <= limit + slack, "the last request was sent below the limit"


def completion(tokens: Tokens) -> Completion:
    return Completion(text="", finish_reason="stop", prompt_tokens=tokens[0], completion_tokens=tokens[1])


@pytest.mark.parametrize("most", [0.0001, 0.01, 0.03])
def test_a_run_never_costs_more_than_its_limit_and_what_is_on_its_way(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path, most: float
) -> None:
    """It stops with exit code 4 in words that name the option; a larger limit goes on, and asks nothing twice."""
    whole, servers = world_of(), world_of()
    codec_of(whole).run(seeds, out=tmp_path / "whole", **SMALL)
    prices = {"strong": (10.0, 30.0)}  # one model plays all roles
    budget = Budget(max_cost=most, prices=prices)
    with pytest.raises(BudgetSpent, match=r"the budget of .* is paid\) is spent, .*--max-cost"):
        codec_of(servers, concurrency=4).run(seeds, out=tmp_path / "out", budget=budget, **SMALL)
    with closing(sqlite3.connect(tmp_path / "out" / "journal.sqlite")) as journal:
        (dearest,) = journal.execute(
            "SELECT max(10 * prompt_tokens + 30 * completion_tokens) / 1e6 FROM answers"
        ).fetchone()
    assert 0 < (budget.cost or 0.0) <= most + 8 * dearest
    budget = Budget(max_cost=10.0, prices=prices)
    codec_of(servers, concurrency=4).run(seeds, out=tmp_path / "out", budget=budget, **SMALL)
    assert [len(server.asked) for server in servers] == [len(server.asked) for server in whole]
    assert budget.cost == pytest.approx(
        sum(row["cost"] for row in json.loads((tmp_path / "out" / "codeclm.json").read_text())["usage"])
    )


def test_requests_wait_for_the_first_answer_where_all_at_once_may_be_too_dear(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path
) -> None:
    """A limit far above the cost is no reason to stop, although 2048 tokens for each of the first would pass it."""
    budget = Budget(max_cost=0.2, price_in=10.0, price_out=30.0)
    codec_of(world_of()).run(seeds, out=tmp_path / "out", budget=budget, **SMALL)
    assert (budget.cost or 0.0) < 0.2


@pytest.mark.parametrize("limit", [{"max_requests": 30}, {"max_tokens": 2000}])
def test_a_run_stops_at_its_limit_and_goes_on_with_a_larger_one(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path, limit: dict[str, Any]
) -> None:
    """All that was paid for is kept, the same limit again asks nothing, and in the end nothing was asked twice."""
    whole = world_of()
    codec_of(whole).run(seeds, out=tmp_path / "whole", **SMALL)
    servers = world_of()
    for _ in range(2):
        with pytest.raises(BudgetSpent, match="run the same command again"):
            codec_of(servers).run(seeds, out=tmp_path / "out", budget=Budget(**limit), **SMALL)
        budget = Budget()
        journal = Journal(tmp_path / "out" / "journal.sqlite", budget)
        journal.close()
        assert budget.requests == sum(len(server.asked) for server in servers)
    if "max_requests" in limit:
        assert budget.requests == limit["max_requests"]
    else:
        assert budget.tokens == pytest.approx(limit["max_tokens"], rel=0.15)
    codec_of(servers).run(seeds, out=tmp_path / "out", budget=Budget(max_requests=10_000), **SMALL)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert [len(server.asked) for server in servers] == [len(server.asked) for server in whole]


def test_what_it_costs_is_shown_while_it_runs_and_kept(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path
) -> None:
    """With prices, every progress has the cost so far, later ones what it will be, and the manifest what it was."""
    told: list[Progress] = []
    budget = Budget(price_in=2.0, price_out=10.0)
    codec_of(world_of()).run(seeds, out=tmp_path, budget=budget, on_progress=told.append, **SMALL)
    assert budget.cost == pytest.approx((2 * budget.prompt_tokens + 10 * budget.completion_tokens) / 1e6)
    assert told[0].cost == 0
    assert told[-1].cost == told[-1].projected == budget.cost
    manifest = json.loads((tmp_path / "codeclm.json").read_text())
    assert manifest["cost"] == {"price_in": 2.0, "price_out": 10.0, "all": budget.cost}


def test_the_manifest_has_totals_by_stage_and_model(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path
) -> None:
    """Every stage's answers and tokens, by the model that gave them, add up to what the servers gave."""
    servers = world_of()
    codec = codec_of(servers)
    codec.run(seeds, out=tmp_path, **SMALL)
    usage = json.loads((tmp_path / "codeclm.json").read_text())["usage"]
    assert [(row["stage"], row["role"]) for row in usage] == [
        ("encode", "strong"),
        ("rubrics", "strong"),
        ("decode", "strong"),
        ("respond", "strong"),
        ("respond", "target"),
        ("judge", "judge"),
        ("improve", "strong"),
    ]
    assert {row["model"] for row in usage} == {codec.strong.identity, codec.target.identity}
    assert sum(row["answers"] for row in usage) == sum(len(server.asked) for server in servers)
    assert all(row["prompt_tokens"] > 0 and row["completion_tokens"] > 0 for row in usage)
