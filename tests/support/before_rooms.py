"""What the code wrote before it was divided into rooms; `tests/run/before_rooms/README.md` says how it was made."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict, Features

from codeclm_hf import Budget, CodecLM, endpoint, schema
from support.hub_server import Commit, Hub, Repo, Tag
from support.inputs import tree
from support.model_server import StandIn

FOLDER = Path(__file__).parents[1] / "run" / "before_rooms"
RUN = FOLDER / "run"
VERSIONS = ("v1.0.0", "v1.1.0")
FEATURES = {
    name: Features(
        {column: kind for column, kind in features.items() if column not in schema.LATER.get(name, ())}
    )
    for name, features in schema.TABLES.items()
}
"""Those of the old tables."""
CARD_CHANGES: tuple[str, ...] = ()
"""The lines in which today's card of the same manifest differs from the old one, as `- old` and `+ new`.

As soon as there is one, an old folder that is published again as it is becomes a patch version: its card is another.
"""
COUNTED_CHANGES = (
    "+ | how the instructions differ | here |",
    "+ |---|---:|",
    "+ | instructions looked at |",
    "+ | similarity to the most similar other one, on average (1 is the same) |",
    "+ | with a near-duplicate among them |",
    "+ | different words, of all (distinct-1) |",
    "+ | different pairs of words, of all (distinct-2) |",
    "+ | different runs of three words, of all (distinct-3) |",
    "+ ",
)
"""The same where the tables are counted anew, without the figures."""
RESUMED_CHANGES = (
    "+   - name: flags",
    "+     list: string",
    "+     dtype: string",
    "+   - name: flags",
    "+     list: string",
    "+   - name: strong_flags",
    "+     list: string",
    "+   - name: target_flags",
    "+     list: string",
    "+   - name: rejected",
    "+     list:",
    "+     - name: reason",
    "+       dtype: string",
    "+     - name: text",
    "+       dtype: string",
    "+   - name: removed",
    *COUNTED_CHANGES,
    "+ ",
    "+ | what became of 8 instructions | | number | share | cost |",
    "+ |---|---|---:|---:|---:|",
    "+ | accepted | in the data set | 6 | 75.0 % | 1.72 |",
    "+ | exhausted | both answers were about as good, to the last version | 1 | 12.5 % | 0.72 |",
    "+ | failed | could not be answered or judged | 1 | 12.5 % | 0.71 |",
    "+ ",
    "+ With all that was lost on the way, each accepted row cost 0.70.",
    "+ {% if skills %}",
    '+ Choose the skills from this list: {{ skills | join("; ") }}.',
    "+ {% endif %}",
)
"""The same where the run's rows are made anew, with today's columns and prompts."""
FLAGS: dict[str, list[Any]] = {name: [] for name in ("flags", "strong_flags", "target_flags", "rejected")}
"""What a run today finds in the old responses and drafts: nothing."""


def run_directory(folder: Path) -> Path:
    """The run directory as the old run left it."""
    return Path(shutil.copytree(RUN, folder))


def published_directory(folder: Path) -> Path:
    """The same after it was published as v1.0.0."""
    run_directory(folder)
    return Path(shutil.copytree(FOLDER / "published", folder, dirs_exist_ok=True))


def pulled_directory(folder: Path) -> Path:
    """The folder that v1.1.0 was pulled into."""
    for name, content in version_files("v1.1.0").items():
        path = Path(name)
        if path.parts[0] in ("README.md", "codeclm.json", "data", "figures"):
            _write(folder / path, content)
        if path.parts[0] == "data":
            _write(folder / ".pulled" / path.relative_to("data"), content)
    return Path(shutil.copytree(FOLDER / "pulled", folder, dirs_exist_ok=True))


def evaluation(folder: Path) -> Path:
    """The evaluation that was published with v1.0.0, in a folder of its name."""
    for name, content in version_files("v1.0.0").items():
        if name.startswith("evaluations/small/"):
            _write(folder / Path(name).relative_to("evaluations"), content)
    return folder / "small"


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def history() -> dict[str, Any]:
    """The data set's commits, tags and branches."""
    return dict(json.loads((FOLDER / "version" / "history.json").read_text()))


def version_files(version: str) -> dict[str, bytes]:
    """The files of a version, by name."""
    target = history()["tags"][version]["target"]
    (commit,) = (commit for commit in history()["commits"] if commit["oid"] == target)
    contents = _contents()
    return {name: contents[sha] for name, sha in commit["files"].items()}


def _contents() -> dict[str, bytes]:
    """Every file, by its SHA-256."""
    files = (path.read_bytes() for path in FOLDER.rglob("*") if path.is_file())
    return {hashlib.sha256(content).hexdigest(): content for content in files}


def put_on(hub: Hub, *, newest: str = VERSIONS[-1]) -> Repo:
    """Put the data set on a Hub as it was when `newest` was its newest version."""
    recorded = history()
    repo = hub.add(recorded["name"])
    for content in _contents().values():
        repo.blobs.add([content])
    tags = VERSIONS[: VERSIONS.index(newest) + 1]
    repo.tags = {name: Tag(**recorded["tags"][name]) for name in tags}
    repo.commits = {}
    for commit in recorded["commits"]:
        repo.commits[commit["oid"]] = Commit(**commit)
        if commit["oid"] == repo.tags[newest].target:
            break
    repo.branches = {"main": repo.tags[newest].target}
    return repo


def run_again(servers: tuple[StandIn, StandIn], out: Path, *, threshold: float = 3.0) -> DatasetDict:
    """Run with the arguments of the old run, or with another threshold."""
    strong, target = servers
    codec = CodecLM(
        strong=endpoint(strong.url), target=endpoint(target.url), iterations=3, seed=2, threshold=threshold
    )
    return codec.run(
        Dataset.from_dict({"instruction": ["Seed instruction number 0", "Seed instruction number 1", ""]}),
        out=out,
        metadata=[{"use_case": "code review", "skills": ["Rust"]}],
        num_instructions=8,
        num_metadata=4,
        budget=Budget(price_in=500, price_out=1500),
    )


def tables(files: Path | dict[str, bytes]) -> dict[str, pa.Table]:
    """The four tables of a run directory or of a version's files, by config."""
    if isinstance(files, Path):
        files = tree(files)
    return {
        config: pa.concat_tables(
            pq.read_table(pa.BufferReader(content))
            for name, content in files.items()
            if name.startswith(f"data/{config}/")
        )
        for config in schema.TABLES
    }


def as_made_today(config: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Old rows with the columns that a run today gives them."""
    later = {name: FLAGS.get(name) for name in schema.LATER.get(config, ())}
    return [row | later for row in rows]


def changes(before: dict[str, pa.Table], after: dict[str, pa.Table]) -> dict[str, dict[str, int]]:
    """By config, how many rows came, went and hold something else; that there are no flags is nothing else."""
    counts = {}
    for config in schema.TABLES:
        later = schema.LATER.get(config, ())
        was, now = (
            {
                row[schema.KEYS[config]]: {name: row[name] for name in row if row[name] or name not in later}
                for row in side[config].to_pylist()
            }
            for side in (before, after)
        )
        counts[config] = {
            "added": len(now.keys() - was.keys()),
            "removed": len(was.keys() - now.keys()),
            "changed": sum(was[name] != now[name] for name in was.keys() & now.keys()),
        }
    return counts


def same_writer() -> bool:
    """Whether the installed pyarrow is the one that wrote the old files: each writes its version into them."""
    file = next(RUN.glob("data/default/*.parquet"))
    return str(pq.read_metadata(file).created_by).endswith(f" {pa.cpp_version}")


def check_tables(folder: Path) -> None:
    """The folder has the old run's rows with today's columns; where no column is new, the files are the same bytes."""
    for config, table in tables(folder).items():
        assert Features.from_arrow_schema(table.schema) == schema.TABLES[config]
        assert table.to_pylist() == as_made_today(config, tables(RUN)[config].to_pylist())
        if same_writer() and config not in schema.LATER:
            assert tree(folder / "data" / config) == tree(RUN / "data" / config)


def check_card(after: str, before: str, changes: tuple[str, ...] = CARD_CHANGES) -> None:
    """A card of the same data is as it was, but for these changes."""
    if changes:
        after, before = _without_figures(after), _without_figures(before)
    if changes or not same_writer():
        after, before = _without_files(after), _without_files(before)
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    assert [line for line in lines if line[0] in "-+"] == list(changes)


def _without_files(card: str) -> str:
    """A card without what it says of the Parquet files' names and sizes."""
    card = re.sub(r"(num_bytes|download_size|dataset_size): \d+", r"\1: 0", card)
    return re.sub(r"train-\*-[0-9a-f]{16}", "train-*", card)


def _without_figures(card: str) -> str:
    """A card without the hashes of its blocks and of the prompts, and without how much its instructions differ."""
    card = re.sub(r"(codeclm-hf:begin \w+) [0-9a-f]+", r"\1", card)
    card = re.sub(r"(The prompt \w+), [0-9a-f]+", r"\1", card)
    differ = re.compile(
        r"^(\| (?:instructions looked|similarity|with a near-duplicate|different) .*?\|) .*", re.MULTILINE
    )
    return differ.sub(r"\1", card)


def check_manifest(after: dict[str, Any], before: dict[str, Any], *, is_resumed: bool = False) -> None:
    """A manifest of the same data is as it was, but for the versions of the packages and what is counted since."""
    after["distributions"].pop("diversity")
    if is_resumed:
        outcomes = after.pop("funnel")["outcomes"]
        found = {outcome["reason"]: outcome["instructions"] for outcome in outcomes}
        assert found == {"accepted": 6, "exhausted": 1, "failed": 1}
        assert sum(row.pop("cost") for row in after["usage"]) == pytest.approx(
            sum(o["cost"] for o in outcomes), 1
        )
        for name in ("prompts", "prompt_texts"):
            assert after[name].pop("encode") != before[name].pop(
                "encode"
            )  # it may name skills to choose from
    versions = ("codeclm_hf", "versions")
    assert list(after) == list(before)
    assert {name: after[name] for name in after if name not in versions} == {
        name: before[name] for name in before if name not in versions
    }
