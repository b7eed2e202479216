"""What people type for a server: where its routes are, whatever form of URL they have at hand."""

from __future__ import annotations

import re
from typing import NamedTuple

from yarl import URL

from codeclm_hf.errors import BadInput

CHAT = "/chat/completions"
FORMS = "http(s)://HOST:PORT (tgi+http:// or chat+http:// to force the dialect) or local:MODEL"
_BETWEEN_URLS = re.compile(r",\s*(?=[a-z+]+://)", re.I)  # not one inside a password or a query
_VERSION = r"/v\d+(?:\.\d+)?(?:(?:alpha|beta|preview)\d*)?"
_ENDS_IN_VERSION = re.compile(rf"{_VERSION}(?:/openai)?$", re.I)
_HAS_VERSION = re.compile(rf"{_VERSION}(?:/|$)|/(?:openai|models|openapi)$", re.I)
_DEPLOYMENT = re.compile(r"/deployments/([^/]+)$", re.I)
_OTHER_ROUTES = re.compile(r"/(?:completions|responses|embeddings|generate|generate_stream|info)$", re.I)
_MODELS = re.compile(rf"({_VERSION}(?:/openai)?)/models$", re.I)


class Address(NamedTuple):
    """Where a server is, and where in it the chat completions may be."""

    dialect: str
    """`tgi` or `chat` where the user forces it, else empty."""
    base: URL
    """With the user and the password, without a query."""
    query: str
    """Sent with every request."""
    chat_paths: tuple[str, ...]
    """Paths behind the base, the likeliest first."""
    deployment: str | None = None
    """The model, where the URL itself names it."""

    @property
    def may_be_tgi(self) -> bool:
        """Whether there could be a TGI, whose route of chat completions is `/v1`."""
        return f"/v1{CHAT}" in self.chat_paths


def models_path(chat_path: str) -> str:
    """Return the path of the list of models that belongs to one of chat completions."""
    return chat_path.removesuffix(CHAT) + "/models"


def split_addresses(text: str) -> list[str]:
    """Return the servers that were typed with commas between them."""
    return _BETWEEN_URLS.split(text)


def read_address(text: str) -> Address:
    """Read what the user typed for one server.

    Raises:
        BadInput: it is no URL of a server; what is shown of it holds no password and no query.
    """
    forced = re.match(r"(tgi|chat)\+", text, re.I)
    rest = text[forced.end() :] if forced else text
    # Up to the last @: a password may hold anything.
    public = re.sub(r"^([a-z+]*://)?.*@", r"\1", text.partition("?")[0], flags=re.S | re.I)
    error = BadInput(f"needs an endpoint like {FORMS}; came {public!r}")
    try:
        url = URL(rest.strip())
    except ValueError:  # its words may be a part of the password
        raise error from None
    if url.scheme not in ("http", "https") or not url.host or "@" in url.path:
        raise error
    base, chat_paths = _routes(url.raw_path.rstrip("/"))
    deployment = _DEPLOYMENT.search(base)
    return Address(
        dialect=forced[1].lower() if forced else "",
        base=url.with_path(base, encoded=True).with_query(None).with_fragment(None),
        query=url.raw_query_string,
        chat_paths=chat_paths,
        deployment=URL(f"http://x/{deployment[1]}", encoded=True).name if deployment else None,
    )


def _routes(path: str) -> tuple[str, tuple[str, ...]]:
    """Return the base's path, and the paths behind it where chat completions may be."""
    exact = path.lower().endswith(CHAT)
    if exact:
        path = path[: -len(CHAT)]
    else:
        path = _MODELS.sub(r"\1", _OTHER_ROUTES.sub("", path)).rstrip("/")
    if path.lower().endswith("/v1"):
        return path[: -len("/v1")], (f"/v1{CHAT}",)
    if exact or _ENDS_IN_VERSION.search(path) or _DEPLOYMENT.search(path):
        return path, (CHAT,)
    # Nobody can tell from here: the server is asked.
    return path, (CHAT, f"/v1{CHAT}") if _HAS_VERSION.search(path) else (f"/v1{CHAT}", CHAT)
