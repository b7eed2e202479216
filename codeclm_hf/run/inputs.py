"""What a run starts from: seeds drawn, metadata given, and instructions shared out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Generic, TypeVar

from datasets import Dataset

from codeclm_hf import ids, schema
from codeclm_hf.card.shapes import SeedSources
from codeclm_hf.errors import BadInput
from codeclm_hf.stages.encode import instruction_fault, metadata_row
from codeclm_hf.stages.stage import Row

T = TypeVar("T")
_AT_ONCE = 1000
MOST_SOURCES = 20
"""Names of files or data sets that a manifest lists."""


def given(metadata: Sequence[Mapping[str, Any]] | Dataset, size: int, seed: int) -> Dataset:
    """Metadata written by hand as a table, at most `size` rows of it.

    Raises:
        BadInput: a row has no use case or no skills.
    """
    rows = _Draw[tuple[int, Row]](size, seed)
    for number, row in enumerate(metadata, start=1):
        use_case, skills = row.get("use_case"), row.get("skills")
        if not _text(use_case) or not isinstance(skills, list) or not skills or not all(map(_text, skills)):
            raise BadInput(
                f"needs a `use_case` and a list of `skills` in every metadata; number {number} is {dict(row)}"
            )
        made = metadata_row(str(use_case), skills, origin="given", seed_ids=[])
        rows.offer(made["metadata_id"], (number, made))
    return schema.table([row for _, row in sorted(rows.kept(), key=itemgetter(0))], schema.METADATA)


def drawn(seeds: Dataset, column: str, size: int, seed: int) -> Dataset:
    """The seeds to encode: at most `size` distinct ones, drawn at random, and after them all that cannot be used.

    Raises:
        BadInput: there is no such column, or no seed at all.
    """
    if column not in seeds.column_names:
        have = ", ".join(f"`{name}`" for name in seeds.column_names)
        raise BadInput(f"needs a column `{column}`; the seeds have {have}; pass --column NAME")
    if not len(seeds):
        raise BadInput("needs at least one seed instruction; came none")
    # Only in a table of ours do `error` and `source` mean what they mean here.
    ours = set(schema.SEEDS) <= set(seeds.column_names)
    seeds = seeds.select_columns([column, "error", "source"] if ours else [column])
    good, bad = _Draw[int](size, seed), []
    for start in range(0, len(seeds), _AT_ONCE):
        batch = seeds[start : start + _AT_ONCE]
        for at, instruction in enumerate(batch[column], start=start):
            if error := instruction_fault(instruction):
                error = batch["error"][at - start] or error if ours else error
                place = batch["source"][at - start] if ours else f"seed {at + 1}"
                bad.append(_seed(ids.row_id("unusable seed", at), None, f"{place}: {error}"))
            else:
                good.offer(instruction, at)
    kept = [seeds[at][column] for at in sorted(good.kept())]
    return schema.table([*(_seed(ids.row_id("seed", text), text, None) for text in kept), *bad], schema.SEEDS)


def provenance(seeds: Dataset | None, given: Sequence[Any] | Dataset | None) -> SeedSources:
    """Where a run's inputs come from, for the manifest; the license is that of the seeds' `Dataset.info`."""
    sources: set[str] = set()
    if seeds is not None and set(schema.SEEDS) <= set(seeds.column_names):
        for batch in seeds.select_columns("source").iter(_AT_ONCE):
            sources |= {source.rpartition(":")[0] for source in batch["source"] if source}
    license = seeds.info.license if seeds is not None else ""
    return SeedSources(
        rows=len(seeds) if seeds is not None else 0,
        sources=tuple(sorted(sources)[:MOST_SOURCES]),
        given=len(given) if given is not None else 0,
        license=license or None,
    )


def shared_out(metadata: Dataset, total: int) -> Dataset:
    """The metadata with how many instructions each is to give: the same number to within one, `total` in all."""
    usable = sum(use_case is not None for use_case in metadata["use_case"])
    share, extra = divmod(total, usable) if usable else (0, 0)
    numbers = iter([share + 1] * extra + [share] * (usable - extra))
    return metadata.add_column(
        "num_instructions",
        [next(numbers) if use_case is not None else 0 for use_case in metadata["use_case"]],
    )


def _seed(id: str, instruction: str | None, error: str | None) -> Row:
    return {"id": id, "instruction": instruction, "source": None, "error": error}


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


class _Draw(Generic[T]):
    """A random sample of distinct contents, in one pass and the memory of the sample: those of the smallest hashes.

    It depends on the contents alone, not on their order, and more of them displace few.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = max(size, 0)
        self._seed = seed
        self._kept: dict[str, T] = {}

    def offer(self, content: str, item: T) -> None:
        self._kept.setdefault(ids.digest(self._seed, "draw", content), item)
        if len(self._kept) > 2 * self._size + _AT_ONCE:
            self._prune()

    def kept(self) -> list[T]:
        self._prune()
        return list(self._kept.values())

    def _prune(self) -> None:
        self._kept = dict(sorted(self._kept.items(), key=itemgetter(0))[: self._size])
