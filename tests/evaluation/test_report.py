"""An evaluation's report: its words, its tables, its pictures, and that no text of a model breaks them."""

from __future__ import annotations

import io
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from PIL import Image

from codeclm_hf.card.captions import MOST_BARS
from codeclm_hf.card.render import parted
from codeclm_hf.evaluation.charts import pictures
from codeclm_hf.evaluation.groups import grouped, recovered
from codeclm_hf.evaluation.report import MOST_LISTED, captions, ratio, render, shown
from support.hostile_text import HOSTILE, TEXTS

MARKDOWN = MarkdownIt("commonmark").enable("table")
SCORES = {
    "win": ([8.0, 5.0], [7.0, 6.0]),
    "tie": ([8.0, 5.0], [5.0, 8.0]),
    "loss": ([2.0, 9.0], [3.0, 4.0]),
    None: (None, None),
}
CHECK = {"fit": True, "judge": "third", "pairs": 36, "readable": 1.0, "accuracy": 0.9, "order_bias": -0.25,
         "order_disagreement": 0.0, "length_bias": None, "injection_rate": 0.1, "faults": []}  # fmt: skip


def row(outcome: str | None, use_case: str | None = "letters", text: str = "Do it.") -> dict[str, Any]:
    first, second = SCORES[outcome]
    scores = {"scores_candidate_first": first, "scores_reference_first": second}
    error = None if outcome else text
    return {
        "id": "0a",
        "instruction": text,
        "use_case": use_case,
        "outcome": outcome,
        "error": error,
        **scores,
    }


def results_of(rows: list[dict[str, Any]], text: str = "a-model", **more: Any) -> dict[str, Any]:
    return {
        "models": dict.fromkeys(("candidate", "reference", "judge"), text),
        "settings": {"temperature": 0.7, "max_new_tokens": 2048, "seed": 0, "prompt": "0a"},
        "judge": CHECK,
        "overall": recovered(rows),
        "by": "use_case",
        "groups": grouped(rows, lambda row: [row["use_case"]] if row["use_case"] else []),
        "not_judged": {
            "without_a_response": 0,
            "with_an_unreadable_judgement": sum(not one["outcome"] for one in rows),
        },
        **more,
    }


def report_of(rows: list[dict[str, Any]], text: str = "a-model", **more: Any) -> str:
    return render(results_of(rows, text, **more), rows, pattern="data/comparisons/train-*-0a.parquet")


ROWS = [*map(row, ["win", "tie", "tie", "loss"]), row("loss", "code"), row("loss", None), row(None, "code")]


def test_the_report_says_what_the_rows_hold() -> None:
    """The ratio with its interval, the counts, a line a group, and what could not be judged."""
    text = report_of(ROWS)
    assert "**Capacity Recovery Ratio 50.0 % (18.8–81.2)**" in text
    assert "on 3 of 6 instructions. It won 1, tied 2 and lost 3." in text
    assert "| letters | 4 | 1 | 2 | 1 | 75.0 % (30.1–95.4) | 0 |" in text
    assert "| code | 1 | 0 | 0 | 1 | 0.0 % (0.0–79.3) | 1 |\n| none given | 1 |" in text
    assert (
        "Of 7 instructions 1 could not be judged, and count nowhere: 1 with an unreadable judgement." in text
    )
    assert "| 90% | obviously better answers found |\n| -0.2 | points for being shown first |" in text
    assert "| not known | longer, worse answers rated no lower |" in text
    assert parted(text)[0]["configs"][0]["data_files"] == "data/comparisons/train-*-0a.parquet"


def test_the_captions_have_the_numbers_of_the_pictures() -> None:
    """For those who do not see them."""
    told = captions(results_of(ROWS))
    assert "of 6 comparisons: all 50.0 % (18.8–81.2), “letters” 75.0 %" in told["recovery.png"]
    assert "all 1, 2, 3, “letters” 1, 2, 1, “code” 0, 0, 1, “none given” 0, 0, 1." in told["outcomes.png"]
    assert all(f"![{caption[:20]}" in report_of(ROWS) for caption in told.values())


def test_nothing_judged_is_said() -> None:
    """There is no ratio, no picture and no table of groups."""
    rows = [row(None), row(None, "code")]
    text = report_of(rows)
    assert "Nothing could be judged" in text and "figures/" not in text
    assert ratio({"capacity_recovery_ratio": None}) == "not known"
    assert captions(results_of(rows)) == pictures(results_of(rows)) == {}


def test_many_groups_and_failures_are_cut() -> None:
    """The groups with the most comparisons, the highest ratio first; how many there are is told."""
    rows = [row("tie" if n % 2 else "loss", f"group {n}") for n in range(30) for _ in range(1 + n % 15)]
    rows += [row(None, text=f"Number {n}.") for n in range(MOST_LISTED + 5)]
    found = shown(results_of(rows))
    assert len(found) == MOST_BARS and min(one["comparisons"] for one in found) >= 11
    assert found == sorted(found, key=lambda one: -one["capacity_recovery_ratio"])
    assert "| use case (10 of 31) |" in report_of(rows) and "| and 5 more |" in report_of(rows)


@settings(max_examples=60)
@given(TEXTS)
def test_any_text_leaves_the_report_whole(text: str) -> None:
    """As a model, a group, an instruction or an error: no markup, no further row, no further heading."""
    rows = [row("win", text), row("loss", "code"), row(None, text, text)]
    made = report_of(rows, text)
    plain = report_of([row("win", "x"), row("loss", "code"), row(None, "x", "x")], "x")
    kinds, expected = ([token.type for token in MARKDOWN.parse(parted(one)[1])] for one in (made, plain))
    named = " ".join(text.split())
    assert "html_block" not in kinds
    assert kinds == expected or not named or rows[0]["use_case"] == "code"
    inline = [child.type for token in MARKDOWN.parse(parted(made)[1]) for child in token.children or []]
    assert "html_inline" not in inline and inline.count("link_open") == 1 and inline.count("image") == 2
    assert yaml.safe_load(made.split("---\n")[1])


@pytest.mark.pictures
def test_pictures_are_sharp_and_the_same_again() -> None:
    """1440 pixels wide, and of the same bytes for the same results, whatever the groups are called."""
    rows = [row("win" if n % 3 else "loss", name) for n, name in enumerate(HOSTILE)] + ROWS
    made = pictures(results_of(rows))
    assert made == pictures(results_of(rows))
    assert {name: Image.open(io.BytesIO(png)).width for name, png in made.items()} == {
        "recovery.png": 1440,
        "outcomes.png": 1440,
    }


@given(st.lists(st.tuples(st.sampled_from([*SCORES]), st.sampled_from(["a", "b", None])), max_size=40))
def test_groups_add_up(drawn: list[tuple[str | None, str | None]]) -> None:
    """Every row is in one group of its use case, and the groups' numbers are those of all rows."""
    rows = [row(outcome, use_case) for outcome, use_case in drawn]
    found = results_of(rows)
    for name in ("instructions", "comparisons", "wins", "ties", "losses", "not_judged"):
        assert sum(one[name] for one in found["groups"]) == found["overall"][name]
    assert found["overall"]["wins"] == [outcome for outcome, _ in drawn].count("win")
    assert {one["name"] for one in found["groups"]} == {use_case for _, use_case in drawn}
