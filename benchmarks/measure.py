"""What the benchmarks share: a call in a process of its own, what it cost, and where its CPU time went."""

from __future__ import annotations

import cProfile
import marshal
import multiprocessing
import re
import resource
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Cost:
    """What a call took."""

    wall: float
    cpu: float
    """Seconds of the whole process, user and system."""
    peak: float
    """Most resident memory of the process, in MB (2²⁰ bytes)."""


def cost(call: Callable[[], object]) -> Cost:
    """Make a call and say what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Cost(wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def alone(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


class Profiles:
    """A cProfile of every thread's CPU time, threads that never end included.

    Make it before the threads are started; `dump` writes `PREFIX-THREAD.prof` for each, to be read with
    `pstats`. Needs Python 3.10 or 3.11: from 3.12 on a process can hold one profiler only.
    """

    def __init__(self) -> None:
        if sys.version_info >= (3, 12):
            raise SystemExit("--profile needs Python 3.10 or 3.11")
        self._made: list[tuple[str, cProfile.Profile]] = []
        run = threading.Thread.run

        def profiled(thread: threading.Thread) -> None:
            with self._new(thread.name):
                run(thread)

        threading.Thread.run = profiled  # type: ignore[method-assign,assignment]
        self._new("main").enable()

    def _new(self, name: str) -> cProfile.Profile:
        profile = cProfile.Profile(time.thread_time)
        self._made.append((re.sub(r"\W+", "-", name), profile))
        return profile

    def dump(self, prefix: str) -> None:
        for at, (name, profile) in enumerate(self._made):
            profile.snapshot_stats()
            Path(f"{prefix}-{at}-{name}.prof").write_bytes(marshal.dumps(profile.stats))
