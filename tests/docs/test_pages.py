"""What the manual says of the code is there, and what people need to find in it is in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from codeclm_hf.cli.main import app
from support import manual

NAMED = re.compile(r"((?:`\w+`(?:, | and )?)+) in `([\w/]+\.py)`")
"""How the architecture's table names what does a step: functions or classes, and their file."""


def commands(group: Any, name: str = "codeclm-hf") -> Iterator[tuple[str, Any]]:
    """Every command of the command line, by how it is typed."""
    for word, command in getattr(group, "commands", {}).items():
        yield from commands(command, f"{name} {word}")
    if not getattr(group, "commands", {}):
        yield name, group


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_in_the_manual(command: str) -> None:
    """A reader finds each command, and each of its options by name."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in manual.PAGES.values())
    assert re.search(rf"\b{command.removeprefix('codeclm-hf ')}\b", text)
    options = [option for one in COMMANDS[command].params for option in one.opts if option.startswith("--")]
    assert [option for option in options if option != "--help" and f"`{option}" not in text] == []


def test_the_readme_is_short() -> None:
    """Somebody reads all of it: at most 900 words."""
    assert len(manual.PAGES["README.md"].read_text(encoding="utf-8").split()) <= 900


def test_what_the_readme_points_to_is_there() -> None:
    """Its links and pictures are files; those between the manual's pages are checked when the site is built."""
    text = manual.PAGES["README.md"].read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert targets and [target for target in targets if not (manual.ROOT / target).is_file()] == []


def test_the_pictures_are_small() -> None:
    """They are part of every clone: less than 60 kB each, and the terminal's loads nothing."""
    pictures = list((manual.ROOT / "docs" / "images").iterdir())
    assert pictures and all(picture.stat().st_size < 60_000 for picture in pictures)
    for drawing in (manual.ROOT / "docs" / "images").glob("*.svg"):
        assert "url(http" not in drawing.read_text(encoding="utf-8").replace('"', "")


def test_the_architecture_names_what_is_there() -> None:
    """Each step's function or class is defined in the file that the table says, and each room is a folder or a file."""
    text = manual.PAGES["docs/architecture.md"].read_text(encoding="utf-8")
    steps = NAMED.findall(text)
    assert len(steps) >= 15
    for names, file in steps:
        assert set(re.findall(r"`(\w+)`", names)) <= _defined(manual.ROOT / file), file
    rooms = re.findall(r"`(\w+(?:\.py|/))`", text.split("## Rooms")[1].split("##")[0])
    assert rooms
    places = (manual.ROOT / "codeclm_hf", manual.ROOT)
    assert [room for room in rooms if not any((place / room).exists() for place in places)] == []


def _defined(path: Path) -> set[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
