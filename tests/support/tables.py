"""Small Parquet tables of the real schema, and versions made of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from codeclm_hf import schema
from codeclm_hf.files import write_parquet
from codeclm_hf.hub.snapshot import Snapshot

Row = dict[str, Any]
MANIFEST: dict[str, Any] = {
    "codeclm_hf": "0.1.0",
    "status": "complete",
    "models": {"strong": "big|model", "target": "small"},
    "config": {"threshold": 3.0, "contrastive_filter": True, "scoring": "mean"},
    "prompts": {"encode": "abc"},
    "versions": {"datasets": "5.0.1"},
}
_number = itertools.count()


def default_row(id: str | None, text: str = "t", **other: Any) -> Row:
    """A row of `default`."""
    return {
        "id": id,
        "instruction": text,
        "response": "r",
        "messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "r"}],
        "winner": "strong",
        "strong_score": 8.5,
        "target_score": 2.0,
        "gap": 6.5,
        "iteration": 1,
        "use_case": "u",
        "skills": ["a", "b"],
        "metadata_id": "m",
        "seed_ids": ["s"],
        "flags": [],
        **other,
    }


def metadata_row(id: str | None, text: str = "u", **other: Any) -> Row:
    """A row of `metadata`."""
    row = {
        "metadata_id": id,
        "use_case": text,
        "skills": ["a"],
        "origin": "seed",
        "seed_ids": [],
        "rubrics": [],
    }
    return {**row, "actions": [], "error": None, **other}


def write_shards(folder: Path, rows: Sequence[Row], columns: pa.Schema) -> list[Path]:
    """Rows as the Parquet files of one table; none where there are no rows."""
    place = folder / str(next(_number))
    return [
        place / name
        for name in write_parquet(place, pa.Table.from_pylist(rows, columns).to_batches(), columns)
    ]


def snapshot(folder: Path, tables: Mapping[str, Sequence[Row]], **about: Any) -> Snapshot:
    """A version of these tables."""
    files = {
        name: write_shards(folder, rows, schema.TABLES[name].arrow_schema) for name, rows in tables.items()
    }
    return Snapshot({name: found for name, found in files.items() if found}, **about)


def table(batches: Iterable[pa.RecordBatch]) -> list[Row]:
    """Batches as rows."""
    return [row for batch in batches for row in batch.to_pylist()]


_items = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True)
_ids = st.sampled_from("uvwxyz")
_default = st.builds(
    default_row,
    _ids,
    st.sampled_from(["one", "two", 'three "q" é\n']),
    gap=st.sampled_from([0.1, 6.5, None]),
    seed_ids=_items,
    flags=st.none() | st.lists(st.sampled_from(["echo", "refusal"]), min_size=1, unique=True),
)
_metadata = st.builds(
    metadata_row,
    _ids,
    st.sampled_from(["one", "two", None]),
    origin=st.sampled_from(["seed", "given", "augmented"]),
    seed_ids=_items,
    rubrics=_items,
    actions=st.none() | _items,
)


def unique(key: str, rows: st.SearchStrategy[Row]) -> st.SearchStrategy[list[Row]]:
    """Rows of different ids, in any order."""
    return st.lists(rows, max_size=5, unique_by=lambda row: row[key])


VERSIONS = st.one_of(
    st.tuples(st.just(config), *[unique(schema.KEYS[config], rows)] * 3)
    for config, rows in (("default", _default), ("metadata", _metadata))
)
"""A config, and its rows in the base, in the current and in the incoming version."""
