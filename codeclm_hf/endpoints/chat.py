"""The dialect of `/v1/chat/completions`: vLLM, SGLang, llama.cpp, TGI's Messages API, many services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from codeclm_hf.endpoints.dialect import Dialect
from codeclm_hf.endpoints.http import Client
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest
from codeclm_hf.endpoints.reply import chat_completion
from codeclm_hf.errors import RequestRejected

PATH = "/v1/chat/completions"
_NEWER_LIMIT = "max_completion_tokens"
"""OpenAI's name for `max_tokens` where a model no longer takes that."""

_LIMITS = {"max_tokens", _NEWER_LIMIT}


@dataclass
class Chat(Dialect):
    """A server that speaks the chat-completions protocol."""

    client: Client
    model: str
    """The name the server serves the model under, sent with every request."""
    identity: str
    tgi: bool = False
    """Whether this is TGI's Messages API, which spells `response_format` its own way."""
    grammar: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)
    limit: str = "max_tokens"
    """The server's name of the parameter for the most tokens of an answer; learnt from its refusal."""

    async def _generate(self, request: GenerationRequest, max_tokens: int, *, grammar: bool) -> Completion:
        limit = self.limit
        try:
            return await self._ask(request, max_tokens, limit, grammar=grammar)
        except RequestRejected as exc:
            if limit == _NEWER_LIMIT or _NEWER_LIMIT not in str(exc):
                raise
            self.limit = _NEWER_LIMIT
            return await self._ask(request, max_tokens, self.limit, grammar=grammar)

    async def _ask(
        self, request: GenerationRequest, max_tokens: int, limit: str, *, grammar: bool
    ) -> Completion:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": role, "content": content} for role, content in request.messages],
            limit: max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if request.schema is not None and grammar:
            body["response_format"] = self._response_format(request.schema)
        if request.top_logprobs:
            body |= {
                "logprobs": True,
                "top_logprobs": min(request.top_logprobs, 5) if self.tgi else request.top_logprobs,
            }
        if self.extra.keys() & _LIMITS:
            del body[limit]
        reply = await self.client.post(PATH, {**body, **self.extra})
        return chat_completion(reply.value, request, self.client)

    def _response_format(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.tgi:
            # The one spelling that every TGI from 2.1 to 3.3 takes.
            return {"type": "json_object", "value": dict(schema)}
        return {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": dict(schema), "strict": True},
        }
