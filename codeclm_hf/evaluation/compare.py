"""Two evaluations of the same instructions: of two candidates by one judge, or of one candidate by two."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pyarrow as pa

from codeclm_hf.errors import BadInput
from codeclm_hf.evaluation import paired
from codeclm_hf.evaluation.comparisons import read_outcomes
from codeclm_hf.evaluation.paired import JudgeAgreement, RecoveryDifference
from codeclm_hf.evaluation.results import Models, no_evaluation, read_results


@dataclass(frozen=True)
class _Evaluation:
    """What is compared of an evaluation's folder."""

    folder: Path
    """Where it is."""
    models: Models
    """Who was compared; the judge with the hash of its prompt, since another prompt makes another judge."""
    outcomes: dict[str, str | None]
    """By instruction, "win", "tie" or "loss"; None where it could not be judged."""


def compare_evaluations(first: str | Path, second: str | Path) -> RecoveryDifference | JudgeAgreement:
    """Return how much more often one candidate recovers the reference, or how far two judges agree (§5.3).

    Args:
        first: a folder that `Evaluation.run` made.
        second: another, with the same reference and judge, or with the same candidate and reference.

    Raises:
        BadInput: a folder is no evaluation, both differ in more than that, or their instructions are not the
            same.
    """
    left, right = _read(Path(first).expanduser()), _read(Path(second).expanduser())
    roles = [field.name for field in fields(Models)]
    differing = [role for role in roles if getattr(left.models, role) != getattr(right.models, role)]
    if differing == ["judge"]:
        return paired.judge_agreement(left.outcomes, right.outcomes)
    if set(differing) <= {"candidate"}:
        return paired.recovery_difference(left.outcomes, right.outcomes)
    differences = "; ".join(
        f"the {role} is {getattr(left.models, role)} in {left.folder} and {getattr(right.models, role)} in "
        f"{right.folder}"
        for role in differing
    )
    raise BadInput(
        "needs two candidates with the same reference and judge, or two judges of the same candidate and "
        f"reference; {differences}"
    )


def _read(folder: Path) -> _Evaluation:
    results = read_results(folder)
    try:
        outcomes = read_outcomes(folder)
    except (OSError, pa.ArrowException) as exc:
        raise no_evaluation(folder, exc) from exc
    sides = asdict(results.models)
    sides["judge"] += f", by the prompt {results.settings.prompt}"
    for role in sides:  # the same model that is asked in another way is another side
        if added := results.settings.additions(role):
            sides[role] += f", with {added}"
    return _Evaluation(folder, Models(**sides), outcomes)
