"""What a card says of the rows' quality: how the instructions differ, and what is wrong with responses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from codeclm_hf import schema
from codeclm_hf.card import check, preview
from codeclm_hf.card.shapes import TableFiles
from codeclm_hf.json_types import to_json
from support.hostile_text import TEXTS
from support.manifests import card_from, distributions_from, manifest_from

COUNTS = {
    "metadata": {"total": 2, "seed": 2, "given": 0, "augmented": 0, "failed": 0},
    "instructions": 3,
    "iterations": [],
    "rows": {"default": 2_000, "preference": 2_000, "trace": 3_000, "metadata": 2},
}
MANIFEST: dict[str, Any] = {
    "models": {"strong": "big", "target": "small"},
    "config": {"threshold": 3.0, "contrastive_filter": True, "scoring": "discrete"},
    "counts": COUNTS,
}
TABLES = {
    name: TableFiles(f"data/{name}/train-*-0.parquet", schema.TABLES[name], 1_234, 5_678)
    for name in ("default", "trace")
}
DIVERSITY = {
    "sample": 1_000,
    "similarity": 0.25,
    "near_duplicates": 15,
    "distinct_1": 0.1,
    "distinct_2": 0.5,
    "distinct_3": None,
}
BLOCK = re.compile(r"<!-- codeclm-hf:begin (\w+) \w{8} -->\n(.*?)\n?<!-- codeclm-hf:end \1 -->", re.S)
EARLIER_DRIFT = {
    name: {"divergence": 0.0, "movers": [], "new": [], "vanished": [], "new_total": 0, "vanished_total": 0}
    for name in ("use_case", "skills")
}


def with_distributions(**said: Any) -> dict[str, Any]:
    """A manifest whose distributions say this."""
    return {**MANIFEST, "distributions": to_json(distributions_from(said))}


def block(card: str, name: str) -> str:
    return dict(BLOCK.findall(card))[name]


def test_a_card_tells_how_the_instructions_differ() -> None:
    """In a table, which says that it is of a sample."""
    content = block(card_from(with_distributions(diversity=DIVERSITY), TABLES), "content")
    for line in (
        "| how the instructions differ | here |",
        "| instructions looked at, a sample | 1000 |",
        "| similarity to the most similar other one, on average (1 is the same) | 0.250 |",
        "| with a near-duplicate among them | 15 (1.5 %) |",
        "| different words, of all (distinct-1) | 10.0 % |",
        "| different runs of three words, of all (distinct-3) | – |",
    ):
        assert line in content.splitlines()
    all_of_them = with_distributions(diversity={**DIVERSITY, "sample": 2_000})
    assert "| instructions looked at | 2000 |" in block(card_from(all_of_them, TABLES), "content")


def test_the_numbers_of_the_version_before_stand_beside_them() -> None:
    """Where its diversity is known."""
    said = with_distributions(diversity=DIVERSITY)
    earlier = {**DIVERSITY, "sample": 200, "similarity": None, "near_duplicates": 1}
    drift = {**EARLIER_DRIFT, "since": "1.0.0"}
    content = block(card_from({**said, "drift": {**drift, "diversity": earlier}}, TABLES), "content")
    for line in (
        "| how the instructions differ | here | 1.0.0 |",
        "|---|---:|---:|",
        "| similarity to the most similar other one, on average (1 is the same) | 0.250 | – |",
        "| with a near-duplicate among them | 15 (1.5 %) | 1 (0.5 %) |",
    ):
        assert line in content.splitlines()
    unknown = block(card_from({**said, "drift": drift}, TABLES), "content")
    assert unknown == block(card_from(said, TABLES), "content")


def test_a_card_counts_flags_by_role() -> None:
    """Those of most responses first."""
    flags = {"strong": {"cut_off": 3, "refusal": 1}, "target": {"refusal": 4}}
    making = block(card_from(with_distributions(flags=flags), TABLES), "making")
    assert (
        "| flag of a response | strong | target |\n|---|---:|---:|\n| refusal | 1 | 4 |\n| cut\\_off | 3 | 0 |"
        in making
    )


def test_earlier_manifests_are_told_as_they_were() -> None:
    """What they do not say is not spoken of, and stays out of the manifest that is made of them."""
    said = with_distributions()
    card, again = card_from(said, TABLES), manifest_from(said).to_json()
    assert not re.search("differ \\||flag of|distinct-", card)
    assert {"diversity", "flags"}.isdisjoint(again["distributions"])


@settings(max_examples=40)
@given(TEXTS)
def test_no_flag_breaks_the_card(text: str) -> None:
    """Whatever a table calls a flag: one cell, no markup, and every block is there."""
    plain = card_from(with_distributions(flags={"strong": {"x": 1}}), TABLES)
    card = card_from(with_distributions(flags={"strong": {text: 1}}), TABLES)
    assert [name for name, _ in BLOCK.findall(card)] == [name for name, _ in BLOCK.findall(plain)]
    assert len(card.splitlines()) == len(plain.splitlines())
    (line,) = [line for line in block(card, "making").splitlines() if line.endswith("| 1 | 0 |")]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 4
    assert check.check(card) == []


@pytest.mark.parametrize("column", ["rejected", "flags"])
def test_lists_of_columns_are_in_the_front_matter(column: str, tmp_path: Path) -> None:
    """The Hub reads the types of the new columns: a list of texts, and one of texts with a reason."""
    card = card_from(MANIFEST, TABLES)
    assert f"  - name: {column}\n    list:" in card and check.check(card) == []
    assert column in preview.html(card, folder=tmp_path)
