"""Who sees a token, a password and a cookie, and that nobody else does: spies on real sockets, and a search."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import traceback
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from datasets import Dataset

from codeclm_hf import BadInput, CodecLM, GenerationRequest, Message, endpoint
from codeclm_hf.endpoints import http, transport
from codeclm_hf.errors import AccessDenied, CodecLMError, UnreadableAnswer
from support import command_process
from support.inputs import SEEDS
from support.model_server import StandIn
from support.world import World, answers

REQUEST = GenerationRequest(messages=(Message("user", "hello"),), seed=1)
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]
USER, PASSWORD, TOKEN = "us3rname", "p@55w0rd", "s3cret-t0ken"
TYPED = f"{USER}:p%4055w0rd@"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
SECRETS = (USER, PASSWORD, "p%4055w0rd", BASIC, TOKEN)


class Seen(NamedTuple):
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    raw: bytes
    """All of it."""
    port: int
    """Of the asker: the same as long as the connection is."""


class Spy(StandIn):
    """A chat server, or a proxy that answers for any host itself, that keeps all it sees."""

    def __init__(self, answer: Any = lambda *_: "hi", **options: Any) -> None:
        self.seen: list[Seen] = []
        self.instead: Reply | None = None
        """What answers in the place of the model."""
        super().__init__(answer, tgi=False, **options)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        target, body = str(request.raw_path), await request.read()
        raw = b"\n".join([target.encode(), *(b": ".join(pair) for pair in request.raw_headers), body])
        assert request.transport is not None
        port = request.transport.get_extra_info("peername")[1]
        self.seen.append(Seen(request.method, target, dict(request.headers), raw, port))
        return await (self.instead or super()._handle)(request)

    def saw(self, secret: str) -> bool:
        return any(secret.encode() in seen.raw for seen in self.seen)

    def authorizations(self) -> set[str | None]:
        return {seen.headers.get("Authorization") for seen in self.seen}


Spies = Callable[..., Spy]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spies]:
    """Start spies; a request they do not know fails the test."""
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    spies: list[Spy] = []

    def start(*args: Any, **options: Any) -> Spy:
        spies.append(Spy(*args, **options))
        return spies[-1]

    yield start
    for each in spies:
        each.close()
    assert [each.unknown for each in spies if each.unknown] == []


@pytest.fixture
def roles(spy: Spies) -> dict[str, Spy]:
    """A spy for each role of a world; the judge's is asked as the strong model is."""
    return {
        role: spy(answers(World(), "target" if role == "target" else "strong"))
        for role in ("strong", "target", "judge")
    }


def far(proxy: Spy) -> str:
    """A server of a made-up host that the proxy plays."""
    return f"http://llm-{proxy._port}.example.invalid"


def with_user(url: str) -> str:
    return url.replace("//", f"//{TYPED}")


def moved_to(url: str, status: int = 307) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": url + request.path_qs})

    return reply


def said(status: int, text: Callable[[web.Request], str] = lambda _: "", **headers: str) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status, body=text(request).encode("utf-8", "surrogateescape"), headers=headers
        )

    return reply


def everything(request: web.Request) -> str:
    return " ".join(value for value in request.headers.values())


def ask(url: str, **options: Any) -> str:
    return transport.run(endpoint(url, **options).generate(REQUEST)).text


def cli(*words: object, **env: str) -> subprocess.CompletedProcess[bytes]:
    command = [str(Path(sys.executable).with_name("codeclm-hf")), *map(str, words)]
    return subprocess.run(command, capture_output=True, env=os.environ | env, timeout=120, check=False)


@pytest.fixture
def small(tmp_path: Path) -> list[object]:
    """A small run's words, but for the servers."""
    (tmp_path / "seeds.jsonl").write_text("".join(json.dumps({"instruction": seed}) + "\n" for seed in SEEDS))
    return [
        "run",
        tmp_path / "seeds.jsonl",
        "--out",
        tmp_path / "out",
        "--num-instructions",
        4,
        "--num-metadata",
        2,
    ]


def found(shown: str | bytes) -> list[str]:
    """The secrets of which something shows: their first letters are enough."""
    data = shown.encode() if isinstance(shown, str) else shown
    return [secret for secret in SECRETS if secret[:6].encode() in data]


def of(exc: BaseException) -> str:
    """All that a person, a log or a crash report shows of an error and of those behind it."""
    shown = "".join(traceback.format_exception(exc))
    at: BaseException | None = exc
    while at is not None:
        shown += f"\n{at}\n{at!r}"
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return shown + pickle.dumps(str(exc)).decode("latin-1")


def test_each_roles_token_goes_to_its_own_server(
    roles: dict[str, Spy], seeds: Dataset, tmp_path: Path
) -> None:
    """In a whole run each role's server sees its own token with every request, and no other."""
    models = {role: endpoint(each.url, api_key=f"token-of-{role}") for role, each in roles.items()}
    CodecLM(**models).run(seeds, out=tmp_path / "out", num_instructions=4, num_metadata=2)
    for role, each in roles.items():
        assert each.authorizations() == {f"Bearer token-of-{role}"}
        assert [other for other in roles if each.saw(f"token-of-{other}")] == [role]


def test_the_one_token_of_a_pool_goes_to_all_of_it(spy: Spies) -> None:
    """A token given for several servers of one model is for each of them."""
    one, other = spy(), spy()
    ask(f"{one.url},{other.url}", api_key=TOKEN)
    assert one.authorizations() == other.authorizations() == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("asked_for", [False, True], ids=["by itself", "by --strong-key-env"])
def test_the_hub_token_leaves_only_where_it_is_sent(
    roles: dict[str, Spy], small: list[object], asked_for: bool
) -> None:
    """`HF_TOKEN` in the environment reaches no server of a run, but the one it is given to by its name."""
    words = [word for role, each in roles.items() for word in (f"--{role}", each.url)]
    words += ["--strong-key-env", "HF_TOKEN"] if asked_for else []
    result = command_process.cli(*small, *words, HF_TOKEN="hf_s3cret")
    assert result.returncode == 0, result.stderr
    assert all(each.asked for each in roles.values())
    assert [role for role, each in roles.items() if each.saw("hf_s3cret")] == (
        ["strong"] if asked_for else []
    )


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("given", ["token", "user"])
def test_a_redirect_to_another_server_drops_the_token(spy: Spies, given: str, status: int) -> None:
    """The other server gets each request, from the first question on, whole but without token, user and password."""
    door, behind = spy(), spy()
    door.instead = moved_to(behind.url, status)
    assert (ask(door.url, api_key=TOKEN) if given == "token" else ask(with_user(door.url))) == "hi"
    assert door.authorizations() == {f"Bearer {TOKEN}" if given == "token" else f"Basic {BASIC}"}
    assert [(seen.method, seen.target) for seen in behind.seen] == [
        (seen.method, seen.target) for seen in door.seen
    ]
    assert json.loads(behind.seen[-1].raw.splitlines()[-1])["messages"][0]["content"] == "hello"
    assert [seen.raw for seen in behind.seen if found(seen.raw) or b"authorization" in seen.raw.lower()] == []


def test_a_token_that_was_dropped_on_the_way_does_not_come_back(spy: Spies) -> None:
    """A server that redirects to itself over another one gets no token the second time."""
    door, behind = spy(), spy()
    connected = endpoint(door.url, api_key=TOKEN)
    door.instead = moved_to(behind.url)
    behind.instead = moved_to(door.url + "/again")
    before = len(door.seen)
    with pytest.raises(CodecLMError, match="redirects in circles"):
        transport.run(connected.generate(REQUEST))
    assert ["Authorization" in seen.headers for seen in door.seen[before:]] == [True, False]


@pytest.mark.parametrize("given", ["token", "user"])
def test_a_redirect_to_the_same_server_keeps_the_token(spy: Spies, given: str) -> None:
    """Up to three redirects within a server are followed, with the token."""
    server = spy()

    async def reply(request: web.Request) -> web.StreamResponse:
        steps = request.path.count("/old")
        if not steps:
            return await StandIn._handle(server, request)
        return web.Response(status=307, headers={"Location": request.path.replace("/old", "", 1)})

    server.instead = reply
    url = server.url + 3 * "/old"
    assert (ask(url, api_key=TOKEN) if given == "token" else ask(with_user(url))) == "hi"
    assert server.authorizations() == {f"Bearer {TOKEN}" if given == "token" else f"Basic {BASIC}"}


@pytest.mark.parametrize("when", ["at the door", "later"])
def test_a_refusal_behind_a_redirect_says_where_it_came_from(spy: Spies, when: str) -> None:
    """401 from the other server names it, and says that the token does not go there."""
    door, behind = spy(), spy(token=TOKEN)
    connected = endpoint(door.url, api_key=TOKEN) if when == "later" else None
    door.instead = moved_to(behind.url)
    with pytest.raises(
        AccessDenied, match=f"it redirects to {behind.url}, where the token does not go; give that URL"
    ):
        transport.run(connected.generate(REQUEST)) if connected else endpoint(door.url, api_key=TOKEN)


def test_a_redirect_cannot_name_a_user_beside_the_token(spy: Spies) -> None:
    """A server that redirects to itself under another user is an error of ours."""
    server = spy()
    connected = endpoint(server.url, api_key=TOKEN)
    server.instead = moved_to(with_user(server.url))
    with pytest.raises(CodecLMError, match="cannot be asked"):
        transport.run(connected.generate(REQUEST))


def _packed(encoding: str, size: int) -> bytes:
    pack = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    return b"".join(pack.compress(bytes(1 << 20)) for _ in range(size >> 20)) + pack.flush()


@pytest.mark.parametrize("kind", ["long", "endless", "gzip", "deflate"])
def test_a_reply_that_is_too_long_fails_its_row(spy: Spies, kind: str) -> None:
    """Beyond the cap, unpacked, reading ends: the row fails, little memory was used, and the connection is left."""
    server = spy()
    connected = endpoint(server.url)
    connected.replicas[0].dialect.client.most_bytes = 1 << 20  # type: ignore[attr-defined]
    body = _packed(kind, 128 << 20) if kind in ("gzip", "deflate") else bytes(1 << 16)

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={} if body[:1] == b"\0" else {"Content-Encoding": kind})
        response.content_length = {"endless": None, "long": 1 << 30}.get(kind, len(body))
        await response.prepare(request)
        await response.write(body)
        with contextlib.suppress(ConnectionError):
            while body[:1] == b"\0":  # until nobody reads on
                await response.write(body)
        return response

    server.instead = reply
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableAnswer, match="more than 1 MiB"):
            transport.run(connected.generate(REQUEST))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    server.instead, left = None, server.seen[-1].port
    assert transport.run(connected.generate(REQUEST)).text == "hi"
    assert server.seen[-1].port != left


async def broken(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(f"HTTP/1.1 {everything(request)}\r\n\r\n".encode())  # type: ignore[attr-defined]
    request.transport.close()
    return web.Response()


async def dropped(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def to_nowhere(request: web.Request) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": f"ftp://{everything(request)}"})


async def in_circles(request: web.Request) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": str(request.rel_url.path)})


FAILURES: dict[str, Reply | None] = {
    **{str(status): said(status, everything) for status in (200, 401, 407, 422, 500, 503)},
    "cut": said(500, lambda request: (http.MOST_SHOWN - 8) * "x" + everything(request).split("Bearer ")[-1]),
    "undecodable": said(200, lambda request: everything(request) + "\udcff"), "broken": broken, "dropped": dropped,
    "nowhere": to_nowhere, "circles": in_circles, "gone": None,
}  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("given", ["token", "user", "proxy"])
def test_no_error_shows_a_secret(
    spy: Spies, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, given: str, failure: str
) -> None:
    """Whatever a server or a proxy does, repeating what it was sent included, no error, cause or log holds a secret."""
    caplog.set_level(logging.DEBUG)
    server = spy()
    url = with_user(server.url) if given == "user" else server.url
    if given == "proxy":
        monkeypatch.setenv("http_proxy", url.replace("//", f"//{TYPED}"))
        url = far(server)
    connected = endpoint(url, api_key=None if given == "user" else TOKEN, give_up_after=0)
    server.instead = FAILURES[failure]
    if failure == "gone":
        server.stop()
    with pytest.raises(CodecLMError) as raised:
        transport.run(connected.generate(REQUEST))
    assert found(of(raised.value) + caplog.text) == []


@pytest.mark.parametrize("given", ["token", "user"])
def test_no_error_at_the_door_shows_a_secret(spy: Spies, given: str) -> None:
    """A server that is none, but repeats what it was sent, cannot make the refusal show it."""
    server = spy()
    server.instead = said(404, everything)
    with pytest.raises(BadInput, match="needs an LLM server") as raised:
        ask(server.url, api_key=TOKEN) if given == "token" else ask(with_user(server.url))
    assert found(of(raised.value)) == []


def test_a_proxy_that_refuses_a_tunnel_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """407 from the proxy of an https server is said without the proxy's password, and the token is not sent to it."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            with listener.accept()[0] as asker:
                got.append(asker.recv(1 << 16))
                asker.sendall(f"HTTP/1.1 407 no {BASIC}\r\n\r\n".encode())

        proxy = threading.Thread(target=refuse)
        proxy.start()
        monkeypatch.setenv("https_proxy", f"http://{TYPED}127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(BadInput, match="407") as raised:
            endpoint("https://llm.example.invalid", api_key=TOKEN)
        proxy.join()
    assert found(of(raised.value)) == []
    assert [found(sent) for sent in got] == [[BASIC]]


@pytest.mark.parametrize(
    "proxy",
    [f"http://{USER}:p@55/w0rd@host:1", f"http://{USER}:p@55w0rd@host:port", f"socks5://{TYPED}host:1"],
)
def test_a_proxy_that_cannot_be_used_is_said_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """A misspelt proxy is one sentence that names the variable."""
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(BadInput, match="http_proxy") as raised:
        endpoint("http://llm.example.invalid")
    assert found(of(raised.value)) == [] and "w0rd" not in of(raised.value)


def test_a_proxy_without_a_scheme_is_an_http_proxy(spy: Spies, monkeypatch: pytest.MonkeyPatch) -> None:
    """`HOST:PORT` is how many environments name it; the machine itself is asked without it."""
    proxy, near = spy(), spy()
    monkeypatch.setenv("http_proxy", with_user(proxy.url).removeprefix("http://"))
    assert ask(far(proxy)) == ask(near.url) == "hi"
    assert {seen.headers.get("Proxy-Authorization") for seen in proxy.seen} == {f"Basic {BASIC}"}
    assert not near.saw("Proxy-Authorization")


@pytest.mark.parametrize(
    "typed",
    [
        f"{TYPED}host:1", f"ftp://{TYPED}host", f"http://{USER}:p@55/w0rd@host", f"http://{USER}:p-w0rd,1@host:port",
        f"http://:{PASSWORD}@127.0.0.1:9", f"http://127.0.0.1:9?key={TOKEN}", f"ftp://127.0.0.1?key={TOKEN}",
    ],
)  # fmt: skip
def test_no_refusal_repeats_a_secret_that_was_typed(typed: str) -> None:
    """What is wrong with an endpoint is said without what may be a password, also where that does not parse."""
    with pytest.raises(BadInput) as raised:
        endpoint(typed)
    assert found(of(raised.value)) == [] and "w0rd" not in of(raised.value)


def test_a_query_goes_with_every_request_and_shows_nowhere(spy: Spies) -> None:
    """What stands behind the URL, as a gateway's version or key, is sent each time, and no error shows it."""
    server = spy()
    connected = endpoint(f"{server.url}/v1/chat/completions?api-version=1&key={TOKEN}")
    assert transport.run(connected.generate(REQUEST)).text == "hi"
    assert {seen.target.partition("?")[2] for seen in server.seen} == {f"api-version=1&key={TOKEN}"}
    server.instead = said(400, lambda request: f"{request.raw_path} {TOKEN}")
    with pytest.raises(CodecLMError, match="answered 400") as raised:
        transport.run(connected.generate(REQUEST))
    assert found(of(raised.value) + repr(connected) + connected.identity) == []


def test_no_wrong_url_shows_its_query() -> None:
    """What is wrong with an endpoint is said without its query."""
    with pytest.raises(BadInput) as raised:
        endpoint(f"ftp://host/?key={TOKEN}")
    assert found(of(raised.value)) == []


def test_a_secret_inside_another_hides_no_less_of_it(spy: Spies) -> None:
    """A password that begins with the user's name is hidden to its end."""
    server = spy()
    server.instead = said(401, lambda _: f"not {USER}-1234 of {USER}")
    with pytest.raises(AccessDenied, match="answered 401: not … of …;"):
        endpoint(server.url.replace("//", f"//{USER}:{USER}-1234@"))


def test_a_password_without_a_user_is_sent_and_hidden(spy: Spies) -> None:
    """Some gateways take any user: the password alone is sent, and not shown."""
    server = spy()
    server.instead = said(401, everything)
    with pytest.raises(AccessDenied) as raised:
        endpoint(server.url.replace("//", f"//:{PASSWORD}@"))
    sent = base64.b64encode(f":{PASSWORD}".encode()).decode()
    assert server.authorizations() == {f"Basic {sent}"}
    assert PASSWORD not in of(raised.value) and sent not in of(raised.value)


def traces(out: Path) -> dict[str, list[str]]:
    """The secrets in each file below a folder, and in what the tables hold."""
    import pyarrow.parquet as pq

    files = [path for path in out.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"README.md", "codeclm.json", "journal.sqlite"}
    shown = {str(path): found(path.read_bytes()) for path in files}
    tables = {
        path.name: found(str(pq.read_table(path).to_pylist())) for path in files if path.suffix == ".parquet"
    }
    return {name: secrets for name, secrets in (shown | tables).items() if secrets}


def test_a_run_keeps_no_secret(
    roles: dict[str, Spy],
    seeds: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No file, table, log, repr or pickle of a run holds a token, a URL's user or a proxy's."""
    caplog.set_level(logging.DEBUG)
    loop = transport._background.loop
    monkeypatch.setattr(loop, "slow_callback_duration", 0)  # every callback is logged
    loop.set_debug(True)
    try:
        monkeypatch.setenv("http_proxy", with_user(roles["judge"].url))
        models = {
            "strong": endpoint(with_user(roles["strong"].url)),
            "target": endpoint(roles["target"].url, api_key=TOKEN),
            "judge": endpoint(far(roles["judge"]), api_key=TOKEN),
        }
        codec = CodecLM(**models)
        tables = codec.run(seeds, out=tmp_path / "out", num_instructions=4, num_metadata=2)
    finally:
        loop.set_debug(False)
    assert [role for role, each in roles.items() if not any(found(seen.raw) for seen in each.seen)] == []
    assert {seen.target.startswith(far(roles["judge"])) for seen in roles["judge"].seen} == {True}
    assert "codeclm" in caplog.text
    assert found(caplog.text) == []
    assert found(repr(codec) + repr(models) + repr(tables)) == []
    assert found(pickle.dumps((codec, codec.draft, models))) == []
    assert traces(tmp_path / "out") == {}


def test_the_command_line_shows_and_keeps_no_secret(
    roles: dict[str, Spy], small: list[object], tmp_path: Path
) -> None:
    """The same for a process of its own: its output, its files and the caches it leaves."""
    servers = ["--strong", with_user(roles["strong"].url), "--target", roles["target"].url,
               "--judge", far(roles["judge"]), "--target-key-env", "KEY", "--judge-key-env", "KEY"]  # fmt: skip
    cache = tmp_path / "cache"
    result = cli(
        *small, *servers, http_proxy=with_user(roles["judge"].url), KEY=TOKEN, HF_DATASETS_CACHE=str(cache),
        HF_HUB_CACHE=str(cache), TMPDIR=str(tmp_path), PYTHONASYNCIODEBUG="1",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert [role for role, each in roles.items() if not any(found(seen.raw) for seen in each.seen)] == []
    assert found(result.stdout + result.stderr) == []
    assert traces(tmp_path) == {}


def test_the_fingerprint_knows_neither_url_nor_token(spy: Spies, seeds: Dataset) -> None:
    """The same stage on the same data has one fingerprint, whatever server and token it asks with."""
    fingerprints = set()
    for url, key in ((spy().url, None), (spy().url, TOKEN), (with_user(spy().url), None)):
        model = endpoint(url, api_key=key)
        fingerprints.add(CodecLM(strong=model, target=model).encode.map(seeds)._fingerprint)
    assert len(fingerprints) == 1


def test_a_cookie_goes_back_to_nobody(spy: Spies) -> None:
    """What a server sets is sent neither to it nor, on a redirect, to another."""
    server, other = spy(), spy()
    connected = endpoint(server.url)
    for reply in (said(422, **{"Set-Cookie": "session=1"}), None, moved_to(other.url)):
        server.instead = reply
        try:
            transport.run(connected.generate(REQUEST))
        except CodecLMError:
            assert reply is not None and len(server.seen) < 5
    assert other.asked
    assert not any("Cookie" in seen.headers for seen in (*server.seen, *other.seen))


def test_a_login_in_netrc_is_not_read(spy: Spies, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody gave it to us, so it is not sent."""
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server = spy()
    ask(server.url)
    assert server.authorizations() == {None}


@pytest.mark.parametrize("token", ["s3cret\r\nX-Injected: 1", "s3cret\x00", "s3crét", "s3cr\u2028et"])
def test_a_token_cannot_hold_another_header(spy: Spies, token: str) -> None:
    """A token with a line break or what no header can hold is refused before anything is sent, and not shown."""
    server = spy()
    with pytest.raises(BadInput, match="printable ASCII") as raised:
        endpoint(server.url, api_key=token)
    assert server.seen == []
    assert found(of(raised.value)) == []


def test_only_the_beginning_of_a_page_is_searched_for_words(spy: Spies) -> None:
    """An error page made to keep the pattern for tags busy does so for 10 000 characters at most."""
    server = spy()
    connected = endpoint(server.url)
    server.instead = said(422, lambda _: "early" + "<p>" * 4000 + "late")
    with pytest.raises(CodecLMError, match="answered 422: early") as raised:
        transport.run(connected.generate(REQUEST))
    assert "late" not in str(raised.value)
