"""The card of a run directory."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import Dataset
from huggingface_hub import DatasetCard
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf import CodecLM
from codeclm_hf.errors import BadInput
from codeclm_hf.hub.card import PLAIN, TITLE, escape, named, parted, render, words


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
    shown = {
        line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1] for line in text.splitlines() if " | " in line
    }
    rows = tables["default"].to_list()
    counts = Counter(row["use_case"] for row in rows) + Counter(skill for row in rows for skill in row["skills"])
    assert counts
    assert all(shown[named(name)] == str(n) for name, n in counts.items() if named(name) in shown)
    assert sum(named(name) in shown for name in counts) >= min(10, len(counts))
    assert f"strong model in {tables['default']['winner'][:].count('strong')} rows" in text


@given(st.text())
def test_any_name_is_one_cell_of_a_table(name: str) -> None:
    """Whatever a model called a use case: one line, no cell more, no markup, never empty."""
    line = named(name)
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
PATTERNS = {"default": "data/default/train-*-0.parquet", "trace": "data/trace/train-*-0.parquet"}
FRESH = render(MANIFEST, PATTERNS)
OTHER: dict[str, Any] = {
    **MANIFEST,
    "models": {"strong": "bigger", "target": "small"},
    "counts": {**COUNTS, "rows": {**COUNTS["rows"], "default": 2_000}},
    "version": "1.2.0",
}
BLOCK = re.compile(r"<!-- codeclm-hf:begin (\w+) -->(?:(?!<!-- codeclm-hf:begin).)*?<!-- codeclm-hf:end \1 -->", re.S)
NAMES = ["summary", "content", "making", "limits", "citation"]


def again(card: str, manifest: dict[str, Any] = OTHER, **how: Any) -> str:
    """The card rendered onto an older one, which it does not change when that is done twice."""
    once = render(manifest, PATTERNS, card, **how)
    assert render(manifest, PATTERNS, once, **how) == once
    return once


def block(card: str, name: str) -> str:
    (found,) = [match[0] for match in BLOCK.finditer(card) if match[1] == name]
    return found


def test_a_card_onto_an_older_one_is_the_new_card() -> None:
    """Where nobody wrote anything, it does not matter what card was there."""
    assert render(OTHER, PATTERNS, FRESH, name="me/data") == render(OTHER, PATTERNS, name="me/data")
    assert again(FRESH, MANIFEST) == FRESH


def test_what_people_wrote_stays_where_it_is() -> None:
    """Text before, between and after the generated blocks keeps every character, and the blocks are the new ones."""
    texts = [
        "Über uns\n\n\n",
        "  between | the <b>blocks</b>\n",
        "---\nnot: front matter\n---",
        "\\1 \\g<0> $&",
        "> last",
    ]
    card = FRESH
    for name, text in zip(NAMES, texts, strict=True):
        card = card.replace(f"<!-- codeclm-hf:end {name} -->", f"<!-- codeclm-hf:end {name} -->\n{text}")
    card = card.replace(TITLE, "# Our own title") + "\n## After\n\n"
    fresh, after = render(OTHER, PATTERNS), again(card)
    assert BLOCK.split(parted(after)[1]) == BLOCK.split(parted(card)[1])
    assert [match[0] for match in BLOCK.finditer(after)] == [match[0] for match in BLOCK.finditer(fresh)]


def test_blocks_stay_where_people_moved_them() -> None:
    """The order of the old card is kept."""
    first, *_, last = (match[0] for match in BLOCK.finditer(FRESH))
    card = FRESH.replace(first, "@").replace(last, first).replace("@", last)
    assert [match[1] for match in BLOCK.finditer(again(card))] == ["citation", "content", "making", "limits", "summary"]


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
  features: []
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
    """Foreign keys, tags and configs survive; ours are the new ones; there is one default and no `dataset_info`."""
    front, before = parted(again(FOREIGN))[0], parted(FOREIGN)[0]
    for name in ("pretty_name", "license", "train-eval-index", "extra", "self", "to_yaml", "to_dict", "viewer"):
        assert front[name] == before[name]
    assert front["ignore_metadata_errors"] == "c"
    assert front["tags"] == ["synthetic", "codeclm", "codeclm-hf", "ours"]
    assert front["task_categories"] == ["text-generation", "question-answering"]
    assert [one["config_name"] for one in front["configs"]] == ["default", "trace", "theirs"]
    assert [one.get("default") for one in front["configs"]] == [True, None, None]
    assert front["configs"][0]["data_files"][0]["path"] == PATTERNS["default"]
    assert front["size_categories"] == ["1K<n<10K"]
    assert "dataset_info" not in again(FOREIGN) and "dataset_info" not in FRESH
    assert "---\nTheir text." in again(FOREIGN)


def test_a_license_that_is_asked_for_goes_before_one_that_is_there() -> None:
    """`front` is the last word."""
    assert parted(again(FOREIGN, front={"license": "cc0-1.0"}))[0]["license"] == "cc0-1.0"


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
    assert ("license" in parted(after)[0]) == (change in ("\r\n", "bom"))
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
        render(MANIFEST, PATTERNS, f"---\n{front}\n---\ntext")
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
    assert after.count(block(render(OTHER, PATTERNS), "summary")) == 2 and "\none\n" in after and "\ntwo\n" in after
    nested = again(FRESH.replace(summary, f"{BEGIN} outer {block(FRESH, 'limits')} text {END}"))
    assert "outer" in nested and f" text {END}" in nested


@given(text=st.lists(st.sampled_from([*"ab-<>!\n \0", BEGIN, END, "---\n"]), max_size=8).map("".join))
def test_any_text_of_people_stays(text: str) -> None:
    """Whatever stands after the blocks and is no whole block, is there character by character after rendering."""
    card = FRESH + text
    assert BLOCK.sub("", again(card)).endswith(BLOCK.sub("", text))


HOSTILE = "x\n<!-- codeclm-hf:end making -->|`<script>\u2028--> <!-- codeclm-hf:begin making -->"


def test_a_hostile_name_stays_one_line_of_its_block() -> None:
    """A model or role that looks like our markers neither ends a block nor makes one, nor reaches people's text."""
    manifest = {**OTHER, "models": {"strong": HOSTILE, HOSTILE: "small"}}
    after = again(FRESH + "\nBy hand.\n", manifest)
    assert [match[1] for match in BLOCK.finditer(after)] == NAMES
    assert after.count("codeclm-hf:begin") == after.count("codeclm-hf:end") == len(NAMES)
    assert "## How it was made" in block(after, "making")
    assert "<script>" not in after and words(after) == words(FRESH + "\nBy hand.\n")


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
        for patterns in ({}, PATTERNS):
            assert words(render(manifest, patterns, name="me/data")) == PLAIN
            assert words(render(manifest, patterns, FRESH)) == PLAIN
            assert words(render(manifest, patterns, FRESH.replace("\n", "\r\n"))) == PLAIN


@pytest.mark.parametrize(
    ("what", "by"),
    [
        (TITLE, "# Mine"),
        (TITLE, ""),
        (TITLE, f"{TITLE}\nmore"),
        (END, f"{END}\nmore"),
        ("---\nann", "---\nlicense: mit\nann"),
        ("---\nann", "---\nextra: {1: a, b: 2024-01-01}\nann"),
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
    for what, by in (("- synthetic", "\n- {}"), ("- text-generation", "\n- {}"), ("configs:", "\n- config_name: {}")):
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
