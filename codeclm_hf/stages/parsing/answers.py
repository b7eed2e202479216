"""Reading what a model wrote, for servers without grammars: tolerant of form, never of doubt.

Each reader returns what was asked for or raises `UnreadableAnswer`. An answer that could be read in two ways
is unreadable: asking again costs one request, a wrong reading costs a wrong row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from codeclm_hf.stages.names import LONGEST_NAME, listed_name
from codeclm_hf.stages.parsing.json_values import alone, cut_strings, field, is_json, json_value, unnested
from codeclm_hf.stages.parsing.lists import item_text, items_of, lines_of, unmarked
from codeclm_hf.stages.parsing.numbering import mark_of
from codeclm_hf.stages.parsing.tags import tagged, value_of
from codeclm_hf.stages.parsing.talk import (
    CHAT,
    HEADING,
    INTRO,
    PLACEHOLDER,
    REFUSAL,
    introduces,
    plain,
    unreadable,
)

MOST_SHOWN = 8
"""Names of a list that an error shows."""
# JSON or tags that broke, or our own prompt: no text to be read as it stands.
_GONE_WRONG = re.compile(
    r"\s*(?:[{\[]|```|</?(?i:(?:\w+[ _])?(?:instructions?|prompt|answer|output|response))>)"
    r'|.*"(?:instructions?|\.{3}|…)"',
    re.S,
)
_LABEL = re.compile(r"""(?imx)
        (?: ^[ \t]*(?:[-•*+][ ]|[0-9][.)][ ])? | (?<=[.;,|])[ ] ) [*_\#>\ ]{0,6}
        (?:(?:key|main|required|needed)[ ])?
        (use[ _-]?case|task|skill)(?:s|\(s\))? (?:[ ](?:needed|required))?
        [*_]{0,2} (?:[ ]?[:：=]|[ ][-–—][ ]|[ \t]*$) [*_]{0,2}""")
_UNCLEAR = re.compile(r"\w\s*:|[{}\[\]]")
_CASE, _SKILLS = ("usecase", "task"), ("skills", "skill")
_LISTS = re.compile(r"""(?imx)
        (?: ^[^\w\n]*(?:[0-9][.)][^\w\n]*)? | (?<=[.!?;][ ]) ) (?:\w+[ ])?(rubric|action)s?\b
        (?: [^\w\n]*$ | [*_]{0,2}[ ]?[:：][*_]{0,2}(?=[ ]*[(（]?1\D|[ ]*[①❶]) )""")
_GIVEN = re.compile(r"""(?imx) ^[\s*_\#>]{0,6} (?:the\ )? (?:original|given|old|initial|previous|input)\ 
        (?:instruction|prompt|task|question)\b [ *_\#]{0,4} (?:[:：]|$)""")
_REWRITTEN = re.compile(rf"(?imx) ^[\s*_\#>]{{0,6}} {HEADING} [ *_\#]{{0,4}} (?: [:：] | $ ) [ *_]{{0,3}}")
_YES_OR_NO = re.compile(
    r"(?ix) [\s*_\"'`]* (?: (?:answer|plausible) [*_\"'`]* \s*[:=]\s* [*_\"'`]* )? "
    r"(yes|no|true|false|plausible|implausible|not\ plausible) \b (?! \s+ (?:or|and|/) )"
)
_NO_NAME = re.compile(r"\([^()]*\)|none|n/?a|unknown", re.I)


class Metadata(NamedTuple):
    """A use case and 1–3 skills."""

    use_case: str
    skills: list[str]


def metadata(text: str, *, use_cases: Sequence[str] = (), skills: Sequence[str] = ()) -> Metadata:
    """Read a use case and its skills (§4.1), from JSON, from tags, or from `Use case:` and `Skills:` lines.

    Skills that differ in case alone are one, as it is written first.

    Args:
        text: the answer.
        use_cases: if given, the use case must be a spelling of one of them, and becomes it.
        skills: the same of every skill.
    """
    names = _whole(value_of(text))
    if not isinstance(names, dict):
        _, *parts = _LABEL.split(plain(text))
        contents = [_list_or_text(content) for content in parts[1::2]]
        in_doubt = [isinstance(content, str) and _UNCLEAR.search(content) for content in contents]
        clear = len(parts) == 4 and not any(in_doubt)
        names = dict(zip(map(field, parts[::2]), contents, strict=True)) if clear else {}
    cases, lists = ([names[name] for name in names if name in known] for known in (_CASE, _SKILLS))
    named = _split_skills(lists[0]) if lists and isinstance(lists[0], str) else unnested(lists and lists[0])
    if isinstance(named, list) and all(isinstance(skill, str) for skill in named):
        named = unmarked(named)
    cleaned = [_name(item) for item in [*map(alone, cases), *named]] if isinstance(named, list) else []
    if len(cases) != 1 or len(lists) != 1 or len(cleaned) < 2 or not all(cleaned):
        raise unreadable("a use case and 1–3 skills", text)
    use_case, *skill_names = cleaned
    if use_cases:
        use_case = _listed(use_case, use_cases) or ""
        if not use_case:
            raise unreadable(f"a use case out of {_shown(use_cases)}", text)
    if skills:
        found = [_listed(skill, skills) for skill in skill_names]
        if not all(found):
            raise unreadable(f"skills out of {_shown(skills)}", text)
        return Metadata(use_case, list(dict.fromkeys(filter(None, found)))[:3])
    short = [re.sub(r"\s+skills?$", "", skill, flags=re.I) for skill in skill_names]
    return Metadata(use_case, distinct(short)[:3])


def _listed(name: str, names: Sequence[str]) -> str | None:
    """Return the name of a list that a model wrote; the word "skill" after it may be its own."""
    return listed_name(name, names) or listed_name(re.sub(r"\s+skills?$", "", name, flags=re.I), names)


def _shown(names: Sequence[str]) -> str:
    """Return the first names of a list, for an error."""
    more = len(names) - MOST_SHOWN
    return ", ".join(names[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def plausible(text: str) -> bool:
    """Read a yes or a no, from JSON, from tags, or as the first word of a text."""
    value = _whole(value_of(text))
    value = value.get("plausible") if isinstance(value, dict) else value
    if isinstance(value, bool):
        return value
    word = _YES_OR_NO.match(value if isinstance(value, str) else plain(text))
    if word is None:
        raise unreadable("a yes or a no", text)
    return word[1].casefold() in ("yes", "true", "plausible")


def rubrics(text: str, n: int) -> tuple[list[str], list[str]]:
    """Read n rubrics and their n actions (§4.2), from JSON, from tags, or from two lists under headings."""
    fields = _whole(value_of(text))
    if fields is None:
        _, *parts = _LISTS.split(plain(text))
        in_order = [name.casefold() for name in parts[::2]] == ["rubric", "action"]
        fields = {"rubrics": parts[1].strip(" \t"), "actions": parts[3].strip(" \t")} if in_order else {}
    first, second = (
        _strings(fields.get(name) if isinstance(fields, dict) else 0) for name in ("rubrics", "actions")
    )
    if len(first) != len(second) or len(first) < n or any(map(PLACEHOLDER.fullmatch, first + second)):
        raise unreadable(f"{n} rubrics and {n} actions", text)
    return first[:n], second[:n]


def instructions(text: str, n: int) -> list[str]:
    """Read up to n distinct instructions (§4.1), from JSON, also cut off, from tags, or from a list in any style.

    A bare paragraph is taken as the instruction when one was asked for.
    """
    bare = plain(text)
    if _is_structured(bare):
        value = _in_turn(value_of(text))
        names = ("instructions", "instruction") if n == 1 or tagged(bare) else ("instructions",)
        keyed = [value[name] for name in names if name in value] if isinstance(value, dict) else [value]
        listed = keyed[0] if len(keyed) == 1 else None
        found = [listed] if n == 1 and isinstance(listed, str) else _strings(listed or cut_strings(bare))
    elif REFUSAL.match(bare) or _GONE_WRONG.match(bare):
        found = []
    else:
        before, found = items_of(bare)
        if n == 1 and before == bare:
            found = [_paragraph(bare)]
        elif n == 1 and not introduces(before):
            found = []  # one instruction that contains a list
    read = [item for item in map(_unwrapped, found) if not PLACEHOLDER.fullmatch(item)]
    if not read:
        raise unreadable(f"{n} instruction{'s' * (n > 1)}", text)
    return list(dict.fromkeys(read))[:n]


def improved_instruction(text: str) -> str:
    """Read the harder instruction (§4.2): from JSON, or the text without what models say around it."""
    bare = plain(text)
    intro, items = items_of(bare)
    if _is_structured(bare):
        value = _whole(value_of(text))
        after = alone(_rewritten_field(value)) if isinstance(value, dict) else None
    else:
        after = _rewritten(bare) if intro.strip() else items[0] if len(items) == 1 else None
    after = _unwrapped(after) if isinstance(after, str) else ""
    if PLACEHOLDER.fullmatch(after) or REFUSAL.match(after):
        raise unreadable("a rewritten instruction", text)
    return after


def distinct(names: list[str]) -> list[str]:
    """Return the names without those that differ from an earlier one in case alone."""
    first = dict[str, str]()
    for name in names:
        first.setdefault(name.casefold(), name)
    return list(first.values())


def _is_structured(bare: str) -> bool:
    return is_json(bare) or ((found := tagged(bare)) is not None and introduces(found.before))


def _whole(value: Any) -> Any:
    """Return the object that the one item of a list or the one field of an object holds; any other value as it is."""
    value = alone(value)
    inner = next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else None
    return inner if isinstance(inner, dict) else value


def _in_turn(value: Any) -> Any:
    """Return an object with the fields 1, 2, 3 or `instruction_1`, `instruction_2` as a list; others as they are."""
    names = (
        [re.sub(r"^(?:instruction|prompt|rubric|action)", "", name) for name in value]
        if isinstance(value, dict)
        else []
    )
    return list(value.values()) if names and names == [str(n) for n in range(1, len(names) + 1)] else value


def _strings(values: Any) -> list[str]:
    """Return the sentences of a JSON array or of a list in a text; none if it holds anything else."""
    if isinstance(values, str):
        before, listed = items_of(values)
        return [] if before.strip() else listed
    values = unnested(_in_turn(values))
    items: list[Any] = values if isinstance(values, list) else []
    texts = [item.get("instruction") if isinstance(item, dict) else item for item in items]
    read = [text.strip() for text in texts if isinstance(text, str)]
    return unmarked(read) if len(read) == len(texts) else []


def _unwrapped(item: str) -> str:
    """Return an instruction without `New instruction:` before it, bold type or quotes around it."""
    item = item[intro.end() :] if (intro := INTRO.match(item)) else item
    wrapped = re.fullmatch(r'\s*(?:\*\*((?:(?!\*\*).)*)\*\*|"([^"]*)"|“([^”]*)”)\s*', item, re.S)
    return (wrapped[wrapped.lastindex or 0] if wrapped else item).strip()


def _rewritten_field(fields: dict[str, Any]) -> Any:
    """Return what stands under the one key that names a rewritten instruction."""
    keys = re.compile(HEADING.replace(r"\ ", ""), re.I | re.X)
    named = [name for name in fields if keys.fullmatch(name) and not name.endswith("s")]
    return fields.get("instruction", fields[named[0]] if len(named) == 1 else None)


def _rewritten(bare: str) -> str:
    """Return the instruction of a text that may repeat, under a heading, the one it was made of; "" in doubt."""
    if _GIVEN.search(bare):
        headings = list(_REWRITTEN.finditer(bare))
        given = list(_GIVEN.finditer(bare))
        if len(headings) != 1 or headings[0].start() < given[-1].start():
            return ""
        bare = bare[headings[0].end() :].strip()
    return _paragraph(bare)


def _paragraph(bare: str) -> str:
    """Return the instruction that a bare paragraph is; "" where it is in doubt."""
    bare = bare[intro.end() :] if (intro := INTRO.match(bare)) else bare
    talk = (
        CHAT.match(bare) or REFUSAL.match(bare) or bare.endswith(":") or re.match(r"\(?\w{1,2}[.)]\s", bare)
    )
    return "" if talk or _GONE_WRONG.match(bare) else item_text(lines_of(bare)) or ""


def _list_or_text(content: str) -> Any:
    """Return the JSON list that stands behind a label, or the text."""
    value = json_value(content) if re.fullmatch(r"\s*\[[^\[\]]*\]\s*", content) else None
    return content if value is None else value


def _split_skills(value: str) -> list[str]:
    """Return the skills of a list, or of a line with commas; none where it is in doubt what one skill is."""
    before, items = items_of(value, names=True)
    line = value.strip().split("\n\n")[0].rstrip(" .,;")
    if not before.strip() or "\n" in line or len(line) > 300:
        return [] if before.strip() else items
    *parts, last = re.split("[;；]" if re.search("[;；]", line) else r"[,;，、](?![^()]*\))", line)
    last = re.sub(r"^\s*(?:and|&)\s", "", last)
    return [] if re.search(r"\s(?:and|&)\s", last) else [*parts, last]


def _name(item: Any) -> str:
    """Return a use case or skill without what stands around it; "" if it is no name."""
    if not isinstance(item, str):
        return ""
    item = item.strip()
    mark = mark_of(item)
    name = (item if mark is None or mark.is_letter else item[mark.end :]).rstrip(" .,;|。，；")
    name = re.sub(r"""^(\*\*|[*_`"'])(.+)\1$|^“(.+)”$""", r"\2\3", name).rstrip(" .,;")
    placeholder = PLACEHOLDER.fullmatch(name) or _NO_NAME.fullmatch(name)
    return "" if "\n" in name or len(name) > LONGEST_NAME or placeholder else name
