"""Evaluation: how often a candidate answers as well as a reference, in a folder that the same call resumes.

::

    OUT/README.md            the report; its `configs` make `load_dataset("OUT")` read the comparisons
    OUT/results.json         every number of it
    OUT/data/comparisons/    Parquet named by its content: a row an instruction
    OUT/figures/             the report's pictures
    OUT/journal.sqlite       every paid answer; never published
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from datasets import Dataset

from codeclm_hf import package, prompts, settings
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.budget import Budget
from codeclm_hf.endpoints.journal import Journal, JournaledEndpoint
from codeclm_hf.endpoints.protocol import Endpoint, extra_by_role
from codeclm_hf.errors import BadInput, CodecLMError
from codeclm_hf.evaluation import report
from codeclm_hf.evaluation.charts import pictures
from codeclm_hf.evaluation.comparisons import TABLE, Comparison, comparisons, with_outcomes
from codeclm_hf.evaluation.groups import group_results, result_of
from codeclm_hf.evaluation.join import Benchmark, join_responses
from codeclm_hf.evaluation.judge_check import JudgeReport, check_judge, judge_pairs, require_fit
from codeclm_hf.evaluation.results import (
    RESULTS,
    EvaluationResults,
    Models,
    NotJudged,
    Settings,
    WithoutAnswer,
    results_text,
)
from codeclm_hf.files import replace_file
from codeclm_hf.run import directory as run_directory
from codeclm_hf.run.estimate import TRIES, Requests
from codeclm_hf.run.progress import OnProgress, ProgressReporter
from codeclm_hf.stages.compare import ROLES, UNREADABLE, Compare, sides_without_answer
from codeclm_hf.text import shorten

MOST_NAMED = 10
"""Instructions without an answer that the results name of each side."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Two models, or their responses, and the judge who compares them (§5.3).

    Raises:
        BadInput: a setting is out of range.
    """

    candidate: Endpoint | Dataset
    """What is measured: a model, or its responses (a table with the columns `instruction` and `response`)."""
    reference: Endpoint | Dataset
    """What the candidate is measured against: a model, or its responses."""
    judge: Endpoint
    """Who scores the two answers in both orders: greedily, the scores first, and then an explanation."""
    temperature: float = settings.TEMPERATURE
    """Of the answers that are asked for: 0 (greedy) to 2."""
    max_new_tokens: int = settings.MAX_NEW_TOKENS
    """Most tokens of such an answer."""
    candidate_system: str | None = None
    """The system prompt that the candidate answers with, as it is served."""
    reference_system: str | None = None
    """The same of the reference."""
    prompts: str | Path | None = None
    """A folder whose `compare.jinja` replaces our prompt."""
    seed: int = 0
    """Each request's own seed follows from it."""

    def __post_init__(self) -> None:
        settings.check_settings(
            temperature=self.temperature,
            max_new_tokens=self.max_new_tokens,
            candidate_system=self.candidate_system,
            reference_system=self.reference_system,
            prompts=self.prompts,
        )
        for role, side in (("candidate", self.candidate), ("reference", self.reference)):
            if getattr(self, f"{role}_system") is not None and not isinstance(side, Endpoint):
                raise BadInput(
                    f"needs an endpoint as the {role} beside a {role}-system; its responses are given already"
                )
        prompts.check(self.prompts)
        object.__setattr__(self, "temperature", float(self.temperature))  # 1 and 1.0 are one setting

    @property
    def compare(self) -> Compare:
        """The stage that makes judgements of instructions."""
        return Compare(
            judge=self.judge,
            candidate=self.candidate if isinstance(self.candidate, Endpoint) else None,
            reference=self.reference if isinstance(self.reference, Endpoint) else None,
            prompt=prompts.load("compare", self.prompts),
            temperature=self.temperature,
            max_new_tokens=self.max_new_tokens,
            candidate_system=self.candidate_system,
            reference_system=self.reference_system,
            seed=self.seed,
        )

    @property
    def models(self) -> Models:
        """Which model, or whose responses, play which role."""
        return Models(
            candidate=_identity(self.candidate),
            reference=_identity(self.reference),
            judge=self.judge.identity,
        )

    def _endpoints(self) -> dict[str, Endpoint]:
        """Those that are asked, by role."""
        sides = {"candidate": self.candidate, "reference": self.reference, "judge": self.judge}
        return {role: side for role, side in sides.items() if isinstance(side, Endpoint)}

    def take_prices(self, budget: Budget) -> None:
        """Have a budget know the models that are asked by their roles.

        Raises:
            BadInput: it has a price of a model that plays no role, or a limit and a model without a price.
        """
        budget.for_roles(self._endpoints())

    def _asked(self) -> list[str]:
        """Those whose responses are asked for."""
        return [role for role in ROLES if role in self._endpoints()]

    def join(self, benchmark: Dataset, *, column: str = "instruction") -> Benchmark:
        """Return the benchmark's instructions, each once, beside the responses that the caller brings.

        Args:
            benchmark: a table with instructions; its columns `use_case` (or `category`), `skills` (or
                `skill`) and `source` name the groups.
            column: the column that holds the instruction.

        Raises:
            BadInput: a column is missing, or no instruction has the responses that are needed.
        """
        sides = {"candidate": self.candidate, "reference": self.reference}
        responses = {role: side for role, side in sides.items() if isinstance(side, Dataset)}
        return join_responses(benchmark, responses, column=column)

    def plan(self, benchmark: Dataset | Benchmark, *, column: str = "instruction") -> list[Requests]:
        """Return the requests that `run` would send, at the least and at the most, without sending any.

        Args:
            benchmark: as for `run`.
            column: as for `run`.

        Raises:
            BadInput: as `run`.
        """
        if isinstance(benchmark, Dataset):
            benchmark = self.join(benchmark, column=column)
        asked = self._asked()
        complete = benchmark.count_complete(asked)
        check = 2 * len(judge_pairs())
        return [
            Requests("judge's check", check, check * TRIES),
            Requests("respond", complete * len(asked), complete * len(asked)),
            Requests("judge", 2 * complete, 2 * complete * TRIES),
        ]

    def run(
        self,
        benchmark: Dataset | Benchmark,
        *,
        out: str | Path,
        column: str = "instruction",
        by: str | None = None,
        anyway: bool = False,
        budget: Budget | None = None,
        on_progress: OnProgress | None = None,
    ) -> EvaluationResults:
        """Evaluate, or go on evaluating: what the folder's journal holds is not asked for again.

        The judge is checked first (`judge_check.check_judge`). An instruction that cannot be judged, because
        a side has no answer to it or the judgement cannot be read, is counted and never taken for a tie.
        Empty, filtered and refused responses and thoughts alone are no answers.

        Args:
            benchmark: a table as for `join`, or what `join` made of it.
            out: the folder.
            column: the table's column that holds the instruction.
            by: what to group the results by: `use_case`, `skill` or `source`; by default the first of these
                in which the instructions differ.
            anyway: go on although the judge is unfit.
            budget: how much may be asked for in all, what the folder's journal holds included.
            on_progress: called, on another thread, when a pair of the judge's check or an instruction is done.

        Returns:
            The numbers that `results.json` holds.

        Raises:
            BadInput: an argument cannot be used; nothing was written.
            CodecLMError: the judge is unfit; nothing but its check was asked for.
            EndpointError: an endpoint cannot serve now; call again to go on.
            BudgetSpent: call again with a larger one to go on.
        """
        if isinstance(benchmark, Dataset):
            benchmark = self.join(benchmark, column=column)
        grouping = benchmark.grouping(by)
        budget = budget or Budget()
        self.take_prices(budget)
        directory = run_directory.make_folder(check_folder(out))
        journal = Journal(directory / run_directory.JOURNAL, budget)
        try:
            endpoints = {
                role: JournaledEndpoint(endpoint, journal) for role, endpoint in self._endpoints().items()
            }
            judge = check_judge(
                endpoints["judge"], prompts=self.prompts, explained=True, on_progress=on_progress
            )
            _require_fit(judge, anyway=anyway)
            progress = ProgressReporter(endpoints, journal.budget, on_progress)
            evaluation = replace(
                self,
                candidate=endpoints.get("candidate", self.candidate),
                reference=endpoints.get("reference", self.reference),
                judge=endpoints["judge"],
            )
            judgements = progress.map(
                evaluation.compare, benchmark.rows, to_ask=benchmark.count_complete(self._asked())
            )
            usage = progress.usage()
            journal.complete()
        finally:
            journal.close()
        rows = comparisons(judgements)
        overall = result_of(rows)
        results = EvaluationResults(
            codeclm_hf=package.VERSION,
            models=self.models,
            settings=Settings(
                temperature=self.temperature,
                max_new_tokens=self.max_new_tokens,
                seed=self.seed,
                prompt=self.compare.prompt.hash,
                candidate_system=self.candidate_system,
                reference_system=self.reference_system,
                extra=extra_by_role(self._endpoints()),
            ),
            benchmark=benchmark.source,
            judge=judge,
            overall=overall,
            by=grouping,
            groups=group_results(rows, grouping) if grouping else (),
            not_judged=_count_not_judged(rows, benchmark),
            without_a_response={role: len(texts) for role, texts in benchmark.without_response.items()},
            without_an_answer=_without_answer(rows),
            to_other_instructions=benchmark.other_responses,
            usage=tuple(usage),
        )
        _write(directory, with_outcomes(judgements, rows), rows, results)
        return results


def _identity(side: Endpoint | Dataset) -> str:
    """Return the name of a side: its model's, or its responses' description, or how many they are."""
    if isinstance(side, Endpoint):
        return side.identity
    return str(side.info.description) or f"{len(side)} given responses"


def _count_not_judged(rows: Sequence[Comparison], benchmark: Benchmark) -> NotJudged:
    """Return how many instructions have no outcome, by the reason."""
    without_instruction = sum(row.instruction is None for row in rows)
    without_response = len(set().union(*benchmark.without_response.values()))
    without_answer = sum(bool(sides_without_answer(row.error)) for row in rows)
    unreadable = sum((row.error or "").startswith(UNREADABLE) for row in rows)
    every = sum(row.outcome is None for row in rows)
    return NotJudged(
        without_a_response=without_response,
        without_an_answer=without_answer,
        with_an_unreadable_judgement=unreadable,
        without_an_instruction=without_instruction,
        failed_otherwise=every - without_response - without_answer - unreadable - without_instruction,
    )


def _without_answer(rows: Sequence[Comparison]) -> dict[str, WithoutAnswer]:
    """Return to which instructions a side gave no answer, by role."""
    texts = {
        role: [row.instruction or "" for row in rows if role in sides_without_answer(row.error)]
        for role in ROLES
    }
    return {
        role: WithoutAnswer(instructions=len(silent), first=tuple(map(shorten, silent[:MOST_NAMED])))
        for role, silent in texts.items()
        if silent
    }


def _require_fit(judge: JudgeReport, *, anyway: bool) -> None:
    """Check that the judge is fit; with `anyway`, warn where it is not."""
    try:
        require_fit(judge)
    except CodecLMError as exc:
        if not anyway:
            hint = "take another judge, or pass --anyway if its word will do"
            raise CodecLMError(str(exc), hint=hint) from exc
        transport.log.warning("%s; its scores are taken anyway", exc)


def check_folder(out: str | Path) -> Path:
    """Return the folder as a path, after a check that an evaluation may use it.

    Raises:
        BadInput: it holds something else.
    """
    return run_directory.usable_folder(out, maker="an evaluation", is_own=_holds_an_evaluation)


def _holds_an_evaluation(directory: Path) -> bool:
    is_run = (directory / run_directory.MANIFEST).exists()
    return (directory / run_directory.JOURNAL).exists() and not is_run


def _write(directory: Path, table: Dataset, rows: Sequence[Comparison], results: EvaluationResults) -> None:
    """Put the table, the report with its pictures and at last the results in place of what was there.

    Args:
        directory: the folder.
        table: the comparisons.
        rows: the same.
        results: the numbers.

    Raises:
        CodecLMError: the folder cannot be written.
    """
    try:
        with run_directory.locked(directory):
            files = run_directory.replace_tables(directory, {TABLE: table})
            pattern = run_directory.table_files(files)[TABLE].pattern
            text = report.render(results, rows, pattern=pattern)
            run_directory.put_card(directory, text, pictures(results))
            replace_file(directory / RESULTS, results_text(results))
    except OSError as exc:
        raise run_directory.write_error("the results", directory, exc) from exc
