"""The shapes of what a card shows; a manifest holds the same, and JSON has the same names.

Shares and rates are of 1. Lists called `top` hold the most frequent, equal ones by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from codeclm_hf.json_types import ABSENT

if TYPE_CHECKING:  # importing it takes a second
    from datasets import Features


class TableFiles(NamedTuple):
    """The files of one table, as the card's front matter describes them."""

    pattern: str
    """Matches the files, seen from the card's folder."""
    features: Features
    """The columns."""
    download_size: int
    """Bytes of the files."""
    dataset_size: int
    """Bytes of the rows, as Parquet encodes them before it compresses."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What a run was asked for: the manifest's `config`."""

    num_instructions: int | None = field(default=None, metadata=ABSENT)
    """Basic instructions, in all."""
    num_metadata: int | None = field(default=None, metadata=ABSENT)
    """Most metadata after mixing and matching."""
    num_examples: int | None = field(default=None, metadata=ABSENT)
    """Rows to accept, where so many were asked for."""
    metadata_fraction: float | None = field(default=None, metadata=ABSENT)
    """Share of the metadata that is used (fig. 4)."""
    num_rubrics: int | None = field(default=None, metadata=ABSENT)
    """Rubrics, and so actions, a metadata."""
    iterations: int | None = field(default=None, metadata=ABSENT)
    """Most versions of an instruction that are judged."""
    threshold: float
    """θ, on the judge's 10-point scale."""
    self_rubrics: bool | None = field(default=None, metadata=ABSENT)
    """False is the paper's ablation (table 3)."""
    contrastive_filter: bool
    """False is the paper's ablation (table 3)."""
    scoring: str | None = field(default=None, metadata=ABSENT)
    """`discrete` or `expected`."""
    thinking: str = field(default="strip", metadata=ABSENT)
    """`strip` or `keep`: whether tables have what the models thought before they answered."""
    temperature: float | None = field(default=None, metadata=ABSENT)
    """Of every answer but the judge's."""
    max_new_tokens: int | None = field(default=None, metadata=ABSENT)
    """Most tokens of a response."""
    strong_system: str | None = field(default=None, metadata=ABSENT)
    """The system prompt that the strong model answered instructions with."""
    target_system: str | None = field(default=None, metadata=ABSENT)
    """The same of the target; the chats in the tables begin with it."""
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, metadata=ABSENT)
    """The fields that were added to every request, by role."""
    use_cases: tuple[str, ...] | None = field(default=None, metadata=ABSENT)
    """What every seed was encoded as one of; empty where the model was free."""
    skills: tuple[str, ...] | None = field(default=None, metadata=ABSENT)
    """The skills that seeds were encoded with, where they were to be of a list."""
    check_metadata: bool = field(default=False, metadata=ABSENT)
    """Whether the strong model was asked which mixed metadata are plausible."""
    decontaminate: tuple[str, ...] = field(default=(), metadata=ABSENT)
    """The names of the evaluation sets that nothing may be shared with."""
    seed: int | None = field(default=None, metadata=ABSENT)
    """Everything random follows from it."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Settings of other versions of codeclm-hf."""


@dataclass(frozen=True, kw_only=True)
class MetadataCounts:
    """Rows of the table `metadata`."""

    total: int = 0
    """Those with a use case."""
    seed: int = 0
    """Of these, encoded from seeds."""
    given: int = 0
    """Of these, written by hand."""
    augmented: int = 0
    """Of these, mixed and matched."""
    failed: int = 0
    """Those without a use case."""


@dataclass(frozen=True, kw_only=True)
class VerdictCounts:
    """What became of the instructions of one iteration."""

    iteration: int
    """1 for the basic instructions."""
    accept_strong: int
    """Accepted with the strong model's response."""
    accept_target: int
    """Accepted with the target's response."""
    retry: int
    """Improved, and judged again in the next iteration."""
    exhausted: int
    """Inside of the threshold after the last iteration."""
    failed: int
    """Without a verdict."""

    @property
    def judged(self) -> int:
        """Those with a verdict."""
        return self.accept_strong + self.accept_target + self.retry + self.exhausted


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many rows there are, by stage, iteration and verdict; all 0 while a run is not finished."""

    metadata: MetadataCounts = MetadataCounts()
    """The table `metadata`, by origin."""
    instructions: int = 0
    """Basic instructions, failed ones included."""
    iterations: tuple[VerdictCounts, ...] = ()
    """In order; they add up to the rows of `trace`."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """The rows of each table."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What other versions of codeclm-hf say."""

    @property
    def judged(self) -> int:
        """Rows of `trace` with a verdict."""
        return sum(iteration.judged for iteration in self.iterations)


ACCEPTED = "accepted"
"""The reason of the `Outcome` that is hoped for."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Instructions that were asked for and of which the same became, and what they cost from then on."""

    reason: str
    """`accepted`, or why they are not in the data set, such as `near_duplicate`, `exhausted` or `cut_off`."""
    instructions: int
    """How many."""
    requests: int = 0
    """Responses, judgements and improvements that they cost."""
    prompt_tokens: int = 0
    """Tokens that were sent for these."""
    completion_tokens: int = 0
    """Tokens of these, thoughts included."""
    cost: float | None = field(default=None, metadata=ABSENT)
    """Their price; None where the models have none."""


@dataclass(frozen=True, kw_only=True)
class Funnel:
    """What became of every instruction that a run asked for."""

    asked: int
    """Instructions that were asked for, each request for one counted."""
    rounds: int = 1
    """How often instructions were asked for from all metadata."""
    outcomes: tuple[Outcome, ...] = ()
    """What became of them: they add up to `asked`, those that are accepted first."""
    improvements: Mapping[str, int] = field(default_factory=dict)
    """Improved instructions that were asked for again, by reason."""
    implausible: int = field(default=0, metadata=ABSENT)
    """Mixed metadata that were left out before anything was asked for from them."""
    shortfall: str | None = field(default=None, metadata=ABSENT)
    """Why fewer were accepted than were wanted, in words; None where nothing is missing."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What other versions of codeclm-hf say."""

    @property
    def accepted(self) -> int:
        """Instructions of the run itself that are in its data set."""
        return sum(outcome.instructions for outcome in self.outcomes if outcome.reason == ACCEPTED)


@dataclass(frozen=True, kw_only=True)
class BenchmarkMatches:
    """An evaluation set, and how many texts shared words with it."""

    name: str
    """The file or data set, as it was named."""
    rows: int
    """Its rows that have a text."""
    texts: int
    """Texts that shared words with one of them, allowed ones included."""


@dataclass(frozen=True, kw_only=True)
class SharedWords:
    """A text that was found in an evaluation set, with the longest run of words that both have."""

    id: str
    """What `--allow-match` takes."""
    kind: str
    """`instruction`, `strong_response` or `target_response`."""
    benchmark: str
    """The evaluation set's name."""
    row: int
    """Its row, from 1."""
    words: str
    """The words, as the text has them."""
    start: int
    """Where they begin in the text, in characters."""
    end: int
    """Where they end."""
    benchmark_start: int
    """Where they begin in the row."""
    benchmark_end: int
    """Where they end there."""
    allowed: bool = False
    """Whether the text was kept, as `--allow-match` asks."""


@dataclass(frozen=True, kw_only=True)
class ContaminationSummary:
    """What was found when texts were compared with evaluation sets; `contamination.jsonl` has all of it."""

    removed: Mapping[str, int] = field(default_factory=dict)
    """Texts that were removed, by kind; kinds without any are left out."""
    allowed: int = 0
    """Texts that were kept, as `--allow-match` asks."""
    benchmarks: tuple[BenchmarkMatches, ...] = ()
    """The evaluation sets, in the order in which they were given."""
    found: tuple[SharedWords, ...] = ()
    """The first of the texts, those that were removed before those that were allowed."""
    unmatched: tuple[str, ...] = field(default=(), metadata=ABSENT)
    """Ids that were to be allowed, and that nothing was found with."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What other versions of codeclm-hf say."""


@dataclass(frozen=True, kw_only=True)
class NameShare:
    """A use case or a skill, and how often it is there."""

    name: str
    """What a model or a person called it."""
    rows: int
    """Rows, or mentions, that have it."""
    share: float
    """Of all of them."""


@dataclass(frozen=True, kw_only=True)
class UseCases:
    """The use cases of `default`."""

    total: int
    """Different ones."""
    rows: int
    """Rows that have one."""
    top: tuple[NameShare, ...]
    """The most frequent."""


@dataclass(frozen=True, kw_only=True)
class Skills:
    """The skills of `default`."""

    total: int
    """Different ones."""
    mentions: int
    """How often one is mentioned; a row may mention several."""
    top: tuple[NameShare, ...]
    """The most frequent."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A use case and a skill in the same row."""

    use_case: str
    """The row's."""
    skill: str
    """One of the row's."""
    rows: int
    """Rows that have both."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The use cases of `default` with each of their skills."""

    total: int
    """Different pairs."""
    top: tuple[Pair, ...]
    """The most frequent."""


@dataclass(frozen=True, kw_only=True)
class Iteration:
    """How much of what was judged in one iteration was accepted."""

    iteration: int
    """1 for the basic instructions."""
    judged: int
    """Instructions with a verdict other than `failed`."""
    accepted: int
    """Of these, accepted."""
    share: float
    """Of all that were accepted in any iteration."""


@dataclass(frozen=True, kw_only=True)
class UseCaseAcceptance:
    """How many basic instructions of a use case were accepted, in whatever iteration."""

    name: str
    """The use case."""
    judged: int
    """Basic instructions of it that were judged."""
    accepted: int
    """Of these, accepted in the end."""
    rate: float
    """Accepted of judged."""


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """What was accepted, by use case."""

    total: int
    """Use cases that were judged."""
    top: tuple[UseCaseAcceptance, ...]
    """Those that were judged most often."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The gap: the strong answer's score minus the target's."""

    threshold: float
    """θ of the run."""
    edges: tuple[float, ...]
    """Of the histogram's bins; a bin holds the edge that is farther from 0."""
    counts: tuple[int, ...]
    """Judgements in each bin."""
    judged: int
    """Judgements, in all."""
    mean: float | None
    """None where there are none."""


@dataclass(frozen=True, kw_only=True)
class Winners:
    """Rows of `default` by whose response they hold."""

    strong: int
    """The strong model's."""
    target: int
    """The target's."""


@dataclass(frozen=True, kw_only=True)
class ScoreHistogram:
    """The scores of one model's answers."""

    mean: float | None
    """None where there are none."""
    counts: tuple[int, ...]
    """Answers scored 1 to 10, rounded."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The scores of both models' answers."""

    strong: ScoreHistogram
    """The strong model's."""
    target: ScoreHistogram
    """The target's."""


@dataclass(frozen=True, kw_only=True)
class OrderEffect:
    """How much depends on which answer the judge saw first."""

    judged: int
    """Judgements in both orders."""
    disagree: int
    """Of these, judgements that name another winner in the other order."""
    mean_shift: float | None
    """Mean change of the gap from one order to the other; None where there are none."""


@dataclass(frozen=True, kw_only=True)
class LengthHistogram:
    """The lengths of some texts in tokens, estimated: bytes in UTF-8 divided by 4, rounded up."""

    mean: float | None
    """None where there are no texts."""
    p50: int | None
    """The median, which is the length of a text."""
    p95: int | None
    """95 % are at most so long."""
    max: int | None
    """The longest."""
    edges: tuple[int, ...]
    """Of the histogram's bins; what is longer than the last has a bin of its own."""
    counts: tuple[int, ...]
    """Texts in each bin."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """How long the texts of `default` are."""

    instruction: LengthHistogram
    """The instructions."""
    response: LengthHistogram
    """The responses."""


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Rows of `default` that stand there more than once."""

    instructions: int
    """Rows whose instruction stood in an earlier row, but for case and white space."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why rows failed."""

    reason: str
    """The beginning of the error."""
    rows: int
    """Rows that have it."""


@dataclass(frozen=True, kw_only=True)
class Failures:
    """What failed, and why."""

    trace: tuple[Failure, ...]
    """Of `trace`, the most frequent reasons."""
    metadata: tuple[Failure, ...]
    """Of `metadata`, the most frequent reasons."""
    exhausted: int
    """Instructions inside of the threshold after the last iteration: no failure, but not in the data."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much of what the seeds ask for is in the data."""

    seeds: int
    """Use cases of seeds, and of metadata written by hand."""
    covered: int
    """Of these, use cases that have rows."""
    divergence: float | None
    """Jensen–Shannon, base 2, between the two distributions of use cases; None where one is empty."""


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """How much the instructions of `default` differ from each other."""

    sample: int
    """Instructions that were looked at: those of the first ids, which are hashes."""
    similarity: float | None
    """Mean similarity to the most similar other one of the sample; None where there are not two."""
    near_duplicates: int
    """Instructions with a near-duplicate in the sample."""
    distinct_1: float | None
    """Different words, of all words (distinct-1); None where there are none."""
    distinct_2: float | None
    """The same of two words in a row (distinct-2)."""
    distinct_3: float | None
    """The same of three (distinct-3)."""


@dataclass(frozen=True, kw_only=True)
class Distributions:
    """What the tables of a run hold: names, lengths, scores, gaps, what was accepted and what failed."""

    use_cases: UseCases
    """Of `default`."""
    skills: Skills
    """Of `default`."""
    pairs: Pairs
    """Of `default`."""
    iterations: tuple[Iteration, ...]
    """Of `trace`, in order."""
    acceptance: Acceptance
    """Of `trace` and `metadata`."""
    gap: Gap
    """Of `trace`."""
    winner: Winners
    """Of `default`."""
    scores: Scores
    """Of `trace`."""
    order: OrderEffect
    """Of `trace`."""
    lengths: Lengths
    """Of `default`."""
    duplicates: Duplicates
    """Of `default`."""
    failures: Failures
    """Of `trace` and `metadata`."""
    coverage: Coverage
    """Of `metadata` and `default`."""
    diversity: Diversity | None = field(default=None, metadata=ABSENT)
    """Of `default`; None where it has no rows, and in manifests of earlier versions."""
    flags: Mapping[str, Mapping[str, int]] = field(default_factory=dict, metadata=ABSENT)
    """Of `trace`: by role and flag, how many responses have it, the most frequent first."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What other versions of codeclm-hf say."""


@dataclass(frozen=True, kw_only=True)
class Languages:
    """Which languages the instructions are written in."""

    sample: int
    """Instructions that were looked at: those of the first ids, which are hashes."""
    found: Mapping[str, int]
    """By ISO 639-1 code how many are surely in it, the most frequent first."""
    unclear: int
    """How many are in no language for sure."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What the tables of a run directory or of a version hold."""

    counts: Counts
    """How many rows there are."""
    distributions: Distributions
    """Names, lengths, scores and gaps."""
    languages: Languages
    """Of the instructions."""


@dataclass(frozen=True)
class Share:
    """A name's share before and after, in [0, 1]: of the rows (use cases) or of all mentions (skills)."""

    name: str
    """The use case or the skill."""
    before: float
    """In [0, 1]."""
    after: float
    """In [0, 1]."""


@dataclass(frozen=True)
class Drift:
    """What moved between two distributions of names."""

    divergence: float
    """Jensen–Shannon, base 2, in [0, 1]: 0 for equal distributions, 1 where no name is shared."""
    movers: tuple[Share, ...]
    """The names of both sides whose share changed, the largest change first."""
    new: tuple[Share, ...]
    """The names that were not there before, the largest share first."""
    vanished: tuple[Share, ...]
    """The names that are not there any more, the largest share first."""
    new_total: int
    """How many names are new; `new` lists the first of them."""
    vanished_total: int
    """How many names vanished; `vanished` lists the first of them."""


@dataclass(frozen=True, kw_only=True)
class VersionDrift:
    """How far the names of a version moved since an earlier one."""

    use_case: Drift
    """The use cases."""
    skills: Drift
    """The skills."""
    since: str
    """The earlier version."""
    diversity: Diversity | None = field(default=None, metadata=ABSENT)
    """How much the instructions of the earlier version differ; None where it has none, or nobody measured."""


@dataclass(frozen=True, kw_only=True)
class RowChanges:
    """Rows of one table that came, went and changed since the version before."""

    added: int
    """Rows that only this version has."""
    removed: int
    """Rows that only the version before has."""
    changed: int
    """Rows of the same id that hold something else."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, kw_only=True)
class SeedSources:
    """Where the inputs of a run come from."""

    rows: int = 0
    """Seeds."""
    sources: tuple[str, ...] = ()
    """Their files, or `org/name@commit` on the Hub; the first by name."""
    given: int = 0
    """Metadata written by hand."""
    edited: int = field(default=0, metadata=ABSENT)
    """Metadata of a table that a person edited, which the data set is made of."""
    license: str | None = field(default=None, metadata=ABSENT)
    """Of the seeds, where they say it."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What other versions of codeclm-hf say."""


@dataclass(frozen=True, kw_only=True)
class ScanResult:
    """What was found when the texts were searched before a release."""

    personal: Mapping[str, int]
    """Personal data by kind: `emails`, `phone_numbers` and `ip_addresses`."""
    redacted: bool
    """Whether placeholders were put in their place."""
    secrets: int
    """Texts that look like secrets."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What other versions of codeclm-hf say."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSummary:
    """One evaluation that is published beside the data."""

    models: Mapping[str, str]
    """By role: `candidate`, `reference` and `judge`."""
    judge_fit: bool
    """Whether the judge passed its check."""
    comparisons: int | None
    """Instructions that were compared."""
    not_judged: int | None
    """Instructions that nothing can be said of."""
    capacity_recovery_ratio: float | None
    """(wins + ties) / comparisons (§5.3); None where there are none."""
    wilson_low: float | None
    """Lower end of its 95 % interval."""
    wilson_high: float | None
    """Upper end of its 95 % interval."""
    digest: str | None = field(default=None, metadata=ABSENT)
    """A hash of all its files."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What other versions of codeclm-hf say."""
