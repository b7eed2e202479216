"""Which versions of what made a data set."""

from __future__ import annotations

from importlib.metadata import version

VERSION = version("codeclm-hf")


def versions() -> dict[str, str]:
    """The versions of the packages that a data set's manifest names."""
    return {name: version(name) for name in ("datasets", "huggingface-hub", "transformers", "polars")}


PAPER = {
    "num_metadata": 200,
    "num_rubrics": 4,
    "iterations": 4,
    "threshold": 3.0,
    "temperature": 0.7,
    "max_new_tokens": 2048,
    "metadata_fraction": 1.0,
    "self_rubrics": True,
    "contrastive_filter": True,
    "scoring": "discrete",
}
"""The hyperparameters of the paper, by the names that a manifest's `config` gives them."""
