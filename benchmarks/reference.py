"""The reference of `saturation.py`: CodecLM without a barrier on bare aiohttp, without journal or data sets.

It sends what `CodecLM.run` sends, byte for byte: the package's prompts filled in, and seeds and ids made in
the same way. All seeds are encoded, the metadata is mixed and matched; from there on nothing waits but for
what it needs: rubrics and decode of a metadata run side by side, and an instruction's own loop starts when it
is there. Requests wait for a slot in the order they were made: to send those of the instructions furthest in
the loop first makes the tail longer, because it is found out later which instructions need all four
iterations.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from dataclasses import dataclass
from typing import Any

import aiohttp
import jinja2

from codeclm_hf import ids, prompts
from codeclm_hf.stages import contrast

Chat = list[dict[str, str]]
Of = tuple[str | int, ...]
ITERATIONS, THETA, SEED = 4, 3.0, 0
MOST_AT_ONCE = 10
_jinja = jinja2.Environment(
    undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
)


@dataclass
class Job:
    """What both clients are to do."""

    strong: str
    target: str
    slots: int
    seeds: list[str]
    num_metadata: int
    num_instructions: int


class Endpoint:
    """One server: a session, a semaphore."""

    def __init__(self, session: aiohttp.ClientSession, url: str, role: str, slots: int) -> None:
        self.session, self.url, self.model = session, f"{url}/v1/chat/completions", f"simulated-{role}"
        self.slots = asyncio.Semaphore(slots)

    async def ask(
        self, messages: Chat, of: Of, *, tokens: int = 1024, greedy: bool = False, **fields: Any
    ) -> Any:
        """The answer's text; where JSON schemas of fields are given, the object.

        Args:
            messages: the chat.
            of: what the request's seed is made of.
            tokens: most tokens of the answer.
            greedy: at temperature 0.
            fields: what the answer must hold.
        """
        body = {
            "model": self.model,
            "messages": messages,
            "max_tokens": tokens,
            "temperature": 0.0 if greedy else 0.7,
            "seed": ids.derive(SEED, *of),
        }
        if fields:
            schema = {
                "type": "object",
                "properties": fields,
                "required": list(fields),
                "additionalProperties": False,
            }
            answer = {"name": "answer", "schema": schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": answer}
        async with self.slots, self.session.post(self.url, json=body) as response:
            response.raise_for_status()
            reply = json.loads(await response.read())
        text = reply["choices"][0]["message"]["content"]
        return json.loads(text) if fields else text.strip()


class Template:
    """A prompt whose turns are compiled once."""

    def __init__(self, name: str) -> None:
        _, *parts = re.split(r"^--- (user|assistant)[ \t]*$", prompts.load(name).text, flags=re.M)
        self.turns = [
            (role, _jinja.from_string(text)) for role, text in zip(parts[::2], parts[1::2], strict=True)
        ]

    def fill(self, **values: Any) -> Chat:
        return [{"role": role, "content": turn.render(values).strip()} for role, turn in self.turns]


def _array(item: dict[str, Any], n: int) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": n, "maxItems": n}


_TEXT = {"type": "string", "minLength": 1}
_SHORT = {"type": "string", "minLength": 1, "maxLength": 60}
_SKILLS = {"type": "array", "items": _SHORT, "minItems": 1, "maxItems": 3}
_SCORES = _array({"type": "integer", "minimum": 1, "maximum": 10}, 2)


class Reference:
    """The loop."""

    def __init__(self, strong: Endpoint, target: Endpoint) -> None:
        self.strong, self.target = strong, target
        self.templates = {name: Template(name) for name in prompts.VARIABLES}
        self.trace: list[dict[str, Any]] = []

    async def run(self, seeds: list[str], num_metadata: int, num_instructions: int) -> None:
        encoded = await asyncio.gather(*map(self.encode, seeds))
        metadata = mixed(encoded, num_metadata)
        share, extra = divmod(num_instructions, len(metadata))
        await asyncio.gather(*(self.metadata(meta, share + (at < extra)) for at, meta in enumerate(metadata)))

    async def encode(self, seed: str) -> tuple[str, list[str]]:
        filled = self.templates["encode"].fill(instruction=seed, use_cases=(), skills=())
        of = ("encode", ids.row_id("seed", seed), 0)
        read = await self.strong.ask(filled, of, use_case=_SHORT, skills=_SKILLS)
        return read["use_case"], read["skills"]

    async def metadata(self, meta: tuple[str, list[str]], n: int) -> None:
        id = metadata_id(*meta)
        rubrics = asyncio.create_task(self.rubrics(id, *meta))
        sizes = [min(MOST_AT_ONCE, n - start) for start in range(0, n, MOST_AT_ONCE)]
        await asyncio.gather(
            rubrics, *(self.decode(id, *meta, size, part, rubrics) for part, size in enumerate(sizes))
        )

    async def rubrics(self, id: str, use_case: str, skills: list[str], n: int = 4) -> list[str]:
        filled = self.templates["rubrics"].fill(use_case=use_case, skills=skills, n=n)
        texts = _array(_TEXT, n)
        read = await self.strong.ask(filled, ("rubrics", id, 0), tokens=768, rubrics=texts, actions=texts)
        return list(read["actions"])

    async def decode(
        self, id: str, use_case: str, skills: list[str], n: int, part: int, rubrics: asyncio.Task[list[str]]
    ) -> None:
        filled = self.templates["decode"].fill(use_case=use_case, skills=skills, n=n)
        of = ("decode", id, "0", str(part), 0)
        read = await self.strong.ask(filled, of, tokens=min(256 * n, 1024), instructions=_array(_TEXT, n))
        await asyncio.gather(*(self.tailor(id, text, rubrics) for text in read["instructions"]))

    async def tailor(self, meta: str, instruction: str, rubrics: asyncio.Task[list[str]]) -> None:
        parent = None
        for iteration in range(1, ITERATIONS + 1):
            id = ids.row_id("instruction", meta, parent, instruction)
            row = await self.examine(id, instruction, last=iteration == ITERATIONS)
            self.trace.append({"id": id, "iteration": iteration, **row})
            if row["verdict"] != "retry":
                return
            action = ids.rng(SEED, "improve", id).choice(await rubrics)
            filled = self.templates["improve"].fill(instruction=instruction, action=action)
            read = await self.strong.ask(filled, ("improve", id, 0), tokens=512, instruction=_TEXT)
            parent, instruction = id, read["instruction"]

    async def examine(self, id: str, instruction: str, *, last: bool) -> dict[str, Any]:
        strong, target = await asyncio.gather(
            *(
                endpoint.ask(
                    [{"role": "user", "content": instruction}], ("respond", role, id, 0), tokens=2048
                )
                for role, endpoint in (("strong", self.strong), ("target", self.target))
            )
        )
        one, other = await asyncio.gather(
            self.judge("strong first", id, instruction, strong, target),
            self.judge("target first", id, instruction, target, strong),
        )
        gap = contrast.averages(one, other[::-1])["gap"]
        verdict = contrast.verdict(gap, THETA, last=last)
        return {
            "instruction": instruction,
            "strong": strong,
            "target": target,
            "gap": gap,
            "verdict": verdict,
        }

    async def judge(self, order: str, id: str, instruction: str, first: str, second: str) -> list[float]:
        fence = ids.row_id(SEED, order, id, first, second)
        filled = self.templates["judge"].fill(
            instruction=instruction, first=first, second=second, fence=fence
        )
        read = await self.strong.ask(filled, ("judge", order, id, 0), greedy=True, scores=_SCORES)
        return list(read["scores"])


def metadata_id(use_case: str, skills: list[str]) -> str:
    return ids.row_id("metadata", use_case.casefold(), sorted({skill.casefold() for skill in skills}))


def mixed(encoded: list[tuple[str, list[str]]], size: int) -> list[tuple[str, list[str]]]:
    """The distinct metadata and new pairs of their use cases and skills, `size` in all."""
    known: dict[str, tuple[str, list[str]]] = {}
    for meta in encoded:
        known.setdefault(metadata_id(*meta), meta)
    use_cases = list(dict.fromkeys(use_case for use_case, _ in known.values()))
    skills = list(dict.fromkeys(skill for _, skills in known.values() for skill in skills))
    draw: random.Random = ids.rng(SEED, "augment")
    while len(known) < size:
        new = draw.choice(use_cases), draw.sample(skills, draw.randint(1, min(3, len(skills))))
        known.setdefault(metadata_id(*new), new)
    return list(known.values())


async def run(job: Job) -> list[dict[str, Any]]:
    """Do the whole job; returns what became of each instruction in each iteration."""
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        strong, target = (
            Endpoint(session, url, role, job.slots)
            for role, url in (("strong", job.strong), ("target", job.target))
        )
        reference = Reference(strong, target)
        await reference.run(job.seeds, job.num_metadata, job.num_instructions)
    return reference.trace
