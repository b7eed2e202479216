"""`datasets` builders for what a run starts from and for what it makes, and the functions that use them."""

from __future__ import annotations

from .benchmarks import load_benchmark
from .metadata import load_metadata
from .names import load_names
from .responses import load_responses
from .seeds import SeedInstructions, SeedsConfig, load_seeds
from .tailored import Tailored, TailoredConfig

__all__ = [
    "SeedInstructions",
    "SeedsConfig",
    "Tailored",
    "TailoredConfig",
    "load_benchmark",
    "load_metadata",
    "load_names",
    "load_responses",
    "load_seeds",
]
