"""What the wire formats share: a grammar where the server has them, plain words where it has not."""

from __future__ import annotations

from codeclm_hf.endpoints.http import Client
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest
from codeclm_hf.errors import RequestRejected

MIN_LOGPROB = -100.0
"""What minus infinity is kept as: JSON has no infinities, and e⁻¹⁰⁰ is nothing."""


class Dialect:
    """One server spoken to in one wire format, each request sent once."""

    client: Client
    identity: str
    """Which model it serves."""
    grammar: bool
    """Whether the server takes a JSON schema; learnt from its first refusal."""

    async def generate(self, request: GenerationRequest) -> Completion:
        """Answer one request; without a grammar where the server has none."""
        if request.schema is None or not self.grammar:
            return await self._generate(request, grammar=False)
        try:
            return await self._generate(request, grammar=True)
        except RequestRejected as exc:
            if not _refuses_grammar(exc):
                raise
            completion = await self._generate(request, grammar=False)
            self.grammar = False  # it was the grammar: without it the server answers
            return completion

    async def _generate(self, request: GenerationRequest, *, grammar: bool) -> Completion:
        raise NotImplementedError


def _refuses_grammar(exc: RequestRejected) -> bool:
    """Whether a refusal is about the grammar rather than, say, the prompt's length."""
    said = str(exc).lower()
    return any(
        word in said for word in ("grammar", "response_format", "json_schema", "guided", "structured output")
    )


def clean(text: str) -> str:
    """Text that every file format can hold: a lone surrogate from a broken JSON escape becomes "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")
