"""What is looked for before a data set's texts are released, and what becomes of it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from codeclm_hf import files as parquet
from codeclm_hf.card.shapes import ScanResult
from codeclm_hf.errors import BadInput
from codeclm_hf.evaluation.bundle import FOLDER, EvaluationBundle
from codeclm_hf.evaluation.results import RESULTS, parse_results
from codeclm_hf.hub.snapshot import Snapshot, key, rows_of
from codeclm_hf.safety import scan

T = TypeVar("T")
SHOWN = 3


def checked(
    ours: Snapshot, scratch: Path, *, allow_secrets: bool = False, redact: bool = False
) -> tuple[Snapshot, Mapping[str, int]]:
    """Look for secrets and personal data in all that would be released.

    Args:
        ours: what is to be published.
        scratch: a folder for redacted tables.
        allow_secrets: go on although there are secrets.
        redact: put a placeholder where personal data stand.

    Returns:
        What may be published, with what was found in its manifest's `scan`, and how many personal data are in it, by
        kind.

    Raises:
        BadInput: there are secrets; their values are not in the message.
    """
    assert ours.manifest is not None, "what is released has a manifest"
    report = scan.scan_text(ours.card) + scan.scan_text(
        json.dumps(ours.manifest.to_json(), ensure_ascii=False)
    )
    for part in _in_turn(_scans(ours)):
        report += part
    if report.secrets_found and not allow_secrets:
        some = "; ".join(
            f"{one.kind} in {one.config} {one.row}, {one.column}: {one.hint}"
            for one in report.secrets[:SHOWN]
        )
        more = f" and {report.secrets_found - SHOWN} more" if report.secrets_found > SHOWN else ""
        raise BadInput(
            f"needs texts without secrets; found {report.secrets_found}: {some}{more}; nothing was sent; take them "
            "out, or pass --allow-secrets if they are none"
        )
    replaced = redact and any(report.personal.values())
    result = ScanResult(personal=report.personal, redacted=replaced, secrets=report.secrets_found)
    ours = replace(
        _redacted(ours, scratch) if replaced else ours, manifest=replace(ours.manifest, scan=result)
    )
    return ours, {kind: 0 for kind in report.personal} if replaced else report.personal


def _scans(ours: Snapshot) -> Iterator[Callable[[], scan.ScanReport]]:
    """The searches to be made, a batch of a table each."""
    clean = scan.CleanTexts()
    for config in ours.files:
        for batch in ours.batches(config):
            yield partial(scan.scan, config, rows_of(batch), key(config, ours), clean=clean)
    for one in ours.evaluations.values():
        config = f"{FOLDER}/{one.name}"
        for batch in one.batches():
            yield partial(scan.scan, config, rows_of(batch), "id", clean=clean)
        yield partial(scan.scan, config, pl.DataFrame({"text": list(one.texts.values())}), None, clean=clean)


def _in_turn(calls: Iterator[Callable[[], T]]) -> Iterator[T]:
    """What the calls give, in order, from two threads; no more than three calls are held."""
    with ThreadPoolExecutor(2) as pool:
        waiting: deque[Future[T]] = deque()
        for call in calls:
            waiting.append(pool.submit(call))
            if len(waiting) == 3:
                yield waiting.popleft().result()
        for one in waiting:
            yield one.result()


def _redacted(ours: Snapshot, scratch: Path) -> Snapshot:
    files = {}
    for config in ours.files:
        folder, columns = scratch / "redacted" / config, ours.schema(config)
        rows = _redacted_rows(ours.batches(config), columns)
        files[config] = [folder / name for name in parquet.write(folder, rows, columns)]
    evaluations = {
        name: _redacted_evaluation(one, scratch / FOLDER / name) for name, one in ours.evaluations.items()
    }
    return replace(ours, files=files, known=None, evaluations=evaluations)


def _redacted_evaluation(evaluation: EvaluationBundle, folder: Path) -> EvaluationBundle:
    """The evaluation with placeholders where personal data stand; its files keep their names."""
    files = []
    for number, file in enumerate(evaluation.comparisons):
        columns = pq.read_schema(file)
        shard = folder / str(number)
        (name,) = parquet.write(shard, _redacted_rows(parquet.read([file]), columns), columns)
        files.append((shard / name).rename(folder / file.name))
    redacted = scan.redact(pl.DataFrame({"text": list(evaluation.texts.values())}))["text"]
    texts = dict(zip(evaluation.texts, redacted, strict=True))
    return replace(evaluation, results=parse_results(texts[RESULTS]), texts=texts, comparisons=files)


def _redacted_rows(batches: Iterator[pa.RecordBatch], columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows with placeholders where personal data stand."""
    for batch in batches:
        rows = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
        yield from scan.redact(rows).to_arrow().select(columns.names).cast(columns).to_batches()
