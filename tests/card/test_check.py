"""The front matter of a card, checked line by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from codeclm_hf.card.check import check, front_matter_text, front_matter_values
from codeclm_hf.card.front_matter_rules import front_matter_schema
from codeclm_hf.card.render import split_card
from codeclm_hf.errors import BadInput
from support.run_directories import run_directory_of

FINE = """\
language: [en, de, yue, code, multilingual]
license: cc-by-4.0
pretty_name: Tailored
tags:
- synthetic
- codeclm
annotations_creators: machine-generated
language_creators:
- machine-generated
multilinguality: monolingual
size_categories:
- n<1K
source_datasets: [original, extended, extended|squad, me/other]
task_categories: [text-generation, question-answering]
task_ids: []
paperswithcode_id: null
viewer: false
configs:
- config_name: one
  data_files: data/*.parquet
  default: true
- config_name: two
  data_files:
  - split: train
    path: [a.parquet, b.parquet]
  - split: test.hard
    path: c.parquet
- config_name: three
  data_files: [a, b]
  data_dir: data
  sep: ","
dataset_info:
- config_name: one
  features:
  - name: id
    dtype: string
  splits:
  - name: train
    num_bytes: 10
    num_examples: 2
  download_size: 5
  dataset_size: 10
our_own: {anything: [1, 2, {at: all}]}
"""


def card_of(front: str) -> str:
    return f"---\n{front}---\n\n# A card\n"


def problems(front: str) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in check(card_of(front))]


def only(front: str) -> tuple[int, str]:
    (found,) = problems(front)
    return found


def test_what_the_documents_show_is_fine() -> None:
    """A card with everything that the Hub documents has no problem, and neither has one that lacks a final line."""
    assert problems(FINE) == []
    assert check(f"---\n{FINE}---") == []
    assert check("\ufeff" + card_of(FINE)) == []
    assert check(card_of(FINE).replace("\n", "\r\n")) == []


def test_our_own_cards_are_fine(tmp_path: Path) -> None:
    """What codeclm-hf writes has no problem."""
    assert check((run_directory_of(tmp_path, ["one", "two"]) / "README.md").read_text()) == []


@pytest.mark.parametrize(
    ("card", "line", "words"),
    [
        ("", 1, "needs front matter between two lines of ---"),
        ("# A card\n", 1, "needs front matter between two lines of ---"),
        ("\n---\na: b\n---\n", 1, "needs front matter between two lines of ---"),
        ("---\nlicense: mit\n", 1, "needs a second line of ---"),
        ("---", 1, "needs a second line of ---"),
        ("---\n---\n", 1, "came nothing"),
        ("---\n# a remark\n---\n", 1, "came nothing"),
        ("--- \nlicense: mit\n---\n", 1, "came white space"),
        ("---\nlicense: mit\n\n---\t\n", 4, "came white space"),
        ("---\n- a\n---\n", 2, "needs keys with values; came a list"),
        ("---\ntext\n---\n", 2, "needs keys with values; came 'text'"),
        ("---\nlicense: mit\ntags: [a\n---\n", 4, "needs YAML; came what cannot be read"),
        ("---\nlicense: mit\n\ttags: a\n---\n", 3, "needs YAML; came what cannot be read"),
        ("---\nlicense: mit\npretty_name: a: b\n---\n", 3, "mapping values are not allowed here"),
        ("---\na: 1\nb: \x07\n---\n", 3, "special characters are not allowed"),
        ("---\na: *b\n---\n", 2, "undefined alias"),
        ("---\na: " + "[" * 3000 + "\n---\n", 1, "too deep"),
        ("---\na: !!python/object/apply:os.system [x]\n---\n", 2, "needs plain YAML; came the tag"),
        ("---\na: 1\nd: 2024-13-45\n---\n", 3, "needs a value that can be read; came 2024-13-45"),
        ("---\na: 1\n? [b]\n: 1\n---\n", 3, "needs a word as a key; came a list"),
        ("---\na: &a {x: 1}\nb:\n  <<: [*a, *a]\n---\n", 4, "needs one mapping for <<; came a list"),
    ],
)
def test_what_is_no_yaml_mapping(card: str, line: int, words: str) -> None:
    """Where there is no front matter, or none that can be read, one problem says so, at its line."""
    (problem,) = check(card)
    assert problem.line == line
    assert words in problem.message


def test_keys_stand_once() -> None:
    """A key that stands twice is a problem at any depth, at the line where it comes again."""
    assert only("a: 1\nb: 2\na: 3\n") == (
        4,
        "needs every key once; came 'a' again: it stands 2 lines above too",
    )
    assert only("a: 1\nb:\n- {c: 1}\n- d: 1\n  d: 2\n")[0] == 6
    assert only("a: {b: 1, b: 2}\n")[1].endswith("it stands on this line twice")


@pytest.mark.parametrize(
    ("front", "line", "words"),
    [
        ("license: apache2\n", 2, "came 'apache2'; did you mean apache-2.0?"),
        ("license: MIT\n", 2, "did you mean mit?"),
        ("license:\n- mit\n- none such\n", 4, "came 'none such'"),
        ("license: {a: b}\n", 2, "needs text for license; came a mapping"),
        ("a: 1\nlicense:\nb: 1\n", 3, "needs a value for license, or no license at all; came nothing"),
        ("license_link: ./terms.txt\n", 2, "needs LICENSE, LICENSE.md or an address"),
        (
            "language: English\n",
            2,
            "needs a code of ISO 639, two or three small letters, for language; came 'English'",
        ),
        ("language: [en, en-US]\n", 2, "came 'en-US'"),
        ("language: EN\n", 2, "came 'EN'"),
        ("language: jp\n", 2, "came 'jp'"),
        ("language:\n- en\n- no\n", 4, "came no, which YAML reads as true or false; put it in quotes"),
        ("language:\n- en\n-\n", 4, "came nothing"),
        ("size_categories: 1K\n", 2, "came '1K'; it knows n<1K, 1K<n<10K,"),
        ("size_categories: [1000]\n", 2, "came 1000, which YAML reads as a number"),
        ("task_categories: [text-generation, text generation]\n", 2, "did you mean text-generation?"),
        ("annotations_creators: llm\n", 2, "it knows found, crowdsourced,"),
        ("language_creators: no-annotation\n", 2, "came 'no-annotation'"),
        ("multilinguality: bilingual\n", 2, "did you mean multilingual?"),
        ("source_datasets: [original, 'a b']\n", 2, "in source_datasets; came 'a b'"),
        ("source_datasets: extended|\n", 2, "came 'extended|'"),
        (
            "tags: [a, 2024]\n",
            2,
            "needs text for tags; came 2024, which YAML reads as a number; put it in quotes",
        ),
        ("tags:\n- a\n- b: c\n", 4, "needs text for tags; came a mapping"),
        ("tags: {a: b}\n", 2, "needs text for tags; came a mapping"),
        ("pretty_name: [a]\n", 2, "needs text for pretty_name; came a list"),
        ("pretty_name: 2024-01-01\n", 2, "which YAML reads as a date; put it in quotes"),
        ("pretty_name: ''\n", 2, "needs text for pretty_name; came ''"),
        ("viewer: 'no'\n", 2, "needs true or false for viewer; came 'no'"),
    ],
)
def test_values_that_the_hub_refuses(front: str, line: int, words: str) -> None:
    """What the Hub would not take, or YAML reads as something else, is one problem at its line."""
    found = only(front)
    assert found[0] == line
    assert words in found[1]


@pytest.mark.parametrize(
    ("front", "line", "words"),
    [
        ("configs: {a: b}\n", 2, "needs a list for configs; came a mapping"),
        ("configs:\n- a\n", 3, "needs a mapping for each of configs; came 'a'"),
        ("configs:\n- config_name: a\n- data_files: b\n", 4, "needs config_name; came none"),
        ("configs:\n- config_name: 1\n", 3, "needs text for config_name; came 1"),
        (
            "configs:\n- config_name: a\n- x: 1\n  config_name: a\n",
            5,
            "needs another config_name; came 'a' again",
        ),
        ("configs:\n- config_name: a\n  default: 1\n", 4, "needs true or false for default"),
        (
            "configs:\n- config_name: a\n  default: true\n- config_name: b\n  default: true\n",
            6,
            "needs one default; 'a' is one already",
        ),
        (
            "configs:\n- config_name: a\n  default: true\n- config_name: default\n",
            5,
            "needs one default; 'a' is one already",
        ),
        (
            "configs:\n- config_name: a\n  data_files: {train: x}\n",
            4,
            "needs a pattern or a list for data_files",
        ),
        ("configs:\n- config_name: a\n  data_files: [x, 1]\n", 4, "needs text for data_files; came 1"),
        (
            "configs:\n- config_name: a\n  data_files:\n  - split: train\n    path: x\n  - y\n",
            7,
            "needs a mapping for each of data_files; came 'y'",
        ),
        ("configs:\n- config_name: a\n  data_files:\n  - split: train\n", 5, "needs split and path"),
        (
            "configs:\n- config_name: a\n  data_files:\n  - split: train\n    path: x\n    more: y\n",
            5,
            "came split, path, more",
        ),
        (
            "configs:\n- config_name: a\n  data_files:\n  - split: a-b\n    path: x\n",
            5,
            "needs a split of letters",
        ),
        (
            "configs:\n- config_name: a\n  data_files:\n  - split: a\n    path: 1\n",
            6,
            "needs text for path; came 1",
        ),
        (
            "configs:\n- config_name: a\n  data_files:\n  - {split: a, path: x}\n  - {split: a, path: y}\n",
            6,
            "needs another split; came 'a' again",
        ),
        ("dataset_info: a\n", 2, "needs a mapping, or a list of mappings, for dataset_info; came 'a'"),
        ("dataset_info:\n- features: []\n", 3, "needs config_name; came none"),
        ("dataset_info:\n  features: {a: b}\n", 3, "needs a list for features; came a mapping"),
        ("dataset_info:\n  features:\n  - dtype: string\n    x: 1\n", 4, "needs name; came none"),
        ("dataset_info:\n  features:\n  - name: a\n", 4, "needs a type, such as dtype: string"),
        (
            "dataset_info:\n  splits:\n  - name: a\n    num_bytes: -1\n",
            5,
            "needs a number of 0 or more for num_bytes",
        ),
        (
            "dataset_info:\n  download_size: big\n",
            3,
            "needs a number of 0 or more for download_size; came 'big'",
        ),
    ],
)
def test_configs_and_dataset_info(front: str, line: int, words: str) -> None:
    """What `datasets` could not load, or not as it is meant, is one problem at its line."""
    found = only(front)
    assert found[0] == line
    assert words in found[1]


def test_a_license_of_ones_own_has_a_name_and_a_text() -> None:
    """`other` needs license_name, and license_link or the older license_details."""
    lines = problems("a: 1\nlicense: other\n")
    assert [line for line, _ in lines] == [3, 3]
    assert "needs license_link" in lines[0][1]
    assert "needs license_name" in lines[1][1]
    assert problems("license: other\nlicense_name: ours\nlicense_link: LICENSE\n") == []
    assert problems("license: [other]\nlicense_name: ours\nlicense_link: https://example.org/terms\n") == []
    assert problems("license: other\nlicense_name: ours\nlicense_details: For friends.\n") == []


def test_merged_keys_count() -> None:
    """A key that a mapping takes over from another with << is as if it stood there, and a circle ends."""
    assert problems("base: &base {data_files: x}\nconfigs:\n- <<: *base\n  config_name: a\n") == []
    assert only("base: &base {data_files: 1}\nconfigs:\n- <<: *base\n  config_name: a\n")[0] == 2
    assert all(line <= 3 for line, _ in problems("a: &a\n  <<: *a\n"))


def test_problems_come_in_the_order_of_the_lines() -> None:
    """All of them are there at once."""
    found = problems("viewer: maybe\nlicense: mut\nlanguage: xx\n")
    assert [line for line, _ in found] == [2, 3, 4]


def test_lines_are_those_of_an_editor() -> None:
    """Characters that YAML alone takes for line ends do not shift the lines."""
    assert only("a: 'x\u2028y\u2029z\x85'\nlicense: mut\n")[0] == 3


def test_the_rules_are_those_of_the_installed_libraries() -> None:
    """The values that `huggingface_hub` documents in its own words are known here."""
    said = str(DatasetCard.card_data_class.__doc__)
    rules = front_matter_schema()["$defs"]
    known = {
        value
        for rule in ("size_category", "annotations_creator", "multilinguality")
        for value in rules[rule]["enum"]
    }
    assert set(rules["language_creator"]["enum"]) < known
    for value in known - {"unknown"}:
        assert f"'{value}'" in said, value
    assert {"other", "mit", "llama3.1"} <= set(rules["license"]["enum"])
    codes = rules["language"]["anyOf"][-1]["enum"]
    assert len(codes) == 185
    assert all(len(code) == 2 and code.islower() for code in codes)


def test_the_rules_are_a_json_schema() -> None:
    """The shipped schema is one of draft 2020-12, and each of its parts that can fail says what it needs."""
    schema = front_matter_schema()
    Draft202012Validator.check_schema(schema)
    for name, rule in schema["$defs"].items():
        says = {"pattern", "type", "enum", "anyOf", "minimum", "maxProperties", "minProperties", "not"} & set(
            rule
        )
        assert bool(says) <= ("description" in rule), name


def test_values_that_stand_for_too_many_are_checked_at_once() -> None:
    """A few lines of YAML can stand for millions of values, or for a circle, where a text is needed."""
    lines = ["x: &x0 [1, 2, 3]", *(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 12))]
    found = problems("\n".join([*lines, "tags: *x11", "configs: *x11", "license: &me [*me]\n"]))
    assert [line for line, _ in found if line > 13] == [16]
    assert {message for _, message in found} >= {"needs text for tags; came a list"}


NAMES = st.sampled_from(["default", "a", "b", "", 1, None])
PATTERNS = st.one_of(
    st.sampled_from(["x", 1, None, [], {}, ["x"], ["x", 1], {"train": "x"}]),
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "split": st.sampled_from(["train", "test", "a-b", 1]),
                "path": st.sampled_from(["x", ["x"], 1]),
                "more": st.just(1),
            },
        ),
        max_size=3,
    ),
)
CONFIGS = st.lists(
    st.fixed_dictionaries({}, optional={"config_name": NAMES, "data_files": PATTERNS, "default": st.booleans()}),
    min_size=1, max_size=3,
)  # fmt: skip


@given(CONFIGS)
def test_configs_without_a_problem_are_read_by_datasets(configs: list[dict[str, Any]]) -> None:
    """What the check lets pass, `datasets` takes, and finds one default in it at most."""
    if not problems(f"configs: {json.dumps(configs)}\n"):
        data = DatasetCard(card_of(f"configs: {json.dumps(configs)}\n")).data
        read = MetadataConfigs.from_dataset_card_data(data)
        assert len(read) == len(configs)
        read.get_default_config_name()


PIECES = [
    "---",
    "a: 1",
    "license: mit",
    "tags:",
    "- a",
    "- b: c",
    "  <<: *x",
    "x: &x",
    "  y: *x",
    "[",
    "'",
    "",
]
LINES = st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=12)


@given(LINES.map("\n".join))
def test_any_text_is_checked(text: str) -> None:
    """No text raises; every problem has a line of the file; where none is found, the card can be read by everyone."""
    for card in (text, card_of(text + "\n")):
        found = check(card)
        assert all(1 <= problem.line <= card.count("\n") + 1 and problem.message for problem in found)
        assert found == sorted(found)
        if found:
            front_matter_values(card)
        else:
            assert front_matter_values(card) == split_card(card)[0]
            assert isinstance(yaml.safe_load(front_matter_text(card)[0] or ""), dict)


def test_values_are_empty_where_the_front_matter_is_bad() -> None:
    """What cannot be read, or would fill the memory, is read as nothing."""
    assert front_matter_values("---\na: 1\n---\nbody") == {"a": 1}
    for bad in ("", "body", "---\na: [\n---\n", "---\n- a\n---\n", "---\na: " + "[" * 3000 + "\n---\n"):
        assert front_matter_values(bad) == {}
    doubled = "".join(
        f"{name}: &x{n + 1} {{<<: [*x{n}, *x{n}]}}\n" for n, name in enumerate("bcdefghijklmnopqrstuvwxyz")
    )
    assert front_matter_values(card_of("a: &x0 {x: 1}\n" + doubled)) == {}


@pytest.mark.parametrize(
    "value", ["=", "{<<: 1}", "!!omap [1]", "!!str [1]", "!!map [1]", "!!int x", "!!bool [1]"]
)
def test_tags_that_do_not_fit_are_told(value: str) -> None:
    """What PyYAML finds only when it makes the values is a problem too, at its line."""
    front = f"a: 1\nb: {value}\n"
    with pytest.raises(BadInput):
        split_card(card_of(front))
    assert only(front)[0] == 3
