"""Check metadata: the strong model says which mixed pairs make sense (in place of the authors, A.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from datasets import Dataset, Features

from codeclm_hf import schema
from codeclm_hf.endpoints.protocol import Endpoint
from codeclm_hf.errors import RowError
from codeclm_hf.prompts import Prompt, load
from codeclm_hf.stages.augment import augment
from codeclm_hf.stages.parsing import answers
from codeclm_hf.stages.stage import Row, Stage
from codeclm_hf.stages.structured import ask, object_of

TOKENS = 64
"""Room for a yes or a no."""
MOST_DRAWS = 3
"""How often metadata are mixed at most: at first, and in place of those that were implausible."""


@dataclass(frozen=True, kw_only=True)
class CheckMetadata(Stage):
    """Metadata → the same metadata without the mixed rows that are implausible (A.3).

    Takes and makes the table `schema.METADATA`. Rows that were not mixed are not asked about, and a row whose
    answer cannot be read stays.
    """

    features: ClassVar[Features] = schema.METADATA
    needs: ClassVar[tuple[str, ...]] = tuple(schema.METADATA)

    strong: Endpoint
    """The model that is asked, greedily."""
    prompt: Prompt = field(default_factory=lambda: load("check_metadata"))
    """Filled in with `use_case` and `skills`."""

    @property
    def name(self) -> str:
        """The stage's name in progress reports and in a manifest's usage."""
        return "check"

    async def rows(self, row: Row) -> list[Row]:
        """Return the row, or nothing if the model calls it implausible."""
        if row["origin"] != "augmented":
            return [row]
        try:
            plausible = await ask(
                self.strong,
                self.prompt.messages(use_case=row["use_case"], skills=row["skills"]),
                lambda completion: answers.plausible(completion.text),
                schema=object_of(plausible={"type": "boolean"}),
                seed=self.seed,
                about=(self.name, row["metadata_id"]),
                temperature=0,
                max_new_tokens=TOKENS,
            )
        except RowError:
            return [row]
        return [row] if plausible else []


class PlausibleMix(NamedTuple):
    """Mixed metadata of which the implausible were left out."""

    metadata: Dataset
    """The table `schema.METADATA`."""
    implausible: int
    """How many were left out."""


def plausible_mix(
    metadata: Dataset,
    size: int,
    *,
    check: CheckMetadata,
    map: Callable[[Stage, Dataset], Dataset],
) -> PlausibleMix:
    """Return a larger metadata table, as `augment` does, of which no mixed row is implausible.

    Others are drawn in place of those that are, `MOST_DRAWS` times at most; then the table stays smaller.

    Args:
        metadata: a metadata table.
        size: rows with a use case to end with.
        check: whom to ask, and the run's seed.
        map: maps a stage over a table.
    """
    implausible, checked = set[str](), set[str]()
    mixed = augment(metadata, size, seed=check.seed)
    for _ in range(MOST_DRAWS):
        rows = [row for row in mixed if row["origin"] == "augmented" and row["metadata_id"] not in checked]
        if not rows:
            break
        new = {row["metadata_id"] for row in rows}
        kept = set(map(check, schema.table(rows, schema.METADATA))["metadata_id"])
        checked |= new
        implausible |= new - kept
        mixed = augment(metadata, size, seed=check.seed, without=implausible)
    usable = checked - implausible
    rest = [row for row in mixed if row["origin"] != "augmented" or row["metadata_id"] in usable]
    return PlausibleMix(schema.table(rest, schema.METADATA), len(implausible))
