"""A run directory made before the code was divided into rooms is read, resumed and gone on with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from datasets import load_dataset

from codeclm_hf import schema, tables
from support import before_rooms
from support.before_rooms import (
    RESUMED_CHANGES,
    RUN,
    as_made_today,
    check_card,
    check_manifest,
    check_tables,
    run_again,
)
from support.command_line import Cli, output_of
from support.inputs import tree
from support.model_server import StandIn


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return before_rooms.run_directory(tmp_path / "run")


@pytest.fixture
def servers(serve: Callable[..., StandIn]) -> Iterator[tuple[StandIn, StandIn]]:
    """The old run's models, who are not asked anything."""
    strong, target = (serve(lambda *_: "", tgi=False, model=f"org/{name}") for name in ("strong", "target"))
    yield strong, target
    assert (strong.statuses, target.statuses) == ([], [])


def test_it_is_a_data_set(run: Path) -> None:
    """`load_dataset` reads every table with the contract's features; every verdict and a failed seed are there."""
    loaded = {name: load_dataset(str(run), name, split="train") for name in schema.TABLES}
    assert {name: len(table) for name, table in loaded.items()} == {
        "default": 6,
        "preference": 6,
        "trace": 13,
        "metadata": 5,
    }
    for name, features in before_rooms.FEATURES.items():
        assert loaded[name].features == features
        assert loaded[name].to_list() == before_rooms.tables(RUN)[name].to_pylist()
    assert load_dataset(str(run), split="train").to_list() == loaded["default"].to_list()
    assert set(loaded["trace"]["verdict"]) == {
        "accept_strong",
        "accept_target",
        "retry",
        "exhausted",
        "failed",
    }
    assert [error for error in loaded["metadata"]["error"] if error] == ["seed 3: the instruction is empty"]


def test_its_trace_makes_its_tables(run: Path) -> None:
    """`tables` makes the same rows of the old trace and metadata as the old run did; their flags are not known."""
    trace, metadata = (load_dataset(str(run), name, split="train") for name in ("trace", "metadata"))
    made, recorded = tables(trace, metadata), before_rooms.tables(RUN)
    assert made["default"].to_list() == [row | {"flags": None} for row in recorded["default"].to_pylist()]
    assert made["preference"].to_list() == recorded["preference"].to_pylist()


def test_it_is_inspected(run: Path, cli: Cli) -> None:
    """Models, counts, answers, costs, rows and failures are shown."""
    shown = output_of(cli("inspect", run))
    for words in (
        "strong: org/strong",
        "target: org/target",
        "rows: default 6, preference 6, trace 13, metadata 5",
        "4.20",
        "capacity recovery ratio 50.0 %",
        "Do 876-1 of code review using Rust",
        "failed: seed 3: the instruction is empty",
        "failed: needs two scores from 1 to 10; the model answered 'Both are fine.'",
    ):
        assert words in shown


def test_its_journal_is_read(run: Path, cli: Cli) -> None:
    """All answers are counted and exported, and none of them is superfluous."""
    assert "71 answers" in output_of(cli("journal", "stats", run))
    exported = [json.loads(line) for line in output_of(cli("journal", "export", run)).splitlines()]
    assert len(exported) == 71
    output_of(cli("journal", "prune", run))
    assert "71 answers" in output_of(cli("journal", "stats", run))


def test_it_is_resumed_without_a_request(servers: tuple[StandIn, StandIn], run: Path) -> None:
    """The same arguments give the same rows, with today's columns, and a card and a manifest that say so."""
    returned = run_again(servers, run)
    check_tables(run)
    check_card((run / "README.md").read_text(), (RUN / "README.md").read_text(), RESUMED_CHANGES)
    after, before = (json.loads((folder / "codeclm.json").read_text()) for folder in (run, RUN))
    check_manifest(after, before, is_resumed=True)
    for name, table in before_rooms.tables(RUN).items():
        assert returned[name].to_list() == as_made_today(name, table.to_pylist())
    others = [
        {path.relative_to(folder) for path in folder.rglob("*") if path.suffix != ".parquet"}
        for folder in (run, RUN)
    ]
    assert others[0] == others[1]


def test_its_journal_alone_makes_all_of_it(
    servers: tuple[StandIn, StandIn], run: Path, tmp_path: Path
) -> None:
    """In a run that was killed before it wrote its tables, the journal's answers become the same rows and card."""
    killed = tmp_path / "killed"
    killed.mkdir()
    shutil.copy(run / "journal.sqlite", killed)
    manifest = json.loads((run / "codeclm.json").read_text())
    claimed = {
        name: manifest[name] for name in ("codeclm_hf", "models", "config", "prompts", "versions", "seeds")
    }
    (killed / "codeclm.json").write_text(json.dumps({**claimed, "status": "running"}))
    run_again(servers, killed)
    check_tables(killed)
    check_card((killed / "README.md").read_text(), (RUN / "README.md").read_text(), RESUMED_CHANGES)


def test_another_threshold_is_judged_by_its_journal(servers: tuple[StandIn, StandIn], run: Path) -> None:
    """A lower one needs no further answer; the rows that stay accepted keep their ids."""
    run_again(servers, run, threshold=1.0)
    before, after = (before_rooms.tables(folder)["trace"].to_pylist() for folder in (RUN, run))
    assert {row["id"] for row in after} < {row["id"] for row in before}
    assert tree(run) != tree(RUN)


def test_its_card_is_made_anew(run: Path, cli: Cli) -> None:
    """From the manifest and the tables that are there, and it is the same."""
    output_of(cli("card", run, "--template", "default"))
    check_card((run / "README.md").read_text(), (RUN / "README.md").read_text())
    assert "is fine" in output_of(cli("card", run, "--check"))
