"""A run that keeps what its models thought: tables, card, and the folders that it shares with runs that do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset

from codeclm_hf import BadInput, CodecLM, schema
from codeclm_hf.builders import Tailored
from codeclm_hf.files import write_parquet
from codeclm_hf.run import directory
from support.inputs import tree
from support.tables import default_row
from support.thinker import THOUGHT, Thinker

SMALL = {"num_instructions": 8, "num_metadata": 4}
KEPT = {name: schema.features(name, schema.REASONING.get(name, ())) for name in schema.TABLES}


def codec(**settings: Any) -> CodecLM:
    return CodecLM(strong=Thinker("strong"), target=Thinker("target"), **settings)


def test_a_run_that_keeps_thoughts(seeds: Dataset, tmp_path: Path) -> None:
    """Its tables are read with their columns, its card says so, and to strip them later asks nobody anything."""
    out = tmp_path / "out"
    tables = codec(thinking="keep").run(seeds, out=out, **SMALL)
    for name, features in KEPT.items():
        loaded = load_dataset(str(out), name, split="train")
        assert loaded.features == directory.read_tables(out)[name].features == features
        assert loaded.to_list() == directory.read_tables(out)[name].to_list() == tables[name].to_list()
    assert all(text.startswith(THOUGHT) for text in tables["default"]["reasoning"])
    assert json.loads((out / "codeclm.json").read_text())["config"]["thinking"] == "keep"
    assert "| thinking | keep | strip |" in (out / "README.md").read_text()
    later = codec()
    later.run(seeds, out=out, **SMALL)
    assert later.strong.asked == later.target.asked == []  # type: ignore[attr-defined]
    codec().run(seeds, out=tmp_path / "stripped", **SMALL)
    assert tree(out / "data") == tree(tmp_path / "stripped" / "data")
    assert THOUGHT.encode() not in b"".join(tree(out / "data").values())
    assert "thinking" not in json.loads((out / "codeclm.json").read_text())["config"]


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
