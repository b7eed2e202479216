"""`datasets` builders for what a run starts from, and the functions that use them."""

from __future__ import annotations

from .seeds import SeedInstructions, SeedsConfig, load_metadata, load_seeds
from .tailored import Tailored, TailoredConfig

__all__ = ["SeedInstructions", "SeedsConfig", "Tailored", "TailoredConfig", "load_metadata", "load_seeds"]
