"""Manifests and cards of manifests, from as little as a test wants to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from codeclm_hf import schema
from codeclm_hf.card.shapes import Distributions, TableFiles
from codeclm_hf.card.statistics import distributions
from codeclm_hf.json_types import from_json, to_json
from codeclm_hf.run.card_context import render_card
from codeclm_hf.run.manifest import Manifest


def manifest_from(said: Mapping[str, Any]) -> Manifest:
    """A manifest as a file that says this would give it, complete unless it says otherwise."""
    usual = {"codeclm_hf": "0.1.0", "status": "complete", "usage": []}
    return Manifest.from_json({**usual, **said}, source="a test")


def card_from(
    said: Mapping[str, Any], tables: Mapping[str, TableFiles], previous: str = "", **how: Any
) -> str:
    """The card of such a manifest, onto an earlier card."""
    return render_card(manifest_from(said), tables, previous, **how)


def distributions_from(said: Mapping[str, Any]) -> Distributions:
    """The distributions of tables without rows, but for what is said of them."""
    empty = {name: features.arrow_schema.empty_table() for name, features in schema.TABLES.items()}
    frames = {name: pl.DataFrame(pl.from_arrow(table)).lazy() for name, table in empty.items()}
    return from_json(Distributions, _merged(to_json(distributions(frames)), said))


def _merged(usual: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **usual,
        **{
            name: _merged(usual.get(name) or {}, value) if isinstance(value, Mapping) else value
            for name, value in said.items()
        },
    }
