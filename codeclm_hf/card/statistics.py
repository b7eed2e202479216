"""Counts and distributions of a run's tables, with polars."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain, repeat
from typing import Any

import polars as pl

from codeclm_hf.card.drift import DIGITS, drift

VERDICTS = ("accept_strong", "accept_target", "retry", "exhausted", "failed")
"""What can become of an instruction in one iteration."""
READ = {
    "default": ["id", "instruction", "response", "winner", "use_case", "skills"],
    "preference": ["id"],
    "trace": [
        "root_id",
        "metadata_id",
        "iteration",
        "scores_strong_first",
        "scores_target_first",
        "strong_score",
        "target_score",
        "gap",
        "verdict",
        "error",
    ],
    "metadata": ["metadata_id", "use_case", "origin", "seed_ids", "error"],
}
"""The columns that `counts`, `distributions` and `languages` need, by table."""
ORIGINS = ("seed", "given", "augmented")
"""Where a metadata row can come from."""
TOP = 20
"""Most names in a list."""
REASON = 120
"""Characters of an error that make it the same as another."""
GAPS = [n / 2 for n in range(-18, 19)]
"""Edges of the gap's bins: two scores from 1 to 10 differ by at most 9.

A bin holds the edge that is farther from 0, not the nearer one; 0 is in the first above it. Where θ is an edge,
a gap of just θ, which is not accepted, is so in no bin of accepted ones.
"""
TOKENS = [0, *(2**n for n in range(4, 13))]
"""Edges of the lengths' bins, in tokens; what is longer than the last has a bin of its own."""
_BYTES_A_TOKEN = 4
_ROWS = pl.len().cast(pl.Int64)
_ONE = pl.lit(1, pl.Int64)
_JUDGED = pl.col("verdict") != "failed"
_ACCEPTED = pl.col("verdict").is_in(["accept_strong", "accept_target"])
_WHITE = r"[\s\x1c-\x1f]"
"""What Python's `str.split` splits at."""
_UNEVEN = rf"{_WHITE}*[{_WHITE}--[ ]]{_WHITE}*|  +"
"""White space that is more than one space, or something else."""


def counts(tables: Mapping[str, pl.LazyFrame]) -> dict[str, Any]:
    """How many rows there are, by stage, iteration and verdict.

    Args:
        tables: the four tables of a run, or of a version; the columns `READ` will do.

    Returns:
        `metadata` (by origin; `failed` have no use case), `instructions` (basic ones, failed ones included),
        `iterations` (one entry an iteration, by verdict; they add up to the trace's rows), and the rows of each table.
    """
    metadata = tables["metadata"].select("origin", "use_case").collect()
    usable = metadata.filter(pl.col("use_case").is_not_null())
    trace = tables["trace"].select("iteration", "verdict").collect()
    by_verdict = {(i, v): n for i, v, n in trace.group_by("iteration", "verdict").len().iter_rows()}
    return {
        "metadata": {
            "total": usable.height,
            **{origin: usable.filter(pl.col("origin") == origin).height for origin in ORIGINS},
            "failed": metadata.height - usable.height,
        },
        "instructions": trace.filter(pl.col("iteration") == 1).height,
        "iterations": [
            {"iteration": i, **{verdict: by_verdict.get((i, verdict), 0) for verdict in VERDICTS}}
            for i in sorted({i for i, _ in by_verdict})
        ],
        "rows": {name: table.select(pl.len()).collect().item() for name, table in tables.items()},
    }


def distributions(tables: Mapping[str, pl.LazyFrame], *, threshold: float = 3.0) -> dict[str, Any]:
    """What a run's tables hold: names, lengths, scores, gaps, what was accepted and what failed.

    The same rows in any order give the same result, which is plain JSON. Nulls, and numbers that are not finite, are
    left out. Shares are of 1, fractions are rounded to 6 digits, and lists of names hold the `TOP` most frequent, equal
    ones by name. Memory grows with the distinct values, and by a few numbers a row, not with the texts.

    Args:
        tables: `default`, `trace` and `metadata` of a run, or of a version; the columns `READ` will do.
        threshold: θ of the run, on the 10-point scale; it is told beside the gaps.

    Returns:
        Of `default`: `use_cases`, `skills` (one mention, one count), `pairs` of both, `winner`, `lengths` in tokens
        (estimated: UTF-8 bytes ÷ 4, rounded up) with percentiles that are lengths of rows, and `duplicates`: rows whose
        instruction stood in an earlier row, but for case and white space.
        Of `trace`: `iterations` and `acceptance`, where what has a verdict other than `failed` is judged; `gap`,
        `scores`, and `order`: whether the winner depends on which answer was shown first.
        Of both and `metadata`: `failures`, their reasons cut to `REASON` characters, and `coverage`: which of the
        seeds' use cases have rows, and how far (Jensen–Shannon, base 2) the two distributions lie apart.
    """
    default, trace, metadata = (tables[name] for name in ("default", "trace", "metadata"))
    queries = _of_default(default) | _of_trace(trace) | _of_metadata(metadata) | _of_both(trace, metadata)
    found = dict(zip(queries, pl.collect_all(list(queries.values()), engine="streaming"), strict=True))
    rows, verdicts, numbers, texts = (found[name] for name in ("rows", "verdicts", "numbers", "texts"))
    mentions = rows.explode("skills")
    use_cases, skills = _counted(rows, name="use_case"), _counted(mentions, name="skills")
    pairs = _counted(mentions, use_case="use_case", skill="skills")
    instructions = texts.drop_nulls("instruction")
    return {
        "use_cases": {"total": use_cases.height, "rows": _sum(use_cases), "top": _shares(use_cases)},
        "skills": {"total": skills.height, "mentions": _sum(skills), "top": _shares(skills)},
        "pairs": {"total": pairs.height, "top": _top(pairs)},
        "iterations": _iterations(_counted(verdicts, iteration="iteration", verdict="verdict")),
        "acceptance": _acceptance(found["acceptance"]),
        "gap": {"threshold": float(threshold), **_gap(_counted(numbers, value="gap"))},
        "winner": {name: _sum(rows.filter(pl.col("winner") == name)) for name in ("strong", "target")},
        "scores": {name: _scores(_counted(numbers, value=f"{name}_score")) for name in ("strong", "target")},
        "order": _order(_counted(numbers, shift="shift", disagree="disagree")),
        "lengths": {name: _lengths(_counted(texts, tokens=name)) for name in ("instruction", "response")},
        "duplicates": {"instructions": instructions.height - instructions["plain"].n_unique()},
        "failures": {
            "trace": _top(_counted(verdicts, reason="reason")),
            "metadata": _top(_counted(found["errors"], reason="reason")),
            "exhausted": _sum(verdicts.filter(pl.col("verdict") == "exhausted")),
        },
        "coverage": _coverage(found["seeds"], use_cases, default),
    }


def _distinct(table: pl.LazyFrame, *values: pl.Expr | str) -> pl.LazyFrame:
    """Every different row once, and how many `rows` it stands for."""
    return table.select(*values).group_by(pl.all()).agg(rows=_ROWS)


def _of_default(default: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
    # a single space matches nothing: as most white space is one, this is 3 times as fast
    plain = pl.col("instruction").str.to_lowercase().str.replace_all(_UNEVEN, " ").str.strip_chars(" ")
    return {
        "rows": _distinct(default, "use_case", "skills", "winner"),
        # the long columns: read once, and no more is kept of them than three numbers a row
        "texts": default.select(_tokens("instruction"), _tokens("response"), plain=plain.hash(), rows=_ONE),
    }


def _tokens(name: str) -> pl.Expr:
    return (pl.col(name).str.len_bytes() + _BYTES_A_TOKEN - 1) // _BYTES_A_TOKEN


def _of_trace(trace: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
    first, second = (
        _known(pl.col(name).list.get(0, null_on_oob=True) - pl.col(name).list.get(1, null_on_oob=True))
        for name in ("scores_strong_first", "scores_target_first")
    )
    return {
        "verdicts": _distinct(
            trace, "iteration", "verdict", pl.col("error").str.head(REASON).alias("reason")
        ),
        "numbers": _distinct(
            trace,
            *(_known(pl.col(name)) for name in ("gap", "strong_score", "target_score")),
            (first - second).abs().alias("shift"),
            (first.sign() != second.sign()).alias("disagree"),
        ),
    }


def _known(number: pl.Expr) -> pl.Expr:
    return pl.when(number.is_finite()).then(number)


def _of_metadata(metadata: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
    given = metadata.filter(pl.col("origin").is_in(["seed", "given"])).drop_nulls("use_case")
    seeds = pl.max_horizontal(1, pl.col("seed_ids").list.len().cast(pl.Int64))
    return {
        "errors": _distinct(metadata, pl.col("error").str.head(REASON).alias("reason")),
        "seeds": given.group_by(name="use_case").agg(rows=seeds.sum()),
    }


def _of_both(trace: pl.LazyFrame, metadata: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
    """The instructions of each use case that were judged, and accepted."""
    # the least of the names that an id has: which row comes first must not matter
    names = (
        metadata.drop_nulls(["metadata_id", "use_case"]).group_by("metadata_id").agg(pl.col("use_case").min())
    )
    roots = (
        trace.filter(_JUDGED)
        .select("metadata_id", "root_id", accepted=_ACCEPTED)
        .drop_nulls()
        .join(names, on="metadata_id")
        .group_by("use_case", "root_id")
        .agg(pl.col("accepted").any())
    )
    by_name = roots.group_by(name="use_case").agg(
        judged=_ROWS, accepted=pl.col("accepted").sum().cast(pl.Int64)
    )
    return {"acceptance": by_name}


def _counted(distinct: pl.DataFrame, **columns: str) -> pl.DataFrame:
    """How many `rows` have these values, all of them known; columns by their new names."""
    known = distinct.select("rows", **columns).drop_nulls()
    return known.group_by(*columns).agg(pl.col("rows").sum())


def _sum(counted: pl.DataFrame) -> int:
    return int(counted["rows"].sum())


def _share(part: int, whole: int) -> float:
    return round(part / whole, DIGITS) if whole else 0.0


def _mean(values: pl.DataFrame, of: str) -> float | None:
    """Of counted values; the sum is exact, so that their order does not matter."""
    total = math.fsum(
        chain.from_iterable(repeat(value, rows) for value, rows in values.select(of, "rows").iter_rows())
    )
    return round(total / _sum(values), DIGITS) + 0.0 if values.height else None  # never -0.0


def _histogram(values: pl.DataFrame, bin: pl.Expr, bins: int) -> list[int]:
    found = dict(values.group_by(bin.clip(0, bins - 1).cast(pl.Int64)).agg(pl.col("rows").sum()).iter_rows())
    return [found.get(n, 0) for n in range(bins)]


def _top(counted: pl.DataFrame, by: str = "rows") -> list[dict[str, Any]]:
    """The largest counts, equal ones by name."""
    names = [name for name, kind in counted.schema.items() if kind == pl.String]
    return counted.sort(by, *names, descending=[True, *(False for _ in names)]).head(TOP).to_dicts()


def _shares(counted: pl.DataFrame) -> list[dict[str, Any]]:
    total = _sum(counted)
    return [{**one, "share": _share(one["rows"], total)} for one in _top(counted)]


def _iterations(counted: pl.DataFrame) -> list[dict[str, Any]]:
    by_iteration = (
        counted.group_by("iteration")
        .agg(judged=pl.col("rows").filter(_JUDGED).sum(), accepted=pl.col("rows").filter(_ACCEPTED).sum())
        .sort("iteration")
        .to_dicts()
    )
    total = sum(one["accepted"] for one in by_iteration)
    return [{**one, "share": _share(one["accepted"], total)} for one in by_iteration]


def _acceptance(by_name: pl.DataFrame) -> dict[str, Any]:
    top = [{**one, "rate": _share(one["accepted"], one["judged"])} for one in _top(by_name, "judged")]
    return {"total": by_name.height, "top": top}


def _gap(gaps: pl.DataFrame) -> dict[str, Any]:
    halves = pl.col("value") * 2  # before anything is added: no digit of a small gap is lost
    bin = pl.when(halves > 0).then(halves.ceil() - 1).otherwise(halves.floor())
    found = _histogram(gaps, bin - 2 * GAPS[0], len(GAPS) - 1)
    return {"edges": [*GAPS], "counts": found, "judged": _sum(gaps), "mean": _mean(gaps, "value")}


def _scores(scores: pl.DataFrame) -> dict[str, Any]:
    return {
        "mean": _mean(scores, "value"),
        "counts": _histogram(scores, (pl.col("value") + 0.5).floor() - 1, 10),
    }


def _order(shifts: pl.DataFrame) -> dict[str, Any]:
    return {
        "judged": _sum(shifts),
        "disagree": _sum(shifts.filter("disagree")),
        "mean_shift": _mean(shifts, "shift"),
    }


def _lengths(lengths: pl.DataFrame) -> dict[str, Any]:
    tokens, rows = pl.col("tokens").cast(pl.Int64), _sum(lengths)
    up_to = lengths.sort("tokens").with_columns(up_to=pl.col("rows").cum_sum())

    def percentile(percent: int) -> int | None:
        found = up_to.filter(pl.col("up_to") * 100 >= rows * percent)["tokens"]
        return found[0] if rows else None

    return {
        "mean": round(lengths.select(tokens.dot("rows")).item() / rows, DIGITS) if rows else None,
        "p50": percentile(50),
        "p95": percentile(95),
        "max": lengths["tokens"].max(),
        "edges": [*TOKENS],
        "counts": _histogram(lengths, pl.sum_horizontal(tokens >= edge for edge in TOKENS) - 1, len(TOKENS)),
    }


def _coverage(seeds: pl.DataFrame, use_cases: pl.DataFrame, default: pl.LazyFrame) -> dict[str, Any]:
    no_skills = pl.lit(None, pl.List(pl.String)).alias("skills")
    before = seeds.lazy().select(pl.col("name").repeat_by("rows").explode().alias("use_case"), no_skills)
    apart = drift(before, default.select("use_case", no_skills))["use_case"].divergence
    return {
        "seeds": seeds.height,
        "covered": seeds.join(use_cases, on="name", how="semi").height,
        "divergence": round(apart, DIGITS) if seeds.height and use_cases.height else None,
    }
