"""The Capacity Recovery Ratio of an evaluation's comparisons: of all of them, and of groups."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from codeclm_hf.evaluation.comparisons import Comparison
from codeclm_hf.evaluation.outcomes import recovery
from codeclm_hf.evaluation.results import Group, Result


def result_of(comparisons: Sequence[Comparison]) -> Result:
    """Return the result of all comparisons together."""
    recovered = recovery(
        [comparison.candidate_scores for comparison in comparisons],
        [comparison.reference_scores for comparison in comparisons],
    )
    return Result(
        instructions=len(comparisons),
        not_judged=recovered.unreadable,
        wins=recovered.wins,
        ties=recovered.ties,
        losses=recovered.losses,
        comparisons=recovered.comparisons,
        capacity_recovery_ratio=_number(recovered.capacity_recovery_ratio),
        wilson_low=_number(recovered.wilson_low),
        wilson_high=_number(recovered.wilson_high),
        bootstrap_low=_number(recovered.bootstrap_low),
        bootstrap_high=_number(recovered.bootstrap_high),
        order_disagreement=_number(recovered.order_disagreement),
    )


def group_results(comparisons: Sequence[Comparison], grouping: str) -> tuple[Group, ...]:
    """Return the result of each group, the highest ratio first.

    A comparison counts once with each name that it has; those without a name are a group whose name is None.

    Args:
        comparisons: what to group.
        grouping: one of `comparisons.GROUPINGS`.
    """
    members: dict[str | None, list[Comparison]] = defaultdict(list)
    for comparison in comparisons:
        for name in dict.fromkeys(comparison.names(grouping)) or (None,):
            members[name].append(comparison)
    groups = [Group(name=name, **vars(result_of(group))) for name, group in members.items()]
    return tuple(sorted(groups, key=_rank))


def _number(value: float) -> float | None:
    """Return the value; None where it is not a number."""
    return None if math.isnan(value) else value


def _rank(group: Group) -> tuple[float, bool, str]:
    """Return what groups are sorted by: the ratio, unknown ones last, then the name, no name last."""
    ratio = group.capacity_recovery_ratio
    return (1.0 if ratio is None else -ratio), group.name is None, group.name or ""
