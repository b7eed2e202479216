"""What a run starts from: seeds drawn, metadata given, and instructions shared out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from datasets import Dataset

from codeclm_hf import ids, schema
from codeclm_hf.errors import BadInput
from codeclm_hf.stages.encode import metadata_row, unusable
from codeclm_hf.stages.stage import Row

T = TypeVar("T")
_AT_ONCE = 1000


def given(metadata: Sequence[Mapping[str, Any]] | Dataset, size: int, seed: int) -> Dataset:
    """Metadata written by hand as a table, at most `size` rows of it.

    Raises:
        BadInput: a row has no use case or no skills.
    """
    rows: list[Row] = []
    for number, row in enumerate(metadata, start=1):
        use_case, skills = row.get("use_case"), row.get("skills")
        if not _text(use_case) or not isinstance(skills, list) or not skills or not all(map(_text, skills)):
            raise BadInput(
                f"needs a `use_case` and a list of `skills` in every metadata; number {number} is {dict(row)}"
            )
        rows.append(metadata_row(str(use_case), skills, origin="given", seed_ids=[]))
    kept = _draw(rows, size, seed, "given")
    return schema.table(kept, schema.METADATA)


def drawn(seeds: Dataset, column: str, size: int, seed: int) -> Dataset:
    """The seeds to encode: at most `size` distinct ones, drawn at random, and after them all that cannot be used.

    Raises:
        BadInput: there is no such column, or no seed at all.
    """
    if column not in seeds.column_names:
        have = ", ".join(f"`{name}`" for name in seeds.column_names)
        raise BadInput(f"needs a column `{column}`; the seeds have {have}; pass --column NAME")
    good: dict[str, int] = {}
    bad: list[Row] = []
    for start in range(0, len(seeds), _AT_ONCE):
        batch = seeds[start : start + _AT_ONCE]
        for offset, instruction in enumerate(batch[column]):
            at = start + offset
            if error := (batch["error"][offset] if "error" in batch else None) or unusable(instruction):
                place = batch["source"][offset] if "source" in batch else f"seed {at + 1}"
                bad.append(_seed(ids.row_id("unusable seed", at), None, f"{place}: {error}"))
            else:
                good.setdefault(ids.row_id("seed", instruction), at)
    if not good and not bad:
        raise BadInput("needs at least one seed instruction; came none")
    kept = [_seed(id, seeds[at][column], None) for id, at in _draw(list(good.items()), size, seed, "seeds")]
    return schema.table([*kept, *bad], schema.SEEDS)


def shared_out(metadata: Dataset, total: int) -> Dataset:
    """The metadata with how many instructions each is to give: the same number to within one, `total` in all."""
    usable = sum(use_case is not None for use_case in metadata["use_case"])
    share, extra = divmod(total, usable) if usable else (0, 0)
    numbers = iter([share + 1] * extra + [share] * (usable - extra))
    return metadata.add_column(
        "num_instructions", [next(numbers) if use_case is not None else 0 for use_case in metadata["use_case"]]
    )


def _seed(id: str, instruction: str | None, error: str | None) -> Row:
    return {"id": id, "instruction": instruction, "source": None, "error": error}


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _draw(rows: list[T], size: int, seed: int, what: str) -> list[T]:
    """At most so many rows, drawn at random and kept in their order."""
    kept = ids.rng(seed, "draw", what).sample(range(len(rows)), min(len(rows), max(size, 0)))
    return [rows[index] for index in sorted(kept)]
