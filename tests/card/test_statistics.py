"""The distributions of a run's tables, against a recount in plain Python and against numbers worked out by hand."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeclm_hf import files, ids, schema
from codeclm_hf.card.languages import languages
from codeclm_hf.card.statistics import FLAGS, READ, TOP, counts, distributions
from codeclm_hf.json_types import to_json
from support.recount import recount

Rows = Sequence[Mapping[str, Any]]
BLANK = {name: dict.fromkeys(features) for name, features in schema.TABLES.items()}
NAMES = st.sampled_from(["poetry", "Poetry", "poetry ", "", "SQL", "ß", "\N{PILE OF POO}"]) | st.text(
    max_size=3
)
# letters that a later Unicode gave a lower case may not have one yet in this Python
LETTERS = st.characters(exclude_categories=["Cs", "Cn"])
TEXTS = st.builds(
    str.__mul__,
    st.sampled_from(["Write a poem", "write  a\npoem", "\x1cWRITE A\u2003POEM\x85", "ΟΔΟΣ ", "İ", ""])
    | st.text(LETTERS, max_size=6),
    st.sampled_from([1, 1, 1, 2, 300, 2000]),
)
IDS = st.none() | st.sampled_from("uvwx")
SCORE = st.none() | st.integers(2, 20).map(lambda n: n / 2) | st.floats(1, 10)
GAP = st.none() | st.integers(-18, 18).map(lambda n: n / 2) | st.floats(-9, 9)
PAIR = st.none() | st.lists(SCORE, max_size=2) | st.lists(SCORE.filter(bool), min_size=2, max_size=2)
ERROR = st.none() | NAMES | st.sampled_from(["é" * 119 + tail for tail in ("", "a", "ab", "ac")])
FLAGGED = st.none() | st.lists(st.sampled_from(["cut_off", "echo", "<b>|", None]), max_size=3)
DEFAULT = st.fixed_dictionaries(
    {
        "id": IDS,
        "instruction": st.none() | TEXTS,
        "response": st.none() | TEXTS,
        "winner": st.sampled_from([None, "strong", "target"]),
        "use_case": st.none() | NAMES,
        "skills": st.none() | st.lists(st.none() | NAMES, max_size=3),
    }
)
TRACE = st.fixed_dictionaries(
    {
        "root_id": IDS,
        "metadata_id": IDS,
        "iteration": st.sampled_from([1, 2, 3, 4, None]),
        "scores_strong_first": PAIR,
        "scores_target_first": PAIR,
        "strong_score": SCORE,
        "target_score": SCORE,
        "gap": GAP,
        "verdict": st.sampled_from(["accept_strong", "accept_target", "retry", "exhausted", "failed", None]),
        "error": ERROR,
        "strong_flags": FLAGGED,
        "target_flags": FLAGGED,
    }
)
METADATA = st.fixed_dictionaries(
    {
        "metadata_id": IDS,
        "use_case": st.none() | NAMES,
        "origin": st.sampled_from(["seed", "given", "augmented", None]),
        "seed_ids": st.none() | st.lists(IDS, max_size=3),
        "error": ERROR,
    }
)
ROWS = {"default": DEFAULT, "trace": TRACE, "metadata": METADATA}
TABLES = st.fixed_dictionaries({name: st.lists(row, max_size=12) for name, row in ROWS.items()})


def table(name: str, rows: Rows) -> pa.Table:
    """Rows, written to Parquet and read; what a row does not say is null."""
    file = io.BytesIO()
    columns = schema.TABLES[name].arrow_schema
    pq.write_table(pa.Table.from_pylist([{**BLANK[name], **row} for row in rows], columns), file)
    return pq.read_table(file)


def tables(**rows: Rows) -> dict[str, pa.Table]:
    """The four tables; those that are not named are empty."""
    return {name: table(name, rows.get(name, [])) for name in schema.TABLES}


def frames(made: Mapping[str, pa.Table]) -> dict[str, pl.LazyFrame]:
    return {name: pl.DataFrame(pl.from_arrow(one)).lazy() for name, one in made.items()}


def found(**rows: Rows) -> dict[str, Any]:
    return dict(to_json(distributions(frames(tables(**rows)))))


def assert_recounted(made: Mapping[str, pa.Table], threshold: float = 3.0) -> None:
    ours = to_json(distributions(frames(made), threshold=threshold))
    other = recount({name: one.to_pylist() for name, one in made.items()}, threshold)
    apart = ours["coverage"].pop("divergence"), other["coverage"].pop("divergence")
    assert ours == other
    # a sum of logarithms, rounded
    assert apart[0] == pytest.approx(apart[1], abs=1.5e-6)


def many(rows: int) -> dict[str, list[dict[str, Any]]]:
    """Rows enough for several portions, with scores that are no round numbers."""
    rng = random.Random(rows)
    words = [rng.randbytes(3).hex() for _ in range(60)]
    texts = [" ".join(rng.choices(words, k=2)) for _ in range(rows)]
    scores = [[rng.uniform(1, 10) for _ in range(4)] for _ in range(rows)]
    return {
        "default": [
            {
                "id": ids.row_id(n) if n % 10 == 0 else None,
                "instruction": text,
                "response": text * 9,
                "winner": "strong",
                "use_case": text[:6],
                "skills": text.split(),
            }
            for n, text in enumerate(texts)
        ],
        "trace": [
            {
                "root_id": f"{n // 3}",
                "metadata_id": words[n // 3 % 60],
                "iteration": 1 + n % 3,
                "scores_strong_first": [a, b],
                "scores_target_first": [c, d],
                "strong_score": (a + c) / 2,
                "target_score": (b + d) / 2,
                "gap": (a + c) / 2 - (b + d) / 2,
                "verdict": "accept_strong" if n % 3 == 2 and a > b else "retry",
                "strong_flags": ["echo", "cut_off"][: n % 3],
            }
            for n, (a, b, c, d) in enumerate(scores)
        ],
        "metadata": [
            {"metadata_id": word, "use_case": word, "origin": "seed", "seed_ids": ["s"]} for word in words
        ],
    }


@settings(max_examples=25)
@given(TABLES, st.sampled_from([3, 0.5]))
def test_every_number_is_that_of_a_recount(rows: dict[str, Rows], threshold: float) -> None:
    """Whatever the names, texts, scores and nulls, plain Python counts the same."""
    assert_recounted(tables(**rows), threshold)


def test_many_rows_are_recounted() -> None:
    """The same holds where polars takes the rows in portions."""
    assert_recounted(tables(**many(30_000)))


@settings(max_examples=15)
@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows: dict[str, Rows], rng: random.Random) -> None:
    """Rows in any order give the same bytes of plain JSON."""
    shuffled = {name: rng.sample(list(some), len(some)) for name, some in rows.items()}
    made = found(**rows)
    text = json.dumps(made, allow_nan=False)
    assert json.dumps(found(**shuffled), allow_nan=False) == text
    assert json.loads(text) == made


def test_the_order_of_many_rows_does_not_matter() -> None:
    """Sums of scores are exact: their last digits do not depend on what was added first."""
    rows = many(30_000)
    backwards = {name: some[::-1] for name, some in rows.items()}
    assert json.dumps(found(**rows)) == json.dumps(found(**backwards))


def test_empty_tables_have_zeros_empty_lists_and_nulls() -> None:
    """A run that made nothing is described all the same."""
    of_names, of_scores = {"total": 0, "top": []}, {"mean": None, "counts": [0] * 10}
    edges = [0, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]
    lengths = {"mean": None, "p50": None, "p95": None, "max": None, "edges": edges, "counts": [0] * 10}
    assert found() == {
        "use_cases": {**of_names, "rows": 0},
        "skills": {**of_names, "mentions": 0},
        "pairs": of_names,
        "iterations": [],
        "acceptance": of_names,
        "gap": {
            "threshold": 3.0,
            "edges": [n / 2 for n in range(-18, 19)],
            "counts": [0] * 36,
            "judged": 0,
            "mean": None,
        },
        "winner": {"strong": 0, "target": 0},
        "scores": {"strong": of_scores, "target": of_scores},
        "order": {"judged": 0, "disagree": 0, "mean_shift": None},
        "lengths": {"instruction": lengths, "response": lengths},
        "duplicates": {"instructions": 0},
        "failures": {"trace": [], "metadata": [], "exhausted": 0},
        "coverage": {"seeds": 0, "covered": 0, "divergence": None},
    }


def test_rows_of_nulls_are_no_names_and_no_numbers() -> None:
    """A row that holds nothing changes nothing."""
    assert found(default=[{}], trace=[{}], metadata=[{}]) == found()


def test_names_are_listed_by_count_then_by_name() -> None:
    """Shares are of the rows with a use case, and of all mentions of skills."""
    made = found(
        default=[
            {"use_case": "b", "skills": ["y", "x"]},
            {"use_case": "a", "skills": ["x"]},
            {"use_case": "c", "skills": None},
            {"use_case": "c", "skills": ["x", None]},
            {"use_case": None, "skills": ["y"]},
        ]
    )
    top = [("c", 2, 0.5), ("a", 1, 0.25), ("b", 1, 0.25)]
    assert made["use_cases"] == {
        "total": 3,
        "rows": 4,
        "top": [dict(zip(("name", "rows", "share"), one, strict=True)) for one in top],
    }
    assert made["skills"] == {
        "total": 2,
        "mentions": 5,
        "top": [{"name": "x", "rows": 3, "share": 0.6}, {"name": "y", "rows": 2, "share": 0.4}],
    }
    pairs = [("a", "x"), ("b", "x"), ("b", "y"), ("c", "x")]
    assert made["pairs"]["top"] == [
        {"use_case": use_case, "skill": skill, "rows": 1} for use_case, skill in pairs
    ]


def test_spellings_of_one_name_are_counted_as_one() -> None:
    """Under the most frequent spelling, in use cases, skills, pairs, acceptance and coverage alike."""
    numbers = found(
        default=[
            {"use_case": "SQL query", "skills": ["C++"]},
            {"use_case": "SQL query", "skills": ["c++"]},
            {"use_case": "sql-queries", "skills": ["C++", "C"]},
        ],
        trace=[
            {"root_id": name, "metadata_id": name, "iteration": 1, "verdict": "accept_strong"}
            for name in "ab"
        ],
        metadata=[
            {"metadata_id": "a", "use_case": "SQL query", "origin": "seed"},
            {"metadata_id": "b", "use_case": "Sql Queries", "origin": "seed"},
        ],
    )
    assert numbers["use_cases"]["top"] == [{"name": "SQL query", "rows": 3, "share": 1.0}]
    assert [(one["name"], one["rows"]) for one in numbers["skills"]["top"]] == [("C++", 3), ("C", 1)]
    assert [(one["skill"], one["rows"]) for one in numbers["pairs"]["top"]] == [("C++", 3), ("C", 1)]
    assert numbers["acceptance"]["top"] == [{"name": "SQL query", "judged": 2, "accepted": 2, "rate": 1.0}]
    assert numbers["coverage"] == {"seeds": 1, "covered": 1, "divergence": 0.0}


def test_lists_of_names_end_after_twenty() -> None:
    """The totals count all of them."""
    rows = [{"use_case": f"{n:03}", "skills": [f"{n:03}"]} for n in range(TOP + 5)]
    made = found(default=rows, trace=[{"error": f"{n:03}"} for n in range(TOP + 5)])
    for of_names in (made["use_cases"], made["skills"], made["pairs"]):
        assert (of_names["total"], len(of_names["top"])) == (25, 20)
    assert [one["name"] for one in made["use_cases"]["top"]] == [f"{n:03}" for n in range(20)]
    assert len(made["failures"]["trace"]) == 20


def test_what_did_not_fail_is_judged() -> None:
    """Iterations count rows, acceptance counts instructions, once however often each was judged."""
    rows = [
        ("r", "m", 1, "retry"), ("r", "m", 2, "accept_target"), ("s", "m", 1, "retry"), ("s", "m", 2, "failed"),
        ("t", "m", 1, "failed"), ("u", "n", 1, "accept_strong"), ("v", "n", 1, "exhausted"), ("w", "?", 1, "retry"),
    ]  # fmt: skip
    made = found(
        trace=[
            dict(zip(("root_id", "metadata_id", "iteration", "verdict"), row, strict=True)) for row in rows
        ],
        metadata=[{"metadata_id": "m", "use_case": "poems"}, {"metadata_id": "n", "use_case": "essays"}],
    )
    assert made["iterations"] == [
        {"iteration": 1, "judged": 5, "accepted": 1, "share": 0.5},
        {"iteration": 2, "judged": 1, "accepted": 1, "share": 0.5},
    ]
    assert made["acceptance"] == {
        "total": 2,
        "top": [
            {"name": "essays", "judged": 2, "accepted": 1, "rate": 0.5},
            {"name": "poems", "judged": 2, "accepted": 1, "rate": 0.5},
        ],
    }
    assert made["failures"]["exhausted"] == 1


def test_a_metadata_that_stands_twice_has_the_least_name() -> None:
    """Which row comes first does not matter, and an instruction counts once."""
    metadata = [{"metadata_id": "m", "use_case": name} for name in ("b", None, "a", "c")]
    trace = [{"root_id": "r", "metadata_id": "m", "verdict": "retry"}]
    for rows in (metadata, metadata[::-1]):
        top = [{"name": "a", "judged": 1, "accepted": 0, "rate": 0.0}]
        assert found(trace=trace, metadata=rows)["acceptance"] == {"total": 1, "top": top}


def test_gaps_fall_into_bins_of_half_a_point() -> None:
    """A bin holds its edge that is farther from 0; a gap beyond the scale is in the outermost."""
    gaps = [-9.5, -9.0, -8.5, -0.1, -1e-300, 0.0, 0.49, 0.5, 8.9, 9.0, 9.5, None]
    made = found(trace=[{"gap": gap} for gap in gaps])["gap"]
    assert {made["edges"][n]: rows for n, rows in enumerate(made["counts"]) if rows} == {
        -9.0: 2, -8.5: 1, -0.5: 2, 0.0: 3, 8.5: 3,
    }  # fmt: skip
    assert (made["judged"], made["mean"]) == (11, 0.117273)


def test_a_gap_of_the_threshold_is_in_no_bin_of_accepted_ones() -> None:
    """The bins beyond the threshold hold the accepted rows and no others, on both sides."""
    gaps = [-3.5, -3.0000001, -3.0, -2.9, 0.0, 2.9, 3.0, 3.0000001, 3.5, 9.0]
    made = found(trace=[{"gap": gap} for gap in gaps])["gap"]
    bins = dict(zip(made["edges"], made["counts"], strict=False))
    assert sum(rows for low, rows in bins.items() if low < -3.0) == sum(gap < -3.0 for gap in gaps)
    assert sum(rows for low, rows in bins.items() if low >= 3.0) == sum(gap > 3.0 for gap in gaps)


def test_a_mean_is_that_of_the_exact_sum() -> None:
    """Nothing is lost on the way, and there is no zero below zero."""
    assert found(trace=[{"gap": gap} for gap in (1e16, 1.0, -1e16)])["gap"]["mean"] == 0.333333
    assert str(found(trace=[{"gap": -1e-9}])["gap"]["mean"]) == "0.0"


def test_scores_are_rounded_half_up() -> None:
    """Each side's whole scores from 1 to 10, and the mean of the scores as they are."""
    strong = [1.0, 1.49, 1.5, 2.5, 9.5, 10.0, None]
    made = found(trace=[{"strong_score": score} for score in strong])["scores"]
    assert made["strong"] == {"mean": 4.331667, "counts": [2, 1, 1, 0, 0, 0, 0, 0, 0, 2]}
    assert made["target"] == {"mean": None, "counts": [0] * 10}


def test_the_two_orders_may_name_different_winners() -> None:
    """A tie in one order alone is a disagreement; a row that was judged in one order is left out."""
    pairs = [
        ([8, 2], [7, 3]),
        ([8, 2], [2, 8]),
        ([5, 5], [6, 5]),
        ([5, 5], [4, 4]),
        ([8, 2], None),
        ([8], [7, 3]),
    ]
    made = found(trace=[{"scores_strong_first": a, "scores_target_first": b} for a, b in pairs])["order"]
    assert made == {"judged": 4, "disagree": 2, "mean_shift": 3.75}


def test_numbers_that_are_not_finite_are_left_out() -> None:
    """Neither means nor bins know them, and JSON could not hold them."""
    rows = [
        {"gap": n, "strong_score": n, "target_score": n} for n in (float("nan"), float("inf"), float("-inf"))
    ]
    pair = [float("inf"), 1.0]
    assert found(trace=rows) == found()
    assert found(trace=[{"scores_strong_first": pair, "scores_target_first": pair}]) == found()


def test_lengths_are_estimated_from_bytes() -> None:
    """A token is four bytes of UTF-8, begun ones count; percentiles are lengths that rows have."""
    made = found(default=[{"instruction": text} for text in ("", "a", "aaaaa", "é" * 32, "x" * 16_384, None)])
    assert made["lengths"]["instruction"] == {
        "mean": 823.0,
        "p50": 2,
        "p95": 4096,
        "max": 4096,
        "edges": [0, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096],
        "counts": [3, 1, 0, 0, 0, 0, 0, 0, 0, 1],
    }
    assert made["lengths"]["response"]["max"] is None


def test_percentiles_are_the_nearest_ranks() -> None:
    """Of a hundred lengths the 50th and the 95th."""
    made = found(default=[{"response": "abcd" * n} for n in range(100, 0, -1)])["lengths"]["response"]
    assert (made["p50"], made["p95"], made["max"], made["mean"]) == (50, 95, 100, 50.5)


@pytest.mark.parametrize(
    "other",
    ["write a poem", "WRITE A POEM", "Write  a poem", " Write\ta\n poem\r\n", "\u2003Write a\x1fpoem\x85"],
)
def test_case_and_white_space_make_no_other_instruction(other: str) -> None:
    """Each row after the first of its kind is a duplicate."""
    texts = ["Write a poem", other, "Write apoem", "Write a poem!", None]
    assert found(default=[{"instruction": text} for text in texts])["duplicates"] == {"instructions": 1}


def test_white_space_is_what_python_splits_at() -> None:
    """Every other character tells two instructions apart."""
    white = [chr(n) for n in range(0x4000) if chr(n).isspace()]
    made = found(default=[{"instruction": f"a{one}b"} for one in white])
    assert made["duplicates"]["instructions"] == len(white) - 1
    others = [chr(n) for n in (0x00, 0x08, 0x0E, 0x1B, 0x180E, 0x200B, 0x2060, 0xFEFF)]
    assert (
        found(default=[{"instruction": f"a{one}b"} for one in [*others, " "]])["duplicates"]["instructions"]
        == 0
    )


def test_reasons_are_the_beginnings_of_errors() -> None:
    """Errors whose first 120 characters agree are one reason."""
    made = found(
        trace=[{"error": "é" * 120 + tail} for tail in ("", "1", "2")] + [{"error": "a"}, {"error": None}],
        metadata=[{"error": "b"}],
    )["failures"]
    assert made["trace"] == [{"reason": "é" * 120, "rows": 3}, {"reason": "a", "rows": 1}]
    assert made["metadata"] == [{"reason": "b", "rows": 1}]


def test_coverage_weighs_a_use_case_by_its_seeds() -> None:
    """A metadata stands for its seeds, or for itself where it has none; augmented ones are no seeds."""
    metadata: Rows = [
        {"use_case": "a", "origin": "seed", "seed_ids": ["1", "2", "3"]},
        {"use_case": "b", "origin": "given", "seed_ids": []},
        {"use_case": "c", "origin": "augmented", "seed_ids": ["1"]},
        {"use_case": None, "origin": "seed", "seed_ids": ["4"]},
    ]
    same, other = ["a", "a", "a", "b"], ["c"]
    for use_cases, covered, divergence in (
        (same, 2, 0.0),
        (other, 0, 1.0),
        (["a"], 1, 0.137925),
        ([], 0, None),
    ):
        made = found(metadata=metadata, default=[{"use_case": name} for name in use_cases])["coverage"]
        assert made == {"seeds": 2, "covered": covered, "divergence": divergence}
    assert found(default=[{"use_case": "a"}])["coverage"]["divergence"] is None


def test_no_other_columns_are_read() -> None:
    """The columns of `READ` do, for `counts` and `languages` too, and each of them is needed."""
    made = frames(tables(**many(30)))
    narrow = {name: made[name].select(columns) for name, columns in READ.items()}
    assert distributions(narrow) == distributions(made)
    assert counts(narrow) == counts(made)
    for name in ("default", "trace", "metadata"):
        for column in set(READ[name]) - set(FLAGS.values()):
            with pytest.raises(pl.exceptions.ColumnNotFoundError):
                without = {**narrow, name: narrow[name].drop(column)}
                distributions(without), languages(without["default"])


def test_files_scanned_by_polars_give_the_same(tmp_path: Path) -> None:
    """Where a table comes from does not matter."""
    made = tables(**many(12_000))
    for name, one in made.items():
        files.write_parquet(tmp_path / name, one.to_batches(), one.schema)
    scanned = {
        name: pl.scan_parquet(tmp_path / name / "*.parquet") for name in ("default", "trace", "metadata")
    }
    assert distributions(scanned) == distributions(frames(made))


def test_flags_are_counted_by_role() -> None:
    """Each once a response, the most frequent first; a role without any is not there."""
    made = found(
        trace=[{"strong_flags": flags} for flags in (["echo", "cut_off", "echo"], ["cut_off"], [], None)]
    )
    assert made["flags"] == {"strong": {"cut_off": 2, "echo": 1}}
    assert list(made["flags"]["strong"]) == ["cut_off", "echo"]


def test_tables_of_earlier_versions_have_no_flags() -> None:
    """Without the columns all else is counted as ever."""
    made = frames(tables(**many(30)))
    older = {**made, "trace": made["trace"].drop(*FLAGS.values())}
    assert distributions(older) == replace(distributions(made), flags={})
