"""One server that somebody named: what it is, which model it serves, and how to speak with it."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.address import Address, models_path
from codeclm_hf.endpoints.chat import Chat
from codeclm_hf.endpoints.dialect import Dialect
from codeclm_hf.endpoints.http import Client, Look
from codeclm_hf.endpoints.model_names import (
    ListedModel,
    find_model,
    is_known,
    listed_models,
    nearest,
    public_name,
    split_name,
)
from codeclm_hf.endpoints.refusals import Meaning, meaning_of
from codeclm_hf.errors import AccessDenied, BadInput, CodecLMError, EndpointDown, EndpointError

_STARTING = (502, 503)
"""What a proxy answers while the server behind it starts."""
_NO_SUCH_ROUTE = (404, 405)
_COME_AGAIN = (408, 425, 429, 499)
_NEVER = (501, 505)
"""Of 5xx those that do not pass."""
_DROPS = 3
"""Times in a row that a connection may break off before nobody is taken to be there."""
_BREAKS = 3
"""Times that a path answers 500 before the others are asked whether there is a server."""


class ServedModel(NamedTuple):
    """What a server says of the model that it serves."""

    identity: str
    name: str
    """The model's name in requests."""
    earlier_identity: str
    """The identity that versions gave it which showed paths; answers in a journal may have it."""
    tgi: bool = False
    """Whether the server is a TGI."""
    revision: str | None = None
    slots: int | None = None
    """Requests at a time that the server takes, where it says so."""
    listed: str | None = None
    """The model's name in the server's list, if it is there."""
    chat_path: str | None = None
    """Where the chat completions are, if the list was found beside them."""


class _Listing(NamedTuple):
    """What a server says when it is asked for its models."""

    models: dict[str, ListedModel] | None
    """By their names; None where there is no list."""
    chat_path: str | None
    """Where the chat completions of the list are."""
    failure: CodecLMError | None
    """What came in place of a list."""


@dataclass
class Connector:
    """Connects to one server."""

    client: Client
    address: Address
    model: str | None
    """The name that the user gives."""
    give_up_after: float
    extra: Mapping[str, Any]
    allow_fallback: bool = False
    """Whether a gateway may have another model answer."""
    waiting: bool = False
    """Whether it was said that the server is waited for."""

    async def ask_model(self) -> ServedModel:
        """Ask the server which model it serves; wait while it starts.

        Raises:
            BadInput: there is no LLM server, or it has several models and nobody says which.
            AccessDenied: it refuses the token.
            EndpointDown: it has been starting for too long.
        """
        if self.address.dialect != "chat" and self.address.may_be_tgi:
            if (tgi := await self._ask_tgi()) is not None:
                return tgi
        if self.address.dialect == "tgi":
            raise self._no_tgi()
        listing = await self._list()
        # Whoever has chat+ written may not be allowed to ask for /info; only a TGI is asked.
        if self.address.dialect == "chat" and _is_tgi(listing) and (tgi := await self._ask_tgi()) is not None:
            return tgi
        return self._choose(listing)

    async def read_identity(self, model: ServedModel) -> str:
        """Return the identity of what the server serves now under the name of an earlier model."""
        if model.tgi:
            current = _tgi_model(await self.client.get("/info"))
            if current is None:
                raise self._no_tgi()
            return current.identity
        models = listed_models(await self.client.get(models_path(str(model.chat_path))))
        if models is None or model.listed is None:
            return model.identity
        if model.listed in models:
            return models[model.listed].identity
        return nearest(None, map(public_name, models))

    async def open(self, model: ServedModel) -> Dialect:
        """Return the dialect to speak with the server, once it takes our token.

        Raises:
            BadInput: what is forced cannot be spoken, or there are no chat completions.
            AccessDenied: the server refuses the token.
        """
        if not model.tgi:
            return Chat(
                client=self.client,
                model=model.name,
                identity=model.identity,
                extra=self.extra,
                path=await self._find_chat(model),
                allow_fallback=self.allow_fallback,
            )
        native = importlib.util.find_spec("text_generation") is not None
        if self.address.dialect == "tgi" and not native:
            raise BadInput(
                'needs the package text-generation for tgi+; pip install "codeclm-hf[tgi]", or use chat+'
            )
        tokenizer = self._tokenizer(model) if self.address.dialect != "chat" and native else None
        if tokenizer is not None:
            from codeclm_hf.endpoints import tgi  # needs the extra `tgi`

            await self._check_access(tgi.PATH, {})
            return tgi.TGI(client=self.client, identity=model.identity, tokenizer=tokenizer, extra=self.extra)
        path = await self._find_chat(model._replace(name="tgi"))
        return Chat(
            client=self.client, model="tgi", identity=model.identity, tgi=True, extra=self.extra, path=path
        )

    def _tokenizer(self, model: ServedModel) -> Any:
        """Return the tokenizer of a TGI's model; None where it cannot be had and nobody insists on it."""
        from codeclm_hf.endpoints import tgi

        name, revision = (self.model, None) if self.model else (model.name, model.revision)
        try:
            return tgi.load_tokenizer(name, revision, self.client.hints.model)
        except tgi.NoTokenizer as exc:
            if self.model not in (None, model.name) or self.address.dialect == "tgi":
                raise
            transport.warn_once(
                f"{exc.reason}; so the TGI at {self.client.public_url} is asked through its Messages API, which "
                f"lays out prompts itself; {self.client.hints.model} names another tokenizer"
            )
            return None

    def _no_tgi(self) -> BadInput:
        return BadInput(
            f"needs a TGI server at {self.client.public_url}; its /info is not TGI's; use chat+ or no prefix"
        )

    async def _ask_tgi(self) -> ServedModel | None:
        """Ask for the model of a TGI; None where the server is none."""
        look = await self._look("/info", self._lists_others, "chat+ before the URL does not ask for it")
        return _tgi_model(look.value) if look.status == 200 else None

    async def _list(self) -> _Listing:
        """Ask for the models wherever their list may be."""
        first: CodecLMError | None = None
        for path in self.address.chat_paths:
            look = await self._look(models_path(path), functools.partial(self._takes_requests, path))
            models = listed_models(look.value) if look.status == 200 else None
            if models is not None:
                return _Listing(models, path, None)
            if isinstance(look.failure, AccessDenied) and not self._named():
                raise look.failure
            no_list = EndpointError(f"its {models_path(path)} lists no models")
            first = first or look.failure or no_list
        return _Listing(None, None, first)

    async def _lists_others(self) -> bool:
        """Return whether the server lists its models, and not as a TGI does."""
        look = await self.client.look("GET", models_path(self.address.chat_paths[0]))
        models = listed_models(look.value) if look.status == 200 else None
        return bool(models) and not _is_tgi(_Listing(models, None, None))

    async def _takes_requests(self, path: str) -> bool:
        """Return whether a model that the user names can be asked, whatever becomes of the list."""
        look = await self._check_access(path, {"model": self._named()}) if self._named() else None
        return look is not None and _is_route(look) and not _may_pass(look.status)

    def _named(self) -> str | None:
        return self.model or self.address.deployment

    def _choose(self, listing: _Listing) -> ServedModel:
        """Return the model that the user names, or the only one."""
        wanted, models = self._named(), listing.models
        if wanted is None:
            if models is None:
                raise self._no_server(listing.failure)
            if len(models) != 1:
                raise BadInput(
                    f"needs to know which model of {self.client.public_url} to use; it has "
                    f"{nearest(None, models)}; name one with {self.client.hints.model}"
                )
            wanted = next(iter(models))
        listed = find_model(wanted, models or {})
        if listed is None:
            if models and not self.address.deployment and not is_known(wanted, models):
                transport.warn_once(
                    f"{self.client.public_url} does not list the model {wanted}, which it is asked for all the "
                    f"same; it lists {nearest(wanted, models)}"
                )
            listed_name, listed = None, ListedModel(wanted)
        else:
            listed_name = listed.name
        return ServedModel(
            identity=listed.identity,
            name=listed.name,
            earlier_identity=listed.earlier_identity,
            listed=listed_name,
            chat_path=listing.chat_path,
        )

    async def _find_chat(self, model: ServedModel) -> str:
        """Return the path of chat completions, once the server takes our token there.

        A request without messages costs nothing: it is refused, but the token is looked at before.
        """
        failure: CodecLMError | None = None
        for path in (model.chat_path,) if model.chat_path else self.address.chat_paths:
            look = await self._check_access(path, {"model": model.name})
            if look is None or _is_route(look):
                return path
            failure = failure or look.failure or EndpointError(f"its {path} answers with a page")
        if model.chat_path or model.tgi:
            return model.chat_path or self.address.chat_paths[0]
        raise self._no_server(failure)

    async def _check_access(self, path: str, payload: Mapping[str, Any]) -> Look | None:
        try:
            return await self.client.check_access(path, payload)
        except AccessDenied:
            raise
        except EndpointError as exc:
            if exc.refusal and meaning_of(exc.refusal) is Meaning.CREDITS:
                raise
            raise BadInput(str(exc)) from exc  # no such model, or somewhere else

    def _no_server(self, failure: CodecLMError | None) -> BadInput:
        needs = f"needs an LLM server (TGI, vLLM, SGLang, llama.cpp, …) at {self.client.public_url}"
        if isinstance(failure, EndpointDown):
            return BadInput(f"{needs}: {failure}")
        reason = str(failure or "it lists no models").removesuffix(f"; {failure.hint}" if failure else "")
        hint = "is this its base URL?"
        if not self._named():
            hint += f" One that lists no models needs a name: {self.client.hints.model}"
        return BadInput(f"{needs}: {reason}", hint=hint)

    async def _look(self, path: str, serves: Callable[[], Awaitable[bool]], otherwise: str = "") -> Look:
        """GET what is at a path; ask again and again while the server may be starting.

        Proxies before servers that scale to zero hold a request until there is one: it may take as long as
        we wait in all.

        Args:
            path: what is asked for.
            serves: whether the server serves all the same where only this path breaks with 500.
            otherwise: what the user can do instead of waiting.

        Raises:
            BadInput: nothing answers there.
            EndpointDown: it has been starting for too long.
        """
        clock = self.client.server.clock
        since, drops, breaks, answered = clock.now(), 0, 0, False
        while True:
            left = self.give_up_after - (clock.now() - since)
            try:
                look = await self._look_once(path, max(left, self.client.connect_timeout), otherwise)
                if not _may_pass(look.status):
                    return look
                failure, answered = look.failure, True
                breaks += look.status == 500
                if breaks >= _BREAKS and await serves():
                    return look
            except EndpointDown as exc:
                failure, passes = exc, exc.status is not None and _may_pass(exc.status)
                drops += exc.status is None and exc.tries > 0 and not exc.timed_out
                if not (exc.timed_out or passes or answered or 0 < drops < _DROPS):
                    raise self._no_server(exc) from exc
            except CodecLMError as exc:
                raise BadInput(str(exc)) from exc
            pause, why = getattr(failure, "retry_after", None) or random.uniform(1, 3), str(failure)
            if getattr(failure, "status", None) == 500 and self.client.anonymous:
                why += f"; if it wants a token (LiteLLM breaks where one is missing): {self.client.hints.api_key}"
            if clock.now() + pause - since > self.give_up_after:
                words = f"{why}; gave up after {self.give_up_after:g} s"
                raise EndpointDown(words, hint="run again to go on", final=True)
            # What 502 and 503 say of a server is plain: it starts.
            starts = getattr(failure, "status", None) in _STARTING
            self._say_waiting(why, "" if starts else otherwise)
            await clock.sleep(pause)

    async def _look_once(self, path: str, timeout: float, otherwise: str) -> Look:
        """GET what is at a path, and say so when it takes long."""
        asking = asyncio.ensure_future(self.client.look("GET", path, timeout=timeout))
        try:
            await asyncio.wait([asking], timeout=self.client.connect_timeout)
            if not asking.done():
                seconds = f"{self.client.connect_timeout:g} s"
                self._say_waiting(f"{self.client.public_url} has not answered for {seconds}", otherwise)
            return await asking
        finally:
            asking.cancel()

    def _say_waiting(self, why: str, otherwise: str) -> None:
        if not self.waiting:
            self.waiting = True
            words = why + (f" ({otherwise})" if otherwise else "")
            transport.log.warning("%s; waiting until it serves", words)


def _is_route(look: Look) -> bool:
    """Return whether chat completions may be where a request without messages got this."""
    page = 200 <= look.status < 300 and look.value is None  # of a server that has one for every path
    return look.status not in _NO_SUCH_ROUTE and not page


def _may_pass(status: int) -> bool:
    return status in _COME_AGAIN or (500 <= status < 600 and status not in _NEVER)


def _is_tgi(listing: _Listing) -> bool:
    models = list((listing.models or {}).values())
    return len(models) == 1 and models[0].like_tgi


def _tgi_model(info: Any) -> ServedModel | None:
    """Read the JSON of `/info`; None where it is not TGI's."""
    # text-embeddings-inference has a `model_type`, and generates nothing
    if not isinstance(info, dict) or not isinstance(info.get("model_id"), str) or "model_type" in info:
        return None
    slots, revision = info.get("max_concurrent_requests"), info.get("model_sha")
    label, apart = split_name(info["model_id"])
    return ServedModel(
        identity=f"{label}@{revision or apart or 'unknown'}",
        earlier_identity=f"{info['model_id']}@{revision or 'unknown'}",
        name=info["model_id"],
        tgi=True,
        revision=revision,
        slots=slots if isinstance(slots, int) and slots > 0 else None,
    )
