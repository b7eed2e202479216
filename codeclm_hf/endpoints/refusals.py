"""What a server's refusal means for the run: one table from its status and its words to what happens."""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum, auto
from typing import NamedTuple

from codeclm_hf.errors import (
    AccessDenied,
    CodecLMError,
    EndpointDown,
    EndpointError,
    GenerationFailed,
    Refusal,
    RequestRejected,
)


class Meaning(Enum):
    """What becomes of the request, and of the run."""

    WAIT = auto()
    """It is sent again under the rules of the circuit; see `attempts.Attempts` for when its row fails."""
    BROKEN = auto()
    """The server broke on this request: it is sent again, some times."""
    ROW = auto()
    """The server will never take this request: its row fails."""
    ACCESS = auto()
    """It is the token: the run stops."""
    CREDITS = auto()
    """The account has no money left: the run stops."""
    MODEL = auto()
    """The server has no such model: the run stops."""
    MOVED = auto()
    """The server is elsewhere: the run stops."""
    STOP = auto()
    """Nobody there answers such requests: the run stops."""


ALL_REFUSED = (Meaning.ACCESS, Meaning.CREDITS, Meaning.MODEL, Meaning.MOVED)
"""What one refusal says of every request."""


class Rule(NamedTuple):
    """Which refusals mean what; the first rule that fits holds."""

    statuses: Collection[int]
    words: str | None
    """A pattern that the server's words must have, in small letters; None where any will do."""
    meaning: Meaning
    once_answered: Meaning | None = None
    """What it means where the same token has had an answer before, if that is something else."""


SERVER_ERRORS = range(500, 600)
COME_AGAIN = (408, 409, 425, 429, 460, 498, 499, *SERVER_ERRORS)
"""It may go well later. 460, 499, 520–530 and the like are gateways' words for what became of a server."""
REDIRECTS = (300, 301, 302, 303, 304, 305, 307, 308)
TOO_MANY = (429, 503, 529)
"""The server has too much to do."""

_SPENT = (
    r"insufficient[ _-](?:quota|balance|credit|fund)|credit balance is too low|budget[ _]?(?:has been )?exceeded"
    r"|exceeded your monthly included credits|billing[_ ]hard[_ ]limit|billing_not_active|spending limit"
    r"|(?:run out of|out of|have any|doesn't have|no remaining|not enough|used all available) credits"
    r"|payment required|in arrears|arrearage|key limit exceeded"
    r"|(?:credits?|balance|funds) (?:is |are |have been )?(?:insufficient|exhausted|depleted|used up|too low)"
)
_SPENT_CLEARLY = (
    r"^insufficient (?:credit|balance|fund)|credit balance is too low|budget[ _]?(?:has been )?exceeded"
    r"|code=arrearage"
)
_CONTENT = (
    r"moderat|content[ _-]?(?:policy|filter|management|violation|blocked)|polic(?:y|ies)|flagged|safety|unsafe"
    r"|guardrail|blocked|inappropriate|harmful|prohibited|nsfw|violat|sensitive|responsible.?ai|jailbreak|toxic"
    r"|disallowed|harass|\bhate\b|sexual|violen|self-harm|copyright|\bprompt\b"
    r"|(?:content|input|message) (?:was )?reject"
)
_NOT_CONTENT = (
    r"api[ _-]?key|\btokens?\b.{0,20}(?:invalid|expired|missing)|(?:invalid|expired|missing).{0,20}\btoken"
    r"|credential|authenti|not authorized|unauthorized|permission|\bip\b|country|region|territory|identity-based"
    r"|account|organi[sz]ation|subscri|disabled|cors|network"
)
_MODEL = (
    r"model_not_(?:found|supported|available)|no such model|unknown model|invalid model|unsupported model"
    r"|deploymentnotfound|deployment for this resource does not exist|no endpoints found for"
    r"|server is pinned to|not a valid model|no (?:allowed )?providers (?:are )?available|\bmodel unavailable"
    r"|\bmodels?\b(?:(?!\. ).){0,120}?(?:does not exist|doesn't exist|not exist|not found|not be found"
    r"|not available|is not served|not loaded|not deployed|not registered|is not supported|decommissioned"
    r"|deprecated|retired)"
    r"|(?:not found|could not find|couldn't find)[^.]{0,30}\bmodel\b|not have access to (?:the )?model"
)
_TOO_LONG = (
    r"exceeds? the (?:available|maximum|model's)? ?context|maximum context length|context_length_exceeded"
    r"|context (?:length|window|size)[^.]{0,40}exceed|too many tokens|prompt is too long|request too large"
)
_INVALID = r"type=invalid_request_error|badrequesterror"

RULES = (
    # Where it is.
    Rule(REDIRECTS, None, Meaning.MOVED),
    # Who pays. 429 says this as often as 402 does; other statuses only in words that no prompt has.
    Rule((402,), None, Meaning.CREDITS),
    Rule((403, 429), _SPENT, Meaning.CREDITS),
    Rule((400, 401), _SPENT_CLEARLY, Meaning.CREDITS),
    # Who asks, and what. A token that has had answers is a good one: then it is about the request.
    Rule((401, 403, 451), rf"^(?!.*(?:{_NOT_CONTENT})).*(?:{_CONTENT})", Meaning.ROW),
    Rule((403,), _MODEL, Meaning.MODEL, Meaning.ROW),
    Rule((401, 403), None, Meaning.ACCESS, Meaning.ROW),
    Rule((400,), r"no connected db", Meaning.ACCESS, Meaning.ROW),  # LiteLLM without a database, a wrong key
    # Which model.
    Rule((404, 410), _MODEL, Meaning.MODEL),
    Rule((400, 422), _MODEL, Meaning.MODEL, Meaning.ROW),
    # What can never go well, whatever it is called.
    Rule((429, *SERVER_ERRORS), _TOO_LONG, Meaning.ROW),
    Rule((500, 502), _INVALID, Meaning.ROW),
    # What may go well later.
    Rule(COME_AGAIN, None, Meaning.WAIT),
    Rule((424,), None, Meaning.BROKEN),
    # Where nobody answers such requests.
    Rule((404, 405, 407, 410, 426), None, Meaning.STOP),
    Rule(range(400, 500), None, Meaning.ROW),
)


def meaning_of(refusal: Refusal, *, answered: bool = False) -> Meaning:
    """Return what a refusal means.

    Args:
        refusal: what the server said.
        answered: whether a request with the same token has had an answer.
    """
    for rule in RULES:
        if refusal.status in rule.statuses and (
            rule.words is None or re.search(rule.words, refusal.words, re.S)
        ):
            return (rule.once_answered if answered else None) or rule.meaning
    return Meaning.STOP


class Advice(NamedTuple):
    """What a refused user can do, in the words of what they run."""

    access: str
    model: str
    moved: str
    stop: str


def error_of(
    refusal: Refusal, message: str, advice: Advice, *, answered: bool, retry_after: float | None
) -> CodecLMError:
    """Return the error of a refusal.

    Args:
        refusal: what the server said.
        message: its words as they may be shown, and who said them.
        advice: what the user can do.
        answered: whether a request with the same token has had an answer.
        retry_after: seconds that the server asked us to wait.
    """
    error = _error(meaning_of(refusal, answered=answered), refusal.status, message, advice, retry_after)
    error.refusal = refusal
    return error


def _error(
    meaning: Meaning, status: int, message: str, advice: Advice, retry_after: float | None
) -> CodecLMError:
    if meaning is Meaning.WAIT:
        # 429 is about all requests together, 503 next to always.
        tries = {429: 0.0, 503: 0.125, 529: 0.125}.get(status, 1.0)
        return EndpointDown(message, status=status, retry_after=retry_after, tries=tries)
    if meaning is Meaning.BROKEN:
        return GenerationFailed(message)
    if meaning is Meaning.ROW:
        return RequestRejected(message)
    if meaning is Meaning.ACCESS:
        return AccessDenied(message, hint=advice.access)
    if meaning is Meaning.CREDITS:
        return EndpointError(
            message, hint="the account's credits are spent: top them up, and run again to go on"
        )
    if meaning is Meaning.MODEL:
        return EndpointError(message, hint=f"the server has no such model; {advice.model}")
    return EndpointError(message, hint=advice.moved if meaning is Meaning.MOVED else advice.stop)
