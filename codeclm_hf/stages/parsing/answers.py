"""Reading what a model wrote, for servers without grammars: tolerant of form, never of doubt.

Each reader returns what was asked for or raises `UnreadableAnswer`. An answer that could be read in two ways
is unreadable: asking again costs one request, a wrong reading costs a wrong row.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from codeclm_hf.errors import UnreadableAnswer
from codeclm_hf.stages.parsing.lists import item_text, items_of, lines_of

QUOTED = 200
"""Characters of an unreadable answer that its error quotes."""

_THOUGHTS = re.compile(r"\A(?:\s*<think(?:ing)?>.*?</think(?:ing)?>)+", re.S | re.I)
# Some chat templates open the thoughts in the prompt, so that the answer only closes them.
_THOUGHTS_END = re.compile(r"\A(?:(?!<think).)*?^[ \t]*</think(?:ing)?>", re.S | re.M | re.I)
_JSON = re.compile(r"(?:^|(?P<inline>[:`]|`json))[ \t]*(?=[{\[])", re.M)
_STRING = r'"(?:[^"\\\n]|\\.)*'
_CUT = re.compile(
    rf'(?:{{\s*"instructions"\s*:\s*)?\[\s*((?:{_STRING}"\s*(?:,\s*|(?=\])|$))+)(?:{_STRING}|\]\s*\}}?\s*)?'
)
# JSON that broke, or our own prompt: no text to be read as it stands.
_GONE_WRONG = re.compile(r'\s*(?:[{\[]|```)|.*"(?:instructions?|\.{3}|…)"', re.S)
_REFUSAL = re.compile(r"""(?ix)
        \W{0,3}(?:i(?:['’]m|\ am)\ (?:\w+\ )?(?:sorry|unable|not\ able)
        |sorry|my\ apologies|unfortunately|as\ an\ ai
        |i\ (?:cannot|can\ ?not|can['’]?t|won['’]t|will\ not|must\ decline|apologi[sz]e
          |don['’]t|do\ not))\b""")
_TALK = r"(?:sure|certainly|of\ course|ok|okay|absolutely|great|yes)\b[^\n:.!,]{0,40}[,.!:]+"
_CHAT = re.compile(rf"{_TALK}|(?:here|below)(?:\ is|\ are|['’]s)\b[^\n]{{0,200}}:", re.I)
_INTRO = re.compile(rf"""(?ix)
        [\s*_\#]{{0,6}} (?:{_TALK}\s+)? (?: here\ it\ is | json
          | (?:here|below)(?:\ is|\ are|['’]s)\ (?!an?\ instruction\b)(?:[\w-]+\ ){{0,6}}
            (?:instructions?|prompts?|version|rewrite|json|answer)(?:\ (?:in|as)\ json|\ for\ you)?
          | (?:the\ )?(?:(?:new|final|improved|rewritten|revised|harder|updated)\ ){{0,2}}
            (?:instructions?|prompt)(?:\ [0-9]{{1,3}})? ) [*_]{{0,2}}:[*_]{{0,2}}\s*""")
_CONTENT = re.compile(r"[^\W_]")
_LABEL = re.compile(r"""(?imx)
        (?: ^[ \t]*(?:[-•*+][ ]|[0-9][.)][ ])? | (?<=[.;,|])[ ] ) [*_\#>\ ]{0,6}
        (?:(?:key|main|required|needed)[ ])?
        (use[ _-]?case|task|skill)(?:s|\(s\))? (?:[ ](?:needed|required))?
        [*_]{0,2} (?:[ ]?[:=]|[ ][-–—][ ]|[ \t]*$) [*_]{0,2}""")
_CASE, _SKILLS = ("usecase", "task"), ("skills", "skill")
_HEADING = re.compile(r"^[^\w\n]*(?:[0-9][.)][^\w\n]*)?(?:\w+ )?(rubric|action)s?\b[^\w\n]*$", re.I | re.M)
_NO_NAME = re.compile(
    r"[\W_]*|[<\[{(].*[>\]})]|str(?:ing)?|use[ _]?case|task|skills?[ _]?\d*|none|n/?a|unknown", re.I
)


class Metadata(NamedTuple):
    """A use case and 1–3 skills."""

    use_case: str
    skills: list[str]


def metadata(text: str, *, use_cases: tuple[str, ...] = ()) -> Metadata:
    """Read a use case and its skills (§4.1), from JSON or from `Use case:` and `Skills:` lines.

    Args:
        text: the answer.
        use_cases: if given, the use case must be one of them.
    """
    fields = json_value(text, inline=True)
    if fields is None:
        _, *parts = _LABEL.split(plain(text))
        clear = len(parts) == 4 and not any(re.search(r"\w\s*:|[{}\[\]]", content) for content in parts[1::2])
        fields = {field(parts[0]): parts[1], field(parts[2]): parts[3]} if clear else {}
    names = fields if isinstance(fields, dict) else {}
    cases, lists = ([fields[name] for name in names if name in known] for known in (_CASE, _SKILLS))
    skills = _split_skills(lists[0]) if lists and isinstance(lists[0], str) else lists and lists[0]
    cleaned = [_name(item) for item in [*cases, *skills]] if isinstance(skills, list) else []
    if len(cases) != 1 or len(lists) != 1 or len(cleaned) < 2 or not all(cleaned):
        raise unreadable("a use case and 1–3 skills", text)
    use_case, *skill_names = cleaned
    if use_cases:
        use_case = next((name for name in use_cases if name.casefold() == use_case.casefold()), "")
        if not use_case:
            raise unreadable(f"a use case out of {', '.join(use_cases)}", text)
    short = [re.sub(r"\s+skills?$", "", skill, flags=re.I) for skill in skill_names]
    return Metadata(use_case, list(dict.fromkeys(short))[:3])


def rubrics(text: str, n: int) -> tuple[list[str], list[str]]:
    """Read n rubrics and their n actions (§4.2), from JSON or from two lists under headings."""
    fields = json_value(text, inline=True)
    if fields is None:
        _, *parts = _HEADING.split(plain(text))
        in_order = [name.casefold() for name in parts[::2]] == ["rubric", "action"]
        fields = {"rubrics": items_of(parts[1])[1], "actions": items_of(parts[3])[1]} if in_order else {}
    first, second = (
        _strings(fields.get(name) if isinstance(fields, dict) else 0) for name in ("rubrics", "actions")
    )
    if len(first) != len(second) or len(first) < n or not all(map(_CONTENT.search, first + second)):
        raise unreadable(f"{n} rubrics and {n} actions", text)
    return first[:n], second[:n]


def instructions(text: str, n: int) -> list[str]:
    """Read up to n distinct instructions (§4.1), from JSON, also cut off, or from a list in any style.

    A bare paragraph is taken as the instruction when one was asked for.
    """
    bare = plain(text)
    if _is_json(bare):
        value = json_value(text, inline=True)
        found = _strings(
            value.get("instructions") if isinstance(value, dict) else value or _cut_strings(bare)
        )
    elif _REFUSAL.match(bare) or _GONE_WRONG.match(bare):
        found = []
    else:
        before, found = items_of(bare)
        if n == 1 and before == bare:
            found = [_paragraph(bare)]
        elif n == 1 and not _introduces(before):
            found = []  # one instruction that contains a list
    distinct = list(dict.fromkeys(filter(_CONTENT.search, map(_unwrapped, found))))[:n]
    if not distinct:
        raise unreadable(f"{n} instruction{'s' * (n > 1)}", text)
    return distinct


def improved_instruction(text: str, before: str) -> str:
    """Read the harder instruction (§4.2): from JSON, or the text without what models say around it."""
    bare = plain(text)
    intro, items = items_of(bare)
    if _is_json(bare):
        value = json_value(text, inline=True)
        after = value.get("instruction") if isinstance(value, dict) else None
    else:
        after = _paragraph(bare) if intro.strip() else items[0] if len(items) == 1 else None
    after = _unwrapped(after) if isinstance(after, str) else ""
    if not _CONTENT.search(after) or _REFUSAL.match(after):
        raise unreadable("a rewritten instruction", text)
    if after.casefold().split() == before.casefold().split():
        raise unreadable("a rewritten instruction, not the same one", text)
    return after


def unreadable(needed: str, text: str) -> UnreadableAnswer:
    """Return the error for an answer that does not hold what was needed."""
    quoted = " ".join(text.split())
    quoted = quoted[:QUOTED] + "…" * (len(quoted) > QUOTED)
    return UnreadableAnswer(f"needs {needed}; the model answered {quoted!r}")


def plain(text: str) -> str:
    """Return the answer without a reasoning model's thoughts and without the fence around it."""
    bare = _THOUGHTS_END.sub("", _THOUGHTS.sub("", text.replace("\r\n", "\n")))
    if re.search(r"</?think(?:ing)?>", bare, re.I):
        raise unreadable("an answer after the thoughts", text)
    fenced = bare.split("```")
    if len(fenced) == 3 and not fenced[2].strip() and _introduces(fenced[0]):
        language, _, inner = fenced[1].partition("\n")
        bare = inner if language.strip().lower() in ("", "json", "text", "markdown", "md") else bare
    # the indentation of the first line stays: it tells the items of a list from what is nested in them
    return re.sub(r"\A\s*\n", "", bare).rstrip()


def json_value(text: str, *, inline: bool = False) -> Any:
    """Return the JSON object or array in the answer, with keys as `field` gives them, or None.

    Args:
        text: the answer; prose may stand before and after the JSON. Two values that differ make it
            unreadable.
        inline: take JSON that begins after a colon within a line too.
    """
    bare, at, values = plain(text), 0, list[Any]()
    while (opening := _JSON.search(bare, at)) and (inline or not opening["inline"]):
        try:
            value, at = json.JSONDecoder(object_pairs_hook=_object).raw_decode(bare, opening.end())
            # what cannot be stored (half a surrogate pair, NaN) cannot be read either
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            break
        values.append(value)
        if value != values[0]:
            raise unreadable("one answer", text)
    return values[0] if values else None


def field(name: str) -> str:
    """Return a JSON key or label without its spelling: `Use case`, `use_case` and `useCase` are one."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = {field(name): content for name, content in pairs}
    if len(fields) < len(pairs):
        raise ValueError("one key, two values")
    return fields


def _introduces(before: str) -> bool:
    """Return whether a text is nothing but an introduction, so that what follows it is the whole answer."""
    before = re.sub(r"`+(?:json\b)?", "", before).strip()
    return not before or _INTRO.fullmatch(before) is not None


def _is_json(bare: str) -> bool:
    return (opening := _JSON.search(bare)) is not None and _introduces(bare[: opening.end()])


def _cut_strings(bare: str) -> Any:
    """Return the complete strings of a JSON array that was cut off; none if it is broken in another way."""
    opening = _JSON.search(bare)
    cut = _CUT.fullmatch(bare, opening.end()) if opening else None
    return json_value(f"[{cut[1].strip().rstrip(',')}]") or [] if cut else []


def _strings(values: Any) -> list[str]:
    """Return the sentences of a JSON array, or none if it holds anything else."""
    items = values if isinstance(values, list) else []
    texts = [item.get("instruction") if isinstance(item, dict) else item for item in items]
    return [str(text).strip() for text in texts] if all(isinstance(text, str) for text in texts) else []


def _unwrapped(item: str) -> str:
    """Return an instruction without `New instruction:` before it, bold type or quotes around it."""
    item = item[intro.end() :] if (intro := _INTRO.match(item)) else item
    wrapped = re.fullmatch(r'\s*(?:\*\*((?:(?!\*\*).)*)\*\*|"([^"]*)"|“([^”]*)”)\s*', item, re.S)
    return (wrapped[wrapped.lastindex or 0] if wrapped else item).strip()


def _paragraph(bare: str) -> str:
    """Return the instruction that a bare paragraph is; "" where it is in doubt."""
    bare = bare[intro.end() :] if (intro := _INTRO.match(bare)) else bare
    talk = (
        _CHAT.match(bare) or _REFUSAL.match(bare) or bare.endswith(":") or re.match(r"\(?\w{1,2}[.)]\s", bare)
    )
    return "" if talk or _GONE_WRONG.match(bare) else item_text(lines_of(bare)) or ""


def _split_skills(value: str) -> list[str]:
    """Return the skills of a list, or of a line with commas; none where it is in doubt what one skill is."""
    before, items = items_of(value)
    line = value.strip().split("\n\n")[0].rstrip(" .,;")
    if not before.strip() or "\n" in line or len(line) > 300:
        return [] if before.strip() else items
    *parts, last = re.split(";" if ";" in line else r"[,;](?![^()]*\))", line)
    last = re.sub(r"^\s*(?:and|&)\s", "", last)
    return [] if re.search(r"\s(?:and|&)\s", last) else [*parts, last]


def _name(item: Any) -> str:
    """Return a use case or skill without what stands around it; "" if it is no name."""
    name = (
        re.sub(r"^(?:[-•*+]|[0-9]{1,2}[.)])\s+", "", item.strip()).rstrip(" .,;|")
        if isinstance(item, str)
        else ""
    )
    name = re.sub(r"""^(\*\*|[*_`"'])(.+)\1$|^“(.+)”$""", r"\2\3", name).rstrip(" .,;")
    return "" if "\n" in name or len(name) > 80 or _NO_NAME.fullmatch(name) else name
