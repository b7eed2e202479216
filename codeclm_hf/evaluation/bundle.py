"""Evaluations that are published beside a data set: their reports, results, pictures and comparisons."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from codeclm_hf import files as parquet
from codeclm_hf import schema
from codeclm_hf.errors import BadInput
from codeclm_hf.evaluation import report
from codeclm_hf.run import directory

FOLDER = "evaluations"
"""Where they stand on the Hub, each in a folder of its own name."""
_NAME = r"[A-Za-z0-9][\w.-]*"
_NUMBERS = ("comparisons", "not_judged", "capacity_recovery_ratio", "wilson_low", "wilson_high")


@dataclass(frozen=True)
class Evaluated:
    """One evaluation's folder, without its journal."""

    name: str
    results: Mapping[str, Any]
    texts: Mapping[str, str]
    """The report and the results, by file name."""
    figures: Mapping[str, bytes]
    """The report's pictures, by file name."""
    comparisons: Sequence[Path]

    @property
    def files(self) -> dict[str, Path | bytes]:
        """What is published, by the names on the Hub."""
        named: dict[str, Path | bytes] = {name: text.encode() for name, text in self.texts.items()}
        named |= {f"{directory.FIGURES}/{name}": png for name, png in self.figures.items()}
        named |= {f"{report.COMPARISONS}/{file.name}": file for file in self.comparisons}
        return {f"{FOLDER}/{self.name}/{name}": content for name, content in named.items()}

    @property
    def told(self) -> dict[str, Any]:
        """What the manifest says of it: the models, the outcome, and a hash of all files."""
        digest = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            held = (
                parquet.sha256(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()
            )
            digest.update(f"{name} {held}\n".encode())
        overall = self.results["overall"]
        return {
            "models": self.results["models"],
            "judge_fit": self.results["judge"]["fit"],
            **{name: overall[name] for name in _NUMBERS},
            "digest": digest.hexdigest()[:16],
        }

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The comparisons' rows, in order."""
        return parquet.read(self.comparisons)


def opened(folders: Collection[str | Path]) -> dict[str, Evaluated]:
    """The evaluations in these folders, by the folders' names.

    Raises:
        BadInput: a folder is no finished evaluation, or cannot be called so on the Hub.
    """
    found = {}
    for folder in folders:
        one = _opened(Path(folder).expanduser().resolve())
        if one.name in found:
            raise BadInput(
                f"needs evaluations in folders of different names; two are called {one.name}; rename one"
            )
        found[one.name] = one
    return found


def _opened(folder: Path) -> Evaluated:
    if not re.fullmatch(_NAME, folder.name, re.A):
        raise BadInput(
            f"needs a folder called with letters, digits, ., - and _ alone; came {folder.name!r}; rename it"
        )
    try:
        texts = {name: (folder / name).read_text(encoding="utf-8") for name in (report.CARD, report.RESULTS)}
        results = json.loads(texts[report.RESULTS])
        comparisons = sorted((folder / report.COMPARISONS).glob("*.parquet"))
        if not comparisons or any(
            set(schema.COMPARISONS) - set(pq.read_schema(file).names) for file in comparisons
        ):
            raise ValueError("it has no table of comparisons")
        figures = {
            path.name: path.read_bytes() for path in sorted((folder / directory.FIGURES).glob("*.png"))
        }
        one = Evaluated(
            folder.name,
            results,
            texts,
            {name: figures[name] for name in report.PICTURES if name in figures},
            comparisons,
        )
        one.told  # noqa: B018  # what it lacks is told now
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException) as exc:
        raise BadInput(
            f"needs a folder that codeclm-hf evaluate made; {folder} is none ({' '.join(str(exc).split())})"
        ) from exc
    return one


def of_a_version(known: Any, files: Collection[str]) -> dict[str, Any]:
    """What a manifest, which may be a stranger's, says of the evaluations that stand among the files of its commit."""
    if not isinstance(known, dict):
        return {}
    there = {name: told for name, told in known.items() if f"{FOLDER}/{name}/{report.CARD}" in files}
    return {name: told for name, told in there.items() if re.fullmatch(_NAME, name, re.A) and _is_told(told)}


def _is_told(told: Any) -> bool:
    if not isinstance(told, dict) or not isinstance(told.get("models"), dict):
        return False
    roles, numbers = (
        set(told["models"]) >= {"candidate", "reference", "judge"},
        [told.get(name) for name in _NUMBERS],
    )
    return roles and "judge_fit" in told and all(isinstance(one, int | float | None) for one in numbers)
