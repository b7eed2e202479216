"""An endpoint works in the process that connected it; what becomes of it in others."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from codeclm_hf import ids
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest, SendGuard, asked_with
from codeclm_hf.errors import BadInput


def wrong_process() -> BadInput:
    """Return the error of whoever asks an endpoint in another process than the one that connected it."""
    return BadInput(
        "needs the process that connected the endpoint; this is another one (num_proc, or a DataLoader's "
        "worker); use stage.map(dataset), which keeps the endpoint full from one process"
    )


_pickled: weakref.WeakValueDictionary[tuple[int, str, str], Any] = weakref.WeakValueDictionary()
"""The endpoint that was pickled last, by process, identity and extra fields; a fork inherits its parent's."""


class InProcess:
    """An endpoint that works in the process that connected it.

    It pickles as its identity and its extra fields alone, as `datasets` hashes the pickle of what it maps,
    where no URL or token may count. Unpickled in the same process it is the same object, in another a
    `DisconnectedEndpoint`.
    """

    identity: str

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, ...]]:
        extra = asked_with(self)
        fields = ids.canonical(dict(extra)) if extra else ""
        _pickled[os.getpid(), self.identity, fields] = self
        return _unpickle, (self.identity, fields) if fields else (self.identity,)


@dataclass(frozen=True)
class DisconnectedEndpoint:
    """What an endpoint becomes in a process that did not connect it: the identity without the connection."""

    identity: str
    fields: str = ""
    """JSON of the fields that its user adds to every request; empty where there are none."""

    async def generate(
        self, request: GenerationRequest, *, send_guard: SendGuard = nullcontext
    ) -> Completion:
        """Raise the error that says which process can answer.

        Raises:
            BadInput: always.
        """
        raise wrong_process()

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, ...]]:
        return _unpickle, (self.identity, self.fields) if self.fields else (self.identity,)


def _unpickle(identity: str, fields: str = "") -> Any:
    return _pickled.get((os.getpid(), identity, fields), DisconnectedEndpoint(identity, fields))
