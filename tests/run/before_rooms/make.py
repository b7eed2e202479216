"""Make the fixtures of this folder, with the code whose work they are to show: that of commit da67360.

It runs in a clone of that commit, with its extras `tgi` and `test` installed:

    PYTHONPATH=tests python make.py FOLDER

FOLDER gets `run`, `published`, `pulled` and `version`; the README beside this file says what they are.
"""

# ruff: noqa: I001
# conftest sets the environment that huggingface_hub and datasets read, so it comes first.

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from conftest import HUB

from codeclm_hf import Budget, CodecLM, Evaluation, endpoint, publish, pull
from codeclm_hf.hub import pictures, report_pictures
from datasets import Dataset
from hub import Repo
from published import DOT, REPO
from standin import StandIn
from test_judge_check import good, judging, shown
from world import World, answers, number

SEEDS = ["Seed instruction number 0", "Seed instruction number 1", ""]
GIVEN = [{"use_case": "code review", "skills": ["Rust"]}]
SCORES = {"good": 8.0, "fair": 6.0, "poor": 3.0}


def main() -> None:
    """Run, publish, run for another model, publish that, and pull it."""
    out, scratch = Path(sys.argv[1]), Path(tempfile.mkdtemp())
    small_pictures_only()
    run(out / "run")
    evaluate(scratch / "small")
    work = Path(shutil.copytree(out / "run", scratch / "run"))
    publish(
        work,
        REPO,
        license="cc-by-4.0",
        message="the first",
        evaluations=[scratch / "small"],
        token="hf_write",
    )
    keep_changes(out / "run", work, out / "published")

    pictures.png = lambda figure: DOT
    run(work, target="target-two", num_instructions=9)
    publish(work, REPO, message="for another model", token="hf_other")
    pull(REPO, scratch / "pulled")
    (out / "pulled").mkdir()
    for path in (scratch / "pulled").glob(".base-*"):
        shutil.copy(path, out / "pulled")
    keep_repository(HUB.repos["datasets", REPO], out / "version", out / "run")
    HUB.close()


def small_pictures_only() -> None:
    """A card has four pictures of up to 20 kB; here the larger ones are a pixel, and so are those of a report."""
    draw = pictures.png

    def png(figure: Any) -> bytes:
        picture = draw(figure)
        return picture if len(picture) < 9_000 else DOT

    pictures.png = png
    report_pictures.png = lambda figure: DOT


def run(out: Path, target: str = "target", num_instructions: int = 8) -> None:
    """A run on stand-ins that are called as models are."""
    strong = StandIn(strong_model(), tgi=False, model="org/strong")
    weak = StandIn(answers(World(), target), tgi=False, model=f"org/{target}")
    codec = CodecLM(strong=endpoint(strong.url), target=endpoint(weak.url), iterations=3, seed=2)
    codec.run(
        Dataset.from_dict({"instruction": SEEDS}),
        out=out,
        metadata=GIVEN,
        num_instructions=num_instructions,
        num_metadata=4,
        budget=Budget(price_in=500, price_out=1500),
    )
    strong.close()
    weak.close()


def strong_model() -> Any:
    """The world's strong model, who gives no scores for one instruction in seven."""
    honest = answers(World(), "strong")

    def answer(messages: list[dict[str, str]], how: dict[str, Any]) -> Any:
        asked = messages[-1]["content"]
        if messages[0]["content"].startswith("Two assistants answered") and number(shown(asked)[0]) % 7 == 0:
            return "Both are fine."
        return honest(messages, how)

    return answer


def evaluate(out: Path) -> None:
    """An evaluation of two instructions, one won and one lost."""
    # it is a judge that passes the check of judges, too
    judge = StandIn(judging(lambda *case: SCORES.get(case[1]) or good(*case)), tgi=False, model="org/judge")
    instructions = ["One.", "Two."]
    candidate = Dataset.from_dict({"instruction": instructions, "response": ["good", "poor"]})
    reference = Dataset.from_dict({"instruction": instructions, "response": ["fair", "fair"]})
    benchmark = Dataset.from_dict({"instruction": instructions, "use_case": ["a", "b"]})
    Evaluation(candidate=candidate, reference=reference, judge=endpoint(judge.url)).run(benchmark, out=out)
    judge.close()


def keep_changes(before: Path, after: Path, folder: Path) -> None:
    """What stands in `after` and not, or not so, in `before`."""
    for path in sorted(path for path in after.rglob("*") if path.is_file()):
        name = path.relative_to(after)
        if not (before / name).is_file() or (before / name).read_bytes() != path.read_bytes():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)


def keep_repository(repo: Repo, folder: Path, run: Path) -> None:
    """Its history, and each file once, in the folder of the first version that has it, unless the run has it."""
    kept = {hashlib.sha256(path.read_bytes()).hexdigest() for path in run.rglob("*") if path.is_file()}
    names = {tag.target: name for name, tag in repo.tags.items()}
    for commit in repo.commits.values():
        for name, sha in commit.files.items():
            if sha not in kept:
                kept.add(sha)
                # a file called .gitattributes would tell git how to treat its neighbours here
                path = folder / names.get(commit.oid, "initial") / name.removeprefix(".")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(repo.blobs.read(sha))
    history = {
        "name": repo.name,
        "branches": repo.branches,
        "tags": {name: vars(tag) for name, tag in repo.tags.items()},
        "commits": [vars(commit) for commit in repo.commits.values()],
    }
    (folder / "history.json").write_text(json.dumps(history, indent=1) + "\n")


if __name__ == "__main__":
    main()
