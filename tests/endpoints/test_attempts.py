"""Who is to blame where requests fail, one among others or all alike, and which model it was that answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codeclm_hf import GenerationRequest, Message
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.attempts import ALIKE, TRIES, TRIVIAL
from codeclm_hf.endpoints.chat import Chat
from codeclm_hf.endpoints.http import Client
from codeclm_hf.endpoints.journal import Journal, JournaledEndpoint
from codeclm_hf.endpoints.pool import Pool, Replica
from codeclm_hf.endpoints.protocol import Completion, Usage
from codeclm_hf.errors import (
    AccessDenied,
    EndpointDown,
    EndpointError,
    GenerationFailed,
    ModelChanged,
    RequestRejected,
)
from support.clock import FastClock
from support.model_server import StandIn

TEXT, JSON = "text/plain", "application/json"
REQUEST = GenerationRequest(messages=(Message("user", "hello"),), seed=0)
Connect = Callable[..., Pool]


@pytest.fixture
def server() -> Iterator[StandIn]:
    server = StandIn(lambda *_: "hi", tgi=False)
    yield server
    server.close()


@pytest.fixture
def connect(server: StandIn) -> Connect:
    """Make a new endpoint on the server."""

    def connect(*, slots: int = 16, **options: Any) -> Pool:
        chat = Chat(client=Client(server.url), model="m", identity="m", **options)
        return Pool([Replica(chat)], slots=slots, give_up_after=300)

    return connect


def prompt(text: str) -> GenerationRequest:
    return replace(REQUEST, messages=(Message("user", text),))


def ask(pool: Pool, *requests: GenerationRequest) -> list[Completion | BaseException]:
    """Ask all at once."""

    async def together() -> list[Completion | BaseException]:
        return await asyncio.gather(*map(pool.generate, requests), return_exceptions=True)

    return transport.run(together())


def kinds(results: list[Completion | BaseException]) -> list[type]:
    return [type(result) for result in results]


def when(text: str, status: int, words: str = "", **headers: str) -> Callable[[dict[str, Any]], Any]:
    """A server that refuses prompts with a text."""
    return lambda body: (status, words, TEXT, headers) if text in json.dumps(body) else None


@pytest.mark.parametrize("status", [500, 502, 520, 524])
def test_a_dead_backend_behind_a_gateway_is_down(
    server: StandIn, connect: Connect, clock: FastClock, status: int
) -> None:
    """Where nobody is answered no row is blamed: the server is waited for with longer and longer pauses."""
    pool, begun = connect(), clock.now()
    server.fault = lambda _: (status, "", TEXT, {})

    async def together() -> None:
        await asyncio.gather(*(pool.generate(prompt(f"row {n}")) for n in range(30)))

    with pytest.raises(
        EndpointDown, match="gave up after 300 s without an answer; run again to go on"
    ) as raised:
        transport.run(together())
    assert not raised.value.retryable
    assert 300 <= clock.now() - begun
    assert len(server.statuses) < 100


def test_a_backend_that_comes_back_costs_no_row(server: StandIn, connect: Connect, clock: FastClock) -> None:
    """200 s of 502 for everybody, and then all are answered."""
    pool, until = connect(), clock.now() + 200
    server.fault = lambda _: (502, "", TEXT, {}) if clock.now() < until else None
    assert kinds(ask(pool, *(prompt(f"row {n}") for n in range(30)))) == [Completion] * 30


@pytest.mark.parametrize("status", [500, 502, 503, 524])
def test_one_request_that_breaks_the_server_fails_its_row(
    server: StandIn, connect: Connect, status: int
) -> None:
    """Others are answered in between, so it is this one; it does not hold up the run."""
    server.fault = when("poison", status, "boom")
    results = ask(connect(slots=2), *(prompt("poison" if n == 5 else f"row {n}") for n in range(200)))
    assert kinds(results) == [GenerationFailed if n == 5 else Completion for n in range(200)]
    assert "boom, again and again" in str(results[5])


def test_one_request_alone_that_breaks_the_server_fails_its_row_too(
    server: StandIn, connect: Connect, clock: FastClock
) -> None:
    """A run whose only row left breaks its server must end: the server is asked something trivial, and answers."""
    pool, begun = connect(), clock.now()
    server.fault = when("poison", 500, "boom")
    assert kinds(ask(pool, prompt("poison"))) == [GenerationFailed]
    assert [asked["messages"][-1]["content"] for asked in server.asked] == [TRIVIAL.messages[0].content]
    assert clock.now() - begun < 300
    assert len(server.statuses) == TRIES + 2


def test_a_server_that_wakes_at_the_trivial_question_costs_no_row(server: StandIn, connect: Connect) -> None:
    """The request has a try left after that."""
    server.script = [(500, "starting", TEXT, {})] * TRIES
    assert kinds(ask(connect(), prompt("row"))) == [Completion]
    assert len(server.asked) == 2


def test_the_trivial_question_is_nobodys_answer(server: StandIn, connect: Connect) -> None:
    """It goes through the guard of what is sent, as all do, and leaves it with an error: it counts as no answer."""
    from codeclm_hf.endpoints.budget import Budget

    budget, pool = Budget(max_requests=10), connect()
    server.fault = when("poison", 500)
    with pytest.raises(GenerationFailed):
        transport.run(pool.generate(prompt("poison"), send_guard=budget.reserve))
    assert (budget.requests, budget._in_flight) == (0, 0)


@pytest.mark.parametrize(
    "words",
    [
        "request req-{0} to 'row {0}': tools are needed here",
        "tools are needed here (request id: {1})",
        "tools are needed here [trace={1}]",
        "{1}: tools are needed here",
        "tools are needed here at 2026-12-01T10:00:0{0}Z",
    ],
)
def test_what_all_requests_are_refused_for_stops_the_run(
    server: StandIn, connect: Connect, words: str
) -> None:
    """After the first eight refused alike, whatever numbers, ids and quotations differ, nothing more is asked."""
    pool, came = connect(slots=1), 0

    def refuse(body: dict[str, Any]) -> Any:
        nonlocal came
        came += 1
        return 400, words.format(came, "".join("abcdef"[(came + n * n) % 6] for n in range(8))), TEXT, {}

    server.fault = refuse
    results = ask(pool, *(prompt(f"row {n}") for n in range(ALIKE)))
    assert kinds(results) == [RequestRejected] * (ALIKE - 1) + [EndpointError]
    assert f"the first {ALIKE} requests were all refused alike" in str(results[-1])
    assert "tools are needed here" in str(results[-1])
    assert "it gave no answer to pay for" in str(results[-1])
    assert server.asked == []


def test_refusals_that_differ_or_come_after_an_answer_stop_nothing(server: StandIn, connect: Connect) -> None:
    """They are about their rows."""
    reasons = ["too long", "flagged", "bad roles", "not in this language"]
    server.fault = lambda body: (400, reasons[len(server.statuses) % 4], TEXT, {})
    assert set(kinds(ask(connect(slots=1), *(prompt(f"row {n}") for n in range(4 * ALIKE - 4))))) == {
        RequestRejected
    }
    pool = connect(slots=1)
    server.fault = when("bad", 400, "too long")
    assert kinds(ask(pool, prompt("good"), *(prompt(f"bad {n}") for n in range(40)))) == [
        Completion,
        *[RequestRejected] * 40,
    ]


def test_what_is_asked_anew_for_failed_rows_alone_stops_nothing(
    server: StandIn, connect: Connect, tmp_path: Path
) -> None:
    """A run that is resumed asks for its refused rows alone: the model has answered before."""
    server.fault = when("bad", 400, "bad roles")
    requests = [prompt("good"), *(prompt(f"bad {n}") for n in range(2 * ALIKE))]

    def resume() -> list[type]:
        journal = Journal(tmp_path / "journal.sqlite")
        endpoint = JournaledEndpoint(connect(slots=1), journal)

        async def together() -> list[Any]:
            first = await endpoint.generate(requests[0])
            rest = (endpoint.generate(request) for request in requests[1:])
            return [first, *await asyncio.gather(*rest, return_exceptions=True)]

        try:
            return kinds(transport.run(together()))
        finally:
            journal.close()

    assert resume() == resume() == [Completion, *[RequestRejected] * 2 * ALIKE]
    assert len(server.asked) == 1


def test_a_page_in_place_of_every_answer_stops_the_run(server: StandIn, connect: Connect) -> None:
    """What answers is no LLM server: each request is sent twice, and no more than eight are."""
    server.fault = lambda _: (200, "<html>Sign in</html>", "text/html", {})
    results = ask(connect(slots=1), *(prompt(f"row {n}") for n in range(ALIKE)))
    assert kinds(results) == [GenerationFailed] * (ALIKE - 1) + [EndpointError]
    assert len(server.statuses) == 2 * ALIKE


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_had_answers_is_a_good_one(server: StandIn, connect: Connect, status: int) -> None:
    """Before the first answer a refused token stops the run; after it the refusal is about its row."""
    server.fault = when("bad", status, "Forbidden")
    assert kinds(ask(connect(slots=1), prompt("bad"))) == [AccessDenied]
    results = ask(
        connect(slots=1), prompt("good"), *(prompt(f"{'bad' if n % 4 else 'good'} {n}") for n in range(40))
    )
    assert kinds(results[1:]) == [RequestRejected if n % 4 else Completion for n in range(40)]


def test_a_token_that_is_revoked_stops_the_run_in_the_end(server: StandIn, connect: Connect) -> None:
    """Refusals of the token in a row, and no answer any more: not all rows that are left fail."""
    server.fault = when("bad", 401, "token expired")
    results = ask(connect(slots=1), prompt("good"), *(prompt(f"bad {n}") for n in range(ALIKE)))
    assert kinds(results) == [Completion, *[RequestRejected] * (ALIKE - 1), AccessDenied]
    assert "is the token still valid?" in str(results[-1])


def test_moderated_rows_next_to_each_other_are_no_revoked_token(server: StandIn, connect: Connect) -> None:
    """However many in a row: the words are about content."""
    server.fault = when("bad", 403, "flagged by moderation")
    results = ask(connect(slots=1), prompt("good"), *(prompt(f"bad {n}") for n in range(3 * ALIKE)))
    assert kinds(results) == [Completion, *[RequestRejected] * 3 * ALIKE]


@pytest.mark.parametrize(
    "words",
    [
        "Invalid 'max_tokens': integer above maximum value. Expected a value <= 4096, but got 9000 instead.",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 4096]",
        "max_tokens: Input should be less than or equal to 4096: invalid",
        "max_tokens=9000 cannot be greater than max_model_len=4096. (parameter=max_tokens, value=9000)",
    ],
)
def test_a_limit_that_is_too_high_stays_the_limit(server: StandIn, connect: Connect, words: str) -> None:
    """It is no parameter that the server does not take: without it an answer could cost anything."""
    pool = connect()
    server.fault = lambda body: (400, words, TEXT, {}) if body.get("max_tokens", 0) > 4096 else None
    assert kinds(ask(pool, replace(REQUEST, max_new_tokens=9000))) == [RequestRejected]
    assert kinds(ask(pool, REQUEST)) == [Completion]
    assert server.asked[-1]["body"]["max_tokens"] == REQUEST.max_new_tokens


def test_requests_that_are_refused_together_are_all_sent_again(
    server: StandIn, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Many in flight teach one lesson, which is told once."""
    server.latency = 0.02
    server.fault = lambda body: (
        (400, "seed and temperature: unknown field", TEXT, {})
        if {"seed", "temperature"} & body.keys()
        else None
    )
    assert kinds(ask(connect(), *(replace(REQUEST, seed=n) for n in range(48)))) == [Completion] * 48
    assert sorted(record.message.split()[3] for record in caplog.records if record.name == "codeclm_hf") == [
        "seed:",
        "temperature:",
    ]


def test_a_refusal_that_quotes_the_prompt_teaches_nothing(server: StandIn, connect: Connect) -> None:
    """Without the parameter the request is refused as before, so that it stays in."""
    pool = connect()
    server.fault = when("bad", 400, "invalid: Is 'seed' unsupported, and why is response_format unknown? bad")
    assert kinds(ask(pool, prompt("bad"))) == [RequestRejected]
    assert kinds(ask(pool, prompt("good"))) == [Completion]
    assert server.asked[-1]["seed"] == 0


def test_what_the_user_sets_is_not_left_out(server: StandIn, connect: Connect) -> None:
    """A parameter that stands in the user's own fields is refused to the user."""
    server.fault = lambda body: (
        (400, "temperature is not supported", TEXT, {}) if "temperature" in body else None
    )
    pool = connect(extra={"temperature": 0.3})
    assert kinds(ask(pool, prompt("row"))) == [RequestRejected]


def reply(name: str | None, **headers: str) -> tuple[int, str, str, dict[str, str]]:
    value: dict[str, Any] = {"choices": [{"message": {"content": "hi"}}]}
    return 200, json.dumps(value if name is None else {**value, "model": name}), JSON, headers


FALLBACK = {"x-litellm-attempted-fallbacks": "1", "x-litellm-model-group": "other"}


@pytest.mark.parametrize(
    ("first", "then", "changed"),
    [
        (reply("gpt-4o-2024-08-06"), reply("gpt-4o-2024-08-06"), None),
        (reply("gpt-4o"), reply("gpt-4o-2024-08-06"), None),
        (reply("org/model"), reply("model"), None),
        (reply("llama3.2"), reply("llama3.2:latest"), None),
        (reply("org/Model"), reply("org/model:together"), None),
        (reply(None), reply(None), None),
        (reply("m"), reply(None), None),
        (reply(None), reply("whatever"), None),
        (reply("/srv/weights/m.gguf"), reply("m.gguf"), None),
        (reply("m", **{"x-litellm-attempted-fallbacks": "0"}), reply("m"), None),
        (reply("m"), reply("m", **FALLBACK), None),
        (reply("gpt-4o-2024-08-06"), reply("gpt-4o-2024-11-20"), "gpt-4o-2024-11-20"),
        (reply("gpt-4o"), reply("gpt-4o-mini"), "gpt-4o-mini"),
        (reply("llama3.2:3b"), reply("llama3.2:1b"), "llama3.2:1b"),
        (reply("org/large"), reply("org/small"), "org/small"),
        (reply("/srv/weights/m.gguf"), reply("/srv/weights/n.gguf"), "n.gguf@path:3edd0837"),
        (reply("m"), reply(None, **FALLBACK), "a model that it does not name"),
    ],
)
def test_another_model_that_answers_is_found_out(
    server: StandIn, connect: Connect, first: Any, then: Any, changed: str | None
) -> None:
    """Replies are compared with the first one; what one of two names leaves out does not tell them apart."""
    pool = connect()
    server.script = [first, then]
    assert kinds(ask(pool, prompt("one"))) == [Completion]
    (second,) = ask(pool, prompt("two"))
    assert isinstance(second, Completion if changed is None else ModelChanged)
    assert changed is None or f"answered with {changed} in place of" in str(second)
    assert "/srv" not in str(second) or changed is None


def test_a_fallback_is_found_out_at_the_first_answer(server: StandIn, connect: Connect) -> None:
    """LiteLLM says so, where nothing can be compared yet."""
    server.script = [reply("other", **FALLBACK)]
    (result,) = ask(connect(), prompt("one"))
    assert isinstance(result, ModelChanged)
    assert "--allow-fallback" in str(result)


def test_a_fallback_that_is_allowed_is_recorded(
    server: StandIn, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Its answers are kept under their model's name, in the usage too, and it is said once."""
    pool, usage = connect(allow_fallback=True), Usage()
    server.script = [reply("m"), reply("other"), reply("m"), reply("other")]
    for n in range(4):
        (completion,) = ask(pool, prompt(f"row {n}"))
        assert isinstance(completion, Completion)
        usage.add(completion, replayed=n > 1)
    counts = {name: (one.requests, one.replayed) for name, one in usage.by_model("id").items()}
    assert counts == {"id": (1, 1), "other": (1, 1)}
    assert (usage.requests, usage.replayed) == (2, 2)
    assert sum("recorded as that model's" in record.message for record in caplog.records) == 1
