"""Reading the judge: two scores from 1 to 10, as numbers or as the means of their distributions (§4.3)."""

from __future__ import annotations

import math
import re
from typing import Any

from codeclm_hf.errors import UnreadableAnswer
from codeclm_hf.stages.parsing.json_values import alone, json_value, unnested
from codeclm_hf.stages.parsing.tags import tagged
from codeclm_hf.stages.parsing.talk import plain, unreadable

_NEEDED = "two scores from 1 to 10"
_PLACE = {"1": 0, "one": 0, "a": 0, "first": 0, "2": 1, "two": 1, "b": 1, "second": 1}
_NOWHERE = -1
"""The place of a number that makes the answer unreadable: a third score, or what is no score."""
# Digits are spelt out throughout: \d and str.isdigit() take those of thirty other scripts, and superscripts.
_NUMBER = r"(?<![\w.,/+−–—-])([0-9]+(?:\.[0-9]+)?)(?!\w|[.,/−–—-][0-9])"
_OUT_OF_TEN = re.compile(
    r"(?<![\w./+−–—-])([0-9]+(?:\.[0-9]+)?)\s*(?:/\s*10(?:\.0)?(?!\w|[.,/−–—-]\w)|\(?out of (?:10|ten)\b\)?)",
    re.I,
)
_PAIR = re.compile(
    rf"""^[ ]* (?: (?:(?:here|the|my|are|final|overall|two)[ ]){{0,4}} (?:scores?|ratings?)
                   (?:[ ](?:are|is|would[ ]be|as[ ]follows))?[ ]?[:：=]? )? [ ]?["']?
        {_NUMBER} (?: \s*[,;&|，；、]\s*(?:and\s+)? | \s+and\s+ | \s+ ) {_NUMBER}
        ["'.!]* (?: [ ]*$ | (?<=\.)[ ]+(?=[^\W\d]) )""",
    re.I | re.M | re.X,
)
_LABELLED = re.compile(
    rf"""(?: ^[ >•+–—-]{{0,9}}(?:[12][.)][ ])? | (?<=[0-9.;)!])\s+ | (?<=[0-9])\s*[,;/|&.]\s*(?:and\s+)?
           | (?<=[0-9])\s+(?:and|while|but|whereas)\s+ | \b(?:scores?|ratings?)\s*:\s* )
        (?:the[ ])?
        (?: (?:assistant|answer|response|model|candidate|score|rating)
            \s*[\#(]?([0-9]+|[a-z]|one|two|three)\b\)?
          | (first|second|third)(?:[ ](?:assistant|answer|response))? )
        (?:['’]s)? (?:[ ](?:overall[ ])?(?:score|rating))?
        (?: \s*[:：=] | [ ][–—-](?=[ ]) | [ ](?:is|gets|got|receives|received|scores|scored|earns|deserves)
            (?:[ ]an?(?:[ ](?:overall[ ])?(?:score|rating)[ ]of)?)? ) \s*
        (?:(?:score|rating)\s*:\s*)?
        {_NUMBER}
        (?= [ ]* (?: $ | points?\b | [.,;|&/](?![ ]*(?:[0-9]|or\b|and\b[ ]*[0-9]|maybe|perhaps))
                   | \((?![^)\n]{{0,80}}[0-9]) | [–—-][ ](?![ ]*[0-9])
                   | (?:and|while|but|whereas|because|assistant|answer)\b
                     (?![ ]*(?:[0-9]|maybe|perhaps)) ) )""",
    re.I | re.M | re.X,
)
_LEADING = re.compile(r"""\{\s*["'“]?scores["'”]?\s*:\s*([\[(][^\[\](){}]*[\])])""")
"""The scores at the beginning of a JSON answer, which may be cut off behind them."""
_TUPLE = re.compile(
    r"(^|^[^\n:()]{0,40}\b(?:scores?|ratings?)\b[^\n:()]{0,40}:)[ \t]*\(([^()\[\]{}\n]*,[^()\[\]{}\n]*)\)",
    re.M | re.I,
)
_OF_ONE = re.compile(
    r"\b(?:assistant|answer|response|model)s?\W{0,2}(?:[0-9]|[ab]|one|two)\b[^\n\[{:]{0,80}:[ \t]*[\[(]", re.I
)
"""A list behind the name of one assistant, whose scores may be anything."""
_JSON_LABEL = re.compile(
    r"(?:assistant|answer|response|model|score|rating)([0-9]+|[a-c]|one|two|three)(?:score)?"
)
_BOTH = ("scores", "score", "ratings", "rating", "answer", "output", "result")
"""Names of fields that give both scores."""
_SECOND_THOUGHT = re.compile(
    r"\b(?:actually|wait|correction|no|on second thoughts?)\s*[,:;—–]|\bor rather\b", re.I
)


def scores(text: str) -> tuple[float, float]:
    """Read the judge's two scores on the scale 1–10 (§4.3), in the order the answers were shown.

    Every place that gives a score is read, and all of them must agree.

    Raises:
        UnreadableAnswer: a score is missing, given twice with different values, or outside 1–10.
    """
    bare = plain(text)
    without = _OUT_OF_TEN.sub(r"\1", bare)
    value, in_tags = json_value(_TUPLE.sub(r"\1[\2]", without), inline=True), tagged(without)
    bare = _text(in_tags.around if in_tags else bare)
    pairs = list(_PAIR.finditer(bare))
    seen = [sighting for pair in pairs for sighting in ((0, float(pair[1])), (1, float(pair[2])))]
    seen += [(_PLACE.get((m[1] or m[2]).casefold(), _NOWHERE), float(m[3])) for m in _LABELLED.finditer(bare)]
    seen += _sightings(alone(value)) if value is not None else []
    seen += _sightings(in_tags.fields) if in_tags else []
    in_doubt = _OF_ONE.search(bare) or (value is None and ("{" in bare or _has_more(bare, pairs)))
    first, second = (
        {float(score) for at, score in seen if at == place and 1 <= score <= 10} for place in (0, 1)
    )
    in_range = all(at != _NOWHERE and 1 <= score <= 10 for at, score in seen)
    if in_doubt or not in_range or len(first) != 1 or len(second) != 1 or _SECOND_THOUGHT.search(bare):
        raise unreadable(_NEEDED, text)
    return first.pop(), second.pop()


def leading_scores(text: str) -> tuple[float, float]:
    """Read the two scores at the beginning of a judgement that is explained after them (§5.3).

    Raises:
        UnreadableAnswer: the answer does not begin with two scores, nor give two anywhere.
    """
    begin = _LEADING.match(plain(text))
    for part in (begin and f'{{"scores": {begin[1]}}}', text.strip().partition("\n")[0]):
        try:
            if part:
                return scores(part)
        except UnreadableAnswer:
            continue
    return scores(text)


def _text(bare: str) -> str:
    """Return the answer without Markdown, tabs and denominators.

    A sign between two numbers stays, and makes the answer unreadable.
    """
    bare = re.sub(r"(?<=[0-9])[ \t]*[*_`#]+[ \t]*(?=[0-9])", "×", bare)
    return _OUT_OF_TEN.sub(r"\1", re.sub(r"[*_`#]+", "", bare).replace("\t", " "))


def _has_more(bare: str, pairs: list[re.Match[str]]) -> bool:
    """Return whether another number has its own line, or a heading above a pair names assistant 2 first."""
    rest = _LABELLED.sub("", _PAIR.sub("", bare))
    named = re.search(r"assistant\W?([0-9])", bare[: pairs[0].start()] if pairs else "", re.I)
    return (
        bool(named and named[1] != "1")
        or re.search(r"^[^\w\n]*[0-9](?:[^\w\n]|[0-9])*$", rest, re.M) is not None
    )


def _sightings(value: Any) -> list[tuple[int, float]]:
    """Return the scores in JSON or tags, each with its place."""
    if isinstance(value, str):
        try:
            return list(enumerate(scores(value)))
        except UnreadableAnswer:
            return [(_NOWHERE, 0.0)]
    if isinstance(value, list):
        both = [_score(item) for item in unnested(value)]
        return list(enumerate(both)) if len(both) == 2 else [(_NOWHERE, 0.0)]
    if not isinstance(value, dict):
        return [(_NOWHERE, 0.0)]
    names = _BOTH[:1] if _BOTH[0] in value else [name for name in _BOTH if name in value]
    sightings = [sighting for name in names for sighting in _sightings(value[name])]
    for name, score in value.items():
        if label := _JSON_LABEL.fullmatch(name):
            sightings.append((_PLACE.get(label[1], _NOWHERE), _score(alone(score))))
    return sightings


def _score(item: Any) -> float:
    """Return the score that a JSON number is, or a text that holds nothing else; 0 if it is neither."""
    if isinstance(item, str):
        number = re.fullmatch(rf"\s*{_NUMBER}(?: points?)?\.?\s*", item)
        return float(number[1]) if number else 0.0
    return float(item) if type(item) in (int, float) and 1 <= item <= 10 else 0.0


def expected_scores(tokens: list[list[tuple[str, float]]], text: str) -> tuple[float, float]:
    """Return the means of the two score distributions, read from the tokens that hold the scores.

    The paper's judge is discrete; a small model's two numbers hardly vary, but these means do. A 10 may be
    one token or "1" and "0": where it is two, the alternatives of the second say how likely the "1" was to be
    a 10.

    Args:
        tokens: for each generated token, the chosen one first, then the alternatives: (text,
            log-probability).
        text: the answer, for the error.

    Raises:
        UnreadableAnswer: the tokens spell no two whole scores next to each other, or no alternative is a
            score.
    """
    end = len(tokens)
    while end and re.fullmatch(r"\s*|<[^<>]*>", tokens[end - 1][0][0]):
        end -= 1
    stream = "".join(token[0][0] for token in tokens[:end])
    discrete = scores(stream)
    pairs = [
        match
        for match in re.finditer(r"(?<![0-9.])([0-9]+)[^0-9\]}]+([0-9]+)(?![0-9]|\.[0-9])", stream)
        if (float(match[1]), float(match[2])) == discrete
    ]
    if len(pairs) != 1:
        raise unreadable(_NEEDED + ", with log-probabilities", text)
    holder = [index for index, token in enumerate(tokens[:end]) for _ in token[0][0]]
    first, second = (_expected(tokens, holder[pairs[0].start(group)], text) for group in (1, 2))
    return first, second


def _expected(tokens: list[list[tuple[str, float]]], at: int, text: str) -> float:
    chosen = _mass(tokens[at])
    ten = (
        _mass(tokens[at + 1]).get("0", 0.0)
        if _digits(tokens[at][0][0]) == "1" and at + 1 < len(tokens)
        else 0.0
    )
    mass = {float(score): chosen.get(str(score), 0.0) for score in range(1, 11)}
    mass[10.0] += mass[1.0] * ten
    mass[1.0] *= 1 - ten
    total = sum(mass.values())
    if not total > 0:
        raise unreadable(_NEEDED + ", with log-probabilities", text)
    mean = sum(score * probability for score, probability in mass.items()) / total
    return min(10.0, max(1.0, mean))


def _digits(token: str) -> str:
    """Return the number in a token, which may also hold the space or bracket before it."""
    number = re.fullmatch(r"[^\w.−–—-]*([0-9]+)[^\w]*", token)
    return number[1] if number else ""


def _mass(alternatives: list[tuple[str, float]]) -> dict[str, float]:
    """Return the share of each number among the alternatives; the chosen token may stand twice among them."""
    chosen, *others = alternatives
    listed = others if chosen[0] in {token for token, _ in others} else alternatives
    mass: dict[str, float] = {}
    for token, logprob in listed:
        number = _digits(token)
        mass[number] = mass.get(number, 0.0) + math.exp(min(logprob, 0.0))
    total = sum(mass.values())
    return {token: probability / total for token, probability in mass.items()} if total > 0 else {}
