"""Tables made before there were flags, and tables that have them: compared, merged, published, scanned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from codeclm_hf import BadInput, publish, pull, schema
from codeclm_hf.card.shapes import RowChanges
from codeclm_hf.hub.diff import compare_versions
from codeclm_hf.hub.merge import unite
from codeclm_hf.hub.snapshot import read_run_directory
from codeclm_hf.run import directory
from codeclm_hf.safety.personal_data import KINDS
from support.hub_server import Hub
from support.run_directories import REPO, run_directory_of
from support.tables import Row

pytestmark = pytest.mark.usefixtures("token")
DRAFT = {"reason": "unchanged", "text": "Do it twice."}
OTHER_DRAFT = {"reason": "answer", "text": "Done."}


def earlier(folder: Path) -> Path:
    """The run directory as an earlier version would have written it: without the later columns."""
    for config, names in schema.LATER.items():
        for file in (folder / "data" / config).glob("*.parquet"):
            kept = [name for name in pq.read_schema(file).names if name not in names]
            features = schema.features(config).arrow_schema
            rows = pq.read_table(file, columns=kept)
            columns = pa.schema([features.field(name) for name in kept])
            pq.write_table(rows.cast(columns), file)
    return folder


def rewrite(folder: Path, config: str, **columns: Any) -> None:
    """Put other values into columns of a run directory's table; the same one into each row."""
    (file,) = (folder / "data" / config).glob("*.parquet")
    was = pq.read_table(file)
    rows = [{**row, **columns} for row in was.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, was.schema), file)


def test_tables_without_them_are_read_with_nulls(tmp_path: Path) -> None:
    """A run directory's tables, and frames of a snapshot, have the contract's columns; the file stays as it is."""
    folder = earlier(run_directory_of(tmp_path / "run", ["one", "two"]))
    tables, content = directory.read_tables(folder), read_run_directory(folder)
    for config, names in schema.LATER.items():
        assert tables[config].features == schema.TABLES[config]
        frame = content.frame(config, list(schema.TABLES[config]))
        assert frame.collect().to_dicts() == tables[config].to_list()
        for name in names:
            assert (
                tables[config][name][:]
                == content.frame(config, [name]).collect()[name].to_list()
                == [None] * 2
            )
        assert set(content.schema(config).names) == set(schema.TABLES[config]) - set(names)


@pytest.mark.parametrize("pulled", ["earlier", "later"])
@pytest.mark.parametrize("made", ["earlier", "later"])
def test_pulled_rows_stand_beside_new_ones(made: str, pulled: str, tmp_path: Path) -> None:
    """Whichever side lacks the columns, they are there, null in its rows; two that lack them are read with nulls."""
    sides = {}
    for name, kind, text in (("pulled", pulled, "one"), ("made", made, "two")):
        folder = run_directory_of(tmp_path / name, [text])
        sides[name] = directory.read_tables(earlier(folder) if kind == "earlier" else folder)
    run = directory.make_folder(tmp_path / "run")
    (tmp_path / "pulled" / "data").rename(run / directory.PULLED)
    joined = directory.add_pulled_rows(run, sides["made"])
    for config in schema.LATER:
        assert joined[config].features == schema.TABLES[config]
        assert joined[config].to_list() == [row for side in sides.values() for row in side[config]]


@pytest.mark.parametrize("keeps_base", [True, False])
@pytest.mark.parametrize("published", ["earlier", "later"])
def test_a_resumed_run_changes_no_row(published: str, keeps_base: bool, hub: Hub, tmp_path: Path) -> None:
    """Without flags, tables that have the columns hold what those hold that lack them: nothing new to the other."""
    texts = ["one", "two"]
    folder = run_directory_of(tmp_path / "run", texts)
    rewrite(folder, "trace", rejected=[])
    if published == "earlier":
        earlier(folder)
    publish(folder, REPO)
    run_directory_of(folder, texts)
    rewrite(folder, "trace", rejected=[])
    if published == "later":
        earlier(folder)
    if not keeps_base:
        next(folder.glob(".base-*")).unlink()
    assert publish(folder, REPO).new is False
    compared = compare_versions(REPO, "1.0.0", str(folder)).tables
    assert not any(table.added or table.removed or table.changed for table in compared.values())
    names = load_dataset(REPO, split="train").column_names
    assert ("flags" in names) == (published == "later")


def test_new_flags_come_with_new_columns(hub: Hub, tmp_path: Path) -> None:
    """What a later run found is the only change, the columns are a major version, and an old folder takes none away.

    Card, manifest, `load_dataset` and a folder that is pulled have them.
    """
    texts = ["one", "two"]
    publish(earlier(run_directory_of(tmp_path / "old", texts)), REPO)
    pull(REPO, tmp_path / "run")
    folder = run_directory_of(tmp_path / "run", ["two", "three"])
    assert [row["flags"] for row in directory.read_tables(folder)["default"]] == [None, [], []]
    rewrite(folder, "trace", flags=["refusal"], strong_flags=["refusal"], removed=None)
    done = publish(folder, REPO)
    assert done.version == "2.0.0"
    assert done.changes["trace"] == RowChanges(added=1, removed=0, changed=2)
    assert done.changes["default"] == RowChanges(added=1, removed=0, changed=0)
    for config, features in schema.TABLES.items():
        assert load_dataset(REPO, config, split="train").features == features
    trace = {row["instruction"]: row for row in load_dataset(REPO, "trace", split="train")}
    assert trace["three"]["rejected"] == [DRAFT] and trace["three"]["strong_flags"] == ["refusal"]
    assert publish(tmp_path / "old", REPO).new is False
    changed = publish(earlier(run_directory_of(tmp_path / "old", [*texts, "four"])), REPO)
    assert (changed.version, changed.changes["trace"]) == ("2.1.0", RowChanges(added=1, removed=0, changed=0))
    rows = {row["instruction"]: row for row in load_dataset(REPO, "trace", split="train")}
    assert rows["four"]["flags"] is None and rows["two"]["flags"] == ["refusal"]
    pull(REPO, tmp_path / "pulled")
    assert directory.read_tables(tmp_path / "pulled")["trace"].features == schema.TRACE


def test_an_old_folder_takes_no_columns_away(hub: Hub, tmp_path: Path) -> None:
    """Where it changes another table, and brings just the rows that are there, these keep the columns."""
    folder = run_directory_of(tmp_path / "run", ["one", "two"])
    rewrite(folder, "trace", rejected=[])
    publish(folder, REPO)
    rewrite(earlier(folder), "metadata", rubrics=["Is it short?"])
    assert publish(folder, REPO).version == "1.1.0"
    for config, features in schema.TABLES.items():
        assert load_dataset(REPO, config, split="train").features == features


OLD = {"id": "a", "verdict": "accept_strong"}
NEW = {**OLD, "flags": [], "strong_flags": [], "target_flags": [], "rejected": [], "removed": None}


@pytest.mark.parametrize(
    ("one", "other", "united"),
    [
        (OLD, NEW, NEW),
        (
            OLD,
            {**NEW, "flags": ["echo"], "rejected": [DRAFT]},
            {**NEW, "flags": ["echo"], "rejected": [DRAFT]},
        ),
        (
            {**NEW, "rejected": [OTHER_DRAFT, DRAFT]},
            {**NEW, "rejected": [DRAFT]},
            {**NEW, "rejected": [OTHER_DRAFT, DRAFT]},
        ),
        ({**NEW, "flags": ["refusal"]}, {**NEW, "flags": ["echo"]}, {**NEW, "flags": ["echo", "refusal"]}),
        (OLD, {**NEW, "removed": "surplus"}, NEW),
        ({**NEW, "removed": "surplus"}, NEW, NEW),
        (
            {**NEW, "removed": "surplus"},
            {**NEW, "removed": "near_duplicate of b"},
            {**NEW, "removed": "near_duplicate of b"},
        ),
        (NEW, {**NEW, "verdict": "failed"}, None),
    ],
)
def test_two_rows_are_united(one: Row, other: Row, united: Row | None) -> None:
    """Flags and drafts of both stand, whoever merges, and a row that a side has in `default` is not removed."""
    for current, incoming in ((one, other), (other, one)):
        assert unite("trace", current, incoming) == united


def test_chats_are_no_drafts() -> None:
    """The rejected answers of two pairs are not united."""
    chats = [{"id": "a", "rejected": [{"role": "assistant", "content": text}]} for text in ("x", "y")]
    assert unite("preference", *chats) is None


def test_drafts_are_searched_and_redacted(hub: Hub, tmp_path: Path) -> None:
    """A secret in a draft that was asked for again stops a release; personal data in it is replaced, ids are not."""
    folder = run_directory_of(tmp_path / "run", ["one"])
    secret = {"reason": "answer", "text": "Use hf_" + 9 * "a1B2"}
    rewrite(folder, "trace", rejected=[DRAFT, secret])
    with pytest.raises(BadInput, match=r"trace .*, rejected\[1\]\.text: "):
        publish(folder, REPO)
    removed = "near_duplicate of 6502530000123456"
    rewrite(folder, "trace", rejected=[{**DRAFT, "text": "Write to ada@lovelace.org"}], removed=removed)
    assert publish(folder, REPO, redact=True).personal == dict.fromkeys(KINDS, 0)
    (row,) = load_dataset(REPO, "trace", split="train")
    assert (row["rejected"], row["removed"]) == ([{**DRAFT, "text": "Write to [EMAIL]"}], removed)
