"""An evaluation's report: its words, its tables, its pictures, and that no text of a model breaks them."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from PIL import Image

from codeclm_hf.card.captions import MOST_BARS, ratio
from codeclm_hf.card.render import split_card
from codeclm_hf.evaluation.charts import pictures
from codeclm_hf.evaluation.comparisons import Comparison
from codeclm_hf.evaluation.outcomes import OUTCOMES
from codeclm_hf.evaluation.report import MOST_LISTED, captions, render, shown_groups
from codeclm_hf.evaluation.results import EvaluationResults, Models
from support.evaluations import comparison, results_of
from support.hostile_text import HOSTILE, TEXTS

MARKDOWN = MarkdownIt("commonmark").enable("table")


def results(rows: Sequence[Comparison], text: str = "a-model") -> EvaluationResults:
    return results_of(rows, Models(candidate=text, reference=text, judge=text))


def report_of(rows: Sequence[Comparison], text: str = "a-model") -> str:
    return render(results(rows, text), rows, pattern="data/comparisons/train-*-0a.parquet")


ROWS = [
    *map(comparison, ["win", "tie", "tie", "loss"]),
    comparison("loss", "code"),
    comparison("loss", None),
    comparison(None, "code"),
]


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
    assert split_card(text)[0]["configs"][0]["data_files"] == "data/comparisons/train-*-0a.parquet"


def test_the_captions_have_the_numbers_of_the_pictures() -> None:
    """For those who do not see them."""
    told = captions(results(ROWS))
    assert "of 6 comparisons: all 50.0 % (18.8–81.2), “letters” 75.0 %" in told["recovery.png"]
    assert "all 1, 2, 3, “letters” 1, 2, 1, “code” 0, 0, 1, “none given” 0, 0, 1." in told["outcomes.png"]
    assert all(f"![{caption[:20]}" in report_of(ROWS) for caption in told.values())


def test_nothing_judged_is_said() -> None:
    """There is no ratio, no picture and no table of groups."""
    rows = [comparison(None), comparison(None, "code")]
    text = report_of(rows)
    assert "Nothing could be judged" in text and "figures/" not in text
    assert ratio(results(rows).overall) == "not known"
    assert captions(results(rows)) == pictures(results(rows)) == {}


def test_many_groups_and_failures_are_cut() -> None:
    """The groups with the most comparisons, the highest ratio first; how many there are is told."""
    rows = [
        comparison("tie" if n % 2 else "loss", f"group {n}") for n in range(30) for _ in range(1 + n % 15)
    ]
    rows += [comparison(None, text=f"Number {n}.") for n in range(MOST_LISTED + 5)]
    found = shown_groups(results(rows))
    assert len(found) == MOST_BARS and min(group.comparisons for group in found) >= 11
    assert found == sorted(found, key=lambda group: -(group.capacity_recovery_ratio or 0))
    assert "| use case (10 of 31) |" in report_of(rows) and "| and 5 more |" in report_of(rows)


@settings(max_examples=60)
@given(TEXTS)
def test_any_text_leaves_the_report_whole(text: str) -> None:
    """As a model, a group, an instruction or an error: no markup, no further row, no further heading."""
    rows = [comparison("win", text), comparison("loss", "code"), comparison(None, text, text)]
    made = report_of(rows, text)
    plain = report_of([comparison("win", "x"), comparison("loss", "code"), comparison(None, "x", "x")], "x")
    kinds, expected = ([token.type for token in MARKDOWN.parse(split_card(one)[1])] for one in (made, plain))
    named = " ".join(text.split())
    assert "html_block" not in kinds
    assert kinds == expected or not named or rows[0].use_case == "code"
    inline = [child.type for token in MARKDOWN.parse(split_card(made)[1]) for child in token.children or []]
    assert "html_inline" not in inline and inline.count("link_open") == 1 and inline.count("image") == 2
    assert yaml.safe_load(made.split("---\n")[1])


@pytest.mark.pictures
def test_pictures_are_sharp_and_the_same_again() -> None:
    """1440 pixels wide, and of the same bytes for the same results, whatever the groups are called."""
    rows = [comparison("win" if n % 3 else "loss", name) for n, name in enumerate(HOSTILE)] + ROWS
    made = pictures(results(rows))
    assert made == pictures(results(rows))
    assert {name: Image.open(io.BytesIO(png)).width for name, png in made.items()} == {
        "recovery.png": 1440,
        "outcomes.png": 1440,
    }


@given(
    st.lists(st.tuples(st.sampled_from([*OUTCOMES, None]), st.sampled_from(["a", "b", None])), max_size=40)
)
def test_groups_add_up(drawn: list[tuple[str | None, str | None]]) -> None:
    """Every row is in one group of its use case, and the groups' numbers are those of all rows."""
    rows = [comparison(outcome, use_case) for outcome, use_case in drawn]
    found = results(rows)
    for name in ("instructions", "comparisons", "wins", "ties", "losses", "not_judged"):
        assert sum(getattr(group, name) for group in found.groups) == getattr(found.overall, name)
    assert found.overall.wins == [outcome for outcome, _ in drawn].count("win")
    assert {group.name for group in found.groups} == {use_case for _, use_case in drawn}
