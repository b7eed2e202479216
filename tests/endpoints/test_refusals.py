"""What a run does about a refusal: a table of what servers and gateways say, and the kinds that it stands for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from codeclm_hf import GenerationRequest, Message
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.chat import Chat
from codeclm_hf.endpoints.http import Client
from codeclm_hf.endpoints.pool import Pool, Replica
from codeclm_hf.errors import (
    EndpointDown,
    EndpointError,
    GenerationFailed,
    RequestRejected,
)
from support import refusals
from support.model_server import StandIn
from support.refusals import Case, Lesson

SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
REQUEST = GenerationRequest(
    messages=(Message("user", "What is a random seed, and what a temperature?"),),
    seed=1,
    temperature=0,
    max_new_tokens=64,
    schema=SCHEMA,
    top_logprobs=20,
)
ASKED = {
    "max_tokens": 64,
    "temperature": 0,
    "seed": 1,
    "logprobs": True,
    "top_logprobs": 20,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
    },
}
Ask = Callable[..., str]


@pytest.fixture
def server() -> Iterator[StandIn]:
    server = StandIn(lambda *_: "hi", tgi=False)
    yield server
    server.close()


@pytest.fixture
def pool(server: StandIn) -> Pool:
    client = Client(server.url)
    return Pool([Replica(Chat(client=client, model="m", identity="m"))], slots=16, give_up_after=300)


def ask(pool: Pool, seed: int = 1) -> str:
    return transport.run(pool.generate(replace(REQUEST, seed=seed))).text


def reply(case: Case) -> tuple[int, str, str, dict[str, str]]:
    """What the stand-in is scripted with."""
    if isinstance(case.said, str):
        return case.status, case.said, "text/html" if "<" in case.said else "text/plain", case.headers
    return case.status, json.dumps(case.said), "application/json", case.headers


def body(server: StandIn, n: int = -1) -> dict[str, Any]:
    """The parameters of a request that was answered."""
    return {
        name: value for name, value in server.asked[n]["body"].items() if name not in ("model", "messages")
    }


@pytest.mark.parametrize("case", refusals.WAITS, ids=str)
def test_what_may_pass_is_waited_for(server: StandIn, pool: Pool, case: Case) -> None:
    """The request is sent again, as it was, until it is answered."""
    server.script = [reply(case)] * 3
    assert ask(pool) == "hi"
    assert (len(server.statuses), body(server)) == (4, ASKED)


@pytest.mark.parametrize("case", refusals.BREAKS, ids=str)
def test_what_broke_has_its_tries(server: StandIn, pool: Pool, case: Case) -> None:
    """Seven times is not too often; the row then fails in the server's words."""
    server.script = [reply(case)] * 7
    assert ask(pool) == "hi"
    server.script = [reply(case)] * 8
    with pytest.raises(GenerationFailed, match="answered"):
        ask(pool)
    assert server.script == []


@pytest.mark.parametrize("case", refusals.UNKNOWN_SHAPES, ids=str)
def test_a_shape_that_is_not_known_is_asked_for_once_again(server: StandIn, pool: Pool, case: Case) -> None:
    """Once is chance; twice is what the server answers, and the row says what that is."""
    server.script = [reply(case)]
    assert ask(pool) == "hi"
    server.script = [reply(case)] * 3
    with pytest.raises(GenerationFailed, match="answered 200 with"):
        ask(pool)
    assert len(server.script) == 1


@pytest.mark.parametrize("case", refusals.ROWS, ids=str)
def test_what_can_never_go_well_fails_its_row(server: StandIn, pool: Pool, case: Case) -> None:
    """At once, in the server's words; the next row is answered."""
    server.fault = lambda _: reply(case)
    with pytest.raises(RequestRejected, match="answered") as raised:
        ask(pool)
    assert len(server.statuses) <= 2, "next to nothing is asked again"
    assert case.shows in str(raised.value)
    server.fault = None
    assert (ask(pool), body(server)) == ("hi", ASKED)


@pytest.mark.parametrize("case", refusals.STOPS, ids=str)
def test_what_is_about_every_request_stops_the_run(server: StandIn, pool: Pool, case: Case) -> None:
    """At once, with what to do, and no secret of a URL."""
    server.fault = lambda _: reply(case)
    with pytest.raises(EndpointError) as raised:
        ask(pool)
    assert not isinstance(raised.value, EndpointDown)
    assert len(server.statuses) == 1
    assert case.shows in str(raised.value)
    for other in {"credits are spent", "no such model", "give a valid token", "redirects"} - {case.shows}:
        assert other not in str(raised.value) or "redirects" in case.shows
    assert "base URL" not in str(raised.value), "that is asked while connecting"
    assert "pa55" not in str(raised.value) and "key=k" not in str(raised.value)


@pytest.mark.parametrize("case", refusals.LESSONS, ids=str)
def test_a_parameter_that_is_not_taken_is_learnt(
    server: StandIn, pool: Pool, case: Lesson, caplog: pytest.LogCaptureFixture
) -> None:
    """The refused request is answered without it, the others stay, later requests go without, and it is said once."""
    server.fault = lambda body: reply(case) if case.refuses(body) else None
    assert [ask(pool, seed) for seed in range(3)] == ["hi"] * 3
    wanted = {name: value for name, value in {**ASKED, **case.then}.items() if value is not None}
    for n in range(3):
        assert body(server, n) == {**wanted, **({"seed": n} if "seed" in wanted else {})}
    assert server.statuses[-2:] == [200, 200]
    said = [record.message for record in caplog.records if record.name == "codeclm_hf"]
    assert all(server.url in line and "from now on" in line for line in said)
    assert 1 <= len(said) == len(set(said)) <= 2


@pytest.mark.parametrize("case", refusals.NO_JSON, ids=str)
def test_no_json_is_about_one_answer(server: StandIn, pool: Pool, case: Case) -> None:
    """It is asked again as it was, then without the schema, and the next request has the schema again."""
    server.script = [reply(case)]
    assert (ask(pool), body(server)) == ("hi", ASKED)
    server.fault = lambda body: reply(case) if "response_format" in body else None
    assert ask(pool) == "hi"
    assert "response_format" not in body(server)
    server.fault = None
    assert (ask(pool), body(server)) == ("hi", ASKED)
