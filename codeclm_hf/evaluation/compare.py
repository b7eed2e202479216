"""Two evaluations on the same instructions: two candidates under one judge, or two judges of the same candidate."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from codeclm_hf.errors import BadInput
from codeclm_hf.evaluation import paired, report
from codeclm_hf.evaluation.paired import Agreement, Comparison


@dataclass(frozen=True)
class Folder:
    """What is compared of an evaluation's folder."""

    path: Path
    """Where it is."""
    models: dict[str, str]
    """By role: the candidate, the reference and the judge."""
    outcomes: dict[str, str | None]
    """By instruction, "win", "tie" or "loss"; None where it could not be judged."""


def compare(first: str | Path, second: str | Path) -> Comparison | Agreement:
    """Whether one candidate recovers the reference more often than another; of two judges, how far they agree (§5.3).

    Args:
        first: a folder that `Evaluation.run` made.
        second: another, with the same reference and judge, or with the same candidate and reference.

    Raises:
        BadInput: a folder is no evaluation, both differ in more than that, or their instructions are not the same.
    """
    one, other = opened(first), opened(second)
    differ = [role for role in one.models if one.models[role] != other.models.get(role)]
    if differ == ["judge"]:
        return paired.agreement(one.outcomes, other.outcomes)
    if set(differ) <= {"candidate"}:
        return paired.compare(one.outcomes, other.outcomes)
    told = "; ".join(f"the {role} is {one.models[role]} in {one.path} and {other.models[role]} in {other.path}"
                     for role in differ)  # fmt: skip
    raise BadInput(
        f"needs two candidates with the same reference and judge, or two judges of the same candidate and reference; "
        f"{told}"
    )


def opened(folder: str | Path) -> Folder:
    """A folder that `Evaluation.run` made.

    Raises:
        BadInput: it is none.
    """
    path = Path(folder).expanduser()
    try:
        results: dict[str, Any] = json.loads((path / report.RESULTS).read_text(encoding="utf-8"))
        files = sorted((path / report.COMPARISONS).glob("*.parquet"))
        rows = [
            row
            for file in files
            for row in pq.read_table(file, columns=["instruction", "outcome"]).to_pylist()
        ]
        models = {role: str(results["models"][role]) for role in ("candidate", "reference", "judge")}
        # the same model with another prompt is another judge
        models["judge"] += f", by the prompt {results['settings']['prompt']}"
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException) as exc:
        words = " ".join(str(exc).split())
        raise BadInput(f"needs a folder that codeclm-hf evaluate made; {path} is none ({words})") from exc
    return Folder(
        path, models, {row["instruction"]: row["outcome"] for row in rows if row["instruction"] is not None}
    )
