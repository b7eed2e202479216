"""Evaluation: how often a candidate answers as well as a reference, in a folder that the same call resumes.

::

    OUT/README.md            the report; its `configs` make `load_dataset("OUT")` read the comparisons
    OUT/results.json         every number of it
    OUT/data/comparisons/    Parquet named by its content: a row an instruction
    OUT/figures/             the report's pictures
    OUT/journal.sqlite       every paid answer; never published
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from datasets import Dataset

from codeclm_hf import files as parquet
from codeclm_hf import package, prompts
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.budget import Budget
from codeclm_hf.endpoints.journal import Journal, Journaled
from codeclm_hf.endpoints.protocol import Endpoint
from codeclm_hf.errors import BadInput, CodecLMError
from codeclm_hf.evaluation import report
from codeclm_hf.evaluation.charts import pictures
from codeclm_hf.evaluation.groups import grouped, recovered
from codeclm_hf.evaluation.join import Benchmark, joined, names_of
from codeclm_hf.evaluation.judge_check import JudgeReport, check_judge, needed
from codeclm_hf.evaluation.judge_check import pairs as judge_pairs
from codeclm_hf.run import directory as run_directory
from codeclm_hf.run import inputs
from codeclm_hf.run.estimate import TRIES, Requests
from codeclm_hf.run.progress import OnProgress, Report
from codeclm_hf.settings import check_settings
from codeclm_hf.stages.compare import ROLES, UNREADABLE, Compare


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Two models, or their responses, and the judge who compares them (§5.3).

    Raises:
        BadInput: a setting is out of range.
    """

    candidate: Endpoint | Dataset
    """Whose Capacity Recovery Ratio is measured: a model, or its responses (columns `instruction` and `response`)."""
    reference: Endpoint | Dataset
    """What the candidate is measured against: the same."""
    judge: Endpoint
    """Who scores; greedily, both orders, scores first and an explanation after them."""
    temperature: float = 0.7
    """Of the answers that are asked for: 0 (greedy) to 2."""
    max_new_tokens: int = 2048
    """Most tokens of such an answer."""
    prompts: str | Path | None = None
    """A folder whose `compare.jinja` replaces our prompt."""
    seed: int = 0
    """Each request's own seed follows from it."""

    def __post_init__(self) -> None:
        settings = {"temperature": self.temperature, "max_new_tokens": self.max_new_tokens}
        check_settings(**settings, prompts=self.prompts)
        prompts.check(self.prompts)
        object.__setattr__(self, "temperature", float(self.temperature))  # 1 and 1.0 are one setting

    @property
    def compare(self) -> Compare:
        """Instructions → comparisons."""
        asked: dict[str, Any] = {role: side for role, side in self._ends().items() if role in ROLES}
        return Compare(
            judge=self.judge,
            prompt=prompts.load("compare", self.prompts),
            temperature=self.temperature,
            max_new_tokens=self.max_new_tokens,
            seed=self.seed,
            **asked,
        )

    @property
    def models(self) -> dict[str, str]:
        """Which model, or whose responses, play which role."""
        sides = {role: getattr(self, role) for role in (*ROLES, "judge")}
        return {
            role: _told(side) if isinstance(side, Dataset) else side.identity for role, side in sides.items()
        }

    def _ends(self) -> dict[str, Endpoint]:
        """Who is to be asked, by role."""
        return {role: side for role in (*ROLES, "judge") if isinstance(side := getattr(self, role), Endpoint)}

    def joined(self, benchmark: Dataset, *, column: str = "instruction") -> Benchmark:
        """The benchmark's instructions, each once, beside the responses that are given.

        Raises:
            BadInput: a column is missing, or no instruction has the responses that are given.
        """
        given = {role: side for role in ROLES if isinstance(side := getattr(self, role), Dataset)}
        return joined(benchmark, column, given)

    def plan(self, benchmark: Dataset, *, column: str = "instruction") -> list[Requests]:
        """What `run` with the same arguments would ask, at the least and at the most; nothing is asked or written.

        Raises:
            BadInput: as `run`.
        """
        found = self.joined(benchmark, column=column)
        rows = [row for row in found.rows if row["instruction"] is not None]
        asked = [role for role in self._ends() if role in ROLES]
        whole = sum(
            all(role in asked or row[f"{role}_response"] is not None for role in ROLES) for row in rows
        )
        check = 2 * len(judge_pairs())
        return [
            Requests("judge's check", check, check * TRIES),
            Requests("respond", whole * len(asked), whole * len(asked)),
            Requests("judge", 2 * whole, 2 * whole * TRIES),
        ]

    def run(
        self,
        benchmark: Dataset,
        *,
        out: str | Path,
        column: str = "instruction",
        by: str | None = None,
        anyway: bool = False,
        budget: Budget | None = None,
        on_progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Evaluate, or go on evaluating: what the folder's journal holds is not asked for again.

        The judge is checked first (`judge_check.check_judge`). An instruction that cannot be judged, because a side has
        no response to it or the judgement cannot be read, is counted and never taken for a tie.

        Args:
            benchmark: a table with instructions; its columns `use_case` (or `category`), `skills` (or `skill`) and
                `source` name the groups.
            out: the folder.
            column: the benchmark's column that holds the instruction.
            by: what to tell the results apart by: `use_case`, `skill` or `source`; by default the first of these in
                which the instructions differ.
            anyway: go on although the judge is unfit.
            budget: how much may be asked for in all, what the folder's journal holds included.
            on_progress: called, on another thread, when an instruction is done.

        Returns:
            What `results.json` holds.

        Raises:
            BadInput: something given cannot be used; nothing was written.
            CodecLMError: the judge is unfit; nothing but its check was asked for.
            EndpointError: an endpoint cannot serve now; call again to go on.
            BudgetSpent: call again with a larger one to go on.
        """
        found = self.joined(benchmark, column=column)
        by = found.by(by)
        directory = _claim(out)
        journal = Journal(directory / run_directory.JOURNAL, budget)
        try:
            kept: dict[str, Any] = {role: Journaled(end, journal) for role, end in self._ends().items()}
            checked = check_judge(kept["judge"], prompts=self.prompts, explained=True)
            _fit(checked, anyway=anyway)
            told = Report(kept, journal.budget, on_progress)
            table = told.map(replace(self, **kept).compare, found.rows)
            usage = told.usage()
            journal.complete()
        finally:
            journal.close()
        results = {
            "codeclm_hf": package.VERSION,
            "models": self.models,
            "settings": {
                "temperature": self.temperature,
                "max_new_tokens": self.max_new_tokens,
                "seed": self.seed,
                "prompt": self.compare.prompt.hash,
            },
            "benchmark": {**_provenance(benchmark), "repeated": found.repeated},
            "judge": {"fit": checked.fit, **asdict(checked)},
            **_results(table, found, by),
            "usage": usage,
        }
        plain: dict[str, Any] = _plain(results)
        _write(directory, table, plain)
        return plain


def _provenance(benchmark: Dataset) -> dict[str, Any]:
    return {name: told for name, told in inputs.provenance(benchmark, None).items() if name != "given"}


def _results(table: Dataset, found: Benchmark, by: str | None) -> dict[str, Any]:
    rows = table.to_list()
    unreadable = sum((row["error"] or "").startswith(UNREADABLE) for row in rows)
    without = {instruction for none in found.missing.values() for instruction in none}
    unusable = sum(row["instruction"] is None for row in rows)
    overall = recovered(rows)
    return {
        "overall": overall,
        "by": by,
        "groups": grouped(rows, names_of(by)) if by else [],
        "not_judged": {
            "without_a_response": len(without),
            "with_an_unreadable_judgement": unreadable,
            "without_an_instruction": unusable,
            "failed_otherwise": overall["not_judged"] - len(without) - unreadable - unusable,
        },
        "without_a_response": {role: len(none) for role, none in found.missing.items()},
        "to_other_instructions": dict(found.others),
    }


def _fit(checked: JudgeReport, *, anyway: bool) -> None:
    try:
        needed(checked)
    except CodecLMError as exc:
        if not anyway:
            hint = "take another judge, or pass --anyway if its word will do"
            raise CodecLMError(str(exc), hint=hint) from exc
        transport.log.warning("%s; its scores are taken anyway", exc)


def check(out: str | Path) -> Path:
    """The folder as a path, if an evaluation may use it.

    Raises:
        BadInput: it holds something else.
    """
    directory = Path(out).expanduser()
    if directory.exists() and not directory.is_dir():
        raise BadInput(f"needs a folder to write to; {directory} is a file; name another --out")
    try:
        held = directory.is_dir() and any(directory.iterdir())
    except OSError as exc:
        raise BadInput(f"needs a folder that can be used; {directory} cannot ({exc.strerror})") from exc
    if held and (
        (directory / run_directory.MANIFEST).exists() or not (directory / run_directory.JOURNAL).exists()
    ):
        raise BadInput(
            f"needs a new folder, or one that an evaluation made; {directory} holds something else; name another --out"
        )
    return directory


def _claim(out: str | Path) -> Path:
    directory = check(out)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise BadInput(f"needs a folder that can be written; {directory} cannot ({exc.strerror})") from exc
    return directory


def _write(directory: Path, table: Dataset, results: dict[str, Any]) -> None:
    """Put table, report and pictures, and last the results, in place of what was there."""
    try:
        with run_directory.locked(directory):
            for left in directory.glob(f"{run_directory.SCRATCH}*"):  # by an evaluation that was killed here
                shutil.rmtree(left)
            comparisons = directory / report.COMPARISONS
            fresh = Path(tempfile.mkdtemp(prefix=run_directory.SCRATCH, dir=directory))
            try:
                batches = (
                    batch for part in table.with_format("arrow").iter(1000) for batch in part.to_batches()
                )
                files = parquet.write(fresh / "comparisons", batches, table.features.arrow_schema)
                comparisons.parent.mkdir(exist_ok=True)
                if comparisons.exists():
                    os.rename(comparisons, fresh / "old")
                os.rename(fresh / "comparisons", comparisons)
            finally:
                shutil.rmtree(fresh)
            pattern = f"{report.COMPARISONS}/train-*-{next(iter(files)).rsplit('-', 1)[1]}"
            text = report.render(results, table, pattern=pattern)
            run_directory.put_card(directory, text, pictures(results))
            run_directory.put(directory / report.RESULTS, run_directory.manifest_text(results))
    except OSError as exc:
        words = f"the results cannot be written to {directory} ({exc.strerror or exc})"
        raise CodecLMError(
            words, hint="every answer is kept; free the disk and run the same command again"
        ) from exc


def _told(responses: Dataset) -> str:
    """What to call given responses: the model that they say they are of, or where they come from."""
    return str(responses.info.description) or f"{len(responses)} given responses"


def _plain(value: Any) -> Any:
    """The value as JSON has it: None for what is not a number."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value
