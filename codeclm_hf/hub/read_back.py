"""The check that a version on the Hub holds what was sent."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
from datasets import Dataset, Features, load_dataset

from codeclm_hf.errors import CodecLMError
from codeclm_hf.files import ROWS_A_BATCH
from codeclm_hf.hub.commit import CommitResult
from codeclm_hf.hub.repository import Repository
from codeclm_hf.hub.snapshot import Snapshot, row_digests


def read_back(hub: Repository, result: CommitResult, scratch: Path) -> None:
    """Load a version as anybody would, and compare it with what was sent, row by row.

    Args:
        hub: the repository.
        result: the version.
        scratch: a folder for what is loaded.

    Raises:
        CodecLMError: the two differ.
        HubError: the Hub gives no answer.
    """
    content, version = result.draft.content, result.draft.version
    revision = version.tag if version else result.commit
    comparisons = {}
    with ThreadPoolExecutor(1) as pool:  # one table is compared while the next is loaded
        for config in content.files:
            table = hub.ask(_load, hub, config, revision, scratch)
            comparisons[config] = pool.submit(_is_same, table, content, config)
    for config, is_same in comparisons.items():
        if not is_same.result():
            raise CodecLMError(
                f"version {version} of {hub.id} was published, but `{config}` reads back differently from "
                f"{content.files[config][0]}",
                hint="look at its files before anybody trains on it",
            )


def _load(hub: Repository, config: str, revision: str | None, scratch: Path) -> Dataset:
    # every try has a cache of its own: without an answer load_dataset takes what it finds in the cache
    cache = tempfile.mkdtemp(prefix="read-back-", dir=scratch)
    return load_dataset(
        hub.id, config, split="train", revision=revision, cache_dir=cache, token=hub.api.token
    )


def _is_same(table: Dataset, content: Snapshot, config: str) -> bool:
    """Return whether a loaded table has the features and the rows of a table here."""
    if table.features != Features.from_arrow_schema(content.schema(config)):
        return False
    return _has_same_values(table, content, config) or _has_same_digests(table, content, config)


def _has_same_values(table: Dataset, content: Snapshot, config: str) -> bool:
    start, loaded = 0, table.data.table
    for batch in content.batches(config):
        sent = pa.Table.from_batches([batch]).cast(loaded.schema)
        if not loaded.slice(start, batch.num_rows).equals(sent):
            return False
        start += batch.num_rows
    return start == len(table)


def _has_same_digests(table: Dataset, content: Snapshot, config: str) -> bool:
    """Compare more slowly, in a way in which NaN equals itself."""
    batches = iter(table.data.table.to_batches(ROWS_A_BATCH))
    return row_digests(batches, content.key_column(config)).equals(content.digests[config])
