"""Recipe: all that the tables of one data set are made of, and how they are made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from datasets import Dataset, Features, concatenate_datasets

from codeclm_hf import schema
from codeclm_hf.endpoints.journal import Journal, JournaledEndpoint
from codeclm_hf.run import inputs
from codeclm_hf.run.manifest import StageUsage
from codeclm_hf.run.probe import check_log_probabilities
from codeclm_hf.run.progress import OnProgress, ProgressReporter
from codeclm_hf.stages import contrast
from codeclm_hf.stages.augment import augment, subsample
from codeclm_hf.stages.chain import Chain, split_trace
from codeclm_hf.stages.encode import Encode


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The stages, the sample of their inputs, and the sizes."""

    encode: Encode
    """Seeds → metadata."""
    chain: Chain
    """Metadata → trace."""
    seeds: Dataset
    """Those to encode, and those that cannot be used."""
    given: Dataset
    """Metadata written by hand."""
    num_instructions: int
    """Basic instructions, in all."""
    num_metadata: int
    """Metadata after mixing and matching."""
    metadata_fraction: float
    """Share of them that is used."""

    @property
    def features(self) -> dict[str, Features]:
        """The features of the tables, by name."""
        kept = schema.REASONING if self.chain.tailor.thinking == "keep" else {}
        return {name: schema.features(name, kept.get(name, ())) for name in schema.TABLES}

    def spec(self) -> dict[str, Any]:
        """Return all that shapes the rows, as plain data: inputs, models, settings, prompts."""
        return {
            "seeds": self.seeds.to_list(),
            "given": self.given.to_list(),
            "sizes": [self.num_instructions, self.num_metadata, self.metadata_fraction],
            "encode": self.encode.spec() if None in self.seeds["error"] else None,
            "chain": self.chain.spec(),
        }

    def make(
        self, journal: Journal, on_progress: OnProgress | None = None
    ) -> tuple[dict[str, Dataset], list[StageUsage]]:
        """Make the tables of the answers that a journal holds, and of new ones that it then holds.

        Returns:
            The tables `default`, `preference`, `trace` and `metadata`, and what they are made of.

        Raises:
            BadInput: the judge's server does not give what the scoring reads; nothing else was asked.
            EndpointError: an endpoint cannot serve now.
            BudgetSpent: the journal's budget is used up.
        """
        tailor, rubrics, seed = self.chain.tailor, self.chain.rubrics, self.chain.seed
        roles = {"strong": tailor.strong, "target": tailor.target, "judge": tailor.judge}
        endpoints = {role: JournaledEndpoint(endpoint, journal) for role, endpoint in roles.items()}
        check_log_probabilities(tailor, journal)
        progress, strong = ProgressReporter(endpoints, journal.budget, on_progress), endpoints["strong"]
        chain = replace(
            self.chain,
            rubrics=replace(rubrics, strong=strong) if rubrics is not None else None,
            decode=replace(self.chain.decode, strong=strong),
            tailor=replace(tailor, strong=strong, target=endpoints["target"], judge=endpoints["judge"]),
        )
        encoded = progress.map(
            replace(self.encode, strong=strong), self.seeds, to_ask=self.seeds["error"].count(None)
        )
        metadata = augment(concatenate_datasets([self.given, encoded]), self.num_metadata, seed=seed)
        metadata = subsample(metadata, self.metadata_fraction, seed=seed)
        metadata = inputs.share_instructions(metadata, self.num_instructions)
        trace, metadata = split_trace(progress.map(chain, metadata))
        return contrast.tables(trace, metadata, target_system=tailor.target_system), progress.usage()
