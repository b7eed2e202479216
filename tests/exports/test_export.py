"""A data set as trainers read it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import load_dataset
from jsonschema import Draft202012Validator

from codeclm_hf import BadInput, export, publish, schema
from codeclm_hf.exports.formats import FORMATS
from codeclm_hf.run import directory
from support import gallery, trainer_schemas
from support.command_line import Cli, output_of, refusal_of
from support.hub_server import Hub
from support.run_directories import REPO, run_directory_of


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return run_directory_of(tmp_path / "my set", ["one", 'two "é" 字\n|'], responses={"one": "1"})


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred use cases."""
    return gallery.run_directory_of(tmp_path_factory.mktemp("many") / "run", "use-cases-400")


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def read(file: Path) -> list[Any]:
    text = file.read_text(encoding="utf-8")
    return (
        json.loads(text) if file.suffix == ".json" else [json.loads(line) for line in text.split("\n")[:-1]]
    )


@pytest.mark.parametrize(
    ("to", "file", "first"),
    [
        ("trl-sft", "train.jsonl", {"messages": [user("one"), assistant("1")]}),
        (
            "trl-dpo",
            "train.jsonl",
            {
                "prompt": [user("one")],
                "chosen": [assistant("1")],
                "rejected": [assistant("A weaker answer to one")],
            },
        ),
        ("alpaca", "train.json", {"instruction": "one", "input": "", "output": "1"}),
        (
            "sharegpt",
            "train.json",
            {"conversations": [{"from": "human", "value": "one"}, {"from": "gpt", "value": "1"}]},
        ),
        ("openai", "train.jsonl", {"messages": [user("one"), assistant("1")]}),
        ("llama-factory", "my_set_sft_train.json", {"instruction": "one", "input": "", "output": "1"}),
        (
            "llama-factory",
            "my_set_dpo_train.json",
            {"instruction": "one", "input": "", "chosen": "1", "rejected": "A weaker answer to one"},
        ),
        ("axolotl", "train.jsonl", {"messages": [user("one"), assistant("1")]}),
    ],
)
def test_every_format_has_the_rows_as_its_trainer_reads_them(
    run: Path, tmp_path: Path, to: str, file: str, first: dict[str, Any]
) -> None:
    """In order, with the names of that layout and no others; `datasets` reads the file."""
    done = export(run, tmp_path / "out", to=to)
    assert done[file] == 2
    rows = read(tmp_path / "out" / file)
    assert rows[0] == first and [list(row) for row in rows] == [list(first)] * 2
    loaded = load_dataset(
        "json", data_files=str(tmp_path / "out" / file), cache_dir=str(tmp_path / "c"), split="train"
    )
    assert loaded.to_list() == rows


ROWS = ["thought", "plain"]
"""Instructions of a run that keeps thoughts, whose second winner told none, and that has a system prompt."""
SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.fixture
def thoughtful(tmp_path: Path) -> Path:
    folder = run_directory_of(tmp_path / "deep", ROWS, responses=dict.fromkeys(ROWS, "yes"))
    made = directory.read_tables(folder)
    turns = [[SYSTEM, *messages] for messages in made["default"]["messages"]]
    default = made["default"].remove_columns("messages").add_column("messages", turns)
    prompts = [[SYSTEM, *prompt] for prompt in made["preference"]["prompt"]]
    thoughts = [f"Hm, {text}." if text == "thought" else None for text in default["instruction"]]
    rows = default.add_column("reasoning", thoughts).to_list()
    features = schema.features("default", ["reasoning"])
    pairs = made["preference"].remove_columns("prompt").add_column("prompt", prompts)
    directory.replace_tables(
        folder,
        {
            **made,
            "default": schema.table(rows, features),
            "preference": schema.table(pairs.to_list(), schema.PREFERENCE),
        },
    )
    return folder


THOUGHTS = {"reasoning_content": "Hm, thought.", "thinking": "Hm, thought."}
THINK = "<think>\nHm, thought.\n</think>\n\nyes"


@pytest.mark.parametrize(
    ("to", "file", "deep", "plain"),
    [
        *(
            (to, "train.jsonl", {"messages": [SYSTEM, user("thought"), {**assistant("yes"), **THOUGHTS}]},
             {"messages": [SYSTEM, user("plain"), assistant("yes")]})
            for to in ("trl-sft", "axolotl")
        ),
        ("openai", "train.jsonl", {"messages": [SYSTEM, user("thought"), assistant("yes")]},
         {"messages": [SYSTEM, user("plain"), assistant("yes")]}),
        ("alpaca", "train.json", {"instruction": "thought", "input": "", "output": "yes", "system": "Be brief."},
         {"instruction": "plain", "input": "", "output": "yes", "system": "Be brief."}),
        ("llama-factory", "deep_sft_train.json",
         {"instruction": "thought", "input": "", "output": THINK, "system": "Be brief."},
         {"instruction": "plain", "input": "", "output": "yes", "system": "Be brief."}),
        ("llama-factory", "deep_dpo_train.json",
         {"instruction": "thought", "input": "", "chosen": "yes", "rejected": "A weaker answer to thought",
          "system": "Be brief."},
         {"instruction": "plain", "input": "", "chosen": "yes", "rejected": "A weaker answer to plain",
          "system": "Be brief."}),
        ("trl-dpo", "train.jsonl",
         {"prompt": [SYSTEM, user("thought")], "chosen": [assistant("yes")],
          "rejected": [assistant("A weaker answer to thought")]},
         {"prompt": [SYSTEM, user("plain")], "chosen": [assistant("yes")],
          "rejected": [assistant("A weaker answer to plain")]}),
        ("sharegpt", "train.json",
         {"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "thought"},
                            {"from": "gpt", "value": THINK}]},
         {"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "plain"},
                            {"from": "gpt", "value": "yes"}]}),
    ],
)  # fmt: skip
def test_thoughts_and_system_prompts_stand_where_the_trainer_looks_for_them(
    thoughtful: Path, tmp_path: Path, to: str, file: str, deep: dict[str, Any], plain: dict[str, Any]
) -> None:
    """An answer without thoughts has none, pairs are answers alone, and the files beside the tables tell."""
    export(thoughtful, tmp_path / "out", to=to)
    rows = read(tmp_path / "out" / file)
    assert [row for row in rows if "thought" in json.dumps(row)] == [deep]
    assert [row for row in rows if "thought" not in json.dumps(row)] == [plain]
    kind = f"{to} {'dpo' if '_dpo_' in file else 'sft'}" if to == "llama-factory" else to
    assert all(valid(trainer_schemas.ROWS[kind], row) for row in rows)
    if to == "llama-factory":
        info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
        assert valid(trainer_schemas.DATASET_INFO, info)
        assert info[file.removesuffix(".json")]["columns"]["system"] == "system"
    if to == "axolotl":
        config = yaml.safe_load((tmp_path / "out" / "axolotl.yaml").read_text())
        assert valid(trainer_schemas.AXOLOTL, config)
        assert "reasoning_content" in config["datasets"][0]["message_property_mappings"]


def test_every_format_is_tested() -> None:
    """And named in the help."""
    assert list(FORMATS) == ["trl-sft", "trl-dpo", "alpaca", "sharegpt", "openai", "llama-factory", "axolotl"]


def valid(schema: trainer_schemas.Schema, value: Any) -> bool:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize("to", FORMATS)
def test_every_file_passes_the_documented_schema(run: Path, many: Path, tmp_path: Path, to: str) -> None:
    """Each row of each file, and what stands beside them, is as the layout's own documentation has it."""
    for source, eval_fraction in ((run, 0.0), (many, 0.2)):
        out = tmp_path / source.name.replace(" ", "-")
        for file in export(source, out, to=to, eval_fraction=eval_fraction):
            kind = f"{to} {'dpo' if '_dpo_' in file else 'sft'}" if to == "llama-factory" else to
            validator = Draft202012Validator(trainer_schemas.ROWS[kind])
            rows = read(out / file)
            assert rows and [error.message for row in rows for error in validator.iter_errors(row)] == []
            assert "instruction" in rows[0] or all(map(trainer_schemas.in_turns, rows))
        if to == "llama-factory":
            assert valid(trainer_schemas.DATASET_INFO, json.loads((out / "dataset_info.json").read_text()))
        if to == "axolotl":
            assert valid(trainer_schemas.AXOLOTL, yaml.safe_load((out / "axolotl.yaml").read_text()))


def test_the_schemas_tell_layouts_apart(run: Path, tmp_path: Path) -> None:
    """None takes the rows of a layout with other columns, nor conversations that begin with the model."""
    firsts = {
        f"{to} {kind}".strip(): read(tmp_path / to / file)[0]
        for to in FORMATS
        for file in export(run, tmp_path / to, to=to)
        for kind in [("dpo" if "_dpo_" in file else "sft") if to == "llama-factory" else ""]
    }
    for layout, documented in trainer_schemas.ROWS.items():
        takes = {name for name, row in firsts.items() if valid(documented, row)}
        assert takes == {name for name, row in firsts.items() if set(row) == set(firsts[layout])}
    assert not trainer_schemas.in_turns({"messages": [assistant("1"), user("one")]})
    assert not valid(trainer_schemas.DATASET_INFO, {"x": {"columns": {}}})
    assert not valid(
        trainer_schemas.DATASET_INFO, {"x": {"file_name": "x.json", "ranking": True, "columns": {}}}
    )
    stanza = {"path": "x", "type": "chat_template"}
    assert valid(trainer_schemas.AXOLOTL, {"datasets": [stanza]})
    assert not valid(trainer_schemas.AXOLOTL, {"datasets": [stanza], "test_datasets": [stanza]})


def test_llama_factory_finds_both_tables_by_name(run: Path, tmp_path: Path) -> None:
    """`dataset_info.json` has an entry each, in the columns that are there; other people's entries stay."""
    out = tmp_path / "data"
    out.mkdir()
    (out / "dataset_info.json").write_text(
        '{"theirs": {"file_name": "theirs.json"}, "my_set_sft_train": {"old": 1}}'
    )
    export(run, out, to="llama-factory")
    entries = json.loads((out / "dataset_info.json").read_text())
    assert list(entries) == ["theirs", "my_set_sft_train", "my_set_dpo_train"]
    assert entries["theirs"] == {"file_name": "theirs.json"}
    assert "old" not in entries["my_set_sft_train"] and entries["my_set_dpo_train"]["ranking"] is True
    for name in ("my_set_sft_train", "my_set_dpo_train"):
        row = read(out / entries[name]["file_name"])[0]
        assert set(entries[name]["columns"].values()) == set(row)
        assert set(entries[name]["columns"]) <= {"prompt", "query", "response", "chosen", "rejected"}


def test_axolotl_gets_its_part_of_the_configuration(many: Path, tmp_path: Path) -> None:
    """The stanza names the files that are there, and how a row is read."""
    export(many, tmp_path, to="axolotl", eval_fraction=0.1)
    stanza = yaml.safe_load((tmp_path / "axolotl.yaml").read_text())
    assert list(stanza) == ["datasets", "test_datasets"]
    for (one,), part in zip(stanza.values(), ("train", "eval"), strict=True):
        assert Path(one["path"]) == tmp_path / f"{part}.jsonl" and (one["ds_type"], one["type"]) == (
            "json",
            "chat_template",
        )
        assert one["field_messages"] in read(tmp_path / f"{part}.jsonl")[0]


def instructions(rows: Iterable[dict[str, Any]]) -> set[str]:
    return {row["instruction"] for row in rows}


def test_no_use_case_is_on_both_sides(many: Path, tmp_path: Path) -> None:
    """About the share that was asked for, whole use cases, the same in both tables and every time."""
    done = export(many, tmp_path / "a", to="llama-factory", eval_fraction=0.2)
    names = [f"run_{kind}_{part}.json" for kind in ("sft", "dpo") for part in ("train", "eval")]
    assert list(done) == names
    train, held, pairs, held_pairs = (read(tmp_path / "a" / name) for name in names)
    use_case = {
        row["instruction"]: row["use_case"]
        for row in load_dataset(str(many), "default", split="train", cache_dir=str(tmp_path / "c"))
    }
    sides = [{use_case[text] for text in instructions(rows)} for rows in (train, held)]
    assert not sides[0] & sides[1]
    assert 0.18 < len(held) / len(use_case) <= 0.2 and len(train) + len(held) == len(use_case)
    assert instructions(pairs) == instructions(train) and instructions(held_pairs) == instructions(held)
    assert export(many, tmp_path / "b", to="llama-factory", eval_fraction=0.2) == done
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


def test_near_duplicate_use_cases_are_on_one_side(tmp_path: Path) -> None:
    """In whatever way a name is written; at least one use case is held out."""
    tables = gallery.tables_of("rows-5k")
    spelled = {"writing poems": ["Writing poems", "writing  poems.", "POEM-WRITING"]}
    tables["default"] = [
        {
            **row,
            "use_case": (spelled.get(row["use_case"]) or ["meals"])[
                n % 3 if row["use_case"] in spelled else 0
            ],
        }
        for n, row in enumerate(tables["default"][:60])
    ]
    tables["preference"] = tables["preference"][:60]
    run = gallery.run_directory_of(tmp_path / "run", "tiny", tables)
    export(run, tmp_path / "out", to="alpaca", eval_fraction=0.01)
    poems = {row["instruction"] for row in tables["default"] if row["use_case"] != "meals"}
    held = instructions(read(tmp_path / "out" / "eval.json"))
    assert held in (poems, instructions(tables["default"]) - poems)


@pytest.mark.usefixtures("token")
def test_a_version_on_the_hub_is_exported_as_it_was(hub: Hub, run: Path, tmp_path: Path) -> None:
    """By its number, or the newest."""
    publish(run, REPO)
    publish(run_directory_of(run, ["one", "two", "three"]), REPO)
    assert export(f"{REPO}@1.0.0", tmp_path / "old", to="alpaca") == {"train.json": 2}
    assert export(REPO, tmp_path / "new", to="alpaca") == {"train.json": 3}


def test_what_cannot_be_exported_is_one_sentence(cli: Cli, run: Path, tmp_path: Path) -> None:
    """A layout that is none, a share that is none, one use case alone, nothing accepted, a broken index."""
    out = tmp_path / "out"
    assert "did you mean trl-sft?" in refusal_of(cli("export", run, "--to", "trl-stf", "--out", out))
    assert "came 1.0" in refusal_of(
        cli("export", run, "--to", "alpaca", "--out", out, "--eval-fraction", "1")
    )
    assert "came one" in refusal_of(
        cli("export", run, "--to", "alpaca", "--out", out, "--eval-fraction", "0.5")
    )
    empty = gallery.run_directory_of(tmp_path / "empty", "all-failed")
    assert "needs a data set with rows in `default`" in refusal_of(
        cli("export", empty, "--to", "alpaca", "--out", out)
    )
    assert not out.exists()
    out.mkdir()
    (out / "dataset_info.json").write_text("[")
    assert "needs a dataset_info.json" in refusal_of(
        cli("export", run, "--to", "llama-factory", "--out", out)
    )
    assert [path.name for path in out.iterdir()] == ["dataset_info.json"]
    assert output_of(cli("export", run, "--to", "alpaca", "--out", out)) == f"{out / 'train.json'}: 2 rows\n"


@pytest.mark.usefixtures("token")
def test_a_foreign_data_set_is_told(hub: Hub, tmp_path: Path) -> None:
    """Its rows have not the columns that a layout is made of."""
    hub.add("org/foreign", {"data/train.jsonl": b'{"id": "a", "text": "x"}\n'})
    with pytest.raises(BadInput, match=r"needs the columns .* lacks instruction, response"):
        export("org/foreign", tmp_path / "out", to="alpaca")
