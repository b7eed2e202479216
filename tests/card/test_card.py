"""The card of a run directory."""

from __future__ import annotations

import inspect
import json
import re
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import Dataset
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCard, DatasetCardData
from hypothesis import given, settings
from hypothesis import strategies as st

from codeclm_hf import CodecLM, schema
from codeclm_hf.card import blocks
from codeclm_hf.card.render import PLAIN, TITLE, escape, name_line, split_card, words
from codeclm_hf.card.shapes import TableFiles
from codeclm_hf.errors import BadInput
from codeclm_hf.json_types import to_json
from codeclm_hf.settings import PAPER
from codeclm_hf.text import display_name
from support.manifests import card_from, distributions_from


def test_the_front_matter_says_what_the_hub_needs(codec: CodecLM, seeds: Dataset, tmp_path: Path) -> None:
    """`huggingface_hub` parses it: configs with a default, size, task, and that it is synthetic."""
    tables = codec.run(seeds, out=tmp_path, num_instructions=8, num_metadata=4)
    data = DatasetCard.load(tmp_path / "README.md").data
    assert [config["config_name"] for config in data.configs] == list(tables)
    assert [config.get("default", False) for config in data.configs] == [True, False, False, False]
    assert data.size_categories == ["n<1K"]
    assert {"synthetic", "codeclm"} <= set(data.tags)
    assert data.annotations_creators == ["machine-generated"]


def test_the_body_counts_what_happened(codec: CodecLM, seeds: Dataset, tmp_path: Path) -> None:
    """Rows, models, and verdicts by iteration, adding up to the trace."""
    tables = codec.run(seeds, out=tmp_path, num_instructions=8, num_metadata=4)
    text = DatasetCard.load(tmp_path / "README.md").text
    assert f"| `default` | {len(tables['default'])} |" in text
    assert f"{tables['metadata']['origin'][:].count('seed')} from seeds" in text
    lines = [line for line in text.splitlines() if line[:3] in ("| 1", "| 2", "| 3", "| 4")]
    assert sum(int(cell) for line in lines for cell in line.split("|")[2:-1]) == len(tables["trace"])


def test_the_body_shows_what_the_tables_hold(codec: CodecLM, seeds: Dataset, tmp_path: Path) -> None:
    """Each use case and skill with its rows, as the tables have them, and as many columns in every line."""
    tables = codec.run(seeds, out=tmp_path, num_instructions=8, num_metadata=4)
    text = block((tmp_path / "README.md").read_text(), "content")
    lines = [
        line.removeprefix("| ").split(" | ") for line in text.split("| use case | skill |")[0].splitlines()
    ]
    shown = {cells[0]: cells[1] for cells in lines if len(cells) > 1}
    rows = tables["default"].to_list()
    counts = Counter(row["use_case"] for row in rows) + Counter(
        skill for row in rows for skill in row["skills"]
    )
    assert counts
    assert all(shown[name_line(name)] == str(n) for name, n in counts.items() if name_line(name) in shown)
    assert sum(name_line(name) in shown for name in counts) >= min(10, len(counts))
    assert f"strong model in {tables['default']['winner'][:].count('strong')} rows" in text


@settings(max_examples=40)
@given(st.text())
def test_any_name_is_one_cell_of_a_table(name: str) -> None:
    """Whatever a model called a use case: one line, no cell more, no markup, never empty."""
    line = name_line(name)
    assert line.strip() and len(line.splitlines()) == 1
    assert not re.search(r"(?<!\\)(?:\\\\)*[|<`*\[\]!]", line)


def test_a_models_name_cannot_break_the_card() -> None:
    """Pipes, HTML, links and line breaks become plain text."""
    assert escape("a|b\n<script>[x](http://t)`") == "a\\|b \\<script\\>\\[x\\]\\(http://t\\)\\`"


COUNTS = {
    "metadata": {"total": 2, "seed": 2, "given": 0, "augmented": 0, "failed": 0},
    "instructions": 3,
    "iterations": [
        {"iteration": 1, "accept_strong": 2, "accept_target": 0, "retry": 1, "exhausted": 0, "failed": 0},
    ],
    "rows": {"default": 2, "preference": 2, "trace": 3, "metadata": 2},
}
MANIFEST: dict[str, Any] = {
    "models": {"strong": "big", "target": "small"},
    "config": {"threshold": 3.0, "contrastive_filter": True, "scoring": "mean"},
    "counts": COUNTS,
}
TABLES = {
    name: TableFiles(f"data/{name}/train-*-0.parquet", schema.TABLES[name], 1_234, 5_678)
    for name in ("default", "trace")
}
FRESH = card_from(MANIFEST, TABLES)
OTHER: dict[str, Any] = {
    **MANIFEST,
    "models": {"strong": "bigger", "target": "small"},
    "counts": {**COUNTS, "rows": {**COUNTS["rows"], "default": 2_000}},
    "version": "1.2.0",
}
BLOCK = re.compile(
    r"<!-- codeclm-hf:begin (\w+)(?: \w{8})? -->(?:(?!<!-- codeclm-hf:begin).)*?<!-- codeclm-hf:end \1 -->",
    re.S,
)
NAMES = ["summary", "content", "making", "changes", "evaluation", "limits", "citation"]


def again(card: str, manifest: dict[str, Any] = OTHER, **how: Any) -> str:
    """The card rendered onto an older one, which it does not change when that is done twice."""
    once = card_from(manifest, TABLES, card, **how)
    assert card_from(manifest, TABLES, once, **how) == once
    return once


def block(card: str, name: str) -> str:
    (found,) = [match[0] for match in BLOCK.finditer(card) if match[1] == name]
    return found


def test_a_card_onto_an_older_one_is_the_new_card() -> None:
    """Where nobody wrote anything, it does not matter what card was there."""
    assert card_from(OTHER, TABLES, FRESH, name="me/data") == card_from(OTHER, TABLES, name="me/data")
    assert again(FRESH, MANIFEST) == FRESH


def test_what_people_wrote_stays_where_it_is() -> None:
    """Text before, between and after the generated blocks keeps every character, and the blocks are the new ones."""
    texts = [
        "Über uns\n\n\n",
        "  between | the <b>blocks</b>\n",
        "---\nnot: front matter\n---",
        "\\1 \\g<0> $&",
        "> last",
        "a | b",
        "```",
    ]
    card = FRESH
    for name, text in zip(NAMES, texts, strict=True):
        card = card.replace(f"<!-- codeclm-hf:end {name} -->", f"<!-- codeclm-hf:end {name} -->\n{text}")
    card = card.replace(TITLE, "# Our own title") + "\n## After\n\n"
    fresh, after = card_from(OTHER, TABLES), again(card)
    assert BLOCK.split(split_card(after)[1]) == BLOCK.split(split_card(card)[1])
    assert [match[0] for match in BLOCK.finditer(after)] == [match[0] for match in BLOCK.finditer(fresh)]


def test_blocks_stay_where_people_moved_them() -> None:
    """The order of the old card is kept."""
    first, *_, last = (match[0] for match in BLOCK.finditer(FRESH))
    card = FRESH.replace(first, "@").replace(last, first).replace("@", last)
    assert [match[1] for match in BLOCK.finditer(again(card))] == [
        "citation",
        "content",
        "making",
        "changes",
        "evaluation",
        "limits",
        "summary",
    ]


@pytest.mark.parametrize("gone", NAMES)
def test_a_new_block_comes_after_the_one_before_it(gone: str) -> None:
    """A block that the old card lacks stands after its predecessor, and the first one, which has none, at the end."""
    card = FRESH.replace(block(FRESH, gone), "By hand.")
    after = again(card)
    assert "By hand." in after
    there = [name for name in NAMES if name != gone]
    at = NAMES.index(gone) or len(there)
    assert [match[1] for match in BLOCK.finditer(after)] == [*there[:at], gone, *there[at:]]


def test_a_block_that_is_no_more_vanishes() -> None:
    """What an older version generated and this one does not is taken out, and the text around it stays."""
    old = "<!-- codeclm-hf:begin badges -->\nold\n<!-- codeclm-hf:end badges -->"
    after = again(FRESH.replace(TITLE, f"{TITLE}\nbefore {old} after"))
    assert "badges" not in after and "before  after" in after


FOREIGN = """---
pretty_name: Ünser
license: mit
dataset_info:
- config_name: theirs
  features: [{name: a, dtype: string}]
- features: []
configs:
- config_name: theirs
  data_files: theirs.csv
  default: true
- config_name: default
  data_files: old.parquet
tags: [ours, synthetic]
task_categories: question-answering
train-eval-index: [{config: theirs}]
extra: {to_yaml: 1, when: 2024-01-02, null: [~, yes]}
self: me
to_yaml: a
to_dict: b
ignore_metadata_errors: c
viewer: false
---
Their text.
"""


def test_front_matter_that_is_not_ours_stays() -> None:
    """Foreign keys, tags, configs and what is told of them survive; ours are the new ones; there is one default."""
    front, before = split_card(again(FOREIGN))[0], split_card(FOREIGN)[0]
    for name in (
        "pretty_name",
        "license",
        "train-eval-index",
        "extra",
        "self",
        "to_yaml",
        "to_dict",
        "viewer",
    ):
        assert front[name] == before[name]
    assert front["ignore_metadata_errors"] == "c"
    assert front["tags"] == ["synthetic", "codeclm", "codeclm-hf", "sft", "dpo", "ours"]
    assert front["task_categories"] == ["text-generation", "question-answering"]
    assert [one["config_name"] for one in front["configs"]] == ["default", "trace", "theirs"]
    assert [one.get("default") for one in front["configs"]] == [True, None, None]
    assert front["configs"][0]["data_files"][0]["path"] == TABLES["default"].pattern
    assert front["size_categories"] == ["1K<n<10K"]
    assert [one["config_name"] for one in front["dataset_info"]] == ["default", "trace", "theirs"]
    assert front["dataset_info"][2] == {
        "config_name": "theirs",
        "features": [{"name": "a", "dtype": "string"}],
    }
    told = DatasetInfosDict.from_dataset_card_data(DatasetCardData(dataset_info=front["dataset_info"]))
    assert told["default"].features == schema.DEFAULT and told["default"].download_size == 1_234
    assert told["default"].splits["train"].num_examples == 2_000
    assert "---\nTheir text." in again(FOREIGN)


def test_a_license_that_is_asked_for_goes_before_one_that_is_there() -> None:
    """`front` is the last word."""
    assert split_card(again(FOREIGN, front={"license": "cc0-1.0"}))[0]["license"] == "cc0-1.0"


@pytest.mark.parametrize("change", ["\r\n", "bom", "bare", "empty", "bare bom"])
def test_cards_of_other_editors_are_read(change: str) -> None:
    """Windows line ends, a byte order mark, no front matter and empty front matter lose no text."""
    card = {
        "\r\n": FOREIGN.replace("\n", "\r\n"),
        "bom": f"\ufeff{FOREIGN}",
        "bare": "Their text.\n",
        "empty": "---\n---\nTheir text.\n",
        "bare bom": "\ufeffTheir text.",
    }[change]
    after = again(card)
    assert "Their text." in after and after.startswith("---\n") and "\ufeff" not in after
    assert ("license" in split_card(after)[0]) == (change in ("\r\n", "bom"))
    assert [match[1] for match in BLOCK.finditer(after)] == NAMES


@pytest.mark.parametrize(
    "front",
    [
        "a: [", "a: b: c", "- a", "text", "a: !!python/object:os.system x", "a: !!int ''", "a: !!bool x",
        "a: !!timestamp x", "a: 2024-13-45", "a: \t- b", "? [a]\n: b", "a: \x00", "a: " + "[" * 5_000,
    ],
)  # fmt: skip
def test_front_matter_that_cannot_be_read_is_told_in_one_sentence(front: str) -> None:
    """Broken YAML is bad input, in one line."""
    with pytest.raises(BadInput, match=r"^needs a card with YAML front matter; ") as caught:
        card_from(MANIFEST, TABLES, f"---\n{front}\n---\ntext")
    assert "\n" not in str(caught.value)


BEGIN, END = "<!-- codeclm-hf:begin summary -->", "<!-- codeclm-hf:end summary -->"


@pytest.mark.parametrize(
    "text",
    [
        f"one {BEGIN} two",
        f"one {END} two",
        f"{END} one {BEGIN}",
        "one <!-- codeclm-hf:begin limits --> two",
        "one <!-- codeclm-hf:end citation --> two <!-- codeclm-hf:begin",
        "one <!-- codeclm-hf:begin a b --> two <!-- codeclm-hf:end a b -->",
        "<!-- codeclm-hf:begin x --> one <!-- codeclm-hf:end y -->",
    ],
)
@pytest.mark.parametrize("place", [TITLE, "<!-- codeclm-hf:end making -->"])
def test_what_looks_like_our_markers_loses_no_text(text: str, place: str) -> None:
    """Unbalanced and crossed markers are text like any other."""
    card = FRESH.replace(place, f"{place}\n{text}\nstays\n")
    after = again(card)
    assert text in after and "stays" in after
    assert words(after) == words(card) != PLAIN


def test_a_block_that_stands_twice_or_inside_another_loses_no_text() -> None:
    """Both copies are the new one; a block inside another is the block, and what is around it is text."""
    summary = block(FRESH, "summary")
    after = again(f"{FRESH}\none\n{summary}\ntwo\n")
    assert (
        after.count(block(card_from(OTHER, TABLES), "summary")) == 2
        and "\none\n" in after
        and "\ntwo\n" in after
    )
    nested = again(FRESH.replace(summary, f"{BEGIN} outer {block(FRESH, 'limits')} text {END}"))
    assert "outer" in nested and f" text {END}" in nested


@given(text=st.lists(st.sampled_from([*"ab-<>!\n \0", BEGIN, END, "---\n"]), max_size=8).map("".join))
def test_any_text_of_people_stays(text: str) -> None:
    """Whatever stands after the blocks and is no whole block, is there character by character after rendering."""
    card = FRESH + text
    assert BLOCK.sub("", again(card)).endswith(BLOCK.sub("", text))


EDITED = FRESH.replace("## Limits\n", "## Limits\n\nAsk us before you use it.\n")
EDIT = block(EDITED, "limits").split("-->", 1)[1].rsplit("<!--", 1)[0].strip()


def test_an_edit_inside_a_block_is_kept_aside_and_pointed_out() -> None:
    """The block is the generated one, what somebody made of it stands after it, and stays there from then on."""
    once = again(EDITED)
    assert block(once, "limits") == block(card_from(OTHER, TABLES), "limits")
    after = once.split("<!-- codeclm-hf:end limits -->")[1]
    assert "The block `limits` above is generated" in after and EDIT in after
    assert again(once, MANIFEST).count("Ask us before you use it.") == 1
    assert (
        blocks.hand_edits(EDITED) == {"limits": EDIT}
        and blocks.hand_edits(once) == blocks.hand_edits(FRESH) == {}
    )


def test_an_edit_that_only_an_editor_sees_is_none() -> None:
    """Other ends of lines, and white space at them, are not kept aside."""
    for card in (FRESH.replace("\n", "\r\n"), FRESH.replace("## Limits", "## Limits  ")):
        assert blocks.hand_edits(card) == {} and words(card) == PLAIN
        assert again(card).replace("\r\n", "\n") == card_from(OTHER, TABLES)


def test_an_edit_that_the_next_version_makes_too_is_not_kept() -> None:
    """Where the edited block is the fresh one, nothing is said."""
    wanted = block(card_from(OTHER, TABLES), "summary").split("-->", 1)[1]
    card = FRESH.replace(block(FRESH, "summary").split("-->", 1)[1], wanted)
    assert blocks.hand_edits(card) and again(card) == card_from(OTHER, TABLES)


def test_a_block_of_an_earlier_release_counts_as_generated() -> None:
    """A marker without a hash says nothing about edits."""
    assert again(re.sub(r"(begin \w+) \w{8}", r"\1", EDITED)) == card_from(OTHER, TABLES)


def test_an_edit_inside_a_block_is_words_of_people() -> None:
    """So that the side that made it wins over one that wrote nothing, and two different ones conflict."""
    assert len({PLAIN, words(EDITED), words(EDITED.replace("Ask us", "Tell us"))}) == 3


@given(st.text(), st.sampled_from(NAMES))
def test_any_edit_is_kept_in_a_card_that_stays_whole(edit: str, name: str) -> None:
    """Whatever stands in a block now: every block is there once, and what was typed is text of people."""
    card = FRESH.replace(f"<!-- codeclm-hf:end {name}", f"{edit}<!-- codeclm-hf:end {name}")
    after = again(card)
    assert [match[1] for match in BLOCK.finditer(after)] == NAMES
    assert edit.strip() in after


def test_the_papers_settings_are_our_defaults() -> None:
    """A run that sets nothing differs from the paper in nothing."""
    defaults = {one.name: one.default for one in fields(CodecLM)}
    assert {name: defaults.get(name, value) for name, value in PAPER.items()} == PAPER
    assert inspect.signature(CodecLM.run).parameters["num_metadata"].default == PAPER["num_metadata"]
    papers = {**MANIFEST, "config": {**MANIFEST["config"], "scoring": "discrete"}}
    assert "Every setting is the paper's." in block(card_from(papers, TABLES), "making")


def test_settings_that_are_not_the_papers_are_listed() -> None:
    """Each with what it is here and there."""
    making = block(
        card_from({**MANIFEST, "config": {**MANIFEST["config"], "threshold": 2.5}}, TABLES), "making"
    )
    assert "| threshold | 2.5 | 3.0 |" in making and "Every setting" not in making


def test_the_prompts_fold_out_and_cannot_break_out() -> None:
    """Their full text stands in a fence that is longer than any in it, and markers in it are none."""
    text = "--- user\n````\n</details><script>\n<!-- codeclm-hf:end making -->"
    manifest = {**MANIFEST, "prompts": {"encode": "0a1b"}, "prompt_texts": {"encode": text}}
    card = card_from(manifest, TABLES)
    making = block(card, "making")
    assert f"`````text\n{text[:-33]}" in making and making.count("\n`````\n") == 1
    assert [match[1] for match in BLOCK.finditer(card)] == NAMES


def test_the_card_tells_what_changed_since_the_version_before() -> None:
    """By config; a version that changes no row says so, and a first one nothing."""
    assert "What changed" not in FRESH
    later = {
        **OTHER,
        "parent": {"version": "1.1.0"},
        "changes": {"default": {"added": 2, "removed": 0, "changed": 1}},
    }
    assert "## What changed since 1.1.0\n\n| config |" in card_from(later, TABLES)
    assert "| default | 2 | 0 | 1 |" in card_from(later, TABLES)
    assert "no row." in card_from(
        {**later, "changes": {"default": {"added": 0, "removed": 0, "changed": 0}}}, TABLES
    )


def test_programs_read_the_version_models_counts_and_names_in_the_front_matter(
    codec: CodecLM, seeds: Dataset, tmp_path: Path
) -> None:
    """The block `codeclm` gives them as `huggingface_hub` parses them."""
    codec.run(seeds, out=tmp_path, num_instructions=8, num_metadata=4)
    told = DatasetCard.load(tmp_path / "README.md").data.to_dict()["codeclm"]
    manifest = json.loads((tmp_path / "codeclm.json").read_text())
    assert told["models"] == manifest["models"] and told["threshold"] == 3.0
    assert told["rows"] == manifest["counts"]["rows"]
    top = manifest["distributions"]["use_cases"]["top"][:10]
    assert told["distributions"]["use_cases"] == [{**one, "name": display_name(one["name"])} for one in top]
    assert split_card(card_from(OTHER, TABLES))[0]["codeclm"]["version"] == "1.2.0"


@given(st.text())
def test_any_name_comes_back_from_the_front_matter(name: str) -> None:
    """As one line of what can be seen, and no key but ours is there."""
    found = {
        "use_cases": {"total": 1, "rows": 2, "top": [{"name": name, "rows": 2, "share": 1.0}]},
        "skills": {"total": 0, "mentions": 0, "top": []},
        "iterations": [],
        "winner": {"strong": 2, "target": 0},
        "gap": {"mean": None, "judged": 0, "edges": [0], "counts": []},
        **{name: {"total": 0, "top": []} for name in ("pairs", "acceptance")},
        "lengths": {
            what: {"mean": None, "p50": None, "p95": None, "max": None}
            for what in ("instruction", "response")
        },
        "coverage": {"seeds": 0, "covered": 0, "divergence": None},
        "duplicates": {"instructions": 0},
        "order": {"disagree": 0, "judged": 0},
        "failures": {"trace": [], "metadata": []},
    }
    front, body = split_card(
        card_from({**MANIFEST, "distributions": to_json(distributions_from(found))}, TABLES)
    )
    assert list(front) == list(split_card(FRESH)[0])
    assert front["codeclm"]["distributions"]["use_cases"] == [
        {"name": display_name(name), "rows": 2, "share": 1.0}
    ]
    assert [match[1] for match in BLOCK.finditer(body)] == NAMES


def test_a_data_set_without_rows_is_not_called_one_to_train_on() -> None:
    """Its tags are those of a synthetic data set, no more."""
    empty = {**MANIFEST, "counts": {**COUNTS, "rows": dict.fromkeys(COUNTS["rows"], 0)}}
    assert split_card(card_from(empty, {}))[0]["tags"] == ["synthetic", "codeclm", "codeclm-hf"]


HOSTILE = "x\n<!-- codeclm-hf:end making -->|`<script>\u2028--> <!-- codeclm-hf:begin making -->"


def test_evaluations_that_stand_beside_the_data_are_told() -> None:
    """A line each, with a link to its report; a judge that failed its check is called so."""
    assert "## Evaluation" not in FRESH
    told = {
        "comparisons": 80,
        "not_judged": 0,
        "wilson_low": 0.5,
        "wilson_high": 0.7,
        "capacity_recovery_ratio": 0.6,
    }
    models = {"candidate": "small", "reference": HOSTILE, "judge": "third"}
    one = {**told, "models": models, "judge_fit": False}
    made = block(card_from({**MANIFEST, "evaluations": {"koala_80": one}}, TABLES), "evaluation")
    assert "| [koala\\_80](evaluations/koala_80/README.md) | small |" in made
    assert "| third (failed its check) | 80 | 60.0 % (50.0–70.0) |" in made
    assert "<script>" not in made


def test_a_hostile_name_stays_one_line_of_its_block() -> None:
    """A model or role that looks like our markers neither ends a block nor makes one, nor reaches people's text."""
    manifest = {**OTHER, "models": {"strong": HOSTILE, HOSTILE: "small"}}
    card = again(FRESH + "\nBy hand.\n", manifest)
    after = split_card(card)[1]
    assert [match[1] for match in BLOCK.finditer(after)] == NAMES
    assert after.count("codeclm-hf:begin") == after.count("codeclm-hf:end") == len(NAMES)
    assert "## How it was made" in block(after, "making")
    assert "<script>" not in after and words(card) == words(FRESH + "\nBy hand.\n")


def test_models_of_earlier_versions_are_named_also_in_roles_that_are_no_more() -> None:
    """Every model that made rows is in the table, this version's roles first."""
    earlier = [{"models": {"judge": "third", "strong": "big"}}, {"prompts": {}}, {"models": {"strong": None}}]
    making = block(again(FRESH, {**OTHER, "contributions": earlier}), "making")
    table = making.split("|---|---|\n")[1].split("\n\n")[0].splitlines()
    assert table[:3] == ["| strong | None |", "| strong | big |", "| strong | bigger |"]
    assert table[3:] == ["| target | small |", "| judge | third |"]


def test_words_are_plain_for_every_card_that_nobody_touched() -> None:
    """Whatever the counts, patterns, models, name and version."""
    empty = {**MANIFEST, "incomplete": True, "counts": {**COUNTS, "rows": dict.fromkeys(COUNTS["rows"], 0)}}
    hostile = {**MANIFEST, "models": {"strong": HOSTILE}}
    for manifest in (MANIFEST, OTHER, empty, hostile):
        for tables in ({}, TABLES):
            assert words(card_from(manifest, tables, name="me/data")) == PLAIN
            assert words(card_from(manifest, tables, FRESH)) == PLAIN
            assert words(card_from(manifest, tables, FRESH.replace("\n", "\r\n"))) == PLAIN


@pytest.mark.parametrize(
    ("what", "by"),
    [
        (TITLE, "# Mine"),
        ("pretty_name: Instr", "pretty_name: My instr"),
        (TITLE, ""),
        (TITLE, f"{TITLE}\nmore"),
        (END, f"{END}\nmore"),
        ("\nann", "\nlicense: mit\nann"),
        ("\nann", "\nextra: {1: a, b: 2024-01-01}\nann"),
        ("- synthetic", "- synthetic\n- mine"),
        ("- text-generation", "- text-generation\n- question-answering"),
        ("configs:\n", "configs:\n- config_name: mine\n  data_files: mine.csv\n"),
    ],
)
def test_words_differ_as_soon_as_somebody_writes_some(what: str, by: str) -> None:
    """Any text, key, tag, task or config of one's own counts, and rendering does not change what it counts as."""
    card = FRESH.replace(what, by, 1)
    assert card != FRESH
    assert words(card) != PLAIN
    assert words(again(card)) == words(card)


def test_words_tell_what_was_added_to_our_lists() -> None:
    """Two different tags, tasks or configs are different words."""
    for what, by in (
        ("- synthetic", "\n- {}"),
        ("- text-generation", "\n- {}"),
        ("configs:", "\n- config_name: {}"),
    ):
        one, two = (FRESH.replace(what, what + by.format(name), 1) for name in ("mine", "yours"))
        assert words(one) != words(two)


def test_words_tell_where_they_stand() -> None:
    """Text that is moved past a block is a change."""
    one, two = (FRESH.replace(f"end {name} -->", f"end {name} -->\nmore") for name in NAMES[:2])
    assert words(one) != words(two)


def test_words_of_a_card_that_refers_to_itself_can_be_told() -> None:
    """YAML anchors, also in a circle, are kept."""
    card = "---\na: &a [1, *a]\nb: &b {c: d}\ne: *b\n---\ntext"
    front = yaml.safe_load(again(card).split("---")[1])
    assert front["a"][1] is front["a"] and front["e"] == {"c": "d"}
    assert words(again(card)) != PLAIN
