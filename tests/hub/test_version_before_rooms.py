"""Versions published before the code was divided into rooms are read, compared, pulled and published on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from codeclm_hf import MergeConflict, publish, pull, schema
from codeclm_hf.hub.history import log
from support import before_rooms
from support.before_rooms import (
    COUNTED_CHANGES,
    RUN,
    as_made_today,
    changes,
    check_card,
    check_manifest,
    run_again,
    tables,
    version_files,
)
from support.command_line import Cli, output_of
from support.hub_server import Hub, Repo
from support.model_server import StandIn
from support.run_directories import REPO, repo

pytestmark = pytest.mark.usefixtures("token")


@pytest.fixture
def newest(hub: Hub) -> Repo:
    """The data set, whose newest version is 1.1.0."""
    return before_rooms.put_on(hub)


@pytest.fixture
def first(hub: Hub) -> Repo:
    """The data set when 1.0.0 was all there was."""
    return before_rooms.put_on(hub, newest="v1.0.0")


@pytest.fixture
def servers(serve: Callable[..., StandIn]) -> Iterator[tuple[StandIn, StandIn]]:
    """The old run's models, who are not asked anything."""
    strong, target = (serve(lambda *_: "", tgi=False, model=f"org/{name}") for name in ("strong", "target"))
    yield strong, target
    assert (strong.statuses, target.statuses) == ([], [])


def manifest(of: Repo, revision: str = "main") -> dict[str, Any]:
    return dict(json.loads(of.files(revision)["codeclm.json"]))


def titles(of: Repo) -> list[str]:
    return [commit.title for commit in of.log()]


@pytest.mark.parametrize("version", before_rooms.VERSIONS)
def test_it_is_a_data_set(newest: Repo, version: str) -> None:
    """`load_dataset` reads every table of every version."""
    for name, table in tables(version_files(version)).items():
        loaded = load_dataset(REPO, name, split="train", revision=version)
        assert loaded.features == before_rooms.FEATURES[name]
        assert loaded.to_list() == table.to_pylist()


def test_its_log(newest: Repo, cli: Cli) -> None:
    """Both versions with their authors, messages, rows and models."""
    second, first = log(REPO)
    assert (first.version, first.author, first.message) == ("1.0.0", "me", "the first")
    assert (second.version, second.author, second.message) == ("1.1.0", "colleague", "for another model")
    assert (first.commit, second.commit) == (newest.tags["v1.0.0"].target, newest.tags["v1.1.0"].target)
    assert first.rows == {"default": 6, "preference": 6, "trace": 13, "metadata": 5}
    assert second.changes["default"] == {"added": 3, "removed": 2, "changed": 4}
    assert (first.models["target"], second.models["target"]) == ("org/target", "org/target-two")
    shown = output_of(cli("log", REPO))
    assert shown.index("1.1.0") < shown.index("1.0.0")


def test_its_diff(newest: Repo, cli: Cli) -> None:
    """The counts are those of the rows, and what the version's own manifest says."""
    shown = json.loads(output_of(cli("diff", REPO, "1.0.0", "1.1.0", "--json")))["tables"]
    counted = {
        config: {kind: table[kind] for kind in ("added", "removed", "changed")}
        for config, table in shown.items()
    }
    assert counted == changes(*(tables(version_files(version)) for version in before_rooms.VERSIONS))
    assert counted == manifest(newest)["changes"]
    assert counted["default"] == {"added": 3, "removed": 2, "changed": 4}


def test_its_diff_against_a_folder(newest: Repo, tmp_path: Path, cli: Cli) -> None:
    """The old run directory is what was published first."""
    run = before_rooms.run_directory(tmp_path / "run")
    found = json.loads(output_of(cli("diff", REPO, "1.0.0", run, "--json")))["tables"]
    assert [[table[kind] for kind in ("added", "removed", "changed")] for table in found.values()] == [
        [0, 0, 0]
    ] * 4


def test_blame_knows_who_brought_a_row(newest: Repo, cli: Cli) -> None:
    """A row that the second version changed is the second's, one that it left alone the first's."""
    was, now = (
        {row["id"]: row for row in tables(version_files(version))["trace"].to_pylist()}
        for version in before_rooms.VERSIONS
    )
    changed = min(name for name in was.keys() & now.keys() if was[name] != now[name])
    assert "as it is since 1.1.0" in output_of(cli("blame", REPO, changed))
    untouched = tables(RUN)["metadata"]["metadata_id"][0].as_py()
    assert "as it is since 1.0.0" in output_of(cli("blame", REPO, untouched))


def test_it_is_pulled_as_it_was(newest: Repo, tmp_path: Path) -> None:
    """The folder is the one that was made before, to the last byte; what it agrees on with the Hub is the same."""
    pull(REPO, tmp_path / "pulled")
    old = before_rooms.pulled_directory(tmp_path / "old")
    before, after = (
        {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        for folder in (old, tmp_path / "pulled")
    )
    assert before.keys() == after.keys()
    for name, path in before.items():
        if name.startswith(".base-"):
            assert pq.read_table(after[name]).equals(pq.read_table(path), check_metadata=True)
        else:
            assert after[name].read_bytes() == path.read_bytes(), name


def test_the_same_folder_makes_the_same_version(hub: Hub, tmp_path: Path) -> None:
    """On a Hub that has nothing, the old run directory becomes what it became before: card, data and manifest.

    What is counted in its tables since is added.
    """
    run = before_rooms.run_directory(tmp_path / "run")
    small = before_rooms.evaluation(tmp_path)
    publish(run, REPO, license="cc-by-4.0", message="the first", evaluations=[small])
    before, after = version_files("v1.0.0"), repo(hub).files("v1.0.0")
    assert titles(repo(hub))[0] == "v1.0.0: the first" == repo(hub).tags["v1.0.0"].message
    check_card(after.pop("README.md").decode(), before.pop("README.md").decode(), COUNTED_CHANGES)
    was, now = (dict(json.loads(files.pop("codeclm.json"))) for files in (before, after))
    assert {was.pop("parent")["version"], now.pop("parent")["version"]} == {None}
    check_manifest(now, was)
    assert after == before
    check_card((run / "README.md").read_text(), (before_rooms.FOLDER / "published" / "README.md").read_text())
    (base,) = run.glob(".base-*")
    assert pq.read_table(base).equals(pq.read_table(before_rooms.FOLDER / "published" / base.name))


def test_a_folder_that_was_published_has_nothing_new(first: Repo, tmp_path: Path) -> None:
    """Published again as it is, it changes nothing: no row, no word of the card."""
    done = publish(before_rooms.published_directory(tmp_path / "run"), REPO)
    assert (done.version, done.new) == ("1.0.0", False)
    assert titles(first) == ["v1.0.0: the first", "initial commit"]


def test_a_published_folder_that_is_resumed_has_nothing_new(
    first: Repo, servers: tuple[StandIn, StandIn], tmp_path: Path
) -> None:
    """Its rows have more columns, in which nothing stands: the version with the old ones stays the newest."""
    folder = before_rooms.published_directory(tmp_path / "run")
    run_again(servers, folder)
    done = publish(folder, REPO)
    assert (done.version, done.new) == ("1.0.0", False)
    assert titles(first) == ["v1.0.0: the first", "initial commit"]


def test_a_colleagues_rows_stay(newest: Repo, tmp_path: Path) -> None:
    """A folder that was published before the newest version takes nothing back, and adds what it has got since."""
    folder = before_rooms.published_directory(tmp_path / "run")
    assert publish(folder, REPO).new is False
    (file,) = (folder / "data" / "metadata").glob("*.parquet")
    table = pq.read_table(file)
    at = table.schema.get_field_index("use_case")
    names = pa.array(["our " + table["use_case"][0].as_py(), *table["use_case"].to_pylist()[1:]])
    pq.write_table(table.set_column(at, table.schema.field(at), names), file)
    assert publish(folder, REPO).version == "1.2.0"
    counts = changes(tables(version_files("v1.1.0")), tables(newest.files("v1.2.0")))
    assert manifest(newest)["changes"] == counts
    nothing = {"added": 0, "removed": 0, "changed": 0}
    assert counts == {
        "default": nothing,
        "preference": nothing,
        "trace": nothing,
        "metadata": {**nothing, "changed": 1},
    }


def test_a_changed_folder_is_the_next_version(
    first: Repo, servers: tuple[StandIn, StandIn], tmp_path: Path
) -> None:
    """Run again with another threshold, it has just the rows that differ, and new columns; the evaluation stays."""
    folder = before_rooms.published_directory(tmp_path / "run")
    run_again(servers, folder, threshold=1.0)
    done = publish(folder, REPO, message="a lower threshold")
    assert (done.version, titles(first)[0]) == ("2.0.0", "v2.0.0: a lower threshold")
    expected = changes(tables(RUN), tables(folder))
    assert manifest(first)["changes"] == expected
    assert (
        expected["trace"]["removed"] > 0
        and expected["trace"]["changed"] > 0
        and expected["default"]["added"] > 0
    )
    assert changes(tables(folder), tables(first.files("v2.0.0"))) == changes(tables(RUN), tables(RUN))
    assert manifest(first)["parent"]["version"] == "1.0.0"
    for name, content in version_files("v1.0.0").items():
        if name.startswith("evaluations/"):
            assert first.files("v2.0.0")[name] == content


def test_rows_that_both_changed_are_a_conflict(
    newest: Repo, servers: tuple[StandIn, StandIn], tmp_path: Path
) -> None:
    """What the folder agreed on with the first version is known: a colleague's changes are not overwritten."""
    folder = before_rooms.published_directory(tmp_path / "run")
    run_again(servers, folder, threshold=1.0)
    with pytest.raises(MergeConflict, match=r"colleague in .*v1\.1\.0: for another model"):
        publish(folder, REPO)
    assert newest.tags.keys() == set(before_rooms.VERSIONS)


def test_a_folder_that_was_pulled_is_gone_on_with(
    newest: Repo, servers: tuple[StandIn, StandIn], tmp_path: Path
) -> None:
    """As it is it brings nothing; a run in it adds to the pulled rows, and these stay in the version that follows."""
    folder = before_rooms.pulled_directory(tmp_path / "pulled")
    assert publish(folder, REPO).new is False
    (folder / "journal.sqlite").write_bytes((RUN / "journal.sqlite").read_bytes())
    run_again(servers, folder)
    pulled, made, after = (tables(files) for files in (version_files("v1.1.0"), RUN, folder))
    for config, key in schema.KEYS.items():
        if config in after:
            unknown = dict.fromkeys(schema.LATER.get(config, ()))
            rows = {row[key]: row | unknown for row in pulled[config].to_pylist()}
            rows |= {row[key]: row for row in as_made_today(config, made[config].to_pylist())}
            assert {row[key]: row for row in after[config].to_pylist()} == rows
    assert publish(folder, REPO).version == "2.0.0"
    assert manifest(newest)["changes"] == changes(pulled, after)


def test_going_back_to_the_first_version(newest: Repo, cli: Cli) -> None:
    """Its rows are the newest version's, under a new number."""
    assert "is at version 1.2.0" in output_of(cli("rollback", REPO, "1.0.0"))
    assert changes(tables(RUN), tables(newest.files("v1.2.0"))) == changes(tables(RUN), tables(RUN))
