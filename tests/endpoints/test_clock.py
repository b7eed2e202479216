"""The clock that waits go by."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from codeclm_hf import Endpoint, endpoint
from codeclm_hf.endpoints import clock as clocks
from support.clock import FastClock
from support.model_server import StandIn


def test_what_is_connected_inside_keeps_the_clock(serve: Callable[..., StandIn], clock: FastClock) -> None:
    """`using` holds for what is connected inside it, also after it, and not for what is connected later."""
    other = FastClock()
    server = serve(lambda *_: "hi")
    with pytest.raises(RuntimeError, match="broke off"), clocks.using(other):
        connected = endpoint(server.url)
        raise RuntimeError("broke off")
    assert clock_of(connected) is other
    assert clocks.current() is clock
    assert clock_of(endpoint(serve(lambda *_: "hi").url)) is clock


def clock_of(connected: Endpoint) -> clocks.Clock:
    clock: clocks.Clock = connected.replicas[0].server.clock  # type: ignore[attr-defined]
    return clock
