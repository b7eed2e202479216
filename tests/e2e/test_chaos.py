"""Runs killed at any moment, and two at once on one journal: no answer is paid for twice, no row is lost."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support import command_process
from support.inputs import tree
from support.model_server import StandIn
from support.processes import Process

WorldOf = Callable[..., tuple[StandIn, StandIn]]
KILLS = 12
LANES = 2
SLOTS = 4


class Lane:
    """A run directory, its two servers, and the processes that are started on it."""

    def __init__(self, servers: tuple[StandIn, StandIn], seeds: Path, out: Path) -> None:
        self.servers, self.out = servers, out
        self._changed = threading.Condition()
        strong, target = servers
        line = ["run", seeds, "--strong", strong.url, "--target", target.url, "--out", out, "--concurrency", SLOTS,
                "--num-instructions", 40, "--num-metadata", 10]  # fmt: skip
        self._words = [*map(str, line)]
        for server in servers:
            server.answer = self._noting(server.answer)

    def _noting(self, answer: Any) -> Any:
        def noted(*what: Any) -> Any:
            with self._changed:
                self._changed.notify_all()
            return answer(*what)

        return noted

    @property
    def served(self) -> int:
        return sum(len(server.asked) for server in self.servers)

    @property
    def kept(self) -> int:
        """Answers in the journal, as another program reads them."""
        if not (self.out / "journal.sqlite").exists():
            return 0
        with closing(sqlite3.connect(self.out / "journal.sqlite", timeout=60)) as db:
            if not db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'answers'").fetchone()[0]:
                return 0
            return int(db.execute("SELECT count(*) FROM answers").fetchone()[0])

    def start(self) -> Process:
        return command_process.start(*self._words)

    def finish(self) -> None:
        process = self.start()
        _, err = process.communicate(300)
        assert process.returncode == 0, err

    def run(self) -> None:
        """From beginning to end in the command as it is installed."""
        command = [Path(sys.executable).with_name("codeclm-hf"), *self._words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr

    def settle(self) -> None:
        """Until the servers have dealt with all that the dead had sent."""
        for server in self.servers:
            urllib.request.urlopen(f"{server.url}/v1/models", timeout=60).close()
        with self._changed:
            while any(server.in_flight for server in self.servers):
                self._changed.wait(0.01)

    def wait_for(self, served: int, process: Process) -> None:
        """Until so many answers were given, or the process has ended by itself."""
        with self._changed:
            while self.served < served and process.returncode is None:
                self._changed.wait(0.1)


@pytest.fixture
def undisturbed(world_of: WorldOf, seeds_file: Path, tmp_path: Path) -> Iterator[Lane]:
    """A run that nobody disturbs."""
    lane = Lane(world_of(tgi=False), seeds_file, tmp_path / "undisturbed" / "out")
    lane.run()
    assert lane.served == lane.kept > KILLS
    yield lane


def kill_and_go_on(lane: Lane, kills: int, draw: random.Random, racing: int) -> int:
    """Start, kill at a random moment, and again; then let it end. Returns how many answers the kills cost in all."""
    for _ in range(kills):
        processes = [lane.start() for _ in range(racing)]
        lane.wait_for(lane.served + draw.randrange(14), processes[0])
        try:
            processes[0].wait(draw.uniform(0, 0.05))
        except subprocess.TimeoutExpired:
            for process in processes:
                process.kill()
        for process in processes:
            process.communicate(300)
        lane.settle()
    lost = lane.served - lane.kept
    lane.finish()
    return lost


@pytest.mark.parametrize("racing", [1, 2], ids=["one run", "two runs on one journal"])
def test_killed_runs_end_as_if_nothing_had_happened(
    world_of: WorldOf, undisturbed: Lane, seeds_file: Path, tmp_path: Path, racing: int
) -> None:
    """Killed with SIGKILL and started again, a run asks again only what was not kept, and its bytes are the same."""
    lanes = [
        Lane(world_of(tgi=False, latency=0.01), seeds_file, tmp_path / f"lane {n}" / "out")
        for n in range(LANES)
    ]
    with ThreadPoolExecutor(LANES) as pool:
        lost = list(
            pool.map(
                lambda lane: kill_and_go_on(
                    lane, KILLS // LANES // racing, random.Random(str(lane.out.parent.name)), racing
                ),
                lanes,
            )
        )
    for lane, cost in zip(lanes, lost, strict=True):
        assert tree(lane.out) == tree(undisturbed.out)
        assert lane.kept == undisturbed.kept
        assert lane.served == undisturbed.served + cost
