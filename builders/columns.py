"""The columns beside the instructions: the first rows decide on their types, and no later row breaks them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from datasets import Features, Value

from codeclm_hf.schema import SEEDS

from .layouts import Layout
from .request_logs import COLUMNS as TRAFFIC_COLUMNS

MOST = 200
"""Columns that are kept; a row with thousands of keys is a table of its own."""
RENAMED = "original_"
"""What comes before the name of a column that our own has."""
_SURROGATES = re.compile("[\ud800-\udfff]")
_LONG = range(-(1 << 63), 1 << 63)


class Column(NamedTuple):
    """A column that seeds keep beside their own."""

    source: str
    """Its name in the rows."""
    name: str
    type: str
    """string | bool | int64 | float64."""
    convert: Callable[[Any], Any]
    """Makes a value of the type of a row's value, or None where that cannot be."""


def infer_columns(rows: Sequence[Mapping[str, Any]], layout: Layout) -> list[Column]:
    """Return the columns to keep, in the order in which they appear in the first rows.

    A column whose values are all truth values, whole numbers or numbers keeps that type; any other is text,
    in which text stays as it is and everything else is its JSON. A later number column's value that is no
    number is null; a column that only later rows have is left out.
    """
    if layout.name == "traffic":
        return [Column(name, name, "string", text_of) for name in TRAFFIC_COLUMNS]
    kinds: dict[str, set[type]] = {}
    for row in rows:
        for name, value in row.items():
            if name in kinds or len(kinds) < MOST:
                kinds.setdefault(name, set()).add(_kind(value))
    if not layout.kept_whole:
        kinds.pop(layout.needs, None)
    columns, taken = [], set(SEEDS)
    for source, types in kinds.items():
        name = text_of(source) or "unnamed"
        while name in taken:
            name = RENAMED + name
        taken.add(name)
        columns.append(Column(source, name, *_type(types - {type(None)})))
    return columns


def features(columns: Iterable[Column]) -> Features:
    """Return the features of a table of seeds with these columns."""
    return Features({**SEEDS, **{column.name: Value(column.type) for column in columns}})


def text_of(value: Any) -> str | None:
    """Return a value as text that every table can hold: text as it is, anything else as JSON."""
    if value is None:
        return None
    if not isinstance(value, str):
        try:
            value = json.dumps(value, ensure_ascii=False, default=_without_json)
        except (ValueError, TypeError, RecursionError):
            value = repr(type(value))
    return value if value.isascii() else _SURROGATES.sub("\ufffd", value)


def _without_json(value: Any) -> str:
    """Return text for a value that JSON cannot hold; of bytes, which may be a picture, how many there are."""
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)


def _kind(value: Any) -> type:
    return str if type(value) is int and value not in _LONG else type(value)


def _type(kinds: set[type]) -> tuple[str, Callable[[Any], Any]]:
    if kinds == {bool}:
        return "bool", _truth
    if kinds == {int}:
        return "int64", _whole
    if kinds and kinds <= {int, float}:
        return "float64", _number
    return "string", text_of


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int and value in _LONG else None


def _number(value: Any) -> float | None:
    if type(value) not in (int, float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
