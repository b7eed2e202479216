"""The house: which room may import which, what the package exports, and how long a file may grow."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import codeclm_hf

ROOT = Path(__file__).parents[1]
ROOMS = {
    "errors": set(),
    "about": set(),
    "ids": set(),
    "schema": set(),
    "endpoints": {"errors", "ids"},
    "prompts": {"endpoints", "errors", "ids"},
    "metrics": {"schema", "errors", "ids"},
    "stages": {"endpoints", "prompts", "metrics", "schema", "errors", "ids", "about"},
    "parquet": set(),
    "run_directory": {"parquet", "schema", "errors"},
    "hub": {"run_directory", "parquet", "metrics", "schema", "ids", "errors", "about"},
    "plan": {"stages"},
    "progress": {"endpoints", "stages"},
    "inputs": {"stages", "schema", "errors", "ids"},
    "benchmark": {"stages", "schema", "errors", "ids"},
    "judge_check": {"stages", "prompts", "endpoints", "errors"},
    "settings": {"stages", "errors"},
    "recipe": {"stages", "endpoints", "progress", "inputs"},
    "pipeline": {"stages", "prompts", "endpoints", "hub", "metrics", "run_directory", "plan", "progress", "inputs",
                 "recipe", "settings", "schema", "errors", "about", "ids"},
    "evaluation": {"benchmark", "judge_check", "stages", "prompts", "endpoints", "hub", "metrics", "run_directory",
                   "parquet", "plan", "progress", "inputs", "settings", "errors", "about"},
    "two_evaluations": {"hub", "metrics", "errors"},
    "builders": {"pipeline", "recipe", "settings", "progress", "endpoints", "hub", "run_directory", "schema", "errors",
                 "ids"},
    "display": {"errors", "pipeline", "plan", "progress", "run_directory", "metrics"},
    "options": set(),
    "journal_commands": {"endpoints", "run_directory", "errors"},
    "hub_display": {"hub", "metrics"},
    "hub_commands": {"hub", "hub_display", "run_directory", "errors"},
    "card_commands": {"hub", "run_directory", "errors"},
    "evaluate_commands": {"options", "builders", "benchmark", "evaluation", "two_evaluations", "judge_check", "display",
                          "hub", "metrics", "settings", "endpoints", "errors"},
    "cli": {"options", "builders", "display", "evaluate_commands", "journal_commands", "hub_commands", "card_commands",
            "pipeline", "endpoints", "run_directory", "metrics", "settings", "errors"},
    "__init__": {"about", "endpoints", "errors", "evaluation", "hub", "pipeline", "progress", "stages"},
    "__main__": {"cli"},
}  # fmt: skip
"""What each room may import: every arrow points back along the flow of the data."""


def rooms() -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted((ROOT / "codeclm_hf").rglob("*.py")):
        found.setdefault(path.relative_to(ROOT / "codeclm_hf").parts[0].removesuffix(".py"), []).append(path)
    return found | {"builders": sorted((ROOT / "builders").glob("*.py"))}


def imported(path: Path) -> set[str]:
    """The rooms of ours that a file imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("codeclm_hf.")}


@pytest.mark.parametrize("room", sorted(rooms()))
def test_imports_point_back_along_the_flow(room: str) -> None:
    """A room imports only the rooms before it."""
    for path in rooms()[room]:
        arrows = {name for name in imported(path) if name in rooms()} - {room}
        assert arrows <= ROOMS[room], f"{path.name} imports {sorted(arrows - ROOMS[room])}"


def test_the_graph_of_the_rooms_has_no_circle() -> None:
    """What ROOMS allows is itself an order."""
    order: list[str] = []
    while len(order) < len(ROOMS):
        ready = [room for room, may in ROOMS.items() if room not in order and may <= set(order)]
        assert ready, f"a circle among {sorted(set(ROOMS) - set(order))}"
        order += ready


def test_the_top_level_is_the_users() -> None:
    """Nothing stands beside what was asked for."""
    allowed = {"pyproject.toml", "README.md", "codeclm_hf", "builders", "tests", "cards", "CHANGELOG.md", "LICENSE",
               ".ci", ".github", "benchmarks", ".gitignore"}  # fmt: skip
    listed = (ROOT / ".git").exists() and __import__("subprocess").run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert {name.split("/")[0] for name in listed or [] if name} <= allowed


def test_a_newcomer_reads_the_method_from_the_file_list() -> None:
    """Each stage has a file of its name."""
    stages = {path.stem for path in (ROOT / "codeclm_hf" / "stages").glob("*.py")}
    assert {"encode", "augment", "rubrics", "decode", "tailor", "contrast"} <= stages


def test_the_exports_are_the_namespace() -> None:
    """`__all__` names what the package offers, all of it and nothing else, in order."""
    offered = {name for name in vars(codeclm_hf) if not name.startswith("_")} - set(rooms()) - {"cards"}
    assert set(codeclm_hf.__all__) - {"__version__"} == offered
    assert codeclm_hf.__all__ == sorted(codeclm_hf.__all__)


@pytest.mark.parametrize(
    "path", [path for files in rooms().values() for path in files], ids=lambda path: path.stem
)
def test_files_and_functions_stay_readable(path: Path) -> None:
    """No file above 300 lines and no function above 60, the command line's long signature aside."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = (node.end_lineno or 0) - node.body[0].lineno
            assert body <= 60, f"{node.name} has {body} lines"
