"""An endpoint in the process that numbers its answers, and requests for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from codeclm_hf import Completion, GenerationRequest, Message
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.journal import Journal, JournaledEndpoint
from codeclm_hf.endpoints.process import InProcess
from codeclm_hf.endpoints.protocol import Endpoint, SendGuard

REQUEST = GenerationRequest(messages=(Message("user", "hello"),), seed=1)


MANY = [replace(REQUEST, seed=seed) for seed in range(200)]


@dataclass
class Counter(InProcess):
    """An endpoint that numbers its answers."""

    identity: str = "model@1"
    asked: list[GenerationRequest] = field(default_factory=list)
    error: Exception | None = None
    said: str = "answer {} ü"

    async def generate(self, request: GenerationRequest, *, send_guard: SendGuard) -> Completion:
        with send_guard():
            self.asked.append(request)
            await asyncio.sleep(0)
            if self.error:
                raise self.error
        return Completion(
            text=self.said.format(len(self.asked)),
            finish_reason="stop",
            prompt_tokens=3,
            completion_tokens=2,
            top_logprobs=[[("a", -0.5), ("b", -1.0)]],
        )


async def _ask(
    endpoint: Endpoint, journal: Journal, requests: Iterable[GenerationRequest]
) -> list[Completion]:
    kept = JournaledEndpoint(endpoint, journal)
    return await asyncio.gather(*(kept.generate(request) for request in requests))


def ask(endpoint: Endpoint, journal: Journal, *requests: GenerationRequest) -> list[Completion]:
    return transport.run(_ask(endpoint, journal, requests))
