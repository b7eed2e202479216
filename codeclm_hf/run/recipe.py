"""Recipe: all that the tables of one data set are made of, and how they are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple

from datasets import Dataset, Features, concatenate_datasets

from codeclm_hf import schema
from codeclm_hf.card.shapes import Funnel
from codeclm_hf.endpoints.journal import Journal, JournaledEndpoint
from codeclm_hf.endpoints.protocol import Endpoint
from codeclm_hf.run import rounds
from codeclm_hf.run.funnel import funnel
from codeclm_hf.run.instructions import Drafter
from codeclm_hf.run.manifest import StageUsage
from codeclm_hf.run.probe import check_log_probabilities
from codeclm_hf.run.progress import OnProgress, ProgressReporter
from codeclm_hf.run.selection import Selection
from codeclm_hf.stages import contrast
from codeclm_hf.stages.augment import augment, subsample
from codeclm_hf.stages.check_metadata import CheckMetadata, PlausibleMix, plausible_mix
from codeclm_hf.stages.contamination import CONTAMINATED, INSTRUCTION, KINDS, ContaminatedText, Contamination
from codeclm_hf.stages.draft import Draft
from codeclm_hf.stages.encode import Encode
from codeclm_hf.stages.screen import Screen
from codeclm_hf.stages.stage import Row
from codeclm_hf.stages.tailor import Tailor

MOST_DRY_ROUNDS = 3
"""Rounds in a row in which a metadata gives nothing new, after which it is asked no more."""


class RecipeResult(NamedTuple):
    """What a recipe came to."""

    tables: dict[str, Dataset]
    """`default`, `preference`, `trace` and `metadata`."""
    usage: list[StageUsage]
    """Answers and tokens that they are made of."""
    funnel: Funnel
    """What became of every instruction that was asked for."""
    contaminated: tuple[ContaminatedText, ...]
    """The texts that share words with an evaluation set, each once, in the order of the run."""


class _Rounds(NamedTuple):
    """What all rounds of a run came to."""

    metadata: Dataset
    """With rubrics where they were needed."""
    traces: list[Dataset]
    """Round by round."""
    shortfall: str | None
    """Why there are fewer examples than were wanted, in words."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The stages, the sample of their inputs, and the sizes."""

    encode: Encode
    """Seeds → metadata."""
    draft: Draft
    """Metadata → basic instructions."""
    tailor: Tailor
    """Basic instructions → trace."""
    seeds: Dataset
    """Those to encode, and those that cannot be used."""
    known: Sequence[tuple[str, str]] = ()
    """(id, text) of all seeds: what no instruction may repeat."""
    given: Dataset
    """Metadata written by hand."""
    num_instructions: int
    """Basic instructions, in all, where no number of examples is wanted."""
    num_examples: int | None = None
    """Rows to accept."""
    num_metadata: int
    """Metadata after mixing and matching."""
    metadata_fraction: float
    """Share of them that is used."""
    contamination: Contamination = field(default_factory=Contamination)
    """What evaluation sets hold."""
    check: CheckMetadata | None = None
    """Says which mixed metadata are plausible; None where nobody asks."""
    edited: Dataset | None = None
    """Metadata that a person edited, in place of all that would be made."""

    @property
    def features(self) -> dict[str, Features]:
        """The features of the tables, by name."""
        kept = schema.REASONING if self.tailor.thinking == "keep" else {}
        return {name: schema.features(name, kept.get(name, ())) for name in schema.TABLES}

    def spec(self) -> dict[str, Any]:
        """Return all that shapes the rows, as plain data: inputs, models, settings, prompts."""
        return {
            "seeds": self.seeds.to_list(),
            "known": [list(seed) for seed in self.known],
            "given": self.given.to_list(),
            "sizes": [self.num_instructions, self.num_examples, self.num_metadata, self.metadata_fraction],
            "encode": self.encode.spec() if None in self.seeds["error"] else None,
            "draft": self.draft.spec(),
            "tailor": self.tailor.spec(),
            "contamination": self.contamination.spec(),
            "check": self.check.spec() if self.check is not None else None,
            "edited": self.edited.to_list() if self.edited is not None else None,
        }

    def make(
        self,
        journal: Journal,
        on_progress: OnProgress | None = None,
        *,
        pulled: Sequence[tuple[str, str]] = (),
        metadata_only: bool = False,
    ) -> RecipeResult:
        """Make the tables of the answers that a journal holds, and of new ones that it then holds.

        Args:
            journal: keeps the answers.
            on_progress: called, on another thread, when a row is done.
            pulled: (id, instruction) of the rows that others made, which none of the run's may repeat.
            metadata_only: make the metadata and their rubrics; the other tables are empty.

        Raises:
            BadInput: the judge's server does not give what the scoring reads; nothing else was asked.
            EndpointError: an endpoint cannot serve now.
            BudgetSpent: the journal's budget is used up.
        """
        roles = {"strong": self.tailor.strong, "target": self.tailor.target, "judge": self.tailor.judge}
        endpoints = {role: JournaledEndpoint(endpoint, journal) for role, endpoint in roles.items()}
        check_log_probabilities(self.tailor, journal)
        progress = ProgressReporter(endpoints, journal.budget, on_progress, num_examples=self.num_examples)
        draft, tailor = self._stages(endpoints)
        metadata, implausible = self._metadata(progress, endpoints["strong"])
        if metadata_only:
            described = progress.map(draft.rubrics, metadata) if draft.rubrics is not None else metadata
            empty = {name: schema.table([], features) for name, features in self.features.items()}
            return RecipeResult(
                tables={**empty, "metadata": described},
                usage=progress.usage(),
                funnel=Funnel(asked=0, implausible=implausible),
                contaminated=(),
            )

        drafter = Drafter(
            draft=draft,
            screen=Screen(self.known, self.contamination),
            map=progress.map,
            lists_missing=self.num_examples is None,
        )
        selection = Selection([*self.known, *pulled], self.num_examples)
        made = self._all_rounds(metadata, drafter, selection, tailor, progress)
        trace = concatenate_datasets(made.traces)
        return RecipeResult(
            tables=contrast.tables(trace, made.metadata, target_system=tailor.target_system),
            usage=progress.usage(),
            funnel=funnel(
                trace,
                asked=drafter.asked,
                rounds=len(made.traces),
                rejected=drafter.rejected,
                spent=progress.spent,
                budget=journal.budget,
                implausible=implausible,
                shortfall=made.shortfall,
            ),
            contaminated=self._contaminated(drafter, trace),
        )

    def _stages(self, endpoints: Mapping[str, Endpoint]) -> tuple[Draft, Tailor]:
        """Return the stages that make the instructions and their trace, with these endpoints by role."""
        strong, rubrics = endpoints["strong"], self.draft.rubrics
        draft = replace(
            self.draft,
            rubrics=replace(rubrics, strong=strong) if rubrics is not None else None,
            decode=replace(self.draft.decode, strong=strong),
        )
        tailor = replace(
            self.tailor,
            strong=strong,
            target=endpoints["target"],
            judge=endpoints["judge"],
            contamination=self.contamination,
        )
        return draft, tailor

    def _metadata(self, progress: ProgressReporter, strong: Endpoint) -> PlausibleMix:
        """Return the metadata to describe and to decode, and how many mixed ones were left out."""
        if self.edited is not None:
            return PlausibleMix(self.edited, 0)
        seed = self.tailor.seed
        encoded = progress.map(
            replace(self.encode, strong=strong), self.seeds, to_ask=self.seeds["error"].count(None)
        )
        metadata = concatenate_datasets([self.given, encoded])
        if self.check is None:
            mixed = PlausibleMix(augment(metadata, self.num_metadata, seed=seed), 0)
        else:
            check = replace(self.check, strong=strong)
            mixed = plausible_mix(metadata, self.num_metadata, check=check, map=progress.map)
        return mixed._replace(metadata=subsample(mixed.metadata, self.metadata_fraction, seed=seed))

    def _all_rounds(
        self,
        metadata: Dataset,
        drafter: Drafter,
        selection: Selection,
        tailor: Tailor,
        progress: ProgressReporter,
    ) -> _Rounds:
        """Draft, tailor and select instructions, once or until there are as many examples as are wanted."""
        usable = [row["metadata_id"] for row in metadata if row["use_case"] is not None]
        asked, dry, tally, traces = dict.fromkeys(usable, 0), Counter[str](), rounds.Tally(), list[Dataset]()
        while True:
            wanted, before = self.num_examples, selection.size
            size = self.num_instructions if wanted is None else tally.next_size(wanted)
            shares = rounds.shares(asked, size)
            drafted = drafter.next_round(metadata, shares)
            metadata = drafted.metadata
            traces.append(selection.mark(progress.map(tailor, drafted.instructions)))
            for id, text in _improved(traces[-1]):
                drafter.screen.admit(id, text)
            progress.keep(selection.size)
            for id, share in shares.items():
                asked[id] += share
                if share:
                    dry[id] = 0 if drafted.new[id] else dry[id] + 1
            asked = {id: number for id, number in asked.items() if dry[id] < MOST_DRY_ROUNDS}
            tally = tally.after(
                asked=sum(shares.values()), tried=sum(drafted.new.values()), accepted=selection.size - before
            )
            if wanted is None or selection.size == wanted:
                return _Rounds(metadata, traces, None)
            if not usable:
                return _Rounds(metadata, traces, rounds.NO_METADATA.format(metadata[0]["error"]))
            if not asked:
                return _Rounds(metadata, traces, rounds.NOTHING_NEW.format(drafter.last_error))
            if tally.gives_up:
                return _Rounds(metadata, traces, rounds.NOTHING_ACCEPTED.format(tally.tried_since))

    def _contaminated(self, drafter: Drafter, trace: Dataset) -> tuple[ContaminatedText, ...]:
        """Return the texts that share words with an evaluation set, each once."""
        if not self.contamination.benchmarks:
            return ()
        texts = chain(
            ((INSTRUCTION, text) for text in drafter.contaminated),
            _texts(trace, clean=bool(self.contamination.allowed)),
        )
        findings = (self.contamination.find(text, kind) for kind, text in texts)
        return tuple({(found.kind, found.id): found for found in findings if found is not None}.values())


def _improved(trace: Dataset) -> Iterator[tuple[str, str]]:
    """Yield (id, text) of the improved instructions that stay in the data set."""
    row: Row
    for row in trace.select_columns(["id", "instruction", "iteration", "verdict", "removed"]):
        if row["iteration"] > 1 and row["verdict"] in contrast.ACCEPTED and row["removed"] is None:
            yield row["id"], row["instruction"]


def _texts(trace: Dataset, *, clean: bool) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) of all in a trace that was found to share words with an evaluation set.

    Args:
        trace: with its flags and its rejected drafts.
        clean: yield the texts too in which nothing was found, or something that is allowed.
    """
    row: Row
    for row in trace.select_columns([*KINDS, "strong_flags", "target_flags", "rejected"]):
        for kind in KINDS:
            flags = row[kind.replace("_response", "_flags")] if kind != INSTRUCTION else None
            if row[kind] and (clean or CONTAMINATED in (flags or ())):
                yield kind, row[kind]
        for draft in row["rejected"] or []:
            if draft["reason"] == CONTAMINATED:
                yield INSTRUCTION, draft["text"]
