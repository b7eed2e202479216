"""What the messages about an endpoint tell its user to write: a role's options, or arguments in Python."""

from __future__ import annotations

from typing import NamedTuple


class Hints(NamedTuple):
    """How the user of an endpoint says more of it, where the endpoint was asked for."""

    model: str = "endpoint(…, model=NAME)"
    """Names the model."""
    api_key: str = "endpoint(…, api_key=TOKEN)"
    """Gives the token."""
    headers: str = "endpoint(…, headers={NAME: VALUE})"
    """Gives a header."""


IN_PYTHON = Hints()


def hints_for(role: str | None) -> Hints:
    """Return the options of a role on the command line; without a role, the arguments in Python."""
    if role is None:
        return IN_PYTHON
    return Hints(
        model=f"--{role}-model NAME",
        api_key=f"--{role}-key-env VARIABLE",
        headers=f'--{role}-header "NAME: VALUE"',
    )
