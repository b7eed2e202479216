"""How far the use cases and skills of one version of a data set lie from another's, with polars."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import polars as pl

from codeclm_hf.card.shapes import Drift, Share, VersionDrift
from codeclm_hf.stages.names import spellings

NAMES = ("use_case", "skills")
"""The columns of `default` that a drift is made from."""
DIGITS = 6
"""Of a fraction in a manifest."""
MOST_SHOWN = 10
"""Names of each kind that a drift lists."""


def drift(before: pl.LazyFrame, after: pl.LazyFrame) -> dict[str, Drift]:
    """Return how the use cases and the skills are distributed in two versions of the table `default`.

    Memory grows with the number of distinct names, not with the rows. Spellings of one name (see
    `codeclm_hf.stages.names`) count as its most frequent one; nulls are left out.

    Args:
        before: columns `use_case` (text) and `skills` (list of texts), one row a published row.
        after: the same of the later version.

    Returns:
        `use_case` and `skills`: the drift of each.
    """
    names = {
        "use_case": pl.col("use_case").cast(pl.String),
        "skills": pl.col("skills").cast(pl.List(pl.String)).explode(),
    }
    counts = [_counts(before.select(name=name), after.select(name=name)) for name in names.values()]
    collected = map(_one_spelling, pl.collect_all(counts, engine="streaming"))
    return dict(zip(names, map(_drift, collected), strict=True))


def version_drift(before: pl.LazyFrame, after: pl.LazyFrame, *, since: str) -> VersionDrift:
    """Return how far the names of a version moved, as its manifest has it: with fractions of `DIGITS` digits.

    Args:
        before: as for `drift`.
        after: as for `drift`.
        since: which version `before` is.
    """
    drifts = drift(before, after)
    return VersionDrift(
        use_case=_round_drift(drifts["use_case"]), skills=_round_drift(drifts["skills"]), since=since
    )


def _round_drift(exact: Drift) -> Drift:
    return replace(
        exact,
        divergence=round(exact.divergence, DIGITS),
        movers=_round_shares(exact.movers),
        new=_round_shares(exact.new),
        vanished=_round_shares(exact.vanished),
    )


def _round_shares(shares: tuple[Share, ...]) -> tuple[Share, ...]:
    return tuple(
        Share(share.name, round(share.before, DIGITS), round(share.after, DIGITS)) for share in shares
    )


def _counts(before: pl.LazyFrame, after: pl.LazyFrame) -> pl.LazyFrame:
    """Return how often each name is there: `name`, `before`, `after`."""
    sides = pl.concat([before.with_columns(after=pl.lit(False)), after.with_columns(after=pl.lit(True))])
    is_after = pl.col("after")
    return (
        sides.drop_nulls("name")
        .group_by("name")
        .agg(before=(~is_after).sum().cast(pl.Int64), after=is_after.sum().cast(pl.Int64))
    )


def changed_spellings(mentions: pl.DataFrame) -> dict[str, str]:
    """Return the most frequent spelling of each name that has another.

    Args:
        mentions: columns `name` and `rows`, how often it is there; a name may have several rows.
    """
    counts = Counter[str]()
    for name, rows in mentions.select("name", "rows").iter_rows():
        counts[name] += rows
    return {name: best for name, best in spellings(counts).items() if name != best}


def _one_spelling(counts: pl.DataFrame) -> pl.DataFrame:
    """Return how often each name is there in either version, whatever its spelling."""
    best = changed_spellings(counts.select("name", rows=pl.col("before") + pl.col("after")))
    if not best:
        return counts
    return counts.with_columns(pl.col("name").replace(best)).group_by("name").agg(pl.exclude("name").sum())


def _drift(counts: pl.DataFrame) -> Drift:
    totals = int(counts["before"].sum()), int(counts["after"].sum())
    shared = counts.filter((pl.col("before") > 0) & (pl.col("after") > 0))
    new, vanished = counts.filter(pl.col("before") == 0), counts.filter(pl.col("after") == 0)
    # in whole numbers, where equal changes are equal
    change = (pl.col("after") * totals[0] - pl.col("before") * totals[1]).abs()
    return Drift(
        divergence=_divergence(shared, int(vanished["before"].sum()), int(new["after"].sum()), totals),
        movers=_largest(shared.filter(change > 0), change, totals),
        new=_largest(new, pl.col("after"), totals),
        vanished=_largest(vanished, pl.col("before"), totals),
        new_total=new.height,
        vanished_total=vanished.height,
    )


def _largest(counts: pl.DataFrame, by: pl.Expr, totals: tuple[int, int]) -> tuple[Share, ...]:
    rows = counts.sort(by, "name", descending=[True, False]).head(MOST_SHOWN)
    before, after = (total or 1 for total in totals)
    return tuple(
        Share(name, b / before, a / after)
        for name, b, a in rows.select("name", "before", "after").iter_rows()
    )


def _divergence(shared: pl.DataFrame, vanished: int, new: int, totals: tuple[int, int]) -> float:
    """Return the Jensen–Shannon divergence, base 2.

    With m the mean of two shares and d half their distance in units of m, a shared name adds
    m/2 · ((1-d) log(1-d) + (1+d) log(1+d)), which is the same as m/2 · (log(1-d²) + 2d artanh d): the second
    form keeps its digits where the shares nearly agree, and is 0 only where they do.
    """
    if not all(totals):
        return float(any(totals))
    # d from whole numbers: polars rounds a share of 6/15 otherwise than one of 2/5
    before, after = pl.col("before") * totals[1], pl.col("after") * totals[0]
    m, d = (before + after) / (2 * totals[0] * totals[1]), (after - before).abs() / (after + before)
    terms = shared.select(m / 2 * ((-d * d).log1p() + 2 * d * d.arctanh())).to_series()
    # fsum, because the order of the groups differs from run to run
    divergence = math.fsum(terms) / math.log(2) + (vanished / totals[0] + new / totals[1]) / 2
    return min(1.0, divergence)
