"""What became of the instructions of a run: every one is told of once, with what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf import Budget, CodecLM, endpoint, schema
from codeclm_hf.card.context import OUTCOMES
from codeclm_hf.card.shapes import Outcome
from codeclm_hf.endpoints.budget import AnswerKind, Answers
from codeclm_hf.run.funnel import REASONS, funnel
from codeclm_hf.run.manifest import Manifest
from support.model_server import StandIn

WorldOf = Callable[..., tuple[StandIn, StandIn]]
PRICES = {"big": (2.0, 10.0), "small": (0.5, 1.0)}
ENDS: dict[str, dict[str, Any]] = {
    "accepted": {"verdict": "accept_target"},
    "surplus": {"verdict": "accept_strong", "removed": "surplus"},
    "duplicate": {"verdict": "accept_strong", "removed": "duplicate of 12ab"},
    "near_duplicate": {"verdict": "accept_target", "removed": "near_duplicate of 12ab"},
    "exhausted": {"verdict": "exhausted", "flags": ["refusal"]},
    "cut_off": {"verdict": "failed", "flags": ["refusal", "cut_off"], "error": "…"},
    "empty": {"verdict": "failed", "flags": ["empty"], "error": "…"},
    "degenerate": {"verdict": "failed", "flags": ["degenerate"], "error": "…"},
    "contaminated": {"verdict": "failed", "flags": ["contaminated"], "error": "…"},
    "failed": {"verdict": "failed", "flags": ["wrong_language"], "error": "…"},
}
"""The last row of an instruction, by what became of it."""


def row(root: str, iteration: int = 1, **columns: Any) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(schema.TRACE)
    return (
        empty
        | {"root_id": root, "iteration": iteration, "instruction": f"Do {root}.", "verdict": "retry"}
        | columns
    )


def answers(model: str, requests: int, tokens: int) -> Answers:
    return Answers(AnswerKind(model, "respond"), requests, tokens, 2 * tokens)


@given(
    st.lists(st.tuples(st.sampled_from(list(ENDS)), st.integers(1, 4), st.integers(0, 99)), max_size=30),
    st.dictionaries(st.sampled_from(["duplicate", "near_duplicate", "contaminated", "missing"]), st.integers(0, 9)),
    st.integers(0, 3),
)  # fmt: skip
def test_every_instruction_is_told_of_once(
    ends: list[tuple[str, int, int]], rejected: dict[str, int], missing: int
) -> None:
    """Outcomes add up to what was asked for, and their costs to what was spent on instructions."""
    rows, spent = [], {}
    for number, (end, iterations, tokens) in enumerate(ends):
        rows += [row(f"i{number}", n) for n in range(1, iterations)] + [
            row(f"i{number}", iterations, **ENDS[end])
        ]
        spent[f"i{number}"] = (answers("big", iterations, tokens), answers("small", 1, 1))
    rows += [
        row(f"m{number}", instruction=None, verdict="failed", error="missing") for number in range(missing)
    ]
    asked = len(ends) + sum(rejected.values())
    budget = Budget(prices=PRICES)
    told = funnel(
        schema.table(rows, schema.TRACE), asked=asked, rounds=2, rejected=rejected, spent=spent, budget=budget
    )
    expected = Counter(end for end, *_ in ends) + Counter(rejected)
    assert {one.reason: one.instructions for one in told.outcomes if one.instructions} == dict(expected)
    assert told.outcomes[0].reason == "accepted"
    assert [one.reason for one in told.outcomes] == sorted(
        (one.reason for one in told.outcomes), key=REASONS.index
    )
    every = [some for each in spent.values() for some in each]
    assert sum(one.requests for one in told.outcomes) == sum(some.answers for some in every)
    assert sum(one.prompt_tokens for one in told.outcomes) == sum(some.prompt_tokens for some in every)
    assert sum(one.completion_tokens for one in told.outcomes) == sum(
        some.completion_tokens for some in every
    )
    assert sum(one.cost or 0 for one in told.outcomes) == pytest.approx(budget.cost_of(every) or 0)


def test_an_outcome_has_the_cost_of_its_instructions_alone() -> None:
    """By hand: two accepted, one exhausted, and a draft that was a copy and cost nothing more."""
    trace = schema.table(
        [row("a", **ENDS["accepted"]), row("b"), row("b", 2, **ENDS["exhausted"]), row("c", **ENDS["accepted"])],
        schema.TRACE,
    )  # fmt: skip
    spent = {
        "a": [answers("big", 3, 100_000)],
        "b": [answers("small", 6, 10_000)],
        "c": [answers("big", 3, 200_000)],
    }
    told = funnel(
        trace, asked=4, rounds=1, rejected={"duplicate": 1}, spent=spent, budget=Budget(prices=PRICES)
    )
    assert told.outcomes == (
        Outcome(reason="accepted", instructions=2, requests=6, prompt_tokens=300_000, completion_tokens=600_000,
                cost=6.6),
        Outcome(reason="duplicate", instructions=1, cost=0.0),
        Outcome(reason="exhausted", instructions=1, requests=6, prompt_tokens=10_000, completion_tokens=20_000,
                cost=0.025),
    )  # fmt: skip


def test_a_sum_that_does_not_fit_is_said() -> None:
    """It is a mistake of ours, which no run should be lost for."""
    with pytest.warns(UserWarning, match="5 instructions were asked for, and 1 were counted"):
        funnel(
            schema.table([row("a")], schema.TRACE), asked=5, rounds=1, rejected={}, spent={}, budget=Budget()
        )


def test_improvements_that_were_asked_for_again_are_counted_by_reason() -> None:
    """Over all rows of the trace."""
    drafts = [{"reason": "unchanged", "text": "x"}, {"reason": "answer", "text": "y"}]
    trace = schema.table(
        [row("a", rejected=drafts), row("a", 2, rejected=drafts[:1], **ENDS["accepted"])], schema.TRACE
    )
    told = funnel(trace, asked=1, rounds=1, rejected={}, spent={}, budget=Budget())
    assert told.improvements == {"answer": 1, "unchanged": 2}
    assert told.outcomes[0].cost is None


def test_a_run_tells_the_same_again_when_all_is_replayed(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path
) -> None:
    """Responses, judgements and improvements of all outcomes are those of the stages, asked now or replayed."""
    strong, target = (endpoint(server.url) for server in world_of())
    told = []
    for _ in range(2):
        CodecLM(strong=strong, target=target).run(
            seeds, out=tmp_path, num_instructions=12, num_metadata=4, budget=Budget(price_in=3, price_out=15)
        )
        told.append(Manifest.read(tmp_path))
    assert told[0].funnel == told[1].funnel
    assert told[0].funnel is not None
    usage = [some for some in told[0].usage or () if some.stage in ("respond", "judge", "improve")]
    outcomes = told[0].funnel.outcomes
    assert sum(one.instructions for one in outcomes) == told[0].funnel.asked >= 12
    assert sum(one.requests for one in outcomes) == sum(some.answers for some in usage)
    assert sum(one.completion_tokens for one in outcomes) == sum(some.completion_tokens for some in usage)
    assert sum(one.cost or 0 for one in outcomes) == pytest.approx(sum(some.cost or 0 for some in usage))


def test_every_reason_has_words() -> None:
    """The card says what each reason means, and so does the manual."""
    assert set(OUTCOMES) == set(REASONS)
    manual = (Path(__file__).parents[2] / "docs" / "outputs.md").read_text(encoding="utf-8")
    table = manual.split("### What became of every instruction")[1].split("\n## ")[0]
    assert {reason for reason in REASONS if f"`{reason}`" not in table} == set()
