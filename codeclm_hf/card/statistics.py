"""Counts and distributions of the tables of a run or of a version, with polars."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain, repeat
from typing import Any

import polars as pl

from codeclm_hf.card.diversity import diversity
from codeclm_hf.card.drift import DIGITS, changed_spellings, drift
from codeclm_hf.card.languages import languages
from codeclm_hf.card.shapes import (
    Acceptance,
    Contents,
    Counts,
    Coverage,
    Distributions,
    Duplicates,
    Failure,
    Failures,
    Gap,
    Iteration,
    LengthHistogram,
    Lengths,
    MetadataCounts,
    NameShare,
    OrderEffect,
    Pair,
    Pairs,
    ScoreHistogram,
    Scores,
    Skills,
    UseCaseAcceptance,
    UseCases,
    VerdictCounts,
    Winners,
)
from codeclm_hf.settings import THRESHOLD

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
        "strong_flags",
        "target_flags",
    ],
    "metadata": ["metadata_id", "use_case", "origin", "seed_ids", "error"],
}
"""The columns that `counts`, `distributions` and `languages` read, by table."""
FLAGS = {"strong": "strong_flags", "target": "target_flags"}
"""The columns of `trace` with flags, by whose response has them. Tables of earlier versions lack them."""
ORIGINS = ("seed", "given", "augmented")
"""Where a metadata row can come from."""
TOP = 20
"""Most names in a list."""
REASON = 120
"""Characters of an error that make it the same as another."""
GAPS = [n / 2 for n in range(-18, 19)]
"""Edges of the gap's bins: two scores from 1 to 10 differ by at most 9.

A bin holds the edge that is farther from 0, not the nearer one; 0 is in the first bin above it. So a gap of
just θ, which is not accepted, is in no bin of accepted gaps where θ is an edge.
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


def contents(tables: Mapping[str, pl.LazyFrame], *, threshold: float = THRESHOLD) -> Contents:
    """Describe the four tables of a run, or of a version: their counts, distributions and languages.

    Args:
        tables: the tables by name; the columns `READ` will do.
        threshold: θ of the run.
    """
    return Contents(
        counts=counts(tables),
        distributions=distributions(tables, threshold=threshold),
        languages=languages(tables["default"]),
    )


def counts(tables: Mapping[str, pl.LazyFrame]) -> Counts:
    """Count the rows by stage, iteration and verdict.

    Args:
        tables: the four tables of a run, or of a version; the columns `READ` will do.
    """
    metadata = tables["metadata"].select("origin", "use_case").collect()
    usable = metadata.filter(pl.col("use_case").is_not_null())
    trace = tables["trace"].select("iteration", "verdict").collect()
    by_verdict = {(i, v): n for i, v, n in trace.group_by("iteration", "verdict").len().iter_rows()}
    return Counts(
        metadata=MetadataCounts(
            total=usable.height,
            **{origin: usable.filter(pl.col("origin") == origin).height for origin in ORIGINS},
            failed=metadata.height - usable.height,
        ),
        instructions=trace.filter(pl.col("iteration") == 1).height,
        iterations=tuple(
            VerdictCounts(iteration=i, **{verdict: by_verdict.get((i, verdict), 0) for verdict in VERDICTS})
            for i in sorted({i for i, _ in by_verdict})
        ),
        rows={name: table.select(pl.len()).collect().item() for name, table in tables.items()},
    )


def distributions(tables: Mapping[str, pl.LazyFrame], *, threshold: float = THRESHOLD) -> Distributions:
    """Count the names, lengths, scores and gaps in a run's tables, and what was accepted and what failed.

    The same rows in any order give the same result. Nulls, and numbers that are not finite, are left out.
    Fractions are rounded to 6 digits, lists of names hold the `TOP` most frequent, and reasons are cut to
    `REASON` characters. Memory grows with the distinct values, and by a few numbers a row; texts are not
    kept.

    Args:
        tables: `default`, `trace` and `metadata` of a run, or of a version; the columns `READ` will do, and
            those of `FLAGS` may be missing.
        threshold: θ of the run, on the 10-point scale; it stands beside the gaps in the result.
    """
    default, trace, metadata = (tables[name] for name in ("default", "trace", "metadata"))
    queries = (
        _default_queries(default)
        | _trace_queries(trace)
        | _metadata_queries(metadata)
        | _acceptance_queries(trace, metadata)
        | _flag_queries(trace)
    )
    results = dict(zip(queries, pl.collect_all(list(queries.values()), engine="streaming"), strict=True))
    results |= _one_spelling(results["rows"], results["seeds"], results["acceptance"])
    rows, verdicts, numbers, texts = (results[name] for name in ("rows", "verdicts", "numbers", "texts"))
    mentions = rows.explode("skills")
    use_cases, skills = _count_rows(rows, name="use_case"), _count_rows(mentions, name="skills")
    pairs = _count_rows(mentions, use_case="use_case", skill="skills")
    instructions = texts.drop_nulls("instruction")
    return Distributions(
        use_cases=UseCases(total=use_cases.height, rows=_sum(use_cases), top=_shares(use_cases)),
        skills=Skills(total=skills.height, mentions=_sum(skills), top=_shares(skills)),
        pairs=Pairs(total=pairs.height, top=tuple(Pair(**row) for row in _top(pairs))),
        iterations=_iterations(_count_rows(verdicts, iteration="iteration", verdict="verdict")),
        acceptance=_acceptance(results["acceptance"]),
        gap=_gap(_count_rows(numbers, value="gap"), float(threshold)),
        winner=Winners(
            **{name: _sum(rows.filter(pl.col("winner") == name)) for name in ("strong", "target")}
        ),
        scores=Scores(
            **{name: _scores(_count_rows(numbers, value=f"{name}_score")) for name in ("strong", "target")}
        ),
        order=_order(_count_rows(numbers, shift="shift", disagree="disagree")),
        lengths=Lengths(
            **{name: _lengths(_count_rows(texts, tokens=name)) for name in ("instruction", "response")}
        ),
        duplicates=Duplicates(instructions=instructions.height - instructions["plain"].n_unique()),
        failures=Failures(
            trace=_reasons(_count_rows(verdicts, reason="reason")),
            metadata=_reasons(_count_rows(results["errors"], reason="reason")),
            exhausted=_sum(verdicts.filter(pl.col("verdict") == "exhausted")),
        ),
        coverage=_coverage(results["seeds"], use_cases, default),
        diversity=diversity(default),
        flags={
            role: {row["flag"]: row["rows"] for row in _top(results[column])}
            for role, column in FLAGS.items()
            if column in results and results[column].height
        },
    )


def _one_spelling(
    rows: pl.DataFrame, seeds: pl.DataFrame, acceptance: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """Return the counts of names with the most frequent spelling of every use case and skill."""
    mentions = _count_rows(rows.explode("skills"), name="skills")
    judged = acceptance.select("name", rows="judged")
    use_cases = pl.concat([_count_rows(rows, name="use_case"), seeds.select("name", "rows"), judged])
    use_case_of, skill_of = changed_spellings(use_cases), changed_spellings(mentions)
    if skill_of:
        rows = rows.with_columns(pl.col("skills").list.eval(pl.element().replace(skill_of)))
    if use_case_of:
        rows = rows.with_columns(pl.col("use_case").replace(use_case_of))
        seeds, acceptance = (
            table.with_columns(pl.col("name").replace(use_case_of))
            .group_by("name")
            .agg(pl.exclude("name").sum())
            for table in (seeds, acceptance)
        )
    return {"rows": rows, "seeds": seeds, "acceptance": acceptance}


def _distinct(table: pl.LazyFrame, *values: pl.Expr | str) -> pl.LazyFrame:
    """Return every different row once, with how many `rows` it stands for."""
    return table.select(*values).group_by(pl.all()).agg(rows=_ROWS)


def _default_queries(default: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
    # a single space matches nothing: as most white space is one, this is 3 times as fast
    plain = pl.col("instruction").str.to_lowercase().str.replace_all(_UNEVEN, " ").str.strip_chars(" ")
    return {
        "rows": _distinct(default, "use_case", "skills", "winner"),
        # the long columns: read once, and no more is kept of them than three numbers a row
        "texts": default.select(_tokens("instruction"), _tokens("response"), plain=plain.hash(), rows=_ONE),
    }


def _tokens(name: str) -> pl.Expr:
    return (pl.col(name).str.len_bytes() + _BYTES_A_TOKEN - 1) // _BYTES_A_TOKEN


def _trace_queries(trace: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
    first, second = (
        _finite(pl.col(name).list.get(0, null_on_oob=True) - pl.col(name).list.get(1, null_on_oob=True))
        for name in ("scores_strong_first", "scores_target_first")
    )
    return {
        "verdicts": _distinct(
            trace, "iteration", "verdict", pl.col("error").str.head(REASON).alias("reason")
        ),
        "numbers": _distinct(
            trace,
            *(_finite(pl.col(name)) for name in ("gap", "strong_score", "target_score")),
            (first - second).abs().alias("shift"),
            (first.sign() != second.sign()).alias("disagree"),
        ),
    }


def _finite(number: pl.Expr) -> pl.Expr:
    return pl.when(number.is_finite()).then(number)


def _metadata_queries(metadata: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
    originals = metadata.filter(pl.col("origin").is_in(["seed", "given"])).drop_nulls("use_case")
    seeds = pl.max_horizontal(1, pl.col("seed_ids").list.len().cast(pl.Int64))
    return {
        "errors": _distinct(metadata, pl.col("error").str.head(REASON).alias("reason")),
        "seeds": originals.group_by(name="use_case").agg(rows=seeds.sum()),
    }


def _flag_queries(trace: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
    columns = trace.collect_schema().names()
    return {
        column: trace.select(flag=pl.col(column).list.unique().explode())
        .drop_nulls()
        .group_by("flag")
        .agg(rows=_ROWS)
        for column in FLAGS.values()
        if column in columns
    }


def _acceptance_queries(trace: pl.LazyFrame, metadata: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
    """Return the query of how many instructions of each use case were judged and accepted."""
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


def _count_rows(distinct: pl.DataFrame, **columns: str) -> pl.DataFrame:
    """Return how many `rows` have these values, none of them null; columns by their new names."""
    complete = distinct.select("rows", **columns).drop_nulls()
    return complete.group_by(*columns).agg(pl.col("rows").sum())


def _sum(counted: pl.DataFrame) -> int:
    return int(counted["rows"].sum())


def _share(part: int, whole: int) -> float:
    return round(part / whole, DIGITS) if whole else 0.0


def _mean(values: pl.DataFrame, of: str) -> float | None:
    """Return the mean of counted values; the sum is exact, so that their order does not matter."""
    total = math.fsum(
        chain.from_iterable(repeat(value, rows) for value, rows in values.select(of, "rows").iter_rows())
    )
    return round(total / _sum(values), DIGITS) + 0.0 if values.height else None  # never -0.0


def _histogram(values: pl.DataFrame, bin: pl.Expr, bins: int) -> tuple[int, ...]:
    rows = dict(values.group_by(bin.clip(0, bins - 1).cast(pl.Int64)).agg(pl.col("rows").sum()).iter_rows())
    return tuple(rows.get(number, 0) for number in range(bins))


def _top(counted: pl.DataFrame, by: str = "rows") -> list[dict[str, Any]]:
    """Return the largest counts, equal ones by name."""
    names = [name for name, kind in counted.schema.items() if kind == pl.String]
    return counted.sort(by, *names, descending=[True, *(False for _ in names)]).head(TOP).to_dicts()


def _shares(counted: pl.DataFrame) -> tuple[NameShare, ...]:
    total = _sum(counted)
    return tuple(NameShare(**row, share=_share(row["rows"], total)) for row in _top(counted))


def _reasons(counted: pl.DataFrame) -> tuple[Failure, ...]:
    return tuple(Failure(**row) for row in _top(counted))


def _iterations(counted: pl.DataFrame) -> tuple[Iteration, ...]:
    by_iteration = (
        counted.group_by("iteration")
        .agg(judged=pl.col("rows").filter(_JUDGED).sum(), accepted=pl.col("rows").filter(_ACCEPTED).sum())
        .sort("iteration")
        .to_dicts()
    )
    total = sum(row["accepted"] for row in by_iteration)
    return tuple(Iteration(**row, share=_share(row["accepted"], total)) for row in by_iteration)


def _acceptance(by_name: pl.DataFrame) -> Acceptance:
    top = (
        UseCaseAcceptance(**row, rate=_share(row["accepted"], row["judged"]))
        for row in _top(by_name, "judged")
    )
    return Acceptance(total=by_name.height, top=tuple(top))


def _gap(gaps: pl.DataFrame, threshold: float) -> Gap:
    halves = pl.col("value") * 2  # before anything is added: no digit of a small gap is lost
    bin = pl.when(halves > 0).then(halves.ceil() - 1).otherwise(halves.floor())
    return Gap(
        threshold=threshold,
        edges=tuple(GAPS),
        counts=_histogram(gaps, bin - 2 * GAPS[0], len(GAPS) - 1),
        judged=_sum(gaps),
        mean=_mean(gaps, "value"),
    )


def _scores(scores: pl.DataFrame) -> ScoreHistogram:
    bins = (pl.col("value") + 0.5).floor() - 1
    return ScoreHistogram(mean=_mean(scores, "value"), counts=_histogram(scores, bins, 10))


def _order(shifts: pl.DataFrame) -> OrderEffect:
    return OrderEffect(
        judged=_sum(shifts), disagree=_sum(shifts.filter("disagree")), mean_shift=_mean(shifts, "shift")
    )


def _lengths(lengths: pl.DataFrame) -> LengthHistogram:
    tokens, rows = pl.col("tokens").cast(pl.Int64), _sum(lengths)
    bins = pl.sum_horizontal(tokens >= edge for edge in TOKENS) - 1
    return LengthHistogram(
        mean=round(lengths.select(tokens.dot("rows")).item() / rows, DIGITS) if rows else None,
        p50=_percentile(lengths, 50),
        p95=_percentile(lengths, 95),
        max=lengths["tokens"].max(),  # type: ignore[arg-type]  # a number, or None where there are no rows
        edges=tuple(TOKENS),
        counts=_histogram(lengths, bins, len(TOKENS)),
    )


def _percentile(lengths: pl.DataFrame, percent: int) -> int | None:
    """Return the least length that at least `percent` % of the rows do not exceed; None without rows."""
    up_to = lengths.sort("tokens").with_columns(up_to=pl.col("rows").cum_sum())
    enough = up_to.filter(pl.col("up_to") * 100 >= _sum(lengths) * percent)["tokens"]
    return int(enough[0]) if lengths.height else None


def _coverage(seeds: pl.DataFrame, use_cases: pl.DataFrame, default: pl.LazyFrame) -> Coverage:
    no_skills = pl.lit(None, pl.List(pl.String)).alias("skills")
    before = seeds.lazy().select(pl.col("name").repeat_by("rows").explode().alias("use_case"), no_skills)
    apart = drift(before, default.select("use_case", no_skills))["use_case"].divergence
    return Coverage(
        seeds=seeds.height,
        covered=seeds.join(use_cases, on="name", how="semi").height,
        divergence=round(apart, DIGITS) if seeds.height and use_cases.height else None,
    )
