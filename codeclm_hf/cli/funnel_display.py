"""What the command line shows of what became of the instructions, and of what each accepted row took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from codeclm_hf.card.shapes import Funnel
from codeclm_hf.run.manifest import StageUsage
from codeclm_hf.text import money, percentage, shorten


class _Spent(NamedTuple):
    """Answers, their tokens with those that were sent for them, and their price."""

    answers: float
    tokens: float
    cost: float | None

    def each(self, number: int) -> _Spent:
        """Return what each of so many took."""
        return _Spent(
            self.answers / number, self.tokens / number, None if self.cost is None else self.cost / number
        )


def print_funnel(console: Console, funnel: Funnel, usage: Sequence[StageUsage]) -> None:
    """Print what became of the instructions, and what each accepted row took, by stage.

    Args:
        console: where it is printed.
        funnel: what became of the instructions.
        usage: the answers that the tables are made of.
    """
    if not funnel.outcomes:
        return
    priced = any(stage.cost is not None for stage in usage)
    table = _table("outcome", "instructions", "share", priced=priced, title="What became of the instructions")
    every = []
    for outcome in funnel.outcomes:
        tokens = outcome.prompt_tokens + outcome.completion_tokens
        every.append(_Spent(outcome.requests, tokens, outcome.cost))
        share = percentage(outcome.instructions / funnel.asked) if funnel.asked else "0.0 %"
        name = escape(shorten(outcome.reason))
        table.add_row(name, str(outcome.instructions), share, *_numbers(every[-1], priced=priced, digits=0))
    total = _numbers(_sum(every), priced=priced, digits=0)
    table.add_row("all", str(funnel.asked), "100.0 %" if funnel.asked else "0.0 %", *total)
    console.print(table)
    notes = [f"asked for in {funnel.rounds} round{'s' * (funnel.rounds != 1)}"]
    if funnel.improvements:
        reasons = (f"{escape(shorten(reason))} {number}" for reason, number in funnel.improvements.items())
        notes.append("improvements asked for again: " + ", ".join(reasons))
    console.print("; ".join(notes), soft_wrap=True)
    if funnel.accepted:
        _print_each(console, usage, funnel.accepted, priced=priced)


def _print_each(console: Console, usage: Sequence[StageUsage], accepted: int, *, priced: bool) -> None:
    """Print what each accepted row took, those that were not accepted included."""
    by_stage: dict[str, _Spent] = {}
    for some in usage:
        spent = _Spent(some.answers, some.prompt_tokens + some.completion_tokens, some.cost)
        by_stage[some.stage] = _sum([by_stage.get(some.stage, _Spent(0, 0, None)), spent])
    table = _table("stage", priced=priced, title="For each accepted row, all losses included")
    for stage, spent in {**by_stage, "all": _sum(by_stage.values())}.items():
        table.add_row(escape(stage), *_numbers(spent.each(accepted), priced=priced, digits=1))
    console.print(table)


def _table(name: str, *columns: str, priced: bool, title: str) -> Table:
    table = Table(name, title=title)
    for column in (*columns, "requests", "tokens", *(["cost"] if priced else [])):
        table.add_column(column, justify="right")
    return table


def _sum(spent: Iterable[_Spent]) -> _Spent:
    every = list(spent)
    costs = [some.cost for some in every if some.cost is not None]
    return _Spent(
        sum(some.answers for some in every), sum(some.tokens for some in every), sum(costs) if costs else None
    )


def _numbers(spent: _Spent, *, priced: bool, digits: int) -> list[str]:
    cost = [] if not priced else ["" if spent.cost is None else money(spent.cost)]
    return [f"{spent.answers:.{digits}f}", f"{spent.tokens:.0f}", *cost]
