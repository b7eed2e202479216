"""What the command line shows of a run's tokens."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from codeclm_hf.card.shapes import Funnel, Outcome, RunConfig
from codeclm_hf.cli.display import print_summary
from codeclm_hf.cli.funnel_display import print_funnel
from codeclm_hf.run.manifest import Manifest, StageUsage
from support.manifests import distributions_from

USAGE = StageUsage(
    stage="respond", role="strong", model="m", answers=3, prompt_tokens=10, completion_tokens=200
)


@pytest.mark.parametrize(
    ("usage", "shown", "unshown"),
    [
        ([USAGE], ["completion tokens", "│ 200 │"], ["of thoughts", "~", "estimated"]),
        ([replace(USAGE, thinking_tokens=150), USAGE], ["of thoughts", "150 │", "│ 0 │", "400 │"], ["~"]),
        ([replace(USAGE, estimated=2), USAGE], ["~200 │", "│ 200 │", "~400 │", "tokens of 2 answers"],
         ["of thoughts"]),
        ([replace(USAGE, estimated=1, thinking_tokens=7)], ["of thoughts", "~7 │", "no tokens of 1 answers"], []),
    ],
)  # fmt: skip
def test_thoughts_and_estimates_are_told_where_there_are_any(
    usage: list[StageUsage], shown: list[str], unshown: list[str]
) -> None:
    """A column for the tokens of thoughts, and a mark at numbers that are our estimate."""
    config = RunConfig(threshold=3.0, contrastive_filter=True)
    manifest = Manifest(codeclm_hf="0.1.0", models={}, config=config, status="complete", usage=tuple(usage))
    out = io.StringIO()
    print_summary(Console(file=out, width=200), manifest)
    text = " ".join(out.getvalue().split()).replace("┃", "│")
    assert [words for words in shown if words not in text] == []
    assert [words for words in unshown if words in text] == []


def test_flags_are_told_by_role() -> None:
    """In one line, the most frequent first; where no response has one there is no such line."""
    shown = []
    for flags in ({"strong": {"cut_off": 3, "refusal": 1}, "target": {"[b]x": 5}}, {}):
        config = RunConfig(threshold=3.0, contrastive_filter=True)
        found = distributions_from({"flags": flags})
        manifest = Manifest(
            codeclm_hf="0.1.0", models={}, config=config, status="complete", distributions=found
        )
        out = io.StringIO()
        print_summary(Console(file=out, width=200), manifest)
        shown.append([line for line in out.getvalue().splitlines() if line.startswith("flags")])
    assert shown == [["flags: strong cut_off 3, refusal 1; target [b]x 5"], []]


FUNNEL = Funnel(
    asked=200_000,
    rounds=3,
    outcomes=(
        Outcome(reason="accepted", instructions=50_000, requests=300_000, prompt_tokens=210_000_000,
                completion_tokens=90_000_000, cost=1200.0),
        Outcome(reason="near_duplicate", instructions=50_000, cost=0.0),
        Outcome(reason="exhausted", instructions=100_000, requests=1_000_000, prompt_tokens=700_000_000,
                completion_tokens=300_000_000, cost=4000.0),
    ),
    improvements={"answer": 7, "unchanged": 12},
)  # fmt: skip


@pytest.mark.parametrize("priced", [True, False])
def test_what_became_of_the_instructions_is_told_with_its_cost(priced: bool) -> None:
    """By outcome, and by stage for each accepted row, in 80 columns; without prices nothing is said of money."""
    cost = 500.0 if priced else None
    usage = [
        replace(USAGE, answers=75_000, cost=cost),
        replace(USAGE, stage="judge", answers=150_000, cost=cost),
    ]
    outcomes = FUNNEL.outcomes if priced else tuple(replace(one, cost=None) for one in FUNNEL.outcomes)
    out = io.StringIO()
    print_funnel(Console(file=out, width=80), replace(FUNNEL, outcomes=outcomes), usage)
    text = " ".join(out.getvalue().split())
    for words in (
        "accepted │ 50000 │ 25.0 % │ 300000 │ 300000000 │" + priced * " 1200.00 │",
        "near_duplicate │ 50000 │ 25.0 % │ 0 │ 0 │" + priced * " 0.00 │",
        "all │ 200000 │ 100.0 % │ 1300000 │ 1300000000 │" + priced * " 5200.00 │",
        "asked for in 3 rounds; improvements asked for again: answer 7, unchanged 12",
        "respond │ 1.5 │ 0 │" + priced * " 0.01",
        "judge │ 3.0 │ 0 │" + priced * " 0.01",
        "all │ 4.5 │ 0 │" + priced * " 0.02",
    ):
        assert words in text
    assert ("cost" in text) is priced
    assert max(map(len, out.getvalue().splitlines())) <= 80


def test_nothing_accepted_has_no_cost_for_each() -> None:
    """What became of the instructions is told all the same."""
    nothing = Funnel(
        asked=3,
        outcomes=(Outcome(reason="accepted", instructions=0), Outcome(reason="failed", instructions=3)),
    )
    out = io.StringIO()
    print_funnel(Console(file=out, width=80), nothing, [USAGE])
    assert "For each" not in out.getvalue()
    assert "failed" in out.getvalue()
