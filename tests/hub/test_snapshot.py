"""Tables on disk: their shards, their rows' digests, and what a folder and the Hub last agreed on."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeclm_hf import schema
from codeclm_hf.errors import BadInput
from codeclm_hf.files import read_parquet, sha256, write_parquet
from codeclm_hf.hub import merge_base
from codeclm_hf.hub.merge_base import MergeBase
from codeclm_hf.hub.snapshot import Snapshot, read_run_directory, row_digests
from support.tables import MANIFEST, default_row, metadata_row, snapshot, table, write_shards

COLUMNS = schema.DEFAULT.arrow_schema


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def portions(whole: pa.Table, cuts: list[int]) -> list[pa.RecordBatch]:
    """A table's rows in batches that end at these rows."""
    ends = [*sorted(cuts), len(whole)]
    parts = [whole.slice(start, end - start) for start, end in zip([0, *ends], ends, strict=False)]
    return [batch for part in parts for batch in part.to_batches()]


def row(n: int) -> dict[str, Any]:
    return default_row(
        str(n), f"text {n % 7}" * (n % 5), skills=["s"] * (n % 3), gap=None if n % 4 == 0 else n / 3
    )


@settings(max_examples=25)
@given(count=st.integers(0, 120), data=st.data())
def test_the_same_rows_are_the_same_bytes(folder: Path, count: int, data: st.DataObject) -> None:
    """However rows come in portions, the shards' names and bytes are the same, and the rows read back."""
    rows = [row(n) for n in range(count)]
    whole = pa.Table.from_pylist(rows, COLUMNS)
    cuts = data.draw(st.lists(st.integers(0, count), max_size=5))
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(dir=folder) as place:
        patch.setattr("codeclm_hf.files.ROWS_A_BATCH", 16)
        patch.setattr("codeclm_hf.files.SHARD_BYTES", data.draw(st.sampled_from([1, 8_000, 500_000_000])))
        one = write_parquet(Path(place) / "one", whole.to_batches(), COLUMNS)
        two = write_parquet(Path(place) / "two", portions(whole, cuts), COLUMNS)
        assert one == two
        files = [Path(place) / "one" / name for name in one]
        assert [file.read_bytes() for file in files] == [
            (Path(place) / "two" / name).read_bytes() for name in two
        ]
        assert [sha256(file) for file in files] == list(one.values())
        assert sorted(files) == sorted((Path(place) / "one").iterdir()) == files
        assert table(read_parquet(files)) == rows


def test_shards_roll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard is closed once it is too large; each has its number, their number and the hash of all content."""
    monkeypatch.setattr("codeclm_hf.files.ROWS_A_BATCH", 10)
    monkeypatch.setattr("codeclm_hf.files.SHARD_BYTES", 1)
    rows = [row(n) for n in range(35)]
    names = list(write_parquet(tmp_path / "a", pa.Table.from_pylist(rows, COLUMNS).to_batches(), COLUMNS))
    assert [name[:20] for name in names] == [f"train-{n:05}-of-00004"[:20] for n in range(4)]
    assert len({name.rsplit("-", 1)[1] for name in names}) == 1
    assert [pq.ParquetFile(tmp_path / "a" / name).metadata.num_rows for name in names] == [10, 10, 10, 5]
    again = list(
        write_parquet(tmp_path / "b", pa.Table.from_pylist(rows[:-1], COLUMNS).to_batches(), COLUMNS)
    )
    assert not set(names) & set(again)


def test_no_rows_are_no_file(tmp_path: Path) -> None:
    """Neither no batch nor an empty batch makes a shard."""
    assert write_parquet(tmp_path / "none", [], COLUMNS) == {}
    assert write_parquet(tmp_path / "empty", [pa.RecordBatch.from_pylist([], COLUMNS)], COLUMNS) == {}
    assert [*(tmp_path / "none").iterdir(), *(tmp_path / "empty").iterdir()] == []
    assert table(read_parquet([])) == []


def test_long_texts_read_back(tmp_path: Path) -> None:
    """Texts of several megabytes are rows like others."""
    rows = [default_row("a", "é" * 3_000_000), default_row("b", "x\0y\n" * 1_000_000), default_row("c", "")]
    (file,) = write_shards(tmp_path, rows, COLUMNS)
    assert table(read_parquet([file])) == rows


def test_only_some_columns_are_read(tmp_path: Path) -> None:
    """Columns that were not asked for are not there."""
    files = write_shards(tmp_path, [default_row("a")], COLUMNS)
    assert table(read_parquet(files, ["id", "gap"])) == [{"id": "a", "gap": 6.5}]


_text = (
    st.none() | st.text(max_size=4) | st.sampled_from(['"', "\\", '","', "null", "é", "e\u0301", "[]", "#2"])
)
_float = st.none() | st.floats().map(lambda value: value + 0.0) | st.sampled_from([0.1, 0.1 + 0.2, 0.3, 1.0])
_row = st.fixed_dictionaries(
    {
        "text": _text,
        "number": _float,
        "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
        "texts": st.none() | st.lists(_text, max_size=2),
        "nested": st.none() | st.lists(st.none() | st.lists(_text, max_size=2), max_size=2),
        "numbers": st.none() | st.lists(_float, max_size=2),
        "chat": st.none() | st.lists(st.fixed_dictionaries({"role": _text, "content": _float}), max_size=2),
    }
)
_types = pa.schema(
    {
        "text": pa.string(),
        "number": pa.float64(),
        "whole": pa.int64(),
        "texts": pa.list_(pa.string()),
        "nested": pa.list_(pa.list_(pa.string())),
        "numbers": pa.list_(pa.float64()),
        "chat": pa.list_(pa.struct({"role": pa.string(), "content": pa.float64()})),
    }
)


def digest(row: dict[str, Any], columns: pa.Schema = _types) -> str:
    (found,) = row_digests(iter([pa.RecordBatch.from_pylist([row], columns)]), None)["digest"]
    return str(found)


@settings(max_examples=150)
@given(one=_row, other=_row, changed=st.sampled_from(_types.names))
def test_rows_are_equal_just_where_their_digests_are(
    one: dict[str, Any], other: dict[str, Any], changed: str
) -> None:
    """Floats, nulls, nested lists and any text: no two different rows look alike, and no row differs from itself."""
    near = {**one, changed: other[changed]}
    for left, right in ((one, other), (one, near), (one, dict(one))):
        assert (digest(left) == digest(right)) == (repr(sorted(left.items())) == repr(sorted(right.items())))


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("nested", [["a"], ["b"]], [["a", "b"], []]),
        ("nested", [], [[]]),
        ("nested", [[]], [None]),
        ("nested", None, []),
        ("texts", ["a", "b"], ['a","b']),
        ("texts", [None], ["null"]),
        ("text", None, ""),
        ("text", "é", "e\u0301"),
        ("number", 0.3, 0.1 + 0.2),
        ("number", float("nan"), None),
        ("number", float("inf"), float("-inf")),
        ("numbers", [float("nan")], [None]),
        ("chat", [{"role": "a", "content": float("inf")}], [{"role": "a", "content": None}]),
        ("whole", 2**53, 2**53 + 1),
    ],
)
def test_near_rows_have_different_digests(name: str, one: Any, other: Any) -> None:
    """Boundaries of lists, nulls, and floats that JSON cannot hold are not mistaken for each other."""
    empty = dict.fromkeys(_types.names)
    assert digest({**empty, name: one}) != digest({**empty, name: other})


@settings(max_examples=40)
@given(row=_row, order=st.permutations(_types.names))
def test_the_order_of_columns_does_not_matter_nor_does_one_of_nulls(
    row: dict[str, Any], order: list[str]
) -> None:
    """The same row in another order, or with one more column that is null, has the same digest."""
    more = pa.schema([*(_types.field(name) for name in order), pa.field("new", pa.string())])
    assert digest(row) == digest({**row, "new": None}, more)
    assert digest(row) != digest({**row, "new": ""}, more)


@given(
    names=st.lists(st.none() | st.sampled_from(["a", "a#2", "a#3", "a#2#2", "null", "null#2"]), max_size=9)
)
def test_each_row_has_a_name_of_its_own(names: list[str | None]) -> None:
    """Where an id stands twice or is missing, no two rows are called the same, and the first keeps its id."""
    batch = pa.RecordBatch.from_pylist([{"id": name} for name in names], pa.schema({"id": pa.string()}))
    found = row_digests(iter([batch]), "id")["id"].to_list()
    assert len(set(found)) == len(names)
    assert found[:1] == [name or "null" for name in names[:1]]


def test_a_name_is_found_again_across_batches(tmp_path: Path) -> None:
    """Double ids in different batches and shards are told apart, and `rows` finds each row in its place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("codeclm_hf.files.ROWS_A_BATCH", 2)
        patch.setattr("codeclm_hf.files.SHARD_BYTES", 1)
        rows = [default_row(name, text) for name, text in zip("abacab", "123456", strict=True)]
        side = snapshot(tmp_path, {"default": rows})
        assert len(side.files["default"]) == 3
        assert side.digests["default"]["id"].to_list() == ["a", "b", "a#2", "c", "a#3", "b#2"]
        assert side.rows("default", ["b#2", "a#2", "none", "a"]) == {
            "b#2": rows[5],
            "a#2": rows[2],
            "a": rows[0],
        }
    assert side.rows("default", []) == side.rows("trace", ["a"]) == {}


def test_a_row_is_named_by_its_key(tmp_path: Path) -> None:
    """`metadata` by `metadata_id`, the others by `id`; data that has neither by what they hold."""
    side = snapshot(tmp_path, {"metadata": [metadata_row("m")], "default": [default_row("d")]})
    assert [side.key_column(config) for config in ("metadata", "default")] == ["metadata_id", "id"]
    assert side.digests["metadata"]["id"].to_list() == ["m"]
    bare = Snapshot(
        {"default": write_shards(tmp_path, [{"text": "a"}] * 2, pa.schema({"text": pa.string()}))}
    )
    assert bare.key_column("default") is None
    names, held = bare.digests["default"]["id"].to_list(), bare.digests["default"]["digest"].to_list()
    assert names == [held[0], f"{held[0]}#2"]


def test_a_table_without_rows_has_the_contracts_columns() -> None:
    """A config of which there is no file is an empty table for Arrow and for polars."""
    side = Snapshot()
    assert side.schema("trace") == schema.TRACE.arrow_schema
    assert list(side.batches("trace")) == []
    assert side.frame("trace", list(schema.TRACE)).collect().is_empty()
    assert side.frame("trace", list(schema.TRACE)).collect_schema().names() == list(schema.TRACE)


def run_directory(folder: Path) -> Path:
    (folder / "codeclm.json").write_text(json.dumps({**MANIFEST, "counts": {}, "usage": []}))
    (folder / "README.md").write_text("# é")
    columns = schema.DEFAULT.arrow_schema
    write_parquet(
        folder / "data" / "default", pa.Table.from_pylist([default_row("a")], columns).to_batches(), columns
    )
    return folder


def test_a_run_directory_is_a_snapshot(tmp_path: Path) -> None:
    """Its tables, manifest and card."""
    side = read_run_directory(run_directory(tmp_path))
    assert list(side.files) == ["default"]
    assert table(side.batches("default")) == [default_row("a")]
    assert side.card == "# é"
    assert side.manifest.models == MANIFEST["models"]


@pytest.mark.parametrize("content", [b"", b"PAR1 no PAR1", None])
def test_a_broken_table_is_told_in_one_line(content: bytes | None, tmp_path: Path) -> None:
    """Torn Parquet and missing columns are bad input, by the file's name."""
    folder = run_directory(tmp_path)
    (file,) = (folder / "data" / "default").iterdir()
    if content is None:
        pq.write_table(pa.table({"id": ["a"]}), file)
    else:
        file.write_bytes(content)
    with pytest.raises(BadInput, match=r"^needs .*train-00000.*") as caught:
        read_run_directory(folder)
    assert "\n" not in str(caught.value)


def test_a_card_that_is_no_text_is_told(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are bad input."""
    folder = run_directory(tmp_path)
    (folder / "README.md").write_bytes(b"\xff\xfe#")
    with pytest.raises(BadInput, match=r"^needs a card in UTF-8; .*README\.md"):
        read_run_directory(folder)


BASE = MergeBase("me/data", "main", "c0ffee", "1.0.0", True, "wörds", {})


def test_what_was_agreed_on_is_kept(tmp_path: Path) -> None:
    """A base comes back as it was, for its repository and branch alone, and the last one replaces the one before."""
    tables = {"default": [default_row("a"), default_row("b")], "metadata": [metadata_row("m")]}
    rows = snapshot(tmp_path, tables).digests
    assert merge_base.load(tmp_path, "me/data", "main") is None
    merge_base.save(tmp_path, BASE)
    merge_base.save(tmp_path, dataclasses.replace(BASE, digests=rows))
    found = merge_base.load(tmp_path, "me/data", "main")
    assert found is not None
    assert {**vars(found), "digests": {}} == vars(BASE)
    assert {name: frame.rows() for name, frame in found.digests.items()} == {
        n: f.rows() for n, f in rows.items()
    }
    assert (
        merge_base.load(tmp_path, "me/data", "other") is merge_base.load(tmp_path, "you/data", "main") is None
    )
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [
        merge_base.path_of(tmp_path, "me/data", "main").name
    ]


def test_a_torn_base_is_told_in_one_line(tmp_path: Path) -> None:
    """Whatever stands in its place is bad input with a way out."""
    path = merge_base.path_of(tmp_path, "me/data", "main")
    torn = [b"", b"no Parquet"]
    merge_base.save(tmp_path, BASE)
    torn.append(path.read_bytes()[:-9])
    table = pa.table({"id": ["a"]})
    for about in (b"", b"[1]", b"\xff", b'{"repo": "a"}'):
        pq.write_table(table.replace_schema_metadata({b"codeclm-hf": about} if about else None), path)
        torn.append(path.read_bytes())
    merge_base.save(tmp_path, BASE)
    whole = pq.read_schema(path).metadata[b"codeclm-hf"]
    pq.write_table(table.replace_schema_metadata({b"codeclm-hf": whole}), path)
    torn.append(path.read_bytes())
    for content in torn:
        path.write_bytes(content)
        with pytest.raises(BadInput, match=r"^needs what publish or pull wrote; .*pull again$") as caught:
            merge_base.load(tmp_path, "me/data", "main")
        assert "\n" not in str(caught.value)


def test_digests_may_be_known_without_the_files() -> None:
    """What is known is not read, nor what another snapshot has of the same rows."""
    known = {"default": pl.DataFrame({"id": ["a"], "digest": ["b"]})}
    snapshot = Snapshot(known_digests=known)
    assert Snapshot(same_rows_as=snapshot).digests is snapshot.digests is known
    assert Snapshot(same_rows_as=snapshot).height("default") == snapshot.height("default") == 1
