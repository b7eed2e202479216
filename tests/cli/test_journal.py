"""`codeclm-hf journal`, as a person types it: tables, JSON Lines, and one line for what is wrong."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codeclm_hf.endpoints.journal import Journal
from support.command_process import cli, command, refusal_of, start
from support.counted_endpoint import MANY, Counter, ask
from support.inputs import SEEDS


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Journal]:
    """A journal that a run has open, with 200 answers for one stage and 20 for another."""
    journal = Journal(tmp_path / "journal.sqlite")
    ask(Counter(said="x" * 1000), journal, *(replace(request, stage="judge") for request in MANY))
    ask(Counter("other@2"), journal, *(replace(request, stage="decode") for request in MANY[:20]))
    yield journal
    journal.close()


def test_stats_beside_a_run(running: Journal, tmp_path: Path) -> None:
    """Answers and tokens by model and stage, bytes, and what the last complete run used, while a run has it open."""
    shown = cli("journal", "stats", tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"model@1\W+judge\W+200\W+600\W+400\b", shown.stdout)
    assert re.search(r"other@2\W+decode\W+20\W+60\W+40\b", shown.stdout)
    assert re.search(r"^220 answers in \d+ bytes; no run is complete yet$", shown.stdout, re.M)
    running.complete()
    assert "the last complete run used 220" in cli("journal", "stats", tmp_path).stdout
    assert len(ask(Counter(), running, replace(MANY[0], seed=1000))) == 1


def test_export_beside_a_run(running: Journal, tmp_path: Path) -> None:
    """A line of JSON an answer, in UTF-8 wherever it is run; a reader that stops early ends it quietly."""
    ask(Counter("third", said="ü"), running, MANY[0])
    whole = subprocess.run(
        command("journal", "export", tmp_path),
        env={"LC_ALL": "C", "PYTHONUTF8": "0"},
        capture_output=True,
        check=True,
    )
    rows = [json.loads(line) for line in whole.stdout.decode().splitlines()]
    assert [row["stage"] for row in rows] == ["judge"] * 200 + ["decode"] * 20 + [""]
    assert rows[0]["request"] == MANY[0].as_dict()
    assert rows[-1]["completion"]["text"] == "ü"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = start("journal", "export", tmp_path, stdout=pipe)
    with open(pipe, "rb") as reader:
        assert json.loads(reader.readline()) == rows[0]
    assert (process.communicate()[1], process.returncode) == ("", 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_an_export_that_cannot_be_written_is_one_line(running: Journal, tmp_path: Path) -> None:
    """A full disk under the output is said, with an exit code."""
    process = start("journal", "export", tmp_path, stdout=Path("/dev/full"))
    _, err = process.communicate()
    assert process.returncode == 1
    assert re.fullmatch(
        r"error: the export cannot be written \(No space left on device\); it is not whole\n", err
    )


def test_prune_says_what_went(running: Journal, tmp_path: Path) -> None:
    """It refuses beside a run and without a complete run; then it deletes, shrinks the file and says how much."""
    assert "needs a complete run" in refusal_of(cli("journal", "prune", tmp_path))
    running.complete()
    assert "another process has it open" in refusal_of(cli("journal", "prune", tmp_path))
    ask(
        Counter(said="x" * 1000),
        running,
        *(replace(request, stage="judge", temperature=0.5) for request in MANY),
    )
    running.close()
    second = Journal(running.path)
    ask(Counter(), second, *MANY[:10])
    second.complete()
    second.close()
    before = running.path.stat().st_size
    shown = cli("journal", "prune", tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == f"deleted 410 answers, {before - running.path.stat().st_size} bytes\n"
    assert "10 answers" in cli("journal", "stats", tmp_path).stdout


@pytest.mark.parametrize("name", ["stats", "export", "prune"])
def test_what_is_no_run_directory_is_one_line(tmp_path: Path, name: str) -> None:
    """No folder, a folder without a journal, and a foreign file: exit code 2, and nothing is made or changed."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign").mkdir()
    with sqlite3.connect(tmp_path / "foreign" / "journal.sqlite") as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    (tmp_path / "blank").mkdir()
    (tmp_path / "blank" / "journal.sqlite").touch()
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    for folder, words in (
        ("nowhere", "needs a run directory with a journal.sqlite"),
        ("empty", "needs a run directory with a journal.sqlite"),
        ("foreign", "is a database of something else"),
        ("blank", "is a database of something else"),
    ):
        assert words in refusal_of(cli("journal", name, tmp_path / folder))
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_a_full_disk_under_a_run_is_one_line(world_of: Any, tmp_path: Path) -> None:
    """Exit code 2 when the journal may not grow; the same command with room goes on and asks only the rest."""
    strong, target = world_of(tgi=False)
    (tmp_path / "seeds.jsonl").write_text("".join(json.dumps({"instruction": seed}) + "\n" for seed in SEEDS))
    words = ["run", tmp_path / "seeds.jsonl", "--strong", strong.url, "--target", target.url,
             "--out", tmp_path / "out", "--num-instructions", 8, "--num-metadata", 4]  # fmt: skip
    small = ["sh", "-c", 'ulimit -f 150; exec "$@"', "sh", *command(*words)]
    stopped = subprocess.run(small, capture_output=True, text=True, timeout=120, check=False)
    line = stopped.stderr.splitlines()[-1]
    assert (stopped.returncode, "Traceback" in stopped.stderr) == (2, False), stopped.stderr
    assert re.search(r"journal\.sqlite cannot be (written|read|used as a journal) ", line)
    asked = len(strong.asked) + len(target.asked)
    kept = Journal(tmp_path / "out" / "journal.sqlite")
    had = len(kept)
    kept.close()
    assert 0 < had <= asked
    result = cli(*words)
    assert result.returncode == 0, result.stderr
    bodies = [json.dumps(one["body"], sort_keys=True) for server in (strong, target) for one in server.asked]
    assert len(bodies) - len(set(bodies)) <= asked - had
