"""The funnel: what became of every instruction that a run asked for, and what that cost."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

from datasets import Dataset

from codeclm_hf.card.shapes import ACCEPTED, Funnel, Outcome
from codeclm_hf.endpoints.budget import Answers, Budget
from codeclm_hf.run.instructions import MISSING
from codeclm_hf.run.selection import SURPLUS
from codeclm_hf.stages import contrast
from codeclm_hf.stages.contamination import CONTAMINATED
from codeclm_hf.stages.flags import BLOCKING, CUT_OFF, DEGENERATE, EMPTY
from codeclm_hf.stages.near_duplicates import DUPLICATE, NEAR_DUPLICATE
from codeclm_hf.stages.stage import Row

FAILED, EXHAUSTED = "failed", "exhausted"
"""What becomes of an instruction that is not accepted and has no flag."""
REASONS = (
    ACCEPTED,
    SURPLUS,
    DUPLICATE,
    NEAR_DUPLICATE,
    CONTAMINATED,
    MISSING,
    EXHAUSTED,
    CUT_OFF,
    EMPTY,
    DEGENERATE,
    FAILED,
)
"""What may become of an instruction, in the order in which it is told."""


def funnel(
    trace: Dataset,
    *,
    asked: int,
    rounds: int,
    rejected: Mapping[str, int],
    spent: Mapping[str, Sequence[Answers]],
    budget: Budget,
    implausible: int = 0,
    shortfall: str | None = None,
) -> Funnel:
    """Return what became of every instruction that a run asked for.

    A draft that was rejected cost nothing but the request for it, which is the cost of the stage `decode`. What
    an instruction cost from then on does not depend on whether its answers were in the journal.

    Args:
        trace: the table `schema.TRACE`, the rows of an instruction in their order.
        asked: drafts that were asked for.
        rounds: how often all metadata were asked.
        rejected: drafts that came to nothing, by reason.
        spent: the answers that each instruction took, by its id.
        budget: knows the prices.
        implausible: mixed metadata that were left out.
        shortfall: why fewer were accepted than were wanted, in words.
    """
    numbers, answers = Counter(rejected), dict[str, list[Answers]]()
    for root, reason in _reasons(trace).items():
        numbers[reason] += 1
        answers.setdefault(reason, []).extend(spent.get(root, ()))
    known = [reason for reason in REASONS if numbers[reason] or reason == ACCEPTED]
    others = sorted(reason for reason, number in numbers.items() if number and reason not in REASONS)
    outcomes = tuple(
        _outcome(reason, numbers[reason], answers.get(reason, []), budget) for reason in known + others
    )
    if (told := sum(numbers.values())) != asked:
        # No reason to lose what was paid for, but the tests raise it.
        warnings.warn(f"{asked} instructions were asked for, and {told} were counted", stacklevel=2)
    improvements = Counter(
        draft["reason"] for drafts in trace["rejected"] for draft in drafts or () if draft["reason"]
    )
    return Funnel(
        asked=asked,
        rounds=rounds,
        outcomes=outcomes,
        improvements=dict(sorted(improvements.items())),
        implausible=implausible,
        shortfall=shortfall,
    )


def outcome_of(row: Row) -> str:
    """Return what became of an instruction, by the last row of its trace."""
    if row["verdict"] in contrast.ACCEPTED:
        return str(row["removed"] or ACCEPTED).split()[0]
    if row["verdict"] == EXHAUSTED:
        return EXHAUSTED
    return next((flag for flag in BLOCKING if flag in (row["flags"] or ())), FAILED)


def _reasons(trace: Dataset) -> dict[str, str]:
    """Return what became of each instruction that was there, by its id."""
    columns = ["root_id", "instruction", "verdict", "removed", "flags"]
    # A later row of the same instruction replaces the one before; a missing instruction counts as a draft.
    return {row["root_id"]: outcome_of(row) for row in trace.select_columns(columns) if row["instruction"]}


def _outcome(reason: str, instructions: int, answers: Sequence[Answers], budget: Budget) -> Outcome:
    by_kind: dict[object, Answers] = {}
    for some in answers:
        by_kind[some.kind] = by_kind.get(some.kind, Answers(some.kind)).plus(*some[1:])
    return Outcome(
        reason=reason,
        instructions=instructions,
        requests=sum(some.answers for some in by_kind.values()),
        prompt_tokens=sum(some.prompt_tokens for some in by_kind.values()),
        completion_tokens=sum(some.completion_tokens for some in by_kind.values()),
        cost=budget.cost_of(by_kind.values()),
    )
