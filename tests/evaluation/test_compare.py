"""Two evaluations beside each other: which candidate does better, and how far judges agree."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from codeclm_hf import files, schema
from codeclm_hf.evaluation.compare import compare_evaluations
from codeclm_hf.evaluation.paired import JudgeAgreement, RecoveryDifference
from codeclm_hf.evaluation.results import results_text
from support.command_line import Cli, output_of, refusal_of
from support.evaluations import MODELS, results_of

Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Make what is read of an evaluation's folder: an outcome an instruction."""

    def make(name: str, outcomes: dict[str | None, str | None], prompt: str = "0a", **models: str) -> Path:
        rows: list[dict[str, Any]] = [
            {**dict.fromkeys(schema.COMPARISONS), "instruction": text, "outcome": one}
            for text, one in outcomes.items()
        ]
        table = schema.table(rows, schema.COMPARISONS)
        batches = Dataset.with_format(table, "arrow")[:].to_batches()
        files.write_parquet(tmp_path / name / "data" / "comparisons", batches, table.features.arrow_schema)
        results = results_of([], replace(MODELS, **models), prompt)
        (tmp_path / name / "results.json").write_text(results_text(results))
        return tmp_path / name

    return make


def outcomes(recovered: int, of: int = 20) -> dict[str | None, str | None]:
    return {f"Do {n}.": "win" if n < recovered else "loss" for n in range(of)}


def test_two_candidates_are_compared_on_the_same_instructions(folder: Folder, cli: Cli) -> None:
    """With the sign test and the interval of the difference, AFTER less BEFORE; what was not judged is left out."""
    before = folder("before", {**outcomes(8), "Do 3.": None, None: None})
    after = folder("after", outcomes(16), candidate="tuned")
    found = compare_evaluations(after, before)
    assert isinstance(found, RecoveryDifference)
    assert (found.only_first, found.only_second, found.instructions, found.unreadable) == (8, 0, 19, 1)
    told = output_of(cli("compare", before, after))
    assert f" 36.8 %  {before}, which alone recovers 0\n 78.9 %  {after}, which alone recovers 8\n" in told
    assert "+42.1 points (+21.1 to +63.2) on 19 instructions; sign test p = 0.00781" in told
    assert "left out: 1" in told


def test_two_judges_of_one_candidate_are_asked_how_far_they_agree(folder: Folder, cli: Cli) -> None:
    """By Cohen's κ; another prompt makes another judge."""
    one, other = folder("one", outcomes(10)), folder("other", outcomes(8), judge="fourth")
    assert isinstance(compare_evaluations(one, other), JudgeAgreement)
    assert "the judges agree on 18 of 20 instructions; Cohen's κ 0.80 (" in output_of(
        cli("compare", one, other)
    )
    assert "the judges agree on 20 of 20" in output_of(
        cli("compare", one, folder("again", outcomes(10), prompt="0b"))
    )


def test_what_cannot_be_compared_is_refused(folder: Folder, cli: Cli) -> None:
    """Another reference, other instructions, or no evaluation at all."""
    one = folder("one", outcomes(10))
    words = refusal_of(cli("compare", one, folder("other", outcomes(8), reference="huge")))
    assert (
        "needs two candidates with the same reference and judge" in words
        and "the reference is huge in" in words
    )
    words = refusal_of(cli("compare", one, folder("fewer", outcomes(8, 10), candidate="tuned")))
    assert "needs the same instructions on both sides" in words
    shutil.rmtree(one / "data")
    assert "needs the same instructions" in refusal_of(cli("compare", one, folder("again", outcomes(8))))
    assert "is none" in refusal_of(cli("compare", one / "nothing", one))
