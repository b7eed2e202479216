"""What the distributions of a version's tables take, beside the same numbers made with `datasets` and `Counter`.

    python benchmarks/distributions.py
    python benchmarks/distributions.py --rows 100000 --repeat 3

The tables `default` and `trace` of as many rows, and 400 rows of `metadata`, are read from Parquet, which is
part of what is measured: by polars' own scan, and with pyarrow a batch at a time, as often as a number needs
it. `datasets` is used in the usual way: `Dataset.from_parquet` of the columns that are needed, which writes
its cache, then batches of 1,000 rows and a Counter. All three must give the same numbers.

Every call in a fresh process, in turn; medians of --repeat. Files lie in a temporary folder here, and in the
system's cache, which other work on the machine can take from them: they are read once before each call.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import pyarrow as pa
from counted import counted
from measure import Cost, alone, cost
from polars.io.plugins import register_io_source
from versions import columns, prose

from codeclm_hf import schema
from codeclm_hf.card.statistics import READ, distributions
from codeclm_hf.files import read_parquet, sha256, write_parquet
from codeclm_hf.json_types import to_json

SECONDS, PEAK, FASTER, ROWS = 8, 1_500, 5, 1_000_000
"""Targets: seconds, MB (2²⁰ bytes), and times as fast as `datasets` and `Counter`, of so many rows of each table."""
TABLES = ("default", "trace", "metadata")
USE_CASES = 400
Found = dict[str, Any]


def made_up(source: str, numbers: list[int], config: str) -> dict[str, list[Any]]:
    """Of `default` and of `trace`: texts of many lengths, some of them twice, four iterations, and what failed."""
    found = columns(source, numbers, set())
    found["instruction"] = [
        f" {text.upper()}" if n % 50 == 1 else text[: 40 + n % 260]
        for n, text in zip(numbers, _shifted(found["instruction"]), strict=True)
    ]
    found["response"] = [text[: 1 + n % 700] for n, text in zip(numbers, found["response"], strict=True)]
    found["winner"] = ["strong" if n % 3 else "target" for n in numbers]
    if config == "trace":
        found["root_id"] = [f"{n // 4 * 0x9E3779B97F4A7C15 % 2**64:016x}" for n in numbers]
        found["metadata_id"] = [f"{(n // 4) ** 2 % 997 % USE_CASES:016x}" for n in numbers]
        found["verdict"] = [_verdict_of(n) for n in numbers]
        found["error"] = [
            f"the judge's answer cannot be read: {n % 300}" if n % 50 == 7 else None for n in numbers
        ]
        found["strong_flags"] = [["refusal"] if n % 50 == 9 else [] for n in numbers]
        found["target_flags"] = [["cut_off", "degenerate"][: n % 20] if n % 20 < 3 else [] for n in numbers]
        found["scores_target_first"] = [[1.0 + n * 7 % 10, 1.0 + n % 9 / 3] for n in numbers]
    return found


def _shifted(texts: list[str]) -> list[str]:
    """Each second text is the one before it."""
    return [texts[at - at % 2] for at in range(len(texts))]


def _verdict_of(n: int) -> str:
    if n % 50 == 7:
        return "failed"
    if n % 4 < 3:
        return "retry"
    return ("exhausted", "accept_strong", "accept_target")[n // 4 % 3]


def metadata() -> list[dict[str, Any]]:
    return [
        {
            **dict.fromkeys(schema.METADATA),
            "metadata_id": f"{n:016x}",
            "use_case": f"use case {n}",
            "origin": ("seed", "augmented", "given")[n % 3],
            "seed_ids": ["seed"] * (n % 4),
        }
        for n in range(USE_CASES)
    ]


def write(folder: Path, rows: int) -> float:
    """The tables; returns the size of their files in GB."""
    source = prose(1 << 24)
    for config in ("default", "trace"):
        fields = schema.TABLES[config].arrow_schema
        parts = (list(range(at, min(rows, at + 5_000))) for at in range(0, rows, 5_000))
        batches = (pa.RecordBatch.from_pydict(made_up(source, part, config), fields) for part in parts)
        write_parquet(folder / config, batches, fields)
    fields = schema.METADATA.arrow_schema
    write_parquet(folder / "metadata", pa.Table.from_pylist(metadata(), fields).to_batches(), fields)
    return sum(file.stat().st_size for file in folder.rglob("*.parquet")) / 1e9


def files(folder: Path, config: str) -> list[Path]:
    return sorted((folder / config).iterdir())


def warmed(folder: Path) -> None:
    """Put the files into the system's cache."""
    for file in folder.rglob("*.parquet"):
        sha256(file)


def scanned(folder: Path) -> Found:
    tables = {name: pl.scan_parquet(files(folder, name)) for name in TABLES}
    return dict(to_json(distributions(tables)))


def batched(folder: Path) -> Found:
    tables = {name: _from_batches(files(folder, name), READ[name]) for name in TABLES}
    return dict(to_json(distributions(tables)))


def _from_batches(paths: list[Path], read: list[str]) -> pl.LazyFrame:
    """A table that is read with pyarrow whenever polars asks for it, and then only the columns it asks for."""

    def rows(
        wanted: list[str] | None, predicate: pl.Expr | None, n: int | None, _: int | None
    ) -> Iterator[Any]:
        assert n is None, "no number needs the first rows only"
        for batch in read_parquet(paths, wanted or read):
            frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
            yield frame if predicate is None else frame.filter(predicate)

    first = next(iter(read_parquet(paths, read)))
    return register_io_source(rows, schema=pl.DataFrame(pl.from_arrow(pa.Table.from_batches([first]))).schema)


def same(one: Any, other: Any) -> bool:
    """Whether all is equal, but for digits beyond the sixth."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return math.isclose(one, other, abs_tol=1e-6) if isinstance(one, float) else bool(one == other)


WAYS: dict[str, Callable[[Path], Found]] = {
    "polars' scan": scanned,
    "pyarrow batches": batched,
    "datasets, Counter": counted,
}


def measured(name: str, folder: Path) -> tuple[Cost, Found]:
    warmed(folder)
    found: list[Found] = []
    took = cost(lambda: found.append(WAYS[name](folder)))
    return took, found[0]


def compared(folder: Path, rows: int, repeat: int) -> None:
    size = alone(write, folder, rows)
    print(
        f"{rows:,} rows of `default` and of `trace`, {size:.2f} GB of Parquet; medians of {repeat}, in turn"
    )
    runs: dict[str, list[Cost]] = {name: [] for name in WAYS}
    for turn in range(repeat):
        results = {}
        for name in sorted(WAYS, reverse=turn % 2 == 1):
            took, results[name] = alone(measured, name, folder)
            runs[name].append(took)
            print(
                f"    {name:<18}{took.wall:7.2f} s  CPU {took.cpu:7.2f} s  peak {took.peak:6,.0f} MB", end=""
            )
            print(f"  load {os.getloadavg()[0]:.1f}", flush=True)
        first, *others = results.values()
        assert all(same(first, other) for other in others), "the numbers differ"
    walls = {name: median(took.wall for took in of_one) for name, of_one in runs.items()}
    for name in list(WAYS)[:2]:
        peak = max(took.peak for took in runs[name])
        times = walls["datasets, Counter"] / walls[name]
        print(name)
        print(f"    {walls[name]:.1f} s, target ≤ {SECONDS} s: {_ok(walls[name] <= SECONDS)}")
        print(f"    peak {peak:,.0f} MB, target ≤ {PEAK:,} MB: {_ok(peak <= PEAK)}")
        print(
            f"    {times:.1f} x as fast as datasets and Counter, target ≥ {FASTER} x: {_ok(times >= FASTER)}"
        )


def _ok(reached: bool) -> str:
    return "ok" if reached else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS, help="of `default` and of `trace`")
    parser.add_argument(
        "--repeat", type=int, default=3, help="calls of each way, in turn; medians are printed"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        compared(Path(name), options.rows, options.repeat)


if __name__ == "__main__":
    main()
