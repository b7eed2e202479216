"""One background loop and one HTTP session for the process; retries; every failure made one of our errors.

`Dataset.map` makes a new event loop per call and a notebook has one running already, so neither can own a
connection pool. The loop here lives in a thread of its own and outlives them all.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import json
import re
import threading
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import aiohttp
import tenacity
from yarl import URL

from codeclm_hf.errors import (
    AccessDenied,
    BadInput,
    CodecLMError,
    EndpointDown,
    EndpointError,
    GenerationFailed,
    RequestRejected,
)

T = TypeVar("T")

DEFAULT_CONCURRENCY = 64
"""Requests in flight at an endpoint that does not say how many it takes."""
DEFAULT_TIMEOUT = 600.0
"""Seconds one request may take, queueing in the server included."""
CONNECT_TIMEOUT = 30.0
"""Seconds a server may take to say what it is."""
RETRY_ATTEMPTS = 8
RETRY_WAIT: tenacity.wait.wait_base = tenacity.wait_exponential(multiplier=0.5, max=30) + tenacity.wait_random(0, 1)


class _Background:
    """The loop, its thread and its session, made at first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="codeclm-hf", daemon=True).start()
                atexit.register(self._close)
            return self._loop

    def session(self) -> aiohttp.ClientSession:
        """The process's session; call it on the loop."""
        if self._session is None:
            # No limit here: each endpoint limits itself.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    def _close(self) -> None:
        if self._session is not None:
            asyncio.run_coroutine_threadsafe(self._session.close(), self.loop).result(timeout=5)
        self.loop.call_soon_threadsafe(self.loop.stop)


_background = _Background()


def submit(coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Start a coroutine on the background loop."""
    return asyncio.run_coroutine_threadsafe(coroutine, _background.loop)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and wait: works with or without a running loop of one's own."""
    return result(submit(coroutine))


def result(future: concurrent.futures.Future[T]) -> T:
    """Wait for a future; Ctrl-C cancels it."""
    try:
        # In slices: once polars is imported, SIGINT does not wake a thread that waits on a lock without a time-out.
        while not future.done():
            concurrent.futures.wait([future], timeout=0.2)
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        raise


def display(url: str | URL) -> str:
    """A URL as it may be shown: without credentials and query."""
    return str(URL(url).with_user(None).with_query(None).with_fragment(None)).rstrip("/")


class Client:
    """HTTP to one server: its token, its slots, its retries.

    Args:
        url: the server's base URL, without the dialect's own path.
        api_key: sent as a bearer token to this server's host alone: redirects are not followed.
        concurrency: most requests in flight.
        timeout: seconds one request may take.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        concurrency: int = DEFAULT_CONCURRENCY,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self.url = url.rstrip("/")
        self.shown = display(url)
        self._api_key = _header_value(api_key)
        self._secrets = [secret for secret in (self._api_key, URL(url).password) if secret]
        if self._api_key and URL(url).user:
            raise BadInput(f"needs a token or a user in the URL of {self.shown}; came both; leave one out")
        self._slots = asyncio.Semaphore(concurrency)
        self._timeout = timeout

    async def get(self, path: str) -> Any:
        """GET a JSON value, once, within the connect time-out."""
        reply, _ = await self._send("GET", path, None, CONNECT_TIMEOUT)
        return reply

    async def post(self, path: str, payload: Mapping[str, Any]) -> tuple[Any, Mapping[str, str]]:
        """POST a JSON value when a slot is free, again where that can help; returns (reply, headers)."""
        async with self._slots:
            async for attempt in tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception(lambda exc: isinstance(exc, CodecLMError) and exc.retryable),
                wait=_wait,
                stop=tenacity.stop_after_attempt(RETRY_ATTEMPTS),
                reraise=True,
            ):
                with attempt:
                    return await self._send("POST", path, payload, self._timeout)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def check_access(self, path: str) -> None:
        """Learn whether our token is taken, without paying: an empty body is refused, but only after the token is.

        Raises:
            AccessDenied: the server answered 401 or 403.
        """
        try:
            await self._send("POST", path, {}, CONNECT_TIMEOUT)
        except AccessDenied:
            raise
        except CodecLMError:
            return

    async def _send(
        self, method: str, path: str, payload: Mapping[str, Any] | None, timeout: float
    ) -> tuple[Any, Mapping[str, str]]:
        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        try:
            async with _background.session().request(
                method,
                self.url + path,
                json=payload,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout),
                allow_redirects=False,
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, asyncio.TimeoutError, OSError) as exc:
            reason = f"no answer in {timeout:g} s" if isinstance(exc, TimeoutError | asyncio.TimeoutError) else str(exc)
            raise EndpointDown(f"{self.shown} does not answer ({reason})") from exc
        if response.status == 200:
            return self._reply(body), response.headers
        raise self._failure(response.status, body, response.headers)

    def _reply(self, body: bytes) -> Any:
        try:
            reply = json.loads(body)
        except ValueError as exc:
            raise EndpointDown(
                f"{self.shown} answered 200 with {self._hidden(_words(body))!r}, which is no JSON"
            ) from exc
        if isinstance(reply, dict) and reply.get("error"):
            raise GenerationFailed(f"{self.shown} answered 200 with the error {self._hidden(_words(body))!r}")
        return reply

    def _hidden(self, words: str) -> str:
        """A server's words without our token, which some servers repeat."""
        for secret in self._secrets:
            words = words.replace(secret, "…")
        return words

    def _failure(self, status: int, body: bytes, headers: Mapping[str, str]) -> CodecLMError:
        said = f"{self.shown} answered {status}" + (f": {words}" if (words := self._hidden(_words(body))) else "")
        if status in (401, 403):
            return AccessDenied(said, hint="give a valid token: endpoint(url, api_key=…) or --strong-key-env NAME")
        if status in (429, 502, 503, 504):
            return EndpointDown(said, retry_after=_seconds(headers.get("Retry-After")))
        if status in (424, 500):
            return GenerationFailed(said)
        if status in (400, 413, 422):
            return RequestRejected(said)
        return EndpointError(said, hint="is this the base URL of an LLM server?")


def _header_value(api_key: str | None) -> str | None:
    key = (api_key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise BadInput("needs a token of printable ASCII characters; came one with others; check where it is read from")
    return key or None


def _wait(state: tenacity.RetryCallState) -> float:
    backoff = RETRY_WAIT(state)
    exc = state.outcome.exception() if state.outcome else None
    return max(backoff, getattr(exc, "retry_after", None) or 0.0)


def _seconds(retry_after: str | None) -> float | None:
    # The header's other form, a date, is not used by any LLM server we know; back-off covers it.
    return min(float(retry_after), 600.0) if retry_after and retry_after.strip().isdecimal() else None


def _words(body: bytes) -> str:
    """The server's own words in an error body: JSON of any of the known shapes, plain text, or HTML."""
    text = body.decode("utf-8", "replace").strip()
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", text, flags=re.S | re.I)
    while isinstance(parsed, dict):
        parsed = next((parsed[key] for key in ("error", "message", "detail") if parsed.get(key)), str(parsed))
    return " ".join(str(parsed).split())[:300]
