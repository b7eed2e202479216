"""The README, as a reader types it: every code block, in order, in one folder, against stand-ins on real sockets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from hub import Hub
from world import World, answers

README = Path(__file__).parents[1] / "README.md"
NOT_RUN = {
    "# run the demo": "it makes the environment itself; .ci/run runs it as written, in a fresh clone",
    "# run the tests": "this test would run itself; .ci/run runs it as written",
    "seeds ──Encode──▶ metadata": "a drawing",
    "pdoc": "tests/test_api_reference.py runs it as written, and looks at what it made",
    "docker run --gpus all": "it needs a GPU and a registry of images",
}
"""How a block begins that is not run here, and why."""
ROW = "4bcad9843285a847"
"""The row whose history the README asks for; here it is the first that the README's runs made."""


def blocks() -> list[Token]:
    """Every block of code, fenced or indented."""
    tokens = MarkdownIt().parse(README.read_text(encoding="utf-8"))
    return [token for token in tokens if token.type in ("fence", "code_block")]


def reason(block: Token) -> str | None:
    """Why a block is not run, if it is not."""
    return next((why for begins, why in NOT_RUN.items() if block.content.startswith(begins)), None)


@pytest.mark.parametrize("begins", NOT_RUN)
def test_what_is_not_run_is_there(begins: str) -> None:
    """An entry of the list of exceptions that fits no block, or two, is an error: it cannot outlive the README."""
    assert [block.content.startswith(begins) for block in blocks()].count(True) == 1


def test_every_block_runs_in_order(
    hub: Hub, token: None, serve: Callable[..., Any], seeds_file: Path, tmp_path: Path
) -> None:
    """From seeds to a data set with versions: each block succeeds with what the blocks before it left."""
    strong = serve(answers(World(), "strong"))
    target = serve(answers(World(), "target"), tgi=False, model="meta-llama/Llama-3.1-8B-Instruct")
    known = {"http://localhost:8080": strong.url, "http://localhost:8081": target.url}
    bin = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{bin}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    run = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
    assert any(ROW in block.content for block in blocks())
    for block in blocks():
        if reason(block):
            continue
        assert block.info in run, f"say in NOT_RUN why this block is not run:\n{block.content}"
        if ROW in block.content:
            known[ROW] = pl.read_parquet(tmp_path / "my-set" / "data" / "default" / "*.parquet")["id"][0]
        code = block.content
        for written, here in known.items():
            code = code.replace(written, here)
        done = subprocess.run(
            [*run[block.info], code], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{block.content}\n{done.stdout}\n{done.stderr}"
    assert list(hub.repos) == [("datasets", "org/my-set")]
    assert sorted(hub.repos["datasets", "org/my-set"].tags) == ["v1.0.0", "v1.1.0", "v1.2.0"]
