"""Simulated LLM servers for the benchmarks: real sockets, known answers, known service times.

A server speaks what vLLM speaks (`/v1/models`, `/v1/chat/completions`) over HTTP/1.1 with keep-alive. It has
a number of slots; requests beyond them wait inside, first come, first served. How long a request holds its
slot is drawn from a hash of its messages and seed, so the work is the same whoever asks, in whatever order.
What it answers is a known function of the request too: of the instructions that are judged about 70 % are
accepted in iteration 1, and half of the rest in each further one.

`GET /stats` tells what was asked since the last `POST /reset`: requests, work (seconds of service), when the
first came and the last left, and a digest of their contents. The module is run by the benchmarks, once for
each server:

    python benchmarks/simulated.py --role strong --slots 64 --mean 0.4 --latency gamma
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import re
import subprocess
import sys
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

SHAPES = {"fixed": 0, "gamma": 4, "exponential": 1}
"""The shapes of the gamma distributions that service times come from; `fixed` is always the mean."""
CHANCES = (70, 50, 50, 50)
"""Per cent of the instructions judged in each iteration that are accepted."""
KINDS = {
    "Describe the instruction": "encode",
    "Think of instructions that": "rubrics",
    "Rewrite the instruction": "improve",
    "Two assistants answered": "judge",
}
"""What a prompt opens with, and what it asks for."""
USE_CASES = tuple(
    f"{what} {of}"
    for what in ("writing", "planning", "explaining")
    for of in ("code", "trips", "tests", "law")
)
SKILLS = tuple(
    f"{what} {how}" for what in ("SQL", "rhyme", "route", "tax", "proof") for how in ("basics", "limits")
)
_ALSO = "; and also mind "
_TOPICS = tuple(
    """
    acorns airports anchors apples arrows autumns badgers bakeries balconies bananas barley basil beaches beavers bells
    benches bicycles biscuits blankets boats bonfires bottles bridges brooms buckets butter cabbages camels candles
    canoes caravans carpets carrots castles cellars cherries chess chimneys cider cinemas clay cliffs clocks coffee
    comets compasses copper coral cotton cradles cranes crayons cricket crystals curtains dancers deserts diaries
    dolphins donkeys dragons drums eagles eclipses elephants engines falcons farmers feathers fences ferries fiddles
    flags flutes forests fossils foxes gardens ginger giraffes glaciers gloves goats guitars hammers harbours hazel
    helmets herons honey horses hotels islands ivory jackets jasmine jugglers kettles kites ladders lanterns lavender
    lemons letters lilies lizards lockets magnets maples markets meadows medals melons mirrors monkeys mosaics mushrooms
    museums mustard needles notebooks nutmeg ocean olives onions operas orchards owls oysters painters pandas paper
    parrots peaches pebbles pelicans pencils pepper pianos picnics pigeons pillows pirates planets plums poppies
    potatoes puppets pyramids quilts rabbits radios railways rainbows ravens ribbons rivers robins rockets roses rubies
    saddles sailors sandals scarves schools seagulls shepherds silver sketches sleighs snails soap sparrows spiders
    spoons squirrels stadiums storms suitcases sunflowers swans tailors taverns temples tents thunder tickets tigers
    tomatoes towers tractors trumpets tulips turtles umbrellas valleys vanilla velvet villages violins volcanoes wagons
    walnuts whales wheat whistles willows windmills winters wizards wolves yachts zebras
    """.split()
)
"""What instructions are about: so many that no two instructions are nearly the same."""
_ANSWER = re.compile(r"The (strong|target) model on ([0-9a-f]{8}) in round ([0-9]):")
_ABOUT = re.compile(r"Use case: (.*)\nSkills[^:]*: (.*)")
_MANY = re.compile(r"Write (\d+) ")
_LENGTH = re.compile(rb"\ncontent-length: *(\d+)", re.I)


def number(*parts: object) -> int:
    """32 bits that depend on the parts alone."""
    return int.from_bytes(blake2b("|".join(map(str, parts)).encode(), digest_size=4).digest(), "big")


def _topics(n: int, *parts: object) -> str:
    """n topics that depend on the parts alone."""
    drawn = blake2b("|".join(map(str, parts)).encode(), digest_size=2 * n).digest()
    numbers = (int.from_bytes(drawn[at : at + 2], "big") for at in range(0, 2 * n, 2))
    return " ".join(_TOPICS[number % len(_TOPICS)] for number in numbers)


_PROSE = " ".join(f"{_topics(9, 'prose', line).capitalize()}." for line in range(60))
"""What responses are cut out of; it never repeats itself, as a model in a loop does."""


def kind_of(messages: list[dict[str, str]]) -> str:
    """Which stage asks."""
    opening = messages[0]["content"]
    found = next((kind for start, kind in KINDS.items() if opening.startswith(start)), None)
    return found or ("decode" if opening.startswith("Write ") and "\nUse case: " in opening else "respond")


def answer(role: str, kind: str, messages: list[dict[str, str]], seed: int) -> str:
    """What the model of a role says."""
    asked = messages[-1]["content"]
    if kind == "respond":
        n, rounds = number(asked), asked.count(_ALSO) + 1
        return f"The {role} model on {n:08x} in round {rounds}: {_PROSE[n % 2000 :][: 600 + number(role, n) % 800]}"
    if kind == "judge":
        (first, n, rounds), _ = _ANSWER.findall(asked)
        draw = int(n, 16) % 100
        strong, target = (9, 4) if draw < CHANCES[int(rounds) - 1] else (7, 6)
        strong, target = (target, strong) if draw < 4 else (strong, target)
        return json.dumps({"scores": [strong, target] if first == "strong" else [target, strong]})
    if kind == "encode":
        n = number(asked)
        return json.dumps(
            {"use_case": USE_CASES[n % 12], "skills": [SKILLS[n // 12 % 10], SKILLS[(n // 12 + 3) % 10]]}
        )
    if kind == "improve":
        harder = f"{asked.split('Instruction:')[-1].strip()}{_ALSO}{_topics(14, seed)}"
        return json.dumps({"instruction": harder})
    about, many = _ABOUT.search(asked), _MANY.search(asked)
    assert about and many, asked
    name, n = f"{about[1]} with {about[2]}", int(many[1])
    if kind == "rubrics":
        rubrics = [f"How many of the {i + 2} sides of {name} an answer must weigh." for i in range(n)]
        return json.dumps(
            {"rubrics": rubrics, "actions": [f"Add {i + 2} sides of {name} to weigh." for i in range(n)]}
        )
    return json.dumps(
        {"instructions": [f"Make of {_topics(12, seed, i)} a piece of {name}" for i in range(n)]}
    )


class Server:
    """The slots, the queue before them, and the books."""

    def __init__(self, role: str, slots: int, mean: float, latency: str) -> None:
        self.role, self.slots, self.mean, self.shape = role, slots, mean, SHAPES[latency]
        self.loop = asyncio.get_running_loop()
        self.busy = 0
        self.queue: deque[tuple[asyncio.Transport, float, str, bytes]] = deque()
        self.reset()

    def reset(self) -> None:
        self.books: dict[str, Any] = {
            "requests": 0,
            "work": 0.0,
            "bytes": 0,
            "digest": 0,
            "first": None,
            "last": None,
        }
        self.spans: dict[str, list[Any]] = {}

    def handle(self, transport: asyncio.Transport, route: bytes, body: bytes) -> None:
        """Answer one HTTP request, at once or after its time in a slot."""
        if route == b"POST /v1/chat/completions":
            asked = json.loads(body)
            if "messages" in asked:
                return self.arrive(transport, asked, len(body))
            return transport.write(_reply({"error": "messages is required"}, "400 Bad Request"))
        if route == b"POST /reset":
            self.reset()
        replies: dict[bytes, Any] = {
            b"GET /v1/models": {
                "object": "list",
                "data": [{"id": f"simulated-{self.role}", "object": "model"}],
            },
            b"GET /stats": {**self.books, "spans": self.spans},
            b"GET /health": {},
            b"POST /reset": {},
        }
        missing = route not in replies
        transport.write(
            _reply({"detail": "Not Found"} if missing else replies[route], "404 " if missing else "200 OK")
        )

    def arrive(self, transport: asyncio.Transport, asked: dict[str, Any], size: int) -> None:
        messages, seed, now = asked["messages"], asked["seed"], time.time()
        content = "\0".join(f"{turn['role']}\0{turn['content']}" for turn in messages)
        drawn = blake2b(f"{self.role}\0{seed}\0{content}".encode(), digest_size=16).digest()
        service = self.service(drawn)
        kind = kind_of(messages)
        books, text = self.books, answer(self.role, kind, messages, seed)
        books["requests"] += 1
        books["work"] += service
        books["bytes"] += size
        books["digest"] = (books["digest"] + int.from_bytes(drawn[:8], "big")) % 2**64
        books["first"] = books["first"] or now
        self.spans.setdefault(kind, [0, now, now])[0] += 1
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": len(content) // 4, "completion_tokens": len(text) // 4}
        reply = _reply({"object": "chat.completion", "choices": [choice], "usage": usage})
        if self.busy < self.slots:
            self.start(transport, service, kind, reply)
        else:
            self.queue.append((transport, service, kind, reply))

    def service(self, drawn: bytes) -> float:
        if not self.shape:
            return self.mean
        uniforms = (int.from_bytes(drawn[at : at + 4], "big") + 1 for at in range(0, 4 * self.shape, 4))
        return -self.mean / self.shape * math.log(math.prod(u / 2**32 for u in uniforms))

    def start(self, transport: asyncio.Transport, service: float, kind: str, reply: bytes) -> None:
        self.busy += 1
        self.loop.call_later(service, self.finish, transport, kind, reply)

    def finish(self, transport: asyncio.Transport, kind: str, reply: bytes) -> None:
        self.busy -= 1
        transport.write(reply)
        self.books["last"] = time.time()
        if kind in self.spans:  # a reset may have come between
            self.spans[kind][2] = self.books["last"]
        while self.queue and self.busy < self.slots:
            waiting = self.queue.popleft()
            if not waiting[0].is_closing():
                self.start(*waiting)


class Connection(asyncio.Protocol):
    """One client's connection: requests with a Content-Length, one after the other."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.buffer, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < whole:
                return
            route, _, _ = self.buffer.partition(b" HTTP/")
            body, self.buffer = self.buffer[end + 4 : whole], self.buffer[whole:]
            self.server.handle(self.transport, route, body)


def _reply(value: Any, status: str = "200 OK") -> bytes:
    body = json.dumps(value).encode()
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


async def serve(role: str, slots: int, mean: float, latency: str) -> None:
    """Serve on a free port, which is printed, until killed."""
    simulated = Server(role, slots, mean, latency)
    server = await simulated.loop.create_server(lambda: Connection(simulated), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@dataclass(frozen=True)
class Running:
    """A server in a process of its own."""

    url: str

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/stats", timeout=30) as reply:
            return dict(json.load(reply))

    def reset(self) -> None:
        urllib.request.urlopen(f"{self.url}/reset", data=b"", timeout=30).close()


@contextlib.contextmanager
def started(*, slots: int, mean: float, latency: str) -> Iterator[tuple[Running, Running]]:
    """The servers of the strong and of the target model."""
    command = [
        sys.executable,
        __file__,
        "--slots",
        str(slots),
        "--mean",
        str(mean),
        "--latency",
        latency,
        "--role",
    ]
    servers = [
        subprocess.Popen([*command, role], stdout=subprocess.PIPE, text=True) for role in ("strong", "target")
    ]
    try:
        strong, target = (Running(f"http://127.0.0.1:{int(s.stdout.readline())}") for s in servers)  # type: ignore[union-attr]
        yield strong, target
    finally:
        for server in servers:
            server.kill()
            server.communicate()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--role", choices=("strong", "target"), default="strong")
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--mean", type=float, default=0.4)
    parser.add_argument("--latency", choices=sorted(SHAPES), default="gamma")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(**vars(parser.parse_args())))  # noqa: TID251  # a process without the package's loop
