"""Seeds in every layout that people have: small files as their authors lay them out, and what is read from them."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import random
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.builders import SeedInstructions, formats, layouts, load_seeds
from codeclm_hf.builders.seed_pass import SeenKeys, key_of
from codeclm_hf.errors import BadInput

FILES = {path.stem: path for path in sorted((Path(__file__).parent / "layouts").iterdir())}
TOOLS = "the dialogue has tool calls, needs text alone"
MEDIA = "the dialogue has images or other media, needs text alone"
EXPECTED: dict[str, list[str]] = {
    "alpaca": [
        "Name two uses of beeswax.",
        "Translate the sentence into French.\n\nThe train is late.",
        "Sort these words by length.\n\npear, fig, banana",
    ],
    "messages": ["What is a monsoon?", "Suggest a name for a bakery.", TOOLS, MEDIA],
    "sharegpt": ["Write a limerick about a heron.", "Why is the sea salty?", TOOLS],
    "prompt": ["Summarise the plot of Hamlet, in two lines.", "Explain what a hash is."],
    "text": ["Write a haiku about rain.", "Erkläre, was ein Atom ist."],
    "vicuna": [
        "How can I sleep better when it is hot?",
        "You are a lighthouse keeper in 1850. Describe your night.",
        "Write a C++ program that prints a chessboard.",
    ],
    "self_instruct": [
        "Make the sentence shorter without changing what it says.\n\n"
        "In the event that it should rain, we shall stay at home.",
        "Write a polite mail that declines an invitation to a wedding.",
    ],
    "koala": [
        "Turn the rules of chess into a pirate's song",
        "what's the difference between jam and marmalade?",
        "help me plan a birthday party for a six year old",
    ],
    "evol_instruct": [
        "A tank fills in 3 hours and drains in 4. When is it full if both are open?",
        "Write a short story that ends with a closed door.",
        "Find the error in: for i in range(3) print(i)",
    ],
    "mt_bench": ["Write a travel report about a day in Lisbon.", "A circle has radius 3. What is its area?"],
    "traffic": [
        "What is deep learning?",
        "How do I block my card?",
        "List three rivers in Peru.",
        "Draft a cover letter for a gardener.",
        "Name a fast sorting algorithm.",
        "Is it 'its' or \"it's\"?",
        MEDIA,
    ],
}
"""By layout the instruction of each row, or its error."""
BESIDE = {
    "alpaca": {"input": "string", "output": "string"},
    "messages": {"messages": "string"},
    "sharegpt": {"original_id": "string", "conversations": "string"},
    "prompt": {"completion": "string", "tokens": "string"},
    "text": {},
    "vicuna": {"question_id": "int64", "category": "string"},
    "self_instruct": {"original_id": "string", "motivation_app": "string", "instances": "string"},
    "koala": {"original_id": "string"},
    "evol_instruct": {"idx": "int64", "Skill": "string", "Difficulty": "int64"},
    "mt_bench": {"question_id": "int64", "category": "string", "turns": "string", "reference": "string"},
    "traffic": {"model": "string", "created": "string", "route": "string"},
}
"""By layout the columns beside the instructions."""


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache stays untouched."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    return folder


def write(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def said(rows: Any) -> list[str]:
    return [row["instruction"] or row["error"] for row in rows]


def prepared(config: str, data_files: Any, **options: Any) -> SeedInstructions:
    builder = SeedInstructions(config, data_files=data_files, **options)
    builder.download_and_prepare()
    return builder


def test_every_layout_has_a_file() -> None:
    """A layout that is offered is shown by a file, and what is known of it by a hand."""
    assert set(FILES) == set(EXPECTED) == set(BESIDE) == set(layouts.NAMES)
    assert set(SeedInstructions.builder_configs) == {"auto", *layouts.NAMES}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_layout_gives_its_instructions(name: str) -> None:
    """A builder of each config reads what a hand wrote down, with the columns that were there, in its two splits."""
    builder = prepared(name, str(FILES[name]))
    both = builder.as_dataset()
    rows = sorted(
        (row for split in both.values() for row in split), key=lambda row: int(row["source"].split(":")[1])
    )
    assert said(rows) == EXPECTED[name]
    types = {name: feature.dtype for name, feature in both["test"].features.items()}
    assert types == {**dict.fromkeys(("id", "instruction", "source", "error"), "string"), **BESIDE[name]}
    for split in ("validation", "test"):
        streamed = builder.as_streaming_dataset(split)
        assert streamed.features == both[split].features
        assert list(streamed) == list(both[split])


@pytest.mark.parametrize("name", EXPECTED)
def test_auto_tells_the_layout(name: str) -> None:
    """Without a word the layout is right, and said in one line with the counts."""
    seeds = load_seeds(str(FILES[name]))
    assert said(seeds) == EXPECTED[name]
    assert seeds.info.description.startswith(f"layout `{name}`: ")
    assert "\n" not in seeds.info.description


@pytest.mark.parametrize("seed", range(30))
def test_auto_is_right_whatever_the_order(seed: int, tmp_path: Path) -> None:
    """Of rows and of their columns."""
    draw = random.Random(seed)
    for name, path in FILES.items():
        rows = [row.cells or {} for row in formats.rows(str(path))]
        draw.shuffle(rows)
        mixed = [dict(draw.sample(list(row.items()), len(row))) for row in rows]
        found = layouts.most_common_layout(mixed)
        assert found is not None
        assert found.name == name
        taken = [found.text(row, False) for row in mixed]
        assert sorted(
            text for text in taken if isinstance(text, str) and text is not layouts.ABSENT
        ) == sorted(text for text in EXPECTED[name] if text not in (TOOLS, MEDIA))


@pytest.mark.parametrize("turn", [1, -1])
def test_of_layouts_that_read_as_many_rows_the_more_telling_one_is_taken(turn: int) -> None:
    """An input that only some rows have is not lost, whichever comes first."""
    found = layouts.most_common_layout(
        [{"instruction": "a"}, {"instruction": "b", "input": "c"}, {"instruction": "d"}][::turn]
    )
    assert found is layouts.LAYOUTS["alpaca"]


def test_a_log_gives_away_no_secret() -> None:
    """Of a log no header, user, key or system prompt gets into any column, and of an address no query."""
    seeds = load_seeds(str(FILES["traffic"]))
    everything = json.dumps([dict(row) for row in seeds])
    for secret in ("hf_abc", "ann@", "s3cret", "u-17", "bank's", "authorization", "base64", "llama3"):
        assert secret not in everything
    assert list(seeds["route"]) == ["/generate", "/v1/chat/completions", "/v1/completions", None, None, None,
                                    "/v1/chat/completions"]  # fmt: skip
    assert seeds["created"][:2] == ["2024-05-01T10:00:00Z", "1714557602"]
    assert seeds["model"][1] == "meta-llama/Llama-3.1-8B-Instruct"
    assert "2 lines are no requests to generate" in seeds.info.description


TURNS = [{"role": "developer", "content": "x"}, {"role": "user", "content": "a"}]
NESTED = {"http": {"request": {"method": "POST", "body": {"content": '{"prompt": "a"}'}}}}
RENDERED = "the prompt is a chat template's, system prompt and all; the log of the messages has the turns"
REQUESTS: list[tuple[Any, str | None]] = [
    (NESTED | {"url": {"path": "/v1/completions"}}, "a"),
    (
        {
            "request": {
                "method": "POST",
                "url": "https://k:v@host/generate_stream?x=1",
                "body": '{"inputs": "a"}',
            }
        },
        "a",
    ),
    ({"url": "/v1/responses", "body": {"instructions": "be brief", "input": "a"}}, "a"),
    ({"path": "/v1/responses", "body": {"input": TURNS}}, "a"),
    ({"prompt": ["a"], "stream": False}, "a"),
    ({"prompt": ["a", "b"], "stream": False}, "the request has 2 prompts, needs one"),
    ({"prompt": [1, 2, 3], "max_tokens": 5}, "the prompt is a list of tokens, needs text"),
    ({"body": {"inputs": "<|im_start|>system\nsecret<|im_end|>"}}, RENDERED),
    ({"body": {"inputs": "![](https://x/y.png)What?"}}, "the prompt has images, needs text alone"),
    (
        {"message": "Input: " + "x" * 1000, "target": "text_generation_router::server"},
        "the log has its first 1000 characters only",
    ),
    ({"message": "Request chatcmpl-1 details: prompt: 'a', prompt_token_ids: None"}, RENDERED),
    (
        {
            "message": "Request cmpl-1 details: prompt: 'a', prompt_token_ids: None, prompt_embeds shape: None."
        },
        "a",
    ),
    ({"body": {"messages": []}}, "there is no user turn"),
    ({"path": "/embed", "body": {"inputs": "a"}}, None),
    ({"path": "/v1/embeddings", "body": {"input": "a"}}, None),
    ({"path": "/v1/models", "method": "GET"}, None),
    ({"body": "{broken"}, None),
    ({"message": "Input: a", "target": "other"}, None),
]


@pytest.mark.parametrize(("line", "expected"), REQUESTS)
def test_requests_in_many_envelopes(line: dict[str, Any], expected: str | None, tmp_path: Path) -> None:
    """The body is found in the envelopes that proxies and servers use; what is no request is left out."""
    first = {"body": {"inputs": "first"}}
    found = said(load_seeds(write(tmp_path / "a.jsonl", [first, line]), layout="traffic"))
    assert found == ["first", *([] if expected is None else [expected])]


def test_a_log_rotates_and_is_packed(tmp_path: Path) -> None:
    """The files of a rotating log, packed in any way, are one data set; a file that is none of it is not read."""
    for name, opened in (
        ("tgi.log", open),
        ("tgi.log.1", open),
        ("tgi.log.2.gz", gzip.open),
        ("tgi.log-20240131.xz", lzma.open),
        ("b.jsonl.bz2", bz2.open),
        ("notes.md", open),
    ):
        with opened(tmp_path / name, "wt") as file:
            file.write(json.dumps({"body": {"inputs": f"from {name}"}}) + "\nnot JSON\n")
    with pa.CompressedOutputStream(str(tmp_path / "c.ndjson.zst"), "zstd") as packed:
        packed.write(b'{"body": {"inputs": "from c.ndjson.zst"}}\n')
    seeds = load_seeds(str(tmp_path), layout="traffic")
    assert sorted(filter(None, seeds["instruction"])) == [
        f"from {name}"
        for name in (
            "b.jsonl.bz2",
            "c.ndjson.zst",
            "tgi.log",
            "tgi.log-20240131.xz",
            "tgi.log.1",
            "tgi.log.2.gz",
        )
    ]
    broken = [source for source, error in zip(seeds["source"], seeds["error"], strict=True) if error]
    assert broken == [
        f"{name}:2" for name in ("b.jsonl.bz2", "tgi.log", "tgi.log-20240131.xz", "tgi.log.1", "tgi.log.2.gz")
    ]
    assert set(load_seeds(str(tmp_path / "tgi.log*"))["instruction"]) == set(seeds["instruction"]) - {
        "from b.jsonl.bz2",
        "from c.ndjson.zst",
    }


@pytest.mark.parametrize("name", ["cut.jsonl.gz", "cut.jsonl.xz", "cut.jsonl.zst", "cut.jsonl.bz2"])
def test_a_packed_file_that_is_cut_or_foreign_is_named(name: str, tmp_path: Path) -> None:
    """It is refused in one line, and nothing of it is kept."""
    (tmp_path / name).write_bytes(b"no such thing" * 10)
    with pytest.raises(BadInput, match=rf"^cannot read {name}: [^\n]+$"):
        load_seeds(str(tmp_path / name))


def test_a_gzip_file_that_breaks_off(tmp_path: Path, cache: Path) -> None:
    """What was read of it is not taken for all."""
    whole = gzip.compress(b"".join(b'{"instruction": "%d"}\n' % n for n in range(20_000)))
    (tmp_path / "a.jsonl.gz").write_bytes(whole[:-2000])
    with pytest.raises(BadInput, match=r"cannot read a\.jsonl\.gz: "):
        load_seeds(str(tmp_path / "a.jsonl.gz"))
    assert not list(cache.rglob("*.arrow"))


def test_a_row_stays_in_its_split_when_the_file_grows(tmp_path: Path) -> None:
    """A fifth of the texts is `validation`; more rows, other formats and other white space move none."""
    texts = [f"Instruction number {n}" for n in range(1000)]
    small = prepared("prompt", write(tmp_path / "a.jsonl", [{"prompt": text} for text in texts]))
    with (tmp_path / "b.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["prompt"], *[[f" {text}\n"] for text in reversed(texts)], ["one more"]])
    large = prepared("auto", str(tmp_path / "b.csv"))
    kept = set(small.as_dataset("validation")["instruction"])
    assert 150 < len(kept) < 250
    assert {text.strip() for text in large.as_dataset("validation")["instruction"]} - {"one more"} == kept
    assert len(small.as_dataset("all")) == 1000
    assert set(small.as_dataset("validation+test[:10]")["instruction"]) > kept
    assert set(load_seeds(str(tmp_path / "a.jsonl"), split="validation")["instruction"]) == kept


def test_each_instruction_comes_once(tmp_path: Path) -> None:
    """The first of equal texts stays, over files too, and what was left out is counted."""
    write(
        tmp_path / "a.jsonl",
        [{"instruction": "x", "n": 1}, {"instruction": "y", "n": 2}, {"instruction": "x", "n": 3}],
    )
    write(
        tmp_path / "b.jsonl",
        [{"instruction": " y\n", "n": 4}, {"instruction": None, "n": 5}, {"instruction": None, "n": 6}],
    )
    seeds = load_seeds(str(tmp_path))
    assert list(seeds["n"]) == [1, 2, 5, 6]
    assert seeds.info.description == (
        "layout `prompt`: the column `instruction`; 2 seeds, 2 rows cannot be used, 2 rows repeat an earlier one"
    )


def test_few_rows_may_leave_a_split_empty(tmp_path: Path) -> None:
    """A split that the hash gives no row is an empty table with the same columns."""
    both = prepared("auto", write(tmp_path / "a.jsonl", [{"instruction": "x"}])).as_dataset()
    assert sorted(map(len, both.values())) == [0, 1]
    assert both["validation"].features == both["test"].features


MIXED = [{"instruction": "a", "input": "b"}, {"messages": [{"role": "user", "content": "c"}]},
         {"instruction": "d", "input": ""}, {"instruction": "e"}, {"no": "text"}, {"conversations": []},
         {"conversations": [{"from": "human", "value": "f"}]}]  # fmt: skip


def test_rows_of_another_layout_are_refused_with_their_number(tmp_path: Path, cache: Path) -> None:
    """They are counted, and the first ones named with what they look like; nothing is kept."""
    path = write(tmp_path / "a.jsonl", MIXED)
    with pytest.raises(BadInput) as raised:
        load_seeds(path)
    assert str(raised.value) == (
        "needs one layout in all rows; 2 of 7 rows cannot be read as `alpaca` (the instruction and its input): "
        "a.jsonl:2 looks like `messages` (`messages`); a.jsonl:7 looks like `sharegpt` (`conversations`); "
        "pass --skip-bad to leave such rows out, or --layout NAME to read as another layout"
    )
    assert not list(cache.rglob("*.arrow"))
    with pytest.raises(BadInput, match="the first cannot be read as `alpaca`"):
        list(SeedInstructions(data_files=path, validation=0.0).as_streaming_dataset("train"))


def test_rows_of_another_layout_can_be_left_out(tmp_path: Path) -> None:
    """With `skip_bad` they are counted; rows of no layout stay data with an error."""
    seeds = load_seeds(write(tmp_path / "a.jsonl", MIXED), skip_bad=True)
    assert said(seeds) == ["a\n\nb", "d", "e", "the instruction is missing", "the instruction is missing"]
    assert seeds.info.description.endswith("2 rows cannot be used, 2 rows of another layout were left out")


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([{"a": "x", "b": "y"}], {}, "be told from the first rows; a.jsonl has `a`, `b`; pass --column NAME"),
        ([{"a": "x", "b": 1}], {}, "pass --column a, or --layout NAME (mt_bench"),
        ([{"prompt": "x", "question": "y"}], {}, "pass --column NAME, or --layout NAME"),
        ([{"prompt": [["x"]]}], {}, "needs a layout that can be told"),
        ([{"prompt": "x"}], {"layout": "alpaca"},
         "`instruction` (layout alpaca); a.jsonl has `prompt`; pass --column prompt or --layout auto"),
        ([{"prompt": "x"}], {"layout": "alpacca"}, "no `alpacca`; did you mean alpaca?; pass one of auto, mt_bench"),
        ([{"prompt": "x"}], {"layout": "alpaca", "column": "prompt"}, "needs a column or a layout"),
        ([5, "x"], {}, "needs rows that can be read; a.jsonl:1: the row is a number (5), needs an object"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_asked(
    rows: list[Any], options: dict[str, str], words: str, tmp_path: Path
) -> None:
    """An unknown layout, and rows that do not show theirs, are one sentence with what to pass."""
    with pytest.raises(BadInput) as raised:
        load_seeds(write(tmp_path / "a.jsonl", rows), **options)  # type: ignore[arg-type]
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_builder_names_the_nearest(tmp_path: Path) -> None:
    """An unknown config or split, and a file that is not there, are refused with what there is."""
    path = write(tmp_path / "a.jsonl", [{"instruction": "x"}])
    with pytest.raises(BadInput, match="did you mean messages"):
        SeedInstructions("message", data_files=path)
    builder = prepared("auto", path)
    for ask in (builder.as_dataset, builder.as_streaming_dataset):
        with pytest.raises(
            BadInput, match=r"split `validatoin`: no such one; there are `validation`, `test`; did you"
        ):
            ask("validatoin")
    with pytest.raises(BadInput, match=r"there is no `.*none\.jsonl`; check the path"):
        SeedInstructions("auto", data_files=str(tmp_path / "none.jsonl"))
    with pytest.raises(BadInput, match=r"`.*/\*\.csv` matches nothing; check the pattern"):
        load_seeds(str(tmp_path / "*.csv"))
    with pytest.raises(BadInput, match="holds no row"):
        SeedInstructions().download_and_prepare()
    for wrong in ({"turns": "last"}, {"validation": 1.0}):
        with pytest.raises(BadInput, match="needs "):
            SeedInstructions(data_files=path, **wrong)


def test_whole_dialogues() -> None:
    """With `turns="all"` a dialogue is its turns up to the user's last one, without the system's."""
    found = prepared("messages", str(FILES["messages"]), turns="all", validation=0.0).as_dataset("train")
    assert found["instruction"][:2] == [
        "user: What is a monsoon?\n\nassistant: A seasonal wind that brings rain.\n\nuser: Where does it blow?",
        "Suggest a name for a bakery.",
    ]
    assert "whole dialogue" in found.info.description
    assert list(load_seeds(str(FILES["messages"]), turns="all")["instruction"]) == list(found["instruction"])
    bench = prepared("mt_bench", str(FILES["mt_bench"]), turns="all", validation=0.0).as_dataset("train")
    assert (
        bench["instruction"][1]
        == "user: A circle has radius 3. What is its area?\n\nuser: And if the radius doubles?"
    )


def test_columns_are_kept_and_break_nothing(tmp_path: Path) -> None:
    """Types come from the first rows; what does not fit later is null in a number's column and JSON in a text's."""
    first = {
        "instruction": "a",
        "id": 7,
        "n": 1,
        "x": 1,
        "on": True,
        "t": "t",
        "l": [1, {"k": "é"}],
        "big": 1 << 70,
        "z": None,
    }
    rest = [first | {"instruction": str(n), "x": 0.5} for n in range(1500)]
    late = {
        "instruction": "b",
        "id": "8",
        "n": "1",
        "x": "?",
        "on": 1,
        "t": 5,
        "l": "text",
        "big": 0,
        "z": {"a": 1},
        "new": 1,
    }
    seeds = load_seeds(write(tmp_path / "a.jsonl", [first, *rest, late]))
    assert seeds[0] | {"source": "", "id": ""} == {
        "id": "", "instruction": "a", "source": "", "error": None, "original_id": 7, "n": 1, "x": 1.0, "on": True,
        "t": "t", "l": '[1, {"k": "é"}]', "big": str(1 << 70), "z": None,
    }  # fmt: skip
    assert seeds[-1] | {"source": "", "id": ""} == {
        "id": "", "instruction": "b", "source": "", "error": None, "original_id": None, "n": None, "x": None,
        "on": None, "t": "5", "l": "text", "big": "0", "z": '{"a": 1}',
    }  # fmt: skip


def test_a_folder_and_a_pattern_name_their_files(tmp_path: Path) -> None:
    """The builder takes both, and names files relative to the folder or to the pattern's fixed part."""
    for name in ("x/a.jsonl", "y/a.jsonl", "y/b.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    write(tmp_path / "x/a.jsonl", [{"instruction": "1"}])
    write(tmp_path / "y/a.jsonl", [{"instruction": "2"}])
    (tmp_path / "y/b.csv").write_text("instruction\n3\n")
    for files_ in ({"data_files": str(tmp_path)}, {"data_dir": str(tmp_path)}):
        rows = SeedInstructions(**files_, validation=0.0).as_streaming_dataset("train")
        assert [row["source"] for row in rows] == ["x/a.jsonl:1", "y/a.jsonl:1", "y/b.csv:2"]
    rows = SeedInstructions(data_files=str(tmp_path / "**/*.jsonl"), validation=0.0).as_streaming_dataset(
        "train"
    )
    assert [row["source"] for row in rows] == ["x/a.jsonl:1", "y/a.jsonl:1"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["role", "content", "type", "text", "from", "value", "prompt", "messages", "inputs", "body", "input", "path"])
        | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
NAMES_IN_ROWS = st.sampled_from(
    ["instruction", "input", "instances", "messages", "conversations", "turns", "prompt", "question_id", "text", "id",
     "Instruction", "Skill", "category", "body", "request", "url", "message", "target", "fields", "stream", "model"]
)  # fmt: skip


@given(
    st.lists(st.dictionaries(NAMES_IN_ROWS | st.text(max_size=3), values, max_size=6), min_size=1, max_size=5)
)
def test_no_row_breaks_a_layout(rows: list[dict[str, Any]]) -> None:
    """Whatever JSON a row is, every layout gives a value, a reason or nothing, and the order of rows has no say."""
    found = layouts.most_common_layout(rows)
    turned = layouts.most_common_layout([dict(reversed(row.items())) for row in reversed(rows)])
    assert (found and (found.name, found.needs)) == (turned and (turned.name, turned.needs))
    for row in rows:
        for name in layouts.NAMES:
            layout = layouts.layout_of(name, "prompt")
            for whole in (False, True):
                layout.text(row, whole)
            layouts.other_layout(row, layout)


@given(st.lists(st.lists(st.integers(0, 30), max_size=20), max_size=20))
def test_what_came_before_is_known(batches: list[list[int]]) -> None:
    """In batches of any size each key is new exactly once, the first time."""
    seen, before = SeenKeys(), set[int]()
    for batch in batches:
        for key, new in zip(batch, seen.first(batch), strict=True):
            assert new == (key not in before)
            before.add(key)


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip))
def test_a_seed_is_the_same_in_every_layout(text: str) -> None:
    """The instruction, and so its id and its split, do not depend on the layout it was read from."""
    rows: dict[str, dict[str, Any]] = {
        "alpaca": {"instruction": text, "input": ""},
        "self_instruct": {"instruction": text, "instances": [{"input": "", "output": ""}]},
        "messages": {"messages": [{"role": "user", "content": text}]},
        "sharegpt": {"conversations": [{"from": "human", "value": text}]},
        "mt_bench": {"turns": [text, "more"], "category": ""},
        "vicuna": {"text": text, "question_id": 1},
        "koala": {"prompt": text, "id": "koala_1"},
        "evol_instruct": {"Instruction": text, "Skill": ""},
    }
    assert {key_of(layouts.LAYOUTS[name].text(row, False)) for name, row in rows.items()} == {key_of(text)}
    assert all(layouts.layout_of_row(row) is layouts.LAYOUTS[name] for name, row in rows.items())
