"""Prices: of models by role and by name, and what is said of those that nobody can use."""

from __future__ import annotations

from typing import Any

import pytest

from codeclm_hf import BadInput, Budget
from codeclm_hf.endpoints.prices import Price, Prices, check_prices, read_prices

ROLES = {
    "strong": ["Org/Big@abc123", "/models/big@abc123"],
    "target": ["Org/Small@def"],
    "judge": ["Org/Big@abc123", "/models/big@abc123"],
}
CHEAP, DEAR, OTHER = Price(1, 2), Price(30, 40), Price(5, 6)


@pytest.mark.parametrize(
    ("own", "model", "fallback", "price"),
    [
        ({"strong": DEAR}, "Org/Big@abc123", None, DEAR),
        ({"strong": DEAR}, "/models/big@abc123", None, DEAR),
        ({"judge": DEAR}, "Org/Big@abc123", None, DEAR),
        ({"Org/Big": DEAR}, "Org/Big@abc123", None, DEAR),
        ({"Org/Big@abc123": DEAR}, "Org/Big@abc123", None, DEAR),
        ({"strong": DEAR, "Org/Big": DEAR}, "Org/Big@abc123", None, DEAR),
        ({"strong": DEAR}, "Org/Small@def", None, CHEAP),
        ({"target": Price(0, 0)}, "Org/Small@def", None, Price(0, 0)),
        ({"strong": DEAR}, "Org/Big@abc123", "another", DEAR),
        ({"strong": DEAR, "another": OTHER}, "Org/Big@abc123", "another", OTHER),
        ({"strong": DEAR, "another": OTHER}, "Org/Big@abc123", "another@2", OTHER),
        ({"strong": DEAR, "another": OTHER}, "Org/Small@def", None, CHEAP),
        ({}, "Org/Small@def", "another", CHEAP),
    ],
)
def test_a_model_has_its_own_price_or_the_general_one(
    own: dict[str, Price], model: str, fallback: str | None, price: Price
) -> None:
    """By role, name, name with revision or earlier name; a fallback without a price costs what the model does."""
    prices = Prices(own=own, general=CHEAP).for_roles(ROLES, others=True)
    assert prices.of(model, fallback) == price
    assert prices.cost(2_000_000, 500_000, model=model, fallback=fallback) == 2 * price[0] + price[1] / 2


def test_a_model_without_a_price_costs_nothing_and_without_prices_nothing_is_said() -> None:
    """A local model beside a paid one is free; a run without prices has no cost."""
    assert Prices(own={"Org/Big": DEAR}).cost(10**6, 10**6, model="local:small") == 0
    assert Prices().cost(10**6, 10**6, model="local:small") is None


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"Org/Bag": DEAR}, r"plays a role \(strong is Org/Big@abc123, .*\); came 'Org/Bag'; did you mean Org/Big\?"),
        ({"storng": DEAR}, r"came 'storng'; did you mean strong\?"),
        ({"gpt-x": DEAR}, r"came 'gpt-x'$"),
        ({"strong": DEAR, "judge": CHEAP}, r"one price for Org/Big@abc123, .*; came 30,40 and 1,2; leave one out"),
        ({"Org/Big": DEAR, "strong": CHEAP}, r"one price for Org/Big@abc123"),
    ],
)  # fmt: skip
def test_a_price_that_no_model_has_is_refused(own: dict[str, Price], words: str) -> None:
    """The error lists the models by role, and the name that was meant."""
    with pytest.raises(BadInput, match=words):
        Prices(own=own).for_roles(ROLES)


@pytest.mark.parametrize(
    ("typed", "prices"),
    [
        (["strong=3,15"], {"strong": Price(3, 15)}),
        (["Org/Model:free@a=b=0,0", "judge=.5,1e1"], {"Org/Model:free@a=b": Price(0, 0), "judge": Price(0.5, 10)}),
        ([" target = 1 , 2 "], {"target": Price(1, 2)}),
        ([], {}),
    ],
)  # fmt: skip
def test_typed_prices_are_read(typed: list[str], prices: dict[str, Price]) -> None:
    """The numbers stand after the last equals sign: names may have some, too."""
    assert read_prices(typed) == prices


@pytest.mark.parametrize(
    "typed",
    ["strong", "strong=", "strong=3", "strong=3,4,5", "=3,4", "strong=a,b", "strong=3;4", "strong=nan,1",
     "strong=-1,1", "strong=1,inf", "strong=1,-0.1", ""],
)  # fmt: skip
def test_a_typed_price_that_is_none_is_refused(typed: str) -> None:
    """The error shows the form, and what came."""
    with pytest.raises(BadInput, match=r"needs a price as MODEL=IN,OUT, such as strong=3,15.*; came "):
        read_prices([typed])


def test_a_model_has_one_price() -> None:
    """Twice the same name is a slip, also with the same numbers."""
    with pytest.raises(BadInput, match="one price for strong; came two"):
        read_prices(["strong=1,2", "strong=1,2"])


@pytest.mark.parametrize("price", [(1,), (1, 2, 3), (-1, 2), (float("nan"), 1), ("1", 2), (True, 1), "12"])
def test_a_given_price_that_is_none_is_refused(price: Any) -> None:
    """As a typed one is."""
    with pytest.raises(BadInput, match=r"needs a price as MODEL=IN,OUT"):
        check_prices({"strong": price})


@pytest.mark.parametrize("price", [3.0, "3,15", (3,), (3, -1), None])
def test_what_is_no_pair_of_numbers_is_no_price(price: Any) -> None:
    """One number, a text or a number below 0 is refused as it came."""
    with pytest.raises(BadInput, match=r"needs a price as MODEL=IN,OUT.*came strong="):
        Budget(prices={"strong": price})
