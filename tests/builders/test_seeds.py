from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codeclm_hf import ids
from codeclm_hf.builders import SeedInstructions, formats, load_metadata, load_seeds
from codeclm_hf.builders.seed_pass import key_of
from codeclm_hf.errors import BadInput
from codeclm_hf.schema import SEEDS
from support.hub_server import Hub

TEXTS = ["Write a haiku about rain.", "Erkläre, was ein Atom ist.", 'Say "hi", then\nstop. \u2028 🌧']


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache stays untouched."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    return folder


def write_jsonl(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def write_csv(path: Path, rows: list[dict[str, Any]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def write_file(path: Path, texts: list[str]) -> str:
    """Writes the texts as the column `instruction` in the format that the suffix names."""
    rows = [{"n": n, "instruction": text} for n, text in enumerate(texts)]
    if path.suffix == ".csv":
        return write_csv(path, rows)
    if path.suffix == ".jsonl":
        return write_jsonl(path, rows)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text(json.dumps(rows), encoding="utf-8")
    return str(path)


def errors(data: datasets.Dataset) -> list[str | None]:
    return list(data["error"])


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_every_format_reads_the_same(tmp_path: Path, suffix: str) -> None:
    """Each format gives the same instructions, in order, with ids made of the instruction alone, and what was there."""
    seeds = load_seeds(write_file(tmp_path / f"seeds{suffix}", TEXTS))
    assert seeds.features == {**SEEDS, "n": datasets.Value("string" if suffix == ".csv" else "int64")}
    assert [int(n) for n in seeds["n"]] == [0, 1, 2]
    assert list(seeds["instruction"]) == TEXTS
    assert list(seeds["id"]) == [ids.row_id("seed", text) for text in TEXTS]
    assert errors(seeds) == [None] * 3


def test_upper_case_suffix(tmp_path: Path) -> None:
    """A suffix counts in any case."""
    write_file(tmp_path / "seeds.csv", TEXTS)
    (tmp_path / "seeds.csv").rename(tmp_path / "SEEDS.CSV")
    assert len(load_seeds(str(tmp_path / "SEEDS.CSV"))) == 3


def test_txt_is_one_instruction_a_line(tmp_path: Path) -> None:
    """A .txt file's lines are instructions whatever column is asked for, blank ones skipped but counted."""
    path = tmp_path / "seeds.txt"
    path.write_bytes("\ufeffOne.\r\n\r\n  Two. \n".encode())
    seeds = load_seeds(str(path), column="prompt")
    assert list(seeds["instruction"]) == ["One.", "Two."]
    assert list(seeds["source"]) == ["seeds.txt:1", "seeds.txt:3"]


def test_sources_name_lines_and_rows(tmp_path: Path) -> None:
    """A source is the line an editor shows in .jsonl and .csv, and the row's number in .json and .parquet."""
    (tmp_path / "a.jsonl").write_text('{"instruction": "1"}\n\n{"instruction": "3"}\n')
    (tmp_path / "b.csv").write_text('instruction\n"two\nlines"\n\nsix\n')
    write_file(tmp_path / "c.json", ["x", "y"])
    write_file(tmp_path / "d.parquet", ["z", "w"])
    expected = [
        "a.jsonl:1",
        "a.jsonl:3",
        "b.csv:2",
        "b.csv:5",
        "c.json:1",
        "c.json:2",
        "d.parquet:1",
        "d.parquet:2",
    ]
    assert list(load_seeds(str(tmp_path))["source"]) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"instruction": "A"}\n\n{"instruction": "B", "data": [1]}\n',
        '{"data": [{"instruction": "A"}, {"instruction": "B"}]}',
        '{"v": {"data": [0]}, "n": 1.5, "data": [{"instruction": "A"},\n {"instruction": "B"}], "more": [1]}',
        '\n [\n {"instruction": "A"}\n, {"instruction": "B"}\n ]\n',
        '{"data": [1], "instruction": "A"}\n{"data": [2], "instruction": "B"}',
    ],
)
def test_json_layouts(tmp_path: Path, text: str) -> None:
    """A .json file may be an array, an object with `data`, or JSON Lines."""
    (tmp_path / "seeds.json").write_text("\ufeff" + text, encoding="utf-8")
    assert list(load_seeds(str(tmp_path / "seeds.json"))["instruction"]) == ["A", "B"]


@pytest.mark.parametrize("wrap", ["[%s]", '{"data": [%s]}'])
def test_json_is_read_over_chunks(tmp_path: Path, wrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a chunk ends (in a number, an escape, a name), the rows come out whole."""
    rows = [{"instruction": f'{n} \\ "é\n" 🌧' * (n % 5 + 1), "n": -12.5e3 * n, "on": True} for n in range(40)]
    path = tmp_path / "seeds.json"
    path.write_text(wrap % ", ".join([json.dumps(row) for row in rows] + ["12345678", "null"]))
    for size in (1, 2, 3, 7, 64):
        monkeypatch.setattr(formats, "_CHUNK", size)
        found = list(formats.rows(str(path)))
        assert [row.cells for row in found] == [*rows, None, None]
        assert [row.error for row in found[-2:]] == [
            "the row is a number (12345678), needs an object",
            "the row is null, needs an object",
        ]


def test_folder_is_read_whole_and_sorted(tmp_path: Path) -> None:
    """A folder gives all its readable files, sorted, at any depth; hidden and other files are ignored."""
    for name in ("b.jsonl", "a/z.csv", ".hidden.jsonl", ".git/c.jsonl", "a/.x/d.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_file(tmp_path / name, [name])
    (tmp_path / "notes.md").write_text("no seeds")
    (tmp_path / "empty.txt").write_text("\n")
    seeds = load_seeds(str(tmp_path))
    assert list(seeds["instruction"]) == ["a/z.csv", "b.jsonl"]
    assert list(seeds["source"]) == ["a/z.csv:2", "b.jsonl:1"]


def test_name_with_wildcards_is_a_name(tmp_path: Path) -> None:
    """A file called like a glob pattern is that file."""
    write_file(tmp_path / "a.jsonl", ["other"])
    assert list(load_seeds(write_file(tmp_path / "[a]*.jsonl", ["this"]))["instruction"]) == ["this"]


BAD_LINES = {
    b'{"instruction": 5}': "the instruction is a number (5), needs text",
    b'{"instruction": null}': "the instruction is missing",
    b'{"prompt": "x"}': "the instruction is missing",
    b'{"instruction": " \\n"}': "the instruction is empty",
    b'{"instruction": true}': "the instruction is a truth value (true), needs text",
    b'{"instruction": ["x"]}': "the instruction is a list, needs text",
    b'{"instruction": {}}': "the instruction is an object, needs text",
    b'{"instruction": "\\ud83d"}': "the instruction holds characters that are not valid UTF-8",
    b'{"instruction": "caf\xe9"}': "the instruction holds characters that are not valid UTF-8",
    b'["instruction"]': "the row is a list, needs an object",
    b'{"instruction": "x"': "the line is not JSON (Expecting ',' delimiter)",
    b'{"instruction": ' + b"9" * 5000 + b"}": "the line is not JSON (Exceeds the limit",
    b"[" * 100_000: "the line is not JSON (",
}


def test_bad_rows_are_data(tmp_path: Path) -> None:
    """A row that cannot be used has no instruction and says why; the others are read."""
    path = tmp_path / "seeds.jsonl"
    path.write_bytes(
        b"\n".join([b'{"instruction": "first"}', *BAD_LINES, b'{"instruction": "last", "x": "\xff"}'])
    )
    seeds = load_seeds(str(path), column="instruction")
    assert [text for text in seeds["instruction"] if text] == ["first", "last"]
    assert errors(seeds)[0] is None
    assert errors(seeds)[-1] is None
    for number, error, expected in zip(range(2, 99), errors(seeds)[1:-1], BAD_LINES.values(), strict=False):
        assert error is not None
        assert error.startswith(expected)
        assert seeds[number - 1]["id"] == ids.row_id("seed", f"seeds.jsonl:{number}")
    assert len(seeds) == len(BAD_LINES) + 2


def test_bad_csv_rows_are_data(tmp_path: Path) -> None:
    """An unquoted comma, a broken quote and a missing cell are named; no half of an instruction gets through."""
    path = tmp_path / "seeds.csv"
    path.write_bytes(
        b'\xef\xbb\xbfn,instruction\n1,Write a poem, please\n2\n3,"a"b\n4,\xff\n5,fine,,\n6,"open\n7,x\n'
    )
    seeds = load_seeds(str(path))
    assert list(seeds["instruction"]) == [None, None, None, None, "fine", None]
    assert errors(seeds) == [
        "the row has 3 cells, the header 2; quote text with commas",
        "the instruction is missing",
        "the row is not CSV (',' expected after '\"')",
        "the instruction holds characters that are not valid UTF-8",
        None,
        "the row is not CSV (unexpected end of data)",
    ]


def test_long_csv_cell(tmp_path: Path) -> None:
    """A cell longer than the csv module's own limit is read."""
    text = "long " * 100_000
    assert load_seeds(write_file(tmp_path / "seeds.csv", [text]))[0]["instruction"] == text


def test_bad_parquet_values_are_data(tmp_path: Path) -> None:
    """Nulls, numbers and bytes that are not UTF-8 in a Parquet column fail their own rows only."""
    broken = pa.Array.from_buffers(pa.string(), 3, pa.array([b"ok", b"\xff", None], pa.binary()).buffers())
    pq.write_table(pa.table({"instruction": broken}), tmp_path / "seeds.parquet")
    assert errors(load_seeds(str(tmp_path / "seeds.parquet"))) == [
        None,
        "the instruction holds characters that are not valid UTF-8",
        "the instruction is missing",
    ]
    pq.write_table(pa.table({"instruction": [5]}), tmp_path / "numbers.parquet")
    assert errors(load_seeds(str(tmp_path / "numbers.parquet"))) == [
        "the instruction is a number (5), needs text"
    ]


def test_edited_file_is_read_anew(tmp_path: Path) -> None:
    """An edit shows even when size and time stay the same, and the first contents come back with their fingerprint."""
    path = tmp_path / "seeds.jsonl"
    first = load_seeds(write_file(path, ["one"]))
    time = path.stat().st_mtime_ns
    write_file(path, ["two"])
    os.utime(path, ns=(time, time))
    second = load_seeds(str(path))
    assert list(second["instruction"]) == ["two"]
    (tmp_path / "copy").mkdir()
    third = load_seeds(write_file(tmp_path / "copy/seeds.jsonl", ["one"]))
    assert third._fingerprint == first._fingerprint != second._fingerprint
    assert third.cache_files == first.cache_files


def test_column_override(tmp_path: Path) -> None:
    """Another column of the same file is another data set."""
    path = write_jsonl(tmp_path / "seeds.jsonl", [{"instruction": "a", "prompt": "b"}])
    assert load_seeds(path)[0]["instruction"] == "a"
    assert load_seeds(path, column="prompt")[0]["instruction"] == "b"


def test_builder_alone(tmp_path: Path, cache: Path) -> None:
    """The builder reads data files by itself, streaming too, and an empty one among them does no harm."""
    paths = [write_file(tmp_path / name, [name]) for name in ("a.jsonl", "c.csv")]
    (tmp_path / "b.jsonl").touch()
    builder = SeedInstructions(data_files=[paths[0], str(tmp_path / "b.jsonl"), paths[1]], validation=0.0)
    builder.download_and_prepare()
    assert list(builder.as_dataset(split="train")["source"]) == ["a.jsonl:1", "c.csv:2"]
    assert [row["instruction"] for row in builder.as_streaming_dataset(split="train")] == ["a.jsonl", "c.csv"]


def test_split_of_local_files(tmp_path: Path) -> None:
    """All rows of local files are the split "train", of which a slice can be taken."""
    path = write_file(tmp_path / "seeds.jsonl", TEXTS)
    assert list(load_seeds(path, split="train[1:]")["instruction"]) == TEXTS[1:]
    with pytest.raises(BadInput, match=r"split `tset`: no such one; there are `train`, .* mean test\?"):
        load_seeds(path, split="tset")
    with pytest.raises(BadInput, match="corresponds to no data"):
        load_seeds(path, split="train[:0]")


@pytest.mark.parametrize(
    ("columns", "hint"),
    [
        ({"prompt": "x", "answer": "y"}, r"`prompt`, `answer`; pass --column prompt$"),
        ({"Instruction": "x", "answer": "y"}, r"pass --column Instruction$"),
        ({"task text": "x", "n": 1}, r"pass --column 'task text'$"),
        ({"prompt": "x", "question": "y"}, r"pass --column NAME$"),
        ({"n": 1}, r"`n`; pass --column NAME$"),
    ],
)
def test_missing_column(tmp_path: Path, columns: dict[str, Any], hint: str) -> None:
    """A file without the column is refused with the columns it has and, when one is likely, its name."""
    table = pa.Table.from_pylist([columns])
    pq.write_table(table, tmp_path / "a.parquet")
    sources = [write_jsonl(tmp_path / "a.jsonl", ["no object", columns]), str(tmp_path / "a.parquet")]
    for source in sources:
        with pytest.raises(BadInput, match=r"^needs a column `instruction`; a\.\w+ has .*" + hint):
            load_seeds(source, column="instruction")


def test_missing_column_in_a_folder(tmp_path: Path) -> None:
    """One file of a folder without the column stops everything, and is named."""
    (tmp_path / "sub").mkdir()
    write_file(tmp_path / "a.jsonl", TEXTS)
    (tmp_path / "sub/b.csv").write_text("prompt;n\nx;1\n")
    with pytest.raises(BadInput, match=r"sub/b.csv has `prompt;n`"):
        load_seeds(str(tmp_path))


BAD_FILES = {
    "seeds.tsv": (b"instruction\nx", "ends in one of .jsonl, .json, .csv, .parquet, .txt"),
    "seeds": (b"x", "convert or rename it"),
    "empty.jsonl": (b"", "needs at least one instruction"),
    "blank.txt": (b"\n \n", "needs at least one instruction"),
    "empty.parquet": (b"", "needs at least one instruction"),
    "header.csv": (b"instruction\n", "needs at least one instruction"),
    "empty.json": (b" ", "needs at least one instruction"),
    "array.json": (b"[]", "needs at least one instruction"),
    "data.json": (b'{"data": []}', "needs at least one instruction"),
    "bad.csv": (b'"a"b,c\nx,y\n', "its header is not CSV"),
    "bad.parquet": (b"PAR1 no", "cannot read bad.parquet"),
    "utf16.txt": ("Grüße".encode("utf-16"), "save it as UTF-8"),
    "object.json": (b'{"a":\n1}', "needs an array of objects"),
    "text.json": (b'"x"', "needs an array of objects"),
    "cut.json": (b'[{"instruction": "x"}, {"instruc', "not JSON at or after row 2"),
    "comma.json": (b'[{"instruction": "x"} {}]', "`,` is missing"),
    "open.json": (b'[{"instruction": "x"}', "`,` is missing"),
    "two.json": (b'[{"instruction": "x"}]\n[]', "more text after the array's end"),
    "deep.json": (b'[{"instruction": "x"},' + b"[" * 100_000, "not JSON at or after row 2"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(tmp_path: Path, name: str, cache: Path) -> None:
    """A file that cannot be read at all is refused in one line, and no data set is left in the cache."""
    content, message = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput) as caught:
        load_seeds(str(tmp_path / name))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(cache.rglob("*.arrow"))


@pytest.mark.parametrize(
    "source", ["", "no/such/file", "./nothing", "nothing.jsonl", "org/name.csv", "json", "a b"]
)
def test_no_such_source(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is neither here nor a Hub id is refused without asking the Hub."""
    monkeypatch.chdir(tmp_path)
    write_file(tmp_path / "seeds.jsonl", TEXTS)
    with pytest.raises(BadInput, match=f"there is no `{source}`; check the path"):
        load_seeds(source)


def test_folder_without_seeds(tmp_path: Path) -> None:
    """A folder without any readable file is refused."""
    (tmp_path / "README.md").touch()
    with pytest.raises(BadInput, match=r"needs a folder with \.jsonl"):
        load_seeds(str(tmp_path))


def test_local_name_wins_over_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name like a Hub id that exists here is read here; with a revision, which only the Hub has, it is refused."""
    monkeypatch.chdir(tmp_path)
    Path("org/name").mkdir(parents=True)
    write_file(Path("org/name/seeds.jsonl"), TEXTS)
    assert load_seeds("org/name")[0]["source"] == "seeds.jsonl:1"
    with pytest.raises(BadInput, match="needs a Hub data set for the revision `v1`"):
        load_seeds("org/name", revision="v1")


@pytest.mark.parametrize("source", ["org/none", "none"])
def test_unknown_hub_id(hub: Hub, source: str) -> None:
    """An id that the Hub does not know is refused in one line with its name and revision."""
    with pytest.raises(BadInput) as refused:
        load_seeds(source, revision="v9")
    text = str(refused.value)
    assert text.startswith(
        f"needs a file, a folder or a Hub data set; there is no `{source}` here, and the Hub's"
    )
    assert "doesn't exist" in text
    assert text.endswith("the revision (`v9`)")
    assert "\n" not in text


def test_a_hub_that_drops_the_connection(hub: Hub) -> None:
    """A Hub that does not answer is a refusal in one line too."""
    hub.script = lambda seen: "drop"
    with pytest.raises(
        BadInput, match="there is no `org/none` here, and the Hub's cannot be read"
    ) as refused:
        load_seeds("org/none", revision="v9")
    assert "\n" not in str(refused.value)


# In a process of its own, since the Hub's client reads its address when it is imported; the client waits 23 s over
# its retries, which shows nothing.
HUB_PROGRAM = """
import sys, time
time.sleep = lambda seconds: None
from codeclm_hf.builders import load_seeds
from codeclm_hf.errors import BadInput
try:
    load_seeds(sys.argv[1], revision="v9")
except BadInput as exc:
    print(exc)
"""


def test_unreachable_hub(tmp_path: Path) -> None:
    """A Hub to which there is no connection is said to be out of reach, in one line."""
    env = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    env |= {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    output = subprocess.run(
        [sys.executable, "-c", HUB_PROGRAM, "org/none"],
        env=env, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=120,
    ).stdout  # fmt: skip
    assert "Couldn't reach 'org/none' on the Hub" in output
    assert output.count("\n") == 1


MEMORY_PROGRAM = """
import resource, sys, datasets
from codeclm_hf.builders import load_seeds
datasets.config.HF_DATASETS_CACHE = sys.argv[2]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
seeds = load_seeds(sys.argv[1])
print(len(seeds), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def write_large(path: Path) -> None:
    """Writes 50,001 rows, more than 200 MB: the Parquet file is one row group, the .json file one line."""
    text = "words" * 800
    texts = [f"{n:05} {text}" for n in range(50_001)]
    if path.suffix == ".parquet":
        table = pa.table({"instruction": texts})
        pq.write_table(table, path, compression="none", use_dictionary=False, row_group_size=len(table))
        return
    start, between, end = ("", "\n", "\n") if path.suffix == ".jsonl" else ("[", ",", "]")
    with path.open("w") as file:
        file.write(start)
        file.writelines(f'{between * bool(n)}{{"instruction": "{text}"}}' for n, text in enumerate(texts))
        file.write(end)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units elsewhere")
@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
def test_large_file_does_not_fill_memory(tmp_path: Path, suffix: str) -> None:
    """A 200 MB file is read with less than 150 MB more than the imports take."""
    path = tmp_path / f"seeds{suffix}"
    write_large(path)
    assert path.stat().st_size > 200_000_000
    program = [sys.executable, "-c", MEMORY_PROGRAM, str(path), str(tmp_path / "cache")]
    out = subprocess.run(program, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    count, grown = map(int, out.split())
    assert count == 50_001
    assert grown < 150
    shutil.rmtree(tmp_path)  # pytest keeps the folders of three runs


# before Python 3.11 the csv module cannot write the character NUL
usable = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(usable, min_size=1, max_size=8, unique_by=key_of))
def test_written_rows_come_back(cache: Path, texts: list[str]) -> None:
    """What is written as JSON Lines or CSV is read back as it was."""
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        for suffix in (".jsonl", ".csv", ".json", ".parquet"):
            path = write_file(Path(folder) / f"seeds{suffix}", texts)
            assert list(load_seeds(path)["instruction"]) == texts


METADATA = [
    {"use_case": "poetry", "skills": ["rhyme", "rhythm"]},
    {"use_case": "maths", "skills": ["algebra"]},
]


@pytest.mark.parametrize("name", ["m.jsonl", "m.json", "m.csv", "m.yaml", "m.yml", "m.parquet"])
def test_metadata_formats(tmp_path: Path, name: str) -> None:
    """Each format gives the same metadata; skills may be one text with commas."""
    path = tmp_path / name
    if name.endswith("jsonl"):
        write_jsonl(path, METADATA)
    elif name.endswith("json"):
        path.write_text(json.dumps({"data": METADATA}))
    elif name.endswith("csv"):
        write_csv(path, [{"use_case": m["use_case"], "skills": ", ".join(m["skills"])} for m in METADATA])
    elif name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(METADATA), path)
    else:
        path.write_text(
            "- use_case: poetry\n  skills: [rhyme, rhythm]\n- {use_case: ' maths ', skills: 'algebra,'}\n"
        )
    assert load_metadata(str(path)) == METADATA


BAD_METADATA = {
    "a.yaml": (
        "- {use_case: x, skills: [a]}\n- {skills: [a]}\n",
        "a.yaml, row 2: the use case is missing; each row",
    ),
    "b.yaml": ("- {use_case: yes, skills: [a]}\n", "row 1: the use case is a truth value (true), needs text"),
    "c.yaml": ("- {use_case: x, skills: [a, 5]}\n", "row 1: a skill is a number (5), needs text"),
    "d.yaml": ("- {use_case: x, skills: []}\n", "row 1: there is no skill"),
    "e.yaml": ("- {use_case: x, skills: 3}\n", "row 1: the skills are a number (3)"),
    "f.yaml": ("- {use_case: x}\n", "row 1: the skills are missing"),
    "g.yaml": ("- just text\n", "row 1: the row is a text, needs an object"),
    "h.yaml": ("use_case: x\nskills: [a]\n", "needs a list of rows; h.yaml holds an object"),
    "i.yaml": ("- {use_case: [", "it is not YAML"),
    "j.yaml": ("", "holds no row"),
    "k.yml": ("# nothing\n", "holds no row"),
    "l.jsonl": (
        '{"use_case": "x", "skills": ["a"]}\n\n{"use_case"\n',
        "l.jsonl, row 3: the line is not JSON",
    ),
    "m.csv": ("use_case,skills\nx,\n", "m.csv, row 2: there is no skill"),
    "n.csv": ("case,skills\nx,a\n", "n.csv, row 2: the use case is missing"),
    "o.json": ("{}", "o.json, row 1: the use case is missing"),
    "p.json": ("[{", "not JSON at or after row 1"),
    "q.txt": ("x", "ends in one of .jsonl, .json, .csv, .yaml, .yml, .parquet"),
    "r.yaml": ("- {use_case: x, skills: ' , '}\n", "row 1: there is no skill"),
    "s.yaml": ("- {use_case: 2020-13-45, skills: a}\n", "it is not YAML"),
}


@pytest.mark.parametrize("name", BAD_METADATA)
def test_bad_metadata(tmp_path: Path, name: str) -> None:
    """A hand-written row that cannot be used stops everything, with its file, its row and what is needed."""
    content, message = BAD_METADATA[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(BadInput) as caught:
        load_metadata(str(tmp_path / name))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_metadata(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(BadInput, match=r"there is no file .*none\.yaml"):
        load_metadata(str(tmp_path / "none.yaml"))
