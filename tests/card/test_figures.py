"""The card's pictures on their way: from a run into its folder, into a version, and to whoever pulls that."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download

from codeclm_hf import CodecLM
from codeclm_hf.hub.publish import publish
from codeclm_hf.hub.pull import pull
from codeclm_hf.run import directory
from support.hub_server import Hub
from support.run_directories import REPO, repo, run_directory_of
from support.shortcuts import ONE_PIXEL

pytestmark = pytest.mark.usefixtures("token")
OF_A_RUN = {"use-cases.png", "skills.png", "gap.png", "iterations.png"}


def shown(card: str) -> set[str]:
    """The pictures that a card shows."""
    return set(re.findall(r"^!\[.+\]\(figures/([a-z-]+\.png)\)$", card, re.M))


def in_folder(folder: Path) -> set[str]:
    """The pictures of a folder, which are those that its card shows."""
    names = {path.name for path in (folder / "figures").glob("*")}
    assert shown((folder / "README.md").read_text(encoding="utf-8")) == names
    return names


def on_hub(hub: Hub) -> set[str]:
    """The pictures of the newest version, which are those that its card shows."""
    files = repo(hub).files("main")
    names = {name.removeprefix("figures/") for name in files if name.startswith("figures/")}
    assert shown(files["README.md"].decode()) == names
    return names


def manifest(hub: Hub) -> dict[str, Any]:
    return dict(json.loads(repo(hub).files("main")["codeclm.json"]))


def test_a_run_draws_its_pictures(codec: CodecLM, seeds: Dataset, tmp_path: Path) -> None:
    """A run leaves its card's pictures; the same run again leaves the same bytes."""
    codec.run(seeds, out=tmp_path / "run", num_instructions=8, num_metadata=4)
    assert in_folder(tmp_path / "run") == OF_A_RUN
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.png")}
    codec.run(seeds, out=tmp_path / "run", num_instructions=8, num_metadata=4)
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.png")} == before


@pytest.mark.pictures
def test_a_run_draws_for_people(codec: CodecLM, seeds: Dataset, tmp_path: Path) -> None:
    """What a run leaves are drawings, not pixels."""
    codec.run(seeds, out=tmp_path / "run", num_instructions=8, num_metadata=4)
    assert all(path.stat().st_size > 5_000 for path in (tmp_path / "run" / "figures").iterdir())


def test_a_version_has_its_pictures(hub: Hub, tmp_path: Path) -> None:
    """They come in the version's own commit, and byte for byte into the folder of whoever pulls it."""
    publish(run_directory_of(tmp_path / "run", ["one", "two"]), REPO)
    assert on_hub(hub) == OF_A_RUN
    assert len(repo(hub).log()) == 2
    assert Path(hf_hub_download(REPO, "figures/gap.png", repo_type="dataset")).read_bytes() == ONE_PIXEL
    pull(REPO, tmp_path / "pulled")
    assert in_folder(tmp_path / "pulled") == OF_A_RUN


def test_drift_is_told_against_the_version_before(hub: Hub, tmp_path: Path) -> None:
    """A version whose use cases moved shows how; one that changes words alone does not, and takes the picture away."""
    run = run_directory_of(tmp_path / "run", ["one", "two"])
    publish(run, REPO)
    assert "drift" not in manifest(hub)
    publish(run_directory_of(tmp_path / "more", ["three", "four"], use_case="travel"), REPO)
    moved = manifest(hub)["drift"]
    assert (moved["since"], moved["use_case"]["divergence"]) == ("1.0.0", 0.311278)
    assert [(one["name"], one["before"], one["after"]) for one in moved["use_case"]["new"]] == [
        ("travel", 0.0, 0.5)
    ]
    assert on_hub(hub) == {*OF_A_RUN, "drift.png"}
    publish(run, REPO, license="mit")
    assert "drift" not in manifest(hub)
    assert on_hub(hub) == OF_A_RUN


def test_pictures_that_are_not_ours_stay(hub: Hub, tmp_path: Path) -> None:
    """A picture that people put beside ours on the Hub is in the next version too."""
    run = run_directory_of(tmp_path / "run", ["one"])
    publish(run, REPO)
    theirs = CommitOperationAdd("figures/team.png", ONE_PIXEL)
    HfApi().create_commit(REPO, [theirs], repo_type="dataset", commit_message="The team")
    publish(run_directory_of(run, ["one", "two"]), REPO)
    assert repo(hub).files("main").keys() >= {"figures/team.png", "figures/gap.png"}


def test_a_run_of_which_nothing_is_left_to_show_has_no_stale_picture(tmp_path: Path) -> None:
    """A later run in the folder takes away what its card shows no more, and leaves people's files."""
    run = run_directory_of(tmp_path / "run", ["one", "two"])
    (run / directory.FIGURES / "team.svg").write_text("<svg/>")
    run_directory_of(run, [])
    left = {path.name for path in (run / directory.FIGURES).iterdir()}
    assert "team.svg" in left and "use-cases.png" not in left and "iterations.png" not in left
