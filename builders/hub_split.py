"""Seeds from a data set on the Hub, whatever its columns are."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc
import yaml
from datasets.exceptions import DatasetGenerationError, DatasetsError
from datasets.features.features import require_decoding
from huggingface_hub import hf_hub_download, metadata_load
from huggingface_hub.errors import GatedRepoError

from codeclm_hf import ids
from codeclm_hf.errors import BadInput

from . import columns, formats, sources
from .dialogue import MEDIA_COLUMNS
from .layout_detection import HEAD_ROWS, detect_layout, reading_summary
from .seed_pass import SeedPass

_ERRORS: tuple[type[Exception], ...] = (DatasetsError, yaml.YAMLError, *sources.HUB_ERRORS)
_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?", re.ASCII)


def load_hub_split(
    source: str,
    split: str,
    revision: str | None,
    *,
    layout: str,
    column: str | None,
    turns: str,
    skip_bad: bool,
    code: str,
) -> datasets.Dataset:
    """Return the seeds in a split of a data set on the Hub; `load_seeds` says how they are read.

    Raises:
        BadInput: there is no such data set, split or revision, or it is not for everybody, or holds no seeds.
    """
    place = f"{source}@{revision or 'main'}"
    data = _load(source, split, revision)
    # `datasets` keeps what it read in a folder named by the commit; a branch moves on
    commits = (re.search(r"[/\\]([0-9a-f]{40})[/\\]", file["filename"]) for file in data.cache_files)
    commit = next((match[1] for match in commits if match), revision or "main")
    media = [name for name, feature in data.features.items() if require_decoding(feature)]
    table = data.remove_columns(media)
    rows = [
        (place, formats.Row(at, row))
        for at, row in enumerate(table.select(range(min(HEAD_ROWS, len(table)))), 1)
    ]
    detected = detect_layout(rows, layout=layout, column=column)
    inferred = columns.infer_columns([row.cells for _, row in rows if row.cells], detected)
    one_pass = SeedPass(detected, inferred, whole=turns == "all", skip_bad=skip_bad, mixed=column is None)
    media_table = data.select_columns([name for name in media if name in MEDIA_COLUMNS]).with_format("arrow")

    def read(batch: dict[str, list[Any]], indices: list[int]) -> dict[str, list[Any]]:
        media_present = {}
        if media_table.column_names:
            media_present = _media_present(media_table[indices[0] : indices[-1] + 1])
        for at, index in enumerate(indices):
            cells = {name: values[at] for name, values in (batch | media_present).items()}
            one_pass.add(formats.Row(index + 1, cells), f"{source}@{commit}")
        seeds_read = one_pass.flush()
        if indices[-1] == len(data) - 1:
            one_pass.finish()
        return dict(seeds_read.to_pydict())

    seeds = table.map(
        read,
        with_indices=True,
        batched=True,
        remove_columns=table.column_names,
        features=one_pass.features,
        new_fingerprint=ids.digest(
            data._fingerprint, detected.name, detected.needs, turns, skip_bad, source, commit, code
        ),
        desc="Reading seeds",
    )
    seeds.info.license = _license(source, commit)
    counts = (
        one_pass.counts.summary()
        if one_pass.counts.rows
        else f"{len(seeds):,} of {len(data):,} rows, as read before"
    )
    seeds.info.description = reading_summary(detected, one_pass.whole, counts)
    return seeds


def _load(source: str, split: str, revision: str | None) -> datasets.Dataset:
    # load_dataset takes "json", "csv", … for its own readers and would search the working directory
    reader = (
        importlib.util.find_spec(f"datasets.packaged_modules.{source}") if source.isidentifier() else None
    )
    if reader or not _HUB_ID.fullmatch(source) or source.lower().endswith(sources.SEED_SUFFIXES):
        raise BadInput(f"needs a file, a folder or a Hub data set; there is no `{source}`; check the path")
    try:
        return datasets.load_dataset(source, split=split, revision=revision)
    except _ERRORS as exc:
        # load_dataset may drop the cause and keep its words
        if sources.caused_by(exc, GatedRepoError) or "is a gated dataset" in str(exc):
            raise sources.no_access(source) from exc
        raise BadInput(
            f"needs a file, a folder or a Hub data set; there is no `{source}` here, and the Hub's cannot be "
            f"read: {_first_line(exc)}; check the name, the split (`{split}`) and the revision "
            f"(`{revision or 'main'}`)"
        ) from exc


def _media_present(table: pa.Table) -> dict[str, list[bool]]:
    """Return by column whether each row holds a picture, a sound or a video; none is decoded."""
    present = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        some = (
            pc.greater(pc.list_value_length(column), 0)
            if pa.types.is_list(column.type)
            else pc.is_valid(column)
        )
        present[name] = [bool(flag) for flag in some.to_pylist()]
    return present


def _license(repo: str, revision: str) -> str:
    """Return the license that the card of a data set on the Hub names; "" where there is none, or no card."""
    try:
        card = hf_hub_download(repo, "README.md", repo_type="dataset", revision=revision)
        license = (metadata_load(card) or {}).get("license") or []
    except _ERRORS:
        return ""  # the seeds themselves are read
    return ", ".join(map(str, license)) if isinstance(license, list) else str(license)


def _first_line(exc: BaseException) -> str:
    # datasets' own "An error occurred while generating the dataset" says less than its cause
    text = str(exc.__cause__ or exc if isinstance(exc, DatasetGenerationError) else exc).strip()
    return text.splitlines()[0].rstrip(".") if text else type(exc).__name__
