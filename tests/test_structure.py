"""The house: which room may import which, and what the package exports."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import codeclm_hf

ROOT = Path(__file__).parents[1]
ORDER = (
    {"errors"},
    {"ids", "schema", "text", "files", "json_types", "package"},
    {"endpoints"},
    {"prompts"},
    {"settings"},
    {"stages"},
    {"card"},
    {"run"},
    {"safety", "evaluation"},
    {"hub"},
    {"exports"},
    {"builders"},
    {"cli"},
)
"""The rooms: each may import those that stand before it, and none beside it."""
EARLIER = {room: set().union(*ORDER[:n]) for n, rooms in enumerate(ORDER) for room in rooms}
TOP_LEVEL = {"pyproject.toml", "README.md", "codeclm_hf", "builders", "tests", "cards", "CHANGELOG.md", "LICENSE",
             ".ci", ".github", "benchmarks", "docs", "zensical.toml"}  # fmt: skip


def rooms() -> dict[str, list[Path]]:
    """Every module of the package by its room; `__init__` and `__main__` are the doors of the house."""
    modules: dict[str, list[Path]] = {"builders": sorted((ROOT / "builders").rglob("*.py"))}
    for path in sorted((ROOT / "codeclm_hf").rglob("*.py")):
        room = path.relative_to(ROOT / "codeclm_hf").parts[0].removesuffix(".py")
        if not room.startswith("__"):
            modules.setdefault(room, []).append(path)
    return modules


def imported_rooms(path: Path) -> Iterator[str]:
    """The rooms that a module imports anywhere, in functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (room_of(alias.name) for alias in node.names if alias.name.startswith("codeclm_hf"))
        elif isinstance(node, ast.ImportFrom) and node.module == "codeclm_hf":
            yield from (room_of(f"codeclm_hf.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("codeclm_hf."):
            yield room_of(str(node.module))


def room_of(name: str) -> str:
    """The room of a module, or of what a public name of the package stands for."""
    assert name != "codeclm_hf", "import from a room, not the whole package"
    inner = name.split(".")[1]
    if inner in EARLIER:
        return inner
    module: str = getattr(codeclm_hf, inner).__module__
    return module.split(".")[1]


def test_every_room_has_its_place_in_the_order() -> None:
    """No room is missing in ORDER, and none there is gone."""
    assert set(rooms()) == set(EARLIER)


@pytest.mark.parametrize("room", sorted(EARLIER))
def test_imports_point_back_along_the_flow(room: str) -> None:
    """A room imports only the rooms before it; a public name from the package's root counts as its room."""
    for path in rooms().get(room, []):
        later = set(imported_rooms(path)) - EARLIER[room] - {room}
        assert not later, f"{path.relative_to(ROOT)} imports {sorted(later)}"


def test_the_top_level_is_the_users() -> None:
    """Nothing that git keeps stands beside what was asked for, but files that tools look for by a dot's name."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = {name.split("/")[0] for name in listed.stdout.splitlines()}
    dotfiles = {name for name in names if name.startswith(".") and (ROOT / name).is_file()}
    assert names - dotfiles <= TOP_LEVEL


def test_no_test_file_imports_another() -> None:
    """What tests share lies in `tests/support/`."""
    tests = ROOT / "tests"
    for path in [
        tests / "conftest.py",
        *sorted(tests.rglob("test_*.py")),
        *sorted((tests / "support").glob("*.py")),
    ]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            wrong = [name for name in names if any(part.startswith("test_") for part in name.split("."))]
            assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_what_contributors_are_shown_is_there() -> None:
    """Every file and every test that CONTRIBUTING.md names exists, but those that the reader is to write."""
    shown = re.findall(r"`([^`\n]+)`", (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    files = [name for name in shown if re.fullmatch(r"[\w./-]+/[\w./-]*", name) and "NAME" not in name]
    assert len(files) > 20
    assert [name for name in files if not (ROOT / name).exists()] == []
    written = "".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py"))
    )
    tests = [name for name in shown if name.startswith("test_") and not name.endswith(".py")]
    assert len(tests) > 8
    assert [name for name in tests if f"def {name}(" not in written] == []


def test_a_newcomer_reads_the_method_from_the_file_list() -> None:
    """Each stage has a file of its name."""
    stages = {path.stem for path in (ROOT / "codeclm_hf" / "stages").glob("*.py")}
    assert {"encode", "augment", "rubrics", "decode", "tailor", "contrast"} <= stages


def test_the_exports_are_the_namespace() -> None:
    """`__all__` names what the package offers, all of it and nothing else, in order."""
    assert codeclm_hf.__all__ == sorted(codeclm_hf.__all__)
    offered = {name for name in dir(codeclm_hf) if not name.startswith("_")} - set(EARLIER) - {"cards"}
    assert offered == set(codeclm_hf.__all__) - {"__version__"}
    for name in codeclm_hf.__all__:
        assert getattr(codeclm_hf, name) is not None
