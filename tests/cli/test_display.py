"""What the command line shows of a run's tokens."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from codeclm_hf.card.shapes import RunConfig
from codeclm_hf.cli.display import print_summary
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
