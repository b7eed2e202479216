"""What a server says in place of an answer: its words in whatever body, and when it wants to be asked again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from codeclm_hf.errors import Refusal

LONGEST_RETRY_AFTER = 600.0
"""Seconds of a `Retry-After` that are waited for, whatever the server asks."""
MOST_READ = 2000
"""Characters of a server's words that are looked through."""
_PLACES = ("error", "message", "detail", "errors", "msg", "error_message", "description", "Message")
"""Where servers put their words; one inside another."""
_DETAILS = (
    "details",
    "fieldViolations",
    "field_violations",
    "invalid-params",
    "invalid_params",
    "invalidParams",
)
"""Where they say more of it, one inside another."""
_NAMES = ("type", "code", "param", "field", "parameter", "name", "error_type", "status")
"""Where they put what they call the error, and the parameter that it is about."""


def words_of(body: bytes) -> str:
    """Return the server's own words in an error's body, which may be JSON, plain text or HTML."""
    return _own_words(_parsed(body))


def refusal_of(status: int, body: bytes) -> Refusal:
    """Return all that an error's body says, in small letters, for those who look for words in it."""
    parsed = _parsed(body)
    names = " ".join(f"{name}={value}" for name, value in _names(parsed))
    return Refusal(status, f"{_own_words(parsed)[:MOST_READ]} {names[:200]}".strip().lower())


def status_inside(value: Any) -> int | None:
    """Return the HTTP status that the error in a body of JSON names, if it does; gateways send it with a 200."""
    error = value.get("error") if isinstance(value, Mapping) else None
    places = [place for place in (error, value) if isinstance(place, Mapping)]
    for code in (place.get(name) for place in places for name in ("code", "status", "status_code")):
        if isinstance(code, str) and code.isascii() and code.isdigit():
            code = int(code[:4])
        if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
            return code
    names = " ".join(str(place.get(name)) for place in places for name in ("code", "type", "status"))
    return (
        429
        if re.search(r"rate_?limit|overloaded|too_?many_?requests|resource_exhausted", names, re.I)
        else None
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks us to wait, if it does so in a form that is known."""
    seconds = _number(headers.get("retry-after-ms"))
    seconds = _number(headers.get("Retry-After")) if seconds is None else seconds / 1000
    if seconds is None:
        seconds = _until(headers.get("Retry-After"))
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def without_numbers(words: str) -> str:
    """Return words without those that hold a digit: ids, dates and counts make two alike refusals differ."""
    return " ".join(word for word in words.split() if not any(map(str.isdigit, word)))


def _number(text: str | None) -> float | None:
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,12})?)\s*s?\s*", text or "", re.ASCII)
    return float(match[1]) if match else None


def _until(date: str | None) -> float | None:
    try:
        return (parsedate_to_datetime(date or "") - datetime.now(timezone.utc)).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _parsed(body: bytes) -> Any:
    text = body[:100_000].decode("utf-8", "replace").strip()
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # Cut, because this takes quadratic time on tags that never end.
        words = re.sub(r"<(style|script).*?</\1>|<[^<>]+>", " ", text[:10_000], flags=re.S | re.I)
        # The title of a page is mostly its heading, too.
        return re.sub(r"^(.{4,100}?) \1(?= |$)", r"\1", " ".join(words.split())) if words != text else words


def _own_words(value: Any) -> str:
    behind = ""
    while isinstance(value, Mapping) or (isinstance(value, list) and len(value) == 1):
        if isinstance(value, list):
            (value,) = value
            continue
        behind = behind or _provider_words(value)
        if "loc" in value:  # where in the request it is
            break
        inner = next((value[key] for key in _PLACES if value.get(key)), None)
        if inner is None:
            break
        value = inner
    return " ".join(f"{value} {behind}".split())


def _provider_words(value: Mapping[str, Any]) -> str:
    """Return what the provider behind a gateway said, which that passes on beside words of its own."""
    metadata = value.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    return f"({words_of(raw.encode('utf-8', 'replace'))})" if isinstance(raw, str) and raw else ""


def _names(value: Any, depth: int = 8) -> list[tuple[str, Any]]:
    if isinstance(value, list):
        return [name for item in value[:4] for name in _names(item, depth - 1)] if depth else []
    if not isinstance(value, Mapping) or not depth:
        return []
    own = [(name, value[name]) for name in _NAMES if isinstance(value.get(name), str | int)]
    return own + [name for key in (*_PLACES, *_DETAILS) for name in _names(value.get(key), depth - 1)]
