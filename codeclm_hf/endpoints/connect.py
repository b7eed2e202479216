"""From what a person types to an endpoint that answers: the server itself is asked what it is."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import os
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import tenacity
from yarl import URL

from codeclm_hf.endpoints import chat, transport
from codeclm_hf.endpoints.chat import Chat
from codeclm_hf.endpoints.dialect import Dialect
from codeclm_hf.endpoints.http import DEFAULT_TIMEOUT, Client
from codeclm_hf.endpoints.local import local
from codeclm_hf.endpoints.pool import GIVE_UP_AFTER, Pool, Replica
from codeclm_hf.endpoints.protocol import Endpoint
from codeclm_hf.errors import AccessDenied, BadInput, CodecLMError, EndpointDown

DEFAULT_CONCURRENCY = 64
"""Requests in flight at a server that does not say how many it takes."""
_STARTING = (502, 503)
_HUGGING_FACE = ("huggingface.co", "huggingface.cloud")  # not hf.space, where strangers' code runs
_SCALING = "endpoints.huggingface.cloud"
_BETWEEN = re.compile(r",(?=[a-z+]*://|[^@]*$)")  # URLs; not inside a password
_FORMS = "http(s)://HOST:PORT (tgi+http:// or chat+http:// to force the dialect) or local:MODEL"


def is_endpoint(text: str) -> bool:
    """Whether a text is meant as an endpoint, be it a wrong one (`localhost:8080`), and not as a file or a data set."""
    return re.match(r"local:|((tgi|chat)\+)?https?://|[\w.-]+:\d+(/|$)", text, re.I) is not None


def endpoint(
    target: str,
    *,
    model: str | None = None,
    api_key: str | None = None,
    concurrency: int | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    give_up_after: float = GIVE_UP_AFTER,
) -> Endpoint:
    """Connect to a model.

    Args:
        target: a base URL (`http://tgi:8080`), several such with commas between for replicas of one model, or
            `local:MODEL` for an embedded one.
        model: the served model's name where a server has several; for TGI, whose tokenizer to use.
        api_key: a bearer token, the same for every server named; `HF_TOKEN` is used for Hugging Face's own https
            hosts alone.
        concurrency: most requests in flight at each server; what TGI says it takes, or 64; never more than that.
        timeout: seconds one request may take.
        give_up_after: seconds without any answer, a server's start included, after which a run stops; it can go on
            later.

    Raises:
        BadInput: nothing answers there, what answers is no LLM server, or the servers' models differ.
        AccessDenied: a server refuses the token.
        EndpointDown: a server has been starting for too long.
    """
    if concurrency is not None and concurrency < 1:
        raise BadInput(f"needs a concurrency of at least 1; came {concurrency}")
    if not 0 <= give_up_after < float("inf"):
        raise BadInput(f"needs seconds to give up after, of at least 0; came {give_up_after:g}")
    if target.startswith("local:"):
        return local(target.removeprefix("local:"), concurrency=concurrency)
    doors = [_door(part, model, api_key, timeout, give_up_after) for part in _BETWEEN.split(target)]
    return transport.run(_connect(doors, concurrency, give_up_after))


class _Found(NamedTuple):
    """What a server says it is."""

    identity: str
    name: str
    """The model's name in requests."""
    tgi: bool
    revision: str | None = None
    slots: int | None = None


@dataclass
class _Door:
    """One server that somebody named."""

    client: Client
    dialect: str
    model: str | None
    give_up_after: float

    async def find(self) -> _Found:
        """Ask the server what it is; wait while it starts."""
        info = await self._ask("/info")
        if isinstance(info, dict) and "model_id" in info:
            return _tgi(info)
        if self.dialect == "tgi":
            raise BadInput(
                f"needs a TGI server at {self.client.shown}; its /info is not TGI's; use chat+ or no prefix"
            )
        return _served(await self._models(), self.model, self.client.shown)

    async def identify(self, found: _Found) -> str:
        """The identity of what is served now in the place of what was found."""
        if found.tgi:
            return _tgi(await self.client.get("/info")).identity
        models = {str(entry["id"]): entry for entry in (await self.client.get("/v1/models"))["data"]}
        return _identity(models[found.name]) if found.name in models else ", ".join(models)

    async def open(self, found: _Found) -> Dialect:
        """The dialect to speak, once the server takes our token."""
        if not found.tgi:
            await self.client.check_access(chat.PATH)
            return Chat(client=self.client, model=found.name, identity=found.identity)
        native = importlib.util.find_spec("text_generation") is not None
        if self.dialect == "tgi" and not native:
            raise BadInput(
                'needs the package text-generation for tgi+; pip install "codeclm-hf[tgi]", or use chat+'
            )
        if self.dialect != "chat" and native:
            from codeclm_hf.endpoints import tgi  # needs the extra `tgi`

            await self.client.check_access(tgi.PATH)
            name, revision = (self.model, None) if self.model else (found.name, found.revision)
            return tgi.TGI(
                client=self.client, identity=found.identity, tokenizer=tgi.load_tokenizer(name, revision)
            )
        await self.client.check_access(chat.PATH)
        return Chat(client=self.client, model="tgi", identity=found.identity, tgi=True)

    async def _ask(self, path: str) -> Any:
        try:
            return await self._get(path)
        except AccessDenied:
            raise
        except CodecLMError as exc:
            if _starting(exc):
                raise
            return None

    async def _get(self, path: str) -> Any:
        """GET, again while the server says that it is starting."""
        since = transport.clock.now()

        def over(_: tenacity.RetryCallState) -> bool:
            return transport.clock.now() - since >= self.give_up_after

        def tell(state: tenacity.RetryCallState) -> None:
            if state.attempt_number == 1 and state.outcome:
                transport.log.warning("%s; waiting until it serves", state.outcome.exception())

        async for attempt in tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(_starting),
            wait=tenacity.wait_random(1, 3),
            stop=over,
            before_sleep=tell,
            sleep=transport.clock.sleep,
            reraise=True,
        ):
            with attempt:
                return await self.client.get(path)

    async def _models(self) -> list[dict[str, Any]]:
        try:
            reply = await self._get("/v1/models")
            return [entry for entry in reply["data"] if isinstance(entry["id"], str)]
        except AccessDenied:
            raise
        except (CodecLMError, KeyError, TypeError) as exc:
            if _starting(exc):
                raise
            reason = str(exc) if isinstance(exc, CodecLMError) else "its /v1/models lists no models"
            needs = f"needs an LLM server (TGI, vLLM, SGLang, llama.cpp, …) at {self.client.shown}"
            raise BadInput(f"{needs}: {reason}") from exc


def _door(target: str, model: str | None, api_key: str | None, timeout: float, give_up_after: float) -> _Door:
    dialect, _, rest = target.rpartition("+") if target.startswith(("tgi+", "chat+")) else ("", "", target)
    # Up to the last @: a password may hold anything.
    shown = re.sub(r"^([a-z+]*://)?.*@", r"\1", target, flags=re.S | re.I).partition("?")[0]
    try:
        url = URL(rest)
    except ValueError:  # its words may be a part of the password
        raise BadInput(f"needs an endpoint like {_FORMS}; came {shown!r}") from None
    if url.scheme not in ("http", "https") or not url.host or "@" in url.path:
        raise BadInput(f"needs an endpoint like {_FORMS}; came {shown!r}")
    if url.query_string:
        raise BadInput(
            f"needs a base URL without a query; one came after {shown}; a key goes into --strong-key-env"
        )
    # People paste the URL of the route as often as the server's.
    base = rest.rstrip("/").removesuffix(chat.PATH).removesuffix("/v1").removesuffix("/generate")
    client = Client(
        base, api_key=api_key or _hub_token(url), timeout=timeout, headers=_headers(url, give_up_after)
    )
    return _Door(client, dialect, model, give_up_after)


def key_in(variable: str | None) -> str | None:
    """The token in an environment variable; None without a variable.

    Raises:
        BadInput: it is not set.
    """
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise BadInput(f"needs a token in the environment variable {variable}; it is not set")
    return os.environ[variable]


def _hub_token(url: URL) -> str | None:
    ours = url.scheme == "https" and any(_within(url, name) for name in _HUGGING_FACE)
    return os.environ.get("HF_TOKEN") if ours else None


def _headers(url: URL, give_up_after: float) -> dict[str, str]:
    """Inference Endpoints scale to zero; with this header their proxy holds a request while a replica starts."""
    return {"X-Scale-Up-Timeout": f"{give_up_after:.0f}"} if _within(url, _SCALING) else {}


def _within(url: URL, name: str) -> bool:
    host = url.host or ""
    return host == name or host.endswith("." + name)


async def _connect(doors: list[_Door], concurrency: int | None, give_up_after: float) -> Pool:
    found = await asyncio.gather(*(door.find() for door in doors))
    dialects = [await door.open(what) for door, what in zip(doors, found, strict=True)]
    told = min((what.slots for what in found if what.slots), default=None)
    return Pool(
        [
            Replica(dialect, functools.partial(door.identify, what))
            for door, what, dialect in zip(doors, found, dialects, strict=True)
        ],
        slots=min(concurrency or told or DEFAULT_CONCURRENCY, told or concurrency or DEFAULT_CONCURRENCY),
        give_up_after=give_up_after,
    )


def _starting(exc: BaseException) -> bool:
    return isinstance(exc, EndpointDown) and exc.status in _STARTING


def _tgi(info: dict[str, Any]) -> _Found:
    slots, revision = info.get("max_concurrent_requests"), info.get("model_sha")
    return _Found(
        identity=f"{info['model_id']}@{revision or 'unknown'}",
        name=str(info["model_id"]),
        tgi=True,
        revision=revision,
        slots=slots if isinstance(slots, int) and slots > 0 else None,
    )


def _identity(entry: dict[str, Any]) -> str:
    # vLLM tells the weights behind the served name as `root`; nothing else in these lists identifies a model.
    name, root = str(entry["id"]), entry.get("root")
    return f"{name}@{root}" if root and root != name else name


def _served(models: list[dict[str, Any]], wanted: str | None, shown: str) -> _Found:
    by_name = {str(entry["id"]): entry for entry in models}
    if wanted is not None and wanted not in by_name:
        raise BadInput(
            f"needs a model that {shown} serves; came {wanted!r}; it has {', '.join(by_name) or 'none'}"
        )
    if wanted is None and len(by_name) != 1:
        raise BadInput(
            f"needs to know which model of {shown} to use; it has {', '.join(by_name) or 'none'}; "
            "name one with --strong-model/--target-model"
        )
    name = wanted if wanted is not None else next(iter(by_name))
    return _Found(identity=_identity(by_name[name]), name=name, tgi=False)
