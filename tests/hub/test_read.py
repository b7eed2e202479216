"""What is published, read with what people read data sets with: no code of ours is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from datasets import load_dataset
from huggingface_hub import HfFileSystem, snapshot_download

from codeclm_hf import BadInput, publish, scan, schema
from support.hub_server import Hub
from support.run_directories import REPO, run_directory_of
from support.tls_proxy import Outside

pytestmark = pytest.mark.usefixtures("token", "hub")

Rows = list[dict[str, Any]]
THERE = f"hf://datasets/{REPO}@v1.0.0/data"


@pytest.fixture
def published(hub: Hub, tmp_path: Path) -> Path:
    """Two versions; the folder of the first, as anybody downloads it."""
    run = run_directory_of(tmp_path / "run", ["one", 'two "é" 字'])
    publish(run, REPO)
    publish(run_directory_of(run, ["three"]), REPO)
    # it remembers the files of a repository by its name
    HfFileSystem.clear_instance_cache()
    return Path(snapshot_download(REPO, repo_type="dataset", revision="v1.0.0", local_dir=tmp_path / "there"))


@pytest.fixture
def outside(hub: Hub, tmp_path: Path) -> Iterator[Outside]:
    """A way to `https://huggingface.co` that ends at the stand-in."""
    with Outside(hub, tmp_path) as outside:
        yield outside


def loaded(config: str) -> Rows:
    return load_dataset(REPO, config, split="train", revision="v1.0.0").to_list()


def test_everybody_reads_the_same_rows(published: Path) -> None:
    """`load_dataset` at once and as a stream, `scan`, polars, pandas and DuckDB, every table at a version."""
    for config in schema.TABLES:
        table = load_dataset(REPO, config, split="train", revision="v1.0.0")
        rows = table.to_list()
        files = str(published / "data" / config / "*.parquet")
        assert list(load_dataset(REPO, config, split="train", revision="v1.0.0", streaming=True)) == rows
        assert scan(REPO, config, revision="1.0.0").collect().to_dicts() == rows
        assert table.with_format("polars")[:].to_dicts() == rows
        assert pl.read_parquet(files).to_dicts() == rows
        assert duckdb.read_parquet(files).pl().to_dicts() == rows
        assert of_pandas(published / "data" / config) == rows


def test_an_hf_path_is_enough(published: Path) -> None:
    """For what reads it by `HfFileSystem`, which follows HF_ENDPOINT: pandas, and DuckDB, where it is registered."""
    with duckdb.connect() as database:
        database.register_filesystem(HfFileSystem())
        for config in schema.TABLES:
            rows = loaded(config)
            assert of_pandas(f"{THERE}/{config}") == rows
            assert database.sql(f"SELECT * FROM '{THERE}/{config}/*.parquet'").pl().to_dicts() == rows


def of_pandas(folder: Path | str) -> Rows:
    frame = pd.read_parquet(folder, dtype_backend="pyarrow")
    return pa.Table.from_pandas(frame, preserve_index=False).to_pylist()


def test_polars_reads_an_hf_path_by_itself(published: Path, outside: Outside) -> None:
    """All tables at a version; polars knows one Hub, by its name, and asks it over TLS."""
    program = f"""
import json, polars
tables = {{name: polars.scan_parquet(f"{THERE}/{{name}}/*.parquet") for name in {list(schema.TABLES)}}}
print(json.dumps({{name: table.collect().to_dicts() for name, table in tables.items()}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **outside.env},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {config: loaded(config) for config in schema.TABLES}
    assert set(outside.asked) == {"huggingface.co:443"}


def test_duckdb_reads_an_hf_path_by_itself(published: Path, outside: Outside) -> None:
    """All tables at a version, by its own extension, which it downloads from its own servers when it is installed."""
    with duckdb.connect() as database:
        try:
            database.execute("LOAD httpfs")
        except duckdb.IOException:
            pytest.skip("needs DuckDB's extension httpfs: duckdb -c 'INSTALL httpfs'")
        database.execute(f"SET http_proxy = '{outside.url}'; SET ca_cert_file = '{outside.authority}'")
        for config in schema.TABLES:
            found = database.sql(f"SELECT * FROM '{THERE}/{config}/*.parquet'").pl().to_dicts()
            assert found == loaded(config)
    assert set(outside.asked) == {"huggingface.co:443"}


def test_the_newest_version_is_what_no_revision_means(published: Path) -> None:
    """`default` is the config that none means."""
    assert scan(REPO).select("instruction").collect().to_series().to_list() == ["three"]
    assert load_dataset(REPO, split="train")["instruction"][:] == ["three"]


def test_a_scan_is_lazy_and_reads_what_is_asked_for(published: Path) -> None:
    """Columns, rows and filters, as of any LazyFrame."""
    assert (
        scan(REPO, revision="1.0.0").filter(pl.col("instruction") == "one").select("winner").collect().height
        == 1
    )
    assert scan(REPO, revision="1.0.0").head(1).collect().height == 1


def test_a_table_that_is_none_is_told() -> None:
    """With the nearest that there is."""
    with pytest.raises(
        BadInput, match=r"needs a config of default, .*; came 'preferences'; did you mean preference\?"
    ):
        scan(REPO, "preferences")


def test_a_revision_that_is_none_is_told(published: Path) -> None:
    """As everywhere."""
    with pytest.raises(BadInput, match=r"9\.9\.9"):
        scan(REPO, revision="9.9.9")
