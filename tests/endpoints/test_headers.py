"""Headers of a user's own: what is taken, what is refused, and that their values show nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codeclm_hf import BadInput, GenerationRequest, Message, endpoint
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.headers import read_headers
from codeclm_hf.errors import AccessDenied, CodecLMError
from support.command_line import Cli, output_of, refusal_of
from support.gateway import CHAT, Gateway, models
from support.model_server import StandIn

Serve = Callable[..., StandIn]
REQUEST = GenerationRequest(messages=(Message("user", "hello"),), seed=1)


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        ("api-key: s3cret", {"api-key": "s3cret"}),
        ("api-key:s3cret", {"api-key": "s3cret"}),
        ("X-Time: 10:20", {"X-Time": "10:20"}),
        ("api-key: $KEY", {"api-key": "from-the-environment"}),
        ("Authorization: Token ${KEY}", {"Authorization": "Token from-the-environment"}),
        ("X-Price: 5$ or $5 a pa$$word$", {"X-Price": "5$ or $5 a pa$$word$"}),
    ],
)
def test_what_is_typed_becomes_a_header(
    line: str, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name, a colon and a value, in which a word `$NAME` is that variable's and other dollars stay."""
    monkeypatch.setenv("KEY", "from-the-environment\n")
    assert read_headers([line], "--strong-header") == headers


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["s3cret"], "--strong-header; came something else"),
        ([": s3cret"], "came something else"),
        (["na me: s3cret"], "came something else"),
        (["näme: s3cret"], "came something else"),
        (["X-Key: s3cret\nX-Other: 1"], "printable ASCII"),
        (["X-Key: s3crét"], "printable ASCII"),
        (["X-Key:  "], "printable ASCII"),
        (["X-Key: $NOT_SET"], "environment variable NOT_SET; it is not set"),
        (["X-Key: s3cret", "x-key: s3cret"], "came twice with x-key"),
        *[
            ([f"{name}: s3cret"], f"came {name}; leave it out")
            for name in ("Host", "content-length", "Content-Type", "Transfer-Encoding", "Proxy-Authorization")
        ],
    ],
)
def test_what_is_no_header_is_refused_without_its_value(lines: list[str], words: str) -> None:
    """A wrong name, a value that HTTP cannot hold and a header of HTTP's own are told apart; no value shows."""
    with pytest.raises(BadInput, match="needs") as raised:
        read_headers(lines, "--strong-header")
    assert words in str(raised.value)
    assert "s3cr" not in str(raised.value)


def test_a_header_goes_with_every_request_and_shows_nowhere(serve: Serve) -> None:
    """From the first question on the server gets it; where the server repeats it, it is left out."""
    server = serve(lambda *_: "hi", tgi=False)
    connecting: list[dict[str, str]] = []
    server.closed = lambda request: connecting.append(dict(request.headers))
    connected = endpoint(server.url, headers={"X-Gateway-Key": "Key s3cret-value"})
    assert transport.run(connected.generate(REQUEST)).text == "hi"
    assert {seen["X-Gateway-Key"] for seen in connecting} == {"Key s3cret-value"}
    server.script = [(400, "bad key s3cret-value", "text/plain", {})]
    with pytest.raises(CodecLMError, match="bad key …") as raised:
        transport.run(connected.generate(REQUEST))
    assert "s3cret" not in repr(raised.value) + repr(connected) + connected.identity


def test_a_redirect_to_another_host_loses_the_header(serve: Serve) -> None:
    """The other host gets the request, and no header of the user's."""
    door, behind = serve(lambda *_: "hi", tgi=False), serve(lambda *_: "hi", tgi=False)
    connected = endpoint(door.url, headers={"X-Gateway-Key": "s3cret"})
    path = "/v1/chat/completions"
    door.script = [(307, "", "text/plain", {"Location": behind.url + path})]
    assert transport.run(connected.generate(REQUEST)).text == "hi"
    assert "X-Gateway-Key" not in behind.asked[0]["headers"]


@pytest.mark.parametrize("options", [{"api_key": "s3cret"}, {"user": "user:s3cret@"}])
def test_one_authorization_is_enough(serve: Serve, options: dict[str, Any]) -> None:
    """A header Authorization beside a token or a user in the URL is refused; alone it is sent as it is."""
    server = serve(lambda *_: "hi", tgi=False)
    url = server.url.replace("//", "//" + options.pop("user", ""))
    with pytest.raises(BadInput, match="leave one out") as raised:
        endpoint(url, headers={"authorization": "Token s3cret"}, **options)
    assert "s3cret" not in str(raised.value)
    transport.run(endpoint(server.url, headers={"Authorization": "Token s3cret"}).generate(REQUEST))
    assert server.asked[0]["headers"]["Authorization"] == "Token s3cret"


@pytest.mark.parametrize(
    ("role", "words"),
    [(None, r"endpoint\(…, api_key=TOKEN\)"), ("judge", "--judge-key-env"), ("strong", "--strong-key-env")],
)
def test_a_hint_names_the_option_of_the_role(serve: Serve, role: str | None, words: str) -> None:
    """On the command line it is the role's option, in Python the argument."""
    server = serve(lambda *_: "hi", tgi=False, token="right")
    with pytest.raises(AccessDenied, match=words):
        endpoint(server.url, role=role)


@pytest.mark.parametrize(
    "form", ["api-key: $KEY", ["api-key: $KEY"], {"api-key": "$KEY"}], ids=["text", "list", "map"]
)
def test_a_configuration_file_gives_headers_in_any_form(
    cli: Cli, serve: Serve, seeds_file: Path, monkeypatch: pytest.MonkeyPatch, form: Any
) -> None:
    """One header as a text, several as a list or a mapping; the value is in the environment and nowhere else."""
    monkeypatch.setenv("KEY", "s3cret-value")
    server = serve(lambda *_: "hi", tgi=False)
    seen: list[str | None] = []
    server.closed = lambda request: seen.append(request.headers.get("api-key"))
    config = seeds_file.with_name("run.yaml")
    config.write_text(json.dumps({"strong-header": form, "target-header": form}))
    words = [seeds_file, "--strong", server.url, "--target", server.url, "--out", seeds_file.with_name("out")]
    shown = output_of(cli("run", *words, "--config", config, "--dry-run"))
    assert set(seen) == {"s3cret-value"}
    assert "s3cret" not in shown


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("judge-check --judge URL", "--judge"),
        ("run SEEDS --strong URL --target URL --out OUT", "--strong"),
        ("run SEEDS --strong ONE --target URL --out OUT", "--target"),
        ("evaluate SEEDS --candidate URL --reference ONE --judge ONE --out OUT", "--candidate"),
        ("evaluate SEEDS --candidate ONE --reference URL --judge ONE --out OUT", "--reference"),
        ("evaluate SEEDS --candidate ONE --reference ONE --judge URL --out OUT", "--judge"),
    ],
)
def test_a_command_names_its_own_options(
    cli: Cli,
    gateway: Callable[..., Gateway],
    seeds_file: Path,
    tmp_path: Path,
    command: str,
    option: str,
) -> None:
    """What to type is said in the words of the command that is running and of the role that needs it."""
    several = gateway({"GET /v1/models": models("a", "b"), "POST /v1/chat/completions": CHAT})
    one = gateway({"GET /v1/models": models("a"), "POST /v1/chat/completions": CHAT})
    names = {"URL": several.url, "ONE": one.url, "SEEDS": str(seeds_file), "OUT": str(tmp_path / "out")}
    assert f"it has a, b; name one with {option}-model NAME" in refusal_of(
        cli(*(names.get(word, word) for word in command.split()))
    )
    several.rest = several.routes["GET /v1/models"] = (401, {"error": "who are you"})
    assert f"{option}-key-env VARIABLE, or a gateway's own header: {option}-header" in refusal_of(
        cli(*(names.get(word, word) for word in command.split()))
    )


@pytest.mark.parametrize(
    "command",
    [
        "judge-check --judge URL",
        "run SEEDS --strong URL --target URL --out OUT",
        "evaluate SEEDS --candidate URL --reference URL --judge URL --out OUT",
    ],
)
@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_time_out_is_a_number_of_seconds(
    cli: Cli, seeds_file: Path, tmp_path: Path, command: str, seconds: str
) -> None:
    """Each command takes --timeout, and refuses what is no time."""
    names = {"URL": "http://127.0.0.1:9", "SEEDS": str(seeds_file), "OUT": str(tmp_path / "out")}
    words = [names.get(word, word) for word in command.split()]
    assert "needs a time-out of more than 0 seconds" in refusal_of(cli(*words, "--timeout", seconds))


def test_a_request_takes_no_longer_than_its_time_out(serve: Serve) -> None:
    """What is not answered in time is sent again."""
    server = serve(lambda *_: "hi", tgi=False)
    connected = endpoint(server.url, timeout=0.2)
    server.script = ["hang"]
    assert transport.run(connected.generate(REQUEST)).text == "hi"
    assert server.statuses == [200]
