"""Seeds that tests start from, and the files that they compare."""

from __future__ import annotations

from pathlib import Path

SEEDS = [f"Seed instruction number {n}" for n in range(6)]


def tree(folder: Path) -> dict[str, bytes]:
    """Every published file of a run directory."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}
