"""results.json: written and read back without a loss; what is no such file is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf import BadInput
from codeclm_hf.evaluation.outcomes import OUTCOMES
from codeclm_hf.evaluation.results import (
    RESULTS,
    BenchmarkSource,
    Models,
    NotJudged,
    parse_results,
    read_results,
    results_text,
)
from codeclm_hf.run.manifest import StageUsage
from support.evaluations import comparison, results_of
from support.hostile_text import TEXTS

USAGE = StageUsage(stage="judge", role="judge", model="m", answers=2, prompt_tokens=9, completion_tokens=1)


@given(st.lists(st.tuples(st.sampled_from([*OUTCOMES, None]), TEXTS), max_size=20), TEXTS, st.none() | TEXTS)
def test_results_are_read_back_as_they_were_written(
    rows: list[tuple[str | None, str]], text: str, license: str | None
) -> None:
    """Whatever models and groups are called, and where numbers are missing."""
    results = results_of(
        [comparison(outcome, use_case) for outcome, use_case in rows],
        Models(candidate=text, reference=text, judge=text),
        benchmark=BenchmarkSource(rows=1, sources=(text,), license=license, repeated=0),
        without_a_response={"candidate": 1},
        usage=(USAGE,),
    )
    written = results_text(results)
    assert parse_results(written) == results
    assert results_text(parse_results(written)) == written


def test_the_names_in_the_file_come_in_their_order() -> None:
    """A group begins with its name, the judge's report with whether it is fit; no license is no key."""
    document = json.loads(results_text(results_of([comparison("win")])))
    assert list(document) == [
        "codeclm_hf", "models", "settings", "benchmark", "judge", "overall", "by", "groups", "not_judged",
        "without_a_response", "to_other_instructions", "usage",
    ]  # fmt: skip
    assert list(document["groups"][0]) == ["name", *document["overall"]]
    assert list(document["overall"]) == [
        "instructions", "not_judged", "wins", "ties", "losses", "comparisons", "capacity_recovery_ratio", "wilson_low",
        "wilson_high", "bootstrap_low", "bootstrap_high", "order_disagreement",
    ]  # fmt: skip
    assert list(document["judge"])[:2] == ["fit", "judge"]
    assert list(document["benchmark"]) == ["rows", "sources", "repeated"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda document: [], "it is not an object but list"),
        (lambda document: document.pop("models") and document, "it lacks `models`"),
        (lambda document: {**document, "models": {"candidate": "a"}}, "`models` lacks `reference`"),
        (lambda document: {**document, "groups": [{"name": 1}]}, r"`groups\[0\].name` is not a text but int"),
        (lambda document: {**document, "by": False}, "`by` is not a text but bool"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, spoil: Any, words: str) -> None:
    """In words that say what is missing or wrong, and which folder it is."""
    document = json.loads(results_text(results_of([comparison("win")])))
    (tmp_path / RESULTS).write_text(json.dumps(spoil(document)))
    with pytest.raises(BadInput, match=rf"codeclm-hf evaluate made; .* is none \({words}"):
        read_results(tmp_path)


def test_reasons_are_listed_where_there_are_any() -> None:
    """As a report and the command line say them."""
    reasons = NotJudged(
        without_a_response=2, with_an_unreadable_judgement=0, without_an_instruction=1, failed_otherwise=0
    )
    assert reasons.summary == "2 without a response, 1 without an instruction"
