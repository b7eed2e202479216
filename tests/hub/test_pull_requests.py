"""Pull requests: what they say, and how they are merged row by row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from codeclm_hf.errors import BadInput, MergeConflict
from codeclm_hf.hub.merge import Side
from codeclm_hf.hub.publish import publish
from codeclm_hf.hub.pull import pull
from codeclm_hf.hub.pull_requests import contribute, merge
from support.hub_server import Hub
from support.run_directories import REPO, repo, run_directory_of

pytestmark = pytest.mark.usefixtures("token")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = run_directory_of(tmp_path / "run", ["one", "two", "three"])
    publish(folder, REPO)
    return folder


@pytest.fixture
def pulled(run: Path, tmp_path: Path) -> Path:
    """A colleague's folder: the first version, pulled."""
    pull(REPO, tmp_path / "pulled")
    return tmp_path / "pulled"


def rows(revision: str = "main") -> dict[str, str]:
    table = load_dataset(REPO, "default", split="train", revision=revision)
    return dict(zip(table["instruction"], table["response"], strict=True))


def conflicting(run: Path, pulled: Path) -> int:
    """Both sides change "two", and each adds a row; returns the pull request's number."""
    run_directory_of(run, ["one", "two", "three", "four"], responses={"two": "current"})
    publish(run, REPO)
    run_directory_of(pulled, ["two", "five"], responses={"two": "incoming"})
    number = contribute(pulled, REPO, token="hf_other").pull_request
    assert number is not None
    return number


def test_a_contribution_says_what_it_changes(hub: Hub, run: Path, pulled: Path) -> None:
    """It is an open pull request whose description has the counts and the drift; main stays as it is."""
    before = repo(hub).branches["main"]
    run_directory_of(pulled, ["five"], use_case="travel planning")
    done = contribute(pulled, REPO, message="More travel", token="hf_other")
    pull_request = repo(hub).pulls[done.pull_request or 0]
    assert (pull_request.title, pull_request.status, pull_request.author) == (
        "More travel",
        "open",
        "colleague",
    )
    assert "| default | 1 | 0 | 0 |" in pull_request.description
    assert "travel planning" in pull_request.description
    assert repo(hub).branches["main"] == before
    assert sorted(rows(f"refs/pr/{done.pull_request}")) == ["five", "one", "three", "two"]


def test_the_same_contribution_again_opens_no_second_one(hub: Hub, run: Path, pulled: Path) -> None:
    """A lost answer, or a second try, finds the pull request that is open."""
    run_directory_of(pulled, ["five"])
    first = contribute(pulled, REPO)
    assert contribute(pulled, REPO).pull_request == first.pull_request
    hub.script = lambda seen: "drop-after" if "/commit/" in seen.path and len(repo(hub).pulls) == 1 else None
    run_directory_of(pulled, ["six"])
    second = contribute(pulled, REPO)
    assert len(repo(hub).pulls) == 2
    assert second.pull_request == 2


def test_a_contribution_is_merged_row_by_row(hub: Hub, run: Path, pulled: Path) -> None:
    """Rows that were added on both sides are united in a new version, and the pull request is closed with a word."""
    run_directory_of(run, ["one", "two", "three", "four"])
    publish(run, REPO)
    run_directory_of(pulled, ["five"])
    number = contribute(pulled, REPO, token="hf_other").pull_request or 0
    done = merge(REPO, pr=number)
    assert done.version == "1.2.0"
    assert sorted(rows("v1.2.0")) == ["five", "four", "one", "three", "two"]
    assert repo(hub).tags["v1.2.0"].target == repo(hub).branches["main"] == done.commit
    assert repo(hub).pulls[number].status == "closed"
    assert any("v1.2.0" in comment for comment in repo(hub).pulls[number].comments)
    manifest = json.loads(repo(hub).files()["codeclm.json"])
    assert manifest["counts"]["rows"]["default"] == 5
    assert manifest["parent"]["version"] == "1.1.0"


def test_a_conflict_stops_the_merge(hub: Hub, run: Path, pulled: Path) -> None:
    """Rows that both sides changed differently are listed, with the ways to end it; nothing is sent."""
    number = conflicting(run, pulled)
    before = repo(hub).branches["main"]
    with pytest.raises(
        MergeConflict, match=r"changed on both sides, differently: default .*--ours, --theirs"
    ) as raised:
        merge(REPO, pr=number)
    assert {conflict.config for conflict in raised.value.conflicts} == {"default", "preference", "trace"}
    assert (repo(hub).branches["main"], repo(hub).pulls[number].status) == (before, "open")


@pytest.mark.parametrize("side", ["current", "incoming"])
def test_one_side_for_every_conflict(hub: Hub, run: Path, pulled: Path, side: Side) -> None:
    """The row on main, or the one in the pull request; what is in no conflict comes in either way."""
    merge(REPO, pr=conflicting(run, pulled), take=side)
    merged = rows()
    assert merged["two"] == side
    assert sorted(merged) == ["five", "four", "one", "three", "two"]


def edit(file: Path, take: Any) -> None:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        line["take"] = take(line) if callable(take) else take
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_file_ends_conflicts_one_by_one(hub: Hub, run: Path, pulled: Path, tmp_path: Path) -> None:
    """The first merge writes the file, a person edits it, the second merge does what it says."""
    number, file = conflicting(run, pulled), tmp_path / "conflicts.jsonl"
    with pytest.raises(MergeConflict, match="lists them"):
        merge(REPO, pr=number, conflicts_file=file)
    with pytest.raises(MergeConflict):
        merge(REPO, pr=number, conflicts_file=file)
    edit(file, lambda line: {**line["ours"], "response": "both"} if line["config"] == "default" else "theirs")
    merge(REPO, pr=number, conflicts_file=file)
    assert rows()["two"] == "both"


def test_a_file_can_drop_a_row(hub: Hub, run: Path, pulled: Path, tmp_path: Path) -> None:
    """With "neither" the row is in no config any more."""
    number, file = conflicting(run, pulled), tmp_path / "conflicts.jsonl"
    with pytest.raises(MergeConflict):
        merge(REPO, pr=number, conflicts_file=file)
    edit(file, "neither")
    merge(REPO, pr=number, conflicts_file=file)
    assert "two" not in rows()


def test_a_file_does_not_end_what_has_changed_since(
    hub: Hub, run: Path, pulled: Path, tmp_path: Path
) -> None:
    """Somebody changed the row again after the file was written: that is a new conflict, and their change stays."""
    number, file = conflicting(run, pulled), tmp_path / "conflicts.jsonl"
    with pytest.raises(MergeConflict):
        merge(REPO, pr=number, conflicts_file=file)
    edit(file, "theirs")
    run_directory_of(run, ["one", "two", "three", "four"], responses={"two": "again"})
    publish(run, REPO)
    with pytest.raises(MergeConflict):
        merge(REPO, pr=number, conflicts_file=file)
    assert rows()["two"] == "again"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json\n", "line 1"),
        ("[]\n", "lacks some"),
        ('{"config": "default", "id": "a", "ours": null, "theirs": null, "take": "mine"}\n', "has 'mine'"),
        (
            '{"config": "default", "id": "a", "ours": null, "theirs": null, "take": {"id": "a"}}\n',
            "the columns of",
        ),
        ('{"config": "nothing", "id": "a", "ours": null, "theirs": null, "take": {"id": "a"}}\n', "nothing"),
    ],
)
def test_a_file_that_says_what_nobody_can_do(
    hub: Hub, run: Path, tmp_path: Path, text: str, words: str
) -> None:
    """The line is named, and nothing is asked of the Hub."""
    (tmp_path / "conflicts.jsonl").write_text(text)
    hub.seen.clear()
    with pytest.raises(BadInput, match=words):
        merge(REPO, pr=1, conflicts_file=tmp_path / "conflicts.jsonl")
    assert hub.seen == []


def test_a_conflicting_publish_says_whose_commit_it_was(hub: Hub, run: Path, pulled: Path) -> None:
    """Who publishes over somebody's change is told whose, and how to settle it; theirs stays."""
    run_directory_of(pulled, ["two"], responses={"two": "theirs"})
    publish(pulled, REPO, token="hf_other")
    run_directory_of(run, ["one", "two", "three"], responses={"two": "ours"})
    with pytest.raises(MergeConflict, match=r"by colleague in .*v1\.1\.0.*codeclm-hf contribute") as raised:
        publish(run, REPO)
    assert raised.value.exit_code == 5
    assert rows()["two"] == "theirs"


@pytest.mark.parametrize("number", [7, 1])
def test_a_pull_request_that_is_none(hub: Hub, run: Path, pulled: Path, number: int) -> None:
    """One that is not there, and one that was merged already."""
    run_directory_of(pulled, ["five"])
    contribute(pulled, REPO)
    merge(REPO, pr=1)
    with pytest.raises(BadInput, match=f"#{number}"):
        merge(REPO, pr=number)


def test_a_contribution_with_a_secret_is_not_merged(hub: Hub, run: Path, pulled: Path) -> None:
    """What would be released is looked at again when it is merged."""
    run_directory_of(pulled, ["Use hf_" + "aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA2cE4f"])
    number = contribute(pulled, REPO, allow_secrets=True).pull_request or 0
    with pytest.raises(BadInput, match="secrets"):
        merge(REPO, pr=number)
