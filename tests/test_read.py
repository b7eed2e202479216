"""What is published, read with what people read data sets with: no code of ours is needed."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest
from datasets import load_dataset
from huggingface_hub import snapshot_download

from codeclm_hf import BadInput, publish, scan, schema
from hub import Hub
from published import REPO, run_directory_of

pytestmark = pytest.mark.usefixtures("token", "hub")


@pytest.fixture
def published(hub: Hub, tmp_path: Path) -> Path:
    """Two versions; the folder of the first, as anybody downloads it."""
    run = run_directory_of(tmp_path / "run", ["one", 'two "é" 字'])
    publish(run, REPO)
    publish(run_directory_of(run, ["three"]), REPO)
    return Path(snapshot_download(REPO, repo_type="dataset", revision="v1.0.0", local_dir=tmp_path / "there"))


@pytest.mark.parametrize("config", schema.TABLES)
def test_everybody_reads_the_same_rows(published: Path, config: str) -> None:
    """`load_dataset` at once and as a stream, `scan`, polars, pandas and DuckDB, at a version."""
    rows = load_dataset(REPO, config, split="train", revision="v1.0.0").to_list()
    files = str(published / "data" / config / "*.parquet")
    table = load_dataset(REPO, config, split="train", revision="v1.0.0")
    assert list(load_dataset(REPO, config, split="train", revision="v1.0.0", streaming=True)) == rows
    assert scan(REPO, config, revision="1.0.0").collect().to_dicts() == rows
    assert table.with_format("polars")[:].to_dicts() == rows
    assert pl.read_parquet(files).to_dicts() == rows
    assert duckdb.read_parquet(files).pl().to_dicts() == rows
    one = pd.read_parquet(next((published / "data" / config).iterdir()))
    assert one[schema.KEYS[config]].tolist() == [row[schema.KEYS[config]] for row in rows]


def test_the_newest_version_is_what_no_revision_means(published: Path) -> None:
    """`default` is the config that none means."""
    assert scan(REPO).select("instruction").collect().to_series().to_list() == ["three"]
    assert load_dataset(REPO, split="train")["instruction"][:] == ["three"]


def test_a_scan_is_lazy_and_reads_what_is_asked_for(published: Path) -> None:
    """Columns, rows and filters, as of any LazyFrame."""
    assert scan(REPO, revision="1.0.0").filter(pl.col("instruction") == "one").select("winner").collect().height == 1
    assert scan(REPO, revision="1.0.0").head(1).collect().height == 1


def test_a_table_that_is_none_is_told() -> None:
    """With the nearest that there is."""
    with pytest.raises(BadInput, match=r"needs a config of default, .*; came 'preferences'; did you mean preference\?"):
        scan(REPO, "preferences")


def test_a_revision_that_is_none_is_told(published: Path) -> None:
    """As everywhere."""
    with pytest.raises(BadInput, match=r"9\.9\.9"):
        scan(REPO, revision="9.9.9")
