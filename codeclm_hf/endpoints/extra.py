"""Fields that a user adds to every request's body, and those of them that would break our reading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from codeclm_hf import ids
from codeclm_hf.errors import BadInput

_OURS = {
    "messages", "prompt", "input", "inputs", "model", "stream", "stream_options", "response_format", "grammar",
}  # fmt: skip
"""What a run asks, whom, and in which form the answer comes."""
_BREAKS_READING = {"echo": True, "return_full_text": True, "details": False}
"""Values with which a server answers more, or less, than its answer."""
_CREDENTIAL = re.compile(
    r"(?:[\w-]*[_-])?(?:api[_-]?(?:key|token|secret)|auth(?:orization)?(?:[_-]?token)?|bearer|password|secret"
    r"|credentials?|(?:access|hf|session|bearer|refresh)[_-]?token|(?:access|secret|private|subscription)[_-]?key)",
    re.I,
)
"""Names of fields that hold what no journal and no card may."""

_TOKEN = re.compile(r"\b(?:sk|hf|gsk|xai|nvapi|ghp|glpat|pplx|fw|r8)[-_][\w-]{16,}|\bBearer \S{8}")
"""A value that is a service's token, whatever its field is called."""


def check_extra(extra: Any, name: str = "extra fields") -> Mapping[str, Any]:
    """Return the fields that a user adds to every request.

    Args:
        extra: what the user gave.
        name: what messages call it, such as `--strong-extra`.

    Raises:
        BadInput: they are no JSON object, set what is ours to set, or hold a credential.
    """
    if not isinstance(extra, Mapping) or not all(isinstance(field, str) for field in extra):
        raise BadInput(f'needs {name} as a JSON object such as {{"top_p": 0.9}}; came a {_kind(extra)}')
    if ours := sorted(_OURS & extra.keys()):
        raise BadInput(
            f"needs {name} beside the fields that a run sets itself; came {', '.join(ours)}; leave it out"
        )
    if extra.get("n", 1) != 1:
        raise BadInput(f"needs {name} that ask for one answer; came an n of {extra['n']}; leave it out")
    for field, value in _BREAKS_READING.items():
        if extra.get(field) is value:
            raise BadInput(f"needs {name} without {field}, which changes what an answer holds; leave it out")
    if credentials := sorted(set(_credentials(extra))):
        raise BadInput(
            f"needs {name} without credentials, for they are written into the journal and the card; came "
            f"{', '.join(credentials)}; give a token by the environment, or a header"
        )
    try:
        ids.canonical(dict(extra))
    except (TypeError, ValueError, RecursionError) as exc:
        raise BadInput(f"needs {name} that JSON can hold ({exc})") from exc
    return extra


def token_limit(extra: Mapping[str, Any]) -> int | None:
    """Return the most tokens that a user's fields give every request; None where they set no limit."""
    limits = [extra.get(name) for name in ("max_tokens", "max_completion_tokens", "max_new_tokens")]
    return next((limit for limit in limits if isinstance(limit, int) and limit > 0), None)


def _credentials(value: Any, name: str = "") -> Iterator[str]:
    """Yield the names of all fields that hold a credential, those inside of others too."""
    if isinstance(value, Mapping):
        for field, inner in value.items():
            if _CREDENTIAL.fullmatch(str(field)):
                yield str(field)
            yield from _credentials(inner, str(field))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _credentials(inner, name)
    elif isinstance(value, str) and _TOKEN.search(value):
        yield name


def _kind(value: Any) -> str:
    names = {list: "list", tuple: "list", str: "text", bool: "truth value", int: "number", float: "number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
