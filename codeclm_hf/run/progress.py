"""How far a run is, row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from datasets import Dataset

from codeclm_hf.endpoints import row_requests
from codeclm_hf.endpoints.budget import Budget
from codeclm_hf.endpoints.journal import JournaledEndpoint
from codeclm_hf.endpoints.row_requests import RowRequests
from codeclm_hf.run.manifest import StageUsage
from codeclm_hf.stages import contrast
from codeclm_hf.stages.stage import Row, Stage
from codeclm_hf.stages.tailor import Tailor

STAGES = ("encode", "rubrics", "decode", "respond", "judge", "improve")
"""Who asks, in the order of the flow."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a stage is."""

    stage: str
    """Of `encode`, `rubrics`, `decode` and `tailor`; in an evaluation `judge's check` and `compare`."""
    done: int
    """Input rows that are done; of `tailor`, instructions."""
    total: int
    """Rows there are."""
    to_ask: int
    """Rows of these that may have to be asked for; the others are known beforehand to fail."""
    asked: int
    """Rows of those that are done for which a server answered something."""
    row_seconds: float
    """How long the requests of such a row were on the wire, in the mean."""
    accepted: int
    """Instructions accepted so far."""
    requests: int
    """Requests sent and answered, in the whole run."""
    tokens: int
    """Tokens of those requests and answers, in the whole run."""
    cost: float | None = None
    """What all answers so far cost, where the budget has prices."""
    projected: float | None = None
    """What they will have cost in the end, as far as the answers so far tell."""


OnProgress = Callable[[Progress], None]


@dataclass
class _Done:
    """The rows of a stage that are done."""

    rows: int = 0
    asked: int = 0
    """Those for which a server answered something."""
    seconds: float = 0.0
    """How long the requests of those were on the wire, one row after the other."""

    def add(self, requests: RowRequests) -> None:
        self.rows += 1
        if requests.answers:
            self.asked += 1
            self.seconds += requests.seconds


class ProgressReporter:
    """Maps the stages of one run, and reports how far they are.

    Args:
        endpoints: the run's endpoints by role.
        budget: what the run may ask for, and has.
        on_progress: called on the transport's thread when a row is done; None where nobody wants to know.
    """

    def __init__(
        self, endpoints: Mapping[str, JournaledEndpoint], budget: Budget, on_progress: OnProgress | None
    ) -> None:
        self._endpoints = endpoints
        self._budget = budget
        self._on_progress = on_progress
        self._accepted = 0
        self._tokens_before = budget.tokens

    def map(
        self, stage: Stage, dataset: Dataset, *, name: str | None = None, to_ask: int | None = None
    ) -> Dataset:
        """Map a stage, as `stage.map` does, and report each row that is done.

        Args:
            stage: what is mapped.
            dataset: its input.
            name: what the stage is called in reports; its own name by default.
            to_ask: rows of the input that may have to be asked for; by default all.
        """
        if self._on_progress is None:
            return stage.map(dataset)
        report, totals = self._on_progress, stage.totals(dataset)
        done = {stage_name: _Done() for stage_name in totals}

        def report_on(stage_name: str) -> None:
            report(self._progress(stage, stage_name, done[stage_name], totals, name=name, to_ask=to_ask))

        def on_rows(stage_name: str, rows: list[Row]) -> None:
            done[stage_name].add(row_requests.of_this_row())
            self._accepted += sum(row.get("verdict") in contrast.ACCEPTED for row in rows)
            report_on(stage_name)

        for stage_name in totals:
            report_on(stage_name)
        return stage.map(dataset, on_rows=on_rows)

    def _progress(
        self,
        stage: Stage,
        stage_name: str,
        done: _Done,
        totals: Mapping[str, int],
        *,
        name: str | None,
        to_ask: int | None,
    ) -> Progress:
        usages = [usage for endpoint in self._endpoints.values() for usage in endpoint.usage.values()]
        total = totals[stage_name]
        return Progress(
            stage=name or stage_name,
            done=done.rows,
            total=total,
            to_ask=total if to_ask is None else to_ask,
            asked=done.asked,
            row_seconds=done.seconds / done.asked if done.asked else 0.0,
            accepted=self._accepted,
            requests=sum(usage.requests for usage in usages),
            tokens=self._budget.tokens - self._tokens_before,
            cost=self._budget.cost,
            projected=None,
        )

    def _projected(self, tailor: Tailor, totals: Mapping[str, int]) -> float | None:
        if (cost := self._budget.cost) is None:
            return None
        answers = dict.fromkeys(STAGES, 0)
        for endpoint in self._endpoints.values():
            for name, usage in endpoint.usage.items():
                answers[name] += usage.requests + usage.replayed
        instructions = totals[tailor.name]
        if tailor.contrastive_filter and answers["judge"] < 2 * instructions:
            return None  # the first round has not told yet how many go on
        # a share of the judged instructions is improved and judged again, a share of those once more, …
        again = (
            min(1.0, 2 * answers["improve"] / max(answers["judge"], 1)) if tailor.contrastive_filter else 1.0
        )
        rounds = sum(again**n for n in range(tailor.iterations))
        expected = {
            "rubrics": totals.get("rubrics", 0),
            "decode": totals["decode"],
            "respond": 2 * instructions * rounds if tailor.contrastive_filter else instructions,
            "judge": 2 * instructions * rounds,
            "improve": instructions * (rounds - 1),
        }
        final_cost = 0.0
        for endpoint in self._endpoints.values():
            for name, usage in endpoint.usage.items():
                price = self._budget.price(usage.prompt_tokens, usage.completion_tokens) or 0.0
                final_cost += price * max(1.0, expected.get(name, 0) / max(answers[name], 1))
        return max(cost, final_cost)

    def usage(self) -> list[StageUsage]:
        """Answers and tokens that the data set is made of, by stage and model; replayed answers count too."""
        return [
            StageUsage(
                stage=stage,
                role=role,
                model=model,
                answers=usage.requests + usage.replayed,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                thinking_tokens=usage.thinking_tokens,
                estimated=usage.estimated,
            )
            for stage in STAGES
            for role, endpoint in self._endpoints.items()
            if stage in endpoint.usage
            for model, usage in endpoint.usage[stage].by_model(endpoint.identity).items()
        ]
