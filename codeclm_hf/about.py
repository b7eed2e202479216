"""Which versions of what made a data set."""

from __future__ import annotations

from importlib.metadata import version

VERSION = version("codeclm-hf")


def versions() -> dict[str, str]:
    """The versions of the packages that a data set's manifest names."""
    return {name: version(name) for name in ("datasets", "huggingface-hub", "transformers", "polars")}
