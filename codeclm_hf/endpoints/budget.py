"""The budget: how much a run may ask for, counted when a request is sent and when its answer is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from codeclm_hf.endpoints.prices import Price, Prices, check_prices, is_price
from codeclm_hf.endpoints.protocol import (
    Completion,
    Endpoint,
    GenerationRequest,
    SendGuard,
    identities,
)
from codeclm_hf.errors import BadInput, BudgetSpent
from codeclm_hf.text import money

_BYTES_A_TOKEN = 4
"""About so many bytes of a prompt are a token."""


class AnswerKind(NamedTuple):
    """Answers that cost about the same."""

    model: str = ""
    """The identity of the model that is asked."""
    stage: str = ""
    """Who asks."""
    fallback: str | None = None
    """The model that a gateway had answer in its place, if any."""


class Answers(NamedTuple):
    """How many answers of one kind there are, and their tokens."""

    kind: AnswerKind
    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def plus(self, answers: int, prompt_tokens: int, completion_tokens: int) -> Answers:
        """Return these answers and some more of the same kind."""
        return self._replace(
            answers=self.answers + answers,
            prompt_tokens=self.prompt_tokens + prompt_tokens,
            completion_tokens=self.completion_tokens + completion_tokens,
        )


class RequestSize(NamedTuple):
    """What is known of a request before it is answered."""

    kind: AnswerKind = AnswerKind()
    prompt_tokens: int = 0
    """About so many."""
    most_tokens: int = 0
    """Most tokens of its answer."""

    @classmethod
    def of(cls, model: str, request: GenerationRequest) -> RequestSize:
        """Return the size of a request to a model."""
        size = sum(len(message.content.encode("utf-8", "replace")) for message in request.messages)
        return cls(AnswerKind(model, request.stage), size // _BYTES_A_TOKEN, request.max_new_tokens)


class FirstAnswerAwaited(Exception):
    """A request may be too dear, which the first answer to another of its kind will tell: send it later."""


@dataclass(kw_only=True, eq=False)
class Budget:
    """Limits for all answers of one run directory, those of earlier runs included.

    Without limits it only counts. It belongs to one run at a time, which begins with the answers in its
    journal. How long an answer is shows only when it is there, so those on their way count as the mean so
    far, and a run may stop a little before or after the limit. What an answer costs depends on who gives it
    and to what: there the mean is that of a model's answers in one stage. Before the first of these, a
    request counts as its prompt and the most tokens of an answer, and where that is too much for several at
    once, the others wait for the first.

    Raises:
        BadInput: a limit is below 1, a price is below 0, or there is a `max_cost` without prices.
    """

    max_requests: int | None = None
    """Most answers."""
    max_tokens: int | None = None
    """Most tokens, of prompts and answers together."""
    max_cost: float | None = None
    """Most money, in the currency of the prices."""
    price_in: float | None = None
    """Price of a million prompt tokens of any model without a price of its own, in whatever currency."""
    price_out: float | None = None
    """Price of a million tokens of answers, in the same currency."""
    prices: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Prices of a million prompt tokens and of a million tokens of answers, by a model's role or name."""

    def __post_init__(self) -> None:
        for name, limit in (("max-requests", self.max_requests), ("max-tokens", self.max_tokens)):
            if limit is not None and limit < 1:
                raise BadInput(f"needs {name} of at least 1; came {limit}")
        for name, price in (("price-in", self.price_in), ("price-out", self.price_out)):
            if price is not None and not is_price(price):
                raise BadInput(f"needs a {name} of at least 0; came {price}")
        general = None
        if self.price_in is not None or self.price_out is not None:
            general = Price(self.price_in or 0.0, self.price_out or 0.0)
        self._prices = Prices(own=check_prices(self.prices), general=general)
        self._roles: frozenset[str] | None = None
        if self.max_cost is not None:
            if not is_price(self.max_cost) or not self.max_cost:
                raise BadInput(f"needs max-cost as a number above 0; came {self.max_cost}")
            if not self._prices:
                raise BadInput(
                    "needs prices beside max-cost; came none; "
                    "give --price MODEL=IN,OUT for every model, or --price-in and --price-out"
                )
        self.start(0, 0, 0)

    def start(
        self,
        requests: int,
        prompt_tokens: int,
        completion_tokens: int,
        thinking_tokens: int = 0,
        *,
        by_kind: Iterable[Answers] = (),
    ) -> None:
        """Begin with the answers and tokens in a journal.

        Args:
            requests: its answers.
            prompt_tokens: their tokens that were sent.
            completion_tokens: those of the answers themselves.
            thinking_tokens: of these, those of thoughts.
            by_kind: the same answers by model and stage; what is not among them counts at the general price.
        """
        self.requests = requests
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens
        self.thinking_tokens = thinking_tokens
        """Tokens of thoughts, which `completion_tokens` holds too; they cost what those cost."""
        self._in_flight = 0
        self._sizes_in_flight: dict[AnswerKind, list[RequestSize]] = {}
        self._answers: dict[AnswerKind, Answers] = {}
        for answers in by_kind:
            self._count(answers)
        counted = self._answers.values()
        self._count(
            Answers(
                AnswerKind(),
                requests - sum(answers.answers for answers in counted),
                prompt_tokens - sum(answers.prompt_tokens for answers in counted),
                completion_tokens - sum(answers.completion_tokens for answers in counted),
            )
        )

    def for_roles(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Take the prices for those of the models that play the roles of a run.

        Args:
            endpoints: by role. Where one lets other models answer in its place, prices of any are taken.

        Raises:
            BadInput: a price is of a model that plays no role, a model has two prices, or there is a
                `max_cost` and a model without a price.
        """
        others = any(getattr(endpoint, "allows_fallback", False) for endpoint in endpoints.values())
        roles = {role: identities(endpoint) for role, endpoint in endpoints.items()}
        self._prices = Prices(own=check_prices(self.prices), general=self._prices.general).for_roles(
            roles, others=others
        )
        self._roles = frozenset(identity for identity, *_ in roles.values())
        for role, (identity, *_) in roles.items() if self.max_cost is not None else ():
            if self._prices.of(identity) is None:
                raise BadInput(
                    f"needs the price of every model beside max-cost; {identity}, the {role}, has none; "
                    f"give --price {role}=IN,OUT, which may be 0,0"
                )

    @property
    def model_prices(self) -> Mapping[str, Price]:
        """The prices of models that have their own, by name."""
        return self._prices.own

    @property
    def prices_fallbacks(self) -> bool:
        """Whether a model has a price that may only answer in another's place."""
        return self._roles is not None and not self._prices.own.keys() <= self._roles

    @property
    def tokens(self) -> int:
        """Tokens of prompts and answers so far."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def cost(self) -> float | None:
        """The price of all answers so far; None where no price is set."""
        return self.cost_of(self._answers.values())

    def price(
        self, prompt_tokens: int, completion_tokens: int, *, model: str = "", fallback: str | None = None
    ) -> float | None:
        """Return the price of so many tokens; None where no price is set.

        Args:
            prompt_tokens: those that are sent.
            completion_tokens: those of answers.
            model: the identity of the model that is asked.
            fallback: the one that a gateway had answer in its place.
        """
        return self._prices.cost(prompt_tokens, completion_tokens, model=model, fallback=fallback)

    @contextmanager
    def reserve(self, size: RequestSize | None = None) -> Iterator[None]:
        """Reserve one answer while its request is on the wire; `spend` counts it when it is there.

        Args:
            size: what is known of the request, for what it will cost.

        Raises:
            BudgetSpent: with what is on the wire already, a limit is reached.
            FirstAnswerAwaited: a limit may be reached, which the next answer will tell.
        """
        size = size or RequestSize()
        self._check()
        if self.max_cost is not None and self._must_wait(size, self.max_cost):
            raise FirstAnswerAwaited
        sizes = self._sizes_in_flight.setdefault(size.kind, [])
        self._in_flight += 1
        sizes.append(size)
        try:
            yield
        finally:
            self._in_flight -= 1
            sizes.remove(size)

    @contextmanager
    def reserve_once(self, size: RequestSize | None = None) -> Iterator[SendGuard]:
        """Give what stands around each request of one answer, which are on the wire one at a time.

        From the first that is answered on the answer keeps its place, so that a larger one of the same, which
        a model that thinks may need, is never refused after a part was paid for.

        Args:
            size: as for `reserve`.
        """
        with ExitStack() as until_there:
            held = False

            @contextmanager
            def send() -> Iterator[None]:
                nonlocal held
                with ExitStack() as place:
                    if not held:
                        place.enter_context(self.reserve(size))
                    yield
                    held = True
                    until_there.push(place.pop_all())

            yield send

    def must_wait(self, size: RequestSize) -> bool:
        """Return whether a request is to wait until another that is on the wire has ended."""
        try:
            return self.max_cost is not None and self._must_wait(size, self.max_cost)
        except BudgetSpent:
            return False

    def spend(self, completion: Completion, *, model: str = "", stage: str = "") -> None:
        """Count an answer, with all the requests that it took.

        Args:
            completion: the answer.
            model: the identity of the model that was asked.
            stage: who asked.
        """
        self.requests += 1
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
        self.thinking_tokens += completion.thinking_tokens
        kind = AnswerKind(model, stage, completion.fallback)
        self._count(Answers(kind, 1, completion.prompt_tokens, completion.completion_tokens))

    def _count(self, more: Answers) -> None:
        before = self._answers.get(more.kind, Answers(more.kind))
        self._answers[more.kind] = before.plus(*more[1:])

    def cost_of(self, answers: Iterable[Answers]) -> float | None:
        """Return the price of answers; None where no price is set."""
        # In one order, so that the sum does not depend on who answered first.
        ordered = sorted(answers, key=lambda answers: (*answers.kind[:2], answers.kind.fallback or ""))
        return self._prices.sum(
            (tokens.prompt_tokens, tokens.completion_tokens, tokens.kind.model, tokens.kind.fallback)
            for tokens in ordered
        )

    def _check(self) -> None:
        if self.max_requests is not None and self.requests + self._in_flight >= self.max_requests:
            raise _budget_spent(f"{self.max_requests} requests", "--max-requests")
        expected = self.tokens + self._in_flight * self.tokens // max(self.requests, 1)
        if self.max_tokens is not None and expected >= self.max_tokens:
            thoughts = f" ({self.thinking_tokens} of them thoughts so far)" if self.thinking_tokens else ""
            raise _budget_spent(f"{self.max_tokens} tokens{thoughts}", "--max-tokens")

    def _must_wait(self, size: RequestSize, max_cost: float) -> bool:
        """Return whether a request may be too dear, while others are on the wire that may turn out cheaper.

        Raises:
            BudgetSpent: it is too dear, as far as answers of its kind tell.
        """
        spent = self.cost or 0.0
        means = {kind: self._mean_cost(kind) for kind in {*self._sizes_in_flight, size.kind}}
        known = unknown = 0.0
        awaited = False
        for kind, sizes in self._sizes_in_flight.items():
            mean = means[kind]
            if mean is not None:
                known += mean * len(sizes)
            elif sizes:
                awaited = True
                unknown += sum(map(self._most_cost, sizes))
        mean = means[size.kind]
        # A model's first request is sent where anything is left: nothing but its answer tells the cost.
        if spent + known >= max_cost or (mean is not None and spent + known + mean > max_cost):
            raise _budget_spent(f"{max_cost:g} (of which {money(spent)} is paid)", "--max-cost")
        most = self._most_cost(size) if mean is None else mean
        return awaited and spent + known + unknown + most > max_cost

    def _mean_cost(self, kind: AnswerKind) -> float | None:
        """Return what a model's answers in one stage cost in the mean; None before the first."""
        answers = [known for known in self._answers.values() if known.kind[:2] == kind[:2] and known.answers]
        number = sum(known.answers for known in answers)
        return (self.cost_of(answers) or 0.0) / number if number else None

    def _most_cost(self, size: RequestSize) -> float:
        return self.price(size.prompt_tokens, size.most_tokens, model=size.kind.model) or 0.0


def _budget_spent(what: str, option: str) -> BudgetSpent:
    return BudgetSpent(
        f"the budget of {what} is spent, with the answers on their way; all are kept; "
        f"give a larger {option} and run the same command again to go on"
    )
