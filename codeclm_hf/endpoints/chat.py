"""The dialect of `/v1/chat/completions`: TGI's Messages API, vLLM, SGLang, llama.cpp, Inference Endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from codeclm_hf.endpoints.base import Completion, GenerationRequest, InProcess
from codeclm_hf.endpoints.transport import Client
from codeclm_hf.errors import GenerationFailed, RequestRejected

PATH = "/v1/chat/completions"
MIN_LOGPROB = -100.0
"""What minus infinity is kept as: JSON has no infinities, and e⁻¹⁰⁰ is nothing."""


@dataclass
class Chat(InProcess):
    """A server that speaks the chat-completions protocol."""

    client: Client
    model: str
    """The name the server serves the model under, sent with every request."""
    identity: str
    tgi: bool = False
    """Whether this is TGI's Messages API, which spells `response_format` its own way."""
    grammar: bool = True
    """Whether the server takes a JSON schema; learnt from its first refusal."""

    async def generate(self, request: GenerationRequest) -> Completion:
        """Answer one request; without a grammar where the server has none."""
        if request.schema is not None and self.grammar:
            try:
                return await self._generate(request, grammar=True)
            except RequestRejected as exc:
                if not refuses_grammar(exc):
                    raise
                completion = await self._generate(request, grammar=False)
                self.grammar = False  # it was the grammar: without it the server answers
                return completion
        return await self._generate(request, grammar=False)

    async def _generate(self, request: GenerationRequest, *, grammar: bool) -> Completion:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": role, "content": content} for role, content in request.messages],
            "max_tokens": request.max_new_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if request.schema is not None and grammar:
            body["response_format"] = self._response_format(dict(request.schema))
        if request.top_logprobs:
            body |= {
                "logprobs": True,
                "top_logprobs": min(request.top_logprobs, 5) if self.tgi else request.top_logprobs,
            }
        reply, _ = await self.client.post(PATH, body)
        return _completion(reply, self.client.shown)

    def _response_format(self, schema: dict[str, Any]) -> dict[str, Any]:
        if self.tgi:
            # The one spelling that every TGI from 2.1 to 3.3 takes.
            return {"type": "json_object", "value": schema}
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def refuses_grammar(exc: RequestRejected) -> bool:
    """Whether a refusal is about the grammar rather than, say, the prompt's length."""
    said = str(exc).lower()
    return any(word in said for word in ("grammar", "response_format", "json_schema", "guided", "structured output"))


def clean(text: str) -> str:
    """Text that every file format can hold: a lone surrogate from a broken JSON escape becomes "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _completion(reply: Any, shown: str) -> Completion:
    try:
        choice = reply["choices"][0]
        # Only `choices` is certain: `transformers serve`, for one, sends no logprobs and no system_fingerprint.
        usage = reply.get("usage") or {}
        return Completion(
            text=clean(choice["message"].get("content") or ""),
            finish_reason=str(choice.get("finish_reason") or "stop"),
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            completion_tokens=int(usage.get("completion_tokens") or 0),
            top_logprobs=_alternatives(choice.get("logprobs")),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as exc:
        raise GenerationFailed(f"{shown} answered 200 with no `choices[0].message`: {str(reply)[:200]!r}") from exc


def _alternatives(logprobs: dict[str, Any] | None) -> list[list[tuple[str, float]]] | None:
    if not logprobs or not logprobs.get("content"):
        return None
    return [
        [(clean(item["token"]), max(float(item["logprob"]), MIN_LOGPROB)) for item in (token, *token["top_logprobs"])]
        for token in logprobs["content"]
    ]
