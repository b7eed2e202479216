"""The dialect of `/v1/chat/completions`: vLLM, SGLang, llama.cpp, TGI's Messages API, many services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from codeclm_hf.endpoints.address import CHAT
from codeclm_hf.endpoints.dialect import MOST_TGI_LOGPROBS, Dialect
from codeclm_hf.endpoints.http import Client
from codeclm_hf.endpoints.lessons import (
    LIMIT,
    LOGPROBS,
    NEWER_LIMIT,
    OLDER_LIMIT,
    SCHEMA,
    SEED,
    TEMPERATURE,
    Lessons,
)
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest
from codeclm_hf.endpoints.reply import chat_completion
from codeclm_hf.endpoints.served import ServedNames

PATH = f"/v1{CHAT}"
"""Where most servers have them."""
_FIELDS = {
    SEED: {"seed"},
    TEMPERATURE: {"temperature"},
    LOGPROBS: {"logprobs", "top_logprobs"},
    SCHEMA: {"response_format"},
    LIMIT: {OLDER_LIMIT, NEWER_LIMIT},
}
"""The fields of a body that each parameter has."""


@dataclass
class Chat(Dialect):
    """A server that speaks the chat-completions protocol."""

    client: Client
    model: str
    """The name the server serves the model under, sent with every request."""
    identity: str
    tgi: bool = False
    """Whether this is TGI's Messages API, which spells `response_format` its own way."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    path: str = PATH
    """Where the server has chat completions, behind its base URL."""
    lessons: Lessons = field(default_factory=Lessons)
    taken: set[str] = field(default_factory=set)
    allow_fallback: bool = False
    """Whether a gateway may have another model answer."""

    def __post_init__(self) -> None:
        self._names = ServedNames(self.client.public_url, allow_fallback=self.allow_fallback)

    async def _generate(self, request: GenerationRequest, max_tokens: int, lessons: Lessons) -> Completion:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": role, "content": content} for role, content in request.messages],
        }
        for parameter in self._parameters(request, lessons):
            body |= self._fields(parameter, request, max_tokens, lessons)
        reply = await self.client.post(self.path, {**body, **self.extra})
        return self._names.check(chat_completion(reply.value, request, self.client), reply.headers)

    def _parameters(self, request: GenerationRequest, lessons: Lessons) -> list[str]:
        asked = [LIMIT, TEMPERATURE, SEED]
        if request.schema is not None:
            asked.append(SCHEMA)
        if request.top_logprobs:
            asked.append(LOGPROBS)
        if not self.extra and not lessons.left_out:
            return asked
        return [
            parameter
            for parameter in asked
            if parameter not in lessons.left_out and not self.extra.keys() & _FIELDS[parameter]
        ]

    def _fields(
        self, parameter: str, request: GenerationRequest, max_tokens: int, lessons: Lessons
    ) -> dict[str, Any]:
        """Return a parameter as this server takes it."""
        if parameter == SEED:
            return {"seed": request.seed}
        if parameter == TEMPERATURE:
            return {"temperature": request.temperature or lessons.least_temperature}
        if parameter == LIMIT:
            return {lessons.limit: max_tokens}
        if parameter == SCHEMA:
            return {"response_format": self._response_format(request.schema or {})}
        most = MOST_TGI_LOGPROBS if self.tgi else lessons.most_logprobs
        return {"logprobs": True, "top_logprobs": min(request.top_logprobs, most)}

    def _response_format(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.tgi:
            # The one spelling that every TGI from 2.1 to 3.3 takes.
            return {"type": "json_object", "value": dict(schema)}
        return {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": dict(schema), "strict": True},
        }
