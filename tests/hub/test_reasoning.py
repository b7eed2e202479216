"""A version of a run that keeps thoughts and was made with a system prompt: published, pulled, gone on with."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset

from codeclm_hf import CodecLM, export, publish, pull, schema
from codeclm_hf.run import directory
from support.hub_server import Hub
from support.run_directories import REPO
from support.thinker import THOUGHT, Thinker

SMALL = {"num_instructions": 4, "num_metadata": 2}


def run(seeds: Dataset, out: Path, **settings: Any) -> None:
    strong = Thinker("strong")
    strong.extra = {"metadata": [{"user": "ada@lovelace.org"}], "top_k": 5}  # type: ignore[attr-defined]
    CodecLM(strong=strong, target=Thinker("target"), **settings).run(seeds, out=out, **SMALL)


@pytest.mark.usefixtures("token")
def test_thoughts_on_the_hub(hub: Hub, seeds: Dataset, tmp_path: Path) -> None:
    """They are published, a colleague's run that strips them adds to them; `redact` looks into prompts and fields."""
    run(seeds, tmp_path / "kept", thinking="keep", target_system="Write to ada@lovelace.org.")
    publish(tmp_path / "kept", REPO, redact=True)
    published = {name: load_dataset(REPO, name, split="train") for name in schema.REASONING}
    kept = directory.read_tables(tmp_path / "kept")
    for name, table in published.items():
        assert table.features == schema.features(name, schema.REASONING[name])
        assert table["id"][:] == kept[name]["id"][:]
    assert published["default"]["reasoning"][:] == kept["default"]["reasoning"][:]
    assert published["default"]["messages"][0][0] == {"role": "system", "content": "Write to [EMAIL]."}
    pull(REPO, tmp_path / "pulled")
    text = (tmp_path / "pulled" / "codeclm.json").read_text() + (
        tmp_path / "pulled" / "README.md"
    ).read_text()
    assert "Write to [EMAIL]." in text and "lovelace" not in text
    assert '{"metadata":[{"user":"[EMAIL]"}],"top_k":5}' in html.unescape(text.replace("\\", ""))
    run(seeds, tmp_path / "pulled", seed=1)
    changes = publish(tmp_path / "pulled", REPO).changes["default"]
    there, rows = published["default"]["id"][:], load_dataset(REPO, split="train")
    thoughts = [row["reasoning"] for row in rows if row["id"] in there]
    # a row that the later run made as well is the later run's, which was to keep none
    assert thoughts.count(None) == changes.changed < len(there) and not changes.removed
    assert all(text.startswith(THOUGHT) for text in thoughts if text is not None)
    assert [row["reasoning"] for row in rows if row["id"] not in there] == [None] * changes.added != []
    assert export(REPO, tmp_path / "out", to="llama-factory")
