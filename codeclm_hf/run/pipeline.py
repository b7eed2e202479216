"""CodecLM: the stages in order, into a run directory that the same call resumes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import polars as pl
from datasets import Dataset, DatasetDict

from codeclm_hf import package, prompts, settings
from codeclm_hf.card.charts import pictures
from codeclm_hf.card.shapes import RunConfig
from codeclm_hf.card.statistics import contents
from codeclm_hf.endpoints.budget import Budget
from codeclm_hf.endpoints.journal import Journal
from codeclm_hf.endpoints.protocol import Endpoint, extra_by_role
from codeclm_hf.prompts import Prompt
from codeclm_hf.run import contamination_file, metadata_table
from codeclm_hf.run import directory as run_directory
from codeclm_hf.run.estimate import METADATA_STAGES, Requests, plan_examples, plan_requests
from codeclm_hf.run.inputs import RunInputs, seed_sources
from codeclm_hf.run.manifest import RUNNING, Cost, Manifest
from codeclm_hf.run.progress import OnProgress
from codeclm_hf.run.recipe import Recipe
from codeclm_hf.stages.check_metadata import CheckMetadata
from codeclm_hf.stages.contamination import Benchmark, Contamination
from codeclm_hf.stages.decode import Decode
from codeclm_hf.stages.draft import Draft
from codeclm_hf.stages.encode import Encode
from codeclm_hf.stages.names import check_list
from codeclm_hf.stages.rubrics import Rubrics
from codeclm_hf.stages.tailor import Tailor


@dataclass(frozen=True, kw_only=True)
class CodecLM:
    """The method, with the models and settings of one data set.

    The defaults are the paper's. Each stage is an attribute, for use alone.

    Raises:
        BadInput: a setting is out of range.
    """

    strong: Endpoint
    """Encodes, writes, improves, and gives the answers to learn from."""
    target: Endpoint
    """The model that the data set is for; it answers every instruction as well."""
    judge: Endpoint | None = None
    """Who scores the answers; the strong model, unless another is given."""
    num_rubrics: int = settings.NUM_RUBRICS
    """Rubrics, and so actions, a metadata: 1 to 20."""
    iterations: int = settings.ITERATIONS
    """Most versions of an instruction that are judged, the basic one included: 1 to 4."""
    threshold: float = settings.THRESHOLD
    """θ, 0 to 9 on the judge's 10-point scale: a gap strictly beyond it keeps an instruction."""
    self_rubrics: bool = True
    """False is the paper's ablation: every instruction is judged once, as it is (table 3)."""
    contrastive_filter: bool = True
    """False is the paper's ablation: every instruction is improved to the end and kept (table 3)."""
    scoring: str = settings.SCORING
    """`discrete`, the numbers that the judge writes, or `expected`, the means of their distributions."""
    thinking: str = settings.THINKING
    """`strip` trains on answers alone; `keep` keeps what the models thought before them, in own columns."""
    temperature: float = settings.TEMPERATURE
    """Of every answer but the judge's, who is greedy: 0 (greedy) to 2."""
    max_new_tokens: int = settings.MAX_NEW_TOKENS
    """Most tokens of a response."""
    strong_system: str | None = None
    """The system prompt that the strong model answers instructions with, where it has one."""
    target_system: str | None = None
    """The same of the target, as it will be served; the tables' chats begin with it."""
    use_cases: tuple[str, ...] = ()
    """If given, every seed is encoded as one of these."""
    skills: tuple[str, ...] = ()
    """If given, every seed is encoded with some of these."""
    check_metadata: bool = False
    """Whether the strong model is asked which mixed metadata are plausible; the others are left out (A.3)."""
    prompts: str | Path | None = None
    """A folder whose `NAME.jinja` files replace our prompts of the same name."""
    seed: int = 0
    """Everything random follows from it: the seeds drawn, the metadata mixed, and each request's own seed."""

    def __post_init__(self) -> None:
        settings.check_settings(**self._settings(), prompts=self.prompts)
        prompts.check(self.prompts)
        for name in ("threshold", "temperature"):
            # 3 and 3.0 are one setting, also where they are hashed
            object.__setattr__(self, name, float(getattr(self, name)))
        for name, what in (("use_cases", "use case"), ("skills", "skill")):
            names = getattr(self, name)
            object.__setattr__(self, name, check_list(names, what) if names else ())

    @property
    def encode(self) -> Encode:
        """Seed instructions → metadata."""
        return Encode(
            prompt=self._prompt("encode"), use_cases=self.use_cases, skills=self.skills, **self._strong()
        )

    @property
    def check(self) -> CheckMetadata:
        """Mixed metadata → those that are plausible."""
        return CheckMetadata(prompt=self._prompt("check_metadata"), strong=self.strong, seed=self.seed)

    @property
    def rubrics(self) -> Rubrics:
        """Metadata → rubrics and actions."""
        return Rubrics(prompt=self._prompt("rubrics"), num_rubrics=self.num_rubrics, **self._strong())

    @property
    def decode(self) -> Decode:
        """Metadata → basic instructions."""
        return Decode(prompt=self._prompt("decode"), **self._strong())

    @property
    def tailor(self) -> Tailor:
        """Basic instructions → trace."""
        return Tailor(
            target=self.target,
            judge=self.judge or self.strong,
            judge_prompt=self._prompt("judge"),
            improve_prompt=self._prompt("improve"),
            iterations=self.iterations if self.self_rubrics else 1,
            threshold=self.threshold,
            contrastive_filter=self.contrastive_filter,
            max_new_tokens=self.max_new_tokens,
            scoring=self.scoring,
            thinking=self.thinking,
            strong_system=self.strong_system,
            target_system=self.target_system,
            **self._strong(),
        )

    @property
    def draft(self) -> Draft:
        """Metadata → rubrics, and a wave of basic instructions beside them."""
        improves = self.tailor.iterations > 1
        return Draft(rubrics=self.rubrics if improves else None, decode=self.decode, seed=self.seed)

    @property
    def models(self) -> dict[str, str]:
        """Which model plays which role."""
        judge = self.judge or self.strong
        return {"strong": self.strong.identity, "target": self.target.identity, "judge": judge.identity}

    @property
    def _extra(self) -> dict[str, dict[str, Any]]:
        """The fields that are added to every request, by role; roles without any are left out."""
        roles = {"strong": self.strong, "target": self.target, "judge": self.judge or self.strong}
        return extra_by_role(roles)

    def take_prices(self, budget: Budget) -> None:
        """Have a budget know the models of this run by their roles.

        Raises:
            BadInput: it has a price of a model that plays no role, or a limit and a model without a price.
        """
        budget.for_roles({"strong": self.strong, "target": self.target, "judge": self.judge or self.strong})

    def _settings(self) -> dict[str, Any]:
        roles = ("strong", "target", "judge", "prompts")
        settings = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in roles
        }
        return {**settings, "skills": self.skills or None}

    def _prompt(self, name: str) -> Prompt:
        return prompts.load(name, self.prompts)

    def _strong(self) -> dict[str, Any]:
        return {
            "strong": self.strong,
            "temperature": self.temperature,
            "seed": self.seed,
        }

    def run(
        self,
        seeds: Dataset | None = None,
        *,
        out: str | Path,
        metadata: Sequence[Mapping[str, Any]] | Dataset | None = None,
        column: str = "instruction",
        num_instructions: int = settings.NUM_INSTRUCTIONS,
        num_examples: int | None = None,
        num_metadata: int = settings.NUM_METADATA,
        metadata_fraction: float = settings.METADATA_FRACTION,
        metadata_only: bool = False,
        decontaminate: Sequence[Benchmark] = (),
        allow_match: Collection[str] = (),
        budget: Budget | None = None,
        on_progress: OnProgress | None = None,
    ) -> DatasetDict:
        """Make the data set, or go on making it: what a run directory's journal holds is not asked for again.

        Args:
            seeds: a table with instructions of the target distribution.
            out: the run directory.
            metadata: rows with a `use_case` and `skills` written by hand, instead of seeds or beside them.
            column: the seeds' column that holds the instruction.
            num_instructions: basic instructions to make, in all.
            num_examples: rows to accept in all, in place of a number of instructions: more instructions are made
                until exactly so many are accepted, or nothing new can be made.
            num_metadata: metadata to have after mixing and matching, at most one an instruction.
            metadata_fraction: share of them to use, with the number of instructions held constant (fig. 4).
            metadata_only: stop once the metadata have their rubrics, so that a person can edit them; the
                other tables stay empty, and the same call without it goes on.
            decontaminate: evaluation sets with which no instruction and no response may share words.
            allow_match: ids of texts that are kept although they share some.
            budget: how much may be asked for in all, what the run directory's journal holds included.
            on_progress: called, on another thread, when a row is done.

        Returns:
            The tables `default`, `preference`, `trace` and `metadata`.

        Raises:
            BadInput: something given cannot be used; nothing was written.
            EndpointError: an endpoint cannot serve now; call again to go on.
            BudgetSpent: call again with a larger one to go on.
        """
        inputs = RunInputs(
            seeds=seeds,
            metadata=metadata,
            column=column,
            num_instructions=num_instructions,
            num_examples=num_examples,
            num_metadata=num_metadata,
            metadata_fraction=metadata_fraction,
            contamination=Contamination(benchmarks=decontaminate, allowed=allow_match),
        )
        recipe, manifest = self._recipe(inputs), self._manifest(inputs)
        budget = budget or Budget()
        self.take_prices(budget)
        directory = run_directory.claim(out, manifest, metadata_only=metadata_only)
        edited = metadata_table.read(directory)
        if edited is not None:
            recipe = replace(recipe, edited=edited)
            manifest = replace(manifest, seeds=seed_sources(inputs.seeds, inputs.metadata, edited))
        journal = Journal(directory / run_directory.JOURNAL, budget)
        try:
            pulled = run_directory.pulled_instructions(directory)
            made = recipe.make(journal, on_progress, pulled=pulled, metadata_only=metadata_only)
            if metadata_only:
                run_directory.write_unfinished(directory, made.tables)
                return DatasetDict(made.tables)
            journal.complete()
        finally:
            journal.close()
        tables = run_directory.add_pulled_rows(directory, made.tables)
        frames = {
            name: pl.DataFrame(pl.from_arrow(table.data.table)).lazy() for name, table in tables.items()
        }
        summary = contents(frames, threshold=self.threshold)
        cost = None
        if budget.cost is not None:
            cost = Cost(
                price_in=budget.price_in,
                price_out=budget.price_out,
                prices=budget.model_prices,
                all=budget.cost,
            )
        manifest = manifest.finished(
            summary,
            usage=made.usage,
            cost=cost,
            funnel=made.funnel,
            contamination=contamination_file.summary(made.contaminated, decontaminate, allow_match)
            if decontaminate
            else None,
        )
        contamination_file.write(directory, made.contaminated)
        run_directory.write(directory, tables, manifest, pictures(summary.distributions))
        return DatasetDict(tables)

    def plan(
        self,
        seeds: Dataset | None = None,
        *,
        metadata: Sequence[Mapping[str, Any]] | Dataset | None = None,
        column: str = "instruction",
        num_instructions: int = settings.NUM_INSTRUCTIONS,
        num_examples: int | None = None,
        num_metadata: int = settings.NUM_METADATA,
        metadata_fraction: float = settings.METADATA_FRACTION,
        metadata_only: bool = False,
    ) -> list[Requests]:
        """Count what the same `run` would ask, at the least and at the most; nothing is asked or written.

        With `num_examples` the most is that of a run in which few instructions are accepted
        (`estimate.LEAST_ACCEPTED`), and the least that of one in which many are.
        """
        inputs = RunInputs(
            seeds=seeds,
            metadata=metadata,
            column=column,
            num_instructions=num_instructions,
            num_examples=num_examples,
            num_metadata=num_metadata,
            metadata_fraction=metadata_fraction,
        )
        sizes = {
            "seeds": self._recipe(inputs).seeds["error"].count(None),
            "metadata": max(1, round(metadata_fraction * inputs.most_metadata)),
            "mixed": inputs.most_metadata if self.check_metadata else 0,
        }
        if num_examples is not None:
            requests = plan_examples(self.tailor, examples=num_examples, **sizes)
        else:
            requests = plan_requests(self.tailor, instructions=num_instructions, **sizes)
        return [one for one in requests if not metadata_only or one.stage in METADATA_STAGES]

    def recipe(
        self,
        seeds: Dataset | None = None,
        *,
        metadata: Sequence[Mapping[str, Any]] | Dataset | None = None,
        column: str = "instruction",
        num_instructions: int = settings.NUM_INSTRUCTIONS,
        num_examples: int | None = None,
        num_metadata: int = settings.NUM_METADATA,
        metadata_fraction: float = settings.METADATA_FRACTION,
        decontaminate: Sequence[Benchmark] = (),
        allow_match: Collection[str] = (),
    ) -> Recipe:
        """Return what `run` with the same arguments makes its tables of; nothing is asked or written.

        Raises:
            BadInput: something given cannot be used.
        """
        inputs = RunInputs(
            seeds=seeds,
            metadata=metadata,
            column=column,
            num_instructions=num_instructions,
            num_examples=num_examples,
            num_metadata=num_metadata,
            metadata_fraction=metadata_fraction,
            contamination=Contamination(benchmarks=decontaminate, allowed=allow_match),
        )
        return self._recipe(inputs)

    def _recipe(self, inputs: RunInputs) -> Recipe:
        written = inputs.written_metadata(self.seed)
        samples = inputs.seed_samples(inputs.most_metadata - len(written), self.seed)
        return Recipe(
            encode=self.encode,
            draft=self.draft,
            tailor=self.tailor,
            seeds=samples.to_encode,
            given=written,
            known=samples.known,
            num_instructions=inputs.num_instructions,
            num_examples=inputs.num_examples,
            num_metadata=inputs.most_metadata,
            metadata_fraction=float(inputs.metadata_fraction),
            contamination=inputs.contamination,
            check=self.check if self.check_metadata else None,
        )

    def _manifest(self, inputs: RunInputs) -> Manifest:
        """Return the manifest of a run that has no tables yet."""
        names = (*prompts.RUN_PROMPTS, *(["check_metadata"] if self.check_metadata else []))
        return Manifest(
            codeclm_hf=package.VERSION,
            models=self.models,
            config=RunConfig(
                num_instructions=inputs.num_instructions if inputs.num_examples is None else None,
                num_examples=inputs.num_examples,
                num_metadata=inputs.num_metadata,
                metadata_fraction=inputs.metadata_fraction,
                decontaminate=tuple(benchmark.name for benchmark in inputs.contamination.benchmarks),
                extra=self._extra,
                **self._settings(),
            ),
            prompts={name: self._prompt(name).hash for name in names},
            prompt_texts={name: self._prompt(name).text for name in names},
            versions=package.versions(),
            seeds=seed_sources(inputs.seeds, inputs.metadata),
            status=RUNNING,
        )
