from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.gateway import Gateway


@pytest.fixture
def gateway() -> Iterator[Callable[..., Gateway]]:
    """Start gateways."""
    started: list[Gateway] = []

    def start(*args: Any, **options: Any) -> Gateway:
        started.append(Gateway(*args, **options))
        return started[-1]

    yield start
    for each in started:
        each.close()
