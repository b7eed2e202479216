"""What people paste as a server's address, and where its routes are then."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf import BadInput, GenerationRequest, Message, endpoint
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.address import read_address, split_addresses
from support.gateway import CHAT, Gateway, models

REQUEST = GenerationRequest(messages=(Message("user", "hello"),), seed=1)
HTML = (200, "<!doctype html><title>A page for every path</title>")


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("", "/v1"),
        ("/", "/v1"),
        ("/v1", "/v1"),
        ("/v1/", "/v1"),
        ("//", "/v1"),
        ("/v1/models", "/v1"),
        ("/v1/completions", "/v1"),
        ("/v1/responses", "/v1"),
        ("/v1/chat/completions", "/v1"),
        ("/v1/chat/completions/", "/v1"),
        ("/generate", "/v1"),
        ("/prefix", "/prefix/v1"),
        ("/prefix/v1", "/prefix/v1"),
        ("/openai/v1", "/openai/v1"),
        ("/api/v1", "/api/v1"),
        ("/compatible-mode/v1", "/compatible-mode/v1"),
        ("/v1beta/openai", "/v1beta/openai"),
        ("/v1beta/openai/", "/v1beta/openai"),
        ("/v1beta/openai/chat/completions", "/v1beta/openai"),
        ("/v1beta/openai/models", "/v1beta/openai"),
        ("/v1/openai", "/v1/openai"),
        ("/api/paas/v4", "/api/paas/v4"),
        ("/api/paas/v4/", "/api/paas/v4"),
        ("/api/v3", "/api/v3"),
        ("/api/v0", "/api/v0"),
        ("/v2", "/v2"),
        ("/openai/deployments/mine", "/openai/deployments/mine"),
        ("/openai/deployments/mine/chat/completions", "/openai/deployments/mine"),
        ("/v2/inference/deployments/d123/chat/completions", "/v2/inference/deployments/d123"),
        ("/models/chat/completions", "/models"),
        ("/models", "/models"),
        ("/inference", "/inference"),
        ("/serving-endpoints", "/serving-endpoints"),
        ("/api", "/api"),
        ("/v1/projects/p/locations/l/endpoints/openapi", "/v1/projects/p/locations/l/endpoints/openapi"),
        ("/v1/account/gateway/compat", "/v1/account/gateway/compat"),
        ("/api/openai", "/api/openai"),
        ("/api/openai", "/api/openai/v1"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("listed", [True, False], ids=["with a list", "without"])
def test_any_form_of_url_finds_the_chat_completions(
    gateway: Callable[..., Gateway], path: str, served: str, listed: bool
) -> None:
    """The route is found by the form of the URL or, where that does not tell, by asking; with a query in tow."""
    routes: dict[str, Any] = {f"POST {served}/chat/completions": CHAT}
    if listed:
        routes[f"GET {served}/models"] = models("m")
    server = gateway(routes)
    connected = endpoint(f"{server.url}{path}?api-version=1", model="m")
    assert transport.run(connected.generate(REQUEST)).text == "hi"
    assert connected.identity == "m"
    assert {each.partition("?")[2] for each in server.seen} == {"api-version=1"}


def test_a_page_for_every_path_misleads_nobody(gateway: Callable[..., Gateway]) -> None:
    """A web application that answers 200 with a page to whatever is asked has its chat completions found."""
    routes = {"GET /api/models": models("m"), "POST /api/chat/completions": CHAT}
    server = gateway(routes, rest=HTML)
    assert transport.run(endpoint(server.url + "/api").generate(REQUEST)).text == "hi"


def test_the_model_in_a_url_needs_no_name(gateway: Callable[..., Gateway], caplog: Any) -> None:
    """A deployment's URL names its model; that the list has other names is not worth a word."""
    path = "/openai/deployments/my%20gpt"
    server = gateway({
        "POST /openai/deployments/my gpt/chat/completions": CHAT,
        "GET /openai/deployments/my gpt/models": models("gpt-4.1", "gpt-5"),
    })  # fmt: skip
    with caplog.at_level(logging.WARNING):
        assert endpoint(server.url + path).identity == "my gpt"
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("typed", "servers"),
    [
        ("http://a:1,http://b:2", ["http://a:1", "http://b:2"]),
        ("tgi+http://a, chat+https://b", ["tgi+http://a", "chat+https://b"]),
        ("http://u:p,w@a,http://b", ["http://u:p,w@a", "http://b"]),
        ("http://a/v1?x=1,2", ["http://a/v1?x=1,2"]),
    ],
)
def test_commas_stand_between_servers(typed: str, servers: list[str]) -> None:
    """A comma inside a password or a query parts nothing."""
    assert split_addresses(typed) == servers


@given(
    st.sampled_from(["http", "https", "tgi+http", "chat+https", "HTTP"]),
    st.text(st.characters(exclude_characters="/?#@:[]\\", codec="utf-8"), max_size=8),
    st.text(max_size=30),
)
def test_whatever_is_typed_is_an_address_or_one_sentence(scheme: str, host: str, rest: str) -> None:
    """No text makes anything but an address or a BadInput, and neither the user nor the query is shown."""
    try:
        address = read_address(f"{scheme}://us3r:p455@{host}/{rest}?key=s3cret")
    except BadInput as exc:
        assert not any(secret in str(exc) for secret in ("p455", "s3cret"))
    else:
        assert address.chat_paths and not address.base.query_string
