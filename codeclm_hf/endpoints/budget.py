"""The budget: how much a run may ask for, counted when a request is sent and when its answer is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from codeclm_hf.endpoints.protocol import Completion, SendGuard
from codeclm_hf.errors import BadInput, BudgetSpent


@dataclass(kw_only=True, eq=False)
class Budget:
    """Limits for all answers of one run directory, those of earlier runs included.

    Without limits it only counts. It belongs to one run at a time, which begins with the answers in its
    journal. How long an answer is shows only when it is there, so those on their way count as the mean so
    far, and a run may stop a little before or after the limit.

    Raises:
        BadInput: a limit is below 1, or a price below 0.
    """

    max_requests: int | None = None
    """Most answers."""
    max_tokens: int | None = None
    """Most tokens, of prompts and answers together."""
    price_in: float | None = None
    """Price of a million prompt tokens of any model, in whatever currency."""
    price_out: float | None = None
    """Price of a million tokens of answers, in the same currency."""

    def __post_init__(self) -> None:
        for name, limit in (("max-requests", self.max_requests), ("max-tokens", self.max_tokens)):
            if limit is not None and limit < 1:
                raise BadInput(f"needs {name} of at least 1; came {limit}")
        for name, price in (("price-in", self.price_in), ("price-out", self.price_out)):
            if price is not None and not 0 <= price < float("inf"):
                raise BadInput(f"needs a {name} of at least 0; came {price}")
        self.start(0, 0, 0)

    def start(
        self, requests: int, prompt_tokens: int, completion_tokens: int, thinking_tokens: int = 0
    ) -> None:
        """Begin with the answers and tokens in a journal."""
        self.requests = requests
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens
        self.thinking_tokens = thinking_tokens
        """Tokens of thoughts, which `completion_tokens` holds too; they cost what those cost."""
        self._in_flight = 0

    @property
    def tokens(self) -> int:
        """Tokens of prompts and answers so far."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def cost(self) -> float | None:
        """The price of all answers so far; None where no price is set."""
        return self.price(self.prompt_tokens, self.completion_tokens)

    def price(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return the price of so many tokens; None where no price is set."""
        if self.price_in is None and self.price_out is None:
            return None
        return (prompt_tokens * (self.price_in or 0) + completion_tokens * (self.price_out or 0)) / 1e6

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """Reserve one answer while its request is on the wire; `spend` counts it when it is there.

        Raises:
            BudgetSpent: with what is on the wire already, a limit is reached.
        """
        self._check()
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    @contextmanager
    def reserve_once(self) -> Iterator[SendGuard]:
        """Give what stands around each request of one answer, which are on the wire one at a time.

        From the first that is answered on the answer keeps its place, so that a larger one of the same, which
        a model that thinks may need, is never refused after a part was paid for.
        """
        with ExitStack() as until_there:
            held = False

            @contextmanager
            def send() -> Iterator[None]:
                nonlocal held
                with ExitStack() as place:
                    if not held:
                        place.enter_context(self.reserve())
                    yield
                    held = True
                    until_there.push(place.pop_all())

            yield send

    def spend(self, completion: Completion) -> None:
        """Count an answer, with all the requests that it took."""
        self.requests += 1
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
        self.thinking_tokens += completion.thinking_tokens

    def _check(self) -> None:
        if self.max_requests is not None and self.requests + self._in_flight >= self.max_requests:
            raise _budget_spent(f"{self.max_requests} requests", "--max-requests")
        expected = self.tokens + self._in_flight * self.tokens // max(self.requests, 1)
        if self.max_tokens is not None and expected >= self.max_tokens:
            thoughts = f" ({self.thinking_tokens} of them thoughts so far)" if self.thinking_tokens else ""
            raise _budget_spent(f"{self.max_tokens} tokens{thoughts}", "--max-tokens")


def _budget_spent(what: str, option: str) -> BudgetSpent:
    return BudgetSpent(
        f"the budget of {what} is spent, with the answers on their way; all are kept; "
        f"give a larger {option} and run the same command again to go on"
    )
