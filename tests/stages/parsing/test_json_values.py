"""JSON with what models do to it: what is read all the same, and what is in doubt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.errors import UnreadableAnswer
from codeclm_hf.stages.parsing.json_values import alone, field, json_value, unnested

REPAIRED: list[tuple[str, Any]] = [
    ("{'a': 'b'}", {"a": "b"}),
    ("{'a': 'it\\'s'}", {"a": "it's"}),
    ("{'a': 'don't', 'b': 'it's so'}", {"a": "don't", "b": "it's so"}),
    ("{'a': 'say \"hi\"'}", {"a": 'say "hi"'}),
    ('{a: "b", c1: 1}', {"a": "b", "c1": 1}),
    ("{“a”: “b”}", {"a": "b"}),
    ('{"a": ["b", "c",],}', {"a": ["b", "c"]}),
    ('{"a": ("b", "c")}', {"a": ["b", "c"]}),
    ('("b", "c")', ["b", "c"]),
    ('("b",)', ["b"]),
    ('{"a": 1 // one\n}', {"a": 1}),
    ('{"a": 1 // it\'s one}', {"a": 1}),
    ('{"a": 1, # one\n"b": /* two */ 2}', {"a": 1, "b": 2}),
    ('{"a": "http://x.y/z#1", }', {"a": "http://x.y/z#1"}),
    ('{"a": "b\nc"}', {"a": "b\nc"}),
    ('{"a": "b\nc",}', {"a": "b\nc"}),
    ('{"a": "b"\n"c": "d"}', {"a": "b", "c": "d"}),
    ('["a" "b"]', ["a", "b"]),
    ("[8 7]", [8, 7]),
    ("{'a': True, 'b': None, 'c': false}", {"a": True, "b": None, "c": False}),
    ('{"a": "say "hi" twice"}', {"a": 'say "hi" twice'}),
    ('{"a": 8.50, }', {"a": 8.5}),
    ("Sure!\n```json\n{'a': 'b'}\n```\nBye.", {"a": "b"}),
    ("{'a': 'b'}\n\n{\"a\": \"b\"}", {"a": "b"}),
    ('{"a": "\\\\alpha",}', {"a": "\\alpha"}),
]
IN_DOUBT = [
    '{"a": "b',
    '{"a": "b"',
    '{"a": ["b"}',
    '{"a": ["b", "c]}',
    "{'a': 'b",
    '{"a": "Explain {"x"}',
    '{"a": "ends with "}" here", "b": 1}',
    '{"a": ["b", ...]}',
    '{"a": [1,, 2]}',
    '{"a": [, 2]}',
    '{"a": 1, "a": 2,}',
    '{"A": 1, "a": 2,}',
    '{"a": "b": "c"}',
    '{"a": "b" "c"}',
    '{"a", "b"}',
    "{1, 2}",
    '{"a": {1, 2}}',
    '["say "hi", please", "b"]',
    '["a""b"]',
    "[a, b]",
    '{"a": some words}',
    "[Note] Write a poem.",
    "[+8, 7,]",
    "[08, 7]",
    "[1_0, 7]",
    "[NaN,]",
    "[1e400,]",
    '["\\q",]',
    '["\\frac{1}{2}"]',
    '["\\ud800",]',
    '{"a": 1 // or {"a": 2}\n}',
    '{"a": 1 /* cut',
    '["a"; "b"]',
    '{"a" = 1}',
    '{"a": 1}}',
    "[" * 5000 + "]" * 5000,
    "['" + "a" * 30_000 + "']",
]


@pytest.mark.parametrize(("text", "value"), REPAIRED)
def test_reads_json_that_is_spelt_otherwise(text: str, value: Any) -> None:
    """Other quotes, comments, missing and trailing commas, tuples and line breaks change no value."""
    assert json_value(text) == value


@pytest.mark.parametrize("text", IN_DOUBT)
def test_what_a_repair_would_have_to_guess_is_in_doubt(text: str) -> None:
    """Nothing that was cut off, left out or given twice is completed, dropped or chosen."""
    assert json_value(text) is None


def test_two_values_are_no_answer() -> None:
    """Two values that differ are unreadable, however they are spelt."""
    with pytest.raises(UnreadableAnswer):
        json_value("{'a': 'b'}\n{'a': 'c'}")


def test_lists_of_a_single_item() -> None:
    """Lists around one list, or around each item, are none; lists of several items stay what they are."""
    assert unnested([[[8, 7]]]) == unnested([[8], [7]]) == unnested([8, 7]) == [8, 7]
    assert unnested([[8, 7], [6, 5]]) == [[8, 7], [6, 5]]
    assert unnested([8, [7]]) == [8, [7]]
    assert alone([["a"]]) == "a"
    assert alone(["a", "b"]) == ["a", "b"]


WORDS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\b\f"), max_size=30),
    st.lists(
        st.sampled_from(
            [
                "a",
                " ",
                "don't",
                '"',
                "'",
                '"}',
                "]",
                "\\",
                "\n",
                "//",
                "#",
                "/*",
                ",",
                ":",
                "{",
                "...",
                "“",
                "8",
            ]
        ),
        max_size=8,
    ).map("".join),
)
KEYS = st.sampled_from(["scores", "use_case", "skills", "rubrics", "actions", "instruction"])
VALUES = st.recursive(
    st.one_of(WORDS, st.integers(-20, 20), st.sampled_from([8.5, True, False, None])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)
COMMENTS = st.sampled_from(["", "", " // it's good\n", " # fine\n", " /* so */ ", "\n"])


@st.composite
def deviations(draw: st.DrawFn) -> tuple[Any, str]:
    """Draw a value, and JSON of it with what models do to JSON."""
    value = draw(st.dictionaries(KEYS, VALUES, min_size=1, max_size=3))
    quote = draw(st.sampled_from(["double", "raw", "single"]))
    bare, python, trailing = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    comma = draw(st.sampled_from([",", ",", "\n"]))

    def text(words: str) -> str:
        inner = json.dumps(words, ensure_ascii=False)[1:-1]
        if quote == "single":
            return "'" + inner.replace('\\"', '"').replace("'", "\\'") + "'"
        return '"' + (inner.replace("\\n", "\n") if quote == "raw" and "\\\\" not in inner else inner) + '"'

    def items(of: list[str]) -> str:
        between = [
            item + (comma if n < len(of) else "," * trailing) + draw(COMMENTS) for n, item in enumerate(of, 1)
        ]
        return " ".join(between)

    def written(part: Any) -> str:
        if isinstance(part, str):
            return text(part)
        if isinstance(part, dict):
            keys = [name if bare else text(name) for name in part]
            return (
                "{"
                + items([f"{key}: {written(part[name])}" for key, name in zip(keys, part, strict=True)])
                + "}"
            )
        if isinstance(part, list):
            return ("({})" if python and len(part) > 1 else "[{}]").format(items([*map(written, part)]))
        return repr(part) if python else json.dumps(part)

    return value, written(value)


def named(value: Any) -> Any:
    """The value with its keys as `field` gives them."""
    if isinstance(value, dict):
        return {field(name): named(part) for name, part in value.items()}
    return [named(part) for part in value] if isinstance(value, list) else value


@given(deviations())
def test_reads_the_same_value_or_none(written: tuple[Any, str]) -> None:
    """However JSON is spelt, what is read is the value that was written, types and all, or nothing."""
    value, text = written
    assert json.dumps(json_value(text)) in (json.dumps(named(value)), "null")


@given(deviations(), st.data())
def test_what_was_cut_off_is_never_read(written: tuple[Any, str], data: st.DataObject) -> None:
    """No beginning of an object is read, wherever in it the answer was cut off."""
    _, text = written
    assert json_value(text[: data.draw(st.integers(0, len(text) - 1))]) is None
