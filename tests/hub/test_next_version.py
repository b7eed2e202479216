"""The next version: its tables, its number, its manifest and its card, before anything is sent."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from huggingface_hub import DatasetCard
from hypothesis import given, settings
from hypothesis import strategies as st

from codeclm_hf import schema
from codeclm_hf.card import render
from codeclm_hf.card.context import TITLE
from codeclm_hf.card.shapes import RowChanges
from codeclm_hf.card.statistics import READ, counts
from codeclm_hf.errors import BadInput, MergeConflict
from codeclm_hf.hub import conflicts
from codeclm_hf.hub.conflicts import ConflictLine
from codeclm_hf.hub.merge import MergeInputs
from codeclm_hf.hub.next_version import (
    Draft,
    VersionRequest,
    decide_version,
    draft_version,
    merge_versions,
    unchanged_draft,
    write_tables,
)
from codeclm_hf.hub.snapshot import Snapshot
from codeclm_hf.hub.version import FIRST, Version
from codeclm_hf.json_types import to_json
from codeclm_hf.run.card_context import render_card
from codeclm_hf.run.directory import table_files
from support.manifests import card_from, manifest_from
from support.tables import MANIFEST, VERSIONS, Row, default_row, metadata_row, snapshot, table, write_shards

REPO = "me/data"
A, B, C = (default_row(name, name) for name in "abc")
Tables = Mapping[str, Sequence[Row]]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def run(folder: Path, tables: Tables, words: str = "", **about: Any) -> Snapshot:
    """A run directory's content, with a card that says these words after the title."""
    made = snapshot(folder, tables)
    found = counts({name: made.frame(name, columns) for name, columns in READ.items()})
    manifest = manifest_from({**MANIFEST, "counts": to_json(found), **about})
    text = render_card(manifest, table_files(made.files)).replace(TITLE, f"{TITLE}\n\n{words}".rstrip())
    return Snapshot(made.files, manifest, text)


def following(
    folder: Path,
    incoming: Snapshot,
    current: Snapshot | None = None,
    latest: Version | None = None,
    *,
    base: Any = None,
    base_words: str | None = None,
    take: Any = None,
    conflict_lines: Sequence[ConflictLine] = (),
    **request: Any,
) -> Draft:
    """The version that comes of merging incoming into current: the steps of a publish, without a Hub."""
    current = current or Snapshot()
    if latest is None and current.manifest:
        latest = Version.of_tag(current.version or "")
    wanted = VersionRequest(**request)
    inputs = MergeInputs(current=current, incoming=incoming, base=base or {}, base_card_words=base_words)
    merge = merge_versions(inputs, take=take, conflict_lines=conflict_lines)
    unchanged = unchanged_draft(inputs, merge, wanted, repo=REPO)
    if unchanged is not None:
        return unchanged
    tables = write_tables(inputs, merge, folder)
    version = decide_version(wanted, inputs, merge, tables, latest=latest)
    return draft_version(inputs, merge, wanted, tables=tables, version=version, earlier=current, repo=REPO)


def first(folder: Path, tables: Tables, words: str = "", **about: Any) -> Snapshot:
    """What stands on the Hub once a run was published there."""
    return dataclasses.replace(
        following(folder, run(folder, tables, words, **about)).content, commit="c0ffee"
    )


def said(of: Snapshot) -> dict[str, Any]:
    """What the manifest says."""
    return of.require_manifest().to_json()


def rows(of: Snapshot, config: str = "default") -> list[Row]:
    return table(of.batches(config))


def test_the_first_version_is_1_0_0_and_holds_the_run(tmp_path: Path) -> None:
    """Its tables are the run's files, and its manifest and card say so."""
    incoming = run(tmp_path, {"default": [A, B], "metadata": [metadata_row("m")]})
    made = following(tmp_path, incoming)
    assert made.version == FIRST and made.is_new
    assert made.content.files == incoming.files
    assert made.changes == {
        "default": RowChanges(added=2, removed=0, changed=0),
        "metadata": RowChanges(added=1, removed=0, changed=0),
    }
    manifest = said(made.content)
    assert manifest["version"] == "1.0.0" and manifest["parent"] == {"commit": None, "version": None}
    assert manifest["columns"]["metadata"][0] == "metadata_id: string"
    assert [one["version"] for one in manifest["contributions"]] == ["1.0.0"]
    assert 'load_dataset("me/data", "default", split="train", revision="v1.0.0")' in made.content.card
    assert "usage" in manifest and "incomplete" not in manifest


def test_the_same_again_is_no_version(tmp_path: Path) -> None:
    """A run that the Hub has already makes the draft that is there."""
    tables = {"default": [A, B], "metadata": [metadata_row("m")]}
    current = first(tmp_path, tables)
    made = following(tmp_path, run(tmp_path, tables), current)
    assert not made.is_new and made.version == FIRST and not made.changes
    assert (made.content.card, made.content.manifest) == (current.card, current.manifest)
    known = Snapshot({}, current.manifest, current.card, "c0ffee", known_digests=current.digests)
    again = following(tmp_path, run(tmp_path, tables), known, base=current.digests)
    assert not again.is_new and rows(again.content) == [A, B]


def test_part_of_what_is_there_changes_nothing(tmp_path: Path) -> None:
    """A folder that never was there and has nothing new adds nothing and removes nothing."""
    current = first(tmp_path, {"default": [A, B]})
    made = following(tmp_path, run(tmp_path, {"default": [B]}), current)
    assert not made.is_new and rows(made.content) == [A, B]


@settings(max_examples=15)
@given(version=VERSIONS)
def test_manifest_and_card_tell_of_the_merged_rows(folder: Path, version: Any) -> None:
    """Counts, changes and card are those that the merged tables alone give, counted in plain Python."""
    config, base, incoming, current = version
    there = first(folder, {config: current})
    before = snapshot(folder, {config: base}).digests
    made = following(folder, run(folder, {config: incoming}), there, base=before, take="current")
    content, manifest = made.content, said(made.content)
    merged = {name: rows(content, name) for name in schema.TABLES}
    assert manifest["counts"]["rows"] == {name: len(found) for name, found in merged.items()}
    origins = Counter(row["origin"] for row in merged["metadata"] if row["use_case"] is not None)
    total, failed = origins.total(), len(merged["metadata"]) - origins.total()
    known = {origin: origins[origin] for origin in ("seed", "given", "augmented")}
    assert manifest["counts"]["metadata"] == {"total": total, **known, "failed": failed}
    assert made.version == (
        FIRST.bump("minor" if any(made.changes.values()) else "patch") if made.is_new else FIRST
    )
    assert bool(manifest.get("incomplete")) == (not merged["default"])
    fresh = snapshot(folder, merged)
    about = {
        **manifest,
        "counts": to_json(counts({name: fresh.frame(name, columns) for name, columns in READ.items()})),
    }
    assert content.card == card_from(about, table_files(content.files), name=REPO)
    data = DatasetCard(content.card).data
    assert [one["config_name"] for one in data.configs] == [name for name, found in merged.items() if found]
    for one in data.configs:
        folder_name, pattern = one["data_files"][0]["path"].removeprefix("data/").split("/")
        assert all(Path(file.name).match(pattern) for file in content.files[folder_name])


def test_a_new_row_is_a_minor_version_and_credits_both_runs(tmp_path: Path) -> None:
    """The rows of both stand, and what made each version is kept."""
    current = first(tmp_path, {"default": [A]})
    incoming = run(
        tmp_path, {"default": [B]}, models={"strong": "other", "target": "small", "judge": "third"}
    )
    made = following(tmp_path, incoming, current)
    assert made.version == Version(1, 1, 0)
    assert rows(made.content) == [A, B]
    assert [one["models"]["strong"] for one in said(made.content)["contributions"]] == [
        "big|model",
        "other",
    ]
    assert said(made.content)["parent"] == {"commit": "c0ffee", "version": "1.0.0"}
    last = following(tmp_path, run(tmp_path, {"default": [C]}), made.content)
    assert last.version == Version(1, 2, 0)
    assert [one["version"] for one in said(last.content)["contributions"]] == ["1.0.0", "1.1.0"]
    assert all(f"| {name} |" in last.content.card for name in ("big\\|model", "other", "small", "third"))


def test_what_comes_in_brings_all_that_made_it(tmp_path: Path) -> None:
    """A branch of several versions keeps each one's making when it is merged."""
    current = first(tmp_path, {"default": [A]})
    branch = following(tmp_path, run(tmp_path, {"default": [B]}, prompts={"encode": "two"}), current).content
    branch = following(tmp_path, run(tmp_path, {"default": [C]}, prompts={"encode": "three"}), branch).content
    made = following(tmp_path, branch, current, base=current.digests)
    assert rows(made.content) == [A, B, C]
    assert [one["prompts"]["encode"] for one in said(made.content)["contributions"]] == [
        "abc",
        "two",
        "three",
    ]


def test_what_a_pull_request_brings_gets_the_number_of_its_merge(tmp_path: Path) -> None:
    """Its making has no version until it is merged, and is credited once."""
    current = first(tmp_path, {"default": [A]})
    asked = following(
        tmp_path, run(tmp_path, {"default": [B]}, prompts={"encode": "two"}), current, is_numbered=False
    )
    assert [one["version"] for one in said(asked.content)["contributions"]] == ["1.0.0", None]
    made = following(tmp_path, asked.content, current, base=current.digests)
    assert [one["version"] for one in said(made.content)["contributions"]] == ["1.0.0", "1.1.0"]


def test_a_removal_credits_nobody(tmp_path: Path) -> None:
    """A version without a row that was there is minor, and its contributions are the earlier ones."""
    current = first(tmp_path, {"default": [A, B]})
    made = following(tmp_path, run(tmp_path, {"default": [A]}, prompts={}), current, base=current.digests)
    assert made.version == Version(1, 1, 0) and made.changes == {
        "default": RowChanges(added=0, removed=1, changed=0)
    }
    assert said(made.content)["contributions"] == said(current)["contributions"]


def test_scores_that_mean_something_else_are_a_major_version(tmp_path: Path) -> None:
    """Another `scoring` makes new rows major, and no rows nothing."""
    current = first(tmp_path, {"default": [A]})
    other = {**MANIFEST["config"], "scoring": "strict"}
    assert following(tmp_path, run(tmp_path, {"default": [B]}, config=other), current).version == Version(
        2, 0, 0
    )
    assert not following(tmp_path, run(tmp_path, {"default": [A]}, config=other), current).is_new


def widened(folder: Path, of: Snapshot, found: list[Row], *columns: pa.Field) -> Snapshot:
    """The same with more columns in `default`."""
    made = write_shards(
        folder, found, pa.schema([*schema.DEFAULT.arrow_schema, *columns]).with_metadata(None)
    )
    return dataclasses.replace(of, files={**of.files, "default": made})


def test_new_columns_are_a_major_version_and_none_is_lost(tmp_path: Path) -> None:
    """A column that one side has alone stays, null in the rows of the other, and merging again changes nothing."""
    more = pa.field("language", pa.string())
    german = {**A, "language": "de"}
    current = first(tmp_path, {"default": [A]})
    incoming = widened(tmp_path, run(tmp_path, {"default": [A]}), [german], more)
    there = dataclasses.replace(
        following(tmp_path, incoming, current, base=current.digests).content, commit="1"
    )
    assert said(there)["version"] == "2.0.0" and rows(there) == [german]
    made = following(tmp_path, run(tmp_path, {"default": [A, B]}), there, base=current.digests)
    assert rows(made.content) == [german, {**B, "language": None}]
    assert made.version == Version(2, 1, 0)
    again = following(tmp_path, run(tmp_path, {"default": [A, B]}), made.content, base=current.digests)
    assert not again.is_new


THOUGHT = pa.field("reasoning", pa.string())


def test_runs_that_keep_thoughts_and_runs_that_do_not_are_one_data_set(tmp_path: Path) -> None:
    """Thoughts stay in the rows that have them and are null in the others, whichever side brings them."""
    deep = {**A, "reasoning": "Hm."}
    stripped = first(tmp_path, {"default": [A]})
    kept = widened(tmp_path, run(tmp_path, {"default": [A, B]}), [deep, {**B, "reasoning": None}], THOUGHT)
    there = following(tmp_path, kept, stripped).content
    assert sorted(rows(there), key=str) == sorted([{**B, "reasoning": None}, deep], key=str)
    assert said(there)["version"] == "2.0.0"
    there = dataclasses.replace(there, commit="1")
    # somebody who keeps none, and has never seen theirs
    made = following(tmp_path, run(tmp_path, {"default": [A, C]}), there)
    assert {row["id"]: row["reasoning"] for row in rows(made.content)} == {"a": "Hm.", "b": None, "c": None}
    assert made.version == Version(2, 1, 0)
    assert made.changes["default"] == RowChanges(added=1, removed=0, changed=0)
    nobody = widened(tmp_path, run(tmp_path, {"default": [A]}), [{**A, "reasoning": None}], THOUGHT)
    assert not following(tmp_path, nobody, stripped).is_new


def test_other_thoughts_of_the_same_row_are_a_conflict(tmp_path: Path) -> None:
    """It ends with a side, or with a row that is written by hand, with thoughts or without."""
    sides = [
        widened(tmp_path, run(tmp_path, {"default": [A]}), [{**A, "reasoning": text}], THOUGHT)
        for text in ("Hm.", "So.")
    ]
    there = dataclasses.replace(following(tmp_path, sides[0]).content, commit="1")
    with pytest.raises(MergeConflict) as caught:
        following(tmp_path, sides[1], there)
    (conflict,) = caught.value.conflicts
    for by_hand in (A, {**A, "reasoning": "Well."}):
        line = json.dumps(
            {"config": "default", "id": "a", "ours": conflict.current, "theirs": conflict.incoming,
             "take": by_hand}
        )  # fmt: skip
        (tmp_path / "lines").write_text(line)
        made = following(tmp_path, sides[1], there, conflict_lines=conflicts.read(tmp_path / "lines"))
        assert rows(made.content) == [{"reasoning": None, **by_hand}]


def test_the_order_of_columns_is_no_change(tmp_path: Path) -> None:
    """The same rows in columns of another order are no version of their own level but a patch at most."""
    current = first(tmp_path, {"default": [A]})
    columns = pa.schema([schema.DEFAULT.arrow_schema.field(name) for name in reversed(list(schema.DEFAULT))])
    incoming = dataclasses.replace(
        run(tmp_path, {"default": [A]}), files={"default": write_shards(tmp_path, [A], columns)}
    )
    made = following(tmp_path, incoming, current)
    assert not any(made.changes.values()) and made.version in (FIRST, Version(1, 0, 1))


def test_a_card_alone_is_a_patch(tmp_path: Path) -> None:
    """Words or a license without rows keep the manifest's making and files."""
    current = first(tmp_path, {"default": [A, B]})
    made = following(tmp_path, run(tmp_path, {"default": [A]}, "By hand.", prompts={}), current)
    assert made.version == Version(1, 0, 1) and rows(made.content) == [A, B]
    assert "By hand." in made.content.card
    assert said(made.content)["prompts"] == MANIFEST["prompts"]
    licensed = following(tmp_path, run(tmp_path, {"default": [A]}), current, front_matter={"license": "mit"})
    assert licensed.version == Version(1, 0, 1)
    assert DatasetCard(licensed.content.card).data.license == "mit"
    again = following(tmp_path, run(tmp_path, {"default": [A]}), licensed.content, base_words=render.PLAIN)
    assert not again.is_new


@pytest.mark.parametrize(
    ("base", "incoming", "current", "stands"),
    [
        (None, "", "", ""),
        (None, "x", "", "x"),
        (None, "", "y", "y"),
        (None, "x", "x", "x"),
        (None, "x", "y", None),
        ("x", "x", "y", "y"),
        ("y", "x", "y", "x"),
        ("z", "x", "x", "x"),
        ("z", "x", "y", None),
        ("x", "", "x", ""),
        ("x", "x", "", ""),
        ("z", "", "y", None),
    ],
)
def test_the_words_of_the_side_that_changed_them_stand(
    base: str | None, incoming: str, current: str, stands: str | None, tmp_path: Path
) -> None:
    """As with rows: words changed on one side stand, also where they were taken out; two changes are a conflict."""
    there = first(tmp_path, {"default": [A]}, current)
    mine = run(tmp_path, {"default": [A, B]}, incoming)
    before = None if base is None else render.words(run(tmp_path, {"default": [A]}, base).card)
    if stands is None:
        with pytest.raises(MergeConflict, match="text of the card"):
            following(tmp_path, mine, there, base_words=before)
        for take, kept in (("incoming", incoming), ("current", current)):
            made = following(tmp_path, mine, there, base_words=before, take=take)
            assert render.words(made.content.card) == render.words(run(tmp_path, {"default": [A]}, kept).card)
    else:
        made = following(tmp_path, mine, there, base_words=before)
        assert render.words(made.content.card) == render.words(run(tmp_path, {"default": [A]}, stands).card)


def test_a_card_that_is_gone_here_takes_no_words_from_there(tmp_path: Path) -> None:
    """A folder without a card keeps the card of the Hub."""
    current = first(tmp_path, {"default": [A]}, "Words.")
    incoming = dataclasses.replace(run(tmp_path, {"default": [A, B]}), card="")
    made = following(tmp_path, incoming, current, base_words=render.words(current.card))
    assert "Words." in made.content.card


def test_rows_in_conflict_stop_it_and_are_named(tmp_path: Path) -> None:
    """The message counts them and names some; lines that a person wrote end them."""
    current = first(tmp_path, {"default": [default_row(str(n)) for n in range(7)]})
    incoming = run(tmp_path, {"default": [default_row(str(n), "other") for n in range(7)]})
    with pytest.raises(
        MergeConflict, match=r"^7 rows changed on both sides, differently: default 0, .* and 2 more$"
    ) as raised:
        following(tmp_path, incoming, current)
    lines = [ConflictLine(conflict, "incoming") for conflict in raised.value.conflicts]
    made = following(tmp_path, incoming, current, conflict_lines=lines)
    assert {row["instruction"] for row in rows(made.content)} == {"other"}


@pytest.mark.parametrize(
    ("asked", "why"), [("1.0.0", "is there already"), ("0.9.0", "is lower than 1.0.0, the latest")]
)
def test_a_version_that_cannot_be_had_is_told(asked: str, why: str, tmp_path: Path) -> None:
    """One that is taken and one below the latest are bad input, each in a sentence of its own."""
    current = first(tmp_path, {"default": [A]})
    with pytest.raises(BadInput, match=f"^needs a version above 1.0.0; {asked} {why}"):
        following(tmp_path, run(tmp_path, {"default": [B]}), current, version=Version.parse(asked))


@given(
    latest=st.none() | st.builds(Version, *[st.integers(0, 20)] * 3),
    bump=st.sampled_from(["auto", "major", "patch"]),
)
@settings(max_examples=6)
def test_the_number_follows_the_latest_of_any_branch(folder: Path, latest: Version | None, bump: str) -> None:
    """Not the one that stands on this branch; what was asked for goes before what the changes call for."""
    current = first(folder, {"default": [A]})
    made = following(folder, run(folder, {"default": [B]}), current, latest, bump=bump)
    assert made.version == (latest or FIRST).bump("minor" if bump == "auto" else bump)
    asked = Version(21, 0, 0)
    assert (
        following(folder, run(folder, {"default": [B]}), current, latest, bump=bump, version=asked).version
        == asked
    )


def test_a_pull_request_has_no_number(tmp_path: Path) -> None:
    """Nor does its card name one."""
    made = following(tmp_path, run(tmp_path, {"default": [A]}), is_numbered=False)
    assert made.version is None and said(made.content)["version"] is None
    assert "revision=" not in made.content.card


def test_a_version_of_which_nothing_was_accepted_says_so(tmp_path: Path) -> None:
    """The card warns, until there are rows."""
    current = first(tmp_path, {"metadata": [metadata_row("m")]})
    assert said(current)["incomplete"] and "[!WARNING]" in current.card
    there = first(tmp_path, {"default": [A]})
    for incoming, onto in ((run(tmp_path, {"default": [A]}), current), (current, there)):
        made = following(tmp_path, incoming, onto)
        assert made.is_new and rows(made.content) == [A]
        assert "incomplete" not in said(made.content) and "[!WARNING]" not in made.content.card
