"""What the fork server imports before it forks: all of the package, and what its commands load while they run."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import pkgutil

os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"  # as the command does before it imports them

import datasets
import matplotlib.style  # noqa: F401
import polars  # noqa: F401
import pytest  # noqa: F401  # the main module of whoever starts the processes, which each of them imports
from py3langid import rank

import codeclm_hf
from codeclm_hf.safety import secrets
from support.shortcuts import one_pixel_pictures, quick_yaml

PROCESS = os.getpid()
"""Where this was imported: the fork server, whose children find it done."""
_NEEDS = {"codeclm_hf.endpoints.tgi": "text_generation"}
"""Modules that are left out where the extra that they belong to is not installed."""


def _modules() -> list[str]:
    """Every module of the package; `codeclm_hf.builders` lies in a folder of its own until it is installed."""
    walked = [module.name for module in pkgutil.walk_packages(codeclm_hf.__path__, "codeclm_hf.")]
    return [
        name
        for name in sorted({*walked, "codeclm_hf.builders"})
        if not name.endswith("__main__") and importlib.util.find_spec(_NEEDS.get(name, "codeclm_hf"))
    ]


def _import_all() -> None:
    for name in _modules():
        importlib.import_module(name)
    rank("reads the model of languages")
    secrets.load_scanner()  # reading its rules takes longer than to publish
    datasets.disable_progress_bars()
    one_pixel_pictures(setattr)
    quick_yaml(setattr)
    gc.freeze()


try:
    _import_all()
except ImportError as exc:
    # a fork server passes over it, and every process would then start cold
    raise RuntimeError(
        f"the fork server cannot import {exc.name}; name what needs an extra in _NEEDS"
    ) from exc
