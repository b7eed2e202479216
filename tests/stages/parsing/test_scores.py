"""Reading the judge: what must be read, and what must never be."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.errors import UnreadableAnswer
from codeclm_hf.stages.parsing.scores import expected_scores, scores

READABLE = [
    ("8 7", (8, 7)),
    ("  8   7\n", (8, 7)),
    ("8\t7", (8, 7)),
    ("8\n7", (8, 7)),
    ("8, 7", (8, 7)),
    ("8; 7", (8, 7)),
    ("8 & 7", (8, 7)),
    ("8 and 7", (8, 7)),
    ("8 and 7.", (8, 7)),
    ("10 1", (10, 1)),
    ("10.0 1.0", (10, 1)),
    ("8.5 7", (8.5, 7)),
    ("8.25, 7.75", (8.25, 7.75)),
    ("8/10 and 7/10", (8, 7)),
    ("8/10, 7/10", (8, 7)),
    ("8 / 10, 7 / 10", (8, 7)),
    ("8 out of 10, 7 out of ten", (8, 7)),
    ("8.5/10 7/10", (8.5, 7)),
    ("**8** **7**", (8, 7)),
    ("**8, 7**", (8, 7)),
    ("`8 7`", (8, 7)),
    ('"8 7"', (8, 7)),
    ("```\n8 7\n```", (8, 7)),
    ("```8 7```", (8, 7)),
    ("```\n8 7\n```\nThe first answer names 3 sources.", (8, 7)),
    ("8 7\nAssistant 1 gave 3 examples, assistant 2 only 1.", (8, 7)),
    ("8 7\n\nThe first answer has 5 steps; 2 of them are wrong, 1 is right.", (8, 7)),
    ("8 7. The first answer is longer.", (8, 7)),
    ("8 7\nAssistant 2: 3 typos.", (8, 7)),
    ("8 7\nAssistant 1 is 2 times longer than Assistant 2.", (8, 7)),
    ("Scores: 8 7", (8, 7)),
    ("**Scores:** 8, 7", (8, 7)),
    ("Ratings: 8 and 7", (8, 7)),
    ("The scores are 8 and 7.", (8, 7)),
    ("The scores are: 8, 7", (8, 7)),
    ("My final scores are 8 and 7.", (8, 7)),
    ("Here are the scores: 8 7", (8, 7)),
    ("Scores: [8, 7]", (8, 7)),
    ("Here are the 2 scores: [8, 7]", (8, 7)),
    ("[8, 7]", (8, 7)),
    ("[8,7]", (8, 7)),
    ('{"scores":[8,7]}', (8, 7)),
    ('{"scores": [8.5, 7.0]}', (8.5, 7)),
    ('{\n  "scores": [\n    8,\n    7\n  ]\n}', (8, 7)),
    ('```json\n{"scores": [8, 7]}\n```', (8, 7)),
    ('Assistant 1 is clearer on 2 counts.\n\n{"scores": [8, 7]}', (8, 7)),
    ('My rating: {"scores": [8, 7]}', (8, 7)),
    ('{"scores": [8, 7]}\nAssistant 1 found all 3 causes.', (8, 7)),
    ('{"scores": [8, 7], "reason": "Assistant 2: 3 typos"}', (8, 7)),
    ('{"scores": [8, 7]}\n{"scores": [8, 7]}', (8, 7)),
    ('{"Scores": [8, 7]}', (8, 7)),
    ('{"assistant_1": 8, "assistant_2": 7}', (8, 7)),
    ('{"assistant_2": 7, "assistant_1": 8}', (8, 7)),
    ('{"Assistant 1": 8, "Assistant 2": 7}', (8, 7)),
    ('{"score_1": 8, "score_2": 7}', (8, 7)),
    ('{"assistant_1_score": 8, "assistant_2_score": 7}', (8, 7)),
    ('{"scores": {"assistant_1": 8, "assistant_2": 7}}', (8, 7)),
    ("Assistant 1: 8 / Assistant 2: 7", (8, 7)),
    ("Assistant 1: 8\nAssistant 2: 7", (8, 7)),
    ("Assistant 1: 8, Assistant 2: 7", (8, 7)),
    ("Assistant 2: 7, Assistant 1: 8", (8, 7)),
    ("Assistant 2: 7\nAssistant 1: 8", (8, 7)),
    ("Assistant 1: 8/10; Assistant 2: 7/10", (8, 7)),
    ("**Assistant 1**: 8\n**Assistant 2**: 7", (8, 7)),
    ("**Assistant 1:** 8/10\n**Assistant 2:** 7/10", (8, 7)),
    ("Assistant 1: **8**/10\nAssistant 2: **7**/10", (8, 7)),
    ("- Assistant 1: 8\n- Assistant 2: 7", (8, 7)),
    ("* Assistant 1: 8\n* Assistant 2: 7", (8, 7)),
    ("1. Assistant 1: 8\n2. Assistant 2: 7", (8, 7)),
    ("Assistant 1:\n8\n\nAssistant 2:\n7", (8, 7)),
    ("Assistant 1:\nScore: 8\n\nAssistant 2:\nScore: 7", (8, 7)),
    ("Assistant #1: 8\nAssistant #2: 7", (8, 7)),
    ("Assistant 1 - 8\nAssistant 2 - 7", (8, 7)),
    ("Assistant 1's score: 8\nAssistant 2's score: 7", (8, 7)),
    ("Assistant 1: 8 (thorough)\nAssistant 2: 7 (short)", (8, 7)),
    ("Assistant 1 gets 8/10 and Assistant 2 gets 7/10", (8, 7)),
    ("Assistant 1 gets an overall score of 8 while Assistant 2 gets a score of 7.", (8, 7)),
    ("Assistant one: 8. Assistant two: 7.", (8, 7)),
    ("The first assistant gets 8 and the second assistant gets 7.", (8, 7)),
    ("Second: 7\nFirst: 8", (8, 7)),
    ("Score 1: 8\nScore 2: 7", (8, 7)),
    ("Answer A: 8, Answer B: 7", (8, 7)),
    ("Answer B: 7, Answer A: 8", (8, 7)),
    ("Scores: Assistant 1: 8, Assistant 2: 7", (8, 7)),
    ("8 7\n\nAssistant 1: 8\nAssistant 2: 7", (8, 7)),
    ("8 7\nAssistant 1: 8", (8, 7)),
    ('{"scores": ["8", "7"]}', (8, 7)),
    ('{"scores": ["8/10", "7/10"]}', (8, 7)),
    ('{"scores": [8/10, 7/10]}', (8, 7)),
    ('{"scores": ["8.5", " 7 points "]}', (8.5, 7)),
    ('{"scores": "8, 7"}', (8, 7)),
    ('{"scores": "8/10 and 7/10"}', (8, 7)),
    ('{"scores": "[8, 7]"}', (8, 7)),
    ('["8", "7"]', (8, 7)),
    ('{"assistant_1": 8, "assistant_2": "7"}', (8, 7)),
    ('{"scores": {"assistant_1": "8", "assistant_2": "7/10"}}', (8, 7)),
    ("{'scores': [8, 7,]}", (8, 7)),
    ("{'scores': ('8', '7')}", (8, 7)),
    ("{scores: [8, 7]}", (8, 7)),
    ("{“scores”: [8, 7]}", (8, 7)),
    ('{"scores": [8 7]}', (8, 7)),
    ('{"scores": [8, 7] // good}', (8, 7)),
    ('{"scores": [\n  8, // was 9\n  7  # short\n], /* that is all */\n}', (8, 7)),
    ('{"scores": [8, 7], "explanation": "The "first" one\nis longer."}', (8, 7)),
    ("8，7", (8, 7)),
    ("Assistant 1：8\nAssistant 2：7", (8, 7)),
    ("(8, 7)", (8, 7)),
    ("Scores: (8, 7)", (8, 7)),
    ("```python\n(8, 7)\n```", (8, 7)),
    ("[[8], [7]]", (8, 7)),
    ("[[8, 7]]", (8, 7)),
    ('{"scores": [[[8, 7]]]}', (8, 7)),
    ('[{"scores": [8, 7]}]', (8, 7)),
    ('{"ratings": [8, 7]}', (8, 7)),
    ("<scores>8 7</scores>", (8, 7)),
    ("<scores>[8,7]</scores>", (8, 7)),
    ("<scores>\n8\n7\n</scores>", (8, 7)),
    ("<Scores>(8, 7)</Scores>\nThe first is longer.", (8, 7)),
    ("Assistant 1 is clearer on 2 counts.\n<answer>8 7</answer>", (8, 7)),
    ('<answer>{"scores": [8, 7]}</answer>', (8, 7)),
    ("<score>8</score><score>7</score>", (8, 7)),
    ("<score_1>8</score_1>\n<score_2>7/10</score_2>", (8, 7)),
    ("<scores><assistant_2>7</assistant_2><assistant_1>8</assistant_1></scores>", (8, 7)),
]

UNREADABLE = [
    "",
    " \n\t ",
    "8",
    "8/10",
    "8 out of 10",
    "Assistant 1: 8",
    "The score is 8.",
    '{"scores": [8]}',
    '{"assistant_1": 8}',
    "0 7",
    "8 0",
    "11 7",
    "8 11",
    "-8 7",
    "8 -7",
    "−8 7",
    "0.9 7",
    "10.1 7",
    "80 70",
    "80/100 70/100",
    "4/5 3/5",
    "8/10.5 7",
    "8/10/10 7",
    '{"scores": [0, 7]}',
    '{"scores": [8, 10.5]}',
    '{"scores": [-8, 7]}',
    '{"scores": [8, 1e400]}',
    f'{{"scores": [8, {"9" * 400}]}}',
    f"8 {'9' * 400}",
    "Assistant 1: 8\nAssistant 2: 7\nModel C: 6",
    '{"scores": {"draft": [8, 7]}}',
    "Assistant 1: 0, Assistant 2: 7",
    "Assistant 1: -8\nAssistant 2: 7",
    "8 7 6",
    "8, 7, 6",
    "8, 7 or 6",
    "8\n7\n6",
    "8 7\n6",
    "Assistant 1: 1\n0\nAssistant 2: 7",
    "Scores: 8, 7, 6",
    "The scores are 8, 7 and 6.",
    '{"scores": [8, 7, 6]}',
    '{"assistant_1": 8, "assistant_2": 7, "assistant_3": 6}',
    "Assistant 1: 8\nAssistant 2: 7\nAssistant 3: 6",
    "8 7\n7 8",
    "8 7. Or rather 7 8.",
    "8 7\nWait, no: 7 9",
    "Scores: 8, 7. Actually, scores: 7, 8",
    "[8, 7]\n[7, 8]",
    "[8, 7]\n7 8",
    '{"scores": [8, 7]}\n{"scores": [7, 8]}',
    '{"scores": [8, 7], "scores": [7, 8]}',
    '{"scores": [8, 7], "Scores": [7, 8]}',
    '{"scores": [8, 7], "assistant_1": 3}',
    "8 7\nAssistant 1: 7\nAssistant 2: 8",
    "Assistant 1: 8\nAssistant 2: 7\nAssistant 1: 6",
    '{"assistant_1": 8, "assistant_1": 6, "assistant_2": 7}',
    "1 8\n2 7",
    "1. 8\n2. 7",
    "8-7",
    "8 - 7",
    "8–7",
    "8 to 7",
    "8 or 7",
    "8 vs 7",
    "8:7",
    "8 / 7",
    "8/7",
    "8 * 7",
    "8*1 7",
    "1*0 7",
    "8 ** 7",
    "8 + 7",
    ">8 7",
    "~8 7",
    "8? 7?",
    "between 7 and 8",
    "The scores are between 7 and 8.",
    "Assistant 1: between 7 and 8, Assistant 2: 7",
    "Assistant 1: 8-9, Assistant 2: 7",
    "Assistant 1: 8 or 9, Assistant 2: 7",
    "Assistant 1: 8 (or 9)\nAssistant 2: 7",
    "Assistant 1: 8, 9\nAssistant 2: 7",
    "Assistant 1: 8, maybe 9. Assistant 2: 7",
    "Assistant 1 and Assistant 2: 8 and 7",
    "Assistant 2, Assistant 1: 8, 7",
    "Assistant 2 / Assistant 1\n8 7",
    "Scores: 8, 7 (Assistant 2, Assistant 1)",
    "If Assistant 1 gets 8, Assistant 2 gets 7.",
    "I would not say that Assistant 1 gets 8 and Assistant 2 gets 7.",
    "The scores are not 8 and 7.",
    "Assistant 1 and 7 others",
    "Assistant 1 is 2 times better than assistant 2",
    "Assistant 1: 8 for style, 9 for depth. Assistant 2: 7 for style, 6 for depth.",
    "Assistant 1: helpfulness 8, accuracy 9\nAssistant 2: helpfulness 7, accuracy 6",
    "| Assistant 2 | Assistant 1 |\n|---|---|\n| 8 | 7 |",
    "8,7",
    "8,5 7,5",
    "８ ７",
    "8 ７",
    "₈ ₇",
    "8 7₂",
    "⁸ ⁷",
    "٨ ٧",
    '{"scores": [٨, ٧]}',
    "8½ 7",
    "③ ④",
    "8️⃣ 7️⃣",
    "eight seven",
    "8.1.2 7",
    "v8 7",
    "3.11.7 8",
    "GPT-4 8",
    "8e0 7e0",
    "0x8 0x7",
    '{"scores": [true, 7]}',
    '{"scores": [8, false]}',
    '{"scores": [true, true]}',
    '{"scores": ["8", null]}',
    '{"scores": [NaN, 7]}',
    '{"scores": [8, [7]]}',
    '{"scores": [[8, 7], [7, 8]]}',
    '{"scores": [8,, 7]}',
    '{"scores": [8, 7, ...]}',
    '{"scores": {8, 7}}',
    '{"scores": [8, 7}',
    '{"scores": [8, 7] // or [7, 8]\n}',
    '{"scores": [8, // cut off',
    '{"scores": ["ten", "7"]}',
    '{"scores": ["11", "7"]}',
    '{"scores": ["0", "7"]}',
    '{"scores": ["-3", "7"]}',
    '{"scores": ["8", "7", "6"]}',
    '{"scores": ["8 or 9", "7"]}',
    '{"scores": ["8", true]}',
    "{'scores': [True, 7]}",
    "{'scores': [None, 7]}",
    "{'scores': [NaN, 7]}",
    '{"scores": ["score 1", "score 2"]}',
    '{"scores": ["string", "string"]}',
    '{"scores": "8,7"}',
    '{"scores": "8 or 7"}',
    '{"scores": "8/10/10 7"}',
    '{"scores": {"assistant_1": "8"}}',
    '{"scores": 8, 7}',
    "{\"scores\": [8, 7]}\n{'scores': [7, 8]}",
    "(8, 7)\n(7, 8)",
    "(8, 7) or (7, 8)",
    "[8, 7] or [7, 8]",
    '{"scores": [8, 7]} {"scores": [7, 8]}',
    '{"scores": [8, 7]}\n{"scores": [7, 8',
    "(8, 7, 6)",
    "Assistant 1: (8, 7)",
    "Assistant 1: [8, 7]",
    "Scores (Assistant 2, Assistant 1): [7, 8]",
    "<scores>8 7",
    "<scores>8 7</scores><scores>7 8</scores>",
    "<scores>8 7</scores>\n9 6",
    "<scores>8 7 6</scores>",
    "<scores><assistant_1>8</assistant_1></scores>",
    '<score for="assistant 2">7</score><score for="assistant 1">8</score>',
    '{"helpfulness": [8, 7], "accuracy": [6, 5]}',
    '{"helpfulness": {"assistant_1": 8, "assistant_2": 7}}',
    '{"scores": [score 1, score 2]}',
    'Reply with the two scores only, that of assistant 1 first, in JSON: {"scores": [score 1, score 2]}',
    '{"scores": [8, 7',
    '{"scores": [8, 1',
    "Scores: [8, 1",
    "Here are 2 scores: [8, 1",
    "(8, 1",
    "I'm sorry, but I cannot rate these answers.",
    "I cannot compare answer 1 with answer 2.",
    "Both answers are good.",
    "2024-10-08",
    "10:30 7",
    "8%  7%",
]


@pytest.mark.parametrize(("text", "expected"), READABLE)
def test_reads(text: str, expected: tuple[float, float]) -> None:
    """Two scores are read from any form a judge is known to give them in."""
    assert scores(text) == expected


@pytest.mark.parametrize("text", UNREADABLE)
def test_refuses(text: str) -> None:
    """An answer that does not give exactly two scores from 1 to 10 is unreadable, never guessed at."""
    with pytest.raises(UnreadableAnswer):
        scores(text)


def test_the_error_quotes_the_answer() -> None:
    """The error quotes the beginning of the answer, 200 characters of it."""
    with pytest.raises(UnreadableAnswer, match=r"needs two scores from 1 to 10; .*'x{200}…'$"):
        scores("x" * 5000)


STYLES = [
    "{0} {1}",
    "{0}, {1}",
    "{0} and {1}",
    "{0}/10 and {1}/10",
    "{0}/10, {1}/10",
    "**{0}** **{1}**",
    "Scores: {0}, {1}",
    "The scores are {0} and {1}.",
    "Scores: [{0}, {1}]",
    "[{0}, {1}]",
    '{{"scores": [{0}, {1}]}}',
    '```json\n{{"scores": [{0}, {1}]}}\n```',
    '{{"assistant_1": {0}, "assistant_2": {1}}}',
    "Assistant 1: {0} / Assistant 2: {1}",
    "Assistant 1: {0}\nAssistant 2: {1}",
    "Assistant 2: {1}, Assistant 1: {0}",
    "**Assistant 1**: {0}\n**Assistant 2**: {1}",
    "Assistant 1 gets {0}/10 and Assistant 2 gets {1}/10",
    "Answer A: {0}, Answer B: {1}",
    "{0} {1}\nThe first has 3 examples and 2 tables.",
    '{{"scores": ["{0}", "{1}"]}}',
    '{{"scores": "{0}, {1}"}}',
    "{{'scores': ({0}, {1}), }}",
    "[[{0}], [{1}]]",
    "[[{0}, {1}]]",
    "({0}, {1})",
    "<scores>{0} {1}</scores>",
    "<scores>[{0}, {1}]</scores>",
    '{{"scores": [{0}, {1}] // good}}',
]
SCORES = st.one_of(
    st.integers(1, 10).map(str), st.decimals(1, 10, places=1).map(str), st.decimals(1, 10, places=2).map(str)
)


@given(st.sampled_from(STYLES), SCORES, SCORES)
def test_reads_back_what_was_written(style: str, first: str, second: str) -> None:
    """Any two scores, whole or decimal, read back exactly from every style."""
    assert scores(style.format(first, second)) == (float(first), float(second))


FRAGMENTS = st.sampled_from(
    [
        "8",
        "7",
        "10",
        "0",
        "11",
        " ",
        "\n",
        ", ",
        ".",
        "/10",
        "-",
        "and",
        "Assistant 1",
        "Assistant 2",
        ": ",
        "Scores",
        "[",
        "]",
        "{",
        "}",
        '"scores"',
        "**",
        "`",
        "</scores>",
        "<scores>",
        "'",
        "//",
        "(",
        ")",
        "٣",
        "is",
        "first",
        "or",
        "|",
    ]
)
ANYTHING = st.one_of(st.text(max_size=200), st.lists(FRAGMENTS, max_size=25).map("".join))


@given(ANYTHING)
def test_nothing_else_happens(text: str) -> None:
    """Whatever the text, either it is unreadable or both scores lie within 1–10 and stand in it."""
    try:
        found = scores(text)
    except UnreadableAnswer:
        return
    assert all(1 <= score <= 10 for score in found)
    assert all(f"{score:g}" in text for score in found)


LONG = [
    "1 ",
    "1\n",
    "(",
    "[",
    "{",
    '{"a":',
    "[1,",
    "    \n",
    "\n",
    " ",
    "8 .",
    "8,",
    ":[",
    ": ",
    "`",
    "*",
    "1 * ",
]
LONG += [
    "Assistant 1: 8 (",
    "Assistant 1 ",
    "Assistant ",
    "scores ",
    "the ",
    "8 7\n",
    "<scores>",
    "</scores>",
    "<answer></answer>",
    "'",
    "//",
    "/*",
    "{'a',",
    "1.",
    "a",
]


@pytest.mark.parametrize("unit", LONG)
@pytest.mark.parametrize("frame", ["{}", "8{}", "8 7\n{}", "{}8 7", "Assistant 1{}x"])
def test_a_long_answer_comes_to_an_end(unit: str, frame: str) -> None:
    """A hundred kilobytes of anything are read or refused: no pattern backtracks without end."""
    try:
        scores(frame.replace("{}", unit * (100_000 // len(unit))))
    except UnreadableAnswer:
        pass


def certain(*tokens: str) -> list[list[tuple[str, float]]]:
    """Tokens that were generated with probability 1."""
    return [[(token, 0.0)] for token in tokens]


def spread(**shares: float) -> list[tuple[str, float]]:
    """A token with alternatives, the first chosen: it stands first and once more among them."""
    listed = [(token.strip("_"), math.log(share)) for token, share in shares.items()]
    return [listed[0], *listed]


@given(
    st.integers(1, 10),
    st.integers(1, 10),
    st.booleans(),
    st.sampled_from(["{0} {1}", '{{"scores": [{0}, {1}]}}']),
)
def test_certain_tokens_give_the_discrete_scores(first: int, second: int, split: bool, style: str) -> None:
    """A distribution without alternatives has the score itself as its mean, also a 10 spelt "1" and "0"."""
    text = style.format(first, second)
    whole = style.format("\0", "\0").split("\0")
    spelt = [list(str(score)) if split else [str(score)] for score in (first, second)]
    tokens = certain(*whole[:1], *spelt[0], whole[1], *spelt[1], *whole[2:])
    assert expected_scores([token for token in tokens if token[0][0]], text) == scores(text)


def test_the_mean_of_alternatives() -> None:
    """Alternatives that are scores count by their share; others do not count."""
    first = spread(_8=0.5, _6=0.25, seven=0.25)
    assert expected_scores([first, *certain(" ", "7")], "8 7") == pytest.approx((22 / 3, 7))


def test_a_one_that_might_have_become_a_ten() -> None:
    """Where a "1" was chosen, the token after it says how much of it was a 10."""
    tokens = [spread(_1=0.5, _9=0.5), [("0", math.log(0.8)), (",", math.log(0.2))], *certain(" ", "7")]
    assert expected_scores(tokens, "10 7")[0] == pytest.approx(0.5 * (0.8 * 10 + 0.2 * 1) + 0.5 * 9)


def test_a_ten_in_one_token_beside_a_one() -> None:
    """A vocabulary with both "1" and "10" counts them apart."""
    tokens = [spread(_10=0.5, _1=0.5), *certain(" ", "7")]
    assert expected_scores(tokens, "10 7")[0] == pytest.approx(5.5)


@pytest.mark.parametrize(
    "tokens",
    [
        certain("8", " ", "7", "</s>"),
        certain("8", " 7", "<|im_end|>", ""),
        certain(" 8", ",", " 7"),
        certain('{"', "scores", '":', " [", "8", ",", " ", "7", "]", "}"),
        certain("[8", ",", " 7", "]}")[:3] + certain("]"),
    ],
)
def test_tokens_of_any_vocabulary(tokens: list[list[tuple[str, float]]]) -> None:
    """The scores are found whether spaces and brackets are tokens of their own, and before an end token."""
    assert expected_scores(tokens, "8 7") == (8, 7)


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        certain(""),
        certain("8"),
        certain("8 7"),
        certain("8", ".", "5", " ", "7"),
        certain("Assistant 2: ", "7", ", Assistant 1: ", "8"),
        certain("8", " ", "7", "\n", "8", " ", "7"),
        certain("0", " ", "7"),
        certain("８", " ", "７"),
        [[("8", -math.inf)], *certain(" ", "7")],
        [[("8", math.nan)], *certain(" ", "7")],
        [[("8", -math.inf), ("²", 0.0), ("8", -math.inf)], *certain(" ", "7")],
    ],
)
def test_tokens_in_doubt(tokens: list[list[tuple[str, float]]]) -> None:
    """Where it is not clear which tokens hold the scores, or none of them has any probability, nothing is read."""
    with pytest.raises(UnreadableAnswer):
        expected_scores(tokens, "".join(token[0][0] for token in tokens))


TOKENS = st.sampled_from(["1", "2", "5", "9", "10", "0", "11", " 7", "x", "²", "[3", "", "0.5"])
LOGPROBS = st.floats(max_value=0, allow_nan=False)
ALTERNATIVES = st.lists(st.tuples(TOKENS, LOGPROBS), max_size=6)


@given(st.sampled_from(["1", "4", "9", "10"]), LOGPROBS, ALTERNATIVES, ALTERNATIVES, ALTERNATIVES)
def test_means_stay_on_the_scale(
    score: str,
    logprob: float,
    first: list[tuple[str, float]],
    second: list[tuple[str, float]],
    zero: list[tuple[str, float]],
) -> None:
    """Whatever the alternatives, a mean lies within 1–10, or there is none."""
    tokens = [[("1", logprob), *first], [("0", logprob), *zero], *certain(", "), [(score, logprob), *second]]
    try:
        means = expected_scores(tokens, "")
    except UnreadableAnswer:
        return
    assert all(1 <= mean <= 10 for mean in means)
