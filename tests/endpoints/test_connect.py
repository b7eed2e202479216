"""From what a person types to the right dialect."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest

from codeclm_hf import BadInput, GenerationRequest, Message, endpoint
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.connect import _headers, _hub_token
from codeclm_hf.errors import AccessDenied, RequestRejected
from support.model_server import StandIn

Serve = Callable[..., StandIn]
SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
REQUEST = GenerationRequest(messages=(Message("user", "hello"),), seed=1, max_new_tokens=9, schema=SCHEMA)
native = pytest.mark.skipif(
    importlib.util.find_spec("text_generation") is None, reason="the native TGI dialect needs the extra `tgi`"
)


def ask(server: StandIn, prefix: str = "", **options: Any) -> dict[str, Any]:
    connected = endpoint(prefix + server.url, **options)
    assert transport.run(connected.generate(REQUEST)).text == "hi"
    return server.asked[-1]


@native
def test_tgi_is_spoken_to_in_its_own_protocol(serve: Serve, tokenizer: str) -> None:
    """A TGI gets `/generate` with the templated prompt, the grammar and details."""
    asked = ask(serve(lambda *_: "hi"))
    assert asked["path"] == "/generate"
    assert asked["body"]["inputs"] == "<|user|>hello<|end|><|assistant|>"
    assert asked["body"]["parameters"] == {
        "do_sample": True, "temperature": 0.7, "seed": 1, "max_new_tokens": 9, "return_full_text": False, "stop": [],
        "details": True, "decoder_input_details": False, "watermark": False,
        "grammar": {"type": "json", "value": SCHEMA},
    }  # fmt: skip


@native
def test_a_template_that_writes_the_first_token_does_not_double_it(
    serve: Serve, tokenizer: str, tmp_path: Any
) -> None:
    """The start-of-text token is left to TGI where the tokenizer would add it."""
    from transformers import AutoTokenizer

    doubled = AutoTokenizer.from_pretrained(tokenizer)
    doubled.add_special_tokens({"bos_token": "<s>"})
    doubled.chat_template = "<s>" + doubled.chat_template
    from tokenizers.processors import TemplateProcessing

    doubled.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", doubled.bos_token_id)]
    )
    doubled.save_pretrained(tmp_path)
    asked = ask(serve(lambda *_: "hi", model=str(tmp_path)))
    assert asked["body"]["inputs"] == "<|user|>hello<|end|><|assistant|>"


def test_the_messages_api_of_tgi_gets_tgis_response_format(serve: Serve) -> None:
    """`chat+http://` to a TGI spells the schema as TGI's Messages API wants it."""
    asked = ask(serve(lambda *_: "hi"), "chat+")
    assert asked["path"] == "/v1/chat/completions"
    assert asked["body"]["response_format"] == {"type": "json_object", "value": SCHEMA}
    assert asked["body"]["model"] == "tgi"


def test_other_servers_get_openais_response_format(serve: Serve) -> None:
    """A server that is no TGI gets the schema as OpenAI spells it, and the name it serves."""
    asked = ask(serve(lambda *_: "hi", tgi=False, model="org/model"))
    assert asked["body"]["response_format"]["json_schema"]["schema"] == SCHEMA
    assert (asked["body"]["model"], asked["body"]["seed"], asked["body"]["max_tokens"]) == ("org/model", 1, 9)


@pytest.mark.parametrize("tgi", [True, False])
def test_a_server_without_grammars_is_asked_without(serve: Serve, tgi: bool) -> None:
    """After the first refusal of a grammar the server is asked in plain words."""
    server = serve(lambda *_: "hi", tgi=tgi, grammar=False)
    connected = endpoint(server.url)
    for _ in range(2):
        assert transport.run(connected.generate(REQUEST)).text == "hi"
    assert [asked["schema"] for asked in server.asked] == [None, None]


def test_a_server_that_spells_the_limit_as_openai_does_is_asked_so(serve: Serve) -> None:
    """After one refusal of `max_tokens` the newer name is used."""
    server = serve(lambda *_: "hi", tgi=False)
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    server.fault = lambda body: (400, words, "text/plain", {}) if "max_tokens" in body else None
    connected = endpoint(server.url)
    for _ in range(2):
        assert transport.run(connected.generate(REQUEST)).text == "hi"
    assert [asked["body"]["max_completion_tokens"] for asked in server.asked] == [9, 9]
    assert server.statuses == [400, 200, 200]


@pytest.mark.parametrize("suffix", ["/", "/v1", "/v1/chat/completions"])
def test_a_pasted_route_is_as_good_as_the_base_url(serve: Serve, suffix: str) -> None:
    """The URL of a route leads to its server."""
    server = serve(lambda *_: "hi", tgi=False)
    assert transport.run(endpoint(server.url + suffix).generate(REQUEST)).text == "hi"


def test_the_identity_is_the_models_and_not_the_servers(serve: Serve) -> None:
    """Two servers of one model have one identity, whatever their URL and dialect."""
    one, two = serve(lambda *_: "hi"), serve(lambda *_: "hi")
    identities = {
        endpoint(one.url).identity,
        endpoint(two.url).identity,
        endpoint("chat+" + one.url, concurrency=3).identity,
    }
    assert len(identities) == 1
    assert "127.0.0.1" not in identities.pop()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("tgi:8080", "needs an endpoint like http"),
        ("ftp://host", "needs an endpoint like http"),
        ("http://", "needs an endpoint like http"),
        ("http://host:port", "needs an endpoint like http"),
        ("http://127.0.0.1:9", "does not answer"),
        ("local:gpt-5", "give smollm2-135m-instruct"),
        ("local:/nowhere/model.gguf", "needs an embedded model"),
    ],
)
def test_what_is_no_endpoint_is_said_in_one_sentence(typed: str, words: str) -> None:
    """A wrong spelling, a dead port and an unknown embedded model each say what to give."""
    with pytest.raises(BadInput, match=words):
        endpoint(typed)


def test_a_server_of_something_else_is_no_endpoint(serve: Serve) -> None:
    """A web server that lists no models is named as what it is not."""
    server = serve(lambda *_: "hi", tgi=False)
    server.unknown = ["not looked at"]
    with pytest.raises(BadInput, match="needs an LLM server"):
        endpoint(server.url + "/elsewhere")
    server.unknown = []


def test_a_forced_dialect_must_be_spoken(serve: Serve) -> None:
    """`tgi+` before the URL of another server is refused."""
    server = serve(lambda *_: "hi", tgi=False)
    with pytest.raises(BadInput, match="needs a TGI server"):
        endpoint("tgi+" + server.url)


def test_a_forced_dialect_must_be_installed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tgi+` without the extra says what to install; without the prefix the Messages API serves."""
    server = serve(lambda *_: "hi")
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(BadInput, match="needs the package text-generation"):
        endpoint("tgi+" + server.url)
    assert ask(server)["path"] == "/v1/chat/completions"


@pytest.mark.parametrize("tgi", [True, False])
def test_a_wrong_token_is_found_out_before_anything_is_asked(serve: Serve, tgi: bool) -> None:
    """401 stops at the door, with the hint; the right token passes."""
    server = serve(lambda *_: "hi", tgi=tgi, token="right")
    with pytest.raises(AccessDenied, match="give a valid token"):
        endpoint(server.url, api_key="wrong")
    assert server.asked == []
    ask(server, api_key="right")


@pytest.mark.parametrize(
    "typed", ["ftp://user:pa55@host", "http://user:pa55@127.0.0.1:99999", "http://user:pa55@127.0.0.1:9"]
)
def test_a_password_in_a_url_is_not_repeated(typed: str) -> None:
    """What is wrong with an endpoint is said without the password in it."""
    with pytest.raises(BadInput) as raised:
        endpoint(typed)
    assert "pa55" not in str(raised.value)


def test_a_token_is_taken_without_its_line_break_and_not_beside_a_user(serve: Serve) -> None:
    """A token read from a file ends in a line break; one with control characters inside, or a user too, is refused."""
    server = serve(lambda *_: "hi", token="right")
    ask(server, api_key="right\n")
    with pytest.raises(BadInput, match="printable"):
        endpoint(server.url, api_key="ri\x00ght")
    with pytest.raises(BadInput, match="came two of them"):
        endpoint(server.url.replace("//", "//user:pass@"), api_key="right")


def test_another_refusal_does_not_cost_the_grammar(serve: Serve) -> None:
    """A refusal that only quotes the word keeps the grammar in use."""
    server = serve(lambda *_: "hi")
    connected = endpoint(server.url)
    server.script = [(400, '{"error": "too long: Explain English grammar"}', "application/json", {})] * 2
    with pytest.raises(RequestRejected):
        transport.run(connected.generate(REQUEST))
    transport.run(connected.generate(REQUEST))
    assert server.asked[-1]["schema"] == SCHEMA


def test_an_inference_endpoint_is_asked_to_hold_requests_while_it_starts() -> None:
    """The header of the scale-to-zero proxy goes to Inference Endpoints, with the time we wait, and nowhere else."""
    from yarl import URL

    assert _headers(URL("https://abc.eu-west-1.aws.endpoints.huggingface.cloud"), 900) == {
        "X-Scale-Up-Timeout": "900"
    }
    assert _headers(URL("https://endpoints.huggingface.cloud.evil.org"), 900) == {}


def test_the_hub_token_goes_to_hugging_face_over_https_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """`HF_TOKEN` is for Hugging Face's own hosts over https, and for nobody who only looks like them."""
    from yarl import URL

    monkeypatch.setenv("HF_TOKEN", "hf_x")
    for url in (
        "https://api.huggingface.co",
        "https://abc.us-east-1.aws.endpoints.huggingface.cloud",
    ):
        assert _hub_token(URL(url)) == "hf_x"
    for url in (
        "http://api.huggingface.co",
        "https://huggingface.co.evil.org",
        "https://evilhuggingface.co",
        "http://10.0.0.1",
    ):
        assert _hub_token(URL(url)) is None
