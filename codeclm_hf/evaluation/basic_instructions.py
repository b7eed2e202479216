"""How often the target does as well as the strong model before any instruction was tailored to it."""

from __future__ import annotations

from datasets import Dataset

from codeclm_hf.evaluation.outcomes import Recovery, recovery


def target_recovery(trace: Dataset) -> Recovery | None:
    """Return the target's Capacity Recovery Ratio (§5.3) on the basic instructions of a run.

    Args:
        trace: a run's table of that name, where a judge scored the answers of both models in both orders.

    Returns:
        The ratio, with what it is made of; None where no basic instruction was judged.
    """
    judged = [row for row in trace if row["iteration"] == 1 and row["gap"] is not None]
    if not judged:
        return None
    orders = [(row["scores_strong_first"], row["scores_target_first"]) for row in judged]
    return recovery(
        predictions=[[target for _, target in both] for both in orders],
        references=[[strong for strong, _ in both] for both in orders],
    )
