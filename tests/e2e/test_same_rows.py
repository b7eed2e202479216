"""The rows that a run accepts depend on nothing but its inputs, answers and seed: not on time, faults or kills."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codeclm_hf.builders import load_seeds
from support.careless import Pair, careless_pair, command, run, write_questions
from support.inputs import SEEDS, tree
from support.killed_processes import exit_codes
from support.world import number

N = 16
DIES = (1, 5, 11, 17, 23, 29, 31, 23, 19, 13)
"""After how many answers of its own each process is killed."""
MILLISECOND = 0.001
FAULTS: list[Any] = [
    (
        500,
        '{"error": "Incomplete generation", "error_type": "incomplete_generation"}',
        "application/json",
        {},
    ),
    (503, "<html><body>Service Unavailable</body></html>", "text/html", {}),
    (429, "slow down", "text/plain", {"Retry-After": "1"}),
    "drop",
]


def steady(_: dict[str, Any]) -> float:
    return MILLISECOND


def ragged(body: dict[str, Any]) -> float:
    """From 0 to 4 milliseconds, so that answers come in another order than the requests."""
    return number("ragged", body) % 5 * MILLISECOND


def slow_judge(body: dict[str, Any]) -> float:
    """Scores come long after the responses to instructions that were asked for later."""
    return 8 * MILLISECOND if "Two assistants" in body["messages"][0]["content"] else 0.0


class Faults:
    """So many of a hundred requests meet a fault; none meets more than three."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.met: Counter[str] = Counter()

    def __call__(self, body: dict[str, Any]) -> Any:
        key = json.dumps(body, sort_keys=True)
        if self.met[key] == 3 or number("fault", key, self.met[key]) % 100 >= self.rate:
            return None
        self.met[key] += 1
        return FAULTS[self.met.total() % len(FAULTS)]


def written(out: Path) -> dict[str, bytes]:
    """What a run says: its tables, its manifest without tokens, and what the evaluation set holds.

    Each process that asks a model for free texts finds out whether it thinks, which costs tokens where the first
    answers were cut off; which ones come first is a matter of time.
    """
    manifest = re.sub(rb'"(prompt|completion)_tokens": \d+', b"", (out / "codeclm.json").read_bytes())
    return tree(out) | {"manifest": manifest, "contamination": (out / "contamination.jsonl").read_bytes()}


@pytest.fixture(scope="module")
def seeds_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("seeds") / "seeds.jsonl"
    path.write_text("".join(json.dumps({"instruction": seed}) + "\n" for seed in SEEDS))
    return path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, seeds_path: Path) -> dict[str, bytes]:
    """What a run writes that nobody disturbs."""
    out, servers = tmp_path_factory.mktemp("undisturbed") / "out", careless_pair()
    run(servers, out, N, seeds=load_seeds(str(seeds_path)))
    close(servers)
    return written(out)


def close(servers: Pair) -> None:
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    ("latency", "concurrency", "rate"),
    [(steady, 32, 5), (ragged, 4, 20), (slow_judge, 1, 0), (ragged, 32, 20)],
)
def test_time_and_faults_change_no_byte(
    undisturbed: dict[str, bytes],
    seeds_path: Path,
    tmp_path: Path,
    latency: Callable[[dict[str, Any]], float],
    concurrency: int,
    rate: int,
) -> None:
    """However long answers take, however many are asked for at once and however many fail, the files are the same."""
    servers, faults = careless_pair(latency=latency), Faults(rate)
    for server in servers:
        server.fault = faults
    run(servers, tmp_path / "out", N, seeds=load_seeds(str(seeds_path)), concurrency=concurrency)
    close(servers)
    assert written(tmp_path / "out") == undisturbed
    assert bool(faults.met) == bool(rate)


def test_kills_change_no_byte(undisturbed: dict[str, bytes], seeds_path: Path, tmp_path: Path) -> None:
    """Killed ten times, at moments all over the run, and started again, a run writes the same files."""
    servers, out = careless_pair(latency=ragged), tmp_path / "out"
    words = command(
        servers, seeds_path, out, N, "--decontaminate", write_questions(tmp_path), "--concurrency", 4
    )
    for answers in DIES:
        assert exit_codes({"command": words, "dies": answers}) == [-9]
    assert exit_codes({"command": words}) == [0]
    close(servers)
    assert written(out) == undisturbed
