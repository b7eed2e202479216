"""Whole responses: a response is asked for, looked at, and asked for once more where it is cut off, empty or a loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from codeclm_hf.endpoints.protocol import Completion, Endpoint
from codeclm_hf.endpoints.reply import is_withheld
from codeclm_hf.errors import GenerationFailed, NoAnswer, RequestRejected
from codeclm_hf.stages.contamination import CONTAMINATED, Contamination
from codeclm_hf.stages.flags import (
    ASKED_AGAIN,
    BLOCKING,
    CUT_OFF,
    DEGENERATE,
    EMPTY,
    flags_of,
    in_order,
)
from codeclm_hf.stages.structured import RETRY_TEMPERATURE, no_answer_reason, request_response
from codeclm_hf.text import shorten

SECOND_ROOM = 2
"""How many times the room of the first try of a response the second gets."""
QUOTED = 80
"""Characters of an evaluation set's words that an error quotes."""


class Try(NamedTuple):
    """What one request for a response brought."""

    text: str | None
    """The response; None where there is none."""
    thinking: str
    """What the model thought before; empty where nothing is known of that."""
    flags: tuple[str, ...]
    """What is wrong with it, in the order of `flags.FLAGS`."""
    fault: str
    """Why it cannot be judged, in words that go on after "the response"; empty where it can."""
    may_improve: bool = True
    """Whether another request may bring a better one."""

    @property
    def blocking(self) -> list[str]:
        """Those of its flags that keep it from being judged."""
        return [flag for flag in self.flags if flag in BLOCKING]


@dataclass(frozen=True, kw_only=True)
class Responder:
    """A model that answers instructions, and how it is asked."""

    role: str
    """`strong` or `target`."""
    endpoint: Endpoint
    seed: int
    """The run's seed."""
    temperature: float
    max_new_tokens: int
    """Most tokens of a response; a second try has twice as many, or as many as the server takes."""
    system: str | None = None
    """The system prompt that the model is served with, if any."""
    contamination: Contamination | None = None
    """What a response may share no words with."""

    async def respond(self, instruction: str, id: str) -> Try:
        """Return a model's response to an instruction, asked for once more where the first is not whole.

        Of two that both cannot be judged it is the one with fewer reasons for that, the second where they
        have as many. Where the second request fails it is the first.

        Args:
            instruction: what to answer.
            id: of the row, from which the requests' seeds follow.

        Raises:
            RowError: the first request failed.
            EndpointError: the endpoint cannot answer anything now.
        """
        first = await self._try(instruction, id, self.temperature)
        faults = [flag for flag in first.blocking if flag in ASKED_AGAIN]
        if not faults or not first.may_improve:
            return first
        # A greedy model would answer the same again; where it was cut off, room is all that it lacks.
        temperature = self.temperature if faults == [CUT_OFF] else self.temperature or RETRY_TEMPERATURE
        try:
            second = await self._try(instruction, id, temperature, again=True)
        except (RequestRejected, GenerationFailed) as exc:
            return first._replace(fault=f"{first.fault}; asked for again with twice the room, {exc}")
        if not second.blocking:
            return second
        kept = first if len(first.blocking) < len(second.blocking) else second
        if first.blocking == second.blocking:
            return kept._replace(fault=f"{first.fault}, also with twice the room")
        return kept._replace(fault=f"{first.fault}; asked for again with twice the room it {second.fault}")

    async def _try(self, instruction: str, id: str, temperature: float, *, again: bool = False) -> Try:
        room = self.max_new_tokens * (SECOND_ROOM if again else 1)
        try:
            completion = await request_response(
                self.endpoint,
                instruction,
                about=(self.role, id),
                attempt=int(again),
                seed=self.seed,
                temperature=temperature,
                max_new_tokens=room,
                least_new_tokens=self.max_new_tokens,
                system=self.system,
            )
        except NoAnswer as exc:
            return Try(None, "", (EMPTY,), f"is empty: the model {exc.reason}")
        return self._read(completion, instruction, room)

    def _read(self, completion: Completion, instruction: str, room: int) -> Try:
        """Return a completion as a response, with what is wrong with it."""
        text, reason = completion.text.strip(), no_answer_reason(completion)
        cut_off = completion.finish_reason == "length"
        if reason and not (cut_off and text):
            withheld = is_withheld(completion)
            return Try(
                None, completion.thinking.strip(), (EMPTY,), f"is empty: the model {reason}", not withheld
            )
        flags = flags_of(text, instruction=instruction, finish_reason=completion.finish_reason)
        faults = []
        if CUT_OFF in flags:
            faults.append(f"was cut off at {min(room, completion.max_tokens or room)} tokens")
        if DEGENERATE in flags:
            faults.append("repeats itself over and over")
        if shared := self._shared_words(text):
            flags = in_order((*flags, CONTAMINATED))
            faults.append(shared)
        return Try(text, completion.thinking.strip(), flags, " and ".join(faults))

    def _shared_words(self, text: str) -> str:
        """Return which words of an evaluation set a response has; "" where it may have them, or has none."""
        found = self.contamination and self.contamination.find(text, f"{self.role}_response")
        if not found or found.allowed:
            return ""
        match = found.matches[0]
        return f"shares words with row {match.row} of {match.benchmark}: “{shorten(match.words, QUOTED)}”"
