"""What a person decides about metadata: names to choose from, and a table to edit between encode and decode."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import load_dataset

from support.command_line import Cli, output_of, refusal_of
from support.model_server import StandIn
from support.world import SKILLS, USE_CASES

WorldOf = Callable[..., tuple[StandIn, StandIn]]


@pytest.fixture
def servers(world_of: WorldOf) -> tuple[StandIn, StandIn]:
    return world_of(tgi=False)


@pytest.fixture
def typed(servers: tuple[StandIn, StandIn], tmp_path: Path, seeds_file: Path) -> list[object]:
    """A small run's words."""
    strong, target = servers
    return ["run", seeds_file, "--strong", strong.url, "--target", target.url, "--out", tmp_path / "out",
            "--num-instructions", 8, "--num-metadata", 4]  # fmt: skip


def test_lists_are_chosen_from_and_recorded(cli: Cli, typed: list[object], tmp_path: Path) -> None:
    """Names become the listed spellings; the manifest has the lists; a configuration file may name them."""
    (tmp_path / "use-cases.txt").write_text("\n".join(name.upper() for name in USE_CASES))
    (tmp_path / "skills.json").write_text(json.dumps([name.title() for name in SKILLS]))
    (tmp_path / "run.yaml").write_text(f"use-cases: {tmp_path / 'use-cases.txt'}\n")
    output_of(cli(*typed, "--config", tmp_path / "run.yaml", "--skills", tmp_path / "skills.json"))
    table = load_dataset(str(tmp_path / "out"), "metadata", split="train")
    assert set(table["use_case"]) <= {name.upper() for name in USE_CASES}
    assert {skill for row in table for skill in row["skills"]} <= {name.title() for name in SKILLS}
    config = json.loads((tmp_path / "out" / "codeclm.json").read_text())["config"]
    assert config["use_cases"] == [name.upper() for name in USE_CASES]
    assert config["skills"] == [name.title() for name in SKILLS]


def test_without_lists_the_manifest_says_nothing_of_skills(
    cli: Cli, typed: list[object], tmp_path: Path
) -> None:
    """As manifests always were."""
    output_of(cli(*typed))
    config = json.loads((tmp_path / "out" / "codeclm.json").read_text())["config"]
    assert config["use_cases"] == []
    assert "skills" not in config


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "needs at least one use case"),
        ("poetry\nPoetry\n", "needs each use case once"),
        (None, "there is no file"),
    ],
)
def test_a_list_that_cannot_be_used_stops_before_anything_is_written(
    cli: Cli, typed: list[object], tmp_path: Path, content: str | None, words: str
) -> None:
    """One line says why, and no folder is made."""
    if content is not None:
        (tmp_path / "list.txt").write_text(content)
    assert words in refusal_of(cli(*typed, "--use-cases", tmp_path / "list.txt"))
    assert not (tmp_path / "out").exists()


def test_a_list_in_a_configuration_file_must_be_a_file(cli: Cli, typed: list[object], tmp_path: Path) -> None:
    """A YAML list in place of a file's name is refused in words."""
    (tmp_path / "run.yaml").write_text("use-cases: [poetry, code]\n")
    refusal_of(cli(*typed, "--config", tmp_path / "run.yaml"))
