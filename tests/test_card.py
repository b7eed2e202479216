"""The card of a run directory."""

from __future__ import annotations

from pathlib import Path

from datasets import Dataset
from huggingface_hub import DatasetCard

from codeclm_hf import CodecLM
from codeclm_hf.hub.card import _escape


def test_the_front_matter_says_what_the_hub_needs(codec: CodecLM, seeds: Dataset, tmp_path: Path) -> None:
    """`huggingface_hub` parses it: configs with a default, size, task, and that it is synthetic."""
    tables = codec.run(seeds, out=tmp_path, num_instructions=8, num_metadata=4)
    data = DatasetCard.load(tmp_path / "README.md").data
    assert [config["config_name"] for config in data.configs] == list(tables)
    assert [config.get("default", False) for config in data.configs] == [True, False, False, False]
    assert data.size_categories == ["n<1K"]
    assert {"synthetic", "codeclm"} <= set(data.tags)
    assert data.annotations_creators == ["machine-generated"]


def test_the_body_counts_what_happened(codec: CodecLM, seeds: Dataset, tmp_path: Path) -> None:
    """Rows, models, and verdicts by iteration, adding up to the trace."""
    tables = codec.run(seeds, out=tmp_path, num_instructions=8, num_metadata=4)
    text = DatasetCard.load(tmp_path / "README.md").text
    assert f"| `default` | {len(tables['default'])} |" in text
    assert f"{tables['metadata']['origin'][:].count('seed')} from seeds" in text
    lines = [line for line in text.splitlines() if line[:3] in ("| 1", "| 2", "| 3", "| 4")]
    assert sum(int(cell) for line in lines for cell in line.split("|")[2:-1]) == len(tables["trace"])


def test_a_models_name_cannot_break_the_card() -> None:
    """Pipes, HTML, links and line breaks become plain text."""
    assert _escape("a|b\n<script>[x](http://t)`") == "a\\|b \\<script\\>\\[x\\]\\(http://t\\)\\`"
