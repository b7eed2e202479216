"""The journal: committed answers a second beside the loop, what each costs, and a journal of a million answers.

python benchmarks/journal.py [--answers N]

Each figure stands beside its limit, measured in the same run: plain SQLite, which writes the same rows in
commits of the same size with nothing else to do, and looks the same keys up in the same file. A request has
1.5 KB and its answer 2 KB; the model answers in the loop's next turn. All on one core of a Linux machine;
files go to the current folder.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import os
import random
import re
import sqlite3
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeclm_hf import Completion, GenerationRequest, Message, ids
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.journal import Journal, JournaledEndpoint, _key
from codeclm_hf.endpoints.journal_db import AnswerRow, JournalFile, completion_json
from codeclm_hf.endpoints.process import InProcess
from codeclm_hf.endpoints.protocol import SendGuard

MODEL = "org/model-7b@0123456789abcdef0123456789abcdef01234567"
TEXT = hashlib.shake_256(b"words").hexdigest(10_000)
ASKED, REPLAYED, LOOKUPS = 20_000, 10_000, 1000


def request(n: int) -> GenerationRequest:
    return GenerationRequest(messages=(Message("user", TEXT[n % 18_000 :][:1400]),), seed=n, stage="judge")


def completion(n: int) -> Completion:
    return Completion(
        text=TEXT[n % 17_000 :][:1950], finish_reason="stop", prompt_tokens=350, completion_tokens=500
    )


def row(n: int) -> AnswerRow:
    asked = ids.canonical(request(n).as_dict())
    return AnswerRow(_key(MODEL, asked), MODEL, "judge", 350, 500, asked, completion_json(completion(n)))


@dataclass
class AtOnce(InProcess):
    identity: str = MODEL

    async def generate(
        self, request: GenerationRequest, *, send_guard: SendGuard = nullcontext
    ) -> Completion:
        with send_guard():
            await asyncio.sleep(0)
        return completion(request.seed)


def ask(journal: Journal, numbers: Any, in_flight: int) -> tuple[float, float]:
    endpoint, left = JournaledEndpoint(AtOnce(), journal), iter(numbers)

    async def one() -> None:
        for n in left:
            await endpoint.generate(request(n))

    async def work() -> None:
        await asyncio.gather(*(one() for _ in range(in_flight)))

    wall, cpu = time.perf_counter(), time.process_time()
    transport.run(work())
    return time.perf_counter() - wall, time.process_time() - cpu


def plain(path: str, rows: list[AnswerRow], batch: int) -> float:
    """Seconds in which SQLite alone keeps rows in a table of the same columns."""
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    db.execute(
        f"CREATE TABLE a (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, {', '.join(AnswerRow._fields[1:])})"
    )
    start = time.perf_counter()
    for at in range(0, len(rows), batch):
        db.execute("BEGIN")
        db.executemany("INSERT INTO a VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", rows[at : at + batch])
        db.execute("COMMIT")
    db.close()
    return time.perf_counter() - start


def commits(path: Path, first: int, in_flight: int) -> str:
    journal, numbers = Journal(path), range(first, first + ASKED)
    wall, cpu = ask(journal, numbers, in_flight)
    found, found_cpu = ask(journal, numbers[:REPLAYED], in_flight)
    journal.close()
    rate, limit = ASKED / wall, ASKED / plain(f"{path}-{in_flight}", [row(n) for n in numbers], in_flight)
    return (
        f"{in_flight} in flight: {rate:,.0f} committed answers/s, {1e6 * cpu / ASKED:.0f} µs CPU each; plain SQLite "
        f"{limit:,.0f}/s, ratio {rate / limit:.2f}; {REPLAYED:,} found again in {found:.2f} s, "
        f"{1e6 * found_cpu / REPLAYED:.0f} µs CPU each"
    )


def peak() -> float:
    return int(re.findall(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[0]) / 1024


def look_up(path: Path, answers: int) -> str:
    numbers = random.Random(answers).sample(range(answers), LOOKUPS)
    with open(path, "rb") as file:  # no page of it in the system's cache
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    before, start = peak(), time.perf_counter()
    journal = Journal(path)
    opened = time.perf_counter() - start
    cold, warm = (ask(journal, numbers, 1)[0] for _ in range(2))
    grown = peak() - before
    rows, db, start = [row(n) for n in numbers], sqlite3.connect(path), time.perf_counter()
    for one in rows:
        json.loads(db.execute("SELECT completion FROM answers WHERE key = ?", (one.key,)).fetchone()[0])
    limit = time.perf_counter() - start
    return (
        f"{answers:,} answers: opened in {opened:.3f} s; {LOOKUPS} looked up in {cold:.3f} s from the disk, again in "
        f"{warm:.3f} s; peak memory +{grown:.1f} MB; plain SQLite {limit:.3f} s, ratio {limit / warm:.2f}"
    )


def alone(function: Any, *args: Any) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        print(pool.submit(function, *args).result(), flush=True)


def main() -> None:
    (parser := argparse.ArgumentParser()).add_argument("--answers", type=int, default=1_000_000)
    answers = parser.parse_args().answers
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for in_flight in (64, 256, 512):
            alone(commits, Path(folder, f"{in_flight}.sqlite"), 0, in_flight)
        path, start = Path(folder, "journal.sqlite"), time.perf_counter()
        with closing(JournalFile(path, create=True)) as file:
            for at in range(0, answers, 512):
                file.store([row(n) for n in range(at, min(at + 512, answers))])
        print(
            f"{answers:,} kept in {time.perf_counter() - start:.0f} s, {path.stat().st_size / 2**30:.2f} GiB"
        )
        alone(look_up, path, answers)
        alone(commits, path, answers, 64)


if __name__ == "__main__":
    main()
