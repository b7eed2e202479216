"""What takes long and is not what most tests are about: drawing pictures, and reading the YAML of cards."""

from __future__ import annotations

import base64
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import yaml
from huggingface_hub import repocard

from codeclm_hf.card import charts
from codeclm_hf.evaluation import charts as evaluation_charts
from codeclm_hf.evaluation import report

Put = Callable[[Any, str, Any], None]
"""`setattr`, or a test's `monkeypatch.setattr`."""
ONE_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAHLCMmQAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""


def one_pixel_pictures(put: Put) -> None:
    """Let every picture be a pixel: what it is called, not what it shows."""
    put(charts, "figures", lambda found, drift, wanted: ((file, None) for file in wanted))
    for module in (charts, evaluation_charts):
        put(module, "png", lambda figure: ONE_PIXEL)
    put(evaluation_charts, "figures", lambda results: ((file, None) for file in report.PICTURES))


def quick_yaml(put: Put) -> None:
    """Let huggingface_hub read the YAML of cards with libyaml: its own way is a quarter of what a publish takes."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    put(
        repocard,
        "yaml",
        SimpleNamespace(**{**vars(yaml), "safe_load": lambda text: yaml.load(text, Loader=loader)}),
    )
