"""HTTP to one server: its token, its proxy, and every failure made one of our errors."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import re
import urllib.request
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from yarl import URL

from codeclm_hf.endpoints import limiter, transport
from codeclm_hf.errors import (
    AccessDenied,
    BadInput,
    CodecLMError,
    EndpointDown,
    EndpointError,
    GenerationFailed,
    RequestRejected,
    UnreadableAnswer,
)

DEFAULT_TIMEOUT = 600.0
"""Seconds one request may take, queueing in the server included."""
CONNECT_TIMEOUT = 30.0
"""Seconds a server may take to be connected to, and to say what it is."""
MOST_BYTES = 64 << 20
"""Of one reply: more than any answer has, even with log-probabilities, and less than would hurt."""
MOST_SHOWN = 300
"""Characters of a server's own words."""
MOST_REDIRECTS = 3
LONGEST_RETRY_AFTER = 600.0


def display(url: str | URL) -> str:
    """A URL as it may be shown: without credentials and query."""
    return str(URL(url).with_user(None).with_query(None).with_fragment(None)).rstrip("/")


class Client:
    """HTTP to one server, each request sent once.

    Args:
        url: the server's base URL, without the dialect's own path.
        api_key: sent as a bearer token to this server alone: a redirect to another loses it. A user in the URL is sent
            as basic authentication, and treated alike.
        timeout: seconds one request may take.
        headers: sent with every request.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        given = URL(url)
        self.url = str(given.with_user(None)).rstrip("/")
        self.shown = display(url)
        self.server = limiter.at(self.shown)
        key, user = _header_value(api_key), _basic(given)
        if key and user:
            raise BadInput(f"needs a token or a user in the URL of {self.shown}; came both; leave one out")
        authorization = f"Bearer {key}" if key else f"Basic {user}" if user else None
        self._headers = {**(headers or {}), **({"Authorization": authorization} if authorization else {})}
        self._proxy = _proxy(given)
        secrets = {key, *_credentials(given), *_credentials(self._proxy)} - {None, ""}
        # The longest first, or what is left of one shows when another is a part of it.
        self._secrets = sorted(map(str, secrets), key=len, reverse=True)
        self._timeout = timeout

    async def get(self, path: str) -> Any:
        """GET a JSON value within the connect time-out."""
        reply, _ = await self._send("GET", path, None, CONNECT_TIMEOUT)
        return reply

    async def post(self, path: str, payload: Mapping[str, Any]) -> tuple[Any, Mapping[str, str]]:
        """POST a JSON value; returns (reply, headers)."""
        return await self._send("POST", path, payload, self._timeout)

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
        try:
            async with transport.session().request(
                method,
                self.url + path,
                json=payload,
                headers=self._headers,
                proxy=self._proxy,
                timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_TIMEOUT),
                max_redirects=MOST_REDIRECTS + 1,  # aiohttp fails at the one that reaches it
                trace_request_ctx=self._connected,
            ) as response:
                body = await self._body(response)
        # `from None`: aiohttp's errors hold the request's headers, and so the token.
        except aiohttp.TooManyRedirects:
            raise EndpointError(
                f"{self.shown} redirects in circles", hint="give the URL that serves"
            ) from None
        except aiohttp.ConnectionTimeoutError:
            raise EndpointDown(
                f"{self.shown} does not answer (no connection in {CONNECT_TIMEOUT:g} s)"
            ) from None
        except (TimeoutError, asyncio.TimeoutError):
            raise EndpointDown(
                f"{self.shown} gave no answer in {timeout:g} s", timed_out=True, tries=4
            ) from None
        except aiohttp.ClientConnectorError as exc:
            raise EndpointDown(f"{self.shown} does not answer ({self._hidden(str(exc))})") from None
        except (aiohttp.ClientError, OSError) as exc:
            reason = self._hidden(str(exc)) or type(exc).__name__
            raise EndpointDown(f"{self.shown} broke off ({reason})", tries=1) from None
        except ValueError as exc:  # a redirect to itself, but with a user in the URL
            raise EndpointError(f"{self.shown} cannot be asked ({self._hidden(str(exc))})") from None
        if response.status == 200:
            return self._reply(body), response.headers
        raise self._failure(response, body)

    def _connected(self) -> None:
        self.server.connections += 1

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        read, parts = 0, []
        async for part in response.content.iter_any():
            read += len(part)
            if read > MOST_BYTES:
                raise UnreadableAnswer(f"{self.shown} answered with more than {MOST_BYTES >> 20} MiB")
            parts.append(part)
        return b"".join(parts)

    def _reply(self, body: bytes) -> Any:
        try:
            reply = json.loads(body)
        except (ValueError, RecursionError):  # which hold the body
            words = self._said(body)
            raise EndpointDown(
                f"{self.shown} answered 200 with {words!r}, which is no JSON", tries=1
            ) from None
        if isinstance(reply, dict) and reply.get("error"):
            raise GenerationFailed(f"{self.shown} answered 200 with the error {self._said(body)!r}")
        return reply

    def quoted(self, reply: Any) -> str:
        """The beginning of a reply that is not what it should be, as it may be shown."""
        return repr(self._hidden(str(reply))[:MOST_SHOWN])

    def _said(self, body: bytes) -> str:
        """The beginning of a server's words, as they may be shown."""
        return self._hidden(_words(body))[:MOST_SHOWN]

    def _hidden(self, words: str) -> str:
        """A server's words without our token, which some servers repeat."""
        for secret in self._secrets:
            words = words.replace(secret, "…")
        return words

    def _failure(self, response: aiohttp.ClientResponse, body: bytes) -> CodecLMError:
        status = response.status
        said = f"{self.shown} answered {status}" + (f": {words}" if (words := self._said(body)) else "")
        if status in (401, 403):
            return AccessDenied(said, hint=self._access_hint(response))
        if status in (429, 502, 503, 504):
            retry_after = _seconds(response.headers.get("Retry-After"))
            return EndpointDown(said, status=status, retry_after=retry_after, tries=int(status == 504))
        if status in (424, 500):
            return GenerationFailed(said)
        if status in (400, 413, 422):
            return RequestRejected(said)
        return EndpointError(said, hint="is this the base URL of an LLM server?")

    def _access_hint(self, response: aiohttp.ClientResponse) -> str:
        moved = response.url.origin() != URL(self.url).origin()
        if moved and "Authorization" not in response.request_info.headers:
            return f"it redirects to {display(response.url.origin())}, where the token does not go; give that URL"
        return "give a valid token: endpoint(url, api_key=…) or --strong-key-env NAME"


def _header_value(api_key: str | None) -> str | None:
    key = (api_key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise BadInput(
            "needs a token of printable ASCII characters; came one with others; check where it is read from"
        )
    return key or None


def _proxy(url: URL) -> URL | None:
    """The proxy that the environment names for this server; none on the machine itself."""
    host = url.host or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost" or host.endswith(".localhost")
    if local or urllib.request.proxy_bypass(host):
        return None
    proxy = urllib.request.getproxies().get(url.scheme)
    if not proxy:
        return None
    try:
        parsed = URL(proxy if "://" in proxy else f"http://{proxy}")
        if parsed.scheme in ("http", "https") and parsed.host and parsed.path in ("", "/"):
            return parsed
    except ValueError:
        pass
    # Not a word of it: where it does not parse, nobody knows which part is the password.
    raise BadInput(
        f"needs a proxy like http://HOST:PORT in {url.scheme}_proxy to reach {display(url)}; came another"
    )


def _basic(url: URL) -> str | None:
    """A URL's credentials as they are sent."""
    if not (url.user or url.password):
        return None
    return base64.b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()


def _credentials(url: URL | None) -> list[str | None]:
    """What of a URL must not be shown, as it is typed, read and sent."""
    if url is None:
        return []
    return [_basic(url), url.user, url.password, url.raw_user, url.raw_password]


def _seconds(retry_after: str | None) -> float | None:
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return min(float(retry_after), LONGEST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(retry_after)
        left = (until - datetime.now(timezone.utc)).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(left, 0.0), LONGEST_RETRY_AFTER)


def _words(body: bytes) -> str:
    """The server's own words in an error body: JSON of any of the known shapes, plain text, or HTML."""
    text = body[:100_000].decode("utf-8", "replace").strip()
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        # Cut, because this takes quadratic time on tags that never end.
        parsed = re.sub(r"<(style|script).*?</\1>|<[^<>]+>", " ", text[:10_000], flags=re.S | re.I)
    while isinstance(parsed, dict):
        parsed = next((parsed[key] for key in ("error", "message", "detail") if parsed.get(key)), str(parsed))
    return " ".join(str(parsed).split())
