"""Room for thoughts: a request's most tokens are for its answer, and what a model thinks comes on top."""

from __future__ import annotations

import asyncio
import functools
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace

from codeclm_hf.endpoints.defaults import THINKING_TOKENS
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest
from codeclm_hf.endpoints.thinking import split
from codeclm_hf.errors import RequestRejected

MORE_ROOM = 4
"""How many times the room a request gets, once, whose answer did not fit beside the thoughts."""
LEAST_ROOM = 256
"""Tokens of room for thoughts below which a request that was refused for its length gets none."""
MOST_NAMED = 3
"""How many refusals of an answer's own room are read for what the server takes."""
TRIALS = 2
"""How many answers that were cut off are asked for again to see whether they are thoughts."""
_LENGTH_WORDS = re.compile(r"token|context|length|too (?:large|long|many)|exceed|maximum", re.I)

Send = Callable[[int], Awaitable[Completion]]
"""Sends a request with so many tokens at most, and returns what the server wrote."""


class ThinkingRoom:
    """What a model's answers teach about its thinking, and the room that its next requests get for it.

    A model that was seen to think gets room on top of each answer. An answer that does not fit is asked for
    once more with `MORE_ROOM` times the room, which later requests then get at once.

    Args:
        tokens: most tokens of thoughts that a model which thinks gets on top of its answer.
        limit: most tokens of thoughts and answer that the user gives every request; there is no room then.
    """

    def __init__(self, tokens: int = THINKING_TOKENS, *, limit: int | None = None) -> None:
        self.tokens = tokens
        self.limit = limit
        self._thinks = False
        """Whether thoughts have been seen."""
        self._needs_more = False
        """Whether thoughts have been seen that only the larger room was enough for."""
        self._known = False
        """Whether an answer in free form has shown whether the model thinks."""
        self._trial = asyncio.Lock()
        self._trials_left = TRIALS
        self._context: int | None = None
        """Most tokens of a prompt and its answer that the server took where it had refused more."""
        self._taken = 0
        """Most tokens that a request was taken with."""

    async def answer(self, request: GenerationRequest, send: Send) -> Completion:
        """Return the answer to a request with its thoughts apart; it costs what all its tries cost.

        Raises:
            CodecLMError: as `send`.
        """
        completion = await self._ask(request, self._first_tokens(request), send)
        if self._in_doubt(request, completion):
            completion = await self._try_room(request, completion, send)
        while (more := self._more_tokens(request, completion)) is not None:
            try:
                again = await self._ask(request, more, send)
            except RequestRejected:  # more than the model's context holds
                break
            completion = _with_earlier(again, completion)
        if _lacks_room(request, completion):
            # Where the server took no more, the same room will give nothing else in a later run.
            completion = replace(completion, max_tokens=self.most_tokens(request))
        return completion

    def most_tokens(self, request: GenerationRequest) -> int:
        """Return the most tokens of thoughts and answer that a request may have in the end."""
        if self.limit is not None:
            return self.limit
        return max(request.max_new_tokens + MORE_ROOM * self.tokens, MORE_ROOM * request.max_new_tokens)

    def _first_tokens(self, request: GenerationRequest) -> int:
        if self._needs_more or self.limit is not None:
            return self.most_tokens(request)
        return request.max_new_tokens + (self.tokens if self._thinks else 0)

    def _more_tokens(self, request: GenerationRequest, completion: Completion) -> int | None:
        """Return the most tokens to ask again with; None where the answer is final."""
        sent, most = completion.max_tokens or 0, self._fitting(request, self.most_tokens(request))
        if not _lacks_room(request, completion) or sent >= most:
            return None
        with_room = request.max_new_tokens + self.tokens
        return min(with_room, most) if self._thinks and sent < with_room else most

    async def _ask(self, request: GenerationRequest, max_tokens: int, send: Send) -> Completion:
        """Ask once, with less room where the model's context does not hold so much."""
        max_tokens, refused = self._fitting(request, max_tokens), 0
        least = request.least_new_tokens or request.max_new_tokens
        while True:
            try:
                completion = await send(max_tokens)
            except RequestRejected as exc:
                has_room = max_tokens > least and self.limit is None
                if not has_room or not _LENGTH_WORDS.search(str(exc)):
                    raise
                words = exc.refusal.words if exc.refusal else ""
                refused += 1
                if max_tokens > request.max_new_tokens:
                    max_tokens = self._less(request, max_tokens, words if refused == 1 else "")
                else:
                    max_tokens = _shorter(least, max_tokens, words if refused <= MOST_NAMED else "")
            else:
                if refused:
                    self._context = min(self._context or sys.maxsize, _size(request) + max_tokens)
                self._taken = max(self._taken, max_tokens)
                return self._read(request, replace(completion, max_tokens=max_tokens))

    def _fitting(self, request: GenerationRequest, max_tokens: int) -> int:
        """Return so many tokens, or what the model's context holds as far as that is known."""
        if self._context is None or self.limit is not None:
            return max_tokens
        return min(max_tokens, max(request.max_new_tokens, self._context - _size(request)))

    def _less(self, request: GenerationRequest, max_tokens: int, words: str) -> int:
        """Return what to ask with after a refusal: as much as was taken before, or as it names, or half of the room."""
        fewer = [
            tokens
            for tokens in (self._taken, *_numbers(words))
            if request.max_new_tokens < tokens < max_tokens
        ]
        room = max_tokens - request.max_new_tokens
        return max(fewer, default=max_tokens - (room // 2 if room > LEAST_ROOM else room))

    def _in_doubt(self, request: GenerationRequest, completion: Completion) -> bool:
        """Return whether an answer that was cut off may be thoughts that nothing marks as such."""
        cut_off = completion.finish_reason == "length" and bool(completion.text) and self.limit is None
        return cut_off and not (self._known or _shows_thoughts(completion) or _is_json(request, completion))

    async def _try_room(self, request: GenerationRequest, completion: Completion, send: Send) -> Completion:
        """Find out whether an answer that was cut off is thoughts; of many that may be, one is asked again."""
        async with self._trial:
            tries = [self._read(request, completion)]
            for most in self._trial_tokens(request):
                if not self._in_doubt(request, tries[-1]) or most <= (tries[-1].max_tokens or 0):
                    continue
                try:
                    tries.append(await self._ask(request, most, send))
                except RequestRejected:
                    break
            if len(tries) > 1:
                self._trials_left -= 1
                self._known |= not self._in_doubt(request, tries[-1]) or not self._trials_left
        first, last = tries[0], tries[-1]
        kept = last if _shows_thoughts(last) else first
        return functools.reduce(_with_earlier, [other for other in tries if other is not kept], kept)

    def _trial_tokens(self, request: GenerationRequest) -> list[int]:
        """Return the most tokens to try with, one after the other, to see whether the model thinks."""
        usual = (MORE_ROOM - 1) * request.max_new_tokens
        room = min(self.tokens or usual, max(usual, THINKING_TOKENS))
        return [
            self._fitting(request, request.max_new_tokens + tokens)
            for tokens in sorted({min(usual, room), room})
        ]

    def _read(self, request: GenerationRequest, completion: Completion) -> Completion:
        """Return what a server wrote with its thoughts apart, and learn from it."""
        thinking, text = split(completion.text, "" if request.schema else request.messages[-1].content)
        thinks = thinking or _shows_thoughts(completion)
        if not _shows_thoughts(completion) and _is_full(completion):
            completion = replace(completion, finish_reason="length")
        cut_off = completion.finish_reason == "length"
        if cut_off and self._thinks and not thinks and not _is_json(request, completion):
            # Its thoughts have no mark before their end where the chat template opens them, and some servers
            # tell thoughts from answers by that end alone.
            thinking, text = text, ""
        written = len(thinking) + len(text)
        told_apart = thinking or completion.thinking  # servers list the thoughts' tokens beside the answer's
        inline_tokens = round(completion.completion_tokens * len(thinking) / written) if written else 0
        completion = replace(
            completion,
            text=text,
            thinking="\n".join(filter(None, (completion.thinking, thinking))),
            thinking_tokens=completion.thinking_tokens or inline_tokens,
            top_logprobs=_of_the_text(completion, text) if told_apart else completion.top_logprobs,
        )
        self._learn(request, completion)
        return replace(completion, no_answer=completion.no_answer or _no_answer(request, completion))

    def _learn(self, request: GenerationRequest, completion: Completion) -> None:
        larger = (completion.max_tokens or 0) > request.max_new_tokens + self.tokens
        self._needs_more |= larger and not _lacks_room(request, completion)
        if _shows_thoughts(completion):
            self._thinks = self._known = True
        elif completion.finish_reason != "length" and not _is_json(request, completion):
            self._known = True


def most_tokens(endpoint: object, request: GenerationRequest) -> int:
    """Return the most tokens of thoughts and answer that an endpoint allows a request in the end."""
    room: ThinkingRoom | None = getattr(endpoint, "room", None)
    return request.max_new_tokens if room is None else room.most_tokens(request)


def _shows_thoughts(completion: Completion) -> bool:
    """Return whether thoughts came with an answer, or were counted at least."""
    return bool(completion.thinking or completion.thinking_tokens)


def _lacks_room(request: GenerationRequest, completion: Completion) -> bool:
    """Return whether thoughts took the room that the answer would have needed."""
    if completion.finish_reason != "length":
        return False
    answer_tokens = completion.completion_tokens - completion.thinking_tokens
    return not completion.text or (_shows_thoughts(completion) and answer_tokens < request.max_new_tokens)


def _no_answer(request: GenerationRequest, completion: Completion) -> str | None:
    """Return why an answer with its thoughts apart is none; None where it is one."""
    thinks = _shows_thoughts(completion)
    if _lacks_room(request, completion):
        if completion.text:
            return f"was cut off in its answer after {completion.thinking_tokens} tokens of thinking"
        return f"spent all {completion.max_tokens} tokens " + ("on thinking" if thinks else "without a word")
    if completion.text.strip():
        return None
    return "thought, and gave no answer" if thinks else "gave an empty answer"


def _numbers(words: str) -> list[int]:
    """Return the numbers in a server's words that may be counts of tokens."""
    return [int(number) for number in re.findall(r"(?<![\w.])\d{2,9}(?![\w.]?\d)", words)]


def _shorter(least: int, max_tokens: int, words: str) -> int:
    """Return what to ask with after a refusal of an answer's own room: the most that it names, or the least.

    What it names may be the context, beside the length of the prompt. It depends on nothing but the refusal,
    so that an answer does not depend on what was asked before.
    """
    named = _numbers(words)
    if max_tokens in named:
        named.remove(max_tokens)  # what was asked for, which some repeat
    beside = [one - other for one in named for other in named]
    return max((tokens for tokens in (*named, *beside) if least <= tokens < max_tokens), default=least)


def _is_full(completion: Completion) -> bool:
    """Return whether an answer has all the tokens that it may have; some servers call that `stop`."""
    all_used = completion.completion_tokens == completion.max_tokens and not completion.estimated
    return all_used and completion.finish_reason == "stop"


def _size(request: GenerationRequest) -> int:
    """Return about how many tokens a prompt has."""
    return sum(len(message.content.encode("utf-8", "replace")) for message in request.messages) // 4


def _is_json(request: GenerationRequest, completion: Completion) -> bool:
    """Return whether an answer follows a schema, which leaves no place for thoughts."""
    return request.schema is not None and completion.text.lstrip().startswith("{")


def _with_earlier(completion: Completion, earlier: Completion) -> Completion:
    """Return an answer that costs what another try of its request cost, too."""
    return replace(
        completion,
        prompt_tokens=completion.prompt_tokens + earlier.prompt_tokens,
        completion_tokens=completion.completion_tokens + earlier.completion_tokens,
        thinking_tokens=completion.thinking_tokens + earlier.thinking_tokens,
        estimated=completion.estimated or earlier.estimated,
    )


def _of_the_text(completion: Completion, text: str) -> list[list[tuple[str, float]]] | None:
    """Return the log-probabilities of the answer's tokens alone; None where it is in doubt which those are."""
    tokens = completion.top_logprobs or []
    stream = "".join(alternatives[0][0] for alternatives in tokens)
    at = stream.rfind(text) if text else -1
    if at < 0:
        return None
    start = length = 0
    while length + len(tokens[start][0][0]) <= at:
        length += len(tokens[start][0][0])
        start += 1
    # Many tokens begin with a space, which is no part of the text.
    return None if tokens[start][0][0][: at - length].strip() else tokens[start:]
