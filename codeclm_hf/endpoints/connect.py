"""Connect to a model by what a person types: each server is asked what it is and which model it serves."""

from __future__ import annotations

import asyncio
import functools
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from yarl import URL

from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.address import read_address, split_addresses
from codeclm_hf.endpoints.connector import Connector, ServedModel
from codeclm_hf.endpoints.defaults import DEFAULT_TIMEOUT, GIVE_UP_AFTER, THINKING_TOKENS
from codeclm_hf.endpoints.extra import check_extra
from codeclm_hf.endpoints.headers import names_who_asks
from codeclm_hf.endpoints.hints import Hints, hints_for
from codeclm_hf.endpoints.http import Client
from codeclm_hf.endpoints.local import local_endpoint
from codeclm_hf.endpoints.pool import Pool, Replica
from codeclm_hf.endpoints.protocol import Endpoint
from codeclm_hf.errors import BadInput

DEFAULT_CONCURRENCY = 64
"""Requests in flight at a server that does not say how many it takes."""
_HUGGING_FACE = ("huggingface.co", "huggingface.cloud")
"""Hosts that may have `HF_TOKEN`; not hf.space, where strangers' code runs."""
_INFERENCE_ENDPOINTS = "endpoints.huggingface.cloud"


def is_endpoint(text: str) -> bool:
    """Return whether a text is meant as an endpoint; a wrong one such as `localhost:8080` is, too."""
    return re.match(r"local:|((tgi|chat)\+)?https?://|[\w.-]+:\d+(/|$)", text, re.I) is not None


def endpoint(
    target: str,
    *,
    model: str | None = None,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    concurrency: int | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    give_up_after: float = GIVE_UP_AFTER,
    extra: Mapping[str, Any] | None = None,
    thinking_tokens: int = THINKING_TOKENS,
    allow_fallback: bool = False,
    role: str | None = None,
) -> Endpoint:
    """Connect to a model.

    Args:
        target: a base URL (`http://tgi:8080`), several such with commas between for replicas of one model, or
            `local:MODEL` for an embedded one.
        model: the served model's name where a server has several; for TGI, whose tokenizer to use.
        api_key: a bearer token, the same for every server named; without one, Hugging Face's own https hosts
            get `HF_TOKEN`.
        headers: sent with every request, as gateways ask for them; their values are kept secret as a token is.
        concurrency: most requests in flight at each server. Without one, as many as a TGI says that it takes,
            which are never exceeded, or 64.
        timeout: seconds one request may take.
        give_up_after: seconds without any answer, a server's start included, after which a run stops; it can
            go on later.
        extra: fields that are added to every request's body, such as `reasoning_effort` or
            `chat_template_kwargs`; they shape the answers, and so are part of the journal's key.
        thinking_tokens: tokens for its thoughts that a model which is seen to think gets on top of an answer, and
            four times as many where that was too few.
        allow_fallback: whether a gateway may have another model answer, whose answers are then recorded as that
            model's; without it the run stops there.
        role: whose options of the command line messages name, such as `judge`; without one they name the
            arguments of this function.

    Raises:
        BadInput: nothing answers there, what answers is no LLM server, or the servers' models differ.
        AccessDenied: a server refuses the token.
        EndpointDown: a server has been starting for too long.
    """
    if concurrency is not None and concurrency < 1:
        raise BadInput(f"needs a concurrency of at least 1; came {concurrency}")
    if not 0 <= give_up_after < float("inf"):
        raise BadInput(f"needs seconds to give up after, of at least 0; came {give_up_after:g}")
    if not 0 < timeout < float("inf"):
        raise BadInput(f"needs a time-out of more than 0 seconds; came {timeout:g}")
    if thinking_tokens < 0:
        raise BadInput(f"needs thinking-tokens of at least 0; came {thinking_tokens}")
    extra = check_extra(extra or {})
    if target.startswith("local:"):
        return local_endpoint(
            target.removeprefix("local:"),
            concurrency=concurrency,
            extra=extra,
            thinking_tokens=thinking_tokens,
        )
    options = _Options(
        model, api_key, headers or {}, timeout, give_up_after, extra, allow_fallback, hints_for(role)
    )
    connectors = [_connector(part, options) for part in split_addresses(target)]
    return transport.run(_connect(connectors, concurrency, give_up_after, thinking_tokens))


class _Options(NamedTuple):
    """What a user says of an endpoint beside its URL; the arguments of `endpoint`."""

    model: str | None
    api_key: str | None
    headers: Mapping[str, str]
    timeout: float
    give_up_after: float
    extra: Mapping[str, Any]
    allow_fallback: bool
    hints: Hints


def _connector(target: str, options: _Options) -> Connector:
    """Read what the user typed for one server.

    Raises:
        BadInput: it is no URL of a server; what is shown of it holds no password.
    """
    address = read_address(target)
    client = Client(
        str(address.base),
        api_key=options.api_key or (None if names_who_asks(options.headers) else _hub_token(address.base)),
        timeout=options.timeout,
        headers={**_headers(address.base, options.give_up_after), **options.headers},
        query=address.query,
        hints=options.hints,
    )
    return Connector(
        client, address, options.model, options.give_up_after, options.extra, options.allow_fallback
    )


def key_in(variable: str | None) -> str | None:
    """Return the token in an environment variable; None where no variable is named.

    Raises:
        BadInput: the variable is not set.
    """
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise BadInput(f"needs a token in the environment variable {variable}; it is not set")
    return os.environ[variable]


def _hub_token(url: URL) -> str | None:
    hugging_face = url.scheme == "https" and any(_is_within(url, domain) for domain in _HUGGING_FACE)
    return os.environ.get("HF_TOKEN") if hugging_face else None


def _headers(url: URL, give_up_after: float) -> dict[str, str]:
    """Return the header that has the proxy of an Inference Endpoint hold requests while a replica starts."""
    return {"X-Scale-Up-Timeout": f"{give_up_after:.0f}"} if _is_within(url, _INFERENCE_ENDPOINTS) else {}


def _is_within(url: URL, domain: str) -> bool:
    host = url.host or ""
    return host == domain or host.endswith("." + domain)


async def _connect(
    connectors: list[Connector], concurrency: int | None, give_up_after: float, thinking_tokens: int
) -> Pool:
    models = await asyncio.gather(*(connector.ask_model() for connector in connectors))
    dialects = [await connector.open(model) for connector, model in zip(connectors, models, strict=True)]
    replicas = [
        # What no list names cannot be asked for again.
        Replica(
            dialect, functools.partial(connector.read_identity, model) if model.tgi or model.listed else None
        )
        for connector, model, dialect in zip(connectors, models, dialects, strict=True)
    ]
    return Pool(
        replicas,
        slots=_slots(concurrency, models),
        give_up_after=give_up_after,
        extra=connectors[0].extra,
        thinking_tokens=thinking_tokens,
        earlier_identity=models[0].earlier_identity,
    )


def _slots(concurrency: int | None, models: list[ServedModel]) -> int:
    """Requests in flight at each server: as many as the user wants, and the smallest server takes."""
    taken = min((model.slots for model in models if model.slots), default=None)
    if concurrency is None:
        return taken or DEFAULT_CONCURRENCY
    return min(concurrency, taken or concurrency)
