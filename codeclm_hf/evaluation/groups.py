"""The Capacity Recovery Ratio of an evaluation's comparisons: of all of them, and of groups."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from codeclm_hf.evaluation.comparisons import Comparison
from codeclm_hf.evaluation.outcomes import recovery
from codeclm_hf.evaluation.results import Group, Result


def overall_result(comparisons: Sequence[Comparison]) -> Result:
    """The result of all comparisons together."""
    return Result(**_numbers(comparisons))


def group_results(comparisons: Sequence[Comparison], grouping: str) -> tuple[Group, ...]:
    """The result of each group, the highest ratio first.

    A comparison counts once with each name that it has; those without a name are a group whose name is None.

    Args:
        comparisons: what to group.
        grouping: one of `comparisons.GROUPINGS`.
    """
    members: dict[str | None, list[Comparison]] = defaultdict(list)
    for comparison in comparisons:
        for name in dict.fromkeys(comparison.names(grouping)) or (None,):
            members[name].append(comparison)
    groups = [Group(name=name, **_numbers(group)) for name, group in members.items()]
    return tuple(sorted(groups, key=_rank))


def _numbers(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """The fields of `Result`."""
    recovered = recovery(
        [comparison.candidate_scores for comparison in comparisons],
        [comparison.reference_scores for comparison in comparisons],
    )._asdict()
    numbers = {name: None if math.isnan(number) else number for name, number in recovered.items()}
    return {"instructions": len(comparisons), "not_judged": numbers.pop("unreadable"), **numbers}


def _rank(group: Group) -> tuple[float, bool, str]:
    """The place of a group: by its ratio, unknown ratios last, then by its name, the unnamed group last."""
    ratio = group.capacity_recovery_ratio
    return (1.0 if ratio is None else -ratio), group.name is None, group.name or ""
