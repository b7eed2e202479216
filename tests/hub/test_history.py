"""Versions one can trust: the log, the diff, where a row comes from, pulling a version, going back to one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset

from codeclm_hf.errors import BadInput
from codeclm_hf.hub import diff
from codeclm_hf.hub.fetch import fetch_any, revision_name
from codeclm_hf.hub.history import blame, log, rollback
from codeclm_hf.hub.publish import publish
from codeclm_hf.hub.pull import pull
from codeclm_hf.hub.repository import Repository
from codeclm_hf.hub.snapshot import Snapshot
from codeclm_hf.run import directory
from codeclm_hf.run.manifest import Manifest
from support.hub_server import Hub, Repo
from support.run_directories import REPO, repo, restorer_of, run_directory_of

pytestmark = pytest.mark.usefixtures("token")


@pytest.fixture(scope="module")
def once() -> dict[Path, Callable[[Hub], Repo]]:
    """The folder of `run` and its repository, when they are made."""
    return {}


@pytest.fixture
def run(hub: Hub, once: dict[Path, Callable[[Hub], Repo]], tmp_path: Path, tmp_path_factory: Any) -> Path:
    """A folder whose second version changes one row, adds one and removes one, made by another model."""
    if not once:
        folder = run_directory_of(tmp_path_factory.mktemp("history") / "run", ["one", "two", "three"])
        publish(folder, REPO, message="the first")
        run_directory_of(folder, ["one", "two", "four"], responses={"two": "a better one"}, model="model-b")
        publish(folder, REPO, message="better", token="hf_other")
        once[folder] = restorer_of(hub.repos["datasets", REPO])
        hub.clear()
    ((folder, again),) = once.items()
    again(hub)
    return Path(shutil.copytree(folder, tmp_path / "run"))


def texts(revision: str, config: str = "default") -> list[str]:
    return sorted(load_dataset(REPO, config, split="train", revision=revision)["instruction"])


def version(revision: str, folder: Path) -> Snapshot:
    found = Repository(REPO)
    return fetch_any(found, found.require_head(revision_name(revision)), folder)


def id_of(folder: Path, text: str) -> str:
    table = directory.read_tables(folder)["default"]
    return str(table["id"][table["instruction"][:].index(text)])


def test_the_log_says_who_changed_what(hub: Hub, run: Path) -> None:
    """Newest first: version, commit, author, message, rows, changes and models."""
    second, first = log(REPO)
    assert (second.version, second.author, second.message) == ("1.1.0", "colleague", "better")
    assert (first.version, first.author, first.message) == ("1.0.0", "me", "the first")
    assert second.commit == repo(hub).tags["v1.1.0"].target
    assert second.changes["default"] == {"added": 1, "removed": 1, "changed": 1}
    assert (first.rows["default"], second.rows["default"]) == (3, 3)
    assert first.models != second.models
    assert first.date < second.date


def test_a_log_without_versions(hub: Hub) -> None:
    """A repository without a version, and none at all, are said to be that."""
    hub.add(REPO)
    with pytest.raises(BadInput, match="has none; codeclm-hf publish makes one"):
        log(REPO)
    with pytest.raises(BadInput, match="me/nothing@main is none"):
        log("me/nothing")


def test_a_diff_lists_rows_by_id(hub: Hub, run: Path, tmp_path: Path) -> None:
    """What was added, removed and changed, with the rows themselves, and the drift."""
    found = diff.compare(version("1.0.0", tmp_path), version("1.1.0", tmp_path), ("1.0.0", "1.1.0"))
    table = found.tables["default"]
    assert (table.added, table.removed, table.changed) == (1, 1, 1)
    changes = {(row.before or row.after or {})["instruction"]: row for row in table.rows}
    assert changes["four"].before is None
    assert changes["three"].after is None
    assert changes["two"].before is not None
    assert changes["two"].after is not None
    assert changes["two"].after["response"] == "a better one"
    assert found.drift["use_case"].divergence == 0
    nothing = diff.compare(version("1.0.0", tmp_path), version("1.0.0", tmp_path), ("1.0.0", "1.0.0"))
    assert {(one.added, one.removed, one.changed) for one in nothing.tables.values()} == {(0, 0, 0)}


def test_a_diff_shows_at_most_so_many_rows(hub: Hub, run: Path, tmp_path: Path) -> None:
    """The counts are of all rows whatever the limit."""
    found = diff.compare(version("1.0.0", tmp_path), version("1.1.0", tmp_path), ("a", "b"), limit=0)
    assert found.tables["default"].rows == ()
    assert found.tables["default"].added == 1


def test_data_without_ids_is_compared_by_content(hub: Hub, tmp_path: Path) -> None:
    """A data set that codeclm-hf did not make has rows that come and go; one that is there twice is two rows."""
    made = hub.add(REPO, {"data.jsonl": b'{"a": 1}\n{"a": 1}\n{"a": 2}\n'}).branches["main"]
    repo(hub).commit({"data.jsonl": b'{"a": 1}\n{"a": 2}\n{"a": 3}\n'})
    found = diff.compare(version(made, tmp_path / "a"), version("main", tmp_path / "b"), ("a", "b"))
    (table,) = found.tables.values()
    assert (table.added, table.removed, table.changed) == (1, 1, 0)
    assert sorted((row.before or row.after or {})["a"] for row in table.rows) == [1, 3]


def test_a_run_directory_is_pulled(hub: Hub, run: Path, tmp_path: Path) -> None:
    """A pulled version is a run directory: tables, card and manifest; publishing it untouched changes nothing."""
    folder = tmp_path / "pulled"
    assert pull(REPO, folder, revision="1.0.0").manifest.version == "1.0.0"
    assert sorted(directory.read_tables(folder)["default"]["instruction"]) == ["one", "three", "two"]
    assert Manifest.read(folder).version == "1.0.0"
    assert (folder / "README.md").read_bytes() == repo(hub).files("v1.0.0")["README.md"]
    pull(REPO, tmp_path / "newest")
    assert publish(tmp_path / "newest", REPO).new is False


def test_an_old_version_brings_back_nothing(hub: Hub, run: Path, tmp_path: Path) -> None:
    """Who pulls an old version and publishes it untouched has changed nothing since."""
    pull(REPO, tmp_path / "old", revision="v1.0.0")
    assert publish(tmp_path / "old", REPO).new is False
    assert texts("main") == ["four", "one", "two"]


def test_a_run_in_a_pulled_folder_adds_to_it(hub: Hub, run: Path, tmp_path: Path) -> None:
    """Rows of the pulled version stay through any number of runs; only what the runs made is added."""
    folder = tmp_path / "pulled"
    pull(REPO, folder)
    run_directory_of(folder, ["five", "six"])
    run_directory_of(folder, ["five", "one"])
    assert sorted(directory.read_tables(folder)["default"]["instruction"]) == ["five", "four", "one", "two"]
    assert Manifest.read(folder).counts.rows["default"] == 4
    assert publish(folder, REPO).version == "1.2.0"
    assert texts("v1.2.0") == ["five", "four", "one", "two"]


@pytest.mark.parametrize("name", ["v9.9.9", "no-such-branch", "0" * 40])
def test_a_revision_that_is_not_there(hub: Hub, run: Path, tmp_path: Path, name: str) -> None:
    """It is named, and no folder is made."""
    with pytest.raises(BadInput, match=name):
        pull(REPO, tmp_path / "pulled", revision=name)
    assert not (tmp_path / "pulled").exists()


def test_a_folder_that_holds_something(hub: Hub, run: Path) -> None:
    """Nothing here is overwritten by a pull."""
    with pytest.raises(BadInput, match="holds something"):
        pull(REPO, run)


def test_somebody_elses_data_set_is_pulled_as_parquet(hub: Hub, tmp_path: Path) -> None:
    """Without a manifest it becomes a folder of Parquet files, one folder a config."""
    hub.add(REPO, {"train.jsonl": b'{"a": "x"}\n{"a": "y"}\n'})
    assert pull(REPO, tmp_path / "pulled").manifest is None
    (file,) = (tmp_path / "pulled" / "data").rglob("*.parquet")
    assert Dataset.from_parquet(str(file), cache_dir=str(tmp_path))["a"][:] == ["x", "y"]


def test_going_back_is_a_new_version(hub: Hub, run: Path) -> None:
    """The old rows come back under a new number, and the history keeps what stood between."""
    done = rollback(REPO, "1.0.0")
    assert done.version == "1.2.0"
    assert texts("v1.2.0") == texts("v1.0.0") == ["one", "three", "two"]
    assert texts("v1.1.0") == ["four", "one", "two"]
    assert [entry.version for entry in log(REPO)] == ["1.2.0", "1.1.0", "1.0.0"]
    assert log(REPO)[0].message == "back to 1.0.0"
    assert load_dataset(REPO, "default", split="train", revision="v1.2.0").to_list() != []
    assert rollback(REPO, "1.0.0").new is False


def test_going_back_keeps_what_people_wrote(hub: Hub, run: Path) -> None:
    """Text that somebody added to the card since stays."""
    repo(hub).commit({"README.md": repo(hub).files()["README.md"] + b"\nThanks to Ada.\n"})
    rollback(REPO, "1.0.0")
    assert repo(hub).files()["README.md"].endswith(b"\nThanks to Ada.\n")


def test_going_back_to_what_is_not_there(hub: Hub, run: Path) -> None:
    """The versions there are come with the refusal."""
    with pytest.raises(BadInput, match=r"came 3\.0\.0; there are 1\.0\.0, 1\.1\.0"):
        rollback(REPO, "3.0.0")


def test_blame_finds_the_version_that_brought_a_row(hub: Hub, run: Path) -> None:
    """A changed row is the second version's, an untouched one the first's, with their models, prompts and seeds."""
    changed, untouched = blame(REPO, id_of(run, "two")), blame(REPO, id_of(run, "one"))
    assert (changed.version, changed.first_version, changed.author) == ("1.1.0", "1.0.0", "colleague")
    assert (untouched.version, untouched.first_version, untouched.author) == ("1.0.0", "1.0.0", "me")
    assert changed.row["response"] == "a better one"
    assert changed.models != untouched.models
    assert untouched.prompts
    assert untouched.config == "default"


def test_blame_after_a_merge_and_a_rollback(hub: Hub, run: Path, tmp_path: Path) -> None:
    """What came in beside others' rows is its publisher's; what came back is the version's that first had it so."""
    other = run_directory_of(tmp_path / "other", ["nine"], use_case="travel planning", model="model-c")
    publish(other, REPO, token="hf_other")
    assert blame(REPO, id_of(other, "nine")).version == "1.2.0"
    assert "model-c" in str(blame(REPO, id_of(other, "nine")).models)
    assert blame(REPO, id_of(run, "one")).version == "1.0.0"
    rollback(REPO, "1.0.0")
    assert blame(REPO, id_of(run, "two")).version == "1.3.0"


def test_blame_of_nothing(hub: Hub, run: Path) -> None:
    """An id that no version has is said to be that."""
    with pytest.raises(BadInput, match="no version of me/tailored has 'abc'"):
        blame(REPO, "abc")
