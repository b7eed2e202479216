"""Connecting: what is waited for, what a server is taken to be, and what is said of one that cannot be had."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import re
import ssl
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import ClientRequest, web

from codeclm_hf import BadInput, GenerationRequest, Message, endpoint
from codeclm_hf.endpoints import http, transport
from codeclm_hf.errors import AccessDenied, EndpointDown, GenerationFailed
from support.gateway import CHAT, Gateway, models, tgi_info
from support.model_server import StandIn

Serve = Callable[..., StandIn]
Gateways = Callable[..., Gateway]
REQUEST = GenerationRequest(messages=(Message("user", "hello"),), seed=1)
INFO, LIST, POST, GENERATE = "GET /info", "GET /v1/models", "POST /v1/chat/completions", "POST /generate"
UNAVAILABLE = (503, "<html>Service Unavailable</html>")
native = pytest.mark.skipif(
    importlib.util.find_spec("text_generation") is None, reason="the native TGI dialect needs the extra `tgi`"
)


@pytest.mark.parametrize(
    "failure",
    [(status, "") for status in (408, 425, 429, 499, 500, 502, 503, 504, 520, 524, 530)]
    + [
        "drop",
        (429, {"error": "slow down"}, {"Retry-After": "7"}),
        (200, {"error": {"code": 502, "message": "no"}}),
    ],
    ids=str,
)
@pytest.mark.parametrize("route", [INFO, LIST])
def test_what_may_pass_is_asked_again(gateway: Gateways, caplog: Any, route: str, failure: Any) -> None:
    """A failure at connecting changes neither what the server is taken to be nor its model; it is said once."""
    well = {INFO: tgi_info("/m", "abc"), LIST: models("m")}
    if route == LIST:
        del well[INFO]
    identity = endpoint(gateway({**well, POST: CHAT}).url).identity
    server = gateway({**well, route: [failure, failure, well[route]], POST: CHAT})
    with caplog.at_level(logging.WARNING):
        assert endpoint(server.url).identity == identity
    assert server.seen.count(route) == 3
    assert sum("waiting until it serves" in line for line in caplog.messages) == 1


@pytest.mark.parametrize(
    "answer",
    [(status, "") for status in (400, 401, 403, 404, 405, 410, 422, 501)]
    + [(200, "<html>hello</html>"), (200, {"hello": "world"}), (200, []), (204, ""), (200, {"error": "no such thing"}),
       (200, {"model_id": "e", "model_sha": None, "model_type": {"embedding": {}}})],
    ids=str,
)  # fmt: skip
def test_whatever_else_answers_is_no_tgi_and_no_more(gateway: Gateways, answer: Any) -> None:
    """A refusal, a page and another server's `/info` each say "not TGI"; the list says what it is."""
    server = gateway({INFO: answer, LIST: models("m"), POST: CHAT})
    assert endpoint(server.url).identity == "m"
    assert server.seen.count(INFO) == 1


def test_a_server_that_never_starts_ends_the_waiting(gateway: Gateways, clock: Any) -> None:
    """After --give-up-after seconds connecting ends with exit code 3, and says what was answered."""
    with pytest.raises(EndpointDown, match=r"answered 503.*gave up after 300 s; run again") as raised:
        endpoint(gateway({INFO: UNAVAILABLE}).url, give_up_after=300)
    assert raised.value.exit_code == 3
    assert 290 <= clock.time <= 300


def test_a_server_that_breaks_without_a_token_is_waited_for_with_a_hint(
    gateway: Gateways, clock: Any, caplog: Any
) -> None:
    """LiteLLM answers 500 where a token is missing: at once, and in the end, it is said how to give one."""
    server = gateway({INFO: (404, ""), LIST: (500, "Internal Server Error")})
    with pytest.raises(
        EndpointDown, match=r"answered 500.*if it wants a token.*api_key=.*gave up after 30 s"
    ):
        endpoint(server.url, give_up_after=30)
    assert sum("if it wants a token" in line for line in caplog.messages) == 1
    with pytest.raises(EndpointDown, match=r"answered 500: Internal Server Error; gave up"):
        endpoint(server.url, api_key="sk-1", give_up_after=30)


def test_a_connection_that_always_breaks_off_is_no_server(gateway: Gateways) -> None:
    """A port that drops what it gets is not waited for."""
    server = gateway({INFO: "drop"})
    with pytest.raises(BadInput, match=r"needs an LLM server.*broke off"):
        endpoint(server.url)
    assert len(server.seen) <= 6  # aiohttp itself asks again where a kept connection broke off


def connections_take(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Compress the time that a connection, or the answer to what a server is, may take."""
    defaults = dict(http.Client.__init__.__kwdefaults__ or {}, connect_timeout=seconds)
    monkeypatch.setattr(http.Client.__init__, "__kwdefaults__", defaults)


@pytest.mark.parametrize("held", [INFO, LIST])
def test_a_request_that_a_proxy_holds_is_waited_for(
    gateway: Gateways, monkeypatch: pytest.MonkeyPatch, caplog: Any, held: str
) -> None:
    """A proxy before a server that scaled to zero holds the first request two and a half times as long as a
    connection may take: it is waited for, once, and said once."""
    connections_take(monkeypatch, 0.1)
    server = gateway({LIST: models("m"), POST: CHAT})
    handle = server._handle

    async def hold(request: web.Request) -> web.StreamResponse:
        if f"{request.method} {request.path}" == held:
            await asyncio.sleep(0.25)
        return await handle(request)

    server._handle = hold  # type: ignore[method-assign]
    server.stop()
    server.start()
    with caplog.at_level(logging.WARNING):
        assert transport.run(endpoint(server.url).generate(REQUEST)).text == "hi"
    assert server.seen.count(held) == 1
    assert (
        sum(
            re.search(r"has not answered for 0\.1 s.*; waiting until it serves", line) is not None
            for line in caplog.messages
        )
        == 1
    )


def test_a_server_that_holds_for_ever_is_down(gateway: Gateways, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing comes as long as we wait at all, it is a server that is down: the run can go on later."""
    connections_take(monkeypatch, 0.05)
    server = gateway({})

    async def hold(request: web.Request) -> web.StreamResponse:
        await server._stopping.wait()
        return web.Response()

    server._handle = hold  # type: ignore[method-assign]
    server.stop()
    server.start()
    with pytest.raises(EndpointDown, match=r"gave no answer in 0\.1 s; gave up"):
        endpoint(server.url, give_up_after=0.1)


@pytest.mark.parametrize("named", [None, "m"])
def test_chat_does_not_ask_a_gateway_for_info(gateway: Gateways, named: str | None) -> None:
    """`chat+` says that it is no TGI: only a list that is TGI's own makes us ask it for its revision."""
    server = gateway({LIST: models("m", created=1, owned_by="org"), POST: CHAT})
    endpoint("chat+" + server.url, model=named)
    assert INFO not in server.seen


@pytest.mark.parametrize("info", [tgi_info("/m", "abc"), tgi_info("/m")])
def test_a_tgi_has_one_identity_however_it_is_asked(gateway: Gateways, info: Any) -> None:
    """With a prefix or without, with its tokenizer here or not: an answer is not paid for twice."""
    server = gateway({INFO: info, LIST: models("/m", created=0, owned_by="/m"), POST: CHAT})
    assert endpoint(server.url).identity == endpoint("chat+" + server.url).identity


@native
def test_a_tgi_whose_tokenizer_cannot_be_had_is_asked_through_its_messages_api(
    gateway: Gateways, caplog: Any
) -> None:
    """A folder of another machine, a gated repository, no network: TGI lays out the prompts, which is said once."""
    server = gateway({INFO: tgi_info("/data/of/another/machine", "abc"), POST: CHAT, GENERATE: (500, "")})
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            connected = endpoint(server.url, role="target")
    assert transport.run(connected.generate(REQUEST)).text == "hi"
    assert connected.identity == "machine@abc"
    (said,) = caplog.messages
    assert (
        "there is no such folder here" in said
        and "Messages API" in said
        and "--target-model NAME names another" in said
    )


@native
@pytest.mark.parametrize("options", [{"prefix": "tgi+"}, {"model": "/nowhere/tokenizer"}])
def test_who_insists_on_a_tokenizer_is_told_that_it_cannot_be_had(
    gateway: Gateways, options: dict[str, Any]
) -> None:
    """`tgi+` and a named tokenizer are taken at their word."""
    server = gateway({INFO: tgi_info("/nowhere/model"), POST: CHAT})
    with pytest.raises(BadInput, match=r"cannot be had here .*--judge-model NAME, or let TGI"):
        endpoint(options.pop("prefix", "") + server.url, role="judge", **options)


@native
def test_a_base_model_has_no_chat_in_either_dialect(
    gateway: Gateways, tokenizer: str, tmp_path: Path
) -> None:
    """Without a chat template the Messages API would have none either."""
    from transformers import AutoTokenizer

    bare = AutoTokenizer.from_pretrained(tokenizer)
    bare.chat_template = None
    bare.save_pretrained(tmp_path)
    with pytest.raises(BadInput, match="has none"):
        endpoint(gateway({INFO: tgi_info(str(tmp_path)), POST: CHAT}).url)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_https_is_said_at_connecting(gateway: Gateways, status: int) -> None:
    """The URL to give is in the message, with its path and without the route."""
    server = gateway({})
    location = server.url.replace("http:", "https:") + "/base/info"
    server.routes["GET /base/info"] = (status, "", {"Location": location})
    with pytest.raises(BadInput, match=r"redirects to https://127.0.0.1(:\d+)?/base; give that URL"):
        endpoint(server.url + "/base")


@pytest.mark.parametrize(
    ("ways", "words"),
    [
        ('Basic realm="internal"', "give them in the URL, http://USER:PASSWORD@HOST"),
        ("basic", "user and a password"),
        ("Bearer", "--strong-key-env"),
        ("Bearer, Basic", "--strong-key-env"),
    ],
)
def test_a_refusal_asks_for_what_the_server_wants(gateway: Gateways, ways: str, words: str) -> None:
    """Basic authentication takes a user and a password in the URL, all else a token."""
    refusal = (401, "who are you", {"WWW-Authenticate": ways})
    with pytest.raises(AccessDenied, match=words):
        endpoint(gateway({}, rest=refusal).url, role="strong")


class TLSServer:
    """A chat server behind TLS, whose certificate an authority of a company signed."""

    def __init__(self, folder: Path, server: StandIn) -> None:
        authority = trustme.CA()
        self.authority = folder / "company.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self._server = server
        self.port = asyncio.run_coroutine_threadsafe(self._start(context), server._loop).result(10)

    async def _start(self, context: ssl.SSLContext) -> int:
        assert self._server._runner is not None
        site = web.TCPSite(self._server._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        assert isinstance(site._server, asyncio.Server)
        port: int = site._server.sockets[0].getsockname()[1]
        return port


@pytest.fixture
def https(tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> TLSServer:
    """A server with a certificate that nobody knows, in an environment that names none."""
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    return TLSServer(tmp_path, serve(lambda *_: "hi", tgi=False))


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_companys_certificates_are_taken_from_the_environment(
    https: TLSServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Without the variable the error names it; with it the server is trusted."""
    url = f"https://localhost:{https.port}"
    with pytest.raises(
        BadInput, match=r"certificate that cannot be verified \(.*\); name a file.*SSL_CERT_FILE"
    ):
        endpoint(url)
    monkeypatch.setenv(variable, str(https.authority))
    assert transport.run(endpoint(url).generate(REQUEST)).text == "hi"


def test_an_authority_that_is_missing_in_the_file_is_said_with_the_variable(
    https: TLSServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who names a file already is told that this one does not do."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    with pytest.raises(BadInput, match="not in what REQUESTS_CA_BUNDLE names"):
        endpoint(f"https://localhost:{https.port}")


@pytest.mark.parametrize("content", [None, "not PEM", ""])
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_bad_file_of_certificates_is_named(
    https: TLSServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, content: str | None
) -> None:
    """A file that is gone, or holds none, is one sentence with the variable; without TLS it does not matter."""
    if content is not None:
        (tmp_path / "bad.pem").write_text(content)
    monkeypatch.setenv(variable, str(tmp_path / "bad.pem"))
    with pytest.raises(BadInput, match=f"certificates.*in {variable}; came .*bad.pem"):
        endpoint(f"https://localhost:{https.port}")
    assert transport.run(endpoint(https._server.url).generate(REQUEST)).text == "hi"


def test_a_certificate_of_another_host_needs_no_authority(
    https: TLSServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another file of certificates does not mend is not sent to one."""
    monkeypatch.setenv("SSL_CERT_FILE", str(https.authority))
    with pytest.raises(BadInput, match="cannot be verified") as raised:
        endpoint(f"https://127.0.0.1:{https.port}")
    assert "SSL_CERT_FILE" not in str(raised.value)


def test_only_what_can_be_unpacked_is_asked_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The encodings that every installation can unpack, whatever else aiohttp finds."""
    found = {**ClientRequest.DEFAULT_HEADERS, "Accept-Encoding": "gzip, deflate, br, zstd"}
    monkeypatch.setattr(ClientRequest, "DEFAULT_HEADERS", found)
    server = serve(lambda *_: "hi", tgi=False)
    transport.run(endpoint(server.url).generate(REQUEST))
    assert server.asked[0]["headers"]["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip", "deflate", "compress", "made-up"])
def test_a_reply_in_an_encoding_that_nobody_asked_for_is_one_sentence(serve: Serve, encoding: str) -> None:
    """Bytes that cannot be unpacked fail the row in words."""
    server = serve(lambda *_: "hi", tgi=False)
    connected = endpoint(server.url)

    async def reply(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x1b\x2a\x00 no such thing", headers={"Content-Encoding": encoding})

    server._handle = reply  # type: ignore[method-assign]
    server.stop()
    server.start()
    with pytest.raises((GenerationFailed, EndpointDown), match=r"broke off|no JSON"):
        transport.run(connected.generate(REQUEST))


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_packed_reply_is_unpacked(gateway: Gateways, encoding: str) -> None:
    """As many gateways send it."""
    server = gateway({})
    packer = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    body = packer.compress(json.dumps(models("m")[1]).encode()) + packer.flush()

    async def reply(request: web.Request) -> web.StreamResponse:
        return web.Response(
            body=body, headers={"Content-Encoding": encoding}, content_type="application/json"
        )

    server._handle = reply  # type: ignore[method-assign]
    server.stop()
    server.start()
    assert endpoint("chat+" + server.url).identity == "m"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"choices": [{"message": {"content": "hi \xf0\x9f"}}]}', "hi \ufffd"),
        (b'{"choices": [{"message": {"content": "caf\xe9"}}]}', "caf\ufffd"),
        (b'\xef\xbb\xbf{"choices": [{"message": {"content": "hi"}}]}', "hi"),
    ],
)
def test_a_character_that_a_server_cut_in_two_costs_that_alone(
    gateway: Gateways, body: bytes, text: str
) -> None:
    """Some send the bytes of half a character where an answer ends."""
    server = gateway({LIST: models("m"), POST: CHAT})
    connected = endpoint("chat+" + server.url)

    async def reply(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response(models("m")[1])
        return web.Response(body=body, content_type="application/json")

    server._handle = reply  # type: ignore[method-assign]
    server.stop()
    server.start()
    assert transport.run(connected.generate(REQUEST)).text == text


@pytest.mark.parametrize("url", ["http://u:pw@127.0.0.1:9", "https://u:pw@127.0.0.1:9"])
def test_what_does_not_answer_is_named_plainly(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without Python's objects, and a user of one letter does not tear the words."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(BadInput, match=r"Cannot connect to host 127\.0\.0\.1:9 \["):
        endpoint(url)


@pytest.mark.parametrize("route", [INFO, LIST])
def test_a_route_that_always_breaks_does_not_hide_a_server_that_serves(gateway: Gateways, route: str) -> None:
    """Where `/info` or the list answers 500 for ever, the other routes tell, and connecting goes on."""
    routes = {LIST: models("m"), POST: CHAT, route: (500, "broken")}
    connected = endpoint(gateway(routes).url, model="m")
    assert transport.run(connected.generate(REQUEST)).text == "hi"


def test_a_tgi_whose_info_breaks_is_no_plain_server(gateway: Gateways) -> None:
    """Its list shows what it is: its `/info` is waited for."""
    with pytest.raises(EndpointDown, match="answered 500"):
        endpoint(gateway({INFO: (500, ""), LIST: models("m", created=0, owned_by="m"), POST: CHAT}).url)


def test_a_web_site_is_no_llm_server_under_any_name(gateway: Gateways) -> None:
    """A site that answers 200 with a page to everything is found out, also where the model is named."""
    site = gateway({}, rest=(200, "<html>Welcome!</html>"))
    with pytest.raises(BadInput, match=r"needs an LLM server.*answers with a page; is this its base URL\?$"):
        endpoint(site.url, model="m")
