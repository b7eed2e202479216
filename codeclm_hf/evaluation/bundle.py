"""Evaluations that are published beside a data set: their reports, results, pictures and comparisons."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from codeclm_hf import schema
from codeclm_hf.card.shapes import EvaluationSummary
from codeclm_hf.errors import BadInput
from codeclm_hf.evaluation.comparisons import COMPARISONS, comparison_files
from codeclm_hf.evaluation.report import PICTURES, REPORT
from codeclm_hf.evaluation.results import RESULTS, EvaluationResults, no_evaluation, read_results
from codeclm_hf.files import read_parquet, sha256
from codeclm_hf.run import directory

FOLDER = "evaluations"
"""Where they stand on the Hub, each in a folder of its own name."""
_NAME = r"[A-Za-z0-9][\w.-]*"


@dataclass(frozen=True)
class EvaluationBundle:
    """An evaluation's folder without its journal: what is published of it."""

    name: str
    """The folder's name, here and on the Hub."""
    results: EvaluationResults
    """Its numbers."""
    texts: Mapping[str, str]
    """The report and the results, by file name."""
    figures: Mapping[str, bytes]
    """The report's pictures, by file name."""
    comparisons: Sequence[Path]
    """The Parquet files of the comparisons, in order."""

    @property
    def files(self) -> dict[str, Path | bytes]:
        """All files, by their names on the Hub: where the content is, or the content."""
        named: dict[str, Path | bytes] = {name: text.encode() for name, text in self.texts.items()}
        named |= {f"{directory.FIGURES}/{name}": png for name, png in self.figures.items()}
        named |= {f"{COMPARISONS}/{file.name}": file for file in self.comparisons}
        return {f"{FOLDER}/{self.name}/{name}": content for name, content in named.items()}

    @property
    def summary(self) -> EvaluationSummary:
        """What the manifest says of it: the models, the outcome, and a hash of all files."""
        overall = self.results.overall
        return EvaluationSummary(
            models=asdict(self.results.models),
            judge_fit=self.results.judge.fit,
            comparisons=overall.comparisons,
            not_judged=overall.not_judged,
            capacity_recovery_ratio=overall.capacity_recovery_ratio,
            wilson_low=overall.wilson_low,
            wilson_high=overall.wilson_high,
            digest=self._digest(),
        )

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            digest.update(f"{name} {sha256(content)}\n".encode())
        return digest.hexdigest()[:16]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the comparisons' rows, in order."""
        return read_parquet(self.comparisons)


def read_bundles(folders: Collection[str | Path]) -> dict[str, EvaluationBundle]:
    """Return the evaluations in these folders, by the folders' names.

    Raises:
        BadInput: a folder is no finished evaluation, two have one name, or a name cannot stand on the Hub.
    """
    bundles: dict[str, EvaluationBundle] = {}
    for folder in folders:
        bundle = _read_bundle(Path(folder).expanduser().resolve())
        if bundle.name in bundles:
            raise BadInput(
                f"needs evaluations in folders of different names; two are called {bundle.name}; rename one"
            )
        bundles[bundle.name] = bundle
    return bundles


def _read_bundle(folder: Path) -> EvaluationBundle:
    if not re.fullmatch(_NAME, folder.name, re.A):
        raise BadInput(
            f"needs a folder called with letters, digits, ., - and _ alone; came {folder.name!r}; rename it"
        )
    results = read_results(folder)
    try:
        texts = {name: (folder / name).read_text(encoding="utf-8") for name in (REPORT, RESULTS)}
        comparisons = comparison_files(folder)
        columns = [set(pq.read_schema(file).names) for file in comparisons]
        figures = {name: folder / directory.FIGURES / name for name in PICTURES}
        pictures = {name: path.read_bytes() for name, path in figures.items() if path.is_file()}
    except (OSError, ValueError, pa.ArrowException) as exc:
        raise no_evaluation(folder, exc) from exc
    if not comparisons or any(set(schema.COMPARISONS) - names for names in columns):
        raise no_evaluation(folder, "it has no table of comparisons")
    return EvaluationBundle(folder.name, results, texts, pictures, comparisons)


def published_evaluations(
    evaluations: Mapping[str, EvaluationSummary], files: Collection[str]
) -> dict[str, EvaluationSummary]:
    """Return the evaluations of a manifest that stand among the files of its commit.

    Args:
        evaluations: those that the manifest names, which a stranger may have written.
        files: the paths in the commit.
    """
    return {
        name: summary
        for name, summary in evaluations.items()
        if re.fullmatch(_NAME, name, re.A) and f"{FOLDER}/{name}/{REPORT}" in files
    }
