"""Answers of servers without grammars: other spellings of JSON, tags, any numbering, headings, placeholders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from codeclm_hf.errors import UnreadableAnswer
from codeclm_hf.stages.encode import metadata_row
from codeclm_hf.stages.parsing import answers
from codeclm_hf.stages.parsing.scores import leading_scores, scores

SQL = ("coding", ["SQL", "joins"])
METADATA = [
    ("{'use_case': 'coding', 'skills': ['SQL', 'joins',]}", SQL),
    ('{\n  use_case: "coding",\n  skills: ["SQL", "joins"]\n}', SQL),
    ('{"use_case": "coding"\n"skills": ("SQL", "joins") // two\n}', SQL),
    ('[{"use_case": ["coding"], "skills": [["SQL"], ["joins"]]}]', SQL),
    ('{"metadata": {"use_case": "coding", "skills": ["SQL", "joins"]}}', SQL),
    ('{"use_case": "coding", "skills": [["SQL", "joins"]]}', SQL),
    ('{"use_case": "coding", "skills": ["1、SQL", "2、joins"]}', SQL),
    ('{"use_case": "coding", "skills": ["a) SQL", "b) joins"]}', SQL),
    ('{"use_case": "coding", "skills": "1. SQL 2. joins"}', SQL),
    ("<use_case>coding</use_case>\n<skills>SQL, joins</skills>", SQL),
    ("<use_case>coding</use_case><skills><skill>SQL</skill><skill>joins</skill></skills>", SQL),
    ("<skill>SQL</skill>\n<skill>joins</skill>\n<use_case>coding</use_case>", SQL),
    ('<metadata>\n<use_case>coding</use_case>\n<skills>["SQL", "joins"]</skills>\n</metadata>', SQL),
    ('Sure!\n<answer>\n{"use_case": "coding", "skills": ["SQL", "joins"]}\n</answer>', SQL),
    ('Use case: coding\nSkills: ["SQL", "joins"]', SQL),
    ("Use case: coding\nSkills: 1) SQL, 2) joins", SQL),
    ("Use case: coding\nSkills: ①SQL ②joins", SQL),
    ("Use case: coding\nSkills:\na) SQL\nb) joins", SQL),
    ("Use case：coding\nSkills：SQL、joins", SQL),
    ('{"use_case": "coding", "skills": ["SQL", "sql", "Joins", "Sql"]}', ("coding", ["SQL", "Joins"])),
    ('{"use_case": "biology", "skills": ["E. coli culture"]}', ("biology", ["E. coli culture"])),
    ('{"use_case": "editing", "skills": ["text summaries"]}', ("editing", ["text summaries"])),
]
NO_METADATA = [
    '{"use_case": coding, "skills": [SQL]}',
    '{"use_case": "coding", "skills": ["SQL", ...]}',
    '{"use_case": "coding", "skills": {"SQL"}}',
    '{"use_case": "coding", "skills": ["SQL"]} {"use_case": "coding", "skills": ["joins"]}',
    '{"use_case": "coding", "skills": ["SQL"]}\n{"use_case": "poetry", "skills": ["rhyme"',
    '{"use_case": "coding", "SQL", "skills": ["joins"]}',
    "{'use_case': 'coding', 'skills': ['SQL'",
    "<use_case>coding</use_case>",
    "<use_case>coding</use_case><skills>SQL",
    "<use_case>coding</use_case><use_case>poetry</use_case><skills>SQL</skills>",
    '<p class="use_case">coding</p><p>SQL</p>',
    "Use case: coding\nSkills: 1. SQL 3. joins",
]
TWO = (["depth", "breadth"], ["go deeper", "go wider"])
RUBRICS = [
    ("{'rubrics': ['depth', 'breadth'], 'actions': ['go deeper', 'go wider',]}", TWO),
    ('{"rubrics": ("depth", "breadth"), # two\n"actions": ("go deeper", "go wider")}', TWO),
    ('[{"rubrics": [["depth", "breadth"]], "actions": [["go deeper"], ["go wider"]]}]', TWO),
    (
        '{"rubrics": ["1. depth", "2. breadth"], "actions": ["Action 1: go deeper", "Action 2: go wider"]}',
        TWO,
    ),
    ('{"rubrics": "1. depth\\n2. breadth", "actions": "1. go deeper\\n2. go wider"}', TWO),
    ("<rubrics>\n1. depth\n2. breadth\n</rubrics>\n<actions>\n1. go deeper\n2. go wider\n</actions>", TWO),
    (
        "<rubrics><rubric>depth</rubric><rubric>breadth</rubric></rubrics>"
        "<actions><action>go deeper</action><action>go wider</action></actions>",
        TWO,
    ),
    ("Rubrics:\n① depth\n② breadth\nActions:\n① go deeper\n② go wider", TWO),
    ("Rubrics:\na) depth\nb) breadth\n\nActions:\na) go deeper\nb) go wider", TWO),
    (
        "Rubrics: 1. Depth. 2. Breadth. Actions: 1. Go deeper. 2. Go wider.",
        (["Depth.", "Breadth."], ["Go deeper.", "Go wider."]),
    ),
]
NO_RUBRICS = [
    '{"rubrics": ["depth", "..."], "actions": ["go deeper", "..."]}',
    '{"rubrics": ["depth", "rubric 2"], "actions": ["go deeper", "action 2"]}',
    '{"rubrics": [["depth", "breadth"], ["x", "y"]], "actions": ["go deeper", "go wider"]}',
    "{'rubrics': ['depth', 'breadth'], 'actions': ['go deeper', 'go wi",
    "Rubrics: depth, breadth\nActions: go deeper, go wider",
    "<rubrics>depth</rubrics><actions>go deeper</actions>",
]
AB = ["Write a poem.", "Sort it."]
NUMBERING = [
    "{0}、|1 2", "{0}．|1 2", "{0}）|1 2", "（{0}）|1 2", "【{0}】|1 2", "{0}|① ②", "{0} |⑴ ⑵", "{0} |❶ ❷", "{0} |⒈ ⒉",
    "{0}. |１ ２", "{0}．|１ ２", "（{0}）|１ ２", "{0} |1️⃣ 2️⃣", "{0}、|一 二", "（{0}）|一 二", "第{0}，|一 二",
    "{0}. |가 나", "{0}) |가 나", "{0}）|ア イ", "{0}. |١ ٢",
    "{0}) |a b", "({0}) |a b", "{0}. |a b", "{0}. |A B", "{0}) |A B",
    "{0}. |i ii", "({0}) |i ii", "{0}. |I II", "{0}) |I II",
    "指令{0}：|1 2", "指示 {0}: |1 2", "명령 {0}: |1 2", "Prompt {0}: |1 2",
    "・{0}|「 「", "● {0}|\u200b \u200b",
]  # fmt: skip
INSTRUCTIONS = [
    ("1. Write a poem. 2. Sort it.", AB),
    ("1) Write a poem. 2) Sort it.", AB),
    ("(1) Write a poem. (2) Sort it.", AB),
    ("a) Write a poem. b) Sort it.", AB),
    ("① Write a poem. ② Sort it.", AB),
    ("1、Write a poem.　2、Sort it.", AB),
    ("Instruction 1: Write a poem. Instruction 2: Sort it.", AB),
    ("• Write a poem. • Sort it.", AB),
    ("**1. Write a poem.** **2. Sort it.**", AB),
    ("Here are the instructions: 1. Write a poem. 2. Sort it.", AB),
    ("1、写一首诗。2、排序。", ["写一首诗。", "排序。"]),
    ("①写一首诗；②排序", ["写一首诗", "排序"]),
    ("Sure! Here you go:\na) Write a poem.\nb) Sort it.", AB),
    ("1) Write a poem.; 2) Sort it.", AB),
    ("1.Write a poem. 2.Sort it.", AB),
    ("- [ ] Write a poem.\n- [x] Sort it.", AB),
    ('{"instruction_1": "Write a poem.", "instruction_2": "Sort it."}', AB),
    ('{"instructions": {"1": "Write a poem.", "2": "Sort it."}}', AB),
    ("1. Install version 2.x of it.", ["Install version 2.x of it."]),
    ("1. Pick one:\na) x\nb) y\n2. Sort it.", ["Pick one:\na) x\nb) y", "Sort it."]),
    ("1. Pick one: a) x. b) y.\n2. Sort it.", ["Pick one: a) x. b) y.", "Sort it."]),
    ("1. Get version 1.2. Then run it.", ["Get version 1.2. Then run it."]),
    ("{'instructions': ['Write a poem.', 'Don't sort it.']}", ["Write a poem.", "Don't sort it."]),
    ('{"instructions": ["Write a poem.", "Say "hi" twice."],}', ["Write a poem.", 'Say "hi" twice.']),
    ('{"instructions": ["Write\na poem.", // one\n"Sort it."]}', ["Write\na poem.", "Sort it."]),
    ('("Write a poem.", "Sort it.")', AB),
    ('{"instructions": [["Write a poem."], ["Sort it."]]}', AB),
    ('{"instructions": ["1. Write a poem.", "2. Sort it."]}', AB),
    ('{"instructions": "1. Write a poem.\\n2. Sort it."}', AB),
    ('{"instructions": ["1984 is a book. Sum it up."]}', ["1984 is a book. Sum it up."]),
    ("<instructions>\n1. Write a poem.\n2. Sort it.\n</instructions>", AB),
    ("<instruction>Write a poem.</instruction>\n<instruction>Sort it.</instruction>", AB),
    (
        "<instructions>\n<instruction>Write a poem.</instruction><instruction>Sort it.</instruction></instructions>",
        AB,
    ),
    ("<output>\n1. Write a poem.\n2. Sort it.\n</output>", AB),
    ('{"instructions": ["Write a poem.", "Instruction 2", "Sort it."]}', AB),
]
NO_INSTRUCTIONS = [
    "1. Write a poem 2. Sort it",
    "1. Write a poem.2. Sort it.",
    "(1)Write a poem.(2)Sort it.",
    '{"instructions": {"1": "Write a poem.", "3": "Sort it."}}',
    "1. Count to 2. Then stop.",
    "1. Compare 2. and 3. with it. 2. Sort it.",
    "1. Write a poem. 3. Sort it.",
    "- Write a poem. - Sort it.",
    "Which is right?\na) x\nb) y",
    "a) Write a poem.\nc) Sort it.",
    "a) Write a poem.\nB. Sort it.",
    "①Write a poem.\n2. Sort it.",
    "一、Write a poem.\n三、Sort it.",
    "A. Smith wrote it.",
    "[Poem] Write a poem.",
    '{"instructions": ["say "hi", please", "b"]}',
    '{"instructions": ["a", "b", ...]}',
    "<instruction>Write a poem.",
]
ONE = [
    ('{"instruction": "Write a poem."}', "Write a poem."),
    ('{"instructions": "Write a poem."}', "Write a poem."),
    ("<instruction>Write a poem.</instruction>", "Write a poem."),
    ("Write a text.", "Write a text."),
    ("Name three.", "Name three."),
    ("Pick one:\na) x\nb) y", "Pick one:\na) x\nb) y"),
    ("Use this form:\n<answer>x</answer>", "Use this form:\n<answer>x</answer>"),
]
SONG = "Write a song."
IMPROVED = [
    *(
        (heading + SONG, SONG)
        for heading in (
            "Rewritten prompt: ", "**Rewritten Prompt:** ", "#Rewritten Prompt#: ", "#Rewritten Prompt#\n",
            "### Rewritten Prompt\n\n", "**Rewritten prompt**\n\n", "Rewritten prompt\n\n", "New question: ",
            "The more challenging version:\n", "Evolved Instruction: ", "Sure! Here is the rewritten prompt:\n\n",
            "改写后的指令：", "新的提示词：", "書き換えた指示：", "새로운 지시: ", "Nueva instrucción: ",
            "Nouvelle consigne : ", "Neue Anweisung: ",
            "Original instruction: Write an ode.\n\nRewritten instruction: ",
        )
    ),
    (f"{SONG}\n\nExplanation: it is harder.", SONG),
    (f"Rewritten prompt: {SONG}\n\n**Changes made:**\n- harder", SONG),
    (f'{{"rewritten_prompt": "{SONG}"}}', SONG),
    (f'{{"New instruction": "{SONG}", "explanation": "harder"}}', SONG),
    (f'[{{"instruction": ["{SONG}"]}}]', SONG),
    (f"{{'instruction': '{SONG}'}}", SONG),
    ("{'instruction': 'Don't write.'}", "Don't write."),
    ('{"instruction": "Write a "short" song."}', 'Write a "short" song.'),
    ('{"instruction": "Write\na song.", // harder\n}', "Write\na song."),
    (f"<instruction>\n{SONG}\n</instruction>", SONG),
    (f"<rewritten_prompt>{SONG}</rewritten_prompt>\nIt is harder.", SONG),
    (f"<output>{SONG}</output>", SONG),
    ("Question: What is rain?", "Question: What is rain?"),
    (f"{SONG} Reply so:\n<answer>x</answer>", f"{SONG} Reply so:\n<answer>x</answer>"),
]  # fmt: skip
NOT_IMPROVED = [
    "Rewritten prompt:",
    "Original instruction: Write a poem",
    "Rewritten instruction: Write a song.\nOriginal instruction: Write a poem",
    "Write a song.\nExplanation: it is harder.",
    "Write a song in this form:\n\nExplanation: …",
    "1. Write a song. 2. Write an ode.",
    '{"new_instruction": "Write a song.", "rewritten_prompt": "Write an ode."}',
    '{"instruction": "Turn {"a": 1} into YAML.',
    '{"instruction": "Explain {"x"}',
    '{"instruction": "End with "}" please", "x": 1}',
    '{"instruction": "Write a song}',
    "{'instruction': 'Write a song",
    "<instruction>Write a song.",
    "<instructions>\n1. Write a song.\n2. Write an ode.\n</instructions>",
    "<instruction>Write a song.</instruction><instruction>Write an ode.</instruction>",
]
PLACEHOLDERS = [
    "string", "str", "text", "…", "...", "<instruction>", "<your instruction>", "[instruction here]", "{instruction}",
    "{{ instruction }}", "Instruction 1", "instruction_2", "Instruction A", "Your instruction here", "your text here",
    "instruction text", "New instruction", "the new text", "rubric 1", "action 2", "Action #2", "use case",
    "use_case", "skill 1", "skill_one", "Insert your prompt here", "example", "TODO", "null", "指令1", "文字列",
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), METADATA)
def test_reads_metadata(text: str, expected: tuple[str, list[str]]) -> None:
    """A use case and skills are read from any spelling of JSON, from tags and from numbered lists."""
    assert answers.metadata(text) == expected


@pytest.mark.parametrize(("text", "expected"), RUBRICS)
def test_reads_rubrics(text: str, expected: tuple[list[str], list[str]]) -> None:
    """Rubrics and actions are read from any spelling of JSON, from tags and from numbered lists."""
    assert answers.rubrics(text, 2) == expected


@pytest.mark.parametrize("style", NUMBERING)
@pytest.mark.parametrize("intro", ["", "Here are the instructions:\n\n"])
def test_reads_numbering(style: str, intro: str) -> None:
    """Lists are read whatever script and signs number them."""
    mark, numbers = style.split("|")
    lines = [mark.format(number) + item for number, item in zip(numbers.split(" "), AB, strict=True)]
    found = answers.instructions(intro + "\n".join(lines), 12)
    assert [item.strip("「\u200b") for item in found] == AB


@pytest.mark.parametrize(("text", "expected"), INSTRUCTIONS)
def test_reads_instructions(text: str, expected: list[str]) -> None:
    """Instructions are read from enumerations in one line, from any spelling of JSON and from tags."""
    assert answers.instructions(text, 3) == expected


@pytest.mark.parametrize(("text", "expected"), ONE)
def test_reads_one_instruction(text: str, expected: str) -> None:
    """Where one instruction was asked for, a text that is not in a list is it."""
    assert answers.instructions(text, 1) == [expected]


@pytest.mark.parametrize(("text", "expected"), IMPROVED)
def test_reads_the_improved_instruction(text: str, expected: str) -> None:
    """Headings, tags and explanations around a rewritten instruction go."""
    assert answers.improved_instruction(text) == expected


READERS: dict[str, Callable[[str], Any]] = {
    "metadata": answers.metadata,
    "rubrics": lambda text: answers.rubrics(text, 2),
    "instructions": lambda text: answers.instructions(text, 3),
    "improved": lambda text: answers.improved_instruction(text),
}
IN_DOUBT = {
    "metadata": NO_METADATA,
    "rubrics": NO_RUBRICS,
    "instructions": NO_INSTRUCTIONS,
    "improved": NOT_IMPROVED,
}


@pytest.mark.parametrize(("reader", "text"), [(name, text) for name in IN_DOUBT for text in IN_DOUBT[name]])
def test_refuses_what_is_in_doubt(reader: str, text: str) -> None:
    """What was cut off, what can be read in two ways, and two answers in one are unreadable."""
    with pytest.raises(UnreadableAnswer):
        READERS[reader](text)


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_placeholders_are_unreadable(text: str) -> None:
    """What stands for a text that is not there is no answer, bare, in JSON, in tags or in a list."""
    written = {
        "metadata": [f'{{"use_case": "coding", "skills": ["{text}"]}}', f"Use case: {text}\nSkills: SQL"],
        "rubrics": [f'{{"rubrics": ["depth", "{text}"], "actions": ["go deeper", "go wider"]}}'],
        "instructions": [f'{{"instructions": ["{text}"]}}', f"1. {text}\n2. {text}", f"<prompt>{text}</prompt>"],
        "improved": [text, f'{{"instruction": "{text}"}}', f"Rewritten prompt: {text}", f"<prompt>{text}</prompt>"],
    }  # fmt: skip
    for name, texts in written.items():
        for each in texts:
            with pytest.raises(UnreadableAnswer):
                READERS[name](each)
    with pytest.raises(UnreadableAnswer):
        answers.instructions(text, 1)
    with pytest.raises(UnreadableAnswer):
        scores(f'{{"scores": ["{text}", "{text}"]}}')


@pytest.mark.parametrize("scored", ["'scores': [8, 7]", '"scores": ["8", "7"]', '"scores": (8, 7)'])
def test_leading_scores_in_any_spelling(scored: str) -> None:
    """The scores before an explanation that was cut off are read however they are spelt."""
    assert leading_scores(f'{{{scored}, "explanation": "It was cut') == (8, 7)


def test_skills_that_differ_in_case_are_one() -> None:
    """A row of metadata has each skill once, as it is written first, whoever wrote it."""
    row = metadata_row("coding", ["SQL", "sql", "Joins", "JOINS"], origin="given", seed_ids=[])
    assert row["skills"] == ["SQL", "Joins"]
    assert (
        row["metadata_id"]
        == metadata_row("Coding", ["joins", "sql"], origin="seed", seed_ids=[])["metadata_id"]
    )
