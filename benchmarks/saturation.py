"""How near a whole run comes to the least time its endpoints allow, beside a barrier-free loop on bare aiohttp.

    python benchmarks/saturation.py                          # the three configurations, a few minutes
    python benchmarks/saturation.py --quick                  # does it work: some seconds, no target
    python benchmarks/saturation.py --only 2048 --repeat 5   # medians of 5 runs of each client, in turn
    python benchmarks/saturation.py --only 256 --spans       # and when each kind of request was under way
    python benchmarks/saturation.py --only 256 --profile p   # and p-*.prof: the CPU time of our threads, by function

Two simulated servers (`simulated.py`) run in processes of their own, and each client in a fresh one: the
reference (`reference.py`), and `CodecLM.run` as users call it, journal included. Both send the same requests,
as counted and digested by the servers. Lines of the table:

    least possible   work ÷ slots of the busier server, work being the seconds of service it gave
    reference, ours  the generation part: from the first request that came to a server to the last reply that left one

and its columns: `of limit`, the least possible time ÷ this one; `call`, the wall time of the whole call,
tables included; `CPU`, the client's CPU time in that call ÷ requests (imports and connecting are left out);
`peak`, its resident memory at most; `requests` and `work`, which must be the same. Then ours is called once
more on the finished run directory: it must send nothing, or the requests would differ.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from dataclasses import dataclass
from typing import Any

import reference
import simulated
from datasets import Dataset, disable_progress_bars
from measure import Cost, Profiles, alone, cost

from codeclm_hf import CodecLM, endpoint

CPU_TARGET = 1.5
"""Milliseconds of client CPU a request, at most."""
SEEDS = 100
METADATA = 200


@dataclass(frozen=True)
class Configuration:
    """One size of job, and how near ours is to come to the reference."""

    slots: int
    mean: float
    instructions: int
    target: float
    metadata: int = METADATA
    seeds: int = SEEDS


CONFIGURATIONS = (
    Configuration(64, 0.4, 256, 0.90),
    Configuration(64, 0.4, 1024, 0.95),
    Configuration(512, 1.0, 2048, 0.85),
)
QUICK = Configuration(16, 0.1, 48, 0.0, metadata=30, seeds=15)


@dataclass(frozen=True)
class Run:
    """What one client did: its own costs, and the servers' books."""

    cost: Cost
    again: list[Cost]
    """Of the same call once more, all answers in the journal."""
    books: tuple[dict[str, Any], dict[str, Any]]

    @property
    def requests(self) -> int:
        return sum(int(books["requests"]) for books in self.books)

    @property
    def work(self) -> float:
        return sum(float(books["work"]) for books in self.books)

    @property
    def wall(self) -> float:
        """Of the generation part."""
        return max(float(books["last"]) for books in self.books) - self.first

    @property
    def first(self) -> float:
        return min(float(books["first"]) for books in self.books)

    @property
    def cpu(self) -> float:
        return 1000 * self.cost.cpu / self.requests

    @property
    def asked(self) -> tuple[tuple[int, int], ...]:
        """What tells two sets of requests apart."""
        return tuple((books["digest"], books["bytes"]) for books in self.books)


def run_reference(job: reference.Job) -> tuple[Cost]:
    return (cost(lambda: asyncio.run(reference.run(job))),)  # noqa: TID251  # a process without the package's loop


def run_ours(job: reference.Job, profile: str | None) -> tuple[Cost, Cost]:
    disable_progress_bars()
    profiles = Profiles() if profile else None
    strong, target = (endpoint(url, concurrency=job.slots) for url in (job.strong, job.target))
    seeds = Dataset.from_dict({"instruction": job.seeds})
    with tempfile.TemporaryDirectory() as out:
        codec = CodecLM(strong=strong, target=target)
        sizes = {"num_instructions": job.num_instructions, "num_metadata": job.num_metadata}
        took, again = (cost(lambda: codec.run(seeds, out=f"{out}/run", **sizes)) for _ in range(2))  # type: ignore[arg-type]
    if profiles and profile:
        profiles.dump(profile)
    return took, again


def measure(conf: Configuration, options: argparse.Namespace) -> dict[str, list[Run]]:
    """Run both clients in turn against the same two servers."""
    what = "Plan an afternoon for six people who want to learn {} together, and say what each has to bring."
    seeds = [what.format(f"trick {simulated.number('seed', n)}") for n in range(conf.seeds)]
    runs: dict[str, list[Run]] = {"reference": [], "codeclm-hf": []}
    with simulated.started(slots=conf.slots, mean=conf.mean, latency=options.latency) as servers:
        strong, target = (server.url for server in servers)
        job = reference.Job(strong, target, conf.slots, seeds, conf.metadata, conf.instructions)
        for turn in range(options.repeat):
            for name in sorted(runs, reverse=turn % 2 == 0):
                for server in servers:
                    server.reset()
                ours = name == "codeclm-hf"
                took, *again = alone(run_ours, job, options.profile) if ours else alone(run_reference, job)
                runs[name].append(Run(took, again, (servers[0].stats(), servers[1].stats())))
    return runs


def report(conf: Configuration, options: argparse.Namespace, runs: dict[str, list[Run]]) -> None:
    every = [run for of_one in runs.values() for run in of_one]
    least = max(books["work"] for books in every[0].books) / conf.slots
    print(
        f"\n{conf.slots} slots, {conf.mean:g} s mean ({options.latency}), {conf.instructions} instructions from "
        f"{conf.metadata} metadata of {conf.seeds} seeds; medians of {options.repeat}\n"
        f"                   wall  of limit      call  CPU a request     peak  requests    work\n"
        f"least possible {least:6.2f} s"
    )
    for name, of_one in runs.items():
        wall = _median(run.wall for run in of_one)
        print(
            f"{name:<14} {wall:6.2f} s {least / wall:8.1%} {_median(run.cost.wall for run in of_one):7.2f} s"
            f" {_median(run.cpu for run in of_one):11.2f} ms {_median(run.cost.peak for run in of_one):5.0f} MB"
            f" {of_one[0].requests:9} {of_one[0].work:5.0f} s"
        )
        if options.spans:
            _print_spans(of_one[-1])
    again = [run.again[0].wall for run in runs["codeclm-hf"]]
    print(f"the same call again, all {every[0].requests} answers in the journal: {_median(again):.2f} s")
    same = len({run.asked for run in every}) == 1
    print(
        "the requests of all runs are "
        + ("the same, byte for byte" if same else "NOT THE SAME: compare nothing")
    )
    if conf.target:
        ratio = _median(run.wall for run in runs["reference"]) / _median(
            run.wall for run in runs["codeclm-hf"]
        )
        cpu = _median(run.cpu for run in runs["codeclm-hf"])
        print(
            f"reference ÷ codeclm-hf {ratio:.3f}, target ≥ {conf.target:.2f}: {_verdict(ratio >= conf.target)}"
        )
        print(
            f"CPU a request {cpu:.2f} ms, target ≤ {CPU_TARGET} ms: {_verdict(cpu <= CPU_TARGET)}", flush=True
        )


def _print_spans(run: Run) -> None:
    for role, books in zip(("strong", "target"), run.books, strict=True):
        for kind, (count, first, last) in books["spans"].items():
            print(
                f"    {role} {kind:<8} {count:6} requests from {first - run.first:6.2f} to {last - run.first:6.2f} s"
            )


def _median(values: Any) -> float:
    return float(statistics.median(values))


def _verdict(reached: bool) -> str:
    return "ok" if reached else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--only", type=int, choices=[conf.instructions for conf in CONFIGURATIONS], help="instructions"
    )
    parser.add_argument("--quick", action="store_true", help="one small job, no target")
    parser.add_argument(
        "--repeat", type=int, default=1, help="runs of each client, in turn; medians are printed"
    )
    parser.add_argument(
        "--latency", choices=sorted(simulated.SHAPES), default="gamma", help="of the service times"
    )
    parser.add_argument("--spans", action="store_true", help="print when each kind of request was under way")
    parser.add_argument(
        "--profile", metavar="PREFIX", help="write PREFIX-*.prof, a profile of each of our threads"
    )
    options = parser.parse_args()
    chosen = (
        [QUICK] if options.quick else [c for c in CONFIGURATIONS if options.only in (None, c.instructions)]
    )
    for conf in chosen:
        report(conf, options, measure(conf, options))


if __name__ == "__main__":
    main()
