"""What 2 GB of seeds take: prepared as two splits, and the first row of a stream.

    python benchmarks/seeds.py
    python benchmarks/seeds.py --gigabytes 0.2

A file of JSON Lines in the layout `prompt`, each line about 1 kB and another instruction, is written to a
temporary folder and deleted at the end, with what `datasets` prepared of it. Each call runs in a fresh
process, its imports counted as memory but not as time. Beside it stands what no reader can do without:
`json.loads` of every line, once.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

from measure import Cost, alone, cost
from versions import prose

from codeclm_hf.builders import SeedInstructions

PEAK, FIRST, GIGABYTES = 500, 1.0, 2.0
"""Targets: MB (2²⁰ bytes) at most while so many GB (10⁹ bytes) are prepared; seconds to the first row of a stream."""
TEXT = 900


def write(path: Path, size: int) -> int:
    """Rows of so many bytes in all; how many they are."""
    source, count, left = prose(1 << 22), 0, size
    with path.open("w", encoding="utf-8") as file:
        while left > 0:
            at = count * 7919 % (len(source) - TEXT)
            row = {
                "id": count,
                "prompt": f"{count}: {source[at : at + TEXT]}",
                "score": count % 11 / 2,
                "tags": ["a", "b"],
            }
            left -= file.write(json.dumps(row) + "\n")
            count += 1
    return count


def parsed(path: Path) -> Cost:
    def call() -> None:
        with path.open("rb") as file:
            for line in file:
                json.loads(line)

    return cost(call)


def prepared(path: Path, cache: Path) -> tuple[Cost, dict[str, int], str]:
    import datasets

    datasets.disable_progress_bars()
    builder = SeedInstructions("auto", data_files=str(path), cache_dir=str(cache))
    took = cost(builder.download_and_prepare)
    rows = {name: split.num_examples for name, split in builder.info.splits.items()}
    return took, rows, builder.info.description


def first_row(path: Path, split: str) -> float:
    start = time.perf_counter()
    stream = SeedInstructions("auto", data_files=str(path)).as_streaming_dataset(split)
    assert next(iter(stream))["instruction"]
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES)
    wanted = parser.parse_args()
    size = int(wanted.gigabytes * 1e9)
    with tempfile.TemporaryDirectory() as folder:
        if shutil.disk_usage(folder).free < 4 * size:
            raise SystemExit(f"needs {4 * size / 1e9:.1f} GB free in {folder}")
        path = Path(folder, "seeds.jsonl")
        count = write(path, size)
        print(f"{count:,} rows, {path.stat().st_size / 1e9:.2f} GB of JSON Lines", flush=True)
        bare = alone(parsed, path)
        print(f"json.loads of every line: {bare.wall:.1f} s, CPU {bare.cpu:.1f} s", flush=True)
        took, rows, words = alone(prepared, path, Path(folder, "cache"))
        assert sum(rows.values()) == count
        print(words)
        print(", ".join(f"{name}: {number:,} rows" for name, number in rows.items()))
        print(
            f"prepared: {took.wall:.1f} s ({took.wall / bare.wall:.1f} times json.loads), CPU {took.cpu:.1f} s, "
            f"peak {took.peak:.0f} MB (target {PEAK} MB: {'met' if took.peak <= PEAK else 'MISSED'})",
            flush=True,
        )
        for split in rows:
            seconds = alone(first_row, path, split)
            met = "met" if seconds < FIRST else "MISSED"
            print(
                f"first row of the stream `{split}`: {seconds:.2f} s (target {FIRST:g} s: {met})", flush=True
            )


if __name__ == "__main__":
    main()
