"""What a server's refusals teach about how it wants to be asked: which parameters it does not take."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

from codeclm_hf.endpoints.protocol import GenerationRequest
from codeclm_hf.errors import CodecLMError

SEED, TEMPERATURE, LOGPROBS, SCHEMA, LIMIT = "seed", "temperature", "logprobs", "schema", "limit"
"""The parameters, whatever a dialect calls them."""
OLDER_LIMIT, NEWER_LIMIT = "max_tokens", "max_completion_tokens"
"""The names of the limit in chat completions; some servers take one of them alone."""
NEXT_TO_GREEDY = 0.01
"""The temperature for servers that take every one but 0."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """How a server wants to be asked, as far as it is known."""

    left_out: frozenset[str] = frozenset()
    """Parameters that it does not take."""
    limit: str = OLDER_LIMIT
    """Its name of the limit on tokens."""
    least_temperature: float = 0.0
    """What it takes in place of a temperature of 0."""
    most_logprobs: int = 1 << 16
    """Most alternatives to a token that it gives."""


class Lesson(NamedTuple):
    """One parameter that a server takes otherwise, or not at all."""

    parameter: str
    value: str | float | None = None
    """What it takes; None where the parameter stays out."""

    def added_to(self, lessons: Lessons) -> Lessons:
        """Return the lessons with this one."""
        if self.value is None:
            return replace(lessons, left_out=lessons.left_out | {self.parameter})
        if self.parameter == LIMIT:
            return replace(lessons, limit=str(self.value))
        if self.parameter == LOGPROBS:
            return replace(lessons, most_logprobs=int(self.value))
        return replace(lessons, least_temperature=float(self.value))

    def says(self) -> str:
        """Return what it means, in words that go on after the server's name."""
        if self.value is None:
            return f"takes no {_MEANS[self.parameter]}"
        if self.parameter == LIMIT:
            return f"calls the limit on tokens {self.value}: so it is sent from now on"
        if self.parameter == LOGPROBS:
            return f"gives at most {self.value} alternatives to a token: so many are asked for from now on"
        return f"takes no temperature of 0: {self.value:g} is sent in its place from now on"


_MEANS = {
    SEED: "seed: none is sent from now on, and a run from the beginning would get other answers",
    TEMPERATURE: "temperature: none is sent from now on, and the server's own holds",
    LOGPROBS: "logprobs: they are not asked for from now on, and scores cannot be read from them",
    SCHEMA: "JSON schema: none is sent from now on, and answers are read as they come",
    LIMIT: "limit on tokens: none is sent from now on, and answers may be longer and cost more",
}
_SPELLINGS = {
    SEED: r"seeds?",
    TEMPERATURE: r"temperature",
    LOGPROBS: r"(?:sample )?\w*logprobs|top_n_tokens|log[ -]?prob(?:abilitie)?s",
    SCHEMA: r"response[_ ]?format|json_schema|json_object|guided_\w+|guided decoding|\w*grammar"
    r"|structured[ _-]?outputs?|additional_?properties|strict|json[ _-]?mode|response_?(?:json_?)?schema|json schema",
    LIMIT: r"max_?tokens|max_?completion_?tokens|max_new_tokens",
}
_MENTIONS = {**_SPELLINGS, SCHEMA: rf"{_SPELLINGS[SCHEMA]}|schema|json object|constrained decoding"}
"""The same where nothing else in the words says what is wrong."""
_FIRST_WORDS = 300
"""Characters of the words in which a parameter is what they are about; further on they may quote the request."""
_REFUSES = (
    r"unsupported|unknown|unrecogni[sz]ed|unexpected|invalid|extra (?:field|input|argument|key)s?|extra_forbidden"
    r"|additional (?:property|properties)"
    r"|not (?:be )?(?:yet |currently )?(?:support|allow|permit|accept|implement|recogni)"
    r"|n't (?:support|accept|allow|permit|take|recogni)|no support for|remove|omit|(?:not|n't) understand"
    r"|unavailable|not available|disabled|not enabled|forbidden|deprecated|restricted"
    r"|no such|no attribute|keyerror|unused|ignored|cannot be (?:used|set|specified)|not a valid|not valid"
)
"""How servers say that they do not take a parameter at all."""
_COMPLAINS = (
    rf"{_REFUSES}|must|should|(?:has|have|needs|ought) to|cannot|can't|only|range|greater|less|larger|exceed|fixed"
    r"|more than|at most|maximum|minimum|>|<|≤|≥|failed|is not|required"
)
"""How they say that they do not take it so."""
_NEAR = r"(?:(?!\. )[^;]){0,70}?"
_LISTS_OTHERS = re.compile(
    r"\b(?:expect(?:ed|ing)|allowed|permitted|valid|supported|available|known)\b[^.:]{0,40}(?:one of|:|\bare\b)"
)
"""Where the words go on with what the server does take."""
_TEACH = (200, 400, 403, 404, 405, 406, 415, 422, 424, 500, 501)
"""Statuses of those who have looked at what was asked."""
_LOOKED_AT = (400, 406, 415, 422, 501)
"""Those that say nothing else."""
_FAILED_JSON = re.compile(
    r"json_validate_failed|failed_generation|^(?!.*(?:response_format|json_schema)).*(?:"
    r"(?:fail\w*|unable|not able) to (?:generate|produce|parse|return|create)[^.]{0,40}(?:json|schema)"
    r"|(?:could not|couldn't|did not|didn't|cannot) (?:generate|produce|parse|return)[^.]{0,40}(?:json|schema)"
    r"|(?:output|response|generation|generated|completion|model|answer|content)\b[^.]{0,60}(?:invalid|malformed"
    r"|incomplete|(?:not|n't) (?:\w+ ){0,2}(?:valid|match|conform|parse))[^.]{0,30}(?:json|schema))"
)
_ONLY_DEFAULT = re.compile(
    r"only (?:the )?(?:default|value|a value|temperature|\d)|default \(|fixed (?:at|to)"
    r"|(?:must|should) (?:be|equal) (?:the default|1(?:\.0)?\b(?! (?:or|and|to)\b))"
)
_NOT_ZERO = re.compile(r"\b0(?:\.0+)?\b|positive|zero|greater|range|above|larger|minimum")
_TOO_MANY = re.compile(
    r"above maximum|too (?:large|big|high|many)|\bexceed(?:s|ed|ing)?\b"
    r"|(?:[<>]=?|≤|less than|at most|more than|between|greater than"
    r"|larger than|exceeds?|\brange\b|maximum)\D{0,40}\d"
)
"""How they say that the limit on tokens is beyond what they can: it is taken, but not that high."""
_AT_MOST = re.compile(
    r"(?:[<>]=?|≤|less than or equal to|at most|max(?:imum)?(?: \w+){0,2}|up to|(?:more|greater|larger) than"
    r"|exceeds?(?: (?:the|limit|of))*|max(?:imum)?\b[^.\d]{0,40}"
    r"|\d ?(?:and|to|-|–|,|\.\.|~) ?)\W{0,4}(\d{1,4})(?![\d.]*\d)"
)


def lesson_of(
    error: CodecLMError,
    request: GenerationRequest,
    lessons: Lessons,
    sent: Collection[str],
    tried: Collection[Lesson],
    taken: Collection[str] = (),
) -> Lesson | None:
    """Return what a refusal may teach: a parameter that was sent and that its words name; None where nothing.

    Of a parameter that the server has taken before, the words must complain; any other need only be named.

    Args:
        error: the refusal.
        request: what was asked.
        lessons: what is known of the server.
        sent: the parameters that were sent, but for those that the user set.
        tried: the lessons that did not help.
        taken: the parameters that it has answered a request with.
    """
    refusal = error.refusal
    if refusal is None or refusal.status not in _TEACH:
        return None
    words = refusal.words
    others = _LISTS_OTHERS.search(words)
    before_others = words[: others.start()] if others else words
    complaints: list[tuple[int, int, str]] = []  # how unlikely it is, where in the words, the parameter
    for name in sent:
        sure, at = _complaint(before_others, name), _complaint(words, name)
        if sure is not None:
            complaints.append((0, sure, name))
        elif at is not None:  # among those that the server takes
            complaints.append((1, at, name))
        elif name == SCHEMA and refusal.status != 500 and re.search(_SPELLINGS[SCHEMA], words):
            complaints.append((2, 0, name))  # servers without grammars have many words for it
        elif name not in taken and refusal.status in _LOOKED_AT and _mentions(words, name):
            complaints.append((3, 0, name))
    for _, _, name in sorted(complaints):
        for lesson in _lessons(name, words, request, lessons):
            if lesson not in tried:
                return lesson
    return None


def failed_json(error: CodecLMError) -> bool:
    """Return whether a refusal says that the model wrote no JSON this time."""
    return error.refusal is not None and _FAILED_JSON.search(error.refusal.words) is not None


def _complaint(words: str, name: str) -> int | None:
    """Return where a server's words complain of a parameter, the surest first; None where they do not."""
    if name == LIMIT and _TOO_MANY.search(words):
        return None
    spelling = rf"(?<![\w-])(?:{_SPELLINGS[name]})(?![\w-])"
    complains = _REFUSES if name in (LIMIT, SEED) else _COMPLAINS
    if re.search(rf"(?:param|parameter|field|name)=\W?(?:{_SPELLINGS[name]})(?![\w-])", words) and re.search(
        complains, words
    ):
        return 0
    match = re.search(rf"{spelling}{_NEAR}(?:{complains})|(?:{complains}){_NEAR}{spelling}", words)
    return match.start() + 1 if match else None


def _mentions(words: str, name: str) -> bool:
    """Return whether words without a known complaint are about a parameter: in another language, say."""
    # A prompt that is too long is another matter, in which the limit is named.
    return name != LIMIT and bool(
        re.search(rf"(?<![\w-])(?:{_MENTIONS[name]})(?![\w-])", words[:_FIRST_WORDS])
    )


def _lessons(name: str, words: str, request: GenerationRequest, lessons: Lessons) -> list[Lesson]:
    """Return what a parameter that is complained of may be replaced by, the likeliest first."""
    left_out = Lesson(name)
    if name == LIMIT:
        other = NEWER_LIMIT if lessons.limit == OLDER_LIMIT else OLDER_LIMIT
        return [Lesson(name, other), left_out]
    if name == LOGPROBS:
        asked = min(request.top_logprobs, lessons.most_logprobs)
        fitting = [int(n) for n in _AT_MOST.findall(words) if 0 < int(n) < asked]
        return [*([Lesson(name, max(fitting))] if fitting else []), left_out]
    if name == TEMPERATURE and not _ONLY_DEFAULT.search(words):
        greedy = request.temperature == 0 and not lessons.least_temperature
        nearly = [Lesson(name, NEXT_TO_GREEDY)] if greedy else []
        refused = re.search(_REFUSES, words) is not None
        if refused and not (greedy and _NOT_ZERO.search(words)):
            return [left_out, *nearly]
        # One that is too high or too low is the user's, who chose it.
        return [*nearly, left_out] if refused or request.temperature == 0 else []
    return [left_out]
