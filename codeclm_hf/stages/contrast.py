"""Contrastive Filtering without a model: the gap, the verdict, and the tables that follow (§4.3)."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
from datasets import Dataset, Features

from codeclm_hf import schema

_ROWS_A_PART = 10_000
ACCEPTED = ("accept_strong", "accept_target")
"""The verdicts of instructions that are in the data set."""


def averages(strong_first: list[float], target_first: list[float]) -> dict[str, float]:
    """Return each answer's mean score over the two orders, and the gap between them.

    Args:
        strong_first: [strong, target], judged with the strong answer shown first.
        target_first: [strong, target], judged with the target's answer shown first.
    """
    # Rounded: 8.3 - 5.3 is a little over 3 in binary, and a gap of exactly θ must not be accepted.
    strong, target = (round((a + b) / 2, 9) for a, b in zip(strong_first, target_first, strict=True))
    return {"strong_score": strong, "target_score": target, "gap": round(strong - target, 9)}


def verdict(gap: float, threshold: float, *, last: bool) -> str:
    """Return the verdict: accepted strictly beyond the threshold, else improved until the last iteration."""
    if gap > threshold:
        return "accept_strong"
    if gap < -threshold:
        return "accept_target"
    return "exhausted" if last else "retry"


def tables(trace: Dataset, metadata: Dataset, *, target_system: str | None = None) -> dict[str, Dataset]:
    """Return the four tables of a run.

    Args:
        trace: what `Tailor` made.
        metadata: the metadata its rows come from.
        target_system: the system prompt that the target is served with: every chat begins with it.

    Returns:
        By name: `default`, the accepted instructions that were not removed, with the winner's response, and
        with its reasoning where the trace keeps it; `preference`, the same rows as pairs of answers where
        both exist; `trace` and `metadata`, as they were given.
    """
    strong_won = pl.col("verdict") == "accept_strong"
    kept: dict[str, pl.Expr] = {}
    if schema.REASONING["trace"].keys() <= set(trace.column_names):
        kept["reasoning"] = pl.when(strong_won).then("strong_reasoning").otherwise("target_reasoning")
    default_features = schema.features("default", kept)
    won = (
        _lazy(schema.with_features(trace, schema.features("trace", trace.column_names)))
        .filter(pl.col("verdict").is_in(ACCEPTED), pl.col("removed").is_null())
        .with_columns(
            winner=pl.when(strong_won).then(pl.lit("strong")).otherwise(pl.lit("target")),
            response=pl.when(strong_won).then("strong_response").otherwise("target_response"),
            flags=pl.when(strong_won).then("strong_flags").otherwise("target_flags"),
            other=pl.when(strong_won).then("target_response").otherwise("strong_response"),
            **kept,
        )
    )
    source = (
        _lazy(metadata)
        .unique("metadata_id", keep="first", maintain_order=True)
        .select("metadata_id", "use_case", "skills", "seed_ids")
    )
    asked = [_turn("user", "instruction")]
    if target_system is not None:
        asked.insert(0, _turn("system", pl.lit(target_system)))
    default = won.join(source, on="metadata_id", how="left", maintain_order="left").with_columns(
        messages=pl.concat_list(*asked, _turn("assistant", "response"))
    )
    best, worst = (
        pl.max_horizontal("strong_score", "target_score"),
        pl.min_horizontal("strong_score", "target_score"),
    )
    preference = won.filter(pl.col("other").is_not_null()).select(
        "id",
        prompt=pl.concat_list(*asked),
        chosen=pl.concat_list(_turn("assistant", "response")),
        rejected=pl.concat_list(_turn("assistant", "other")),
        chosen_score=best,
        rejected_score=worst,
    )
    return {
        "default": _dataset(default.select(list(default_features)), default_features),
        "preference": _dataset(preference, schema.PREFERENCE),
        "trace": trace,
        "metadata": metadata,
    }


def _lazy(table: Dataset) -> pl.LazyFrame:
    return pl.DataFrame(pl.from_arrow(table.data.table)).lazy()


def _turn(role: str, content: str | pl.Expr) -> pl.Expr:
    """Return a turn of a chat, with a column's texts or with an expression."""
    text = pl.col(content) if isinstance(content, str) else content
    return pl.struct(role=pl.lit(role), content=text)


def _dataset(frame: pl.LazyFrame, features: Features) -> Dataset:
    # polars writes large strings and large lists; the contract says string and list, which hold 2 GiB a part.
    arrow = features.arrow_schema
    parts = [part.to_arrow().cast(arrow) for part in frame.collect().iter_slices(_ROWS_A_PART)]
    return Dataset(pa.concat_tables(parts) if parts else arrow.empty_table())
