"""HTTP to one server: its token, its proxy, and the place where every failure becomes an error of ours."""

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
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import aiohttp
from yarl import URL

from codeclm_hf.endpoints import clock as clocks
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.defaults import DEFAULT_TIMEOUT
from codeclm_hf.endpoints.headers import AUTHORIZATION, LEAST_SECRET, check_headers, secrets_of
from codeclm_hf.endpoints.hints import IN_PYTHON, Hints
from codeclm_hf.endpoints.server import server_at
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

CONNECT_TIMEOUT = 30.0
"""Seconds that a connection may take, and the answer to what a server is."""
MOST_BYTES = 64 << 20
"""Bytes of one reply: more than any answer has, even with log-probabilities, and less than would hurt."""
MOST_QUOTED = 300
"""Characters of a server's own words in an error."""
MOST_REDIRECTS = 3
LONGEST_RETRY_AFTER = 600.0
"""Seconds of a `Retry-After` that are waited for, whatever the server asks."""


class Reply(NamedTuple):
    """What came with a status of 200."""

    value: Any
    """The JSON of the body."""
    headers: Mapping[str, str]


def public_url(url: str | URL) -> str:
    """Return a URL without credentials and query, as it may be shown."""
    return str(URL(url).with_user(None).with_query(None).with_fragment(None)).rstrip("/")


class Client:
    """HTTP to one server, each request sent once.

    Args:
        url: the server's base URL, without the dialect's own path.
        api_key: sent as a bearer token to this server alone; a redirect to another loses it. A user in the
            URL is sent as basic authentication, and treated alike.
        timeout: seconds one request may take.
        headers: sent with every request to this server alone; their values are secrets.
        query: sent with every request to this server alone, and shown nowhere.
        connect_timeout: seconds a connection may take.
        most_bytes: a longer reply is an error, of which the rest is not read.
        hints: what messages tell the user to write.
        clock: what the server's pauses are measured by; the current one where none is given.

    Raises:
        BadInput: the token or a header cannot be sent, or the environment names a proxy that cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        headers: Mapping[str, str] | None = None,
        query: str = "",
        connect_timeout: float = CONNECT_TIMEOUT,
        most_bytes: int = MOST_BYTES,
        hints: Hints = IN_PYTHON,
        clock: clocks.Clock | None = None,
    ) -> None:
        address = URL(url)
        self.url = str(address.with_user(None)).rstrip("/")
        self.public_url = public_url(url)
        """The URL without what must not be shown."""
        self.server = server_at(self.public_url, clock or clocks.current())
        key, user = _header_value(api_key), _basic_auth(address)
        if key and user:
            raise BadInput(
                f"needs a token or a user in the URL of {self.public_url}; came both; leave one out"
            )
        authorization = f"Bearer {key}" if key else f"Basic {user}" if user else None
        self._headers = check_headers(headers)
        if authorization:
            if any(name.lower() == AUTHORIZATION for name in self._headers):
                raise BadInput(
                    f"needs a token, a user in the URL or a header Authorization for {self.public_url}; "
                    "came two of them; leave one out"
                )
            self._headers["Authorization"] = authorization
        self._query = query
        self._proxy = _proxy(address)
        secrets = {key, *_credentials(address), *_credentials(self._proxy)} - {None, ""}
        secrets |= secrets_of(headers or {}) | _secrets_of_query(query)
        # The longest first, or what is left of one shows when another is a part of it.
        self._secrets = sorted(map(str, secrets), key=len, reverse=True)
        self.hints = hints
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self.most_bytes = most_bytes

    async def get(self, path: str) -> Any:
        """GET a JSON value within the time-out of a connection."""
        return (await self._send("GET", path, None, self._connect_timeout)).value

    async def post(self, path: str, payload: Mapping[str, Any]) -> Reply:
        """POST a JSON value.

        Raises:
            EndpointDown: no connection, no answer in time, no JSON, or a status of 429, 502, 503 or 504.
            AccessDenied: 401 or 403.
            EndpointError: another status, or redirects without an end.
            RowError: the server refuses this request, or breaks on it.
        """
        return await self._send("POST", path, payload, self._timeout)

    async def check_access(self, path: str) -> None:
        """Learn without paying whether the server takes our token.

        It refuses an empty request, but looks at the token before.

        Raises:
            AccessDenied: the server answered 401 or 403.
        """
        try:
            await self._send("POST", path, {}, self._connect_timeout)
        except AccessDenied:
            raise
        except CodecLMError:
            return

    async def _send(self, method: str, path: str, payload: Mapping[str, Any] | None, timeout: float) -> Reply:
        try:
            response, body = await self._exchange(method, path, payload, timeout)
        # `from None`: aiohttp's errors hold the request's headers, and so the token.
        except aiohttp.ConnectionTimeoutError:
            raise EndpointDown(
                f"{self.public_url} does not answer (no connection in {self._connect_timeout:g} s)"
            ) from None
        except (TimeoutError, asyncio.TimeoutError):
            raise EndpointDown(
                f"{self.public_url} gave no answer in {timeout:g} s", timed_out=True, tries=4
            ) from None
        except aiohttp.ClientConnectorError as exc:
            raise EndpointDown(
                f"{self.public_url} does not answer ({self.without_secrets(str(exc))})"
            ) from None
        except (aiohttp.ClientError, OSError) as exc:
            reason = self.without_secrets(str(exc)) or type(exc).__name__
            raise EndpointDown(f"{self.public_url} broke off ({reason})", tries=1) from None
        except ValueError as exc:  # a redirect to what is no URL of a server
            raise EndpointError(
                f"{self.public_url} cannot be asked ({self.without_secrets(str(exc))})"
            ) from None
        if response.status == 200:
            return Reply(self._value(body), response.headers)
        raise self._failure(response, body)

    async def _exchange(
        self, method: str, path: str, payload: Mapping[str, Any] | None, timeout: float
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """Send a request and read the reply; follow redirects, of which another server gets no secret."""
        url = URL(self.url + path + (f"?{self._query}" if self._query else ""), encoded=True)
        headers = self._headers
        for _ in range(MOST_REDIRECTS + 1):
            async with transport.session().request(
                method,
                url,
                json=payload,
                headers=headers,
                proxy=self._proxy,
                timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=self._connect_timeout),
                allow_redirects=False,
                trace_request_ctx=self._count_connection,
            ) as response:
                target = _redirect(response)
                if target is None:
                    return response, await self._body(response)
            if target.origin() != url.origin():
                headers = {}
            url = target
        raise EndpointError(f"{self.public_url} redirects in circles", hint="give the URL that serves")

    def _count_connection(self) -> None:
        self.server.connections += 1

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        read, parts = 0, []
        async for part in response.content.iter_any():
            read += len(part)
            if read > self.most_bytes:
                raise UnreadableAnswer(
                    f"{self.public_url} answered with more than {self.most_bytes >> 20} MiB"
                )
            parts.append(part)
        return b"".join(parts)

    def _value(self, body: bytes) -> Any:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):  # which hold the body
            words = self._quote_body(body)
            raise EndpointDown(
                f"{self.public_url} answered 200 with {words!r}, which is no JSON", tries=1
            ) from None
        if isinstance(value, dict) and value.get("error"):
            raise GenerationFailed(
                f"{self.public_url} answered 200 with the error {self._quote_body(body)!r}"
            )
        return value

    def quote(self, value: Any) -> str:
        """Return the beginning of a reply that is not what it should be, without our token."""
        return repr(self.without_secrets(str(value))[:MOST_QUOTED])

    def _quote_body(self, body: bytes) -> str:
        """Return the beginning of a server's words, without our token."""
        return self.without_secrets(_words(body))[:MOST_QUOTED]

    def without_secrets(self, words: str) -> str:
        """Return a server's words without our token, which some servers repeat."""
        for secret in self._secrets:
            words = words.replace(secret, "…")
        return words

    def _failure(self, response: aiohttp.ClientResponse, body: bytes) -> CodecLMError:
        status = response.status
        words = self._quote_body(body)
        message = f"{self.public_url} answered {status}" + (f": {words}" if words else "")
        if status in (401, 403):
            return AccessDenied(message, hint=self._access_hint(response))
        if status in (429, 502, 503, 504):
            retry_after = _seconds(response.headers.get("Retry-After"))
            return EndpointDown(message, status=status, retry_after=retry_after, tries=int(status == 504))
        if status in (424, 500):
            return GenerationFailed(message)
        if status in (400, 413, 422):
            return RequestRejected(message)
        return EndpointError(message, hint="is this the base URL of an LLM server?")

    def _access_hint(self, response: aiohttp.ClientResponse) -> str:
        moved = response.url.origin() != URL(self.url).origin()
        if moved and "Authorization" not in response.request_info.headers:
            target = public_url(response.url.origin())
            return f"it redirects to {target}, where the token does not go; give that URL"
        return f"give a valid token: {self.hints.api_key}"


def _header_value(api_key: str | None) -> str | None:
    key = (api_key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise BadInput(
            "needs a token of printable ASCII characters; came one with others; check where it is read from"
        )
    return key or None


def _redirect(response: aiohttp.ClientResponse) -> URL | None:
    """Return where a reply sends the same request; None where it sends it nowhere.

    Raises:
        ValueError: where it sends it is no URL that may be asked.
    """
    location = response.headers.get("Location")
    # A POST after 301, 302 and 303 would be another request: a GET.
    follows = response.status in (307, 308) or (
        response.method == "GET" and response.status in (301, 302, 303)
    )
    if not location or not follows:
        return None
    target = response.url.join(URL(location))
    if target.scheme not in ("http", "https") or not target.host or target.user or target.password:
        raise ValueError("it redirects to what is no server's URL, or names a user")
    return target


def _secrets_of_query(query: str) -> set[str]:
    """Return what of a query must not be shown: its values as they are typed and as they are read."""
    values = [part.partition("=")[2] for part in query.split("&")]
    return {word for value in values for word in (value, unquote_plus(value)) if len(word) >= LEAST_SECRET}


def _proxy(url: URL) -> URL | None:
    """Return the proxy that the environment names for a server; None for one on this machine."""
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
        f"needs a proxy like http://HOST:PORT in {url.scheme}_proxy to reach {public_url(url)}; came another"
    )


def _basic_auth(url: URL) -> str | None:
    """Return a URL's user and password as they are sent."""
    if not (url.user or url.password):
        return None
    return base64.b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()


def _credentials(url: URL | None) -> list[str | None]:
    """Return what must not be shown of a URL: its user and password as they are typed, read and sent."""
    if url is None:
        return []
    return [_basic_auth(url), url.user, url.password, url.raw_user, url.raw_password]


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, which may also be a date."""
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
    """Return the server's own words in an error's body, which may be JSON, plain text or HTML."""
    text = body[:100_000].decode("utf-8", "replace").strip()
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        # Cut, because this takes quadratic time on tags that never end.
        parsed = re.sub(r"<(style|script).*?</\1>|<[^<>]+>", " ", text[:10_000], flags=re.S | re.I)
    while isinstance(parsed, dict):
        parsed = next((parsed[key] for key in ("error", "message", "detail") if parsed.get(key)), str(parsed))
    return " ".join(str(parsed).split())
