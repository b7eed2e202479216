"""What a person decides about metadata: names to choose from, and a table to edit between encode and decode."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import load_dataset

from codeclm_hf.stages.encode import metadata_row
from support.command_line import Cli, output_of, refusal_of
from support.model_server import StandIn
from support.world import SKILLS, USE_CASES

WorldOf = Callable[..., tuple[StandIn, StandIn]]


@pytest.fixture
def servers(world_of: WorldOf) -> tuple[StandIn, StandIn]:
    return world_of(tgi=False)


@pytest.fixture
def typed(servers: tuple[StandIn, StandIn], tmp_path: Path, seeds_file: Path) -> list[object]:
    """A small run's words."""
    strong, target = servers
    return ["run", seeds_file, "--strong", strong.url, "--target", target.url, "--out", tmp_path / "out",
            "--num-instructions", 8, "--num-metadata", 4]  # fmt: skip


def test_lists_are_chosen_from_and_recorded(cli: Cli, typed: list[object], tmp_path: Path) -> None:
    """Names become the listed spellings; the manifest has the lists; a configuration file may name them."""
    (tmp_path / "use-cases.txt").write_text("\n".join(name.upper() for name in USE_CASES))
    (tmp_path / "skills.json").write_text(json.dumps([name.title() for name in SKILLS]))
    (tmp_path / "run.yaml").write_text(f"use-cases: {tmp_path / 'use-cases.txt'}\n")
    output_of(cli(*typed, "--config", tmp_path / "run.yaml", "--skills", tmp_path / "skills.json"))
    table = load_dataset(str(tmp_path / "out"), "metadata", split="train")
    assert set(table["use_case"]) <= {name.upper() for name in USE_CASES}
    assert {skill for row in table for skill in row["skills"]} <= {name.title() for name in SKILLS}
    config = json.loads((tmp_path / "out" / "codeclm.json").read_text())["config"]
    assert config["use_cases"] == [name.upper() for name in USE_CASES]
    assert config["skills"] == [name.title() for name in SKILLS]


def test_without_lists_the_manifest_says_nothing_of_skills(
    cli: Cli, typed: list[object], tmp_path: Path
) -> None:
    """As manifests always were."""
    output_of(cli(*typed))
    config = json.loads((tmp_path / "out" / "codeclm.json").read_text())["config"]
    assert config["use_cases"] == []
    assert "skills" not in config


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "needs at least one use case"),
        ("poetry\nPoetry\n", "needs each use case once"),
        (None, "there is no file"),
    ],
)
def test_a_list_that_cannot_be_used_stops_before_anything_is_written(
    cli: Cli, typed: list[object], tmp_path: Path, content: str | None, words: str
) -> None:
    """One line says why, and no folder is made."""
    if content is not None:
        (tmp_path / "list.txt").write_text(content)
    assert words in refusal_of(cli(*typed, "--use-cases", tmp_path / "list.txt"))
    assert not (tmp_path / "out").exists()


def test_a_list_in_a_configuration_file_must_be_a_file(cli: Cli, typed: list[object], tmp_path: Path) -> None:
    """A YAML list in place of a file's name is refused in words."""
    (tmp_path / "run.yaml").write_text("use-cases: [poetry, code]\n")
    refusal_of(cli(*typed, "--config", tmp_path / "run.yaml"))


def parquet(folder: Path) -> dict[str, bytes]:
    """The tables of a run directory."""
    return {path.name: path.read_bytes() for path in sorted((folder / "data").rglob("*.parquet"))}


def asked(servers: tuple[StandIn, StandIn]) -> int:
    return sum(len(server.asked) for server in servers)


def cells_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        return list(csv.DictReader(text))


def save(file: Path, rows: list[dict[str, str]]) -> None:
    """Write the file as a spreadsheet does, with semicolons and without the byte order mark."""
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


def test_metadata_alone_are_made_and_the_same_command_goes_on(
    cli: Cli, typed: list[object], servers: tuple[StandIn, StandIn], tmp_path: Path
) -> None:
    """Neither a response nor a judgement is asked for; then nothing is asked for twice, and the tables are those
    of a run that did not stop."""
    out, file = tmp_path / "out", tmp_path / "metadata.csv"
    shown = output_of(cli(*typed, "--metadata-only"))
    assert f"made 4 metadata, 0 failed; to edit them: codeclm-hf metadata export {out} FILE.csv" in shown
    assert servers[1].asked == []
    stages = {one["messages"][0]["content"].split()[0] for one in servers[0].asked}
    assert stages == {"Describe", "Think"}
    assert json.loads((out / "codeclm.json").read_text())["status"] == "running"
    assert len(load_dataset(str(out), data_files="data/metadata/*.parquet", split="train")) == 4
    assert "not finished" in output_of(cli("inspect", out))
    output_of(cli("metadata", "export", out, file))
    shown = output_of(cli("metadata", "import", out, file))
    assert "took in 4 metadata: 0 edited, 0 left out" in shown
    before = asked(servers)
    output_of(cli(*typed))
    bodies = [json.dumps(one["body"], sort_keys=True) for server in servers for one in server.asked]
    assert asked(servers) > before
    assert len(bodies) == len(set(bodies))
    typed[typed.index("--out") + 1] = tmp_path / "at once"
    output_of(cli(*typed))
    assert parquet(out) == parquet(tmp_path / "at once")


def test_a_round_trip_without_edits_changes_nothing(
    cli: Cli, typed: list[object], servers: tuple[StandIn, StandIn], tmp_path: Path
) -> None:
    """After it, the run asks nothing and writes the same bytes; the manifest says what it is made of."""
    out, file = tmp_path / "out", tmp_path / "metadata.csv"
    output_of(cli(*typed))
    before, count = parquet(out), asked(servers)
    output_of(cli("metadata", "export", out, file))
    output_of(cli("metadata", "import", out, file))
    shown = output_of(cli(*typed))
    assert (parquet(out), asked(servers)) == (before, count)
    assert "edited: 4 metadata came from a file that was imported" in shown
    assert json.loads((out / "codeclm.json").read_text())["seeds"]["edited"] == 4


def test_edits_are_what_the_run_goes_on_with(
    cli: Cli, typed: list[object], servers: tuple[StandIn, StandIn], tmp_path: Path
) -> None:
    """A row is renamed, one has its rubrics edited, one gets new ones, one is deleted; a second import replaces the
    first, under the ids that were exported."""
    out, file = tmp_path / "out", tmp_path / "metadata.csv"
    output_of(cli(*typed, "--metadata-only"))
    output_of(cli("metadata", "export", out, file))
    renamed, edited, anew, _ = rows = cells_of(file)
    renamed |= {"use_case": "legal letters", "skills": "law\nplain words"}
    edited |= {"rubrics": "is long", "actions": "make it longer"}
    anew |= {"rubrics": "", "actions": ""}
    save(file, rows)
    assert "took in 4 metadata: 3 edited, 0 left out" in output_of(cli("metadata", "import", out, file))
    output_of(cli("metadata", "export", out, tmp_path / "again.csv"))
    assert cells_of(tmp_path / "again.csv") == rows
    save(file, rows[:3])
    assert "took in 3 metadata: 3 edited, 1 left out" in output_of(cli("metadata", "import", out, file))
    thought = sum(one["messages"][0]["content"].startswith("Think") for one in servers[0].asked)
    output_of(cli(*typed, "--metadata-only"))
    described = load_dataset(str(out), data_files="data/metadata/*.parquet", split="train")
    assert (described["rubrics"][1], len(described["rubrics"][2])) == (["is long"], 4)
    output_of(cli(*typed))
    table = load_dataset(str(out), "metadata", split="train").to_list()
    new = metadata_row("legal letters", ["law", "plain words"], origin="seed", seed_ids=table[0]["seed_ids"])
    assert table[0] == {**new, "rubrics": table[0]["rubrics"], "actions": table[0]["actions"]}
    assert (table[1]["rubrics"], table[1]["actions"]) == (["is long"], ["make it longer"])
    assert [row["metadata_id"] for row in table[1:]] == [edited["metadata_id"], anew["metadata_id"]]
    assert len(table[2]["rubrics"]) == 4
    # the row without rubrics was described before, and so its answer is in the journal
    assert sum(one["messages"][0]["content"].startswith("Think") for one in servers[0].asked) == thought
    trace = load_dataset(str(out), "trace", split="train")
    assert set(trace["metadata_id"]) == {row["metadata_id"] for row in table}
    actions = {row["action"] for row in trace if row["metadata_id"] == edited["metadata_id"]}
    assert actions <= {None, "make it longer"}
    output_of(cli("metadata", "export", out, file))
    assert cells_of(file)[0]["metadata_id"] == new["metadata_id"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["export", "nowhere", "m.csv"], "needs a run directory with a codeclm.json; nowhere has none"),
        (["import", "nowhere", "m.csv"], "needs a run directory with a codeclm.json; nowhere has none"),
        (["export", "begun", "m.csv"], "needs metadata to edit; begun has none; make some with"),
        (["import", "out", "nowhere.csv"], "needs a CSV file; nowhere.csv cannot be read"),
        (["export", "out", "no/folder/m.csv"], "needs a file to write to"),
        (["export", "out", "out"], "needs a file to write to"),
        (["import", "out", "wrong.csv"], "wrong.csv has mistakes: line 2: the use case is empty"),
    ],
)
def test_what_cannot_be_edited_is_refused(
    cli: Cli,
    typed: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    line: str,
) -> None:
    """In one line, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    output_of(cli(*typed, "--metadata-only"))
    (tmp_path / "begun").mkdir()
    shutil.copy("out/codeclm.json", "begun")
    output_of(cli("metadata", "export", "out", "wrong.csv"))
    save(Path("wrong.csv"), [{**row, "use_case": ""} for row in cells_of(Path("wrong.csv"))])
    files = sorted(map(str, tmp_path.rglob("*")))
    assert line in refusal_of(cli("metadata", *words))
    assert sorted(map(str, tmp_path.rglob("*"))) == files


def test_a_finished_data_set_is_not_replaced_by_metadata_alone(
    cli: Cli, typed: list[object], tmp_path: Path
) -> None:
    """Its metadata can be exported as they are."""
    output_of(cli(*typed))
    before = parquet(tmp_path / "out")
    assert "holds a finished data set; export its metadata as they are" in refusal_of(
        cli(*typed, "--metadata-only")
    )
    assert parquet(tmp_path / "out") == before


def test_metadata_beside_those_of_a_pulled_version_are_not_edited(
    cli: Cli, typed: list[object], tmp_path: Path
) -> None:
    """Nobody could tell which are the run's."""
    out = tmp_path / "out"
    output_of(cli(*typed))
    shutil.copytree(out / "data" / "metadata", out / ".pulled" / "metadata")
    assert "those of a version that was pulled" in refusal_of(
        cli("metadata", "export", out, tmp_path / "m.csv")
    )


def test_an_edited_table_that_is_torn_is_told(cli: Cli, typed: list[object], tmp_path: Path) -> None:
    """The run says which file it is, and asks nothing."""
    output_of(cli(*typed, "--metadata-only"))
    (tmp_path / "out" / ".metadata.parquet").write_bytes(b"PAR1")
    assert ".metadata.parquet; it cannot be read" in refusal_of(cli(*typed))


def test_metadata_are_checked_from_the_command_line(cli: Cli, typed: list[object], tmp_path: Path) -> None:
    """The summary and the plan say how many were left out, and what is asked."""
    more = [12 if word in (8, 4) else word for word in typed]
    assert re.search(r"check\W+0\W+108\b", output_of(cli(*more, "--check-metadata", "--dry-run")))
    shown = output_of(cli(*more, "--check-metadata"))
    assert re.search(r"implausible: \d+ mixed metadata were left out", shown)


def test_the_plan_of_metadata_alone_has_their_stages_alone(
    cli: Cli, typed: list[object], servers: tuple[StandIn, StandIn], tmp_path: Path
) -> None:
    """Nothing is asked, written, or planned behind the rubrics."""
    shown = output_of(cli(*typed, "--metadata-only", "--check-metadata", "--dry-run"))
    for stage in ("encode", "check", "rubrics"):
        assert re.search(rf"\b{stage}\b\W+\d", shown)
    assert not re.search(r"\b(?:decode|respond|judge|improve)\b\W+\d", shown)
    assert not (tmp_path / "out").exists()
    assert asked(servers) == 0
