"""What a card says of the rows' quality: how the instructions differ, and what is wrong with responses."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from markdown_it import MarkdownIt

from codeclm_hf import schema
from codeclm_hf.card import check, preview
from codeclm_hf.card.render import code_span
from codeclm_hf.card.shapes import TableFiles
from codeclm_hf.json_types import to_json
from codeclm_hf.text import shorten
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


FUNNEL = {
    "asked": 200,
    "rounds": 3,
    "outcomes": [
        {"reason": "accepted", "instructions": 100, "cost": 1.5},
        {"reason": "near_duplicate", "instructions": 60, "cost": 0.25},
        {"reason": "a new reason", "instructions": 40},
    ],
    "improvements": {"unchanged": 3, "answer": 2},
}
SHARED = {
    "id": "00ff00ff00ff00ff",
    "kind": "instruction",
    "benchmark": "tests.jsonl:question",
    "row": 12,
    "words": "who let the dogs out of the big blue house",
    "start": 0,
    "end": 42,
    "benchmark_start": 0,
    "benchmark_end": 42,
}
CONTAMINATION: dict[str, Any] = {
    "removed": {"instruction": 24, "target_response": 1},
    "allowed": 1,
    "benchmarks": [{"name": "tests.jsonl:question", "rows": 80, "texts": 26}],
    "found": [SHARED] * 19 + [{**SHARED, "kind": "strong_response", "allowed": True}],
}
COMPARED = {**MANIFEST["config"], "decontaminate": ["tests.jsonl:question", "org/other"]}


def filled(said: dict[str, Any]) -> dict[str, Any]:
    """An outcome with the numbers that a manifest has besides."""
    return {"requests": 0, "prompt_tokens": 0, "completion_tokens": 0, **said}


def test_a_card_tells_what_became_of_every_instruction() -> None:
    """Each reason with what it means, how many, their share and their cost; rounds and improvements below."""
    usage = {"role": "strong", "model": "big", "answers": 1, "prompt_tokens": 1, "completion_tokens": 1}
    spent = [{**usage, "stage": "encode", "cost": 0.5}, {**usage, "stage": "judge", "cost": 1.75}]
    making = block(card_from({**MANIFEST, "funnel": FUNNEL, "usage": spent}, TABLES), "making")
    assert (
        """
| what became of 200 instructions | | number | share | cost |
|---|---|---:|---:|---:|
| accepted | in the data set | 100 | 50.0 % | 1.50 |
| near\\_duplicate | nearly the same as another one, or as a seed | 60 | 30.0 % | 0.25 |
| a new reason |  | 40 | 20.0 % | – |

They were asked for in 3 rounds. Improved instructions that were asked for again: unchanged 3, answer 2. \
With all that was lost on the way, each accepted row cost 0.022.

| iteration |"""
        in making
    )


def test_costs_and_rounds_are_told_where_there_are_any() -> None:
    """A run without prices, and of one round, says nothing of them."""
    free = [{name: value for name, value in one.items() if name != "cost"} for one in FUNNEL["outcomes"]]
    said = {**MANIFEST, "funnel": {"asked": 200, "outcomes": free}}
    making = block(card_from(said, TABLES), "making")
    assert "| accepted | in the data set | 100 | 50.0 % |\n" in making
    assert not re.search("cost|rounds|Improved instr", making)


def test_an_exact_number_is_told() -> None:
    """And why there are fewer, if so."""
    said = {**MANIFEST, "config": {**MANIFEST["config"], "num_examples": 100}}
    assert "\nExactly 100 rows were asked for.\n" in block(card_from(said, TABLES), "making")
    short = {**said, "funnel": {**FUNNEL, "shortfall": "the strong model writes nothing new"}}
    words = "\nExactly 100 rows were asked for; there are fewer, since the strong model writes nothing new.\n"
    assert words in block(card_from(short, TABLES), "making")


def test_settings_that_shape_the_metadata_are_told() -> None:
    """Lists that were given, and the question whether mixed metadata are plausible."""
    config = {**MANIFEST["config"], "use_cases": ["a", "b"], "skills": ["x"], "check_metadata": True}
    said = {**MANIFEST, "config": config, "funnel": {"asked": 1, "implausible": 4}}
    making = block(card_from(said, TABLES), "making")
    assert "from a given list of 2. The skills of every seed come from a given list of 1.\n" in making
    assert "asked which mixed metadata are plausible, and 4 were left out." in making


def test_metadata_that_a_person_edited_are_told() -> None:
    """Beside the other inputs."""
    limits = block(card_from({**MANIFEST, "seeds": {"rows": 1, "edited": 7}}, TABLES), "limits")
    assert "| 7 metadata that a person edited | not known |" in limits


def test_a_card_shows_the_words_that_stand_in_evaluation_sets() -> None:
    """With where they stand, what was removed and what a person allowed, and how many more there are."""
    said = {**MANIFEST, "config": COMPARED, "contamination": CONTAMINATION}
    making = block(card_from(said, TABLES), "making")
    for words in (
        "were compared with 2 evaluation sets, and removed where they share words: "
        "tests.jsonl:question, org/other.\n",
        "| tests.jsonl:question | 80 | 26 |\n",
        "\nRemoved: instruction 24, target\\_response 1. Kept, because a person allowed it: 1.\n",
        "\n* instruction 00ff00ff00ff00ff, row 12 of tests.jsonl:question: "
        "` who let the dogs out of the big blue house `\n",
        "\n* strong\\_response 00ff00ff00ff00ff (allowed), row 12",
        "\n* and 6 more\n",
    ):
        assert words in making


def test_a_card_says_that_nothing_was_shared() -> None:
    """Where texts were compared with evaluation sets and none was found."""
    nothing = {"removed": {}, "allowed": 0, "benchmarks": [], "found": []}
    making = block(card_from({**MANIFEST, "config": COMPARED, "contamination": nothing}, TABLES), "making")
    assert "org/other. Nothing was shared.\n" in making and "<details><summary>the words" not in making


def test_rows_of_runs_that_compared_with_nothing_are_told() -> None:
    """A version of several runs says how many of them looked into evaluation sets."""
    runs = [{"version": "1.0.0", "config": MANIFEST["config"]}, {"version": "1.1.0", "config": COMPARED}]
    said = {**MANIFEST, "config": COMPARED, "contamination": CONTAMINATION, "contributions": runs}
    making = block(card_from(said, TABLES), "making")
    assert "Instructions and responses of 1 of the 2 runs that rows come from were compared with 2" in making
    assert "| evaluation set of the newest run | rows |" in making


@settings(max_examples=60)
@given(TEXTS, TEXTS)
@example("x<!-- codeclm-hf:end making --> <!-- codeclm-hf:begin making -->", "<!-- codeclm-hf:end making -->")
def test_no_shared_words_and_no_reason_break_the_card(text: str, other: str) -> None:
    """Whatever stands in an evaluation set: one line of it, with no markup, and every block is there."""

    def card(words: str, name: str) -> str:
        shared = {**SHARED, "words": words, "benchmark": name, "kind": name, "id": name}
        found = {**CONTAMINATION, "removed": {name: 25}, "found": [shared]}
        found["benchmarks"] = [{"name": name, "rows": 80, "texts": 26}]
        funnel = {
            **FUNNEL,
            "outcomes": [filled({"reason": name, "instructions": 200})],
            "improvements": {name: 1},
        }
        config = {**COMPARED, "decontaminate": [name], "num_examples": 3}
        said = {**MANIFEST, "config": config, "contamination": found}
        return card_from({**said, "funnel": {**funnel, "shortfall": name}}, TABLES)

    plain, hostile = card("x", "y"), card(text, other)
    assert [name for name, _ in BLOCK.findall(hostile)] == [name for name, _ in BLOCK.findall(plain)]
    assert len(hostile.splitlines()) == len(plain.splitlines())
    assert hostile.count("<!-- codeclm-hf:") == plain.count("<!-- codeclm-hf:")
    assert check.check(hostile) == []


@given(TEXTS)
def test_shared_words_are_code(text: str) -> None:
    """A page shows them as they are, and nothing of them is an element."""
    page = MarkdownIt().render(f"* row 1 of x: {code_span(text)}, and on")
    (words,) = re.findall(r"<li>row 1 of x: <code>(.*)</code>, and on</li>", page)
    assert unescape(words).strip() == shorten(text).replace("<!-- codeclm-hf:", "<!-- codeclm-hf ").strip()
