"""What one stage costs in time over bare aiohttp with the same requests and the same number of slots.

    python benchmarks/overhead.py                             # about ten minutes
    python benchmarks/overhead.py --quick                     # does it work: some seconds
    python benchmarks/overhead.py --slots 64 --latency gamma --repeat 3

The stage is Encode on rows of seeds, without a journal, against a simulated server (`simulated.py`) in a
process of its own; each way of running it has a fresh process. Wall times are those of the whole call, data
set to data set:

    bare aiohttp                       one session, one semaphore, all requests at once
    stage.map(dataset)                 the async `Dataset.map`
    Dataset.map(stage, batched=True)   the sync one, 256 rows a batch
    …, in a running loop               both from inside a coroutine, as in a notebook

and `overhead` is a wall ÷ that of bare aiohttp, less 1. The sync way waits at the end of each batch for its
last answer, so its overhead depends on the tail of the service times (the exponential one is longer than that
of the gamma distribution of shape 4) and on how many rounds of the slots a batch makes: 4 with 64 slots, 16
with 16.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from typing import Any

import aiohttp
import reference
import simulated
from datasets import Dataset, disable_progress_bars
from measure import Cost, alone, cost

from codeclm_hf import endpoint, ids
from codeclm_hf.stages.encode import Encode

BATCH = 256
BARE, ASYNC, SYNC = "bare aiohttp", "stage.map(dataset)", "Dataset.map(stage, batched=True)"
NOTEBOOK = ", in a running loop"
WAYS = {BARE: None, ASYNC: 0.03, SYNC: 0.25, ASYNC + NOTEBOOK: None, SYNC + NOTEBOOK: None}
"""The ways to run the stage, and the overhead each may have at most."""


def run_bare(url: str, slots: int, seeds: list[str]) -> Cost:
    async def every() -> None:
        connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            strong = reference.Endpoint(session, url, "strong", slots)
            loop = reference.Reference(strong, strong)
            await asyncio.gather(*map(loop.encode, seeds))

    return cost(lambda: asyncio.run(every()))  # noqa: TID251  # a process without the package's loop


def run_stage(way: str, url: str, slots: int, seeds: list[str]) -> Cost:
    disable_progress_bars()
    stage = Encode(strong=endpoint(url, concurrency=slots))
    dataset = Dataset.from_dict({"id": [ids.row_id("seed", seed) for seed in seeds], "instruction": seeds})

    def call() -> None:
        made = (
            stage.map(dataset)
            if way.startswith(ASYNC)
            else dataset.map(stage, batched=True, batch_size=BATCH)
        )
        errors = [error for error in made["error"] if error]
        assert len(made) == len(seeds) and not errors, errors[:1]

    async def notebook() -> None:
        call()

    if way.endswith(NOTEBOOK):
        return cost(lambda: asyncio.run(notebook()))  # noqa: TID251  # the loop of a notebook
    return cost(call)


def measure(slots: int, latency: str, options: argparse.Namespace) -> None:
    """Run every way against one server, and print."""
    seeds = [
        f"Say in four lines why matter {simulated.number('seed', n)} matters." for n in range(options.rows)
    ]
    walls: dict[str, list[Cost]] = {way: [] for way in WAYS}
    asked = set()
    with simulated.started(slots=slots, mean=options.mean, latency=latency) as (server, _):
        for _ in range(options.repeat):
            for way, costs in walls.items():
                server.reset()
                args = (server.url, slots, seeds)
                costs.append(alone(run_bare, *args) if way == BARE else alone(run_stage, way, *args))
                books: dict[str, Any] = server.stats()
                asked.add((books["requests"], books["bytes"], books["digest"]))
    print(
        f"\n{options.rows} rows, {slots} slots, {options.mean:g} s mean ({latency}), medians of {options.repeat}"
    )
    print(f"least possible {books['work'] / slots:45.2f} s")
    bare = statistics.median(took.wall for took in walls[BARE])
    for way, costs in walls.items():
        wall, cpu = (statistics.median(getattr(took, name) for took in costs) for name in ("wall", "cpu"))
        overhead, target = wall / bare - 1, WAYS[way]
        verdict = (
            "" if target is None else f"target ≤ {target:.0%}: {'ok' if overhead <= target else 'MISSED'}"
        )
        print(
            f"{way:<53} {wall:6.2f} s {overhead:+8.1%} {1000 * cpu / len(seeds):6.2f} ms CPU a request  {verdict}"
        )
    print(
        "the requests of all ways are " + ("the same, byte for byte" if len(asked) == 1 else "NOT THE SAME"),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--mean", type=float, default=0.4, help="seconds of service")
    parser.add_argument("--slots", type=int, nargs="+", default=[64, 16])
    parser.add_argument(
        "--latency", nargs="+", choices=sorted(simulated.SHAPES), default=["gamma", "exponential"]
    )
    parser.add_argument(
        "--repeat", type=int, default=1, help="runs of each way, in turn; medians are printed"
    )
    parser.add_argument("--quick", action="store_true", help="512 rows of 0.1 s, 64 slots, gamma")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.mean, options.slots, options.latency = 512, 0.1, [64], ["gamma"]
    for latency in options.latency:
        for slots in options.slots:
            measure(slots, latency, options)


if __name__ == "__main__":
    main()
