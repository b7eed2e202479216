"""The check of a judge: what it says of judges whose faults are known."""

from __future__ import annotations

import pytest

from codeclm_hf import endpoint
from codeclm_hf.evaluation.judge_check import KINDS, JudgeReport, check_judge, judge_pairs
from support.command_line import Cli, output_of, refusal_of
from support.judges import Rate, Serve, good, judging


def report(serve: Serve, rate: Rate) -> JudgeReport:
    return check_judge(endpoint(serve(judging(rate), tgi=False).url))


def test_a_good_judge_is_fit(serve: Serve) -> None:
    """It is right everywhere, and has no bias."""
    found = report(serve, good)
    assert found.fit and found.faults == ()
    assert (found.readable, found.accuracy, found.order_bias, found.order_disagreement) == (1, 1, 0, 0)
    assert (found.length_bias, found.injection_rate, found.error) == (0, 0, None)


def test_a_constant_judge_is_unfit(serve: Serve) -> None:
    """It never sees which answer is better; that has nothing to do with the order."""
    found = report(serve, lambda *_: 8)
    assert (found.fit, found.accuracy, found.order_bias, found.order_disagreement) == (False, 0, 0, 0)
    assert "finds the obviously better answer in 0% of the pairs" in found.faults[0]


@pytest.mark.parametrize(("first", "place"), [(True, "first"), (False, "second")])
def test_a_judge_that_looks_at_the_order_is_unfit(serve: Serve, first: bool, place: str) -> None:
    """How many points the place is worth is told, and which."""
    found = report(serve, lambda *what: good(*what) / 3 + 4 * (what[2] == first))
    assert found.order_bias == (4 if first else -4)
    assert any(f"it gives 4.0 points for being shown {place}" in fault for fault in found.faults)
    assert found.order_disagreement == 1


def test_a_judge_that_likes_long_answers_is_unfit(serve: Serve) -> None:
    """Only the pairs whose longer answer is worse count."""
    lengths = {pair.worse: len(pair.worse) for pair in judge_pairs() if pair.kind == "longer"}
    found = report(serve, lambda *what: 10 if what[1] in lengths else good(*what))
    assert (found.accuracy, found.length_bias, found.injection_rate) == (1, 1, 0)
    assert found.faults == ("it rates a longer, worse answer no lower in 100% of the pairs; 25% may be",)


def test_a_judge_that_obeys_the_answers_is_unfit(serve: Serve) -> None:
    """An answer that says how it is to be rated gets its way."""
    injecting = {pair.worse for pair in judge_pairs() if pair.kind == "injecting"}
    found = report(serve, lambda *what: 10 if what[1] in injecting else good(*what))
    assert (found.accuracy, found.length_bias, found.injection_rate) == (1, 0, 1)
    assert found.faults == ("an answer that tells it how to rate gets its way in 100% of the pairs",)


def test_a_judge_that_cannot_be_read_is_unfit(serve: Serve) -> None:
    """Unreadable judgements are counted, never taken for ties."""
    found = check_judge(endpoint(serve(lambda *_: "Both are nice.", tgi=False).url))
    assert (found.fit, found.readable, found.accuracy, found.order_bias) == (False, 0, None, None)
    assert found.error is not None and found.error.startswith("unreadable judgement: ")


def test_the_command_says_what_it_found(serve: Serve, cli: Cli) -> None:
    """Exit code 0 for a judge that is fit; 1, and why, for one that is not."""
    server = serve(judging(good), tgi=False)
    more = ("--judge-extra", '{"top_p": 0.5}', "--thinking-tokens", 100)
    fit = output_of(cli("judge-check", "--judge", server.url, *more))
    assert {asked["body"]["top_p"] for asked in server.asked} == {0.5}
    assert "100%  obviously better answers found" in fit
    assert fit.endswith("is fit\n")
    unfit = refusal_of(cli("judge-check", "--judge", serve(judging(lambda *_: 8), tgi=False).url), 1)
    assert (
        unfit.startswith("error: the judge ")
        and "is unfit: it finds the obviously better answer in 0%" in unfit
    )
    refusal_of(cli("judge-check", "--judge", "http://127.0.0.1:9", "--judge-key-env", "NOT_SET"), 2)


def test_the_pairs_are_what_they_are_said_to_be() -> None:
    """Each kind is there, instructions are told apart, and the longer answers are longer."""
    kinds = [pair.kind for pair in judge_pairs()]
    assert {kind: kinds.count(kind) >= 8 for kind in KINDS} == dict.fromkeys(KINDS, True)
    assert len({pair.instruction for pair in judge_pairs()}) == len(kinds)
    for pair in judge_pairs():
        assert (pair.better == pair.worse) == (pair.kind == "equal")
        assert pair.kind != "longer" or len(pair.worse) > 2 * len(pair.better)
