"""The dialect of TGI's own `/generate`, with the types of `text-generation` and the model's chat template."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2.exceptions import TemplateError
from pydantic import ValidationError
from text_generation.types import Grammar, GrammarType, Parameters, Request, Response

from codeclm_hf.endpoints.dialect import MIN_LOGPROB, MOST_TGI_LOGPROBS, Dialect, clean
from codeclm_hf.endpoints.hints import IN_PYTHON
from codeclm_hf.endpoints.http import Client, Reply
from codeclm_hf.endpoints.lessons import LOGPROBS, SCHEMA, SEED, Lessons
from codeclm_hf.endpoints.model_names import is_path
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest
from codeclm_hf.errors import BadInput, CodecLMError, GenerationFailed, RequestRejected

PATH = "/generate"
_TEMPLATE_KWARGS = "chat_template_kwargs"
_FIELDS = {SEED: "seed", SCHEMA: "grammar", LOGPROBS: "top_n_tokens"}
"""What TGI calls those parameters that a fork of it may not take."""


@dataclass
class TGI(Dialect):
    """A text-generation-inference server that is asked in its own protocol."""

    client: Client
    identity: str
    tokenizer: Any
    """The `transformers` tokenizer whose chat template turns messages into the prompt."""
    lessons: Lessons = field(default_factory=Lessons)
    taken: set[str] = field(default_factory=set)
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of TGI's; `chat_template_kwargs` go to the tokenizer's template, which is applied here."""

    def _parameters(self, request: GenerationRequest, lessons: Lessons) -> list[str]:
        asked = [SEED]
        if request.schema is not None:
            asked.append(SCHEMA)
        if request.top_logprobs:
            asked.append(LOGPROBS)
        return [name for name in asked if name not in lessons.left_out and _FIELDS[name] not in self.extra]

    async def _generate(self, request: GenerationRequest, max_tokens: int, lessons: Lessons) -> Completion:
        sent = self._parameters(request, lessons)
        structured = SCHEMA in sent
        most = min(MOST_TGI_LOGPROBS, lessons.most_logprobs)
        parameters = Parameters(
            do_sample=request.temperature > 0,
            temperature=request.temperature or None,
            seed=request.seed if SEED in sent else None,
            # Under a grammar there is no place for thoughts, and TGI restarts it beyond so many tokens.
            max_new_tokens=request.max_new_tokens if structured else max_tokens,
            return_full_text=False,
            details=True,
            top_n_tokens=min(request.top_logprobs, most) if LOGPROBS in sent else None,
            grammar=Grammar(type=GrammarType.Json, value=dict(request.schema or {})) if structured else None,
        )
        body = Request(inputs=self._prompt(request), parameters=parameters).model_dump(
            mode="json", exclude_none=True
        )
        body["parameters"] |= {name: value for name, value in self.extra.items() if name != _TEMPLATE_KWARGS}
        return _completion(await self.client.post(PATH, body), self.client)

    def _prompt(self, request: GenerationRequest) -> str:
        chat = [{"role": role, "content": content} for role, content in request.messages]
        try:
            prompt: str = self.tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=True, **self.extra.get(_TEMPLATE_KWARGS, {})
            )
        except TemplateError as exc:
            raise self._template_error(exc, chat[0]["role"]) from exc
        # TGI adds the special tokens itself, so a template that writes them would double the first one.
        bos = self.tokenizer.bos_token
        if (
            bos
            and prompt.startswith(bos)
            and self.tokenizer("").input_ids[:1] == [self.tokenizer.bos_token_id]
        ):
            return prompt.removeprefix(bos)
        return prompt

    def _template_error(self, exc: TemplateError, first_role: str) -> CodecLMError:
        """Return the error that the model's chat template refuses a chat: all of them, or this one."""
        if first_role == "system":
            return BadInput(
                f"needs a chat template that takes a system prompt; that of {self.identity} refuses it ({exc}); "
                "leave the system prompt out, or serve a template that has a place for it"
            )
        return RequestRejected(f"the chat template of {self.identity} refuses this chat ({exc})")


class NoTokenizer(BadInput):
    """The tokenizer of a model cannot be had here."""

    def __init__(self, reason: str, *, hint: str) -> None:
        super().__init__(f"needs a tokenizer for its chat template; {reason}", hint=hint)
        self.reason = reason


def load_tokenizer(name: str, revision: str | None = None, option: str = IN_PYTHON.model) -> Any:
    """Return the tokenizer of the model that a server serves.

    Args:
        name: a Hub id or a local folder.
        revision: the commit that the server says it serves.
        option: how the user names another, for messages.

    Raises:
        NoTokenizer: the tokenizer cannot be loaded.
        BadInput: it has no chat template.
    """
    from transformers import AutoTokenizer  # takes over a second to import; only this dialect needs it

    instead = f"name one with {option}, or let TGI apply its own template with chat+http://…"
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
    except Exception as exc:  # what reads tokenizers raises bare ones too
        reason = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
        if is_path(name) and not os.path.exists(name):
            reason = "there is no such folder here"
        raise NoTokenizer(f"the tokenizer of {name} cannot be had here ({reason})", hint=instead) from exc
    if not tokenizer.chat_template:
        raise BadInput(
            f"needs a chat template; the tokenizer of {name} has none (a base model?)", hint=instead
        )
    return tokenizer


def _completion(reply: Reply, client: Client) -> Completion:
    try:
        response = Response.model_validate(reply.value)
    except ValidationError:  # which holds the reply
        raise GenerationFailed(
            f"{client.public_url} answered 200 with no generation: {client.quote(reply.value)}"
        ) from None
    details = response.details
    alternatives = None
    if details.top_tokens and len(details.top_tokens) == len(details.tokens):
        alternatives = [
            [(clean(token.text), max(token.logprob or 0.0, MIN_LOGPROB)) for token in (chosen, *tops)]
            for chosen, tops in zip(details.tokens, details.top_tokens, strict=True)
        ]
    return Completion(
        text=clean(response.generated_text),
        finish_reason="length" if details.finish_reason.value == "length" else "stop",
        # The body does not count the prompt; only this header does.
        prompt_tokens=_count(reply.headers.get("x-prompt-tokens")),
        completion_tokens=details.generated_tokens,
        top_logprobs=alternatives,
    )


def _count(header: str | None) -> int:
    return int(header) if header and header.isascii() and header.isdigit() and len(header) < 12 else 0
