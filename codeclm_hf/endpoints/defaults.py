"""Defaults of an endpoint that the command line shows too, where nothing of HTTP needs to be imported."""

from __future__ import annotations

DEFAULT_TIMEOUT = 600.0
"""Seconds one request may take, queueing in the server included."""
GIVE_UP_AFTER = 900.0
"""Seconds without any answer after which a run stops: a server that scaled to zero starts within them."""
THINKING_TOKENS = 4096
"""Most tokens of thoughts that a model gets on top of its answer once it is seen to think."""
