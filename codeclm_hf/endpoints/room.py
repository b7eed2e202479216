"""Room for thoughts: a request's most tokens are for its answer, and what a model thinks comes on top."""

from __future__ import annotations

import re
from dataclasses import replace

from codeclm_hf.endpoints.defaults import THINKING_TOKENS
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest
from codeclm_hf.endpoints.thinking import split
from codeclm_hf.errors import RequestRejected

MORE_ROOM = 4
"""How many times the room an answer gets that was all thoughts when it was cut off."""

_LENGTH_WORDS = re.compile(r"token|context|length|too (?:large|long|many)|exceed|maximum", re.I)


class ThinkingRoom:
    """What a model's answers teach about its thinking, and the room that its next requests get for it.

    Args:
        tokens: most tokens of thoughts that a model which thinks gets on top of its answer.
    """

    def __init__(self, tokens: int = THINKING_TOKENS) -> None:
        self.tokens = tokens
        self.thinks = False
        """Whether thoughts have been seen."""
        self._needs_more = False
        """Whether thoughts have been seen that only the larger room was enough for."""
        self._opens_itself = False
        """Whether the chat template opens the thoughts, so that answers have the closing mark alone."""
        self._known = False
        """Whether an answer in free form has shown whether the model thinks."""

    def first_tokens(self, request: GenerationRequest) -> int:
        """Return the most tokens that a request allows when it is sent first."""
        if self._needs_more:
            return self.most_tokens(request)
        return request.max_new_tokens + (self.tokens if self.thinks else 0)

    def most_tokens(self, request: GenerationRequest) -> int:
        """Return the most tokens that a request allows when it is sent again."""
        return max(request.max_new_tokens + MORE_ROOM * self.tokens, MORE_ROOM * request.max_new_tokens)

    def more_tokens(self, request: GenerationRequest, completion: Completion) -> int | None:
        """Return the most tokens to ask again with; None where the answer, as `read` gives it, is final."""
        sent = completion.max_tokens or 0
        if completion.finish_reason != "length" or sent >= self.most_tokens(request):
            return None
        has_room = sent > request.max_new_tokens
        if not completion.text or (completion.thinking and not has_room):
            with_room = request.max_new_tokens + self.tokens
            return with_room if self.thinks and sent < with_room else self.most_tokens(request)
        if self._known or has_room or _is_json(request, completion):
            return None
        # Thoughts that the template opened and that were cut off look like an answer. Once, it is seen to.
        self._known = True
        room = min(self.tokens, (MORE_ROOM - 1) * request.max_new_tokens)
        return request.max_new_tokens + room if room else None

    def read(self, request: GenerationRequest, completion: Completion, sent: int) -> Completion:
        """Return an answer with its thoughts apart, and learn from it.

        Args:
            request: what was asked.
            completion: what the server wrote.
            sent: the most tokens that the request was sent with.
        """
        parts = split(completion.text)
        thinking, text = parts.thinking, parts.text
        self._opens_itself |= bool(thinking) and not parts.opened
        cut_off = completion.finish_reason == "length"
        if cut_off and self._opens_itself and not thinking and not _is_json(request, completion):
            thinking, text = text, ""
        whole = len(thinking) + len(text)
        inline_tokens = round(completion.completion_tokens * len(thinking) / whole) if whole else 0
        completion = replace(
            completion,
            text=text,
            thinking="\n".join(filter(None, (completion.thinking, thinking))),
            thinking_tokens=completion.thinking_tokens or inline_tokens,
            top_logprobs=_of_the_text(completion, text) if thinking else completion.top_logprobs,
            max_tokens=sent,
        )
        if completion.thinking or completion.thinking_tokens:
            self.thinks = self._known = True
            self._needs_more |= sent > request.max_new_tokens + self.tokens and not cut_off
        elif not cut_off and not _is_json(request, completion):
            self._known = True
        return replace(completion, no_answer=completion.no_answer or _no_answer(completion))


def is_about_length(exc: RequestRejected) -> bool:
    """Return whether a refusal is about how many tokens were asked for."""
    return _LENGTH_WORDS.search(str(exc)) is not None


def most_tokens(endpoint: object, request: GenerationRequest) -> int:
    """Return the most tokens of thoughts and answer that an endpoint allows a request in the end."""
    room: ThinkingRoom | None = getattr(endpoint, "room", None)
    return request.max_new_tokens if room is None else room.most_tokens(request)


def with_earlier(completion: Completion, earlier: Completion | None) -> Completion:
    """Return an answer that costs what the earlier tries of its request cost, too."""
    if earlier is None:
        return completion
    return replace(
        completion,
        prompt_tokens=completion.prompt_tokens + earlier.prompt_tokens,
        completion_tokens=completion.completion_tokens + earlier.completion_tokens,
        thinking_tokens=completion.thinking_tokens + earlier.thinking_tokens,
        estimated=completion.estimated or earlier.estimated,
    )


def _is_json(request: GenerationRequest, completion: Completion) -> bool:
    """Return whether an answer follows a schema, which leaves no place for thoughts."""
    return request.schema is not None and completion.text.lstrip().startswith("{")


def _no_answer(completion: Completion) -> str | None:
    if completion.text.strip():
        return None
    thinks = completion.thinking or completion.thinking_tokens
    if completion.finish_reason == "length":
        return f"spent all {completion.max_tokens} tokens " + ("on thinking" if thinks else "without a word")
    return "thought, and gave no answer" if thinks else "gave an empty answer"


def _of_the_text(completion: Completion, text: str) -> list[list[tuple[str, float]]] | None:
    """Return the log-probabilities of the answer's tokens alone; None where it is in doubt which those are."""
    tokens = completion.top_logprobs or []
    stream = "".join(alternatives[0][0] for alternatives in tokens)
    at = stream.rfind(text) if text else -1
    if at < 0:
        return None
    start = length = 0
    while length < at:
        length += len(tokens[start][0][0])
        start += 1
    return tokens[start:] if length == at else None
