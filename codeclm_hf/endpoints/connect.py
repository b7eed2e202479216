"""Connect to a model by what a person types: each server is asked what it is and which model it serves."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import os
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from yarl import URL

from codeclm_hf.endpoints import chat, transport
from codeclm_hf.endpoints.chat import Chat
from codeclm_hf.endpoints.defaults import DEFAULT_TIMEOUT, GIVE_UP_AFTER, THINKING_TOKENS
from codeclm_hf.endpoints.dialect import Dialect
from codeclm_hf.endpoints.extra import check_extra
from codeclm_hf.endpoints.headers import AUTHORIZATION
from codeclm_hf.endpoints.hints import Hints, hints_for
from codeclm_hf.endpoints.http import Client
from codeclm_hf.endpoints.local import local_endpoint
from codeclm_hf.endpoints.pool import Pool, Replica
from codeclm_hf.endpoints.protocol import Endpoint
from codeclm_hf.errors import AccessDenied, BadInput, CodecLMError, EndpointDown

DEFAULT_CONCURRENCY = 64
"""Requests in flight at a server that does not say how many it takes."""
_STARTING = (502, 503)
"""What a proxy answers while the server behind it starts."""
_HUGGING_FACE = ("huggingface.co", "huggingface.cloud")
"""Hosts that may have `HF_TOKEN`; not hf.space, where strangers' code runs."""
_INFERENCE_ENDPOINTS = "endpoints.huggingface.cloud"
_COMMA_BETWEEN_URLS = re.compile(r",(?=[a-z+]*://|[^@]*$)")  # not one inside a password
_FORMS = "http(s)://HOST:PORT (tgi+http:// or chat+http:// to force the dialect) or local:MODEL"


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
        thinking_tokens: most tokens of thoughts that a model which is seen to think gets on top of an answer.
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
    options = _Options(model, api_key, headers or {}, timeout, give_up_after, extra, hints_for(role))
    connectors = [_connector(part, options) for part in _COMMA_BETWEEN_URLS.split(target)]
    return transport.run(_connect(connectors, concurrency, give_up_after, thinking_tokens))


class _Options(NamedTuple):
    """What a user says of an endpoint beside its URL; the arguments of `endpoint`."""

    model: str | None
    api_key: str | None
    headers: Mapping[str, str]
    timeout: float
    give_up_after: float
    extra: Mapping[str, Any]
    hints: Hints


class _ServedModel(NamedTuple):
    """What a server says of the model that it serves."""

    identity: str
    name: str
    """The model's name in requests."""
    tgi: bool
    """Whether the server is a TGI."""
    revision: str | None = None
    slots: int | None = None
    """Requests at a time that the server takes, where it says so."""


class _ListedModel(NamedTuple):
    """An entry of `/v1/models`."""

    name: str
    root: str | None
    """The weights behind the name: vLLM tells them, and nothing else in these lists identifies a model."""

    @property
    def identity(self) -> str:
        return f"{self.name}@{self.root}" if self.root and self.root != self.name else self.name


@dataclass
class _Connector:
    """Connects to one server that somebody named."""

    client: Client
    dialect: str
    """`tgi` or `chat` where the user forces it, else empty."""
    model: str | None
    give_up_after: float
    extra: Mapping[str, Any]

    async def ask_model(self) -> _ServedModel:
        """Ask the server which model it serves; wait while it starts."""
        model = _tgi_model(await self._ask("/info"))
        if model is not None:
            return model
        if self.dialect == "tgi":
            raise self._no_tgi()
        return _choose_model(await self._models(), self.model, self.client.public_url)

    async def read_identity(self, model: _ServedModel) -> str:
        """Return the identity of what the server serves now under the name of an earlier model."""
        if model.tgi:
            current = _tgi_model(await self.client.get("/info"))
            if current is None:
                raise self._no_tgi()
            return current.identity
        models = _listed_models(await self.client.get("/v1/models"))
        return models[model.name].identity if model.name in models else ", ".join(models)

    async def open(self, model: _ServedModel) -> Dialect:
        """Return the dialect to speak with the server, once it takes our token."""
        if not model.tgi:
            await self.client.check_access(chat.PATH, {"model": model.name})
            return Chat(client=self.client, model=model.name, identity=model.identity, extra=self.extra)
        native = importlib.util.find_spec("text_generation") is not None
        if self.dialect == "tgi" and not native:
            raise BadInput(
                'needs the package text-generation for tgi+; pip install "codeclm-hf[tgi]", or use chat+'
            )
        if self.dialect != "chat" and native:
            from codeclm_hf.endpoints import tgi  # needs the extra `tgi`

            await self.client.check_access(tgi.PATH, {})
            name, revision = (self.model, None) if self.model else (model.name, model.revision)
            return tgi.TGI(
                client=self.client,
                identity=model.identity,
                tokenizer=tgi.load_tokenizer(name, revision),
                extra=self.extra,
            )
        await self.client.check_access(chat.PATH, {"model": "tgi"})
        return Chat(client=self.client, model="tgi", identity=model.identity, tgi=True, extra=self.extra)

    def _no_tgi(self) -> BadInput:
        return BadInput(
            f"needs a TGI server at {self.client.public_url}; its /info is not TGI's; use chat+ or no prefix"
        )

    async def _ask(self, path: str) -> Any:
        """GET a JSON value; None where there is none."""
        try:
            return await self._get(path)
        except AccessDenied:
            raise
        except CodecLMError as exc:
            if _is_starting(exc):
                raise
            return None

    async def _get(self, path: str) -> Any:
        """GET a JSON value, again and again while the server says that it starts."""
        clock = self.client.server.clock
        since, warned = clock.now(), False
        while True:
            try:
                return await self.client.get(path)
            except EndpointDown as exc:
                if not _is_starting(exc) or clock.now() - since >= self.give_up_after:
                    raise
                if not warned:
                    transport.log.warning("%s; waiting until it serves", exc)
                    warned = True
            await clock.sleep(random.uniform(1, 3))

    async def _models(self) -> dict[str, _ListedModel]:
        try:
            return _listed_models(await self._get("/v1/models"))
        except AccessDenied:
            raise
        except (CodecLMError, KeyError, TypeError) as exc:
            if _is_starting(exc):
                raise
            reason = str(exc) if isinstance(exc, CodecLMError) else "its /v1/models lists no models"
            needs = f"needs an LLM server (TGI, vLLM, SGLang, llama.cpp, …) at {self.client.public_url}"
            raise BadInput(f"{needs}: {reason}") from exc


def _connector(target: str, options: _Options) -> _Connector:
    """Read what the user typed for one server.

    Raises:
        BadInput: it is no URL of a server; what is shown of it holds no password.
    """
    dialect, _, rest = target.rpartition("+") if target.startswith(("tgi+", "chat+")) else ("", "", target)
    # Up to the last @: a password may hold anything.
    public = re.sub(r"^([a-z+]*://)?.*@", r"\1", target, flags=re.S | re.I).partition("?")[0]
    try:
        url = URL(rest)
    except ValueError:  # its words may be a part of the password
        raise BadInput(f"needs an endpoint like {_FORMS}; came {public!r}") from None
    if url.scheme not in ("http", "https") or not url.host or "@" in url.path:
        raise BadInput(f"needs an endpoint like {_FORMS}; came {public!r}")
    if url.query_string:
        raise BadInput(
            f"needs a base URL without a query; one came after {public}; a key goes into --strong-key-env"
        )
    # People paste the URL of the route as often as the server's.
    base = rest.rstrip("/").removesuffix(chat.PATH).removesuffix("/v1").removesuffix("/generate")
    authorized = any(name.lower() == AUTHORIZATION for name in options.headers)
    client = Client(
        base,
        api_key=options.api_key or (None if authorized else _hub_token(url)),
        timeout=options.timeout,
        headers={**_headers(url, options.give_up_after), **options.headers},
        hints=options.hints,
    )
    return _Connector(client, dialect, options.model, options.give_up_after, options.extra)


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
    connectors: list[_Connector], concurrency: int | None, give_up_after: float, thinking_tokens: int
) -> Pool:
    models = await asyncio.gather(*(connector.ask_model() for connector in connectors))
    dialects = [await connector.open(model) for connector, model in zip(connectors, models, strict=True)]
    replicas = [
        Replica(dialect, functools.partial(connector.read_identity, model))
        for connector, model, dialect in zip(connectors, models, dialects, strict=True)
    ]
    return Pool(
        replicas,
        slots=_slots(concurrency, models),
        give_up_after=give_up_after,
        extra=connectors[0].extra,
        thinking_tokens=thinking_tokens,
    )


def _slots(concurrency: int | None, models: list[_ServedModel]) -> int:
    """Requests in flight at each server: as many as the user wants, and the smallest server takes."""
    taken = min((model.slots for model in models if model.slots), default=None)
    if concurrency is None:
        return taken or DEFAULT_CONCURRENCY
    return min(concurrency, taken or concurrency)


def _is_starting(exc: BaseException) -> bool:
    return isinstance(exc, EndpointDown) and exc.status in _STARTING


def _tgi_model(info: Any) -> _ServedModel | None:
    """Read the JSON of `/info`; None where it is not TGI's."""
    if not isinstance(info, dict) or "model_id" not in info:
        return None
    slots, revision = info.get("max_concurrent_requests"), info.get("model_sha")
    return _ServedModel(
        identity=f"{info['model_id']}@{revision or 'unknown'}",
        name=str(info["model_id"]),
        tgi=True,
        revision=revision,
        slots=slots if isinstance(slots, int) and slots > 0 else None,
    )


def _listed_models(reply: Any) -> dict[str, _ListedModel]:
    """Read the JSON of `/v1/models`, by the models' names.

    Raises:
        KeyError, TypeError: it is of another form.
    """
    entries = [entry for entry in reply["data"] if isinstance(entry["id"], str)]
    return {entry["id"]: _ListedModel(entry["id"], entry.get("root")) for entry in entries}


def _choose_model(models: dict[str, _ListedModel], wanted: str | None, public_url: str) -> _ServedModel:
    """Return the model that the user names, or the only one."""
    if wanted is not None and wanted not in models:
        raise BadInput(
            f"needs a model that {public_url} serves; came {wanted!r}; it has {', '.join(models) or 'none'}"
        )
    if wanted is None and len(models) != 1:
        raise BadInput(
            f"needs to know which model of {public_url} to use; it has {', '.join(models) or 'none'}; "
            "name one with --strong-model/--target-model"
        )
    model = models[wanted if wanted is not None else next(iter(models))]
    return _ServedModel(identity=model.identity, name=model.name, tgi=False)
