"""Evaluations beside the data: published in the version's commit, told in its card, and kept by later versions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset
from huggingface_hub import HfApi

from codeclm_hf import BadInput, Evaluation, contribute, endpoint, publish, pull
from codeclm_hf.evaluation.bundle import published_evaluations, read_bundles
from codeclm_hf.hub.pull_requests import merge
from codeclm_hf.json_types import to_json
from support.command_line import Cli, output_of, refusal_of
from support.hub_server import Hub
from support.judges import good, judging
from support.manifests import manifest_from
from support.model_server import StandIn
from support.run_directories import REPO, repo, run_directory_of

pytestmark = pytest.mark.usefixtures("token")
Serve = Callable[..., StandIn]
SCORES = {"good": 8.0, "fair": 6.0, "poor": 3.0}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return run_directory_of(tmp_path / "run", ["one", "two", "three"])


@pytest.fixture
def evaluated(serve: Serve, tmp_path: Path) -> Callable[..., Path]:
    """Evaluate: the judge knows some words; of what else there is, more is better."""

    def rate(instruction: str, answer: str, first: bool) -> float:
        return SCORES.get(answer.split(" ")[0]) or good(instruction, answer, first)

    judge = endpoint(serve(judging(rate), tgi=False, model="the-judge").url)

    def make(name: str = "small", candidate: str = "good", whose: str = "") -> Path:
        sides = [
            Dataset.from_dict({"instruction": ["One.", "Two."], "response": [first, second]})
            for first, second in ((candidate, "poor"), ("fair", "fair"))
        ]
        sides[0].info.description = whose
        benchmark = Dataset.from_dict({"instruction": ["One.", "Two."], "use_case": ["a", "b"]})
        Evaluation(candidate=sides[0], reference=sides[1], judge=judge).run(benchmark, out=tmp_path / name)
        return tmp_path / name

    return make


def told(hub: Hub) -> dict[str, Any]:
    return dict(json.loads(repo(hub).files("main")["codeclm.json"]).get("evaluations", {}))


def beside(hub: Hub) -> set[str]:
    return {name for name in repo(hub).files("main") if name.startswith("evaluations/")}


def test_it_stands_beside_the_data(hub: Hub, run: Path, evaluated: Callable[..., Path]) -> None:
    """In the same commit, without the journal; the card links to it, and the configs of the data are what they were."""
    made = evaluated()
    done = publish(run, REPO, evaluations=[made])
    assert done.version == "1.0.0" and len(repo(hub).log()) == 2
    (table,) = made.glob("data/comparisons/*.parquet")
    names = {"README.md", "results.json", "figures/recovery.png", "figures/outcomes.png",
             f"data/comparisons/{table.name}"}  # fmt: skip
    assert beside(hub) == {f"evaluations/small/{name}" for name in names}
    files = repo(hub).files("main")
    assert b"[small](evaluations/small/README.md)" in files["README.md"]
    assert (told(hub)["small"]["capacity_recovery_ratio"], told(hub)["small"]["models"]["judge"]) == (
        0.5,
        "the-judge",
    )
    assert len(load_dataset(REPO, "default", split="train")) == 3
    address = f"hf://datasets/{REPO}/evaluations/small/data/comparisons/*.parquet"
    assert load_dataset("parquet", data_files=address, split="train")["outcome"][:] == ["win", "loss"]


def test_the_same_again_changes_nothing(hub: Hub, run: Path, evaluated: Callable[..., Path]) -> None:
    """With or without naming it; another outcome is a new patch version, in place of the old one."""
    made = evaluated()
    publish(run, REPO, evaluations=[made])
    assert not publish(run, REPO, evaluations=[made]).new
    assert not publish(run, REPO).new
    old = beside(hub)
    again = publish(run, REPO, evaluations=[evaluated(candidate="fair")])
    assert (again.version, repo(hub).log()[0].title) == ("1.0.1", "v1.0.1: evaluation small")
    assert len(beside(hub)) == len(old) and beside(hub) != old
    assert repo(hub).files("v1.0.0")["evaluations/small/results.json"]


def test_later_versions_keep_it(hub: Hub, run: Path, evaluated: Callable[..., Path], tmp_path: Path) -> None:
    """Rows that others add, a second evaluation, and a pull request that is merged."""
    publish(run, REPO, evaluations=[evaluated()])
    pull(REPO, tmp_path / "theirs")
    publish(run_directory_of(tmp_path / "more", ["four"]), REPO, evaluations=[evaluated("second")])
    assert list(told(hub)) == ["second", "small"]
    number = contribute(run_directory_of(tmp_path / "pr", ["five"]), REPO).pull_request
    assert merge(REPO, pr=number or 0).version == "1.2.0"
    assert list(told(hub)) == ["second", "small"]
    assert len(beside(hub)) == 10


def test_what_somebody_deleted_is_told_no_more(hub: Hub, run: Path, evaluated: Callable[..., Path]) -> None:
    """The next version's card has no link to it."""
    publish(run, REPO, evaluations=[evaluated()])
    HfApi().delete_folder("evaluations/small", REPO, repo_type="dataset")
    assert publish(run, REPO).version == "1.0.1"
    assert told(hub) == {} and b"evaluations/small" not in repo(hub).files("main")["README.md"]


def test_its_texts_are_searched_before_they_are_sent(
    hub: Hub, run: Path, evaluated: Callable[..., Path], cli: Cli
) -> None:
    """A secret stops it; personal data are counted, and replaced on request in the table and in the report."""
    secret_text = "hf_" + "Qx7aLr2Tn8WvYp3Zd6Mk9Bs4Cf1Hj5Ge0U"
    secret = evaluated("leak", f"good {secret_text}")
    words = refusal_of(cli("publish", run, REPO, "--evaluation", secret))
    assert "in evaluations/leak" in words and "Qx7aLr" not in words
    assert hub.repos == {}
    assert "in evaluations/named" in refusal_of(
        cli("publish", run, REPO, "--evaluation", evaluated("named", "good", secret_text))
    )
    address = "jane@corp.example.org.uk"
    output_of(
        cli("publish", run, REPO, "--evaluation", evaluated("mail", f"good {address}", address), "--redact")
    )
    assert not [name for name, content in repo(hub).files("main").items() if address.encode() in content]
    address = f"hf://datasets/{REPO}/evaluations/mail/data/comparisons/*.parquet"
    assert (
        load_dataset("parquet", data_files=address, split="train")["candidate_response"][0] == "good [EMAIL]"
    )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: shutil.rmtree(folder), "is none .*No such file"),
        (lambda folder: (folder / "results.json").write_text("{"), "is none .*line 1 column 2"),
        (lambda folder: (folder / "results.json").write_text('{"overall": {}}'), "it lacks `codeclm_hf`"),
        (lambda folder: shutil.rmtree(folder / "data"), "it has no table of comparisons"),
        (lambda folder: folder.rename(folder.with_name("a b")), "needs a folder called with letters"),
    ],
)
def test_what_is_no_evaluation_is_refused(
    hub: Hub,
    run: Path,
    evaluated: Callable[..., Path],
    spoil: Callable[[Path], Any],
    words: str,
    tmp_path: Path,
) -> None:
    """Before anything is sent."""
    made = evaluated()
    renamed = spoil(made)
    with pytest.raises(BadInput, match=words):
        publish(run, REPO, evaluations=[renamed if isinstance(renamed, Path) else made])
    assert hub.repos == {}


def test_two_of_one_name_are_refused(evaluated: Callable[..., Path], tmp_path: Path) -> None:
    """One would stand in the place of the other."""
    made = evaluated()
    shutil.copytree(made, tmp_path / "other" / "small")
    with pytest.raises(BadInput, match="two are called small"):
        read_bundles([made, tmp_path / "other" / "small"])


def test_what_a_stranger_wrote_into_the_manifest_is_left_out() -> None:
    """Names that are no folders, and entries without the numbers."""
    whole = {
        "models": {"candidate": "a", "reference": "b", "judge": "c"}, "judge_fit": True, "comparisons": 1,
        "not_judged": 0, "capacity_recovery_ratio": None, "wilson_low": None, "wilson_high": None,
    }  # fmt: skip
    known = {
        "fine": whole,
        "x)](": whole,
        "gone": whole,
        "less": {},
        "text": {**whole, "comparisons": "many"},
    }
    files = {f"evaluations/{name}/README.md" for name in known if name != "gone"}
    minimal = {"models": {}, "config": {"threshold": 3.0, "contrastive_filter": True}, "counts": {}}
    listed = manifest_from({**minimal, "evaluations": known}).evaluations
    assert to_json(published_evaluations(listed, files)) == {"fine": whole}
    assert manifest_from({**minimal, "evaluations": ["fine"]}).evaluations == {}
