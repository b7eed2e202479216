"""The tables that pass between the rooms: a contract of names and types. Add columns, do not rename."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
from datasets import Dataset, Features, List, Value

_TEXT = Value("string")
_DRAFT = {"reason": _TEXT, "text": _TEXT}
_SCORE = Value("float64")
_CHAT = List({"role": _TEXT, "content": _TEXT})

SEEDS = Features({"id": _TEXT, "instruction": _TEXT, "source": _TEXT, "error": _TEXT})
"""Seed instructions as the builders read them; `error` says why a row has no usable instruction."""

METADATA = Features(
    {
        "metadata_id": _TEXT,
        "use_case": _TEXT,
        "skills": List(_TEXT),
        "origin": _TEXT,  # seed | augmented | given
        "seed_ids": List(_TEXT),
        "rubrics": List(_TEXT),
        "actions": List(_TEXT),
        "error": _TEXT,
    }
)
"""One row a metadata (use case + skills), with its rubrics and actions (§4.1, §4.2)."""

INSTRUCTIONS = Features(
    {
        "id": _TEXT,
        "metadata_id": _TEXT,
        "instruction": _TEXT,
        "actions": List(_TEXT),
        "error": _TEXT,
    }
)
"""Basic instructions, as `Decode` makes them and `Tailor` takes them."""

TRACE = Features(
    {
        "id": _TEXT,
        "root_id": _TEXT,
        "parent_id": _TEXT,
        "metadata_id": _TEXT,
        "iteration": Value("int32"),  # 1..4
        "instruction": _TEXT,
        "action": _TEXT,  # the action that led from the parent to this instruction
        "strong_response": _TEXT,
        "target_response": _TEXT,
        "scores_strong_first": List(_SCORE),  # [strong, target], the strong answer shown first
        "scores_target_first": List(_SCORE),  # [strong, target], the target answer shown first
        "strong_score": _SCORE,
        "target_score": _SCORE,
        "gap": _SCORE,
        "verdict": _TEXT,  # accept_strong | accept_target | retry | exhausted | failed
        "error": _TEXT,
        "flags": List(_TEXT),  # what is wrong with either response: cut_off | empty | degenerate | …
        "strong_flags": List(_TEXT),  # the same of the strong response alone
        "target_flags": List(_TEXT),  # and of the target's
        "rejected": List(_DRAFT),  # drafts of the next version that were asked for again
        "removed": _TEXT,  # why an accepted row is not in `default`: near_duplicate of ID | surplus | …
    }
)
"""One row a judged instruction and iteration (§4.3)."""

DEFAULT = Features(
    {
        "id": _TEXT,
        "instruction": _TEXT,
        "response": _TEXT,
        "messages": _CHAT,
        "winner": _TEXT,  # strong | target
        "strong_score": _SCORE,
        "target_score": _SCORE,
        "gap": _SCORE,
        "iteration": Value("int32"),
        "use_case": _TEXT,
        "skills": List(_TEXT),
        "metadata_id": _TEXT,
        "seed_ids": List(_TEXT),
        "flags": List(_TEXT),  # of the response
    }
)
"""What people train on: the accepted instructions with the winner's response."""

PREFERENCE = Features(
    {
        "id": _TEXT,
        "prompt": _CHAT,
        "chosen": _CHAT,
        "rejected": _CHAT,
        "chosen_score": _SCORE,
        "rejected_score": _SCORE,
    }
)
"""The same rows as preference pairs: the winner's response chosen, the other rejected."""

COMPARISONS = Features(
    {
        "id": _TEXT,
        "instruction": _TEXT,
        "source": _TEXT,
        "use_case": _TEXT,
        "skills": List(_TEXT),
        "candidate_response": _TEXT,
        "reference_response": _TEXT,
        "scores_candidate_first": List(_SCORE),  # [candidate, reference], the candidate's answer shown first
        "scores_reference_first": List(_SCORE),  # [candidate, reference], the reference's answer shown first
        "explanations": List(_TEXT),  # what the judge said after the scores, in the same two orders
        "outcome": _TEXT,  # of the candidate: win | tie | loss; null where nothing could be judged
        "error": _TEXT,
    }
)
"""One row an evaluated instruction (§5.3)."""

JUDGEMENTS = Features({name: feature for name, feature in COMPARISONS.items() if name != "outcome"})
"""The same rows as the stage `Compare` makes them: the scores, from which an evaluation tells the outcome."""

TABLES = {"default": DEFAULT, "preference": PREFERENCE, "trace": TRACE, "metadata": METADATA}
"""The configs of a run directory, the default one first."""

REASONING = {
    "default": Features({"reasoning": _TEXT}),  # of the response, by whoever won
    "trace": Features({"strong_reasoning": _TEXT, "target_reasoning": _TEXT}),
}
"""The columns that tables have besides, the last ones, where a run keeps what its models thought.

They are null where a model told no thoughts. The table `preference` has none.
"""
TRACE_WITH_REASONING = Features({**TRACE, **REASONING["trace"]})
"""The trace of a run that keeps them."""

LATER = {
    "default": ("flags",),
    "trace": ("flags", "strong_flags", "target_flags", "rejected", "removed"),
}
"""Columns that tables made by version 0.1 lack. They are always written, and null where a table lacks them."""

KEYS = {"default": "id", "preference": "id", "trace": "id", "metadata": "metadata_id"}
"""The column that names a row, by config."""


def features(config: str, columns: Collection[str] = ()) -> Features:
    """Return the features of a config's table: all that every such table has, and some of `REASONING`.

    Args:
        config: one of `TABLES`.
        columns: names, of which those of columns for thoughts count.
    """
    more = {name: kind for name, kind in REASONING.get(config, {}).items() if name in columns}
    return Features({**TABLES[config], **more})


def optional_columns(config: str) -> frozenset[str]:
    """Return the columns that a config's table may lack: those of `REASONING` and of `LATER`."""
    return frozenset(REASONING.get(config, {})) | frozenset(LATER.get(config, ()))


def table(rows: Sequence[Mapping[str, Any]], features: Features) -> Dataset:
    """Return rows as a data set of these features; `Dataset.from_list` cannot do it for no rows."""
    return Dataset.from_dict({name: [row[name] for row in rows] for name in features}, features=features)


def with_features(table: Dataset, features: Features) -> Dataset:
    """Return a table with these columns, in this order; those that it does not have are null."""
    if table.features == features:
        return table
    columns = features.arrow_schema
    arrow = table.data.table
    for field in columns:
        if field.name not in arrow.column_names:
            arrow = arrow.append_column(field, pa.nulls(len(arrow), field.type))
    return Dataset(arrow.select(columns.names).cast(columns))
