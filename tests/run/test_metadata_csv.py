"""Metadata as a CSV file: nothing is lost on the way to a spreadsheet and back, and mistakes are told by line."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeclm_hf import BadInput
from codeclm_hf.run.metadata_csv import COLUMNS, MOST_PROBLEMS, Edits, from_csv, to_csv
from codeclm_hf.stages.encode import metadata_row

Row = dict[str, Any]
BOM = b"\xef\xbb\xbf"


def row(use_case: str, *skills: str, rubrics: tuple[str, ...] = ("r1", "r2"), origin: str = "seed") -> Row:
    made = metadata_row(use_case, list(skills), origin=origin, seed_ids=["s"])
    return {**made, "rubrics": list(rubrics), "actions": [f"do {rubric}" for rubric in rubrics]}


POEM, CODE, FAILED = row("poetry", "rhyme", "metre"), row("code", "SQL"), row("x", "y")
FAILED |= {"use_case": None, "skills": [], "rubrics": [], "actions": [], "error": "encode: why"}
TABLE = [POEM, CODE, FAILED]


def written(*lines: dict[str, str], columns: tuple[str, ...] = COLUMNS, **how: Any) -> bytes:
    """A file as a spreadsheet writes it."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, **how)
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()


def line(of: Row, **cells: str) -> dict[str, str]:
    """A row of the file, with some cells as somebody typed them."""
    plain = {name: "\n".join(of[name]) if isinstance(of[name], list) else of[name] for name in COLUMNS}
    return plain | cells


def read(content: bytes, table: list[Row] = TABLE) -> Edits:
    return from_csv(content, table, source="m.csv")


def mistake(content: bytes, table: list[Row] = TABLE) -> str:
    with pytest.raises(BadInput) as caught:
        read(content, table)
    assert "\n" not in str(caught.value)
    return str(caught.value)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.sampled_from(
    ["=1+1", "'=x", "''", "-a", "[1]", '["a"]', "a\nb", " a ", "a\rb", 'say "hi"', "a;b", "a,b", "12", "1e5", "TRUE"]
)  # fmt: skip
ROWS = st.lists(
    st.builds(
        lambda use_case, skills, rubrics, origin: row(
            use_case, *skills, rubrics=tuple(rubrics), origin=origin
        ),
        TEXT,
        st.lists(TEXT, min_size=1, max_size=3),
        st.lists(TEXT, max_size=3),
        st.sampled_from(["seed", "given", "augmented"]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda one: one["metadata_id"],
)


@settings(max_examples=200)
@given(ROWS)
def test_what_is_not_edited_comes_back_as_it_was(rows: list[Row]) -> None:
    """Whatever the texts hold: line breaks, quotes, what looks like a formula, a number or JSON."""
    assert read(to_csv(rows), rows) == Edits(rows, [one["metadata_id"] for one in rows], 0, 0)


@settings(max_examples=100)
@given(ROWS)
def test_no_cell_is_a_formula_or_a_number(rows: list[Row]) -> None:
    """A spreadsheet shows each as text; an id of digits alone would lose some of them."""
    for cells in csv.reader(io.StringIO(to_csv(rows).decode("utf-8-sig"), newline="")):
        for cell in cells:
            assert not cell.startswith(("=", "+", "-", "@"))
            assert not cell.replace(".", "").replace(",", "").isdecimal()


def test_the_file_is_what_a_spreadsheet_opens() -> None:
    """With a byte order mark, a texts' line each, and no row for what failed."""
    assert (
        to_csv(TABLE)
        == BOM
        + (
            "metadata_id,origin,use_case,skills,rubrics,actions\r\n"
            f'{POEM["metadata_id"]},seed,poetry,"rhyme\nmetre","r1\nr2","do r1\ndo r2"\r\n'
            f'{CODE["metadata_id"]},seed,code,SQL,"r1\nr2","do r1\ndo r2"\r\n'
        ).encode()
    )


@pytest.mark.parametrize(
    "content",
    [
        written(line(POEM), line(CODE)),
        written(line(CODE), line(POEM)),
        BOM + written(line(POEM), line(CODE), delimiter=";"),
        written(line(POEM), line(CODE), delimiter="\t"),
        written(line(POEM), line(CODE), lineterminator="\n"),
        written(line(POEM), line(CODE)).replace(b"\n", b"\r\n").replace(b"\r\r", b"\r"),
        written(line(POEM), line(CODE), quoting=csv.QUOTE_ALL),
        written(line(POEM), line(CODE), columns=tuple(reversed(COLUMNS))),
        written(line(POEM), line(CODE)) + b",,,,,\r\n\r\n,,,,,,,,\r\n",
    ],
    ids=["commas", "sorted", "semicolons", "tabs", "Unix", "line ends", "quotes", "columns", "empty rows"],
)
def test_what_spreadsheets_do_to_a_file_is_no_edit(content: bytes) -> None:
    """Another separator, other line ends, more quotes, rows and columns in another order, empty rows."""
    assert read(content) == Edits(TABLE, [one["metadata_id"] for one in TABLE], 0, 0)


def test_other_names_make_another_row() -> None:
    """Its id follows from them; its seeds and its origin stay, and so do rubrics."""
    made = read(written(line(POEM, use_case="Limericks", skills="rhyme\n humour \n"), line(CODE)))
    renamed = metadata_row("Limericks", ["rhyme", "humour"], origin="seed", seed_ids=["s"])
    assert made.rows == [{**renamed, "rubrics": POEM["rubrics"], "actions": POEM["actions"]}, CODE, FAILED]
    assert made.originals == [one["metadata_id"] for one in TABLE]
    assert (made.edited, made.removed) == (1, 0)


def test_rubrics_and_actions_are_edited_under_the_same_id() -> None:
    """Also to none, so that they are written anew; what failed before counts no more."""
    made = read(
        written(line(POEM, rubrics="is hard", actions="make it so"), line(CODE, rubrics="", actions=""))
    )
    assert made.rows[0] == {**POEM, "rubrics": ["is hard"], "actions": ["make it so"]}
    assert made.rows[1] == {**CODE, "rubrics": [], "actions": []}
    assert made.edited == 2
    (again,) = read(written(line(POEM)), [{**POEM, "error": "rubrics: why"}]).rows
    assert again == POEM


def test_a_deleted_row_is_left_out() -> None:
    """What failed stays, for the record."""
    assert read(written(line(CODE))) == Edits(
        [CODE, FAILED], [CODE["metadata_id"], FAILED["metadata_id"]], 0, 1
    )


def test_a_list_may_be_json() -> None:
    """As it is where a text has lines; what merely begins with a bracket is text."""
    made = read(written(line(POEM, rubrics='["a\\nb", "c"]', actions="[do] a\n[do] c")))
    assert (made.rows[0]["rubrics"], made.rows[0]["actions"]) == (["a\nb", "c"], ["[do] a", "[do] c"])


POEM_ID, CODE_ID = POEM["metadata_id"], CODE["metadata_id"]
MISTAKES = [
    (line(POEM, metadata_id=""), "the metadata_id is empty; write new rows into a file for --metadata"),
    (line(POEM, metadata_id="zzz"), "there is no metadata_id zzz"),
    (
        line(POEM, metadata_id=POEM_ID[:-1]),
        f"there is no metadata_id {POEM_ID[:-1]}; did you mean {POEM_ID}?",
    ),
    (line(FAILED, use_case="x", origin="seed"), f"there is no metadata_id {FAILED['metadata_id']}"),
    (line(POEM, use_case="  "), "the use case is empty; to leave the metadata out, delete the row"),
    (line(POEM, skills=" \n"), "there are no skills; write one a line"),
    (line(POEM, skills="[1, 2]"), "the skills need a list of texts"),
    (line(POEM, rubrics='[""]'), "the rubrics need a list of texts"),
    (line(POEM, rubrics="r1"), "there are 1 rubrics and 2 actions; each rubric needs its action"),
    (line(POEM, actions=""), "there are 2 rubrics and 0 actions"),
    (line(POEM, origin="given"), "the origin was seed, which cannot be edited"),
    (line(POEM, use_case="a\nb"), "the use case `a b` needs one line of at most 80 characters"),
    (line(POEM, skills="a" * 81), "the skill `aaaaaaaaaaaaaaaaaaaa…` needs one line"),
    (line(POEM, use_case="code", skills="SQL"), "the use case and skills are those of line 2; delete one"),
    (line(CODE), f"the metadata_id {CODE_ID} is on line 2 already"),
]


@pytest.mark.parametrize(("wrong", "words"), MISTAKES, ids=[words[:40] for _, words in MISTAKES])
def test_a_mistake_is_told_with_its_line(wrong: dict[str, str], words: str) -> None:
    """Lines are those of the file, also behind cells of several lines."""
    assert f"m.csv has mistakes: line 5: {words}" in mistake(written(line(CODE), wrong))


def test_lines_are_counted_in_the_file() -> None:
    """A row begins on the line where an editor shows it."""
    content = written(line(POEM), line(CODE, skills=""))
    number = (
        content.decode().splitlines().index(next(at for at in content.decode().splitlines() if CODE_ID in at))
        + 1
    )
    assert number == 6
    assert f"line {number}: there are no skills" in mistake(content)


def test_all_mistakes_are_told_at_once_up_to_a_handful() -> None:
    """The first ones in full, and how many more there are."""
    table = [row(f"use {n}", "a") for n in range(12)]
    words = mistake(written(*(line(one, skills="") for one in table)), table)
    assert words.count("there are no skills") == MOST_PROBLEMS == 8
    assert words.endswith("; and 4 more")


def test_two_mistakes_of_one_row_are_both_told() -> None:
    """So that nobody imports twice for one row."""
    words = mistake(written(line(POEM, use_case="", skills="")))
    assert "line 2: the use case is empty" in words
    assert "line 2: there are no skills" in words


BAD_FILES = [
    (b"", "m.csv is empty"),
    (BOM + b"\r\n", "m.csv is empty"),
    (written(columns=COLUMNS), "needs one metadata row at least; m.csv has none"),
    (
        written(columns=COLUMNS[:-1]),
        "needs the columns metadata_id, origin, use_case, skills, rubrics, actions; m.csv lacks `actions`",
    ),
    (
        written(columns=(*COLUMNS[:-1], "action")),
        "m.csv lacks `actions`, has `action`; did you mean actions?",
    ),
    (written(columns=(*COLUMNS, "note")), "m.csv has `note`"),
    (written(columns=COLUMNS).replace(b"origin", b"skills"), "lacks `origin`, has `skills` twice"),
    (to_csv(TABLE).decode("utf-8-sig").encode("utf-16"), "m.csv is UTF-16; save it as CSV UTF-8"),
    (
        written(line(CODE, use_case="caf"), line(POEM)).replace(b"caf", b"caf\xe9"),
        "needs text in UTF-8; line 2 of m.csv is not; save it as CSV UTF-8",
    ),
    (written(line(CODE)) + b'a,"b\r\n', "line 5: the row is not CSV"),
    (
        written(line(CODE)).replace(b"do r2", b"x").rstrip() + b",more\r\n",
        "line 2: the row has 7 cells, the header 6",
    ),
]


@pytest.mark.parametrize(("content", "words"), BAD_FILES, ids=[words[-40:] for _, words in BAD_FILES])
def test_a_file_that_is_no_such_table_is_refused(content: bytes, words: str) -> None:
    """What it lacks, has besides, or is written in."""
    assert words in mistake(content)


def test_a_row_may_end_early() -> None:
    """Spreadsheets leave out empty cells at a row's end."""
    bare = {**CODE, "rubrics": [], "actions": []}
    content = written(line(bare)).rstrip(b",\r\n")
    assert read(content, [bare]) == Edits([bare], [CODE_ID], 0, 0)
