"""A run that keeps what its models thought: tables, card, and the folders that it shares with runs that do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset

from codeclm_hf import BadInput, CodecLM, ids, schema
from codeclm_hf.builders import Tailored
from codeclm_hf.files import write_parquet
from codeclm_hf.run import directory
from support.command_line import Cli, output_of
from support.inputs import tree
from support.tables import default_row
from support.thinker import THOUGHT, Thinker

SMALL = {"num_instructions": 8, "num_metadata": 4}
KEPT = {name: schema.features(name, schema.REASONING.get(name, ())) for name in schema.TABLES}


EXTRA = {"reasoning_effort": "low", "stop": ["|", "`"]}


def codec(**settings: Any) -> CodecLM:
    models = {"strong": Thinker("strong", extra=EXTRA), "target": Thinker("target")}
    return CodecLM(**models, strong_system="Be *brief*.", target_system="Be kind.\n```", **settings)


def test_a_run_that_keeps_thoughts(seeds: Dataset, tmp_path: Path, cli: Cli) -> None:
    """Its tables are read with their columns, its card says so, and to strip them later asks nobody anything.

    Manifest, card and command line tell what was added to the requests, and the tokens of thoughts apart.
    """
    out = tmp_path / "out"
    tables = codec(thinking="keep").run(seeds, out=out, **SMALL)
    for name, features in KEPT.items():
        loaded = load_dataset(str(out), name, split="train")
        assert loaded.features == directory.read_tables(out)[name].features == features
        assert loaded.to_list() == directory.read_tables(out)[name].to_list() == tables[name].to_list()
    assert all(text.startswith(THOUGHT) for text in tables["default"]["reasoning"])
    manifest, card = json.loads((out / "codeclm.json").read_text()), (out / "README.md").read_text()
    config, usage = manifest["config"], manifest["usage"]
    assert (config["thinking"], config["extra"]) == ("keep", {"strong": EXTRA, "judge": EXTRA})
    assert (config["strong_system"], config["target_system"]) == ("Be *brief*.", "Be kind.\n```")
    assert "| thinking | keep | strip |" in card
    assert r'| strong | \{"reasoning\_effort":"low","stop":\["\|","\`"\]\} |' in card
    assert "```text\nBe *brief*.\n```" in card and "````text\nBe kind.\n```\n````" in card
    assert {(row["thinking_tokens"], row["completion_tokens"]) for row in usage} == {
        (8 * row["answers"], 20 * row["answers"]) for row in usage
    }
    answers = sum(row["answers"] for row in usage)
    assert f"Thinking tokens: {8 * answers:,} of {20 * answers:,} that the models wrote." in card
    for shown in (output_of(cli("inspect", out)), output_of(cli("journal", "stats", out))):
        assert "of thoughts" in shown
    for row in tables["default"]:
        assert row["messages"][0] == {"role": "system", "content": "Be kind.\n```"}
        assert [turn["content"] for turn in row["messages"][1:]] == [row["instruction"], row["response"]]
    assert all([turn["role"] for turn in row["prompt"]] == ["system", "user"] for row in tables["preference"])
    later = codec()
    later.run(seeds, out=out, **SMALL)
    assert later.strong.asked == later.target.asked == []  # type: ignore[attr-defined]
    codec().run(seeds, out=tmp_path / "stripped", **SMALL)
    assert tree(out / "data") == tree(tmp_path / "stripped" / "data")
    assert THOUGHT.encode() not in b"".join(tree(out / "data").values())
    assert "thinking" not in json.loads((out / "codeclm.json").read_text())["config"]


def test_what_is_added_to_requests_names_other_answers(seeds: Dataset) -> None:
    """Extra fields of any role and either system prompt make another data set of the recipe."""
    plain = {"strong": Thinker("strong"), "target": Thinker("target"), "judge": Thinker("judge")}
    others: list[dict[str, Any]] = [
        *({role: Thinker(role, extra=EXTRA)} for role in plain),
        {"strong_system": "Be brief."},
        {"target_system": "Be brief."},
        {"thinking": "keep"},
    ]
    specs = [CodecLM(**{**plain, **other}).recipe(seeds).spec() for other in ({}, *others)]
    assert len({ids.digest(spec) for spec in specs}) == len(specs)
    unheard = [
        CodecLM(**plain, contrastive_filter=False, target_system=text).tailor.spec() for text in (None, "x")
    ]
    assert unheard[0] == unheard[1]


def test_without_them_a_manifest_says_nothing_of_them(seeds: Dataset, tmp_path: Path) -> None:
    """So that manifests of earlier versions stay as they are."""
    models = {role: Thinker(role, thinks=False) for role in ("strong", "target")}
    CodecLM(**models).run(seeds, out=tmp_path, num_instructions=1, num_metadata=1)
    text = (tmp_path / "codeclm.json").read_text() + (tmp_path / "README.md").read_text()
    for word in ("thinking", "_system", '"extra"', "estimated", "added to every", "system prompt"):
        assert word not in text.replace("length in tokens, estimated", "").replace("Tokens are estimated", "")


@pytest.mark.parametrize("name", ["strong_system", "target_system"])
@pytest.mark.parametrize("prompt", ["", " \n", 3])
def test_a_system_prompt_that_says_nothing_is_bad_input(name: str, prompt: Any) -> None:
    """It names the setting."""
    models = {role: Thinker(role) for role in ("strong", "target")}
    with pytest.raises(BadInput, match=f"needs a {name.replace('_', '-')} that says something"):
        CodecLM(**models, **{name: prompt})


@pytest.mark.parametrize("pulled", ["keep", "strip"])
@pytest.mark.parametrize("thinking", ["keep", "strip"])
def test_pulled_rows_keep_their_thoughts(thinking: str, pulled: str, tmp_path: Path) -> None:
    """Whichever side has the columns, the folder has them, null where a row has no thoughts."""
    features = {side: KEPT["default"] if side == "keep" else schema.DEFAULT for side in ("keep", "strip")}
    there = schema.table([{**default_row("a"), "reasoning": "Hm."}], features[pulled])
    write_parquet(
        tmp_path / directory.PULLED / "default", there.data.table.to_batches(), there.features.arrow_schema
    )
    made = schema.table([{**default_row("b"), "reasoning": "So."}], features[thinking])
    joined = directory.add_pulled_rows(tmp_path, {"default": made})["default"]
    kept = {"a": "Hm." if pulled == "keep" else None, "b": "So." if thinking == "keep" else None}
    if pulled == thinking == "strip":
        assert joined.features == schema.DEFAULT
    else:
        assert joined.features == KEPT["default"]
        assert dict(zip(joined["id"], joined["reasoning"], strict=True)) == kept
    assert joined["id"][:] == ["a", "b"]


def test_a_builder_that_keeps_thoughts_knows_its_columns(seeds: Dataset, tmp_path: Path) -> None:
    """Its features are those of its tables, and a builder that strips is another data set of the same answers."""
    models = {"strong": Thinker("strong"), "target": Thinker("target")}
    builder = Tailored(seeds=seeds, **models, cache_dir=tmp_path, thinking="keep", **SMALL)
    builder.download_and_prepare()
    assert builder.info.features == KEPT["default"]
    for name, table in builder.as_dataset().items():
        assert table.features == KEPT[name]
    asked = [len(model.asked) for model in models.values()]
    other = Tailored(seeds=seeds, **models, cache_dir=tmp_path, **SMALL)
    other.download_and_prepare()
    assert other.as_dataset("default").features == schema.DEFAULT
    assert [len(model.asked) for model in models.values()] == asked


def test_another_word_for_thinking_is_bad_input() -> None:
    """The two that there are are named."""
    with pytest.raises(BadInput, match="needs a thinking of strip or keep; came 'on'"):
        codec(thinking="on")
