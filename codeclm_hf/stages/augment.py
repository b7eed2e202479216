"""Augment: mix and match metadata into a larger set (A.3), and sub-sample it (fig. 4). No model is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

from datasets import Dataset

from codeclm_hf import ids, schema
from codeclm_hf.stages.encode import MOST_SKILLS, metadata_row
from codeclm_hf.stages.names import spellings
from codeclm_hf.stages.stage import Row

MOST_MISSES = 1000
"""Draws in a row that bring nothing new, after which the combinations count as used up."""


def augment(
    metadata: Dataset, size: int, *, seed: int = 0, without: Collection[str] = frozenset()
) -> Dataset:
    """Return a larger metadata table, without duplicates and with new pairs of a use case and skills (A.3).

    Pairs are drawn until there are `size` rows. A use case is drawn from the set of use cases, and 1–3 skills
    without replacement from the union of all skills. Spellings of one name (see `codeclm_hf.stages.names`)
    become its most frequent one before. Rows without a use case stay, at the end.

    Args:
        metadata: a metadata table.
        size: rows with a use case to end with; there are fewer when the combinations run out.
        seed: the run's seed.
        without: ids of metadata that must not be drawn.
    """
    rows = one_spelling(metadata.to_list())
    by_id: dict[str, Row] = {}
    for row in (row for row in rows if row["use_case"]):
        first = by_id.setdefault(row["metadata_id"], row)
        first["seed_ids"] = list(dict.fromkeys([*first["seed_ids"], *row["seed_ids"]]))
    use_cases = _first_seen(by_id, lambda row: [row["use_case"]])
    skills = _first_seen(by_id, lambda row: row["skills"])
    draw = ids.rng(seed, "augment")
    misses = 0
    while use_cases and skills and len(by_id) < size and misses < MOST_MISSES:
        use_case = draw.choice(list(use_cases))
        mixed = draw.sample(list(skills), draw.randint(1, min(MOST_SKILLS, len(skills))))
        sources = [use_cases[use_case], *(skills[skill] for skill in mixed)]
        new = metadata_row(
            use_case,
            mixed,
            origin="augmented",
            seed_ids=list(dict.fromkeys(seed for seed in sources if seed)),
        )
        if new["metadata_id"] in by_id or new["metadata_id"] in without:
            misses += 1
            continue
        misses = 0
        by_id[new["metadata_id"]] = new
    return schema.table([*by_id.values(), *(row for row in rows if not row["use_case"])], schema.METADATA)


def one_spelling(rows: list[Row]) -> list[Row]:
    """Return the rows with the most frequent spelling of every use case and skill; each seed of a row counts.

    A row whose names are spelt so already stays as it is, its id included.
    """
    use_cases, skills = Counter[str](), Counter[str]()
    for row in (row for row in rows if row["use_case"]):
        mentions = max(1, len(row["seed_ids"]))
        use_cases[row["use_case"]] += mentions
        skills.update(dict.fromkeys(row["skills"], mentions))
    use_case_of, skill_of = spellings(use_cases), spellings(skills)
    return [_respelt(row, use_case_of, skill_of) if row["use_case"] else row for row in rows]


def _respelt(row: Row, use_case_of: dict[str, str], skill_of: dict[str, str]) -> Row:
    use_case = use_case_of[row["use_case"]]
    skills = list(dict.fromkeys(skill_of[skill] for skill in row["skills"]))
    if (use_case, skills) == (row["use_case"], row["skills"]):
        return row
    new = metadata_row(use_case, skills, origin=row["origin"], seed_ids=row["seed_ids"])
    kept = {name: row[name] for name in ("rubrics", "actions", "error")}
    return {**new, **kept}


def subsample(metadata: Dataset, fraction: float, *, seed: int = 0) -> Dataset:
    """Return a share of the metadata, drawn at random: at least one row (fig. 4).

    Rows without a use case stay.
    """
    rows = metadata.to_list()
    good = [index for index, row in enumerate(rows) if row["use_case"]]
    size = min(len(good), max(1, round(fraction * len(good))))
    dropped = set(good) - set(ids.rng(seed, "subsample").sample(good, size))
    return schema.table([row for index, row in enumerate(rows) if index not in dropped], schema.METADATA)


def _first_seen(rows: dict[str, Row], values: Callable[[Row], list[str]]) -> dict[str, str | None]:
    """Return each distinct value with the seed where it was first seen, in the order of the table."""
    seen: dict[str, tuple[str, str | None]] = {}
    for row in rows.values():
        for value in values(row):
            seen.setdefault(value.casefold(), (value, row["seed_ids"][0] if row["seed_ids"] else None))
    return dict(seen.values())
