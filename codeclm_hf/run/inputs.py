"""What a run starts from: a sample of the seeds, and metadata written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

from datasets import Dataset

from codeclm_hf import ids, schema
from codeclm_hf.card.shapes import SeedSources
from codeclm_hf.errors import BadInput
from codeclm_hf.settings import check_settings
from codeclm_hf.stages.contamination import Contamination
from codeclm_hf.stages.encode import instruction_fault, metadata_row
from codeclm_hf.stages.stage import Row

T = TypeVar("T")
_AT_ONCE = 1000
MOST_SOURCES = 20
"""Names of files or data sets that a manifest lists."""
MOST_KNOWN = 100_000
"""Seeds that new instructions are compared with."""


class SeedSamples(NamedTuple):
    """What a run takes of its seeds."""

    to_encode: Dataset
    """The table `schema.SEEDS`, with all seeds that cannot be used at its end."""
    known: tuple[tuple[str, str], ...]
    """(id, text) of at most `MOST_KNOWN` usable seeds, which no instruction may repeat."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RunInputs:
    """What `CodecLM.run` is called with, but for the folder, the budget and who hears of progress.

    Raises:
        BadInput: a number is out of its range, there are no inputs, or the seeds are no table.
    """

    seeds: Dataset | None
    """A table with instructions of the target distribution."""
    metadata: Sequence[Mapping[str, Any]] | Dataset | None
    """Rows with a `use_case` and `skills`, written by hand."""
    column: str
    """The seeds' column that holds the instruction."""
    num_instructions: int
    """Basic instructions to make, in all."""
    num_examples: int | None = None
    """Rows to accept; None where a number of instructions is to be made."""
    num_metadata: int
    """Metadata to have after mixing and matching."""
    metadata_fraction: float
    """Share of them to use (fig. 4)."""
    contamination: Contamination = field(default_factory=Contamination)
    """What evaluation sets hold."""

    def __post_init__(self) -> None:
        check_settings(
            num_examples=self.num_examples,
            num_instructions=self.num_instructions,
            num_metadata=self.num_metadata,
            metadata_fraction=self.metadata_fraction,
        )
        if self.seeds is None and self.metadata is None:
            raise BadInput("needs seed instructions, or metadata written by hand; came neither")
        if self.seeds is not None and not isinstance(self.seeds, Dataset):
            kind = type(self.seeds).__name__
            raise BadInput(f"needs the seeds as a datasets.Dataset (one split); came a {kind}")

    @property
    def most_metadata(self) -> int:
        """Metadata after mixing and matching: at most one an instruction, or one an example."""
        return min(self.num_metadata, self.num_examples or self.num_instructions)

    def written_metadata(self, seed: int) -> Dataset:
        """Return a sample of the metadata written by hand, as the table `schema.METADATA`.

        Raises:
            BadInput: a row has no use case or no skills.
        """
        sample = _Sample[tuple[int, Row]](self.most_metadata, seed)
        for number, row in enumerate(self.metadata if self.metadata is not None else [], start=1):
            use_case, skills = row.get("use_case"), row.get("skills")
            if not (_text(use_case) and isinstance(skills, list) and skills and all(map(_text, skills))):
                raise BadInput(
                    "needs a `use_case` and a list of `skills` in every metadata; "
                    f"number {number} is {dict(row)}"
                )
            entry = metadata_row(str(use_case), skills, origin="given", seed_ids=[])
            sample.offer(entry["metadata_id"], (number, entry))
        return schema.table(
            [entry for _, entry in sorted(sample.items(), key=itemgetter(0))], schema.METADATA
        )

    def seed_samples(self, size: int, seed: int) -> SeedSamples:
        """Return a sample of the seeds to encode, and a larger one to compare with; the seeds are read once.

        Args:
            size: most seeds to encode.
            seed: the run's seed.

        Raises:
            BadInput: there is no such column, or no seed at all.
        """
        if self.seeds is None:
            return SeedSamples(schema.table([], schema.SEEDS), ())
        rows = sample_seeds(self.seeds, self.column, max(size, MOST_KNOWN), seed).to_list()
        draws = {row["id"]: _draw(seed, row["instruction"]) for row in rows if row["error"] is None}
        # the smallest hashes of the larger sample are those of the smaller one
        in_order = sorted(draws, key=draws.__getitem__)
        to_encode, known = set(in_order[: max(size, 0)]), set(in_order[:MOST_KNOWN])
        table = [row for row in rows if row["error"] or row["id"] in to_encode]
        return SeedSamples(
            schema.table(table, schema.SEEDS),
            tuple((row["id"], row["instruction"]) for row in rows if row["id"] in known),
        )


def sample_seeds(seeds: Dataset, column: str, size: int, seed: int) -> Dataset:
    """Return a sample of at most `size` distinct seeds to encode, then all seeds that cannot be used.

    Raises:
        BadInput: there is no such column, or no seed at all.
    """
    if column not in seeds.column_names:
        have = ", ".join(f"`{name}`" for name in seeds.column_names)
        raise BadInput(f"needs a column `{column}`; the seeds have {have}; pass --column NAME")
    if not len(seeds):
        raise BadInput("needs at least one seed instruction; came none")
    # Only in a table of `schema.SEEDS` do `error` and `source` mean what they mean here.
    is_seed_table = set(schema.SEEDS) <= set(seeds.column_names)
    seeds = seeds.select_columns([column, "error", "source"] if is_seed_table else [column])
    sample, unusable_rows = _Sample[int](size, seed), []
    for start in range(0, len(seeds), _AT_ONCE):
        batch = seeds[start : start + _AT_ONCE]
        for at, instruction in enumerate(batch[column], start=start):
            if error := instruction_fault(instruction):
                error = batch["error"][at - start] or error if is_seed_table else error
                place = batch["source"][at - start] if is_seed_table else f"seed {at + 1}"
                unusable_rows.append(_seed(ids.row_id("unusable seed", at), None, f"{place}: {error}"))
            else:
                sample.offer(instruction, at)
    texts = [seeds[at][column] for at in sorted(sample.items())]
    usable_rows = [_seed(ids.row_id("seed", text), text, None) for text in texts]
    return schema.table([*usable_rows, *unusable_rows], schema.SEEDS)


def seed_sources(
    seeds: Dataset | None, metadata: Sequence[Any] | Dataset | None, edited: Dataset | None = None
) -> SeedSources:
    """Return where a run's inputs come from; the license is that of the seeds' `Dataset.info`."""
    sources: set[str] = set()
    if seeds is not None and set(schema.SEEDS) <= set(seeds.column_names):
        for batch in seeds.select_columns("source").iter(_AT_ONCE):
            sources |= {source.rpartition(":")[0] for source in batch["source"] if source}
    license = seeds.info.license if seeds is not None else ""
    return SeedSources(
        rows=len(seeds) if seeds is not None else 0,
        sources=tuple(sorted(sources)[:MOST_SOURCES]),
        given=len(metadata) if metadata is not None else 0,
        edited=len(edited) - edited["use_case"].count(None) if edited is not None else 0,
        license=license or None,
    )


def _seed(id: str, instruction: str | None, error: str | None) -> Row:
    return {"id": id, "instruction": instruction, "source": None, "error": error}


def _draw(seed: int, content: str) -> str:
    """Return the hash by which contents are drawn, the smallest first."""
    return ids.digest(seed, "draw", content)


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


class _Sample(Generic[T]):
    """A random sample of distinct contents, drawn in one pass and in the memory of the sample.

    It holds the contents of the smallest hashes. So it depends on the contents alone, not on their order, and
    more contents displace few.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = max(size, 0)
        self._seed = seed
        self._kept: dict[str, T] = {}

    def offer(self, content: str, item: T) -> None:
        self._kept.setdefault(_draw(self._seed, content), item)
        if len(self._kept) > 2 * self._size + _AT_ONCE:
            self._prune()

    def items(self) -> list[T]:
        self._prune()
        return list(self._kept.values())

    def _prune(self) -> None:
        self._kept = dict(sorted(self._kept.items(), key=itemgetter(0))[: self._size])
