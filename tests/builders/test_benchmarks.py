"""Evaluation sets, read from files and from the Hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codeclm_hf.builders import load_benchmark
from codeclm_hf.builders.benchmarks import Source, parse_source
from codeclm_hf.errors import BadInput
from support.hub_server import Hub

TEXTS = ("How far is the Moon?", "Who wrote the Iliad?", "Why is 水 wet?")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's cache stays untouched."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def json_lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(path: Path, column: str, texts: tuple[str, ...] = TEXTS) -> Path:
    """Write texts in the format that the suffix names."""
    rows = [{column: text, "answer": str(n)} for n, text in enumerate(texts)]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        path.write_text(f"{column},answer\n" + "".join(f'"{row[column]}",{row["answer"]}\n' for row in rows))
    elif path.suffix == ".txt":
        path.write_text("".join(f"{text}\n" for text in texts))
    else:
        path.write_text(json.dumps(rows) if path.suffix == ".json" else json_lines(rows))
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet", ".txt"])
@pytest.mark.parametrize("column", ["question", "instruction", "prompt", "input", "text", "problem"])
def test_every_format_and_every_likely_column(tmp_path: Path, suffix: str, column: str) -> None:
    """All rows are read, whatever the file is, with the column named or not."""
    path = write(tmp_path / f"exam{suffix}", column)
    read = load_benchmark(str(path))
    assert (read.name, tuple(filter(None, read.texts))) == (path.name, TEXTS)
    if suffix != ".txt":
        named = load_benchmark(f"{path}:{column}")
        assert (named.name, named.texts) == (f"{path.name}:{column}", read.texts)


@pytest.mark.parametrize(
    ("column", "role", "text"), [("messages", "role", "content"), ("conversations", "from", "value")]
)
@pytest.mark.parametrize("named", [False, True])
def test_chats(tmp_path: Path, column: str, role: str, text: str, *, named: bool) -> None:
    """Of a chat, the user's first turn is what must not be trained on."""
    path = tmp_path / "chats.jsonl"
    path.write_text(json_lines([{column: [{role: "user", text: words}]} for words in TEXTS]))
    assert load_benchmark(f"{path}:{column}" if named else str(path)).texts == TEXTS


def test_a_pattern_is_named_without_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest and the card name no folder of this machine, also where the pattern is a relative one."""
    (tmp_path / "secret").mkdir()
    write(tmp_path / "secret" / "exam.jsonl", "question", TEXTS)
    monkeypatch.chdir(tmp_path)
    assert load_benchmark("secret/*.jsonl").name == "*.jsonl"


def test_a_row_has_the_number_that_it_has_in_its_file(tmp_path: Path) -> None:
    """Lines without a text, and texts that come again, leave their number free; files are counted on."""
    (tmp_path / "a.jsonl").write_text(
        json_lines([{"question": TEXTS[0]}]) + "\n{broken\n" + json_lines([{"question": TEXTS[1]}] * 2)
    )
    write(tmp_path / "b.jsonl", "question", TEXTS[2:])
    read = load_benchmark(str(tmp_path))
    assert read.name == tmp_path.name
    assert {number: text for number, text in enumerate(read.texts, 1) if text} == {
        1: TEXTS[0],
        4: TEXTS[1],
        5: TEXTS[2],
    }


@pytest.mark.parametrize(
    ("source", "place", "column"),
    [
        ("data.jsonl", "data.jsonl", None),
        ("data.jsonl:question", "data.jsonl", "question"),
        ("org/name", "org/name", None),
        ("org/name:question", "org/name", "question"),
        ("org/name@v1:question", "org/name@v1", "question"),
        ("hf://datasets/org/name/a.jsonl", "hf://datasets/org/name/a.jsonl", None),
        ("hf://datasets/org/name/a.jsonl:question", "hf://datasets/org/name/a.jsonl", "question"),
        ("https://host:8080/a.csv", "https://host:8080/a.csv", None),
        ("https://user:pass@host", "https://user:pass@host", None),
        ("https://host:8080/a.csv:question", "https://host:8080/a.csv", "question"),
        ("C:\\sets\\a.jsonl", "C:\\sets\\a.jsonl", None),
        ("C:/sets/a.jsonl:question", "C:/sets/a.jsonl", "question"),
        ("./here:1.jsonl", "./here:1.jsonl", None),
        ("here:1.jsonl:question", "here:1.jsonl", "question"),
        ("here:1.jsonl:a/b: c", "here:1.jsonl", "a/b: c"),
    ],
)
def test_which_colon_begins_a_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, place: str, column: str | None
) -> None:
    """Those of addresses, drives and names of files begin none."""
    monkeypatch.chdir(tmp_path)
    Path("here:1.jsonl").touch()
    assert parse_source(source) == Source(place, column)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "exam.jsonl:task",
            "needs a column `task`; exam.jsonl has `question`, `answer`; write the column after a colon",
        ),
        (
            "exam.jsonl:answer",
            "needs texts of 3 words and more in the evaluation set exam.jsonl:answer; the longest is `0`",
        ),
        ("two.jsonl", "write the column after a colon, as in two.jsonl:NAME"),
        ("empty.jsonl", "empty.jsonl holds no row"),
        ("blank.jsonl:question", "there is none"),
        ("none.jsonl", "there is no `none.jsonl`"),
        ("exam.xlsx", "needs a file that ends in one of"),
        ("exam.jsonl:", "needs a file or data set, and a column after a colon"),
        (":question", "needs a file or data set, and a column after a colon"),
        ("", "came an empty name"),
        (" ", "came an empty name"),
        ("https://user:hunter2@127.0.0.1:9/a.csv", "cannot read 127.0.0.1/a.csv"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, says: str) -> None:
    """It is refused in one line that says what to do, and holds no secret."""
    monkeypatch.chdir(tmp_path)
    write(Path("exam.jsonl"), "question")
    Path("two.jsonl").write_text(json_lines([{"question": "a", "prompt": "b"}]))
    Path("blank.jsonl").write_text(json_lines([{"question": " "}]))
    for name in ("empty.jsonl", "exam.xlsx"):
        Path(name).touch()
    with pytest.raises(BadInput) as refused:
        load_benchmark(source)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("splits", "read"),
    [(("train", "test"), "test"), (("train", "validation"), "validation"), (("train",), "train")],
)
def test_a_data_set_on_the_hub(hub: Hub, splits: tuple[str, ...], read: str) -> None:
    """The split that people evaluate on is read, and where there is none, all that there is."""
    hub.add(
        "org/exam",
        {
            f"{split}.jsonl": json_lines([{"question": f"{text} ({split})"} for text in TEXTS]).encode()
            for split in splits
        },
    )
    benchmark = load_benchmark("org/exam:question")
    assert benchmark.name == "org/exam:question"
    assert benchmark.texts == tuple(f"{text} ({read})" for text in TEXTS)


def test_a_data_set_of_several_configurations(hub: Hub) -> None:
    """Its name alone does not say what to read; the error says how to name one, which is then read."""
    configs = "".join(f"- config_name: {name}\n  data_files: {name}/*.jsonl\n" for name in ("main", "other"))
    files = {
        f"{name}/test-1.jsonl": json_lines([{"question": TEXTS[0]}]).encode() for name in ("main", "other")
    }
    hub.add("org/many", {"README.md": f"---\nconfigs:\n{configs}---\n".encode(), **files})
    with pytest.raises(BadInput) as refused:
        load_benchmark("org/many:question")
    assert str(refused.value) == (
        "needs one configuration of org/many, which has several; name its files, "
        "as in hf://datasets/org/many/CONFIG/test-*.parquet:question"
    )
    read = load_benchmark("hf://datasets/org/many/main/test-*.jsonl:question")
    assert read.texts == TEXTS[:1]
    assert read.name == "org/many/main/test-*.jsonl:question"


def test_a_data_set_that_is_not_on_the_hub(hub: Hub) -> None:
    """It is refused in one line."""
    with pytest.raises(BadInput, match="there is no `org/none` here, and the Hub's cannot be read"):
        load_benchmark("org/none:question")


def test_rows_that_hold_no_text_are_told(tmp_path: Path) -> None:
    """A broken line is no reason to stop, but somebody should know that its question is not compared with."""
    rows = [
        '{"question": "Which planet is the largest of all, and how large is it?"}',
        "{bad",
        '{"question": 7}',
    ]
    path = tmp_path / "exam.jsonl"
    path.write_text("\n".join(rows))
    found = load_benchmark(f"{path}:question")
    assert found.texts[0] and not any(found.texts[1:])
    assert found.unreadable.startswith(
        "2 rows hold no text and cannot be compared with (exam.jsonl:2: the line is"
    )
    path.write_text(rows[0])
    assert load_benchmark(f"{path}:question").unreadable == ""
