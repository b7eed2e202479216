"""How far a run is, row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from codeclm_hf.endpoints.budget import Budget
from codeclm_hf.endpoints.journal import Journaled
from codeclm_hf.stages import contrast
from codeclm_hf.stages.stage import Row, Stage

STAGES = ("encode", "rubrics", "decode", "respond", "judge", "improve")
"""Who asks, in the order of the flow."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a stage is."""

    stage: str
    done: int
    total: int
    accepted: int
    """Instructions accepted so far."""
    requests: int
    """Requests sent and answered, in the whole run."""
    tokens: int
    """Tokens of the answers so far, prompts included, replayed ones too."""
    cost: float | None = None
    """What all answers so far cost, where the budget has prices."""
    projected: float | None = None
    """What they will have cost in the end, as far as the instructions done so far tell."""


OnProgress = Callable[[Progress], None]


class Report:
    """Maps the stages of one run and tells how far they are.

    Args:
        endpoints: the run's endpoints by role.
        budget: what the run may ask for, and has.
        tell: called on the transport's thread when a row is done.
    """

    def __init__(self, endpoints: Mapping[str, Journaled], budget: Budget, tell: OnProgress | None) -> None:
        self._endpoints = endpoints
        self._budget = budget
        self._tell = tell
        self._accepted = 0

    def map(self, stage: Stage, dataset: Dataset) -> Dataset:
        """`stage.map`, with reports."""
        if self._tell is None:
            return stage.map(dataset)
        tell, totals = self._tell, stage.totals(dataset)
        done = dict.fromkeys(totals, 0)

        def on_rows(name: str, rows: list[Row]) -> None:
            done[name] += 1
            self._accepted += sum(row.get("verdict") in contrast.ACCEPTED for row in rows)
            tell(self._progress(name, done[name], totals[name]))

        for name in totals:
            tell(self._progress(name, 0, totals[name]))
        return stage.map(dataset, on_rows=on_rows)

    def _progress(self, name: str, done: int, total: int) -> Progress:
        usages = [usage for endpoint in self._endpoints.values() for usage in endpoint.usage.values()]
        cost = self._budget.cost
        return Progress(
            stage=name,
            done=done,
            total=total,
            accepted=self._accepted,
            requests=sum(usage.requests for usage in usages),
            tokens=sum(usage.prompt_tokens + usage.completion_tokens for usage in usages),
            cost=cost,
            projected=cost * total / done if cost is not None and name == "tailor" and 20 * done >= total else None,
        )

    def usage(self) -> list[dict[str, Any]]:
        """Answers and tokens that the data set is made of, by stage and model: asked now or replayed, the same."""
        return [
            {
                "stage": stage,
                "role": role,
                "model": endpoint.identity,
                "answers": usage.requests + usage.replayed,
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
            }
            for stage in STAGES
            for role, endpoint in self._endpoints.items()
            if (usage := endpoint.usage.get(stage)) is not None
        ]
