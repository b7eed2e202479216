"""Whatever a model, a server or a colleague wrote: the card stays a card."""

from __future__ import annotations

import re
from typing import Any

import polars as pl
import pytest
import yaml
from huggingface_hub import DatasetCard
from hypothesis import example, given, settings
from markdown_it import MarkdownIt

from codeclm_hf import schema
from codeclm_hf.card import check
from codeclm_hf.card.drift import version_drift
from codeclm_hf.card.render import split_card
from codeclm_hf.card.shapes import TableFiles
from codeclm_hf.card.statistics import contents
from codeclm_hf.errors import BadInput
from codeclm_hf.json_types import to_json
from codeclm_hf.text import display_name
from support.gallery import tables_of
from support.hostile_text import TEXTS
from support.manifests import card_from
from support.run_directories import manifest_of

TINY = tables_of("tiny")
COLUMNS = {config: TableFiles("data/*.parquet", features, 9, 9) for config, features in schema.TABLES.items()}
OURS = re.compile(r"<!-- codeclm-hf:(?:begin|end) \w+(?: \w{8})? -->|</?details>|<summary>its text</summary>")
MARKDOWN = MarkdownIt("commonmark").enable("table")
PIPE = re.compile(r"(?<!\\)(?:\\\\)*\|")


def card_of(text: str) -> str:
    """The card of a version whose every text is this one."""
    rows = {config: [{**row, **_filled(row, text)} for row in part] for config, part in TINY.items()}
    rows["trace"] += [{**row, "verdict": "failed", "error": text} for row in rows["trace"]]
    rows["metadata"] += [{**row, "use_case": None, "error": text} for row in rows["metadata"]]
    tables = {config: schema.table(rows[config], features) for config, features in schema.TABLES.items()}
    frames = {
        config: pl.DataFrame(pl.from_arrow(table.data.table)).lazy() for config, table in tables.items()
    }
    before = pl.LazyFrame({"use_case": ["another", text], "skills": [["another"], [text]]})
    scan = {"personal": {"emails": 1, "phone_numbers": 0, "ip_addresses": 0}, "redacted": True, "secrets": 0}
    made = {
        "models": dict.fromkeys(("strong", "target", "judge"), text),
        "seeds": {"rows": 1, "sources": [text, f"{text}@{'a' * 40}"], "given": 1, "license": text},
        "scan": scan,
    }
    manifest: dict[str, Any] = {
        **manifest_of(2, "a model").to_json(),
        **made,
        "prompts": {"encode": text},
        "prompt_texts": {"encode": text},
        **to_json(contents(frames)),
        "version": "1.1.0",
        "parent": {"version": f"1{text}", "commit": "b" * 40},
        "changes": {"default": {"added": 1, "removed": 1, "changed": 0}},
        "contributions": [{"version": text, **made}],
        "drift": to_json(version_drift(before, frames["default"], since=text)),
    }
    return card_from(manifest, COLUMNS)


def _filled(row: dict[str, Any], text: str) -> dict[str, Any]:
    texts = {
        field: text for field in ("instruction", "response", "use_case", "strong_response") if field in row
    }
    return {**texts, **({"skills": [text, text]} if "skills" in row else {})}


@settings(max_examples=12)
@given(TEXTS)
@example("a|b`c`<script>alert(1)</script>![x](http://tracker/x.png)\n---\n# yes: [no]")
@example("<!-- codeclm-hf:begin summary --><!-- codeclm-hf:end limits -->")
@example("\u202etxet \u200b\u200d\ufeff\x00\x85\u2028 {{ 7 * 7 }} {% raw %}")
@example("w" * 10_000)
def test_any_text_in_every_field_leaves_the_card_whole(text: str) -> None:
    """The front matter is what was put in, tables keep their columns, and no HTML or picture is there but ours."""
    card = card_of(text)
    front, body = split_card(card)
    assert check.check(card) == [] and yaml.safe_load(re.split("^---\n", card, flags=re.M)[1]) == front
    assert DatasetCard(card).data.to_dict() == front
    assert front["codeclm"]["models"] == dict.fromkeys(("strong", "target", "judge"), text)
    told = front["codeclm"]["distributions"]
    assert [one["name"] for one in told["use_cases"] + told["skills"]] == [display_name(text)] * 2
    _same_columns(body)
    _nothing_foreign(body)


def _same_columns(body: str) -> None:
    lines = re.sub("\r\n?", "\n", body).split("\n")
    tables = [token.map or [] for token in MARKDOWN.parse(body) if token.type == "table_open"]
    assert len(tables) >= 12
    for start, end in tables:
        assert len({len(PIPE.findall(line)) for line in lines[start:end]}) == 1


def _nothing_foreign(body: str) -> None:
    """No raw HTML but our comments and fold-outs, no picture but the card's own, no block that is not ours."""
    tokens = MARKDOWN.parse(body)
    inline = [inner for token in tokens for inner in token.children or []]
    html = [token.content for token in [*tokens, *inline] if token.type in ("html_block", "html_inline")]
    assert not re.sub(r"\s", "", OURS.sub("", "".join(html)))
    assert {str(token.attrs["src"]).split("/")[0] for token in inline if token.type == "image"} <= {"figures"}
    links = {str(token.attrs["href"]) for token in inline if token.type == "link_open"}
    assert links == {"https://arxiv.org/abs/2404.05875"}
    blocks = ["summary", "content", "making", "changes", "evaluation", "limits", "citation"]
    assert re.findall(r"<!-- codeclm-hf:end (\w+) -->", body) == blocks
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert len(headings) == 6


def test_a_template_of_ones_own_is_one_block() -> None:
    """Its expressions are escaped, and what people wrote around the block of an older card stays."""
    manifest = {**MANIFEST, "card_template": "## {{ models[0][1] }}\n{{ rows.default }} rows"}
    card = card_from({**manifest, "models": {"strong": "a|b<i>", "target": "t"}}, COLUMNS)
    assert "-->\n## a\\|b\\<i\\>\n2 rows\n<!-- codeclm-hf:end card -->" in card
    older = card_from(MANIFEST, COLUMNS) + "\nBy hand.\n"
    assert "By hand." in card_from(manifest, COLUMNS, older) and "## Limits" not in card_from(
        manifest, COLUMNS, older
    )
    back = card_from(MANIFEST, COLUMNS, card_from(manifest, COLUMNS, older))
    assert "By hand." in back and "## Limits" in back and "2 rows" not in back


def test_a_template_may_take_in_ours() -> None:
    """And then its own words stand around our blocks."""
    told = {**MANIFEST, "card_template": 'Before.\n\n{% include "dataset_card.md.jinja" %}'}
    assert card_from(told, COLUMNS) == card_from(MANIFEST, COLUMNS).replace(
        "---\n\n# A", "---\n\nBefore.\n\n# A"
    )


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("fine\n{% if %}", "line 2 "),
        ("fine\n\n{{ nothing }}", "line 3 .*'nothing' is undefined"),
        ("{{ 1 / 0 }}", "line 1 .*division by zero"),
        ("{{ models.append(1) }}", "line 1 .*unsafe|not safely callable"),
        ("{{ ''.__class__.__mro__ }}", "line 1 .*unsafe"),
        ("{% include '../../etc/passwd' %}", "etc/passwd"),
        ("{% for n in range(10 ** 9) %}{% endfor %}", "Range too big"),
    ],
)
def test_a_template_that_cannot_be_rendered_is_told_with_its_line(template: str, words: str) -> None:
    """One sentence; nothing of this machine can be reached from a template."""
    with pytest.raises(BadInput, match=f"needs a card template that can be rendered.*{words}") as told:
        card_from({**MANIFEST, "card_template": template}, COLUMNS)
    assert "\n" not in str(told.value)


MANIFEST: dict[str, Any] = {
    **manifest_of(2, "a model").to_json(),
    "counts": {
        "metadata": {"total": 1, "seed": 1, "given": 0, "augmented": 0, "failed": 0},
        "instructions": 2,
        "iterations": [],
        "rows": {"default": 2, "preference": 2, "trace": 2, "metadata": 1},
    },
}
