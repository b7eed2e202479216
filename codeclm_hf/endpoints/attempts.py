"""Who is to blame where a request fails: the request, whose row then fails, or the server, which is waited for."""

from __future__ import annotations

import random
import re
from collections import Counter

from codeclm_hf.endpoints.protocol import GenerationRequest, Message
from codeclm_hf.endpoints.refusals import Meaning, meaning_of
from codeclm_hf.endpoints.server import Server
from codeclm_hf.endpoints.server_words import without_numbers
from codeclm_hf.errors import (
    AccessDenied,
    CodecLMError,
    EndpointDown,
    EndpointError,
    GenerationFailed,
    RowError,
)

TRIES = 8
"""How often a server may break on one request, while it answers others, before the row is given up."""
LONGEST_BACKOFF = 30.0
"""Seconds that a request waits at most before it is sent again to a server that broke on it."""
ALIKE = 8
"""How many requests are refused alike, and none answered, before the run stops."""
TRIVIAL = GenerationRequest(messages=(Message("user", "Say yes."),), seed=1, max_new_tokens=16)
"""What a server is asked that has broken on one request again and again, and had no other to answer."""


class Attempts:
    """What became of one request so far.

    ::

                       answered others meanwhile        ┌───────────────┐  tries ≥ TRIES
                   ┌──────────────────────────────────▶ │   its fault   │ ────────────────▶ the row fails
        ┌──────────┴──┐                                 └───────────────┘
        │   failed    │                                         ▲ it is answered: the last try
        └──────────┬──┘                                 ┌───────┴───────┐
                   └──────────────────────────────────▶ │   in doubt    │ ────────────────▶ TRIVIAL is asked
                       answered nobody meanwhile        └───────────────┘  tries ≥ TRIES

    In doubt, the server may be down behind its gateway: the circuit has all wait, and `give_up_after`
    seconds without an answer end the run. If only this request is left, there is nobody else to be
    answered, so the server is asked something trivial: a run in which one row breaks its server must end.
    """

    def __init__(self) -> None:
        self._tries = 0.0
        """Those that the request is to blame for."""
        self._doubtful = 0.0
        """Those that it or the server is to blame for."""
        self._answers: dict[Server, int] = {}
        """How many answers each server had given when the request was sent there, or failed there last."""
        self._count = 0
        self._backoff = 0.0

    def record_send(self, server: Server) -> None:
        """Note that the request goes to a server."""
        self._answers.setdefault(server, server.answers)

    def record_failure(self, server: Server, error: CodecLMError) -> None:
        """Note that it came back with an error that may pass."""
        answers, self._answers[server] = self._answers[server], server.answers
        self._backoff = 0.0
        if isinstance(error, EndpointDown) and server.answers == answers:
            self._doubtful += max(1.0, error.tries) if error.tries else 0.0
        elif isinstance(error, EndpointDown | GenerationFailed):
            self._tries += error.tries
            # None before the first time, nor where the server did not take it: then its breaker has all wait.
            if self._count and error.tries >= 1 and not (isinstance(error, EndpointDown) and error.timed_out):
                self._backoff = min(LONGEST_BACKOFF, 0.5 * 2 ** (self._count - 1)) + random.uniform(0, 1)
        self._count += 1

    @property
    def used_up(self) -> bool:
        """Whether the row is to be given up."""
        return self._tries >= TRIES

    @property
    def in_doubt(self) -> bool:
        """Whether it is time to ask the server something trivial."""
        return self._doubtful > 0 and self._tries + self._doubtful >= TRIES

    @property
    def backoff(self) -> float:
        """Seconds before the request is sent again."""
        return self._backoff

    def settle(self, *, answers: bool) -> None:
        """Note whether the server answers what is trivial: if so, the request has one try left."""
        self._doubtful = 0.0
        if answers:
            self._tries = TRIES - 0.1


class AlikeRefusals:
    """Refusals since the last answer: where many are alike, they are about no one row.

    Before the first answer any kind counts; later the token alone, which may be revoked or run out.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._answered = False

    def answered(self) -> None:
        """Note an answer."""
        self._answered = True
        self._counts.clear()

    def refused(self, error: RowError) -> EndpointError | None:
        """Note that a row fails, and return the error that stops the run, if it is time for that."""
        is_access = error.refusal is not None and meaning_of(error.refusal) is Meaning.ACCESS
        if self._answered and not is_access:
            return None
        kind = _kind(error)
        self._counts[kind] += 1
        if self._counts[kind] < ALIKE:
            return None
        self._counts.clear()
        if self._answered:
            return AccessDenied(
                f"{error}, {ALIKE} times since its last answer", hint="is the token still valid?"
            )
        words = f"the first {ALIKE} requests were all refused alike, so that no row would be had: {error}"
        return EndpointError(
            words, hint="it gave no answer to pay for; change what is refused, and run again"
        )


_QUOTED = r"'[^']*'|\"[^\"]*\"|`[^`]*`|“[^”]*”"
_ID = r"\b(?:ids?|trace|request)\b\W{1,3}\S+|\b[a-f]{6,}\b|\b\w*[a-z][A-Z]\w*\b"


def _kind(error: RowError) -> str:
    """Return an error's words without what differs from request to request: numbers, ids and quotations."""
    return re.sub(rf"{_QUOTED}|{_ID}", "", without_numbers(str(error)))
