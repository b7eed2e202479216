"""Reading metadata, rubrics, lists and instructions: what must be read, and what must never be."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.errors import UnreadableAnswer
from codeclm_hf.stages.parsing import answers, json_values, lists, numbering, talk

POEM = ("creative writing", ["poetry", "humour"])

METADATA = [
    ('{"use_case": "creative writing", "skills": ["poetry", "humour"]}', POEM),
    ('```json\n{"use_case": "creative writing", "skills": ["poetry", "humour"]}\n```', POEM),
    (
        'Sure! Here you go:\n\n{"use_case": "creative writing", "skills": ["poetry", "humour"]}\n\nAnything else?',
        POEM,
    ),
    (
        'Here it is:\n```json\n{"use_case": "creative writing", "skills": ["poetry", "humour"]}\n```\nAll good?',
        POEM,
    ),
    ('Answer: {"use_case": "creative writing", "skills": ["poetry", "humour"]}', POEM),
    (
        '{"useCase": "Creative Writing.", "Skills": ["poetry", "humour"]}',
        ("Creative Writing", ["poetry", "humour"]),
    ),
    ('{"task": "creative writing", "skills": "poetry, humour"}', POEM),
    ('{"use_case": "creative writing", "skills": ["poetry skills", "humour skill"]}', POEM),
    ('{"use_case": "creative writing", "skills": ["poetry", "poetry", "humour"]}', POEM),
    ('{"use_case": "creative writing", "skills": ["1. poetry", "2. humour"]}', POEM),
    ('{"use_case": "coding", "skills": ["C#", "C++", ".NET", "F*"]}', ("coding", ["C#", "C++", ".NET"])),
    (
        '{"use_case": "coding", "skills": ["research and development"]}',
        ("coding", ["research and development"]),
    ),
    ("Use case: creative writing\nSkills: poetry, humour", POEM),
    ("Use case: creative writing\nSkills: poetry, and humour.", POEM),
    ("Use case: creative writing. Skills: poetry, humour", POEM),
    ("Use case: creative writing; Skills: poetry; humour", POEM),
    ("Use case: creative writing | Skills: poetry, humour", POEM),
    ("Task: creative writing\nSkills: poetry, humour", POEM),
    ("**Use case:** creative writing\n**Skills:** poetry, humour", POEM),
    ("**Use case**: creative writing\n**Skills**: poetry, humour", POEM),
    ("- Use case: creative writing\n- Skills: poetry, humour", POEM),
    ("1. Use case: creative writing\n2. Skills: poetry, humour", POEM),
    ("Skills: poetry, humour\nUse case: creative writing", POEM),
    ("use_case = creative writing\nskills = poetry, humour", POEM),
    ("Use case: creative writing\nSkills:\n- poetry\n- humour", POEM),
    ("Use case: creative writing\n\nSkills needed:\n\n1. poetry\n2. humour\n", POEM),
    ("Use case:\ncreative writing\n\nSkills:\n  * poetry\n  * humour", POEM),
    ("### Use case\ncreative writing\n\n### Skills\n- **poetry**\n- **humour**", POEM),
    ("Use case: creative writing\nSkills:\n- poetry\n- humour\n\nLet me know if you need more!", POEM),
    (
        "Here is the metadata.\n\nUse case: creative writing\nSkills: poetry, humour\n\nThese skills carry over.",
        POEM,
    ),
    ("```\nUse case: creative writing\nSkills: poetry, humour\n```", POEM),
    ("Use case: coding\nSkills: SQL (joins, grouping), C#", ("coding", ["SQL (joins, grouping)", "C#"])),
    ("Use case: coding\nSkills: snake_case, a, b, c, d", ("coding", ["snake_case", "a", "b"])),
    ("Use case: Task-oriented dialogue\nSkills: slot filling", ("Task-oriented dialogue", ["slot filling"])),
]

NO_METADATA = [
    "",
    "I'm sorry, I can't help with that.",
    "creative writing",
    "Use case: creative writing",
    "Skills: poetry",
    '{"use_case": "...", "skills": ["..."]}',
    '{"use_case": "…", "skills": ["…"]}',
    '{"use_case": "coding", "skills": ["..."]}',
    '{"use_case": "<use case>", "skills": ["<skill 1>", "<skill 2>"]}',
    '{"use_case": "string", "skills": ["string"]}',
    '{"use_case": "use case", "skills": ["skill 1", "skill 2"]}',
    '{"use_case": "coding", "skills": []}',
    '{"use_case": "coding", "skills": ["none"]}',
    '{"use_case": "coding", "skills": [3]}',
    '{"use_case": "coding", "skills": {"1": "SQL"}}',
    '{"use_case": ["coding", "poetry"], "skills": ["SQL"]}',
    '{"use_case": null, "skills": ["SQL"]}',
    '{"use_case": true, "skills": ["SQL"]}',
    '{"use_case": "coding"}',
    '{"use_case": "coding", "skills": ["SQL"',
    '{"use_case": "coding", "use_case": "poetry", "skills": ["SQL"]}',
    '{"use_case": "coding", "useCase": "poetry", "skills": ["SQL"]}',
    '{"use_case": "coding", "task": "poetry", "skills": ["SQL"]}',
    '{"use_case": "coding", "skills": ["SQL"]}\n{"use_case": "poetry", "skills": ["rhyme"]}',
    '{"use_case": "coding", "skills": ["\\ud800"]}',
    '{"use_case": "' + "long " * 20 + '", "skills": ["SQL"]}',
    '{"use_case": "coding", "skills": ["' + "long " * 20 + '"]}',
    "Use case: coding\nUse case: poetry\nSkills: SQL",
    "Use case: coding\nTask: poetry\nSkills: SQL",
    "Use case: coding\nor poetry\nSkills: SQL",
    "Use case: [use case]\nSkills: [skill 1, skill 2]",
    "Use case: ...\nSkills: ...",
    "Use case: unknown\nSkills: none",
    "Task: Use case: coding\nSkills: SQL",
    "Use case: coding\nSkills: planning, research and development",
    "Use case: coding\nSkills: SQL\n- joins",
    "Use case: coding\nSkills:\n- SQL\n  - joins\n- Python",
    "Use case: coding\nSkills:\n1. SQL\n3. Python",
    "Use case: coding\nSkills: SQL: joins",
    "- use_case: the task that whoever wrote it wants done, in a few words.\n"
    "- skills: 1 to 3 things one must master to answer it well and that carry over to similar instructions.",
]


@pytest.mark.parametrize(("text", "expected"), METADATA)
def test_reads_metadata(text: str, expected: tuple[str, list[str]]) -> None:
    """A use case and its first three skills are read from JSON and from labelled lines."""
    assert answers.metadata(text) == expected


@pytest.mark.parametrize("text", NO_METADATA)
def test_refuses_metadata(text: str) -> None:
    """Placeholders, refusals, two use cases, and skills that may be one or two are unreadable."""
    with pytest.raises(UnreadableAnswer):
        answers.metadata(text)


def test_use_cases_are_constrained() -> None:
    """With a list of use cases, one of them is read in the caller's spelling, and no other one is."""
    text = '{"use_case": "creative writing", "skills": ["poetry"]}'
    assert answers.metadata(text, use_cases=("Coding", "Creative Writing")).use_case == "Creative Writing"
    with pytest.raises(UnreadableAnswer, match="a use case out of Coding, Poetry"):
        answers.metadata(text, use_cases=("Coding", "Poetry"))


TWO = (["depth", "breadth"], ["go deeper", "go wider"])

RUBRICS = [
    ('{"rubrics": ["depth", "breadth"], "actions": ["go deeper", "go wider"]}', TWO),
    (
        'Sure:\n```json\n{"rubrics": ["depth", "breadth"], "actions": ["go deeper", "go wider"]}\n```\nBye.',
        TWO,
    ),
    ('{"Rubrics": ["depth", "breadth", "x"], "Actions": ["go deeper", "go wider", "y"]}', TWO),
    ("Rubrics:\n1. depth\n2. breadth\n\nActions:\n1. go deeper\n2. go wider", TWO),
    ("**Rubrics**\n\n- depth\n- breadth\n\n**Actions**\n\n- go deeper\n- go wider", TWO),
    (
        "Here they are.\n\n### Difficulty Rubrics:\n(1) depth\n(2) breadth\n### Actions:\n(1) go deeper\n(2) go wider",
        TWO,
    ),
    ("1. Rubrics:\n   1. depth\n   2. breadth\n2. Actions:\n   1. go deeper\n   2. go wider", TWO),
    (
        "Rubrics:\nRubric 1: depth\nRubric 2: breadth\n\nActions:\nAction 1: go deeper\nAction 2: go wider",
        TWO,
    ),
    ("Rubrics:\n1. depth\n2. breadth\n\nActions:\n1. go deeper\n2. go wider\n\nI hope this helps!", TWO),
]

NO_RUBRICS = [
    "",
    "I cannot do that.",
    '{"rubrics": [2 sentences], "actions": [2 sentences]}',
    '{"rubrics": ["...", "..."], "actions": ["...", "..."]}',
    '{"rubrics": ["depth"], "actions": ["go deeper"]}',
    '{"rubrics": ["depth", "breadth", "x"], "actions": ["go deeper", "go wider"]}',
    '{"rubrics": ["depth", "breadth"]}',
    '{"rubrics": "depth, breadth", "actions": "go deeper, go wider"}',
    '{"rubrics": ["depth", 2], "actions": ["go deeper", "go wider"]}',
    '{"rubrics": ["depth", "breadth"], "actions": ["go deeper", "go wi',
    "Rubrics:\n1. depth\n2. breadth",
    "Actions:\n1. go deeper\n2. go wider\nRubrics:\n1. depth\n2. breadth",
    "Rubrics:\n1. depth\n2. breadth\nActions:\n1. go deeper\nActions:\n1. go deeper\n2. go wider",
    "1. depth\n2. breadth\n3. go deeper\n4. go wider",
    "1. Write 2 rubrics: clear, concise criteria.\n2. Write 2 actions, one for each rubric.",
]


@pytest.mark.parametrize(("text", "expected"), RUBRICS)
def test_reads_rubrics(text: str, expected: tuple[list[str], list[str]]) -> None:
    """Rubrics and their actions are read in order, from JSON and from two lists under headings."""
    assert answers.rubrics(text, 2) == expected


@pytest.mark.parametrize("text", NO_RUBRICS)
def test_refuses_rubrics(text: str) -> None:
    """Too few rubrics, or not as many actions as rubrics, are unreadable."""
    with pytest.raises(UnreadableAnswer):
        answers.rubrics(text, 2)


AB = ["Write a poem.", "Sort [3, 1, 2]."]

INSTRUCTIONS = [
    ("1. Write a poem.\n2. Sort [3, 1, 2].", AB),
    ("1) Write a poem.\n2) Sort [3, 1, 2].", AB),
    ("(1) Write a poem.\n(2) Sort [3, 1, 2].", AB),
    ("1: Write a poem.\n2: Sort [3, 1, 2].", AB),
    ("#1 Write a poem.\n#2 Sort [3, 1, 2].", AB),
    ("#1: Write a poem.\n#2: Sort [3, 1, 2].", AB),
    ("1 - Write a poem.\n2 - Sort [3, 1, 2].", AB),
    ("1.Write a poem.\n2.Sort [3, 1, 2].", AB),
    ("**1.** Write a poem.\n**2.** Sort [3, 1, 2].", AB),
    ("**1**. Write a poem.\n**2**. Sort [3, 1, 2].", AB),
    ("**1. Write a poem.**\n**2. Sort [3, 1, 2].**", AB),
    ("1. **Write a poem.**\n2. **Sort [3, 1, 2].**", AB),
    ('1. "Write a poem."\n2. "Sort [3, 1, 2]."', AB),
    ("- Write a poem.\n- Sort [3, 1, 2].", AB),
    ("* Write a poem.\n* Sort [3, 1, 2].", AB),
    ("• Write a poem.\n• Sort [3, 1, 2].", AB),
    ("  1. Write a poem.\n  2. Sort [3, 1, 2].", AB),
    ("1. Write a poem.\n\n\n2. Sort [3, 1, 2].\n\n", AB),
    ("1. Write a poem.\r\n2. Sort [3, 1, 2].\r\n", AB),
    ("1. Write a poem.\n---\n2. Sort [3, 1, 2].\n---", AB),
    ("Instruction 1: Write a poem.\nInstruction 2: Sort [3, 1, 2].", AB),
    ("**Instruction 1:** Write a poem.\n\n**Instruction 2:** Sort [3, 1, 2].", AB),
    ("### Instruction 1\nWrite a poem.\n\n### Instruction 2\nSort [3, 1, 2].", AB),
    ("### Instruction 1\n\nWrite a poem.\n\n### Instruction 2\n\nSort [3, 1, 2].", AB),
    ("1. Instruction: Write a poem.\n2. Instruction: Sort [3, 1, 2].", AB),
    ("Here are 2 instructions:\n\n1. Write a poem.\n2. Sort [3, 1, 2].", AB),
    (
        "Sure! Here are the instructions [in order]:\n1. Write a poem.\n2. Sort [3, 1, 2].\n\nI hope these help!",
        AB,
    ),
    ("- Write a poem.\n- Sort [3, 1, 2].\n\n---\n\nLet me know if you need more.", AB),
    ("```\n1. Write a poem.\n2. Sort [3, 1, 2].\n```", AB),
    ("1. Write a poem.\n2. Sort [3, 1, 2].\n3. Write a poem.", AB),
    ("1. Write a poem.\n2. ...\n3. Sort [3, 1, 2].", AB),
    ('{"instructions": ["Write a poem.", "Sort [3, 1, 2]."]}', AB),
    ('["Write a poem.", "Sort [3, 1, 2]."]', AB),
    ('[{"instruction": "Write a poem."}, {"instruction": "Sort [3, 1, 2]."}]', AB),
    ('```json\n{"instructions": ["Write a poem.", "Sort [3, 1, 2]."]}\n```\nEnjoy!', AB),
    ('Here is the JSON:\n\n{"instructions": ["Write a poem.", "Sort [3, 1, 2]."]}\n\nEnjoy!', AB),
    ('Here are the instructions: {"instructions": ["Write a poem.", "Sort [3, 1, 2]."]}', AB),
    ('{"instructions": ["Write a poem.", "Sort [3, 1, 2].", "Expl', AB),
    ('{"instructions": ["Write a poem.", "Sort [3, 1, 2].", ', AB),
    ('{"instructions": ["Write a poem.", "Sort [3, 1, 2]."', AB),
    ('{"instructions": ["Write a poem.", "Sort [3, 1, 2]."]', AB),
    ('{"instructions": ["Write a poem.", "Sort [3, 1, 2].", "A \\"', AB),
    ('```json\n{"instructions": ["Write a poem.", "Sort [3, 1, 2].", "Expl', AB),
    ('["Write a poem.", "Sort [3, 1, 2].", "Expl', AB),
    ("1. Do this:\n   1. open\n   2. close\n2. Rest.", ["Do this:\n1. open\n2. close", "Rest."]),
    ("1. Do this:\n   - open\n   - close\n2. Rest.", ["Do this:\n- open\n- close", "Rest."]),
    ("1. Do this:\n- open\n- close\n2. Rest.", ["Do this:\n- open\n- close", "Rest."]),
    ("- Do this:\n  - open\n  - close\n- Rest.", ["Do this:\n- open\n- close", "Rest."]),
    ("- Do this:\n  1. open\n  2. close\n- Rest.", ["Do this:\n1. open\n2. close", "Rest."]),
    (
        "Instruction 1: Do this:\n1. open\n2. close\nInstruction 2: Rest.",
        ["Do this:\n1. open\n2. close", "Rest."],
    ),
    ("1. Write a poem\n   about rain.\n2. Rest.", ["Write a poem\nabout rain.", "Rest."]),
    ("1. Write a poem\nabout rain.\n2. Rest.", ["Write a poem\nabout rain.", "Rest."]),
    (
        "1. Explain:\n```python\n2. x\n\nif a:\n    b\n```\n2. Rest.",
        ["Explain:\n```python\n2. x\n\nif a:\n    b\n```", "Rest."],
    ),
    ("1. Rest.\n2. Explain the code.\n\n```\n1. x\n```", ["Rest.", "Explain the code.\n\n```\n1. x\n```"]),
    ("1. Rest.\n2. Sum up the text below.\n\nIt rained.", ["Rest.", "Sum up the text below.\n\nIt rained."]),
    (
        '1. Turn {"a": 1} into YAML.\n2. Parse:\n{"b": [2]}',
        ['Turn {"a": 1} into YAML.', 'Parse:\n{"b": [2]}'],
    ),
    ("1. Sort: [3, 1]\n2. Sort: [4, 2]", ["Sort: [3, 1]", "Sort: [4, 2]"]),
    ("1. Is 2. 5 a number?\n2. What is 1.5 + 1?", ["Is 2. 5 a number?", "What is 1.5 + 1?"]),
    ("\n".join(f"{i:>2}. Say {i}." for i in range(1, 12)), [f"Say {i}." for i in range(1, 12)]),
]

NO_INSTRUCTIONS = [
    "",
    "...",
    "I'm sorry, I can't help with that.",
    "I can't do that. Here is what I can do:\n1. Talk about rain\n2. Talk about snow",
    "Write a poem.",
    "Write a poem.\n\nSort [3, 1, 2].",
    '{"instructions": ["..."]}',
    'Reply with a numbered list of 3, or in JSON: {"instructions": ["..."]}',
    '{"instructions": []}',
    '{"instructions": "Write a poem."}',
    '{"instructions": [1, 2]}',
    '{"instructions": ["a", ["b"]]}',
    '{"other": ["a", "b"]}',
    '{"other": ["a", "b"], "instructions": ["c',
    '{"note": "see [1]", "instructions": ["c',
    '{"instructions": ["a", "say "hi" twice", "b',
    '{"instructions": ["say "hi", please", "b", "c',
    '{"instructions": ["a" "b',
    '{"instructions": ["\\ud800", "b',
    '{"instructions": ["a"], "instructions": ["b"]}',
    '["a", "b"]\n["c", "d"]',
    "[3, 1, 2]",
    "[1] Write a poem.\n[2] Sort.",
    '[{"instruction": "a"}, {"instr',
    "1. ...\n2. ...",
    "2. Write a poem.\n3. Sort.",
    "1. Write a poem.\n1. Sort.",
    "1. Write a poem.\n3. Sort.",
    "1. Write a poem.\n2) Sort.",
    "1. Do this:\n1. open\n2. close\n2. Rest.",
    "1. Do this:\n1) open\n2) close\n2. Rest.",
    "1. Sort these:\n3. c\n1. a\n2. b\n2. Rest.",
    "- Do this:\n1. open\n2. close\n- Rest.",
    "- Write a poem.\n* Sort.",
    "Notes:\n- be kind\n\n1. Write a poem.\n2. Sort.",
    "1. Write a poem.\n2. Sort.\n\n1. Rest.",
    "1. Write a poem.\n\n**Harder ones**\n\n2. Sort.",
    "1. Write a poem.\n### Harder ones\n2. Sort.",
    "1. Write a poem.\n2. Read the letter.\n\nDear John, it rained.",
    "1. Write a poem.\n2. Answer the following letter.\n\nLet me know if it rains.",
    "1. Write a poem.\n2. Explain:\n```\n3. x",
    "1. Write a poem.\n2. Sort.\nHope this helps!",
]


@pytest.mark.parametrize(("text", "expected"), INSTRUCTIONS)
def test_reads_instructions(text: str, expected: list[str]) -> None:
    """Instructions are read from lists in any style, and stay whole whatever they contain."""
    assert answers.instructions(text, 12) == expected


@pytest.mark.parametrize("text", NO_INSTRUCTIONS)
def test_refuses_instructions(text: str) -> None:
    """A list that is in doubt about where one instruction ends and the next begins is unreadable."""
    with pytest.raises(UnreadableAnswer):
        answers.instructions(text, 3)


def test_no_more_instructions_than_wanted() -> None:
    """No more are returned than were asked for, and the same one counts once."""
    assert answers.instructions("1. a\n2. a\n3. b\n4. c", 2) == ["a", "b"]


ONE = [
    ("Write a poem.", "Write a poem."),
    ("Sort this list: [3, 1, 2]", "Sort this list: [3, 1, 2]"),
    ("Here is the instruction:\nWrite a poem.", "Write a poem."),
    ("1. Write a poem.", "Write a poem."),
    ("- Write a poem.", "Write a poem."),
    ("Here is one instruction:\n\n1. Write a poem.", "Write a poem."),
    ('{"instructions": ["Write a poem."]}', "Write a poem."),
    ("1. Do this:\n   1. open\n   2. close", "Do this:\n1. open\n2. close"),
]

NOT_ONE = [
    "Sure, I can do that:",
    "Sure! Here's something: write a poem.",
    "I'm sorry, I can't help with that.",
    "Do this and report:\n1. open\n2. close",
    'Sort this list:\n["b", "a"]\n1. x',
    'Check this:\n{"instructions": ["a"]}',
    "a) Write a poem.",
    "Write a poem.\n\nSort a list.",
    "Write a poem.\n\n\nBecause it rains.",
]


@pytest.mark.parametrize(("text", "expected"), ONE)
def test_reads_one_instruction(text: str, expected: str) -> None:
    """Where one instruction was asked for, a bare paragraph is it."""
    assert answers.instructions(text, 1) == [expected]


@pytest.mark.parametrize("text", NOT_ONE)
def test_refuses_one_instruction(text: str) -> None:
    """A refusal, talk, or steps of one instruction are not taken for the instruction."""
    with pytest.raises(UnreadableAnswer):
        answers.instructions(text, 1)


HARDER = "Write a poem of four lines."
CODE = "Fix this code:\n```python\nx = 1\n```"

IMPROVED = [
    (HARDER, HARDER),
    (f'{{"instruction": "{HARDER}"}}', HARDER),
    (f'```json\n{{"instruction": "{HARDER}"}}\n```', HARDER),
    (f'Here is the new instruction:\n{{"instruction": "{HARDER}"}}\n\nIt is harder now.', HARDER),
    (
        f'Sure! Here is the harder instruction in JSON:\n\n```json\n{{"instruction": "{HARDER}"}}\n```\n\nBye!',
        HARDER,
    ),
    (f"New instruction: {HARDER}", HARDER),
    (f"**Improved Instruction:** {HARDER}", HARDER),
    (f"**Improved Instruction:**\n\n{HARDER}", HARDER),
    (f"### Rewritten instruction:\n{HARDER}", HARDER),
    (f"Here's the rewritten instruction:\n\n{HARDER}", HARDER),
    (f"Certainly! Here is a more difficult version:\n\n{HARDER}", HARDER),
    (f"Here is the improved instruction:\n```\n{HARDER}\n```", HARDER),
    (f'"{HARDER}"', HARDER),
    (f"“{HARDER}”", HARDER),
    (f"**{HARDER}**", HARDER),
    (f"1. {HARDER}", HARDER),
    (f"{HARDER}\n\nThis version adds a constraint.", HARDER),
    (f"{HARDER}\n\nLet me know if it should be harder!", HARDER),
    (CODE, CODE),
    ("Fix this code.\n\n```python\nx = 1\n\ny = 2\n```", "Fix this code.\n\n```python\nx = 1\n\ny = 2\n```"),
    ("Sort this list: [3, 1, 2]", "Sort this list: [3, 1, 2]"),
    ("Sort [3, 1, 2], then explain.", "Sort [3, 1, 2], then explain."),
    ('Turn {"a": 1} into YAML.', 'Turn {"a": 1} into YAML.'),
    ("Do this:\n1. open\n2. close", "Do this:\n1. open\n2. close"),
    (
        "Answer the letter below.\n\nDear John, it rained.",
        "Answer the letter below.\n\nDear John, it rained.",
    ),
    ('Say "yes" and "no".', 'Say "yes" and "no".'),
    ('"Yes" or "no"?', '"Yes" or "no"?'),
    (
        '{"instruction": "Explain what <think> does in 1. and 2."}',
        "Explain what <think> does in 1. and 2.",
    ),
]

NOT_IMPROVED = [
    "",
    "...",
    '{"instruction": "..."}',
    '{"instruction": ""}',
    '{"instruction": null}',
    '{"instruction": ["Write a song", "Write an ode"]}',
    '{"instruction": "Write a song',
    'Here is the JSON:\n{"instruction": "Write a song',
    '```json\n{"instruction": "Write a song',
    '{"instruction": "Write a song"}\n{"instruction": "Write an ode"}',
    '{"instruction": "Write a song", "instruction": "Write an ode"}',
    '["Write a song"]',
    "I'm sorry, but I can't help with that.",
    "I cannot rewrite this.",
    "As an AI language model, I have no poems.",
    '{"instruction": "I\'m sorry, I can\'t do that."}',
    "Sure! Write a song.",
    "Okay, here's a thought: write a song.",
    "Here is a song: la la la. Sum it up.",
    "Here is the new instruction:",
    "1. Write a song.\n2. Write an ode.",
    "Write a song.\n\nWrite an ode.",
    "Write a song.\n\nBy asking for a song, the task became harder.",
    'Turn this into YAML:\n{"instruction": "Write a song"}',
    'Here is a config:\n{"instruction": "Write a song"}\nExplain it.',
    'Explain {"instruction": "Write a song"} to a child.',
    "```python\nprint(1)\n```",
    "Fix this:\n```\nx",
    'Rewrite the instruction below to make it harder.\n\nGuideline: x\n\nReply in JSON: {"instruction": "..."}',
]


@pytest.mark.parametrize(("text", "expected"), IMPROVED)
def test_reads_the_improved_instruction(text: str, expected: str) -> None:
    """The rewritten instruction is read whole, without what a model says before and after it."""
    assert answers.improved_instruction(text) == expected


@pytest.mark.parametrize("text", NOT_IMPROVED)
def test_refuses_what_improves_nothing(text: str) -> None:
    """Half of an instruction, several, or talk about one is unreadable."""
    with pytest.raises(UnreadableAnswer):
        answers.improved_instruction(text)


def test_the_error_quotes_the_answer() -> None:
    """The error says what was needed and quotes the first 200 characters of the answer on one line."""
    with pytest.raises(UnreadableAnswer) as caught:
        answers.metadata("no\n" + "x" * 5000)
    assert str(caught.value) == f"needs a use case and 1–3 skills; the model answered 'no {'x' * 197}…'"


def test_json_keys_are_read_without_their_spelling() -> None:
    """Keys come without case, spaces and underscores; JSON within a line is taken only where that is wanted."""
    assert json_values.json_value('{"Use case": 1}') == {json_values.field("use_case"): 1}
    assert json_values.json_value("Answer: [1]") is None
    assert json_values.json_value("Answer: [1]", inline=True) == [1]


FIRST = st.characters(categories=["Lu", "Ll"], max_codepoint=0x2FF)
REST = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f\x85\xa0`*_"), max_size=60
)


def _no_talk(item: str) -> bool:
    reads = (
        talk.INTRO.match,
        talk.CHAT.match,
        talk.PLACEHOLDER.fullmatch,
        numbering.mark_of,
        talk.REFUSAL.match,
        lists._POINTS_ON.search,
    )
    return not any(read(item) for read in reads)


ITEM = (
    st.builds(str.__add__, FIRST, REST).map(str.strip).filter(_no_talk).filter(lambda item: '"' not in item)
)
ROMAN = "i ii iii iv v vi vii viii ix x xi xii".split()
MARKERS: list[Callable[[int], str]] = [
    lambda i: f"{i}. ",
    lambda i: f"{i}) ",
    lambda i: f"({i}) ",
    lambda i: f"{i}: ",
    lambda i: f"#{i} ",
    lambda i: f"**{i}.** ",
    lambda i: f"Instruction {i}: ",
    lambda i: f"**Instruction {i}:** ",
    lambda i: f"{i}、",
    lambda i: f"（{i}）",
    lambda i: chr(ord("①") + i - 1),
    lambda i: f"{'abcdefghijkl'[i - 1]}) ",
    lambda i: f"({'abcdefghijkl'[i - 1]}) ",
    lambda i: f"{ROMAN[i - 1]}. ",
    lambda i: f"{i}\ufe0f\u20e3 ",
    lambda i: "- ",
    lambda i: "* ",
    lambda i: "• ",
]
INTROS = st.sampled_from(["", "Here are the instructions:\n\n", "Sure! Here you go:\n"])
OUTROS = st.sampled_from(["", "\n\nLet me know if you need more!", "\n\n---\nI hope these help."])


@given(st.lists(ITEM, min_size=2, max_size=12, unique=True), st.sampled_from(MARKERS), INTROS, OUTROS)
def test_lists_read_back(items: list[str], marker: Callable[[int], str], intro: str, outro: str) -> None:
    """A list of any texts in any style, with or without talk around it, reads back exactly."""
    text = "\n".join(marker(index) + item for index, item in enumerate(items, 1))
    assert answers.instructions(intro + text + outro, 20) == items


@given(st.lists(ITEM, min_size=2, max_size=12, unique=True), st.sampled_from(MARKERS[:-3]))
def test_one_line_reads_back_or_is_unreadable(items: list[str], marker: Callable[[int], str]) -> None:
    """An enumeration in one line reads back exactly, or not at all; its sentences may hold anything but numbers."""
    items = [re.sub(r"\d|[①-⑳]", "z", item).strip(" .") + "." for item in items]
    text = " ".join(marker(index) + item for index, item in enumerate(items, 1))
    try:
        assert answers.instructions(text, 20) == list(dict.fromkeys(items))
    except UnreadableAnswer:
        pass


READERS: list[Callable[[str], Any]] = [
    answers.metadata,
    lambda text: answers.rubrics(text, 2),
    lambda text: answers.instructions(text, 3),
    lambda text: answers.instructions(text, 1),
    lambda text: answers.improved_instruction(text),
]
FRAGMENTS = st.sampled_from(
    [
        "1. ",
        "2. ",
        "- ",
        "* ",
        "\n",
        "\n\n",
        "  ",
        "a",
        "b",
        "{",
        "}",
        "[",
        "]",
        '"',
        ":",
        ",",
        "```",
        "**",
        "#",
        "\\",
        "Use case",
        "Skills",
        "Rubrics",
        "Actions",
        '"instructions"',
        "Instruction 1",
        "<skills>",
        "</skills>",
        "<instruction>",
        "</instruction>",
        "'",
        "//",
        "(",
        ")",
        "①",
        "a) ",
        " 2. ",
        "：",
        "Sure!",
    ]
)


@given(
    st.one_of(st.text(max_size=200), st.lists(FRAGMENTS, max_size=30).map("".join)), st.sampled_from(READERS)
)
def test_nothing_else_happens(text: str, reader: Callable[[str], Any]) -> None:
    """Whatever the text, it is read or it is unreadable; nothing else is raised and nothing empty is read."""
    try:
        found = reader(text)
    except UnreadableAnswer:
        return
    for part in [found] if isinstance(found, str) else found:
        assert part and all(part)


LONG = [
    "1 ",
    "1. ",
    "1. a\n",
    "- a\n",
    "(",
    "[",
    "{",
    '{"a":',
    '["a",',
    '"a",',
    "    \n",
    "\n",
    " ",
    "\t",
    "a ",
    "** ",
]
LONG += [
    "<skill>",
    "</skills>",
    "<a><skill></skill>",
    "'",
    "//",
    "① a ",
    "2. ",
    "```",
    "`",
    "# ",
    ":[",
    ": ",
    "- ",
    ",(",
    '\\"',
    "here is ",
    "sure ",
]
LONG += ["skills ", "Rubrics\n", "a:\n\n", "- - ", "Use case: ", "the following "]


@pytest.mark.parametrize("unit", LONG)
@pytest.mark.parametrize(
    "frame", ["{}", "1. a\n{}x", "Use case: a\nSkills: {}x", '{"instructions": ["a", {}', "Sure, {}"]
)
@pytest.mark.parametrize("reader", READERS)
def test_a_long_answer_comes_to_an_end(unit: str, frame: str, reader: Callable[[str], Any]) -> None:
    """A hundred kilobytes of anything are read or refused: no pattern backtracks without end."""
    try:
        reader(frame.replace("{}", unit * (100_000 // len(unit))))
    except UnreadableAnswer:
        pass
