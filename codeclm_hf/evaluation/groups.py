"""Capacity recovery of an evaluation's comparisons: of all, and by the names that its rows have."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from codeclm_hf.evaluation.outcomes import recovery


def recovered(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `outcomes.recovery` says of rows of `schema.COMPARISONS`.

    Returns:
        Its numbers; `instructions` is how many rows there are, and `not_judged` how many of these have no scores.
    """
    orders = [(row["scores_candidate_first"], row["scores_reference_first"]) for row in rows]
    candidate, reference = (
        [[one[side] for one in both] if all(both) else None for both in orders] for side in (0, 1)
    )
    found = recovery(candidate, reference)
    return {"instructions": len(rows), "not_judged": found.pop("unreadable"), **found}


def grouped(
    rows: Sequence[Mapping[str, Any]], names: Callable[[Mapping[str, Any]], Iterable[str]]
) -> list[dict[str, Any]]:
    """The same by name, the highest ratio first; a row counts once with each of its names, or with None if it has none.

    Args:
        rows: of `schema.COMPARISONS`.
        names: the names of a row.
    """
    groups: dict[str | None, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        for name in dict.fromkeys(names(row)) or [None]:
            groups[name].append(row)
    found = [{"name": name, **recovered(of)} for name, of in groups.items()]
    return sorted(
        found, key=lambda one: (-_known(one["capacity_recovery_ratio"]), one["name"] is None, one["name"])
    )


def _known(ratio: float) -> float:
    return -1.0 if math.isnan(ratio) else ratio
