"""Which model answered: a gateway may put another one's answers under the name of the first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.model_names import public_name
from codeclm_hf.endpoints.protocol import Completion
from codeclm_hf.errors import ModelChanged

_FALLBACKS = "x-litellm-attempted-fallbacks"
"""How many models LiteLLM's proxy asked in vain before the one that answered."""
_DATE = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|\d{4})$")


class _Name(NamedTuple):
    """A model's name in its parts."""

    base: str
    tag: str
    """Such as `8b` in `llama3:8b`; empty where there is none, or `latest`."""
    date: str
    """The version, where it is a date; empty where there is none."""

    @classmethod
    def of(cls, name: str) -> _Name:
        base, _, tag = re.split(r"[/\\]", name.strip().lower())[-1].partition(":")
        match = _DATE.search(base)
        return cls(
            base[: match.start()] if match else base, tag.replace("latest", ""), match[1] if match else ""
        )

    def may_be(self, other: _Name) -> bool:
        """Return whether both may name one model: what one of them leaves out does not tell them apart."""
        return self.base == other.base and all(
            not one or not two or one == two for one, two in zip(self[1:], other[1:], strict=True)
        )


class ServedNames:
    """The name that a server's replies give the model; the first holds, whatever was asked for.

    Args:
        public_url: the server's URL as it may be shown.
        allow_fallback: whether another model may answer; its answers are then marked.
    """

    def __init__(self, public_url: str, *, allow_fallback: bool = False) -> None:
        self._public_url = public_url
        self._allow_fallback = allow_fallback
        self._first: str | None = None
        self._others: set[str] = set()
        """The names of other models that were said to answer."""

    def check(self, completion: Completion, headers: Mapping[str, str]) -> Completion:
        """Return an answer, marked where another model gave it.

        Args:
            completion: the answer.
            headers: those of the reply.

        Raises:
            ModelChanged: another model gave it, and that is not allowed.
        """
        name, fell_back = completion.model, headers.get(_FALLBACKS, "0").strip() not in ("", "0", "None")
        if name is None and not fell_back:
            return completion
        if name is not None and self._first is None and not fell_back:
            self._first = name
        if name is not None and (name == self._first or self._is_first(name)):
            return completion
        other = public_name(name) if name else "a model that it does not name"
        expected = public_name(self._first) if self._first else "the model asked for"
        words = f"{self._public_url} answered with {other} in place of {expected}"
        if not self._allow_fallback:
            raise ModelChanged(
                words,
                hint="have its gateway fall back to no other model, or allow it (--allow-fallback, in Python "
                "allow_fallback=True), which records what answered",
            )
        if other not in self._others:
            self._others.add(other)
            transport.log.warning("%s; such answers are kept, and recorded as that model's", words)
        return replace(completion, fallback=other)

    def _is_first(self, name: str) -> bool:
        return self._first is not None and _Name.of(name).may_be(_Name.of(self._first))
