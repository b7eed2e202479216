"""The search for secrets and personal data in all that is to be released."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from codeclm_hf.card.shapes import ContaminationSummary, RunConfig, ScanResult
from codeclm_hf.errors import BadInput
from codeclm_hf.evaluation.bundle import FOLDER, EvaluationBundle
from codeclm_hf.evaluation.results import RESULTS, parse_results
from codeclm_hf.files import read_parquet, write_parquet
from codeclm_hf.hub.snapshot import Snapshot, polars_frame
from codeclm_hf.safety import scan
from codeclm_hf.safety.personal_data import redact_text

T = TypeVar("T")
_REDACTED_SETTINGS = ("strong_system", "target_system", "extra")
"""What of a run's settings is text of its user's."""
SECRETS_SHOWN = 3
"""Secrets that a message names, without their values."""


class ReleaseCheck(NamedTuple):
    """What may be released."""

    content: Snapshot
    """What was searched, redacted if that was asked for, with what was found in its manifest's `scan`."""
    personal: Mapping[str, int]
    """How many personal data are in it, by kind."""


def check_release(
    content: Snapshot, scratch: Path, *, allow_secrets: bool = False, redact: bool = False
) -> ReleaseCheck:
    """Search all that would be released for secrets and personal data.

    Args:
        content: what is to be published.
        scratch: a folder for redacted tables.
        allow_secrets: go on although there are secrets.
        redact: put a placeholder where personal data stand.

    Raises:
        BadInput: there are secrets; their values are not in the message.
    """
    manifest = content.require_manifest()
    report = scan.scan_text(content.card)
    report += scan.scan_text(json.dumps(manifest.to_json(), ensure_ascii=False))
    for part in _run_in_order(_searches(content)):
        report += part
    if report.secrets_found and not allow_secrets:
        raise BadInput(_secrets_message(report))
    is_redacted = redact and any(report.personal.values())
    if is_redacted:
        content = _redact(content, scratch)
        manifest = replace(
            manifest,
            config=_redact_config(manifest.config),
            contamination=_redact_contamination(manifest.contamination),
        )
    result = ScanResult(personal=report.personal, redacted=is_redacted, secrets=report.secrets_found)
    return ReleaseCheck(
        replace(content, manifest=replace(manifest, scan=result)),
        dict.fromkeys(report.personal, 0) if is_redacted else report.personal,
    )


def _secrets_message(report: scan.ScanReport) -> str:
    names = "; ".join(
        f"{secret.kind} in {secret.config} {secret.row}, {secret.column}: {secret.hint}"
        for secret in report.secrets[:SECRETS_SHOWN]
    )
    more = f" and {report.secrets_found - SECRETS_SHOWN} more" if report.secrets_found > SECRETS_SHOWN else ""
    return (
        f"needs texts without secrets; found {report.secrets_found}: {names}{more}; nothing was sent; "
        "take them out, or pass --allow-secrets if they are none"
    )


def _searches(content: Snapshot) -> Iterator[Callable[[], scan.ScanReport]]:
    """Yield the searches to be made, one for each batch of a table."""
    clean = scan.CleanTexts()
    for config in content.files:
        key = content.key_column(config)
        for batch in content.batches(config):
            yield partial(scan.scan, config, polars_frame(batch), key, clean=clean)
    for evaluation in content.evaluations.values():
        config = f"{FOLDER}/{evaluation.name}"
        for batch in evaluation.batches():
            yield partial(scan.scan, config, polars_frame(batch), "id", clean=clean)
        texts = pl.DataFrame({"text": list(evaluation.texts.values())})
        yield partial(scan.scan, config, texts, None, clean=clean)


def _run_in_order(calls: Iterator[Callable[[], T]]) -> Iterator[T]:
    """Yield what calls return, in order, from two threads; at most three calls are waiting or under way."""
    with ThreadPoolExecutor(2) as pool:
        waiting: deque[Future[T]] = deque()
        for call in calls:
            waiting.append(pool.submit(call))
            if len(waiting) == 3:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _redact(content: Snapshot, scratch: Path) -> Snapshot:
    """Return the content with placeholders where personal data stand."""
    files = {}
    for config in content.files:
        folder, columns = scratch / "redacted" / config, content.schema(config)
        rows = _redact_rows(content.batches(config), columns)
        files[config] = [folder / name for name in write_parquet(folder, rows, columns)]
    evaluations = {
        name: _redact_evaluation(evaluation, scratch / FOLDER / name)
        for name, evaluation in content.evaluations.items()
    }
    return replace(content, files=files, known_digests=None, same_rows_as=None, evaluations=evaluations)


def _redact_config(config: RunConfig) -> RunConfig:
    """Return a run's settings with placeholders in its system prompts and in the fields of its requests."""
    return replace(config, **{name: _redact_texts(getattr(config, name)) for name in _REDACTED_SETTINGS})


def _redact_contamination(found: ContaminationSummary | None) -> ContaminationSummary | None:
    """Return what was found in evaluation sets with placeholders in the words."""
    if found is None:
        return None
    shared = tuple(replace(text, words=redact_text(text.words).text) for text in found.found)
    return replace(found, found=shared)


def _redact_texts(value: Any) -> Any:
    """Return a JSON value with placeholders in its texts."""
    if isinstance(value, str):
        return redact_text(value).text
    if isinstance(value, Mapping):
        return {name: _redact_texts(inner) for name, inner in value.items()}
    return [_redact_texts(inner) for inner in value] if isinstance(value, list | tuple) else value


def _redact_evaluation(evaluation: EvaluationBundle, folder: Path) -> EvaluationBundle:
    """Return the evaluation with placeholders where personal data stand; its files keep their names."""
    files = []
    for number, file in enumerate(evaluation.comparisons):
        columns = pq.read_schema(file)
        shard = folder / str(number)
        (name,) = write_parquet(shard, _redact_rows(read_parquet([file]), columns), columns)
        files.append((shard / name).rename(folder / file.name))
    redacted = scan.redact(pl.DataFrame({"text": list(evaluation.texts.values())}))["text"]
    texts = dict(zip(evaluation.texts, redacted, strict=True))
    return replace(evaluation, results=parse_results(texts[RESULTS]), texts=texts, comparisons=files)


def _redact_rows(batches: Iterator[pa.RecordBatch], columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield rows with placeholders where personal data stand."""
    for batch in batches:
        yield from (
            scan.redact(polars_frame(batch)).to_arrow().select(columns.names).cast(columns).to_batches()
        )
