"""The ranges of the settings, for every way to start a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codeclm_hf.errors import BadInput
from codeclm_hf.stages.tailor import MOST_ITERATIONS

_RANGES = {
    "iterations": (1, MOST_ITERATIONS),
    "threshold": (0, 9),  # scores run from 1 to 10
    "temperature": (0, 2),
    "num_rubrics": (1, 20),
    "max_new_tokens": (1, 1_000_000),
    "num_instructions": (1, 100_000_000),
    "num_metadata": (1, 100_000_000),
}


def check_settings(**settings: Any) -> None:
    """See that every setting is in its range.

    Raises:
        BadInput: one is not.
    """
    for name, (least, most) in _RANGES.items():
        if name in settings and not least <= settings[name] <= most:
            raise BadInput(f"needs {name.replace('_', '-')} from {least} to {most}; came {settings[name]}")
    if not 0 < settings.get("metadata_fraction", 1.0) <= 1:
        raise BadInput(f"needs a metadata-fraction above 0 and up to 1; came {settings['metadata_fraction']}")
    if settings.get("scoring", "discrete") not in ("discrete", "expected"):
        raise BadInput(f"needs a scoring of discrete or expected; came {settings['scoring']!r}")
    if (folder := settings.get("prompts")) is not None and not Path(folder).is_dir():
        raise BadInput(f"needs a folder of prompts; {folder} is none")
