"""The scoring `expected` on servers with and without log-probabilities: seen before anything is paid for."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from codeclm_hf import BadInput, CodecLM, endpoint
from codeclm_hf.run.estimate import Requests
from codeclm_hf.run.manifest import Manifest
from support.model_server import StandIn
from support.world import World, answers

Serve = Callable[..., StandIn]
TOKEN = re.compile(r"[0-9]+|[<>]|[^0-9<>]+")


def reply(body: dict[str, Any], logprobs: Any, thoughts: str = "", **message: Any) -> Any:
    """A judge's reply, with log-probabilities made of its tokens."""
    text = thoughts + json.dumps(answers(World(), "strong")(body["messages"], {"schema": True}))
    choice = {"message": {"content": text, **message}, "finish_reason": "stop", "logprobs": logprobs(text)}
    usage = {"prompt_tokens": 3, "completion_tokens": 3}
    return 200, json.dumps({"choices": [choice], "usage": usage}), "application/json", {}


def told(text: str) -> Any:
    """The log-probabilities of a server that gives some."""

    def entry(token: str) -> dict[str, Any]:
        return {"token": token, "logprob": math.log(0.9)}

    return {"content": [{**entry(token), "top_logprobs": [entry(token)]} for token in TOKEN.findall(text)]}


def refusal(words: str) -> Any:
    return lambda _: (400, json.dumps({"error": {"message": words}}), "application/json", {})


WITHOUT: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "ignored": (lambda body: reply(body, lambda _: None), "gives none; pass --scoring discrete"),
    "an empty list": (lambda body: reply(body, lambda _: {"content": []}), "gives none"),
    "of text completions": (lambda body: reply(body, lambda _: {"tokens": ["7"]}), "gives none"),
    "of other tokens than the answer's": (
        lambda body: reply(body, lambda _: told("Hm."), reasoning_content="Hm."),
        "gives none, at least not of the answer behind its thoughts",
    ),
    "refused": (refusal("logprobs is not supported for this model"), "log-probabilities of the judge's tokens"),
}  # fmt: skip
"""What a judge's server may do in place of giving log-probabilities, and how that is said."""
WITH: dict[str, Callable[[dict[str, Any]], Any]] = {
    "given": lambda body: reply(body, told),
    "given with those of thoughts": lambda body: reply(body, told, "<think>9 9</think>"),
    "given with those of thoughts in a field": lambda body: reply(
        body, lambda text: told("9 9" + text), reasoning_content="9 9"
    ),
}


def scored(models: dict[str, StandIn], seeds: Dataset, out: Path, **settings: Any) -> Any:
    ends = {role: endpoint(server.url) for role, server in models.items()}
    return CodecLM(**ends, scoring="expected", iterations=1, **settings).run(
        seeds, out=out, num_instructions=2, num_metadata=2
    )


@pytest.fixture
def models(world_of: Callable[..., tuple[StandIn, StandIn]], serve: Serve) -> dict[str, StandIn]:
    strong, target = world_of(tgi=False)
    return {"strong": strong, "target": target, "judge": serve(lambda *_: "", tgi=False, model="the-judge")}


@pytest.mark.parametrize("kind", WITHOUT)
def test_a_judge_without_log_probabilities_stops_the_run(
    models: dict[str, StandIn], seeds: Dataset, tmp_path: Path, kind: str
) -> None:
    """Nobody else is asked, and the judge once; the words name its model and what to do."""
    models["judge"].fault, words = WITHOUT[kind]
    for _ in range(2):  # the same again: the server may have been started anew
        with pytest.raises(BadInput, match=re.escape(words)) as refused:
            scored(models, seeds, tmp_path / "out")
        assert "the server of the-judge" in str(refused.value)
    assert (
        len(models["judge"].statuses) <= 4
    )  # a parameter that is refused is left out and asked for once more
    assert models["strong"].asked == models["target"].asked == []


@pytest.mark.parametrize("kind", WITH)
def test_a_judge_with_log_probabilities_is_asked_once_more_than_before(
    models: dict[str, StandIn], seeds: Dataset, tmp_path: Path, kind: str
) -> None:
    """Of the answer's tokens alone, wherever thoughts stand; the same run again asks nothing."""
    models["judge"].fault = WITHOUT["ignored"][0]
    with pytest.raises(BadInput):
        scored(models, seeds, tmp_path / "out")
    models["judge"].fault = WITH[kind]  # started anew, with what was missing
    trace = scored(models, seeds, tmp_path / "out")["trace"]
    assert trace["error"] == [None, None] and None not in trace["strong_score"]
    assert (len(models["judge"].statuses), models["judge"].asked) == (1 + 1 + 2 * 2, [])
    scored(models, seeds, tmp_path / "out")
    assert len(models["judge"].statuses) == 1 + 1 + 2 * 2
    usage = Manifest.read(tmp_path / "out").usage or ()
    assert [row.answers for row in usage if row.role == "judge"] == [4]


@pytest.mark.parametrize("settings", [{"contrastive_filter": False}])
def test_where_nothing_is_judged_nothing_is_probed(
    models: dict[str, StandIn], seeds: Dataset, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """The scoring has no effect there."""
    scored(models, seeds, tmp_path / "out", **settings)
    assert models["judge"].statuses == []


def test_a_probe_without_an_answer_stops_nothing(
    models: dict[str, StandIn], seeds: Dataset, tmp_path: Path
) -> None:
    """It tells nothing of the log-probabilities; nor does a refusal of something else."""

    def fault(body: dict[str, Any]) -> Any:
        is_probe = "What is 2 + 2?" in str(body["messages"])
        return next(refusals, WITH["given"](body)) if is_probe else WITH["given"](body)

    refusals = iter(
        [refusal("no")({}), (200, '{"choices": [{"message": {"content": ""}}]}', "application/json", {})]
    )
    models["judge"].fault = fault
    for n in range(2):
        assert scored(models, seeds, tmp_path / str(n))["trace"]["error"] == [None, None]


def test_the_plan_counts_the_probe(models: dict[str, StandIn], seeds: Dataset) -> None:
    """It is one request more."""
    ends = {role: endpoint(server.url) for role, server in models.items()}
    plans = [
        CodecLM(**ends, scoring=scoring).plan(seeds, num_instructions=2, num_metadata=2)
        for scoring in ("expected", "discrete")
    ]
    assert plans[0] == [Requests("probe", 1, 1), *plans[1]]
