"""What two versions' comparison and a version's publication take, each beside its limit from the same run.

    python benchmarks/versions.py --only diff
    python benchmarks/versions.py --only publish --mbit 0 1000 200

diff: `compare` of two versions from their Parquet files, of which 1 % of the rows were added, removed and
changed, beside reading the same files with polars. First the table `default` alone, then with a `trace` of as
many rows.

publish: a run directory into a new repository on the stand-in Hub of the tests, which keeps its files on disk
in a process of its own, beside a bare `create_commit` of the same files into another; in turn, medians of
--repeat. A link of --mbit carries so much each way, however many connections share it (0: what the loopback
does). Where the time went is told apart by what was called: the safety scan, the commit (hashing and sending
files included, and whatever else is not done when they are there), other requests, and reading back.

Every call in a fresh process; files lie in a temporary folder here, and in the system's cache.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import linked
import polars as pl
import pyarrow as pa
from measure import Cost, alone, cost

from codeclm_hf import schema
from codeclm_hf.files import ROWS_A_BATCH, write_parquet

SECONDS, PEAK, ROWS, RATIO = 60, 4_000, 1_000_000, 1.1
"""Targets: seconds and MB (2²⁰ bytes) of a diff of so many rows; publish ÷ create_commit."""
INSTRUCTION, RESPONSE, IN_PARQUET = 300, 700, 3_090
"""Characters of the texts of a row; bytes of all four tables for each."""
CONFIGS = ["default", "trace"]
PHASES = ("safety scan", "commit", "requests", "read-back", "rest")


def prose(size: int) -> str:
    """Made-up text whose words are as frequent as words are; now and then a link, a path or a number."""
    rng = random.Random(size)
    words = ["".join(rng.choices("etaoinshrdlucmfwygpbvk", k=rng.randint(2, 10))) for _ in range(20_000)]
    common = list(itertools.accumulate(1 / (n + 3) for n in range(len(words))))
    parts, left = list[str](), size
    while left > 0:
        sentence = " ".join(rng.choices(words, cum_weights=common, k=rng.randint(4, 24))).capitalize()
        if rng.random() < 0.05:
            odd = f"{rng.getrandbits(64):x}"
            sentence += rng.choice((f": https://{odd}.org/{left}", f" in `src/{odd}.py`", f" {left:,}"))
        parts.append(sentence + rng.choice((". ", ". ", ", and: ", "?\n\n")))
        left -= len(parts[-1])
    return "".join(parts)


def texts(source: str, numbers: list[int], size: int, kind: int) -> list[str]:
    places = [(n * 7919 + kind * 1_000_003) % (len(source) - size) for n in numbers]
    return [source[at : at + size] for at in places]


def columns(source: str, numbers: list[int], changed: set[int]) -> dict[str, list[Any]]:
    """Of `default` and of `trace`."""
    asked = texts(source, numbers, INSTRUCTION, 0)
    answers = texts(source, [n + 10**9 if n in changed else n for n in numbers], RESPONSE, 1)
    metadata, scores = [n * n % 997 % 400 for n in numbers], [1.0 + n % 9 for n in numbers]
    turns = zip(asked, answers, strict=True)
    found: dict[str, list[Any]] = dict.fromkeys(schema.TRACE, [None] * len(numbers))
    return found | {
        "id": [f"{n * 0x9E3779B97F4A7C15 % 2**64:016x}" for n in numbers],
        "instruction": asked,
        "response": answers,
        "strong_response": answers,
        "target_response": texts(source, numbers, RESPONSE, 2),
        "messages": [[{"role": "user", "content": a}, {"role": "assistant", "content": b}] for a, b in turns],
        "winner": ["strong" if n % 3 else "target" for n in numbers],
        "verdict": ["accept_strong" if n % 3 else "accept_target" for n in numbers],
        "strong_score": scores,
        "target_score": [score / 3 for score in scores],
        "gap": [score / 1.5 for score in scores],
        "scores_strong_first": [[score, score / 3] for score in scores],
        "iteration": [1 + n % 4 for n in numbers],
        "use_case": [f"use case {n}" for n in metadata],
        "skills": [[f"skill {n % 37}", f"skill {n % 211}"] for n in metadata],
        "metadata_id": [f"{n:016x}" for n in metadata],
        "seed_ids": [[f"{n % 50:016x}"] for n in metadata],
    }


def write_versions(folder: Path, rows: int) -> float:
    """Two versions of both tables; returns the size of all files in GB."""
    source, first = prose(1 << 24), list(range(rows))
    second = [n for n in first if n % 100 != 3] + list(range(rows, rows + rows // 100))
    for version, numbers, changed in (
        ("before", first, set[int]()),
        ("after", second, set(range(7, rows, 100))),
    ):
        for config in CONFIGS:
            fields = schema.TABLES[config].arrow_schema
            parts = (numbers[at : at + ROWS_A_BATCH] for at in range(0, len(numbers), ROWS_A_BATCH))
            batches = (pa.RecordBatch.from_pydict(columns(source, part, changed), fields) for part in parts)
            write_parquet(folder / version / config, batches, fields)
    return sum(file.stat().st_size for file in folder.rglob("*.parquet")) / 1e9


def versions(folder: Path, configs: list[str]) -> list[dict[str, list[Path]]]:
    return [{name: sorted((folder / v / name).iterdir()) for name in configs} for v in ("before", "after")]


def compared(folder: Path, configs: list[str]) -> tuple[Cost, str]:
    from codeclm_hf.hub.diff import compare
    from codeclm_hf.hub.snapshot import Snapshot

    found: list[Any] = []
    before, after = map(Snapshot, versions(folder, configs))
    took = cost(lambda: found.append(compare(before, after, ("1.0.0", "1.1.0"))))
    return took, ", ".join(
        f"{name} +{t.added:,} -{t.removed:,} ~{t.changed:,}" for name, t in found[0].tables.items()
    )


def just_read(folder: Path, configs: list[str]) -> Cost:
    every = [files for version in versions(folder, configs) for files in version.values()]
    return cost(lambda: [pl.read_parquet(files).height for files in every])


def diff(folder: Path, rows: int) -> None:
    size = alone(write_versions, folder, rows)
    print(f"\ndiff of {rows:,} rows, {size:.2f} GB of Parquet with both versions of both tables")
    for configs in (CONFIGS[:1], CONFIGS):
        limit = alone(just_read, folder, configs)
        took, found = alone(compared, folder, configs)
        print(found)
        for name, one in (("just reading", limit), ("compare", took)):
            print(f"    {name:<13}{one.wall:6.2f} s  CPU {one.cpu:6.2f} s  peak {one.peak:6,.0f} MB")
        print(f"    compare ÷ just reading {took.wall / limit.wall:.1f}", flush=True)
        if len(configs) == 1 and rows == ROWS:
            print(f"    {took.wall:.1f} s, target ≤ {SECONDS} s: {_verdict(took.wall <= SECONDS)}")
            print(f"    peak {took.peak:,.0f} MB, target ≤ {PEAK:,} MB: {_verdict(took.peak <= PEAK)}")


def write_run(folder: Path, megabytes: int) -> float:
    """A run directory; returns the size of what is published of it in MB."""
    from support.run_directories import run_directory_of

    made = columns(prose(1 << 24), list(range(megabytes * 1_000_000 // IN_PARQUET)), set())
    run_directory_of(
        folder, made["instruction"], responses=dict(zip(made["instruction"], made["response"], strict=True))
    )
    return sum(file.stat().st_size for file in of_run(folder)) / 1e6


def of_run(folder: Path) -> list[Path]:
    return [folder / "README.md", folder / "codeclm.json", *sorted(folder.glob("data/*/*.parquet"))]


def bare(folder: Path) -> tuple[Cost, dict[str, float]]:
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi()
    api.create_repo("me/bare", repo_type="dataset")

    def commit() -> None:
        adds = [CommitOperationAdd(str(file.relative_to(folder)), file) for file in of_run(folder)]
        api.create_commit("me/bare", adds, repo_type="dataset", commit_message="bare")

    return cost(commit), {}


def published(folder: Path) -> tuple[Cost, dict[str, float]]:
    """Publish, with the seconds of each of `PHASES`."""
    from codeclm_hf.hub import publish, repository

    spent, phase = dict.fromkeys(PHASES, 0.0), ["rest"]

    def timed(owner: Any, name: str, what: str) -> None:
        function = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                return function(*args, **kwargs)
            was, start = phase[0], time.perf_counter()
            phase[0] = was if what == "requests" and was != "rest" else what
            try:
                return function(*args, **kwargs)
            finally:
                took = time.perf_counter() - start
                spent[phase[0]] += took
                spent[was] -= took
                phase[0] = was

        setattr(owner, name, call)

    timed(publish, "check_release", "safety scan")
    timed(publish, "read_back", "read-back")
    for name, what in (("commit", "commit"), ("ask", "requests"), ("find", "requests")):
        timed(repository.Repository, name, what)
    took = cost(lambda: publish.publish(folder, "me/ours"))
    spent["rest"] += took.wall
    return took, spent


def measured(folder: Path, mbit: float, repeat: int) -> None:
    """Both in turn, over a link of so many Mbit/s; prints medians."""
    runs: dict[str, list[tuple[Cost, dict[str, float], linked.Books]]] = {"create_commit": [], "publish": []}
    with linked.started(folder, mbit) as hub:
        for turn in range(repeat):
            for name in sorted(runs, reverse=turn % 2 == 1):
                took = alone(published if name == "publish" else bare, folder / "run")
                runs[name].append((*took, hub.reset()))
                for base in (folder / "run").glob(".base*"):
                    base.unlink()
    print(f"{mbit:g} Mbit/s" if mbit else "loopback", f"medians of {repeat}, in turn", sep="; ")
    print("                     wall       CPU     peak  requests     sent  received")
    walls = {name: median(took.wall for took, _, _ in of_one) for name, of_one in runs.items()}
    for name, of_one in runs.items():
        (took, _, books), cpu = of_one[-1], median(took.cpu for took, _, _ in of_one)
        print(
            f"    {name:<13}{walls[name]:6.2f} s  {cpu:6.2f} s {took.peak:5.0f} MB {books.requests:9}", end=""
        )
        print(f" {books.sent / 1e6:5.0f} MB {books.received / 1e6:6.0f} MB")
    parts = (f"{what} {median(spent[what] for _, spent, _ in runs['publish']):.2f} s" for what in PHASES)
    print(f"    of which {', '.join(parts)}")
    ratio = walls["publish"] / walls["create_commit"]
    print(
        f"    publish ÷ create_commit {ratio:.2f}, target ≤ {RATIO}: {_verdict(ratio <= RATIO)}", flush=True
    )


def _verdict(reached: bool) -> str:
    return "ok" if reached else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=("diff", "publish"))
    parser.add_argument("--rows", type=int, default=ROWS, help="of each table of each version")
    parser.add_argument("--megabytes", type=int, default=200, help="of Parquet to publish")
    parser.add_argument(
        "--mbit", type=float, nargs="+", default=[0], help="speeds of the link; 0 is no limit"
    )
    parser.add_argument(
        "--repeat", type=int, default=3, help="publications by each, in turn; medians are printed"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        if options.only != "publish":
            diff(folder / "versions", options.rows)
            shutil.rmtree(folder / "versions")
        if options.only != "diff":
            size = alone(write_run, folder / "run", options.megabytes)
            print(f"\npublish {size:.0f} MB of four tables into a new repository")
            for mbit in options.mbit:
                measured(folder, mbit, options.repeat)


if __name__ == "__main__":
    main()
