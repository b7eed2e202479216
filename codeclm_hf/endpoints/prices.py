"""Prices: what a million tokens of each model cost, in whatever currency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from codeclm_hf.errors import BadInput
from codeclm_hf.text import did_you_mean, shorten

A_MILLION = 1e6
"""Tokens that a price is of."""
_EXAMPLE = "needs a price as MODEL=IN,OUT, such as strong=3,15, with numbers of at least 0"


class Price(NamedTuple):
    """What a million tokens of one model cost."""

    prompt: float
    """Of those that are sent."""
    completion: float
    """Of those of its answers, thoughts included."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """The prices of models: their own, and one for those that have none."""

    own: Mapping[str, Price] = field(default_factory=dict)
    """By a model's role, identity, or identity without revision; `for_roles` makes identities of all."""
    general: Price | None = None
    """Of every other model; None where others cost nothing."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The identity of a model by what it was called earlier."""

    def __bool__(self) -> bool:
        return bool(self.own) or self.general is not None

    def of(self, model: str, fallback: str | None = None) -> Price | None:
        """Return the price of a model; None where it has none.

        Args:
            model: its identity.
            fallback: the model that a gateway had answer in its place; one without a price of its own costs
                what the other costs.
        """
        for name in (fallback, model):
            if name is not None:
                name = self.renamed.get(name, name)
                price = self.own.get(name) or self.own.get(without_revision(name))
                if price is not None:
                    return price
        return self.general

    def cost(
        self, prompt_tokens: int, completion_tokens: int, *, model: str = "", fallback: str | None = None
    ) -> float | None:
        """Return the price of so many tokens of a model: None without any prices, 0 where it has none.

        Args:
            prompt_tokens: those that are sent.
            completion_tokens: those of answers.
            model: as for `of`.
            fallback: as for `of`.
        """
        return self.sum([(prompt_tokens, completion_tokens, model, fallback)])

    def sum(self, tokens: Iterable[tuple[int, int, str, str | None]]) -> float | None:
        """Return the price of tokens of several models: None without any prices.

        Args:
            tokens: of each model those that are sent, those of answers, its identity, and its fallback.
        """
        if not self:
            return None
        total = 0.0
        for prompt_tokens, completion_tokens, model, fallback in tokens:
            price = self.of(model, fallback)
            if price is not None:
                total += prompt_tokens * price.prompt + completion_tokens * price.completion
        return total / A_MILLION

    def for_roles(self, roles: Mapping[str, Sequence[str]], *, others: bool = False) -> Prices:
        """Return the same prices by identity.

        Args:
            roles: the identity of each role's model, and after it what the model was called earlier.
            others: whether other models may answer in the place of these, so that prices of any are taken.

        Raises:
            BadInput: a price is of a model that plays no role, or a model has two prices.
        """
        own: dict[str, Price] = {}
        for name, price in self.own.items():
            models = _models(name, roles)
            if not models and not others:
                players = ", ".join(f"{role} is {identity}" for role, (identity, *_) in roles.items())
                names = [identity for identity, *_ in roles.values()]
                close = did_you_mean(name, [*roles, *names, *map(without_revision, names)])
                raise BadInput(
                    f"needs a price for a model that plays a role ({players}); came {name!r}{close}"
                )
            for model in models or [name]:
                if own.setdefault(model, price) != price:
                    raise BadInput(
                        f"needs one price for {model}, whatever roles it plays; came {_text(own[model])} and "
                        f"{_text(price)}; leave one out"
                    )
        renamed = {earlier: identity for identity, *names in roles.values() for earlier in names}
        return Prices(own=own, general=self.general, renamed=renamed)


def read_prices(typed: Iterable[str]) -> dict[str, Price]:
    """Return the prices that are typed as MODEL=IN,OUT, by model.

    Raises:
        BadInput: one is not of this form, a number is below 0 or none, or a model is there twice.
    """
    prices: dict[str, Price] = {}
    for text in typed:
        name, _, numbers = text.rpartition("=")
        parts = numbers.split(",")
        try:
            if not name.strip() or len(parts) != len(Price._fields):
                raise ValueError
            price = Price(*map(float, parts))
        except ValueError:
            raise BadInput(f"{_EXAMPLE}; came {shorten(text)!r}") from None
        if name.strip() in prices:
            raise BadInput(f"needs one price for {name.strip()}; came two; leave one out")
        prices[name.strip()] = price
    return check_prices(prices)


def check_prices(prices: Mapping[str, Sequence[float]]) -> dict[str, Price]:
    """Return prices by model, after a check that they are some.

    Raises:
        BadInput: one is no pair of numbers of at least 0.
    """
    for name, price in prices.items():
        is_pair = isinstance(price, Sequence) and len(price) == len(Price._fields)
        if not is_pair or not all(map(is_price, price)):
            raise BadInput(f"{_EXAMPLE}; came {name}={_text(price)}")
    return {name: Price(*map(float, price)) for name, price in prices.items()}


def is_price(value: object) -> bool:
    """Return whether a value is a finite number of at least 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def without_revision(identity: str) -> str:
    """Return a model's name without what follows the first `@`."""
    return identity.partition("@")[0]


def _models(name: str, roles: Mapping[str, Sequence[str]]) -> list[str]:
    """Return all identities of the models that a name stands for: a role, an identity, one without revision."""
    if name in roles:
        return [roles[name][0]]
    return [
        names[0]
        for names in roles.values()
        if any(name in (identity, without_revision(identity)) for identity in names)
    ]


def _text(price: object) -> str:
    if isinstance(price, str) or not isinstance(price, Sequence):
        return str(price)
    return ",".join(f"{number:g}" if isinstance(number, float) else str(number) for number in price)
