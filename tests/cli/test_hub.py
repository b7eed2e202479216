"""The Hub's commands, as a person types them, against the stand-in Hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command_line import Cli, output_of, refusal_of
from support.hub_server import Hub
from support.run_directories import run_directory_of

REPO = "me/tailored"


def test_a_day_on_the_hub(hub: Hub, cli: Cli, tmp_path: Path) -> None:
    """Publish, look at the log and the diff, pull, contribute, merge, ask for blame, and go back."""
    run = run_directory_of(tmp_path / "run", ["one", "two"])
    plan = output_of(cli("publish", run, REPO, "--dry-run"))
    assert "would become version 1.0.0" in plan
    assert "nothing was sent" in plan
    first = output_of(cli("publish", run, REPO, "--message", "the first", "--license", "cc-by-4.0"))
    assert "me/tailored is at version 1.0.0" in first
    assert 'load_dataset("me/tailored", "default", split="train", revision="v1.0.0")' in first
    assert "has all of this already, in version 1.0.0" in output_of(cli("publish", run, REPO))

    output_of(cli("pull", f"{REPO}@1.0.0", tmp_path / "pulled", token="hf_other"))
    run_directory_of(tmp_path / "pulled", ["three"], use_case="travel planning")
    opened = output_of(
        cli("publish", tmp_path / "pulled", REPO, "--create-pr", "--message", "More", token="hf_other")
    )
    assert "pull request #1 is open (default +1" in opened
    assert "is at version 1.1.0" in output_of(cli("merge", REPO, "--pr", 1))

    log = output_of(cli("log", REPO))
    assert log.index("1.1.0") < log.index("1.0.0")
    assert "the first" in log
    diff = output_of(cli("diff", REPO, "1.0.0", "1.1.0"))
    assert "travel planning" in diff
    assert (
        json.loads(output_of(cli("diff", REPO, "1.0.0", "1.1.0", "--json", "--limit", 1)))["tables"][
            "default"
        ]["added"]
        == 1
    )
    assert (
        json.loads(output_of(cli("diff", REPO, "1.1.0", run, "--json")))["tables"]["default"]["removed"] == 1
    )
    row = json.loads(output_of(cli("diff", REPO, "1.0.0", "1.1.0", "--json")))["tables"]["default"]["rows"][
        0
    ]["id"]
    assert "as it is since 1.1.0" in output_of(cli("blame", REPO, row))
    assert "is at version 1.2.0" in output_of(cli("rollback", REPO, "1.0.0"))


def test_what_is_wrong_is_one_line(hub: Hub, cli: Cli, tmp_path: Path) -> None:
    """Every command refuses with exit code 2 and one sentence; a conflict has a code of its own."""
    run = run_directory_of(tmp_path / "run", ["one", "two"])
    output_of(cli("publish", run, REPO))
    assert "may only read" in refusal_of(cli("publish", run, REPO, token="hf_read"))
    assert "needs a run directory" in refusal_of(cli("publish", tmp_path, REPO))
    assert "needs --pr N" in refusal_of(cli("merge", REPO))
    assert "needs a bump of auto" in refusal_of(cli("publish", run, REPO, "--bump", "huge"))
    other = run_directory_of(tmp_path / "other", ["two"], responses={"two": "another"})
    assert "changed on both sides" in refusal_of(cli("publish", other, REPO, token="hf_other"), code=5)
    assert "9.9.9" in refusal_of(cli("diff", REPO, "1.0.0", "9.9.9"))


@pytest.mark.parametrize("words", [("--ours", "--theirs"), ("--ours", "--conflicts", "x")])
def test_a_merge_takes_one_way_to_end_conflicts(cli: Cli, words: tuple[str, ...]) -> None:
    """Two ways at once are refused before anything is asked."""
    assert "needs one of" in refusal_of(cli("merge", REPO, "--pr", 1, *words))
