"""The versions of the installed packages that make a data set what it is."""

from __future__ import annotations

from importlib.metadata import version

VERSION = version("codeclm-hf")
"""The version of this package."""


def versions() -> dict[str, str]:
    """Return the versions of the packages that a manifest names, by package."""
    return {name: version(name) for name in ("datasets", "huggingface-hub", "transformers", "polars")}
