"""Simulated runs, without servers and without time: who answers when, and what it costs, follows from a seed."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import copy_context
from dataclasses import dataclass, field
from math import ceil
from random import Random
from typing import Any, cast

from datasets import Dataset

from codeclm_hf import schema
from codeclm_hf.endpoints import row_requests
from codeclm_hf.endpoints.budget import Budget
from codeclm_hf.endpoints.journal import Journal, JournaledEndpoint
from codeclm_hf.endpoints.protocol import Completion, Endpoint, Usage
from codeclm_hf.run.progress import Progress, ProgressReporter
from codeclm_hf.run.rounds import Tally
from codeclm_hf.stages.stage import OnRows
from codeclm_hf.stages.tailor import BEGUN, VERSION, Tailor

ROLES = ("strong", "target", "judge")


@dataclass(frozen=True)
class Model:
    """An endpoint that is never asked."""

    identity: str

    async def generate(self, request: Any, **_: Any) -> Completion:
        raise AssertionError


@dataclass(frozen=True, kw_only=True)
class CostWorld:
    """What a run is like: how much is accepted, how long answers are and take, and what they cost."""

    accepted: tuple[float, ...]
    """By iteration, the share of the judged versions that is accepted; there are so many iterations."""
    prices: dict[str, tuple[float, float]]
    num_instructions: int = 1000
    num_examples: int | None = None
    slots: int = 64
    """Requests that each model answers at a time."""
    spread: float = 0.5
    """Of the logarithm of an answer's length, and of its time a token."""
    growth: float = 1.0
    """How much longer the responses of an iteration are than those of the one before."""
    tokens: dict[str, float] = field(
        default_factory=lambda: {"strong": 500.0, "target": 350.0, "judge": 12.0}
    )
    """Of an answer in the mean, by role."""
    again: float = 0.05
    """Share of the responses and improvements that are asked for again."""
    failed: float = 0.01
    """Share of the versions that fail."""
    copies: float = 0.0
    """Share of the accepted instructions that are left out in the end."""


@dataclass(frozen=True)
class Asked:
    """One request."""

    role: str
    stage: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float


class Servers:
    """Models that answer in simulated time, each so many requests at once, in the order in which they come."""

    def __init__(self, slots: int, answer: Callable[[Asked, Any], None]) -> None:
        self._answer = answer
        self._free = dict.fromkeys(ROLES, slots)
        self._queues: dict[str, deque[tuple[Asked, Any]]] = {role: deque() for role in ROLES}
        self._events: list[tuple[float, int, Asked, Any]] = []
        self._now, self._number = 0.0, 0

    def send(self, asked: Asked, row: Any) -> None:
        self._queues[asked.role].append((asked, row))
        self._start(asked.role)

    def run(self) -> None:
        while self._events:
            self._now, _, asked, row = heapq.heappop(self._events)
            self._free[asked.role] += 1
            self._answer(asked, row)
            self._start(asked.role)

    def _start(self, role: str) -> None:
        while self._free[role] and self._queues[role]:
            asked, row = self._queues[role].popleft()
            self._free[role] -= 1
            row.begin()
            self._number += 1
            heapq.heappush(self._events, (self._now + asked.seconds, self._number, asked, row))


@dataclass
class SimulatedRow:
    """An instruction in its loop."""

    root: str
    steps: Iterator[list[Asked]]
    on_rows: OnRows
    waiting: int = 0
    begun: bool = False

    def __post_init__(self) -> None:
        self.context = copy_context()
        self.context.run(row_requests.begin_row)

    def begin(self) -> None:
        if not self.begun:
            self.context.run(self.on_rows, BEGUN, [])
        self.begun = True


class Simulation:
    """One run of a world."""

    def __init__(self, world: CostWorld, seed: int) -> None:
        self.world, self.draw = world, Random(seed)
        self.heard: list[Progress] = []
        self.budget = Budget(prices=world.prices)
        journal = cast(Journal, None)
        self.endpoints = {role: JournaledEndpoint(cast(Endpoint, Model(role)), journal) for role in ROLES}
        self.progress = ProgressReporter(
            self.endpoints, self.budget, self.heard.append, num_examples=world.num_examples
        )
        self.verdicts: dict[str, str] = {}
        self.kept = 0

    def run(self) -> float:
        """Go through all rounds, and return what they cost."""
        strong = self.endpoints["strong"]
        tailor = SimulatedTailor(
            strong=strong, target=self.endpoints["target"], judge=self.endpoints["judge"],
            iterations=len(self.world.accepted), simulation=self,
        )  # fmt: skip
        for _ in range(200):
            self.paid(Asked("strong", "encode", 900, 60, 0.0))
        tally, wanted = Tally(), self.world.num_examples
        while True:
            size = self.world.num_instructions if wanted is None else tally.next_size(wanted)
            for _ in range(ceil(1.2 * size / 10)):
                self.paid(Asked("strong", "decode", 300, 400, 0.0))
            before = self.kept
            self.round(tailor, tally.asked, size)
            self.progress.keep(self.kept)
            tally = tally.after(asked=size, tried=size, accepted=self.kept - before)
            if wanted is None or self.kept >= wanted:
                return self.budget.cost or 0.0

    def round(self, tailor: Tailor, start: int, size: int) -> None:
        rows = [
            dict.fromkeys(schema.INSTRUCTIONS) | {"id": f"i{start + n}", "instruction": "x"}
            for n in range(size)
        ]
        self.progress.map(tailor, schema.table(rows, schema.INSTRUCTIONS))
        for n in range(size):
            accepted = self.verdicts[f"i{start + n}"] == "accept_strong"
            full = self.kept == self.world.num_examples
            self.kept += accepted and not full and self.draw.random() >= self.world.copies

    def paid(self, asked: Asked) -> None:
        completion = Completion(
            text="x", finish_reason="stop", prompt_tokens=asked.prompt_tokens,
            completion_tokens=asked.completion_tokens,
        )  # fmt: skip
        self.endpoints[asked.role].usage.setdefault(asked.stage, Usage()).add(completion, replayed=False)
        self.budget.spend(completion, model=asked.role, stage=asked.stage)
        row_requests.of_this_row().count(completion, model=asked.role, stage=asked.stage)

    def length(self, role: str, scale: float = 1.0) -> int:
        return 1 + int(scale * self.world.tokens[role] * self.draw.lognormvariate(0.0, self.world.spread))

    def request(self, role: str, stage: str, prompt_tokens: int, length: int) -> Asked:
        seconds = 0.3 + 0.02 * length * self.draw.lognormvariate(0.0, self.world.spread)
        return Asked(role, stage, prompt_tokens, length, seconds)

    def loop(self, root: str, on_rows: OnRows) -> Iterator[list[Asked]]:
        """Yield the requests of an instruction, those of one time together."""
        world = self.world
        for iteration, share in enumerate(world.accepted, start=1):
            scale = world.growth ** (iteration - 1)
            prompt = int(60 * scale)
            lengths = {role: self.length(role, scale) for role in ("strong", "target")}
            yield [self.request(role, "respond", prompt, length) for role, length in lengths.items()]
            for role in lengths:
                if self.draw.random() < world.again:
                    yield [self.request(role, "respond", prompt, 2 * lengths[role])]
            yield [
                self.request("judge", "judge", 300 + sum(lengths.values()), self.length("judge"))
                for _ in "ab"
            ]
            drawn = self.draw.random()
            if drawn < world.failed:
                self.verdicts[root] = "failed"
                return
            if drawn < world.failed + share:
                self.verdicts[root] = "accept_strong"
                return
            if iteration < len(world.accepted):
                on_rows(VERSION, [{"root_id": root, "verdict": "retry"}])
                yield [self.request("strong", "improve", 350, int(prompt))]
                if self.draw.random() < world.again:
                    yield [self.request("strong", "improve", 350, int(prompt))]
        self.verdicts[root] = "exhausted"

    def tailor(self, roots: list[str], on_rows: OnRows) -> None:
        servers = Servers(self.world.slots, self.answer)
        self._servers, self._on_rows = servers, on_rows
        for root in roots:
            self.go_on(SimulatedRow(root, self.loop(root, on_rows), on_rows))
        servers.run()

    def answer(self, asked: Asked, row: SimulatedRow) -> None:
        row.context.run(self.paid, asked)
        row.waiting -= 1
        if not row.waiting:
            self.go_on(row)

    def go_on(self, row: SimulatedRow) -> None:
        requests = row.context.run(next, row.steps, None)
        if requests is None:
            end = {"root_id": row.root, "verdict": self.verdicts[row.root]}
            row.context.run(self._on_rows, "tailor", [end])
            return
        row.waiting = len(requests)
        for asked in requests:
            self._servers.send(asked, row)


@dataclass(frozen=True, kw_only=True)
class SimulatedTailor(Tailor):
    """The stage, with simulated time in place of servers."""

    simulation: Simulation

    @property
    def name(self) -> str:
        return "tailor"

    def map(self, dataset: Any, *, on_rows: OnRows | None = None) -> Any:  # type: ignore[override]
        assert on_rows is not None
        self.simulation.tailor(list(cast(Dataset, dataset)["id"]), on_rows)
        return dataset
