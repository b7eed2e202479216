"""Compare: a candidate's answers beside a reference's, judged in both orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from datasets import Dataset

from codeclm_hf import endpoint, schema
from codeclm_hf.evaluation.comparisons import comparisons, with_outcomes
from codeclm_hf.stages.compare import Compare
from support.judges import judging, shown
from support.model_server import StandIn

Serve = Callable[..., StandIn]
SCORES = {"good": 9, "fair": 6, "poor": 2}


def rate(_: str, answer: str, __: bool) -> float:
    return SCORES.get(answer, 5)


def compared(
    serve: Serve, rows: list[dict[str, Any]], judge: Any = None, **more: Any
) -> list[dict[str, Any]]:
    server = serve(judge or judging(rate), tgi=False)
    judgements = Compare(judge=endpoint(server.url), **more).map(Dataset.from_list(rows))
    assert judgements.features == schema.JUDGEMENTS
    table = with_outcomes(judgements, comparisons(judgements))
    assert table.features == schema.COMPARISONS
    return table.to_list()


def answered(candidate: str | None, reference: str | None) -> dict[str, Any]:
    return {"instruction": "Do it.", "candidate_response": candidate, "reference_response": reference}


@pytest.mark.parametrize(
    ("candidate", "reference", "outcome"),
    [("good", "fair", "win"), ("poor", "fair", "loss"), ("fair", "fair", "tie")],
)
def test_the_outcome_is_the_candidates(serve: Serve, candidate: str, reference: str, outcome: str) -> None:
    """Scores are [candidate, reference] whichever is shown first."""
    (row,) = compared(serve, [answered(candidate, reference)])
    scores = [SCORES[candidate], SCORES[reference]]
    assert (row["outcome"], row["scores_candidate_first"], row["scores_reference_first"]) == (
        outcome,
        scores,
        scores,
    )


def test_winning_in_one_order_is_a_tie(serve: Serve) -> None:
    """The one who is shown first wins: nobody does."""
    (row,) = compared(serve, [answered("good", "fair")], judging(lambda _, __, first: 8 if first else 7))
    assert (row["scores_candidate_first"], row["scores_reference_first"], row["outcome"]) == (
        [8, 7],
        [7, 8],
        "tie",
    )


def test_missing_answers_are_asked_for(serve: Serve) -> None:
    """Of the endpoint of that side, with the bare instruction."""
    candidate, reference = (serve(lambda *_, say=say: say, tgi=False) for say in ("good", "poor"))
    ends = {"candidate": endpoint(candidate.url), "reference": endpoint(reference.url)}
    rows = compared(serve, [answered(None, None), {**answered("fair", None), "instruction": "More."}], **ends)
    assert [(row["candidate_response"], row["reference_response"]) for row in rows] == [
        ("good", "poor"),
        ("fair", "poor"),
    ]
    assert [asked["messages"][0]["content"] for asked in candidate.asked] == ["Do it."]
    assert sorted(asked["messages"][0]["content"] for asked in reference.asked) == ["Do it.", "More."]


def test_a_side_without_an_answer_is_told(serve: Serve) -> None:
    """The row has no outcome, and what there is stays."""
    (row,) = compared(serve, [answered("good", None)])
    assert (row["outcome"], row["candidate_response"]) == (None, "good")
    assert (
        row["error"] == "there is no reference response to this instruction, and no endpoint to ask for one"
    )


def test_an_unreadable_judgement_is_no_tie(serve: Serve) -> None:
    """It has no outcome, and says so."""
    (row,) = compared(serve, [answered("good", "fair")], lambda *_: "Hard to say.")
    assert row["outcome"] is None
    assert row["error"].startswith("unreadable judgement: ")


def test_what_stands_in_a_row_stays(serve: Serve) -> None:
    """Where it comes from, and what it is about."""
    of = {"id": "x", "source": "file:1", "use_case": "chores", "skills": ["doing"]}
    (row,) = compared(serve, [{**answered("good", "fair"), **of}])
    assert {name: row[name] for name in of} == of


def test_the_explanation_comes_after_the_scores_and_is_not_read(serve: Serve) -> None:
    """Also where it is cut off, or speaks of numbers; it stands beside them."""
    for said in (
        '{"scores": [7, 3], "explanation": "Assistant 2: 9 of',
        "7 3\nAssistant 2: 9 would be too much.\n9 9",
    ):
        (row,) = compared(serve, [answered("good", "fair")], lambda *_, said=said: said)
        assert row["scores_candidate_first"] == [7, 3]
    assert row["explanations"] == ["Assistant 2: 9 would be too much.\n9 9"] * 2
    server = serve(judging(rate), tgi=False)
    Compare(judge=endpoint(server.url)).map(Dataset.from_list([answered("good", "fair")]))
    (row,) = compared(serve, [answered("good", "fair")])
    assert row["explanations"] == ["Assistant 2 names 3 facts, assistant 1 scores 4 of them."] * 2
    assert {asked["temperature"] for asked in server.asked} == {0}
    assert [*server.asked[0]["schema"]["properties"]] == ["scores", "explanation"]
    assert {shown(asked["messages"][0]["content"])[1:] for asked in server.asked} == {
        ("good", "fair"),
        ("fair", "good"),
    }
