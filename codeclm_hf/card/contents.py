"""What a manifest tells of its tables' contents, in a run directory and in a version alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from codeclm_hf.card.languages import languages
from codeclm_hf.card.statistics import counts, distributions


def contents(tables: Mapping[str, pl.LazyFrame], *, threshold: float = 3.0) -> dict[str, Any]:
    """The `counts`, `distributions` and `languages` of the four tables; the columns `distributions.READ` will do."""
    return {
        "counts": counts(tables),
        "distributions": distributions(tables, threshold=threshold),
        "languages": languages(tables["default"]),
    }
