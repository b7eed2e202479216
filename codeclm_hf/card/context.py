"""What a card speaks of: the names that a template may use, and what each of them holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from codeclm_hf import settings
from codeclm_hf.card.captions import MOST_BARS, captions, gap_bins, ratio
from codeclm_hf.card.languages import main_languages
from codeclm_hf.card.shapes import (
    ContaminationSummary,
    Counts,
    Distributions,
    Diversity,
    EvaluationSummary,
    Funnel,
    Languages,
    RowChanges,
    RunConfig,
    ScanResult,
    SeedSources,
    VersionDrift,
)
from codeclm_hf.json_types import from_json, to_json

TITLE = "# A data set tailored with CodecLM"
"""The first line of a card that has none of its own."""
OUTCOMES = {
    "accepted": "in the data set",
    "duplicate": "the same as another one, or as a seed",
    "near_duplicate": "nearly the same as another one, or as a seed",
    "contaminated": "shares words with an evaluation set",
    "missing": "not to be had: the model wrote no new one",
    "exhausted": "both answers were about as good, to the last version",
    "cut_off": "an answer had no end",
    "empty": "an answer was empty",
    "degenerate": "an answer repeats itself over and over",
    "failed": "could not be answered or judged",
    "surplus": "accepted, when there were enough",
}
"""What the reasons of a funnel mean, for readers."""


@dataclass(frozen=True, kw_only=True)
class CardContext:
    """What a card shows of one run directory or version.

    It is the contract of `codeclm-hf card --template`: a template may use the name of every field and
    property below. What stands behind a name has the fields that its class in `codeclm_hf.card.shapes`
    documents, so that a template can say `counts.metadata.total`, or `distributions.lengths.response.p95`.
    What may be missing is None. A template has these names besides:

    * `front`: the card's front matter, by key;
    * `name`: what `load_dataset` is to be called with;
    * `most`: how many lines a table of the card has at most;
    * `ratio(evaluation)`: the Capacity Recovery Ratio of one of the `evaluations`, with its interval;
    * `found`, `texts`, `unlike`, `trained` and `before`, for templates that know `distributions`,
      `prompt_texts`, `unusual_settings`, `target` and `previous_version` by these names;
    * the filters `named`, `fenced`, `coded` and `quoted`, which make a name, a long text, a short text that is
      shown as code, or a text in code harmless. Every expression without one of them is escaped;
    * the filter `money`, which writes an amount.
    """

    roles: Mapping[str, str]
    """Which model plays which role in this version: `strong`, `target` and `judge`."""
    config: RunConfig
    """What the run was asked for."""
    counts: Counts
    """How many rows there are, by stage, iteration and verdict."""
    models: tuple[tuple[str, str], ...] = ()
    """(role, model) of every model that made rows, also in earlier versions; this version's roles first."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """The hashes of the prompts, by name."""
    prompt_texts: Mapping[str, str] = field(default_factory=dict)
    """Their full texts."""
    distributions: Distributions | None = None
    """What the rows hold; None in manifests that say nothing of it."""
    languages: Languages | None = None
    """The languages of the instructions."""
    drift: VersionDrift | None = None
    """How far the names moved since the version before; None where no row of `default` changed."""
    funnel: Funnel | None = None
    """What became of the instructions that the newest run asked for; None where that is not known."""
    cost_per_row: float | None = None
    """What an accepted row of the newest run cost, losses included; None where models have no prices."""
    contamination: ContaminationSummary | None = None
    """What the newest run found in evaluation sets; None where it compared with none."""
    compared_with: tuple[tuple[str, ...], ...] = ()
    """The evaluation sets that texts were compared with, contribution by contribution; empty for none."""
    seeds: tuple[SeedSources, ...] = ()
    """Where the inputs come from, contribution by contribution."""
    scans: tuple[tuple[str | None, ScanResult], ...] = ()
    """(version, result) of the searches for secrets and personal data, one before each release."""
    version: str | None = None
    """The number of this version, such as 1.2.0; None before it is published, and in a pull request."""
    previous_version: str | None = None
    """The number of the version before."""
    changes: Mapping[str, RowChanges] = field(default_factory=dict)
    """Rows added, removed and changed since then, by table; tables without a change are left out."""
    incomplete: bool = False
    """Whether the version holds no row to train on."""
    evaluations: Mapping[str, EvaluationSummary] = field(default_factory=dict)
    """The evaluations that are published beside the data, by name."""
    system_prompts: tuple[tuple[str, str], ...] = ()
    """(role, system prompt) of the responses, contribution by contribution, where they had one."""
    added_fields: tuple[tuple[str, str], ...] = ()
    """(role, JSON) of the fields that were added to every request, where there were any."""
    answer_tokens: int = 0
    """Tokens that the models of this version's run wrote, thoughts included."""
    thinking_tokens: int = 0
    """Tokens of their thoughts alone."""
    tokens_estimated: bool = False
    """Whether some of these are our estimate, since a server counted none."""

    @property
    def title(self) -> Markup:
        """The card's first line, a heading."""
        return Markup(TITLE)

    @property
    def rows(self) -> Mapping[str, int]:
        """The rows of each table."""
        return self.counts.rows

    @property
    def target(self) -> str:
        """The model that the data set is for."""
        return self.roles.get("target", "the target")

    @property
    def unusual_settings(self) -> list[tuple[str, Any, Any]]:
        """(name, value here, value in the paper) of the settings that are not the paper's."""
        here = to_json(self.config)
        return [
            (name, here[name], usual)
            for name, usual in settings.PAPER.items()
            if here.get(name, usual) != usual
        ]

    @property
    def gaps(self) -> list[tuple[str, int]]:
        """(interval, judgements) of the gaps that were judged most often."""
        return gap_bins(self.distributions.gap) if self.distributions else []

    @property
    def outcomes(self) -> list[tuple[str, str, int, float, float | None]]:
        """(reason, meaning, instructions, share, cost) of all that became of the funnel's instructions."""
        funnel = self.funnel or Funnel(asked=0)
        return [
            (
                outcome.reason,
                OUTCOMES.get(outcome.reason, ""),
                outcome.instructions,
                outcome.instructions / funnel.asked if funnel.asked else 0.0,
                outcome.cost,
            )
            for outcome in funnel.outcomes
        ]

    @property
    def evaluation_sets(self) -> list[str]:
        """The names of all evaluation sets that texts were compared with."""
        return list(dict.fromkeys(name for names in self.compared_with for name in names))

    @property
    def uncompared(self) -> int:
        """How many of the runs that rows come from compared with none."""
        return self.compared_with.count(())

    @property
    def more_contaminated(self) -> int:
        """How many texts share words with an evaluation set besides those that `contamination` names."""
        found = self.contamination
        return sum(found.removed.values()) + found.allowed - len(found.found) if found else 0

    @property
    def diversity(self) -> list[tuple[str | None, Diversity]]:
        """(version, how much its instructions differ): of these rows (None), and of the version before."""
        here = self.distributions.diversity if self.distributions else None
        earlier = self.drift.diversity if self.drift else None
        found = [(None, here), (self.drift.since if self.drift else None, earlier)]
        return [(version, measured) for version, measured in found if measured] if here else []

    @property
    def flags(self) -> list[tuple[str, int, int]]:
        """(flag, responses of the strong model, and of the target, that have it), the most frequent first."""
        by_role = self.distributions.flags if self.distributions else {}
        strong, target = (by_role.get(role, {}) for role in ("strong", "target"))
        counted = [(flag, strong.get(flag, 0), target.get(flag, 0)) for flag in {**strong, **target}]
        return sorted(counted, key=lambda entry: (-entry[1] - entry[2], entry[0]))

    @property
    def pictures(self) -> dict[str, str]:
        """What each picture beside the card shows, by file name."""
        return captions(self.distributions, self.drift) if self.distributions else {}

    @property
    def spoken(self) -> list[str]:
        """The ISO 639-1 codes of the languages of at least a twentieth of the instructions."""
        return main_languages(self.languages)


_FIELDS = tuple(CardContext.__dataclass_fields__)
_PROPERTIES = (
    "title",
    "rows",
    "target",
    "unusual_settings",
    "gaps",
    "outcomes",
    "evaluation_sets",
    "uncompared",
    "more_contaminated",
    "diversity",
    "flags",
    "pictures",
    "spoken",
)
_PAIRS = (
    "models",
    "scans",
    "system_prompts",
    "added_fields",
    "unusual_settings",
    "gaps",
    "outcomes",
    "diversity",
    "flags",
)
"""Lists whose entries stay tuples, which a template may compare with others or use as keys."""
_OTHER_NAMES = {
    "found": "distributions",
    "texts": "prompt_texts",
    "unlike": "unusual_settings",
    "trained": "target",
    "before": "previous_version",
}
"""Names that a template may use instead of some others."""


def template_names(context: CardContext, front: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return everything that a template may speak of, by name, as plain values.

    Args:
        context: what the card shows.
        front: the card's front matter.
        name: what `load_dataset` is to be called with.
    """
    names = {term: to_json(getattr(context, term)) for term in (*_FIELDS, *_PROPERTIES)}
    names |= {term: [tuple(entry) for entry in names[term]] for term in _PAIRS}
    names |= {alias: names[term] for alias, term in _OTHER_NAMES.items()}
    return {**names, "front": front, "name": name, "most": MOST_BARS, "ratio": _ratio}


def _ratio(evaluation: Mapping[str, Any]) -> Markup:
    """Return the ratio, with its interval, of an `EvaluationSummary` as plain values."""
    return Markup(ratio(from_json(EvaluationSummary, evaluation)))
