"""An endpoint in the process that thinks before it answers, without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from codeclm_hf import Completion, GenerationRequest
from codeclm_hf.endpoints.process import InProcess
from codeclm_hf.endpoints.protocol import SendGuard
from codeclm_hf.errors import NoAnswer
from support.world import World, answers

THOUGHT = "Hmm, let me see"
"""How every thought begins."""


@dataclass(eq=False)
class Thinker(InProcess):
    """A model of the small world, whose answers to instructions come after thoughts."""

    role: str
    identity: str = ""
    thinks: bool = True
    silent: Callable[[str], bool] = lambda asked: False
    """Whether it answers nothing to a prompt."""
    extra: dict[str, Any] = field(default_factory=dict)
    asked: list[GenerationRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.identity = self.identity or f"org/{self.role}"
        self._answer = answers(World(), self.role)

    async def generate(
        self, request: GenerationRequest, *, send_guard: SendGuard = nullcontext
    ) -> Completion:
        with send_guard():
            self.asked.append(request)
            await asyncio.sleep(0)
        prompt = request.messages[-1].content
        if self.silent(prompt):
            raise NoAnswer("needs an answer; the model gave an empty answer")
        told = self._answer([message._asdict() for message in request.messages], {"schema": request.schema})
        return Completion(
            text=told if isinstance(told, str) else json.dumps(told),
            finish_reason="stop",
            prompt_tokens=10,
            completion_tokens=20,
            thinking=f"{THOUGHT}: {self.role} on {len(prompt)}" if self.thinks else "",
            thinking_tokens=8 if self.thinks else 0,
        )
