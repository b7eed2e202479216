"""What opens a server to us, and must not be shown: tokens, users, passwords, headers and queries."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_plus

from yarl import URL

from codeclm_hf.endpoints.headers import LEAST_SECRET, check_headers, names_who_asks, secrets_of
from codeclm_hf.errors import BadInput


def public_url(url: str | URL) -> str:
    """Return a URL without credentials and query, as it may be shown."""
    return str(URL(url).with_user(None).with_query(None).with_fragment(None)).rstrip("/")


class Credentials:
    """What is sent with every request to a server, and to no other.

    Args:
        url: the server's; a user in it is sent as basic authentication.
        api_key: sent as a bearer token.
        headers: sent as they are.
        query: a part of the URL of every request.

    Raises:
        BadInput: one of them cannot be sent, or two say who asks.
    """

    def __init__(self, url: URL, api_key: str | None, headers: Mapping[str, str] | None, query: str) -> None:
        key, user = _token(api_key), _basic_auth(url)
        self.headers = check_headers(headers)
        authorized = names_who_asks(self.headers)
        if bool(key) + bool(user) + authorized > 1:
            raise BadInput(
                f"needs one of a token, a user in the URL and a header Authorization for {public_url(url)}; "
                "came two of them; leave one out"
            )
        if key or user:
            self.headers["Authorization"] = f"Bearer {key}" if key else f"Basic {user}"
        self.secrets = {
            key or "",
            *secrets_of(headers or {}),
            *_secrets_of_query(query),
            *secrets_of_url(url),
        }
        """Words that must not be shown."""


class Redaction:
    """Takes secrets out of what others say."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first, or what is left of one shows when another is a part of it.
        self._secrets = sorted(set(secrets) - {""}, key=len, reverse=True)

    def apply(self, words: str) -> str:
        """Return words without secrets."""
        for secret in self._secrets:
            words = words.replace(secret, "…")
        return words


def _token(api_key: str | None) -> str | None:
    key = (api_key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise BadInput(
            "needs a token of printable ASCII characters; came one with others; check where it is read from"
        )
    return key or None


def _secrets_of_query(query: str) -> set[str]:
    """Return what of a query must not be shown: its values as they are typed and as they are read."""
    values = [part.partition("=")[2] for part in query.split("&")]
    return {word for value in values for word in (value, unquote_plus(value)) if len(word) >= LEAST_SECRET}


def _basic_auth(url: URL) -> str | None:
    """Return a URL's user and password as they are sent."""
    if not (url.user or url.password):
        return None
    return base64.b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()


def secrets_of_url(url: URL | None) -> set[str]:
    """Return what must not be shown of a URL: its user and password as they are typed, read and sent."""
    if url is None:
        return set()
    # A short user such as `u` is in every text by chance.
    users = (user for user in (url.user, url.raw_user) if user and len(user) >= LEAST_SECRET)
    return {text for text in (_basic_auth(url), url.password, url.raw_password, *users) if text}
