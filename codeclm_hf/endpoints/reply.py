"""What came back from a chat server, read as an answer: of whatever shape, and never for more than it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from codeclm_hf.endpoints.dialect import MIN_LOGPROB, clean
from codeclm_hf.endpoints.http import UNKNOWN_SHAPE_TRIES, Client
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest
from codeclm_hf.errors import CodecLMError, GenerationFailed
from codeclm_hf.text import single_line

_CUT_OFF = (
    "length", "max_tokens", "model_length", "max_output_tokens", "max_length", "max_new_tokens",
    "model_context_window_exceeded", "context_length_exceeded", "token_limit", "token_limit_reached", "truncated",
)  # fmt: skip
"""What servers call it where the most tokens cut an answer off."""
_FILTERED = (
    "content_filter", "content-filter", "content_filtered", "safety", "recitation", "prohibited_content",
    "blocklist", "spii", "sensitive", "refusal", "guardrail_intervened", "image_safety", "language",
)  # fmt: skip
"""What they call it where somebody kept the answer back."""
_BROKEN = (
    "error", "abort", "aborted", "cancelled", "canceled", "network_error", "server_error", "eos_error",
    "insufficient_system_resource", "malformed_function_call", "unexpected_tool_call", "timeout",
)  # fmt: skip
"""What they call it where the server broke off; the same request may be answered when sent again."""
NO_ANSWER_REASONS = frozenset((*_FILTERED, *_BROKEN))
"""The finish reasons, in lower case, of what is no answer, whatever text there is."""
_THOUGHT_FIELDS = (
    "reasoning_content", "reasoning", "thinking", "thoughts", "reasoning_details", "thinking_blocks",
    "reasoning_text", "thinking_content", "thought", "reasoning_summary",
)  # fmt: skip
"""Where servers with a parser for thoughts put them; one of these has them."""
THOUGHT_PARTS = ("thinking", "reasoning", "redacted_thinking", "thought", "reasoning_content",
                 "reasoning.text", "reasoning.summary", "reasoning_text", "think")  # fmt: skip
"""The types of those parts of a content that are thoughts."""
_TEXT_KEYS = ("text", "content", "thinking", "reasoning", "summary", "refusal")
"""Where a part of a content, or of thoughts, has its text."""
_REFUSED, _KEPT_BACK, _TOOL = (
    "refused: ", "gave an answer that its server kept back", "called a tool in place of an answer"
)  # fmt: skip
"""How it is said that there is no answer where that is what the server, or its provider, wants."""
_BYTES_A_TOKEN = 4


def is_withheld(completion: Completion) -> bool:
    """Return whether an answer was kept back on purpose, so that the same would come of asking again."""
    return (completion.no_answer or "").startswith((_REFUSED, _KEPT_BACK, _TOOL))


def chat_completion(reply: Any, request: GenerationRequest, client: Client) -> Completion:
    """Return the answer that a reply of `/v1/chat/completions` holds, with its content as it came.

    Raises:
        GenerationFailed: the server broke off, or the reply has a shape that is not known.
        CodecLMError: the model's provider refused the request, as the status that it names says.
    """
    if isinstance(reply, list) and len(reply) == 1:
        (reply,) = reply
    try:
        choice = reply["choices"][0]
        message = choice.get("message") or {"content": choice["text"]}
        content, thinking = _parts(message.get("content"))
    except (KeyError, IndexError, TypeError, AttributeError):
        raise GenerationFailed(
            f"{client.public_url} answered 200 with no `choices[0].message`: {client.quote(reply)}",
            tries=UNKNOWN_SHAPE_TRIES,
        ) from None
    reason = str(choice.get("finish_reason") or "stop").lower()
    if choice.get("error") or reason in _BROKEN:
        raise _provider_error(choice.get("error") or reason, client)
    thinking = "\n".join(filter(None, (thinking, _field_thoughts(message))))
    tokens = _tokens(reply.get("usage"), request, content + thinking)
    return Completion(
        text=clean(content),
        finish_reason="length" if reason in _CUT_OFF else reason,
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        top_logprobs=_alternatives(choice.get("logprobs")),
        thinking=clean(thinking),
        thinking_tokens=tokens.thinking or _share(tokens.completion, thinking, content),
        no_answer=_no_answer(message, content, reason, client),
        estimated=tokens.estimated,
        model=reply["model"] if isinstance(reply.get("model"), str) else None,
    )


def _parts(content: Any) -> tuple[str, str]:
    """Return the text and the thoughts of a message's content, which may come in parts."""
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        return (content if isinstance(content, str) else "", "")
    text, thinking = list[str](), list[str]()
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "refusal":
            continue
        thought = kind in THOUGHT_PARTS or (isinstance(part, Mapping) and part.get("thought") is True)
        (thinking if thought else text).append(_text(part))
    return "".join(text), "\n".join(filter(None, thinking))


def _text(value: Any) -> str:
    """Return the text in a part, a list of parts, or a text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return next((text for key in _TEXT_KEYS if (text := _text(value.get(key)))), "")
    if isinstance(value, list):
        return "".join(map(_text, value))
    return ""


def _field_thoughts(message: Mapping[str, Any]) -> str:
    more = message.get("provider_specific_fields")
    places = (message, more) if isinstance(more, Mapping) else (message,)
    return next((text for at in places for key in _THOUGHT_FIELDS if (text := _text(at.get(key)))), "")


def _no_answer(message: Mapping[str, Any], content: str, reason: str, client: Client) -> str | None:
    """Return why a message is no answer, as far as the server says so."""
    parts = message.get("content")
    refusals = (
        [part for part in parts if isinstance(part, Mapping) and part.get("type") == "refusal"]
        if isinstance(parts, list)
        else []
    )
    if refusal := _text(message.get("refusal")) or _text(refusals):
        return f"{_REFUSED}{client.without_secrets(single_line(refusal))[:200]}"
    if reason in _FILTERED:
        return f"{_KEPT_BACK} ({reason})"
    if not content.strip() and (message.get("tool_calls") or message.get("function_call")):
        return _TOOL
    return None


def _provider_error(error: Any, client: Client) -> CodecLMError:
    """Return the error of a reply whose only choice says that something went wrong."""
    words = f"{client.public_url} answered 200 with the error {client.quote(error)}"
    return client.error_inside({"error": error}, words)


class _Tokens(NamedTuple):
    prompt: int
    completion: int
    """Of thoughts and answer."""
    thinking: int
    """Of thoughts, where the server counts them."""
    estimated: bool


def _tokens(usage: Any, request: GenerationRequest, written: str) -> _Tokens:
    """Return the tokens that a server counted; an estimate where it counted none."""
    counts = usage if isinstance(usage, Mapping) else {}
    prompt, completion = (
        _count(counts, *names)
        for names in (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))
    )
    details = [counts.get(name) for name in ("completion_tokens_details", "output_tokens_details")]
    thinking = max(
        _count(place, "reasoning_tokens") for place in (counts, *details) if isinstance(place, Mapping)
    )
    if not prompt and not completion:
        asked = sum(len(message.content.encode("utf-8", "replace")) for message in request.messages)
        prompt, completion = (
            -(-asked // _BYTES_A_TOKEN),
            -(-len(written.encode("utf-8", "replace")) // _BYTES_A_TOKEN),
        )
        return _Tokens(prompt, completion, thinking, True)
    # Some services count thoughts in the total alone.
    uncounted = max(0, _count(counts, "total_tokens") - prompt - completion) if completion else 0
    return _Tokens(prompt, completion + uncounted, thinking or uncounted, False)


def _count(counts: Mapping[str, Any], *names: str) -> int:
    for name in names:
        value = counts.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e12:
            return int(value)
    return 0


def _share(tokens: int, thinking: str, content: str) -> int:
    """Return how many of the tokens are thoughts, where the server does not say so."""
    return round(tokens * len(thinking) / (len(thinking) + len(content))) if thinking else 0


def _alternatives(logprobs: Any) -> list[list[tuple[str, float]]] | None:
    """Return the log-probabilities; None where there are none, or they are in another shape."""
    try:
        entries: Sequence[Any] = logprobs["content"]
        return [[_token(entry) for entry in (chosen, *chosen["top_logprobs"])] for chosen in entries] or None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _token(entry: Any) -> tuple[str, float]:
    return clean(entry["token"]), max(float(entry["logprob"]), MIN_LOGPROB)
