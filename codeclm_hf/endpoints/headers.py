"""Headers of a user's own, which gateways ask for: their values are secrets, as a token is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from codeclm_hf.errors import BadInput

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
_OURS = {
    "host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "keep-alive",
    "upgrade", "te", "trailer", "expect", "accept-encoding", "proxy-authorization", "proxy-connection",
}  # fmt: skip
"""Headers that belong to the connection and the body."""
LEAST_SECRET = 4
"""Characters of a secret: a shorter value, such as `1` or `on`, is in every text by chance."""


def check_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return the headers that a user adds to every request.

    Raises:
        BadInput: one cannot be sent, or is not the user's to set; its value is not shown.
    """
    checked: dict[str, str] = {}
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BadInput("needs a header's name of letters, digits and hyphens; came one with others")
        if not isinstance(value, str) or not (value.isascii() and value.isprintable() and value.strip()):
            raise BadInput(
                f"needs a value of printable ASCII characters for the header {name}; came another or none"
            )
        if name.lower() in _OURS:
            raise BadInput(f"needs headers beside those of HTTP itself; came {name}; leave it out")
        if name.lower() in {other.lower() for other in checked}:
            raise BadInput(f"needs each header once; came {name} twice")
        checked[name] = value.strip()
    return checked


def names_who_asks(headers: Mapping[str, str]) -> bool:
    """Return whether a header `Authorization` is among them, in whatever case."""
    return any(name.lower() == "authorization" for name in headers)


def read_headers(lines: Iterable[str], option: str) -> dict[str, str]:
    """Return the headers that were typed as `Name: value`; a word `$NAME` of a value is that variable's.

    Args:
        lines: what was typed.
        option: what it was typed after, for messages.

    Raises:
        BadInput: a line is no header, or a variable is not set; no value is shown.
    """
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name.strip()):
            raise BadInput(f'needs a header such as "Name: value" after {option}; came something else')
        if name.strip().lower() in {other.lower() for other in headers}:
            raise BadInput(f"needs each header once; {option} came twice with {name.strip()}")
        headers[name.strip()] = " ".join(_from_environment(word) for word in value.split(" "))
    return check_headers(headers)


def _from_environment(word: str) -> str:
    variable = _VARIABLE.fullmatch(word)
    if variable is None:
        return word
    name = variable[1] or variable[2]
    if not os.environ.get(name):
        raise BadInput(f"needs a header's value in the environment variable {name}; it is not set")
    return os.environ[name].strip()


def secrets_of(headers: Mapping[str, str]) -> set[str]:
    """Return what of the headers' values must not be shown: each whole, and each of its words."""
    values = headers.values()
    words = {word for value in values for word in (value, *value.split())}
    return {word for word in words if len(word) >= LEAST_SECRET}
