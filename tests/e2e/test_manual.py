"""The README and the manual, as a reader types them: every code block of a page, in order, against stand-ins."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from support import command_process, manual
from support.hub_server import Hub
from support.judges import good, judging
from support.manual import Block
from support.world import World, answers

NOT_RUN = {
    "# run the demo": "it makes the environment itself; .ci/run runs it as written, in a fresh clone",
    "# run the tests": "it would run this test; .ci/run runs it as written",
    "# build the manual": "it makes the environment itself; test_site.py builds the manual",
    "# install with what": "it would install into the environment of the tests",
    "# models at Hugging Face": "it needs an account there; test_connecting.py has such servers",
    "docker run --gpus all": "it needs a GPU and a registry of images",
    "seeds ──Encode──▶ metadata": "a drawing",
}
"""How a block begins that is not run here, and why."""
ROW = "4bcad9843285a847"
"""The row whose history the manual asks for; here it is the first that the page's runs made."""
TAGS = {
    "README.md": ["v1.0.0"],
    "docs/judging-and-evaluating.md": ["v1.0.0"],
    "docs/versions-and-colleagues.md": ["v1.0.0", "v1.1.0", "v1.2.0"],
}
"""The versions that a page publishes."""


def sessions(page: str) -> Iterator[Block]:
    """What is run of a page; blocks of Python that follow each other are typed into one session."""
    session: Block | None = None
    for block in manual.blocks(page):
        if block.code.startswith(tuple(NOT_RUN)):
            continue
        if session and session.language == block.language == "python":
            session = session._replace(code=session.code + block.code)
            continue
        if session:
            yield session
        session = block
    if session:
        yield session


RUN = [page for page in manual.PAGES if next(sessions(page), None)]
"""The pages with something to run."""


@pytest.mark.parametrize("begins", NOT_RUN)
def test_what_is_not_run_is_there(begins: str) -> None:
    """An entry of the list of exceptions that fits no block, or two, is an error: it cannot outlive the page."""
    written = [block for page in manual.PAGES for block in manual.blocks(page)]
    assert [block.code.startswith(begins) for block in written].count(True) == 1


@pytest.mark.parametrize("page", RUN)
def test_every_block_of_a_page_runs_in_order(
    page: str, hub: Hub, token: None, serve: Callable[..., Any], seeds_file: Path, tmp_path: Path
) -> None:
    """Each block succeeds with what the blocks of its page before it left; one with a title is a file.

    Commands and Python run in processes that have imported already; .ci/run types the demo with the command
    that is installed.
    """
    written = manual.PAGES[page].read_text(encoding="utf-8")
    servers: dict[int, Callable[[], Any]] = {
        8080: lambda: serve(answers(World(), "strong")),
        8081: lambda: serve(answers(World(), "target"), tgi=False, model="meta-llama/Llama-3.1-8B-Instruct"),
        8082: lambda: serve(judging(good), tgi=False, model="the-judge"),
        8083: lambda: serve(answers(World(), "target"), tgi=False, model="tuned"),
    }
    names = {f"http://localhost:{port}": start for port, start in servers.items()}
    replaced = {name: start().url for name, start in names.items() if name in written}
    shutil.copy(seeds_file, tmp_path / "benchmark.jsonl")
    commands = tmp_path / "bin"
    commands.mkdir()
    with command_process.script(commands / "codeclm-hf"):
        for block in sessions(page):
            if ROW in block.code:
                table = tmp_path / "my-set" / "data" / "default" / "*.parquet"
                replaced[ROW] = pl.read_parquet(table)["id"][0]
            code = block.code
            for name, value in replaced.items():
                code = code.replace(name, value)
            if block.file is not None:
                (tmp_path / block.file).parent.mkdir(exist_ok=True)
                (tmp_path / block.file).write_text(code, encoding="utf-8")
            elif block.language == "python":
                manual.run_python(code, tmp_path)
            else:
                assert block.language == "bash", f"say in NOT_RUN why this block is not run:\n{block.code}"
                manual.run_shell(code, tmp_path, commands)
    repo = hub.repos.get(("datasets", "org/my-set"))
    assert sorted(repo.tags if repo else []) == TAGS.get(page, [])
    evaluated = repo is not None and "evaluations/after/README.md" in repo.files("main")
    assert evaluated == ("--evaluation after" in written)
