"""What one row asked, and of that what servers answered now: the basis of estimates of time and of costs.

A row is whatever is worked on in one task and the tasks that it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from codeclm_hf.endpoints.budget import AnswerKind, Answers
from codeclm_hf.endpoints.clock import Clock
from codeclm_hf.endpoints.protocol import Completion


@dataclass(slots=True, eq=False)
class RowRequests:
    """The requests of one row."""

    answers: int = 0
    """Requests that a server answered; those answered from a journal are not among them."""
    seconds: float = 0.0
    """How long at least one of its requests was on the wire."""
    usage: dict[AnswerKind, Answers] = field(default_factory=dict)
    """All answers that it got, by model and stage, those from a journal included."""
    on_first: Callable[[], None] | None = None
    """Called when the first of its requests is about to be sent."""
    _on_the_wire: int = 0
    _since: float = 0.0

    def count(self, completion: Completion, *, model: str, stage: str) -> None:
        """Count an answer that the row got, from wherever.

        Args:
            completion: the answer.
            model: the identity of the model that was asked.
            stage: who asked.
        """
        kind = AnswerKind(model, stage, completion.fallback)
        answers = self.usage.get(kind, Answers(kind))
        self.usage[kind] = answers.plus(1, completion.prompt_tokens, completion.completion_tokens)


_of_this_row: ContextVar[RowRequests | None] = ContextVar("row_requests", default=None)


def begin_row(on_first: Callable[[], None] | None = None) -> None:
    """Count the requests of the current task, and of those that it starts from now on, as a new row's.

    Args:
        on_first: called when the first of them is about to be sent; not where all are in a journal.
    """
    _of_this_row.set(RowRequests(on_first=on_first))


def of_this_row() -> RowRequests:
    """Return what the current row has asked so far."""
    return _of_this_row.get() or RowRequests()


@contextmanager
def on_the_wire(clock: Clock) -> Iterator[None]:
    """Stand around a request while it is sent; one that ends without an error was answered."""
    row = of_this_row()
    if row.on_first is not None:
        row.on_first()
        row.on_first = None
    if not row._on_the_wire:
        row._since = clock.now()
    row._on_the_wire += 1
    try:
        yield
        row.answers += 1
    finally:
        row._on_the_wire -= 1
        if not row._on_the_wire:
            row.seconds += clock.now() - row._since
