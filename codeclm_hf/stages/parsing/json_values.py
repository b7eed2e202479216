"""JSON as models write it: as it stands where it is valid, repaired where two readers agree on the repair."""

from __future__ import annotations

import json
import re
from typing import Any

from codeclm_hf.stages.parsing.talk import introduces, plain, unreadable

MOST_REPAIRED = 20_000
"""Characters of the longest JSON that is repaired; an answer that was asked for in JSON is shorter."""

_JSON = re.compile(r"""(?:^|(?P<inline>[:：`]|`json))[ \t]*(?=[{\[]|\(\s*["'{\[])""", re.M)
_STRING = r'"(?:[^"\\\n]|\\.)*'
_CUT = re.compile(
    rf'(?:{{\s*"instructions"\s*:\s*)?\[\s*((?:{_STRING}"\s*(?:,\s*|(?=\])|$))+)(?:{_STRING}|\]\s*\}}?\s*)?'
)
# A comment ends at a bracket, too: `[8, 7] // good}` closes, and what a comment takes back is in doubt.
# Within quotes, a quoted phrase between words and an apostrophe within a word need no backslash.
_TOKEN = re.compile(
    r"""(?P<comment> //[^\n\[\]{}]* | \#[^\n\[\]{}]* | /\*[^*\[\]{}]*\*/ )
        | " (?P<double> (?: \\. | [^"\\] | (?<=[ (])"[^"\\,:{}\[\]\n]+"(?=[ ]\w) )* ) "
        | ' (?P<single> (?: \\. | [^'\\] | (?<=\w)'(?=\w) )* ) '
        | “ (?P<curly> [^“”"\\]* ) ”
        | (?P<word> [\w.+-]+ ) (?P<names> \s* : )?
        | \S""",
    re.X | re.S,
)
# Behind a value that has ended: a quote or bracket in a text had no backslash and cut it short, or there is another.
_GOES_ON = re.compile(
    r"""[ \t]*["'“”{\[] | [a-zA-Z0-9] | \s*[\]}] | \s*,\s*["'] | \s*(?:,?\s*or\b|/|\|\|?)\s*[{\[(]""",
    re.X | re.I,
)
# `\\frac` and `\\beta` are LaTeX that was not escaped for JSON; no text holds a form feed or a backspace.
_LOST_BACKSLASH = re.compile(rb"(?<!\\)(?:\\\\)*\\[bf]")
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")
_CONSTANTS = {"True": "true", "False": "false", "None": "null"} | {
    name: name for name in ("true", "false", "null")
}
_OPENING, _CLOSING = "[{", "]}"
_PUNCTUATION = ("", ",", ":", *_OPENING, *_CLOSING)


def json_value(text: str, *, inline: bool = False) -> Any:
    """Return the JSON object or array in the answer, with keys as `field` gives them, or None.

    Args:
        text: the answer; prose may stand before and after the JSON. Two values that differ make it
            unreadable.
        inline: take JSON that begins after a colon within a line too.
    """
    bare, at, values = plain(text), 0, list[Any]()
    while (opening := _JSON.search(bare, at)) and (inline or not opening["inline"]):
        start = opening.end()
        try:
            value, at = _decoded(bare, start)
        except (ValueError, RecursionError):
            if values and bare[start] == "{":
                raise unreadable("one answer", text) from None
            break
        values.append(value)
        if value != values[0]:
            raise unreadable("one answer", text)
    return values[0] if values else None


def is_json(bare: str) -> bool:
    """Return whether JSON, whole or cut off, is all of a plain answer but for an introduction."""
    return (opening := _JSON.search(bare)) is not None and introduces(bare[: opening.end()])


def cut_strings(bare: str) -> list[str]:
    """Return the complete strings of a JSON array that was cut off; none if it is broken in another way.

    A repair would take the string that was cut off for a whole one.
    """
    opening = _JSON.search(bare)
    cut = _CUT.fullmatch(bare, opening.end()) if opening else None
    return json_value(f"[{cut[1].strip().rstrip(',')}]") or [] if cut else []


def field(name: str) -> str:
    """Return a JSON key or label without its spelling: `Use case`, `use_case` and `useCase` are one."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def unnested(value: Any) -> Any:
    """Return what lists of a single item hold: `[[8, 7]]` and `[[8], [7]]` are `[8, 7]`."""
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    while (
        isinstance(value, list) and value and all(isinstance(item, list) and len(item) == 1 for item in value)
    ):
        value = [item[0] for item in value]
    return value


def alone(value: Any) -> Any:
    """Return the item of a list that holds no other one; any other value as it is."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def _decoded(bare: str, start: int) -> tuple[Any, int]:
    """Return the JSON value that begins there, and where it ends; raise ValueError if it is in doubt."""
    try:
        # strings may hold line breaks as they are
        value, end = json.JSONDecoder(object_pairs_hook=_object, strict=False).raw_decode(bare, start)
    except ValueError:
        tokens, end = _tokens(bare, start)
        value = _repaired(bare[start:end], tokens)
    # what cannot be stored (half a surrogate pair, NaN) cannot be read either
    stored = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    if _GOES_ON.match(bare, end) or _LOST_BACKSLASH.search(stored):
        raise ValueError("the value was cut short, or changed by a backslash")
    return value, end


def _repaired(source: str, tokens: list[str]) -> Any:
    """Return the value of broken JSON; raise ValueError unless the repair holds its tokens and no others.

    The library guesses: it completes what was cut off, and drops an ellipsis, a key's first value or an item
    without a name. So a repair may add commas between items and change how things are spelt, but no more.
    """
    from json_repair import loads

    source = _APOSTROPHE.sub(r"\'", source)
    written = json.dumps(loads(source, skip_json_loads=True), ensure_ascii=False)
    if _tokens(written, 0)[0] != tokens:
        raise ValueError("the repair is in doubt")
    return json.loads(written, object_pairs_hook=_object)


def _tokens(source: str, start: int) -> tuple[list[str], int]:
    """Return the tokens of the bracketed value that begins there, as valid JSON spells them, and its end.

    Commas between items are left out, comments too. What has no place in JSON stays as it is, and so no
    repair holds it. Raises ValueError where the value does not end.
    """
    tokens, above, end, depth = list[str](), "", start, 0
    for match in _TOKEN.finditer(source, start, start + MOST_REPAIRED):
        glued = match.start() == end and above not in _PUNCTUATION
        if match["comment"] is not None and not glued:
            continue
        token = _spelt(match)
        if (glued and token not in _PUNCTUATION) or token in ('"', "'", "“"):
            break
        if token != "," or above in ("", ",", ":", *_OPENING):
            tokens.extend([token, ":"] if match["names"] else [token])
        above, end = ":" if match["names"] else token, match.end()
        depth += (token in _OPENING) - (token in _CLOSING)
        if depth == 0:
            return tokens, end
    raise ValueError("the value does not end")


def _spelt(match: re.Match[str]) -> str:
    """Return a token as valid JSON spells it."""
    word = match["word"]
    if word is not None:
        if match["names"]:
            return json.dumps(word, ensure_ascii=False)
        number = re.fullmatch(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", word)
        return _CONSTANTS.get(word) or (json.dumps(float(word)) if number else word)
    for quote in ("double", "single", "curly"):
        if (inner := match[quote]) is not None:
            # a quote that stands for itself gets its backslash, an apostrophe loses it
            inner = re.sub(r"(\\')|(\\.)|\"", lambda m: "'" if m[1] else m[2] or '\\"', inner, flags=re.S)
            return json.dumps(json.loads(f'"{inner}"', strict=False), ensure_ascii=False)
    return {"(": "[", ")": "]"}.get(match[0], match[0])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = {field(name): content for name, content in pairs}
    if len(fields) < len(pairs):
        raise ValueError("one key, two values")
    return fields
