"""The transport: which failures are retried, which stop the run, which fail a row, and what none of them may say."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from codeclm_hf import Completion, Endpoint, GenerationRequest, Message, endpoint
from codeclm_hf.endpoints import attempts, http, transport
from codeclm_hf.endpoints.credentials import public_url
from codeclm_hf.errors import (
    AccessDenied,
    CodecLMError,
    EndpointDown,
    EndpointError,
    GenerationFailed,
    RequestRejected,
)
from support.model_server import StandIn

Serve = Callable[..., StandIn]
REQUEST = GenerationRequest(messages=(Message("user", "hello"),), seed=1)


def ask(server: StandIn, **options: Any) -> str:
    return transport.run(endpoint(server.url, **options).generate(REQUEST)).text


JSON, TEXT, HTML = "application/json", "text/plain", "text/html"
OVERLOADED = (429, '{"error": "Model is overloaded", "error_type": "overloaded"}', JSON, {})
STARTING = (
    503,
    "<html><title>503</title><body>Service Unavailable</body></html>",
    HTML,
    {"Retry-After": "0"},
)
BROKEN = (424, '{"error": "Request failed during generation", "error_type": "generation"}', JSON, {})
TORN = (200, '{"choices": [{"mess', JSON, {})


@pytest.mark.parametrize(
    "fault", [OVERLOADED, STARTING, BROKEN, TORN, "drop"], ids=["429", "503", "424", "torn", "dropped"]
)
def test_what_may_pass_is_tried_again(serve: Serve, fault: Any) -> None:
    """An overloaded, starting or broken server, torn JSON and a dropped connection are each asked again."""
    server = serve(lambda *_: "hi")
    connected = endpoint(server.url)
    server.script = [fault, fault, fault]
    assert transport.run(connected.generate(REQUEST)).text == "hi"
    assert server.script == []


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (OVERLOADED, EndpointDown, "Model is overloaded"),
        (STARTING, EndpointDown, "answered 503: 503 Service Unavailable"),
        (BROKEN, GenerationFailed, "failed during generation"),
        (TORN, GenerationFailed, "which is no JSON"),
        ((200, '{"error": "out of memory"}', JSON, {}), GenerationFailed, "out of memory"),
        ((200, '{"choices": []}', JSON, {}), GenerationFailed, "answered 200 with no"),
        (
            (422, '{"error": "`inputs` tokens + `max_new_tokens` must be <= 4096"}', JSON, {}),
            RequestRejected,
            "<= 4096",
        ),
        ((422, "Failed to deserialize the JSON body: x", TEXT, {}), RequestRejected, "Failed to deserialize"),
        ((400, '{"object": "error", "message": "too long"}', JSON, {}), RequestRejected, "too long"),
        ((413, "", TEXT, {}), RequestRejected, "answered 413"),
        ((401, "", TEXT, {}), AccessDenied, "give a valid token"),
        ((404, '{"detail": "Not Found"}', JSON, {}), EndpointError, "takes no such requests"),
        ((307, "", TEXT, {"Location": "?again"}), EndpointError, "redirects in circles"),
    ],
)
def test_every_failure_becomes_one_error_of_ours(
    serve: Serve, fault: Any, error: type[CodecLMError], words: str
) -> None:
    """A failure that does not pass becomes the error of its kind, with the server's own words."""
    server = serve(lambda *_: "hi")
    connected = endpoint(server.url)
    server.script = [fault] * 1000
    with pytest.raises(error) as raised:
        transport.run(connected.generate(REQUEST))
    assert type(raised.value) is error
    assert words in str(raised.value)


@pytest.mark.parametrize("counted", ["7", "", "abc", "-1", "1e3", "9" * 5000, "²"])
def test_an_odd_header_is_no_error(serve: Serve, counted: str) -> None:
    """TGI counts the prompt's tokens in a header; where it holds no number, none are counted."""
    server = serve(lambda *_: "hi")
    connected = endpoint(server.url)
    details = {"finish_reason": "eos_token", "generated_tokens": 1, "seed": None, "prefill": [], "tokens": []}
    answer = json.dumps({"generated_text": "hi", "details": details})
    server.script = [(200, answer, JSON, {"x-prompt-tokens": counted})]
    completion = transport.run(connected.generate(REQUEST))
    assert (completion.text, completion.prompt_tokens) == ("hi", 7 if counted == "7" else 0)


def test_what_cannot_pass_is_not_tried_again(serve: Serve) -> None:
    """A refused request is sent once."""
    server = serve(lambda *_: "hi")
    connected = endpoint(server.url)
    server.script = [(422, "no", TEXT, {})] * 3
    with pytest.raises(RequestRejected):
        transport.run(connected.generate(REQUEST))
    assert len(server.script) == 2


def test_a_server_that_went_away_is_an_endpoint_down(serve: Serve) -> None:
    """A refused connection, after every retry, stops the run with an error that names the server."""
    server = serve(lambda *_: "hi")
    connected = endpoint(server.url)
    server.stop()
    with pytest.raises(EndpointDown, match="does not answer"):
        transport.run(connected.generate(REQUEST))


def test_the_token_goes_to_its_server_and_nowhere_else(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The token is in the request's header, and in no error, log, repr or pickle."""
    import pickle

    caplog.set_level(logging.DEBUG)
    server = serve(lambda *_: "hi", token="s3cret")
    assert ask(server, api_key="s3cret") == "hi"
    assert server.asked[0]["headers"]["Authorization"] == "Bearer s3cret"
    connected = endpoint(server.url, api_key="s3cret")
    server.token = "changed"
    with pytest.raises(AccessDenied) as raised:
        transport.run(connected.generate(REQUEST))
    for shown in (str(raised.value), caplog.text, repr(connected), pickle.dumps(connected).decode("latin-1")):
        assert "s3cret" not in shown


@pytest.mark.parametrize("status", [200, 401, 422, 500])
def test_a_server_that_repeats_the_token_cannot_make_us_show_it(serve: Serve, status: int) -> None:
    """Our token is taken out of the server's own words, which end in logs and `error` columns."""
    server = serve(lambda *_: "hi")
    connected = endpoint(server.url, api_key="s3cret")
    server.script = [(status, '{"error": "bad token Bearer s3cret"}', JSON, {})] * 1000
    with pytest.raises(CodecLMError, match="bad token Bearer …"):
        transport.run(connected.generate(REQUEST))


def test_a_reply_of_another_form_cannot_make_us_show_it_either(serve: Serve) -> None:
    """A 200 that is no answer is quoted without our token."""
    server = serve(lambda *_: "hi")
    connected = endpoint(server.url, api_key="s3cret")
    server.script = [(200, '{"headers": {"Authorization": "Bearer s3cret"}}', JSON, {})] * attempts.TRIES
    with pytest.raises(GenerationFailed, match=r"answered 200 with no .*Bearer …") as raised:
        transport.run(connected.generate(REQUEST))
    assert "s3cret" not in "".join(traceback.format_exception(raised.value))


def test_a_server_that_takes_no_connection_costs_the_request_no_try() -> None:
    """A host that drops packets is one that is down, not one that broke on the request."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        address = deaf.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # they fill the queue of connections to accept
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        with pytest.raises(EndpointDown, match="does not answer") as raised:
            client = http.Client(f"http://127.0.0.1:{address[1]}", connect_timeout=0.2)
            transport.run(client.post("/generate", {}))
        assert raised.value.tries == 0
        for each in waiting:
            each.close()


def test_credentials_in_a_url_are_not_shown() -> None:
    """A user, password or query in a URL stays out of what is shown."""
    assert public_url("http://user:pass@host:80/base/?key=1#x") == "http://host/base"


def test_no_more_are_in_flight_than_allowed(serve: Serve) -> None:
    """At most `concurrency` requests are in flight at a server, also when two endpoints ask it."""
    server = serve(lambda *_: "hi", latency=0.001)
    ask_many(40, endpoint(server.url, concurrency=3), endpoint("chat+" + server.url, concurrency=5))
    assert server.most_in_flight == 3
    server.told, server.most_in_flight = 2, 0
    ask_many(40, endpoint(server.url, concurrency=100))
    assert server.most_in_flight == 2


def ask_many(n: int, *endpoints: Endpoint) -> list[str]:
    """n different requests at once, to each endpoint in turn."""

    async def all_of_them() -> list[Completion]:
        requests = [replace(REQUEST, seed=seed) for seed in range(n)]
        return await asyncio.gather(
            *(endpoints[i % len(endpoints)].generate(request) for i, request in enumerate(requests))
        )

    return [completion.text for completion in transport.run(all_of_them())]
