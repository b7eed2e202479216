"""Endpoints that fail, crowd, die and come back: no row is lost, nothing is hammered, and the run ends in words."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from codeclm_hf import BadInput, CodecLM, Completion, Encode, Endpoint, GenerationRequest, Message, endpoint
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.journal import Journal
from codeclm_hf.errors import AccessDenied, EndpointDown, EndpointError, ModelChanged
from codeclm_hf.run.manifest import Manifest
from support.clock import FastClock
from support.inputs import tree
from support.model_server import StandIn
from support.world import World, answers, number

Serve = Callable[..., StandIn]
WorldOf = Callable[..., tuple[StandIn, StandIn]]
SMALL = {"num_instructions": 20, "num_metadata": 6}
REQUEST = GenerationRequest(messages=(Message("user", "hello"),), seed=1)


def ask_many(n: int, connected: Endpoint) -> list[str]:
    """n different requests at once."""

    async def all_of_them() -> list[Completion]:
        return await asyncio.gather(*(connected.generate(replace(REQUEST, seed=seed)) for seed in range(n)))

    return [completion.text for completion in transport.run(all_of_them())]


def test_a_server_that_takes_fewer_than_it_says_is_not_pressed(serve: Serve) -> None:
    """Told 128 and refused beyond 16, the refusals die out, and no request fails."""
    server = serve(lambda *_: "hi", slots=16, told=128, latency=0.01)
    assert ask_many(3000, endpoint(server.url)) == ["hi"] * 3000
    after = server.statuses[len(server.statuses) // 2 :]
    assert after.count(429) < 0.02 * len(after)


def test_a_server_that_takes_more_again_gets_more(serve: Serve) -> None:
    """After a crowd has gone the limit grows back."""
    server = serve(lambda *_: "hi", slots=4, told=64, latency=0.002)
    connected = endpoint(server.url)
    ask_many(300, connected)
    server.slots, server.most_in_flight = None, 0
    ask_many(3000, connected)
    assert server.most_in_flight > 32


def test_refusals_by_chance_cost_no_slots(serve: Serve) -> None:
    """A server that refuses one request in twenty whatever it has to do keeps its slots."""
    server = serve(lambda *_: "hi", told=16, latency=0.01)
    connected, came = endpoint(server.url), 0

    def by_chance(request: Any) -> Any:
        nonlocal came
        came += request.method == "POST"
        return FAULTS[2] if request.method == "POST" and number("chance", came) % 20 == 0 else None

    server.closed = by_chance
    ask_many(4000, connected)
    server.closed, server.most_in_flight = None, 0
    server.latency = 0.2  # long enough to be there together on a busy machine
    ask_many(100, connected)
    assert server.most_in_flight > 12


def test_a_server_that_was_away_gets_as_many_as_before(serve: Serve, clock: FastClock) -> None:
    """60 s of 503 say nothing about how many requests a server takes once it serves again."""
    server = serve(lambda *_: "hi", told=32, latency=0.005)
    connected, until = endpoint(server.url), clock.now() + 60
    server.fault = lambda _: FAULTS[2] if clock.now() < until else None
    ask_many(100, connected)
    server.most_in_flight, server.latency = 0, 0.2
    ask_many(200, connected)
    assert server.most_in_flight == 32


def test_who_connects_anew_asks_for_another_concurrency(serve: Serve) -> None:
    """In a notebook the first connection is still there while the second is made, and then it is gone."""
    server = serve(lambda *_: "hi", latency=0.2)
    connected = endpoint(server.url, concurrency=2)
    connected = endpoint(server.url, concurrency=20)
    ask_many(100, connected)
    assert server.most_in_flight == 20


def test_the_requests_go_where_there_is_room(serve: Serve) -> None:
    """Of three replicas each gets its share; one alone answers when the others are gone."""
    servers = [serve(lambda *_: "hi", latency=0.002) for _ in range(3)]
    connected = endpoint(",".join(server.url for server in servers), concurrency=8)
    ask_many(300, connected)
    assert all(len(server.asked) > 60 for server in servers)
    servers[0].stop()
    servers[1].stop()
    assert ask_many(100, connected) == ["hi"] * 100
    servers[0].start()
    before = len(servers[0].asked)
    ask_many(300, connected)
    assert len(servers[0].asked) > before


def test_replicas_serve_one_model(serve: Serve) -> None:
    """Servers of different models are no pool."""
    one, other = (serve(lambda *_: "hi", tgi=False, model=name) for name in "ab")
    with pytest.raises(BadInput, match=r"needs one model .* serves a, .* serves b"):
        endpoint(f"{one.url},{other.url}")


@pytest.mark.parametrize("tgi", [True, False])
def test_another_model_behind_the_url_stops_the_run(serve: Serve, tokenizer: str, tgi: bool) -> None:
    """A server that comes back with another model is found out before its answer is used."""
    server = serve(lambda *_: "hi", tgi=tgi)
    connected = endpoint("chat+" + server.url)
    ask_many(3, connected)
    server.stop()
    server.model = "another"
    server.start()
    with pytest.raises(
        ModelChanged, match=f"served {connected.identity} when the run began and now serves another"
    ):
        ask_many(1, connected)


def test_no_answer_of_another_model_is_taken(serve: Serve, tmp_path: Path) -> None:
    """Many requests that another model has answered by the time this is found out all end in the error, and so do
    later ones."""
    server = serve(lambda *_: "hi", tgi=False, latency=0.05)
    connected = endpoint(server.url)
    ask_many(3, connected)
    server.stop()
    server.model = "another"
    server.start()
    journal = Journal(tmp_path / "journal.sqlite")

    async def some(seeds: range) -> list[Any]:
        asked = (journal.ask(connected, replace(REQUEST, seed=seed)) for seed in seeds)
        return await asyncio.gather(*asked, return_exceptions=True)

    for seeds in (range(100, 116), range(200, 203)):
        assert {type(result) for result in transport.run(some(seeds))} == {ModelChanged}
    assert len(journal) == 0
    journal.close()


def test_many_answers_wait_for_one_check_of_the_model(serve: Serve) -> None:
    """Where every answer comes over a new connection, or the check fails, it is not made once an answer."""
    server = serve(lambda *_: "hi", tgi=False, latency=0.02)
    connected, asked = endpoint(server.url), 0

    def closed(request: Any) -> Any:
        nonlocal asked
        asked += request.path == "/v1/models"
        return (404, "", HTML, {}) if request.path == "/v1/models" else None

    server.closed = closed
    assert ask_many(64, connected) == ["hi"] * 64
    assert 1 <= asked < 16


JSON, TEXT, HTML = "application/json", "text/plain", "text/html"
FAULTS: list[Any] = [
    (429, '{"error": "Model is overloaded", "error_type": "overloaded"}', JSON, {}),
    (429, "slow down", TEXT, {"Retry-After": "3"}),
    (503, "<html><body>Service Unavailable</body></html>", HTML, {}),
    (502, "<html><body>Bad Gateway</body></html>", HTML, {}),
    (504, "", HTML, {}),
    (500, '{"error": "Incomplete generation", "error_type": "incomplete_generation"}', JSON, {}),
    (424, '{"error": "Request failed during generation", "error_type": "generation"}', JSON, {}),
    (200, '{"error": "CUDA out of memory", "error_type": "generation"}', JSON, {}),
    (200, '{"choices": [{"message": {"content": "cut o', JSON, {}),
    (200, "<html>a login page</html>", HTML, {}),
    "drop",
]


NO_ANSWERS = {FAULTS.index(fault) for fault in FAULTS if fault[0] == 200 and "error" not in fault[1]}
"""Those of them after which a request is sent once more, and no more: one of them, for one request."""


class Faulty:
    """A quarter of all requests meets a fault of some kind; no request more than three."""

    def __init__(self) -> None:
        self.met: Counter[str] = Counter()
        self.no_answers: set[str] = set()
        self.kinds: set[int] = set()

    def __call__(self, body: dict[str, Any]) -> Any:
        key = json.dumps(body, sort_keys=True)
        drawn = number("fault", key, self.met[key])
        if drawn % 4 or self.met[key] == 3:
            return None
        kind = self.met.total() % len(FAULTS)
        if kind in NO_ANSWERS and key in self.no_answers:
            kind = FAULTS.index("drop")
        self.met[key] += 1
        self.kinds.add(kind)
        self.no_answers |= {key} if kind in NO_ANSWERS else set()
        return FAULTS[kind]


def run(servers: tuple[Any, Any], seeds: Dataset, out: Path, **options: Any) -> dict[str, bytes]:
    """The Parquet of a small run on these servers."""
    strong, target = (
        endpoint(",".join(one.url for one in server) if isinstance(server, list) else server.url, **options)
        for server in servers
    )
    tables = CodecLM(strong=strong, target=target).run(seeds, out=out, **SMALL)  # type: ignore[arg-type]
    assert tables["trace"]["error"][:] == [None] * len(tables["trace"])
    return tree(out)


@pytest.mark.parametrize("tgi", [True, False])
def test_a_quarter_of_faults_changes_nothing(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path, tgi: bool
) -> None:
    """With every kind of fault in 25 % of the requests, the tables are those of a faultless run."""
    faultless = run(world_of(tgi=tgi), seeds, tmp_path / "faultless")
    servers, faults = world_of(tgi=tgi), Faulty()
    for server in servers:
        server.fault = faults
    assert run(servers, seeds, tmp_path / "faulty") == faultless
    assert len(faults.kinds) == len(FAULTS)
    assert sum(faults.met.values()) > 0.15 * sum(len(server.statuses) for server in servers)


def test_a_gateway_that_gives_up_on_one_request_in_25_costs_no_row(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path
) -> None:
    """With 524 in place of 4 % of the answers, some of them twice, the tables are those of a faultless run."""
    faultless = run(world_of(tgi=False), seeds, tmp_path / "faultless")
    servers, came = world_of(tgi=False), Counter[int]()

    def too_slow(_: dict[str, Any]) -> Any:
        came[0] += 1
        came[1] += came[0] % 25 == 3
        return (
            (524, "<html><title>524: A timeout occurred</title></html>", HTML, {})
            if came[0] % 25 == 3
            else None
        )

    for server in servers:
        server.fault = too_slow
    assert run(servers, seeds, tmp_path / "slow") == faultless
    assert came[1] > 3


def test_a_server_that_takes_no_seed_loses_nothing(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its tables are those of the twin that takes one, and what it means is said once for each server."""
    twin = run(world_of(tgi=False), seeds, tmp_path / "twin")
    servers = world_of(tgi=False)
    words = '{"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}'
    for server in servers:
        server.fault = lambda body: (422, words, JSON, {}) if "seed" in body else None
    assert run(servers, seeds, tmp_path / "seedless") == twin
    said = [record.message for record in caplog.records if "takes no seed" in record.message]
    assert [
        server.url in line
        for server, line in zip(
            servers, sorted(said, key=lambda line: servers[0].url not in line), strict=True
        )
    ] == [True, True]


def test_moderated_prompts_fail_their_rows_alone(world_of: WorldOf, seeds: Dataset, tmp_path: Path) -> None:
    """A moderation's 403 is no refused token: those rows say why, and all others are an unmoderated run's."""
    unmoderated = tables_of(world_of(tgi=False), seeds, tmp_path / "unmoderated")
    strong, target = world_of(tgi=False)
    flagged = '{"error": {"code": 403, "message": "Your input was flagged by moderation"}}'
    target.fault = lambda body: (
        (403, flagged, JSON, {}) if number("flagged", body["messages"][-1]["content"]) % 16 == 0 else None
    )
    moderated = tables_of((strong, target), seeds, tmp_path / "moderated")
    failed = {row["id"] for row in moderated if row["error"]}
    assert failed and len(failed) < len(moderated) / 4
    assert all("flagged by moderation" in row["error"] for row in moderated if row["error"])
    as_before = {row["id"]: row for row in unmoderated}
    answered = [row for row in moderated if not row["error"]]
    assert answered == [as_before[row["id"]] for row in answered]


def tables_of(servers: tuple[StandIn, StandIn], seeds: Dataset, out: Path) -> list[dict[str, Any]]:
    strong, target = (endpoint(server.url) for server in servers)
    tables = CodecLM(strong=strong, target=target).run(seeds, out=out, **SMALL)  # type: ignore[arg-type]
    return list(tables["trace"])


def test_a_dead_backend_behind_a_gateway_stops_the_run(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path, clock: FastClock
) -> None:
    """500 for everybody is waited for as 503 is, and ends in what to do; no row is blamed, and a rerun is whole."""
    strong, target = world_of(tgi=False)
    codec = CodecLM(
        strong=endpoint(strong.url, give_up_after=300), target=endpoint(target.url, give_up_after=300)
    )
    strong.fault = lambda _: (500, "Internal Server Error", TEXT, {})
    with pytest.raises(EndpointDown, match="gave up after 300 s without an answer; run again to go on"):
        codec.run(seeds, out=tmp_path / "out", **SMALL)  # type: ignore[arg-type]
    assert len(strong.statuses) < 200
    strong.fault = None
    tables = codec.run(seeds, out=tmp_path / "out", **SMALL)  # type: ignore[arg-type]
    assert tables["trace"]["error"][:] == [None] * len(tables["trace"])


def test_what_all_requests_are_refused_for_costs_nothing(world_of: WorldOf, tmp_path: Path) -> None:
    """A run whose first requests are all refused alike stops with the reason, having paid for nothing."""
    strong, target = world_of(tgi=False)
    strong.fault = lambda _: (400, "a reasoning effort is required for this model", TEXT, {})
    codec = CodecLM(strong=endpoint(strong.url, concurrency=2), target=endpoint(target.url))
    many = Dataset.from_dict({"instruction": [f"Explain thing {n}" for n in range(100)]})
    with pytest.raises(EndpointError, match=r"first 8 requests were all refused alike.*reasoning effort"):
        codec.run(many, out=tmp_path / "out", num_instructions=20, num_metadata=20)
    assert len(strong.statuses) < 20
    assert strong.asked == target.asked == []


def test_a_gateway_that_falls_back_stops_the_run_or_is_recorded(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path
) -> None:
    """No answer of the other model is kept; where that is allowed, the manifest counts its answers as its own."""
    strong, target = world_of(tgi=False)
    came = 0

    def replies_as(_: Any) -> str:
        nonlocal came
        came += 1
        return "another" if came % 5 == 0 else "the-first"

    target.replies_as = replies_as
    codec = CodecLM(strong=endpoint(strong.url), target=endpoint(target.url))
    with pytest.raises(ModelChanged, match="answered with another in place of the-first"):
        codec.run(seeds, out=tmp_path / "out", **SMALL)  # type: ignore[arg-type]
    allowed = CodecLM(strong=endpoint(strong.url), target=endpoint(target.url, allow_fallback=True))
    allowed.run(seeds, out=tmp_path / "out", **SMALL)  # type: ignore[arg-type]
    usage = Manifest.read(tmp_path / "out").usage or ()
    responses = {row.model: row.answers for row in usage if (row.stage, row.role) == ("respond", "target")}
    assert set(responses) == {allowed.target.identity, "another"}
    assert 0 < responses["another"] < responses[allowed.target.identity]


def test_a_hung_request_is_sent_again(serve: Serve) -> None:
    """No answer within the time-out is a fault as others are."""
    server = serve(lambda *_: "hi")
    connected = endpoint(server.url, timeout=0.2)
    server.script = ["hang"]
    assert ask_many(3, connected) == ["hi"] * 3


def test_a_request_that_only_hangs_fails_its_row_and_no_other(serve: Serve) -> None:
    """After two time-outs of one request its row is given up, and says so."""
    server = serve(
        answers(World(), "strong"), fault=lambda body: "hang" if "poison" in json.dumps(body) else None
    )
    stage = Encode(strong=endpoint(server.url, timeout=0.2))
    table = stage.map(Dataset.from_dict({"instruction": ["one", "poison", "two"]}))
    assert [error is None for error in table["error"]] == [True, False, True]
    assert "gave no answer in 0.2 s" in table["error"][1]


def test_one_of_three_replicas_dies_and_comes_back(world_of: WorldOf, seeds: Dataset, tmp_path: Path) -> None:
    """Killed in the middle of a run and revived, a replica costs no row: the tables are an undisturbed run's."""
    undisturbed = run(world_of(), seeds, tmp_path / "undisturbed")
    strong, target = world_of(latency=0.002)
    others = [StandIn(strong.answer, model=strong.model, latency=0.002) for _ in range(2)]
    honest, doomed = strong.answer, others[0]
    stopped = threading.Event()

    def answer(*what: Any) -> Any:
        if len(strong.asked) == 20:
            threading.Thread(target=lambda: (doomed.stop(), stopped.set())).start()
        if len(strong.asked) == 40:
            stopped.wait(60)
            threading.Thread(target=doomed.start).start()
        return honest(*what)

    strong.answer = answer
    assert run(([strong, *others], target), seeds, tmp_path / "disturbed", concurrency=2) == undisturbed
    assert all(server.asked for server in others)
    for server in others:
        server.close()


def test_a_server_that_scaled_to_zero_is_waited_for(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path, clock: FastClock, caplog: pytest.LogCaptureFixture
) -> None:
    """60 s of 503, at the door and in the middle of a run, cost no row, few requests, and one line of words each."""
    servers, begun = world_of(), clock.now()
    starting = (503, "", HTML, {})

    def asleep(until: float) -> Callable[[Any], Any]:
        return lambda _: starting if clock.now() < until else None

    for server in servers:
        server.closed = asleep(begun + 60)
    strong, target = (endpoint(server.url) for server in servers)
    assert clock.now() >= begun + 60
    servers[0].closed = asleep(clock.now() + 60)
    codec = CodecLM(strong=strong, target=target)
    tables = codec.run(seeds, out=tmp_path / "out", **SMALL)  # type: ignore[arg-type]
    assert tables["trace"]["error"][:] == [None] * len(tables["trace"])
    assert servers[0].statuses.count(503) < 30
    said = [
        record.message
        for record in caplog.records
        if record.name == "codeclm_hf" and servers[0].url in record.message
    ]
    waits = [line.split("; ")[-1].partition(",")[0] for line in said if ";" in line]
    assert waits == ["waiting until it serves", "trying again until it serves"]


def test_a_server_that_stays_away_stops_the_run(
    world_of: WorldOf, seeds: Dataset, tmp_path: Path, clock: FastClock
) -> None:
    """After `give_up_after` seconds without an answer the run ends with what to do; few requests were wasted on it."""
    strong, target = world_of()
    codec = CodecLM(
        strong=endpoint(strong.url, give_up_after=300), target=endpoint(target.url, give_up_after=300)
    )
    strong.fault = lambda _: (503, "", HTML, {})
    with pytest.raises(EndpointDown, match="gave up after 300 s without an answer; run again to go on"):
        codec.run(seeds, out=tmp_path / "out", **SMALL)  # type: ignore[arg-type]
    assert (
        len(strong.statuses) < 200
    )  # at once, and then now and again; asking all the time would be thousands
    strong.fault, strong.script = None, [FAULTS[2]]  # the next failure begins a time of its own
    codec.run(seeds, out=tmp_path / "out", **SMALL)  # type: ignore[arg-type]


def test_time_in_which_nobody_asked_is_no_time_without_an_answer(serve: Serve, clock: FastClock) -> None:
    """Who was interrupted while a server was away, and comes back after an hour, may wait as long as at first."""
    server = serve(lambda *_: "hi")
    connected = endpoint(server.url)
    server.fault = lambda _: FAULTS[2]

    async def interrupted() -> None:
        task = asyncio.create_task(connected.generate(REQUEST))
        while len(server.statuses) < 2:
            await asyncio.sleep(0.01)
        task.cancel()

    transport.run(interrupted())
    clock.time += 3600
    server.fault, server.script = None, [FAULTS[2]]
    assert ask_many(1, connected) == ["hi"]


def test_retry_after_is_honoured_by_all(serve: Serve, clock: FastClock) -> None:
    """A server that names a time gets no request before it."""
    server = serve(lambda *_: "hi")
    connected = endpoint(server.url)
    server.script = [(429, "", TEXT, {"Retry-After": "90"})]
    begun = clock.now()
    ask_many(1, connected)
    assert clock.now() - begun >= 90 - 1e-6
    assert len(server.statuses) == 2


def test_a_refused_token_stops_a_run_once(serve: Serve, seeds: Dataset) -> None:
    """401 in the middle ends everything at once, with the hint; nothing is tried again."""
    server = serve(answers(World(), "strong"), token="right")
    stage = Encode(strong=endpoint(server.url, api_key="right", concurrency=2))
    server.token = "changed"
    with pytest.raises(AccessDenied, match="give a valid token"):
        stage.map(seeds)
