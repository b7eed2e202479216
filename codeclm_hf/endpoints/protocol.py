"""The contract between stages and models: the request, the answer, and what an endpoint has to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

STRUCTURED_MAX_TOKENS = 1024
"""Most tokens of an answer with a schema: TGI restarts a grammar's automaton beyond so many."""


class Message(NamedTuple):
    """One turn of a chat."""

    role: str
    """`system` (first, if at all), `user` or `assistant`."""
    content: str
    """The turn's text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """What a model is asked, in no server's dialect."""

    messages: tuple[Message, ...]
    """The chat so far; the last turn is the user's."""
    seed: int
    """In [0, 2³¹); ignored by servers when `temperature` is 0."""
    temperature: float = 0.7
    """0 means greedy."""
    max_new_tokens: int = 2048
    """Most tokens of the answer; with a `schema` at most 1024. What a model thinks before comes on top."""
    schema: Mapping[str, Any] | None = None
    """A JSON schema with top-level `properties` that the answer should follow; servers may ignore it."""
    top_logprobs: int = 0
    """Number of alternatives to each token that the answer should list with their log-probabilities."""
    stage: str = ""
    """The stage that asks, for the counts alone: it is no part of what is asked."""
    least_new_tokens: int | None = None
    """Fewest tokens of the answer that will do where the server takes no more; `max_new_tokens` where None.

    It is no part of what is asked either.
    """

    def __post_init__(self) -> None:
        if self.schema is not None and self.max_new_tokens > STRUCTURED_MAX_TOKENS:
            raise ValueError(f"a request with a schema needs max_new_tokens <= {STRUCTURED_MAX_TOKENS}")

    def as_dict(self) -> dict[str, Any]:
        """Return what is asked, as plain data; the journal's key is made of it."""
        return {
            "messages": [list(message) for message in self.messages],
            "seed": self.seed,
            "temperature": self.temperature,
            "max_new_tokens": self.max_new_tokens,
            "schema": self.schema,
            "top_logprobs": self.top_logprobs,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One answer of a model."""

    text: str
    """The answer, without the prompt, thoughts and template tokens."""
    finish_reason: str
    """`length` where the most tokens cut it off; else `stop`, or what the server calls it."""
    prompt_tokens: int
    """Tokens of the messages, as the server counts them."""
    completion_tokens: int
    """Tokens of the thoughts and of the answer, as the server counts them."""
    top_logprobs: list[list[tuple[str, float]]] | None = None
    """For each token of the answer, (text, log-probability) of the chosen token and of its alternatives."""
    thinking: str = ""
    """What the model thought before it answered, as far as the server tells it."""
    thinking_tokens: int = 0
    """Tokens of the thoughts, which `completion_tokens` holds too."""
    no_answer: str | None = None
    """Why there is no answer, in words that go on after "the model"; None where there is one."""
    estimated: bool = False
    """Whether the server counted no tokens, and the numbers are our estimate."""
    max_tokens: int | None = None
    """The most tokens of thoughts and answer that the request allowed, where that was noted."""
    model: str | None = None
    """The name that the server gives the model in its reply, if it gives one."""
    fallback: str | None = None
    """The name of the other model that a gateway had answer, where its user allows that."""


def asked_with(endpoint: object) -> Mapping[str, Any]:
    """Return the fields that an endpoint adds to every request; they shape its answers as its model does."""
    return getattr(endpoint, "extra", None) or {}


def extra_by_role(endpoints: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fields that endpoints add to every request, by role; roles without any are left out."""
    return {role: dict(extra) for role, endpoint in endpoints.items() if (extra := asked_with(endpoint))}


def identities(endpoint: Endpoint) -> list[str]:
    """Return an endpoint's identity, and what earlier versions called the same model where that differs."""
    earlier = getattr(endpoint, "earlier_identity", None)
    return [endpoint.identity, *([earlier] if earlier and earlier != endpoint.identity else [])]


SendGuard = Callable[[], AbstractContextManager[None]]
"""Makes a context that is entered when a request is about to be sent and left when it is back.

What it raises on entry keeps the request from being sent.
"""


@runtime_checkable
class Endpoint(Protocol):
    """A model that answers."""

    @property
    def identity(self) -> str:
        """Which model this is: a name and, where the server tells it, a revision. Never a URL."""
        ...

    async def generate(
        self, request: GenerationRequest, *, send_guard: SendGuard = nullcontext
    ) -> Completion:
        """Answer one request; call it on the transport's loop.

        Args:
            request: what is asked.
            send_guard: makes a context that stands around each try that is sent.

        Raises:
            EndpointError: the endpoint cannot answer anything now.
            RowError: the endpoint cannot answer this request.
        """
        ...


@dataclass(slots=True)
class Usage:
    """How much an endpoint was asked and answered."""

    requests: int = 0
    """Requests sent to the server and answered."""
    replayed: int = 0
    """Requests answered from the journal."""
    prompt_tokens: int = 0
    """Tokens of all these requests."""
    completion_tokens: int = 0
    """Tokens of their answers, thoughts included."""
    thinking_tokens: int = 0
    """Tokens of thoughts alone."""
    estimated: int = 0
    """Requests whose tokens are our estimate, since the server counted none."""
    fallbacks: dict[str, Usage] = field(default_factory=dict)
    """Of all these, what other models answered in place of the endpoint's, by their names."""

    def by_model(self, identity: str) -> dict[str, Usage]:
        """Return what each model answered: the one of an identity, and those that a gateway put in its place."""
        if not self.fallbacks:
            return {identity: self}
        own = replace(self, fallbacks={})
        for other in self.fallbacks.values():
            for name in (
                "requests",
                "replayed",
                "prompt_tokens",
                "completion_tokens",
                "thinking_tokens",
                "estimated",
            ):
                setattr(own, name, getattr(own, name) - getattr(other, name))
        return {identity: own, **self.fallbacks} if own.requests + own.replayed else dict(self.fallbacks)

    def add(self, completion: Completion, *, replayed: bool) -> None:
        """Count one answer."""
        if replayed:
            self.replayed += 1
        else:
            self.requests += 1
        if completion.fallback is not None:
            others = self.fallbacks.setdefault(completion.fallback, Usage())
            others.add(replace(completion, fallback=None), replayed=replayed)
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
        self.thinking_tokens += completion.thinking_tokens
        self.estimated += completion.estimated
