"""The dialect of `/v1/chat/completions`: vLLM, SGLang, llama.cpp, TGI's Messages API, many services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codeclm_hf.endpoints.dialect import MIN_LOGPROB, Dialect, clean
from codeclm_hf.endpoints.http import Client
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest
from codeclm_hf.errors import GenerationFailed, RequestRejected

PATH = "/v1/chat/completions"
_NEWER_LIMIT = "max_completion_tokens"
"""OpenAI's name for `max_tokens` where a model no longer takes that."""


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
    limit: str = "max_tokens"
    """The server's name of the parameter for the most tokens of an answer; learnt from its refusal."""

    async def _generate(self, request: GenerationRequest, *, grammar: bool) -> Completion:
        limit = self.limit
        try:
            return await self._ask(request, limit, grammar=grammar)
        except RequestRejected as exc:
            if limit == _NEWER_LIMIT or _NEWER_LIMIT not in str(exc):
                raise
            self.limit = _NEWER_LIMIT
            return await self._ask(request, self.limit, grammar=grammar)

    async def _ask(self, request: GenerationRequest, limit: str, *, grammar: bool) -> Completion:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": role, "content": content} for role, content in request.messages],
            limit: request.max_new_tokens,
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
        reply = await self.client.post(PATH, body)
        return _completion(reply.value, self.client)

    def _response_format(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.tgi:
            # The one spelling that every TGI from 2.1 to 3.3 takes.
            return {"type": "json_object", "value": dict(schema)}
        return {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": dict(schema), "strict": True},
        }


def _completion(reply: Any, client: Client) -> Completion:
    try:
        choice = reply["choices"][0]
        # Only `choices` is certain: `transformers serve`, for one, sends no log-probabilities.
        usage = reply.get("usage") or {}
        return Completion(
            text=clean(choice["message"].get("content") or ""),
            finish_reason=str(choice.get("finish_reason") or "stop"),
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            completion_tokens=int(usage.get("completion_tokens") or 0),
            top_logprobs=_alternatives(choice.get("logprobs")),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        words = f"{client.public_url} answered 200 with no `choices[0].message`: {client.quote(reply)}"
        raise GenerationFailed(words) from None


def _alternatives(logprobs: Any) -> list[list[tuple[str, float]]] | None:
    if not logprobs or not logprobs.get("content"):
        return None
    return [[_token(entry) for entry in (chosen, *chosen["top_logprobs"])] for chosen in logprobs["content"]]


def _token(entry: Any) -> tuple[str, float]:
    return clean(entry["token"]), max(float(entry["logprob"]), MIN_LOGPROB)
