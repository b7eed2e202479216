"""What the Hub commands print and what a pull request says, read as a user reads it; hostile text included."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from codeclm_hf import text as words
from codeclm_hf.card.shapes import Drift, Share
from codeclm_hf.cli import hub_display
from codeclm_hf.hub import description
from codeclm_hf.hub.diff import Diff, RowChange, TableDiff
from codeclm_hf.hub.history import Blame, LogEntry

ROW = {
    "id": "8f3a",
    "use_case": "creative writing",
    "skills": ["poetry", "humour"],
    "instruction": "Write a poem about the sea",
    "response": "The sea is wide and the sea is blue",
    "gap": 1.5,
}
STILL = Drift(0.0, (), (), (), 0, 0)
NOON = datetime(2026, 11, 23, 12, 5, tzinfo=timezone.utc)
ENTRY = LogEntry(
    version="1.3.0",
    commit="0123456789abcdef",
    date=NOON,
    author="alice",
    message="Add cooking",
    rows={"default": 120, "trace": 400},
    changes={"default": {"added": 20, "removed": 3, "changed": 0}},
    models={"strong": "org/large", "target": "org/small"},
)
BLAME = Blame(
    id="8f3a",
    config="default",
    version="1.3.0",
    commit="0123456789abcdef",
    date=NOON,
    author="alice",
    first_version="1.0.0",
    row=ROW,
    models={"strong": "org/large"},
    prompts={"encode": "ab12"},
    seeds={"source": "seeds.jsonl", "rows": 4},
)
HOSTILE = [
    "[bold red]shout[/bold red] [/] [link=http://evil.example]x[/link]",
    "a | b || c \\| d \\",
    "`code` ``` ~~~ **bold** __x__ ~~gone~~ # title\n# title\n\n| - | - |\n---\n===\n1. one\n- two\n> three",
    "<script>alert(1)</script> <!-- x --> &lt;b&gt; &#64;bob <a href=x>",
    "[x](http://evil.example) ![y](z) [x]: http://evil.example <http://evil.example>",
    "http://evil.example www.evil.example www.1.example HTTPS://evil.example m@evil.example mailto:m@evil.example",
    "@everyone @org/team a@b #1 org/repo#1 $x$ $$x$$ :smile:",
    "\x1b[2J\x1b]8;;http://evil.example\x07click\x1b]8;;\x07 \r over \x00 \x7f \x9b31m",
    "\u202egnp.exe\u2066\u2069\u200f\u200b\ufeff\U000e0041 \ud800",
    "line one\nline two\u2028line three\x85line four\x0b\x0c",
    "w" * 10_000,
    "",
    "   ",
    "\u200b",
]


def seen(show: Any, *args: Any, **options: Any) -> str:
    """What is printed, without white space at the ends of lines."""
    console = Console(file=io.StringIO(), width=80, highlight=False, **options)
    show(console, *args)
    printed = console.file.getvalue()
    return "\n".join(line.rstrip() for line in printed.split("\n"))


def difference(*rows: RowChange, drift: dict[str, Drift] | None = None, config: str = "default") -> Diff:
    changed = sum(row.before is not None and row.after is not None for row in rows)
    added = sum(row.before is None for row in rows)
    table = TableDiff(added, len(rows) - added - changed, changed, rows)
    return Diff("1.2.0", "1.3.0", {config: table}, drift or {})


def change(**columns: Any) -> Diff:
    return difference(RowChange("8f3a", ROW, {**ROW, **columns}))


def sides(text: str) -> list[tuple[str, str]]:
    """The two columns of a changed row, line by line."""
    return [
        (left.strip(), right.strip()) for left, _, right in (line.partition("│") for line in text.split("\n"))
    ]


def test_the_counts_come_first() -> None:
    """A table says how many rows of each config came, went and changed, between which versions."""
    diff = Diff("1.2.0", "1.3.0", {"default": TableDiff(3, 2, 1), "trace": TableDiff(0, 0, 0)}, {})
    lines = seen(hub_display.print_diff, diff).split("\n")
    assert lines[0].strip() == "Rows, 1.2.0 → 1.3.0"
    assert "│ default │     3 │       2 │       1 │" in lines
    assert "│ trace   │     0 │       0 │       0 │" in lines
    assert "default: … and 3 more added, 2 more removed, 1 more changed" in lines


def test_added_and_removed_rows_are_short_blocks() -> None:
    """They show the columns that tell what a row is, long ones cut."""
    long = {**ROW, "response": "word " * 1000}
    text = seen(
        hub_display.print_diff, difference(RowChange("new1", None, ROW), RowChange("old1", long, None))
    )
    assert (
        "default: added new1\nuse_case: creative writing\nskills: poetry, humour\ninstruction: Write a poem"
        in text
    )
    assert (
        f"default: removed old1\n{text.partition('removed old1')[2][1:]}".count("word")
        == words.SHOWN_LENGTH // 5
    )
    assert "more" not in text


def test_a_row_without_telling_columns_shows_all_it_has() -> None:
    """A config of other columns is shown too."""
    text = seen(
        hub_display.print_diff, difference(RowChange("x", None, {"id": "x", "b": 2, "a": [1.5, None]}))
    )
    assert "default: added x\na: [1.5, null]\nb: 2\n" in text


def test_a_changed_row_is_shown_side_by_side() -> None:
    """Only the columns that differ are there, with signs around the words that differ."""
    text = seen(hub_display.print_diff, change(instruction="Write a poem about the lake", gap=2.0))
    lines = sides(text)
    assert ("before: 1.2.0", "after: 1.3.0") in lines
    assert ("instruction", "") in lines
    assert ("Write a poem about the [-sea-]", "Write a poem about the {+lake+}") in lines
    assert ("[-1.5-]", "{+2.0+}") in lines
    assert not {"response", "use_case", "skills", "id"} & {left for left, _ in lines}
    assert max(map(len, text.split("\n"))) <= 80


def test_colours_stand_for_signs_where_there_are_any() -> None:
    """On a colour terminal the words are coloured; with NO_COLOR the signs are back."""
    diff = change(instruction="Write a poem about the lake")
    coloured = seen(hub_display.print_diff, diff, force_terminal=True, color_system="standard")
    assert "\x1b[1;31msea\x1b[0m" in coloured
    assert "\x1b[1;32mlake\x1b[0m" in coloured
    assert "[-" not in coloured
    plain = seen(hub_display.print_diff, diff, force_terminal=True, color_system="standard", no_color=True)
    assert "[-sea-]" in plain
    assert "{+lake+}" in plain


def test_long_unchanged_stretches_are_elided() -> None:
    """Around a change stay a few words, at the beginning, between two changes and at the end."""
    long = " ".join(f"w{n}" for n in range(100))
    runs = words.word_diff(f"{long} old {long} old {long}", f"{long} new {long} new {long}")
    near = ["… w94 w95 w96 w97 w98 w99", "w0 w1 w2 w3 w4 w5 … w94 w95 w96 w97 w98 w99", "w0 w1 w2 w3 w4 w5 …"]
    assert [run.before.strip() for run in runs] == [near[0], "old", near[1], "old", near[2]]
    assert [run.after.strip() for run in runs] == [near[0], "new", near[1], "new", near[2]]


def test_a_rewritten_text_is_cut() -> None:
    """Of ten thousand words that all differ a few lines are shown, and the number of the others is said."""
    before, after = (" ".join(f"{side}{n}" for n in range(10_000)) for side in "ba")
    text = seen(hub_display.print_diff, change(response=f"{ROW['response']} {after}"))
    assert text.count("\n") < 60
    runs = words.word_diff(before, after)
    assert [run.before.split()[-1] for run in runs] == ["…", "words"]
    assert runs[-1].before == runs[-1].after == " … 9600 more words"
    longer = words.word_diff("x", after)[-1]
    assert (longer.before, longer.after) == ("", " … 9600 more words")


def test_repeated_words_are_compared_in_no_time() -> None:
    """Text that a word-by-word comparison is slow on ends all the same."""
    before, after = "x " + "a b c d " * 50_000, "y " + "d c b a " * 50_000
    assert any(not run.same for run in words.word_diff(before, after))


def test_chinese_is_compared_by_character() -> None:
    """A script without spaces is no single word."""
    text = seen(hub_display.print_diff, change(instruction="写一首关于湖的诗"))
    assert "{+写一首关于湖的诗+}" in text.replace(" ", "")
    runs = words.word_diff("写一首关于海的诗", "写一首关于湖的诗")
    assert [(run.same, run.before, run.after) for run in runs] == [
        (True, "写一首关于", "写一首关于"),
        (False, "海", "湖"),
        (True, "的诗", "的诗"),
    ]


def test_chats_and_lists_are_readable() -> None:
    """Messages are shown as turns and names with commas, not as JSON."""
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello there"}]
    before, after = {"messages": turns[:1], "skills": ["a", "b"]}, {"messages": turns, "skills": ["a", "c"]}
    lines = sides(seen(hub_display.print_diff, difference(RowChange("x", before, after))))
    assert ("user: Hi", "user: Hi {+assistant: Hello there+}") in lines
    assert ("a, [-b-]", "a, {+c+}") in lines


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("a\u202eb", "ab", ("[-'a\\u202eb'-]", "{+'ab'+}")),
        ("a  b", "a b", ("'a [-\\x20b'-]", "'a {+b'+}")),
        ("a\nb", "a b", ("[-'a\\nb'-]", "{+'a b'+}")),
        ("1", 1, ("[-'1'-]", "{+1+}")),
        ("none", None, ("[-'none'-]", "{+None+}")),
        (None, "text", ("[-none-]", "{+text+}")),
        ("text", "", ("[-text-]", "")),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(before: Any, after: Any, shown: tuple[str, str]) -> None:
    """Values that differ in white space, type or hidden characters only are written in ASCII."""
    row = difference(RowChange("x", {"value": before}, {"value": after}))
    assert shown in sides(seen(hub_display.print_diff, row))


def test_values_that_are_the_same_are_not_shown() -> None:
    """Not a number equals itself here, and a column that is missing equals one that is null."""
    nan = float("nan")
    text = seen(
        hub_display.print_diff, difference(RowChange("x", {"gap": nan}, {"gap": float("nan"), "note": None}))
    )
    assert "no value differs" in text


TEXTS = st.text(max_size=30) | st.lists(st.sampled_from(["a", "b", "the", "海", " ", "\n"])).map(" ".join)


@given(TEXTS, TEXTS)
def test_the_signs_undo_to_the_two_texts(before: str, after: str) -> None:
    """What is the same and what is before make up the text before, what is the same and what is after the other."""
    runs = words.word_diff(before, after)
    assert bool(runs) == (before != after)
    visible = ["".join(words.single_line(text).split()) for text in (before, after)]
    if visible[0] != visible[1] and not any("…" in run.before + run.after for run in runs):
        assert "".join("".join(run.before for run in runs).split()) == visible[0]
        assert "".join("".join(run.after for run in runs).split()) == visible[1]
        assert all("".join(run.before.split()) == "".join(run.after.split()) for run in runs if run.same)


MOVED = {
    "use_case": Drift(
        0.12345,
        (Share("poetry", 0.5, 0.305),),
        (Share("cooking", 0, 0.0004),),
        (Share("law", 0.02, 0),),
        12,
        1,
    ),
    "skills": STILL,
}


def test_the_drift_is_in_percent() -> None:
    """Divergence to three decimals, then what moved, what is new with how many more, and what vanished."""
    text = seen(hub_display.print_diff, difference(drift=MOVED))
    assert "use cases: Jensen–Shannon divergence 0.123, 12 new, 1 vanished" in " ".join(text.split())
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in text.split("\n") if line.startswith("│")
    ]
    assert rows[1:] == [
        ["poetry", "50.0 %", "30.5 %", ""],
        ["cooking", "0.0 %", "< 0.1 %", "new"],
        ["… and 11 more", "", "", "new"],
        ["law", "2.0 %", "0.0 %", "vanished"],
    ]
    assert "\nskills: Jensen–Shannon divergence 0.000, 0 new, 0 vanished\n" in text


def test_the_log_is_one_table() -> None:
    """Version, day, commit, rows with what changed, message, author and models of each entry fit in 80 columns."""
    first = LogEntry("1.2.0", "fedcba98", NOON, "bob", "", {"default": 103}, {"trace": {"removed": 9}}, {})
    text = seen(hub_display.print_log, [ENTRY, first])
    assert text.count("┏") == 1
    for words_ in (
        "1.3.0",
        "2026-11-23",
        "01234567",
        "default 120 +20 -3",
        "trace 400",
        "Add cooking",
        "by alice",
    ):
        assert words_ in text
    assert "strong: org/large" in text
    assert "trace 0 -9" in text
    assert "(no message)" in text
    assert "0123456789" not in text
    assert max(map(len, text.split("\n"))) <= 80


def test_an_empty_log_says_so() -> None:
    """No table is drawn around nothing."""
    assert seen(hub_display.print_log, []) == "no version yet\n"


def test_a_blame_says_where_a_row_comes_from() -> None:
    """Version, commit, time, author, first version, models, prompts, seeds and who gave, then the row."""
    assert seen(hub_display.print_blame, BLAME) == (
        "default: 8f3a\n"
        "as it is since 1.3.0: 01234567, 2026-11-23 12:05 UTC, by alice\n"
        "first in 1.0.0\n"
        "strong: org/large\n"
        "prompt encode: ab12\n"
        "seeds, source: seeds.jsonl\n"
        "seeds, rows: 4\n"
        "use_case: creative writing\n"
        "skills: poetry, humour\n"
        "instruction: Write a poem about the sea\n"
        "response: The sea is wide and the sea is blue\n"
    )


def everywhere(text: str) -> Iterator[str]:
    """All that is printed when a text stands at every place where data may stand."""
    row = {"id": text, "instruction": text, "use_case": text, "skills": [text], text: text}
    chat = {"id": text, "messages": [{"role": text, "content": text}], text: {text: text}}
    rows = (RowChange(text, None, row), RowChange(text, row, None), RowChange(text, chat, row))
    share = Share(text, 0.5, 0.5)
    drift = {"skills": Drift(0.5, (share,), (share,), (share,), 2, 2)}
    changes = {text: {"added": 1}}
    by_text = {text: text}
    entry = LogEntry(text, text, NOON, text, text, {text: 1}, changes, by_text)
    blame = Blame(text, text, text, text, NOON, text, text, row, by_text, by_text, {text: [text]})
    yield seen(hub_display.print_diff, Diff(text, text, difference(*rows, config=text).tables, drift))
    yield seen(hub_display.print_log, [entry])
    yield seen(hub_display.print_blame, blame)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_plain_text_on_a_terminal(text: str) -> None:
    """No control sequence, no turned direction, no half character, no markup of its own, no flood."""
    for printed in everywhere(text):
        assert not re.search(
            r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800]", printed
        )
        assert len(printed) < 25_000
        printed.encode()


def test_markup_is_shown_as_it_is() -> None:
    """Brackets, backslashes and names of emoji stand where they stood."""
    use_case = "[bold]loud[/bold] \\[/] :smile:"
    diff = difference(drift={"use_case": Drift(0.5, (Share(use_case, 0.5, 0.2),), (), (), 0, 0)})
    assert use_case in seen(hub_display.print_diff, diff)
    assert f"use_case: {use_case}\n" in seen(
        hub_display.print_diff, difference(RowChange("x", None, {"use_case": use_case}))
    )


def rendered(markdown: str) -> tuple[list[str], list[list[str]]]:
    """The kinds of elements in a Markdown text, and the words of the cells of its last table, row by row."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    kinds = [token.type for token in tokens] + [
        child.type for token in tokens for child in token.children or []
    ]
    rows: list[list[str]] = []
    for token in tokens[max(n for n, token in enumerate(tokens) if token.type == "table_open") :]:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows:
            rows[-1].append("".join(child.content for child in token.children or []).replace("\u2060", ""))
    return kinds, rows


def described(text: str) -> str:
    drift = {"use_case": Drift(0.5, (Share(text, 0.5, 0.25),), (), (Share(text, 0.25, 0),), 0, 4)}
    return description.markdown(Diff(text, text, {text: TableDiff(1, 2, 3)}, drift))


def test_a_pull_request_says_what_changed() -> None:
    """Counts by config and the drift, as tables of GitHub-flavoured Markdown."""
    diff = Diff("1.2.0", "1.3.0", {"default": TableDiff(3, 2, 1), "trace": TableDiff(0, 0, 0)}, MOVED)
    assert description.markdown(diff) == (
        "Rows, 1.2.0 → 1.3.0:\n\n"
        "| config | added | removed | changed |\n|---|---:|---:|---:|\n"
        "| default | 3 | 2 | 1 |\n| trace | 0 | 0 | 0 |\n\n"
        "use cases: Jensen–Shannon divergence 0.123, 12 new, 1 vanished\n\n"
        "| use cases | before | after | |\n|---|---:|---:|---|\n"
        "| poetry | 50.0 % | 30.5 % |  |\n| cooking | 0.0 % | < 0.1 % | new |\n"
        "| … and 11 more |  |  | new |\n| law | 2.0 % | 0.0 % | vanished |\n\n"
        "skills: Jensen–Shannon divergence 0.000, 0 new, 0 vanished\n"
    )


def check_plain(text: str) -> None:
    """The text is nothing but words of the cells it belongs to."""
    markdown = described(text)
    kinds, rows = rendered(markdown)
    harmless = r"(paragraph|table|thead|tbody|tr|th|td)_(open|close)|inline|text|text_special"
    assert [kind for kind in kinds if not re.fullmatch(harmless, kind)] == []
    assert kinds.count("table_open") == 2
    name = words.display_name(text)
    assert rows == [
        ["use cases", "before", "after", ""],
        [name, "50.0 %", "25.0 %", ""],
        [name, "25.0 %", "0.0 %", "vanished"],
        ["… and 3 more", "", "", "vanished"],
    ]
    assert len(markdown) < 2_000
    assert not re.search(r"[@#][^\u2060]|://|www\.\w|\$\$", markdown, re.I)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_plain_text_in_a_pull_request(text: str) -> None:
    """Pipes, backticks, HTML, links, mentions, line breaks and floods stay words in their cell."""
    check_plain(text)


@given(st.text(max_size=40) | st.text("|\\`*_~<>[]()!#@&;:/.$-+=w \n\t1a", max_size=40))
def test_any_text_is_plain_text_in_a_pull_request(text: str) -> None:
    """Whatever the characters, a Markdown parser finds the words again and nothing else."""
    check_plain(text)
