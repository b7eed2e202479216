"""What all dialects share: a schema goes as a grammar, and stays out where the server has no grammars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codeclm_hf.endpoints.http import Client
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest
from codeclm_hf.errors import RequestRejected

MIN_LOGPROB = -100.0
"""Stands for minus infinity and all below: JSON has no infinities, and e⁻¹⁰⁰ is as good as 0."""
_GRAMMAR_WORDS = ("grammar", "response_format", "json_schema", "guided", "structured output")


class Dialect:
    """One server and the wire format in which it is asked; each request is sent once."""

    client: Client
    identity: str
    """The identity of the model that it serves."""
    grammar: bool
    """Whether the server takes a JSON schema; learnt from its first refusal."""

    extra: Mapping[str, Any]
    """Fields that its user adds to every request."""

    async def generate(self, request: GenerationRequest, max_tokens: int) -> Completion:
        """Answer one request, without its grammar where the server has none.

        Args:
            request: what is asked.
            max_tokens: most tokens of thoughts and answer.

        Returns:
            The answer as the server wrote it: thoughts may stand in its text.

        Raises:
            EndpointError: the server cannot answer anything now.
            RowError: the server cannot answer this request.
        """
        if request.schema is None or not self.grammar:
            return await self._generate(request, max_tokens, grammar=False)
        try:
            return await self._generate(request, max_tokens, grammar=True)
        except RequestRejected as exc:
            if not _refuses_grammar(exc):
                raise
            completion = await self._generate(request, max_tokens, grammar=False)
            self.grammar = False  # it was the grammar: without it the server answers
            return completion

    async def _generate(self, request: GenerationRequest, max_tokens: int, *, grammar: bool) -> Completion:
        raise NotImplementedError


def _refuses_grammar(exc: RequestRejected) -> bool:
    """Return whether a refusal is about the grammar rather than, say, the prompt's length."""
    words = str(exc).lower()
    return any(word in words for word in _GRAMMAR_WORDS)


def clean(text: str) -> str:
    """Return the text as every file format can hold it.

    A lone surrogate, which comes from a broken JSON escape, becomes "?".
    """
    return text.encode("utf-8", "replace").decode("utf-8")
