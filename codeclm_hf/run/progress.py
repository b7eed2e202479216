"""How far a run is, row by row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from datasets import Dataset

from codeclm_hf.endpoints import row_requests
from codeclm_hf.endpoints.budget import Answers, Budget
from codeclm_hf.endpoints.journal import JournaledEndpoint
from codeclm_hf.endpoints.row_requests import RowRequests
from codeclm_hf.run.estimate import LENGTHS
from codeclm_hf.run.forecast import MEASURED, Forecast
from codeclm_hf.run.manifest import StageUsage
from codeclm_hf.stages import contrast
from codeclm_hf.stages.stage import Row, Stage
from codeclm_hf.stages.tailor import BEGUN, VERSION, Tailor

STAGES = ("encode", "check", "rubrics", "decode", "respond", "judge", "improve")
"""Who asks, in the order of the flow."""
IN_THE_LOOP = frozenset(("respond", "judge", "improve"))
"""Those of them who ask about an instruction that is there."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a stage is."""

    stage: str
    """Of `encode`, `check`, `rubrics`, `decode` and `tailor`; in an evaluation `judge's check` and `compare`."""
    done: int
    """Input rows that are done; of `tailor`, instructions."""
    total: int
    """Rows there are so far; a stage may get more later."""
    to_ask: int
    """Rows of these that may have to be asked for; the others are known beforehand to fail."""
    asked: int
    """Rows of those that are done for which a server answered something."""
    row_seconds: float
    """How long the requests of such a row were on the wire, in the mean."""
    accepted: int
    """Instructions accepted so far."""
    wanted: int | None = None
    """How many are to be accepted, where that was asked for."""
    requests: int
    """Requests sent and answered, in the whole run."""
    tokens: int
    """Tokens of those requests and answers, in the whole run."""
    cost: float | None = None
    """What all answers so far cost, where the budget has prices."""
    projected: float | None = None
    """What they will have cost in the end, as far as the answers so far tell."""


OnProgress = Callable[[Progress], None]


class _Retention(NamedTuple):
    """How many of the accepted instructions stay in the data set, when that was last known."""

    examples: int
    of: int
    """So many were accepted then."""

    @property
    def share(self) -> float:
        return self.examples / self.of if self.examples else 1.0


@dataclass
class _Counts:
    """The rows of a stage, over all the tables that it was mapped over."""

    total: int = 0
    to_ask: int = 0
    """Those that may have to be asked for."""
    done: int = 0
    asked: int = 0
    """Those of the rows that are done for which a server answered something."""
    seconds: float = 0.0
    """How long the requests of those were on the wire, one row after the other."""

    def add(self, requests: RowRequests) -> None:
        """Count a row that is done."""
        self.done += 1
        if requests.answers:
            self.asked += 1
            self.seconds += requests.seconds


class ProgressReporter:
    """Maps the stages of one run, and reports how far they are.

    Args:
        endpoints: the run's endpoints by role.
        budget: what the run may ask for, and has.
        on_progress: called on the transport's thread when a row is done; None where nobody wants to know.
        num_examples: rows that are to be accepted, where that is what the run goes by.
    """

    def __init__(
        self,
        endpoints: Mapping[str, JournaledEndpoint],
        budget: Budget,
        on_progress: OnProgress | None,
        *,
        num_examples: int | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._budget = budget
        self._on_progress = on_progress
        self._num_examples = num_examples
        self._tokens_before = budget.tokens
        self._counts: defaultdict[str, _Counts] = defaultdict(_Counts)
        self._forecast: Forecast | None = None
        self._judged_accepted = 0
        """Instructions that the judge accepted."""
        self._kept = _Retention(0, 0)
        self.spent: dict[str, tuple[Answers, ...]] = {}
        """The responses, judgements and improvements that each instruction took, by its id; replayed ones too."""

    def map(
        self, stage: Stage, dataset: Dataset, *, name: str | None = None, to_ask: int | None = None
    ) -> Dataset:
        """Map a stage, as `stage.map` does, and report each row that is done.

        What a stage is mapped over counts on from what it was mapped over before.

        Args:
            stage: what is mapped.
            dataset: its input.
            name: what the stage is called in reports; its own name by default.
            to_ask: rows of the input that may have to be asked for; by default all.
        """
        stage_names = stage.totals(dataset)
        for stage_name, total in stage_names.items():
            counts = self._counts[name or stage_name]
            counts.total += total
            counts.to_ask += total if to_ask is None else to_ask
        if isinstance(stage, Tailor):
            self._forecast = self._forecast or Forecast(stage.iterations)
            self._forecast.expect(len(dataset))

        def on_rows(stage_name: str, rows: list[Row]) -> None:
            row = row_requests.of_this_row()
            if isinstance(stage, Tailor):
                self._record_loop(stage_name, rows, row)
            if stage_name in stage_names:
                self._counts[name or stage_name].add(row)
                self._report(name or stage_name)

        for stage_name in stage_names:
            self._report(name or stage_name)
        return stage.map(dataset, on_rows=on_rows)

    def keep(self, examples: int) -> None:
        """Take in how many of the accepted instructions stay in the data set."""
        self._kept = _Retention(examples, self._judged_accepted)

    def _record_loop(self, name: str, rows: list[Row], row: RowRequests) -> None:
        """Take in what became of an instruction: it is begun, its last version is judged, or all of it is done."""
        assert self._forecast is not None
        if name == BEGUN:
            self._forecast.record_begin(row)
            return
        usage = tuple(row.usage.values())
        cost = self._budget.cost_of(usage) or 0.0
        if name == VERSION:
            self._forecast.record_retry(row, cost)
            return
        accepted = rows[-1]["verdict"] in contrast.ACCEPTED
        self._judged_accepted += accepted
        if usage:
            self.spent[rows[-1]["root_id"]] = usage
            self._forecast.record_end(row, cost, accepted=accepted)
        else:
            self._forecast.record_missing(row)

    def _report(self, name: str) -> None:
        if self._on_progress is None:
            return
        usages = [usage for endpoint in self._endpoints.values() for usage in endpoint.usage.values()]
        counts = self._counts[name]
        self._on_progress(
            Progress(
                stage=name,
                done=counts.done,
                total=counts.total,
                to_ask=counts.to_ask,
                asked=counts.asked,
                row_seconds=counts.seconds / counts.asked if counts.asked else 0.0,
                accepted=self._accepted,
                wanted=self._num_examples,
                requests=sum(usage.requests for usage in usages),
                tokens=self._budget.tokens - self._tokens_before,
                cost=self._budget.cost,
                projected=self._projected(),
            )
        )

    @property
    def _accepted(self) -> int:
        """Instructions accepted so far, but for those that turned out to be copies."""
        return self._kept.examples + self._judged_accepted - self._kept.of

    def _projected(self) -> float | None:
        """Return what the run will have cost in the end; None before enough instructions are done."""
        cost, forecast = self._budget.cost, self._forecast
        if cost is None or forecast is None or forecast.ended < min(MEASURED, forecast.instructions):
            return None
        by_stage, improvements = defaultdict[str, float](float), 0
        for usage in self.usage():
            by_stage[usage.stage] += usage.cost or 0.0
            improvements += usage.answers if usage.stage == "improve" else 0
        rest, one = forecast.expected(
            by_stage["improve"] / improvements if improvements else self._assumed_improvement()
        )
        missing = 0.0
        if self._num_examples is not None:
            missing = max(0.0, self._num_examples - self._accepted - rest.accepted)
        if forecast.ended == forecast.instructions and not missing:
            return cost
        if missing and not one.accepted:
            return None
        before = sum(amount for stage, amount in by_stage.items() if stage not in IN_THE_LOOP)
        more = missing / (one.accepted * self._kept.share) if missing else 0.0
        each = one.cost + by_stage["decode"] / forecast.instructions
        return max(cost, before + forecast.paid + rest.cost + more * each)

    def _assumed_improvement(self) -> float:
        """Return about what an answer costs that improves an instruction, before there is one."""
        prompt_tokens, completion_tokens = map(round, LENGTHS["improve"])
        return (
            self._budget.price(prompt_tokens, completion_tokens, model=self._endpoints["strong"].identity)
            or 0.0
        )

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
                cost=self._budget.price(
                    usage.prompt_tokens,
                    usage.completion_tokens,
                    model=endpoint.identity,
                    fallback=None if model == endpoint.identity else model,
                ),
            )
            for stage in STAGES
            for role, endpoint in self._endpoints.items()
            if stage in endpoint.usage
            for model, usage in endpoint.usage[stage].by_model(endpoint.identity).items()
        ]
