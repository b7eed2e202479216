"""The README, as a reader types it: every code block, in order, in one folder, against stand-ins on real sockets."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from support import command_process, readme
from support.hub_server import Hub
from support.judges import good, judging
from support.world import World, answers

NOT_RUN = {
    "# run the demo": "it makes the environment itself; .ci/run runs it as written, in a fresh clone",
    "# run the tests": "it would run this test; .ci/run runs it as written",
    "seeds ──Encode──▶ metadata": "a drawing",
    "docker run --gpus all": "it needs a GPU and a registry of images",
    "pdoc": "tests/test_api_reference.py runs it as written, and looks at what it made",
}
"""How a block begins that is not run here, and why."""
ROW = "4bcad9843285a847"
"""The row whose history the README asks for; here it is the first that the README's runs made."""


@pytest.mark.parametrize("begins", NOT_RUN)
def test_what_is_not_run_is_there(begins: str) -> None:
    """An entry of the list of exceptions that fits no block, or two, is an error: it cannot outlive the README."""
    assert [block.content.startswith(begins) for block in readme.blocks()].count(True) == 1


def test_every_block_runs_in_order(
    hub: Hub, token: None, serve: Callable[..., Any], seeds_file: Path, tmp_path: Path
) -> None:
    """From seeds to a data set with versions: each block succeeds with what the blocks before it left.

    Its commands run in processes that have imported already; .ci/run types the demo with the one that is installed.
    """
    strong = serve(answers(World(), "strong"))
    target = serve(answers(World(), "target"), tgi=False, model="meta-llama/Llama-3.1-8B-Instruct")
    judge = serve(judging(good), tgi=False, model="the-judge")
    tuned = serve(answers(World(), "target"), tgi=False, model="tuned")
    servers = {8080: strong, 8081: target, 8082: judge, 8083: tuned}
    here = {f"http://localhost:{port}": server.url for port, server in servers.items()}
    shutil.copy(seeds_file, tmp_path / "benchmark.jsonl")
    used, commands = set(), tmp_path / "bin"
    commands.mkdir()
    with command_process.script(commands / "codeclm-hf"):
        for block in readme.blocks():
            if block.content.startswith(tuple(NOT_RUN)):
                continue
            assert block.info in readme.RUN, f"say in NOT_RUN why this block is not run:\n{block.content}"
            if (tmp_path / "my-set").exists():
                here[ROW] = pl.read_parquet(tmp_path / "my-set" / "data" / "default" / "*.parquet")["id"][0]
            code = block.content
            used |= {written for written in here if written in code}
            for written, actual in here.items():
                code = code.replace(written, actual)
            readme.run(code, block.info, tmp_path, commands)
    assert used == set(here)
    assert sorted(hub.repos["datasets", "org/my-set"].tags) == ["v1.0.0", "v1.1.0", "v1.2.0", "v1.2.1"]
    assert "evaluations/after/README.md" in hub.repos["datasets", "org/my-set"].files("main")
