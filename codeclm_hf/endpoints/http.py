"""HTTP to one server, and the place where every failure becomes an error of ours."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from codeclm_hf.endpoints import clock as clocks
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.credentials import Credentials, Redaction, public_url, secrets_of_url
from codeclm_hf.endpoints.defaults import DEFAULT_TIMEOUT
from codeclm_hf.endpoints.hints import IN_PYTHON, Hints
from codeclm_hf.endpoints.refusals import ALL_REFUSED, Advice, error_of, meaning_of
from codeclm_hf.endpoints.server import server_at
from codeclm_hf.endpoints.server_words import refusal_of, retry_after, status_inside, words_of
from codeclm_hf.endpoints.tls import certificate_hint, tls_context
from codeclm_hf.endpoints.way import asks_for_a_password, moved_hint, proxy_for, redirect_target
from codeclm_hf.errors import (
    CodecLMError,
    EndpointDown,
    EndpointError,
    GenerationFailed,
    UnreadableAnswer,
)

CONNECT_TIMEOUT = 30.0
"""Seconds that a connection may take, and the answer to what a server is."""
MOST_BYTES = 64 << 20
"""Bytes of one reply: more than any answer has, even with log-probabilities, and less than would hurt."""
MOST_QUOTED = 300
"""Characters of a server's own words in an error."""
MOST_REDIRECTS = 3
ENCODINGS = "gzip, deflate"
"""What can be unpacked everywhere; others depend on what else is installed."""
UNKNOWN_SHAPE_TRIES = 4
"""How many of its tries a reply of an unknown shape costs a request: so it is asked again once."""


class Reply(NamedTuple):
    """What came with a status of 200."""

    value: Any
    """The JSON of the body."""
    headers: Mapping[str, str]


class Look(NamedTuple):
    """What a server shows to somebody who does not know yet what it is."""

    status: int
    """Of the reply, or that of the error in its body."""
    value: Any
    """The JSON of the body; None where it is none."""
    failure: CodecLMError | None
    """What the status means, where it is not 200; or the error in the body."""


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
        credentials = Credentials(address, api_key, headers, query)
        self._headers = {"Accept-Encoding": ENCODINGS, **credentials.headers}
        self.anonymous = not any(credentials.secrets)
        """Whether requests go without a token, a user or another header of the user's."""
        self._query = query
        self._proxy = proxy_for(address)
        if address.scheme == "https":
            tls_context()  # what is wrong with the environment is said before anything is sent
        self._redaction = Redaction(credentials.secrets | secrets_of_url(self._proxy))
        self.answered = False
        """Whether a request with this token has had an answer."""
        self.hints = hints
        self._timeout = timeout
        self.connect_timeout = connect_timeout
        """Seconds that a connection may take, and the answer to a question that costs a server nothing."""
        self.most_bytes = most_bytes

    async def get(self, path: str) -> Any:
        """GET a JSON value within the time-out of a connection."""
        return (await self._send("GET", path, None, self.connect_timeout)).value

    async def post(self, path: str, payload: Mapping[str, Any]) -> Reply:
        """POST a JSON value.

        Raises:
            EndpointDown: no connection, no answer in time, or a refusal that may pass.
            EndpointError: a refusal that is about all requests, or redirects without an end.
            RowError: the server refuses this request, breaks on it, or answers with what is no JSON.
        """
        return await self._send("POST", path, payload, self._timeout)

    async def look(
        self,
        method: str,
        path: str,
        payload: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> Look:
        """Ask what is there; no status and no body is an error.

        Args:
            method: `GET` or `POST`.
            path: what is looked at.
            payload: the JSON of a POST.
            timeout: seconds it may take; as long as a connection may where none is given.

        Raises:
            EndpointDown: no connection, or no answer in time.
            EndpointError: redirects without an end, or to where the user should ask.
        """
        response, body = await self._reply(method, path, payload, timeout or self.connect_timeout)
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        if not 200 <= response.status < 300:
            return Look(response.status, value, self._failure(response, body))
        if isinstance(value, dict) and value.get("error"):
            error = self._error_in(value, body)
            return Look(status_inside(value) or response.status, value, error)
        return Look(response.status, value, None)

    async def check_access(self, path: str, payload: Mapping[str, Any]) -> Look | None:
        """Learn without paying whether the server takes our token, and serves there what we want.

        It refuses a request without messages, but looks at the token, the model and the account before.

        Args:
            path: where requests will go.
            payload: a request without messages.

        Returns:
            What it answered; None where that takes too long.

        Raises:
            EndpointError: all requests there would be refused.
        """
        try:
            look = await self.look("POST", path, payload)
        except EndpointDown:
            return None
        refusal = look.failure.refusal if look.failure else None
        if look.failure and refusal and meaning_of(refusal) in ALL_REFUSED:
            raise look.failure
        return look

    async def _send(self, method: str, path: str, payload: Mapping[str, Any] | None, timeout: float) -> Reply:
        response, body = await self._reply(method, path, payload, timeout)
        if 200 <= response.status < 300:
            return Reply(self._value(body), response.headers)
        raise self._failure(response, body)

    async def _reply(
        self, method: str, path: str, payload: Mapping[str, Any] | None, timeout: float
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """Send a request and return the reply; what keeps one from coming becomes an error of ours."""
        try:
            return await self._exchange(method, path, payload, timeout)
        # `from None`: aiohttp's errors hold the request's headers, and so the token.
        except aiohttp.ConnectionTimeoutError:
            raise EndpointDown(
                f"{self.public_url} does not answer (no connection in {self.connect_timeout:g} s)"
            ) from None
        except (TimeoutError, asyncio.TimeoutError):
            raise EndpointDown(
                f"{self.public_url} gave no answer in {timeout:g} s", timed_out=True, tries=4
            ) from None
        except aiohttp.ClientHttpProxyError as exc:
            words = self.without_secrets(exc.message)
            raise EndpointDown(
                f"{self.public_url} is not reached: the proxy answered {exc.status} ({words})",
                hint="give its user and password in https_proxy" if exc.status == 407 else "",
                status=exc.status,
                tries=1,
            ) from None
        except aiohttp.ClientConnectorCertificateError as exc:
            certificate = exc.certificate_error
            reason = getattr(certificate, "verify_message", "") or type(certificate).__name__
            raise EndpointDown(
                f"{self.public_url} has a certificate that cannot be verified ({self.without_secrets(reason)})",
                hint=certificate_hint(getattr(certificate, "verify_code", 0)),
            ) from None
        except aiohttp.ClientConnectorError as exc:
            reason = re.sub(r" ssl:(?:\w+|<[^>]*>)", "", str(exc))  # an object of Python's
            raise EndpointDown(
                f"{self.public_url} does not answer ({self.without_secrets(reason)})"
            ) from None
        except (aiohttp.ClientError, OSError) as exc:
            reason = self.without_secrets(str(exc)) or type(exc).__name__
            raise EndpointDown(f"{self.public_url} broke off ({reason})", tries=1) from None
        except ValueError as exc:  # a redirect to what is no URL of a server
            raise EndpointError(
                f"{self.public_url} cannot be asked ({self.without_secrets(str(exc))})"
            ) from None

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
                timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=self.connect_timeout),
                allow_redirects=False,
                ssl=tls_context() if "https" in (url.scheme, self._proxy and self._proxy.scheme) else True,
                trace_request_ctx=self._count_connection,
            ) as response:
                target = redirect_target(response)
                if target is None:
                    return response, await self._body(response)
            if (url.scheme, target.scheme) == ("http", "https") and url.host == target.host:
                served = public_url(target).removesuffix(path)
                raise EndpointError(f"{self.public_url} redirects to {served}", hint="give that URL")
            if target.origin() != url.origin():
                headers = {"Accept-Encoding": ENCODINGS}
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
            value = _loads(body)
        except (ValueError, RecursionError):  # which hold the body
            words = self._quote_body(body)
            # JSON that breaks off is a transfer that did; a page is one that comes again.
            tries = 1 if body.lstrip()[:1] in (b"{", b"[") else UNKNOWN_SHAPE_TRIES
            raise GenerationFailed(
                f"{self.public_url} answered 200 with {words!r}, which is no JSON", tries=tries
            ) from None
        if isinstance(value, dict) and (
            value.get("error") or ("choices" not in value and status_inside(value))
        ):
            raise self._error_in(value, body)
        return value

    def _error_in(self, value: Any, body: bytes) -> CodecLMError:
        message = f"{self.public_url} answered 200 with the error {self._quote_body(body)!r}"
        return self.error_inside(value, message)

    def error_inside(self, value: Any, message: str) -> CodecLMError:
        """Return the error that a reply of 200 holds: that of the status which it names, if it does."""
        body = self.without_secrets(json.dumps(value)).encode()
        refusal = refusal_of(status_inside(value) or 200, body)
        if refusal.status != 200:
            return error_of(refusal, message, self._advice(""), answered=self.answered, retry_after=None)
        error = GenerationFailed(message)
        error.refusal = refusal
        return error

    def quote(self, value: Any) -> str:
        """Return the beginning of a reply that is not what it should be, without our token."""
        return repr(self.without_secrets(str(value))[:MOST_QUOTED])

    def _quote_body(self, body: bytes) -> str:
        """Return the beginning of a server's words, without our token."""
        return self.without_secrets(words_of(body))[:MOST_QUOTED]

    def without_secrets(self, words: str) -> str:
        """Return a server's words without our token, which some servers repeat."""
        return self._redaction.apply(words)

    def _failure(self, response: aiohttp.ClientResponse, body: bytes) -> CodecLMError:
        words = self._quote_body(body)
        message = f"{self.public_url} answered {response.status}" + (f": {words}" if words else "")
        return error_of(
            refusal_of(response.status, self.without_secrets(body.decode("utf-8", "replace")).encode()),
            message,
            self._advice(self._access_hint(response), response),
            answered=self.answered,
            retry_after=retry_after(response.headers),
        )

    def _advice(self, access: str, response: aiohttp.ClientResponse | None = None) -> Advice:
        asked = response is None or response.method == "POST"
        return Advice(
            access=access or self._token_hint(),
            model=f"name one that it has: {self.hints.model}",
            moved="" if response is None else moved_hint(response),
            stop="it takes no such requests there" if asked else "is this the base URL of an LLM server?",
        )

    def _access_hint(self, response: aiohttp.ClientResponse) -> str:
        moved = response.url.origin() != URL(self.url).origin()
        if moved and "Authorization" not in response.request_info.headers:
            target = public_url(response.url.origin())
            return f"it redirects to {target}, where the token does not go; give that URL"
        if asks_for_a_password(response):
            scheme = response.url.scheme
            return f"it asks for a user and a password: give them in the URL, {scheme}://USER:PASSWORD@HOST"
        return self._token_hint()

    def _token_hint(self) -> str:
        return f"give a valid token: {self.hints.api_key}, or a gateway's own header: {self.hints.headers}"


def _loads(body: bytes) -> Any:
    """Return the JSON of a reply; where a server cut a character in two, that alone is lost."""
    try:
        return json.loads(body)
    except UnicodeDecodeError:
        return json.loads(body.decode("utf-8", "replace"))
