"""What a command imports: what it needs, and nothing that only others do."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import codeclm_hf
from support.model_server import StandIn

HEAVY = ("aiohttp", "datasets", "evaluate", "huggingface_hub", "matplotlib", "numpy", "pandas", "polars", "pyarrow",
         "transformers")  # fmt: skip
"""Packages that take long to import."""
_PROGRAM = """
import json, sys
from codeclm_hf.cli.main import main

names, *commands = json.loads(sys.argv[1])
for words in commands:
    sys.argv = ["codeclm-hf", *words]
    try:
        main()
    except SystemExit as exc:
        assert not exc.code, (words, exc.code)
    print("loaded:", json.dumps([words, [name for name in names if name in sys.modules]]))
"""


def loaded(names: tuple[str, ...], *commands: list[Any]) -> list[tuple[list[str], list[str]]]:
    """Each command, and which of these modules are loaded when it has ended; one after the other in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps([names, *commands], default=str)],
        env=os.environ | {"COLUMNS": "200"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("loaded:")]
    return [tuple(json.loads(line.removeprefix("loaded:"))) for line in lines]


def test_a_local_run_leaves_the_hub_and_the_evaluation_alone(
    world_of: Callable[..., tuple[StandIn, StandIn]], seeds_file: Path, tmp_path: Path
) -> None:
    """Who only makes a data set loads neither what publishes it nor what evaluates a model."""
    strong, target = world_of(tgi=False)
    words: list[Any] = ["run", seeds_file, "--strong", strong.url, "--target", target.url]
    words += ["--out", tmp_path / "out", "--num-instructions", 4, "--num-metadata", 2]
    rooms = ("codeclm_hf.hub", "codeclm_hf.evaluation", "codeclm_hf.run")
    ((_, found),) = loaded(rooms, words)
    assert found == ["codeclm_hf.run"]
    assert (tmp_path / "out" / "codeclm.json").exists()


def test_a_help_text_loads_nothing_heavy() -> None:
    """Who asks for help, of the program or of any command, reads it at once."""
    helps = [[*words, "--help"] for words in every_command()]
    assert len(helps) > 15
    assert loaded(HEAVY, *helps) == [(words, []) for words in helps]


def test_the_package_imports_a_name_when_it_is_first_used() -> None:
    """`import codeclm_hf` is cheap; a public name then brings the modules that it needs, and no other room."""
    program = f"""
import sys
import codeclm_hf
assert not [name for name in {HEAVY} if name in sys.modules]
assert codeclm_hf.BadInput.__module__ == "codeclm_hf.errors" and "aiohttp" not in sys.modules
from codeclm_hf import CodecLM, endpoint
assert CodecLM is codeclm_hf.CodecLM and vars(codeclm_hf)["CodecLM"] is CodecLM
assert "codeclm_hf.hub" not in sys.modules and "codeclm_hf.evaluation" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_package_has_no_name_that_it_does_not_offer() -> None:
    """A wrong name is an error at once, as in any module."""
    with pytest.raises(AttributeError, match="module 'codeclm_hf' has no attribute 'CodecLm'"):
        codeclm_hf.CodecLm  # type: ignore[attr-defined]  # noqa: B018


def test_a_type_checker_sees_the_names_that_a_program_can_use() -> None:
    """The imports for type checkers, the table of modules and `__all__` name the same things."""
    tree = ast.parse(Path(str(codeclm_hf.__file__)).read_text(encoding="utf-8"))
    seen = {
        alias.name: str(node.module).removeprefix("codeclm_hf.")
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == codeclm_hf._MODULES
    assert sorted([*seen, "__version__"]) == codeclm_hf.__all__


def every_command() -> list[list[str]]:
    """What is typed for the program, for each command, and for each command of a group."""
    import typer

    from codeclm_hf.cli.main import app

    group = typer.main.get_command(app)
    commands: list[list[str]] = [[]]
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        commands += [[name], *([name, inner] for inner in getattr(command, "commands", ()))]
    return commands
