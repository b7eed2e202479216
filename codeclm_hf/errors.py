"""Every error codeclm-hf raises on purpose.

::

    CodecLMError
    ├── BadInput              what the caller gave cannot be used: exit code 2, nothing written
    ├── JournalError          the journal on disk is torn, foreign or full
    ├── EndpointError         the run stops here and can go on later: exit code 3
    │   ├── EndpointDown      no answer, or "come back later", for too long
    │   ├── ModelChanged      another model than at the start answers
    │   └── AccessDenied      the server refuses our token: exit code 2
    ├── BudgetSpent           what the run may ask for is used up: exit code 4
    ├── HubError              the Hub cannot be reached or breaks off: exit code 3
    ├── MergeConflict         rows that two people changed, differently: exit code 5
    └── RowError              one row fails, the run goes on
        ├── RequestRejected   the server will never take this request
        ├── GenerationFailed  the server broke on this request
        ├── NoAnswer          the model answered nothing: empty, filtered, refused, thoughts alone
        └── UnreadableAnswer  the answer does not hold what was asked for

An error's text says what is needed, what came and what to do. No text ever holds a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Refusal(NamedTuple):
    """What a server said in place of an answer."""

    status: int
    words: str
    """Its words with what it calls the error and the parameter, longer than a message shows, without secrets."""


class CodecLMError(Exception):
    """The root: catch it to catch everything this package raises on purpose."""

    retryable: bool = False
    """Whether the same request may succeed when sent again."""
    refusal: Refusal | None = None
    """What the server said, where it is a server that refused."""
    hint: str = ""
    """What the user can do about it; empty where the message says it already."""
    exit_code: int = 1
    """What the command line exits with."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.hint = hint or type(self).hint


class BadInput(CodecLMError):
    """What the caller gave cannot be used as it is; nothing was written."""

    exit_code = 2


class JournalError(CodecLMError):
    """The file that keeps the paid answers cannot be used."""

    exit_code = 2


class EndpointError(CodecLMError):
    """An endpoint cannot serve any request at the moment; what was answered is kept."""

    exit_code = 3


class EndpointDown(EndpointError):
    """No connection, no answer in time, or a status that may pass: 408, 429, any 5xx and their like."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        timed_out: bool = False,
        tries: float = 0,
        final: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        """The HTTP status, if there was one."""
        self.retry_after = retry_after
        """Seconds the server asked us to wait, if it did."""
        self.timed_out = timed_out
        self.tries = tries
        """How many of the request's own tries this uses up, if the server answers other requests meanwhile.

        0 where the server never took the request.
        """
        self.retryable = not final


class ModelChanged(EndpointError):
    """Behind the URL is another model than when the run connected; their answers belong in no one table."""


class AccessDenied(EndpointError):
    """The server refuses our token: before it answered anything with it, or again and again since."""

    exit_code = 2


class BudgetSpent(CodecLMError):
    """The run has asked for as much as it may; what was answered is kept."""

    exit_code = 4


class HubError(CodecLMError):
    """The Hub gave no useful answer for too long; what it has is whole, and so is what is here."""

    exit_code = 3
    retryable = True


class MergeConflict(CodecLMError):
    """Both sides changed the same row, differently; nothing was sent."""

    exit_code = 5

    def __init__(self, message: str, *, hint: str = "", conflicts: Sequence[Any] = ()) -> None:
        super().__init__(message, hint=hint)
        self.conflicts = conflicts
        """Every such row, as `codeclm_hf.hub.merge.Conflict`."""


class RowError(CodecLMError):
    """One row cannot be done; its `error` column will say why."""


class RequestRejected(RowError):
    """The server refuses this very request: too long, moderated, or a parameter it does not take."""


class GenerationFailed(RowError):
    """The server tried this request and broke: 424, an error inside a 200, or 5xx while it answers others."""

    retryable = True

    def __init__(self, message: str, *, hint: str = "", tries: float = 1) -> None:
        super().__init__(message, hint=hint)
        self.tries = tries
        """How many of the request's own tries this used up."""


class NoAnswer(RowError):
    """The model gave no answer: empty, filtered, refused, or nothing but thoughts; it is never judged."""

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message
        """Why, in words that go on after "the model"."""


class UnreadableAnswer(RowError):
    """The model's answer does not hold what the prompt asked for; the message quotes what came."""
