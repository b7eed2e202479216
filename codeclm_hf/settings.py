"""The settings of a data set: the paper's defaults and the range of each, written once.

`CodecLM` and its stages, the command line and a configuration file all read them here. Names are those of
`CodecLM`'s fields and of a manifest's `config`.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any, TypedDict

from codeclm_hf.errors import BadInput

NUM_INSTRUCTIONS = 200
"""Basic instructions that are judged, in all; the paper makes 500 to 8,000."""
NUM_METADATA = 200
"""Metadata after augmentation (A.3)."""
METADATA_FRACTION = 1.0
"""Share of the metadata that is used, the number of instructions held constant (fig. 4)."""
NUM_RUBRICS = 4
"""Rubrics, and so actions, a metadata (§4.2)."""
ITERATIONS = 4
"""Most versions of an instruction that are judged, the basic one included (A.3)."""
THRESHOLD = 3.0
"""θ on the judge's 10-point scale: a gap strictly beyond it is accepted (§4.3)."""
TEMPERATURE = 0.7
"""Of every answer but the judge's, who is greedy."""
MAX_NEW_TOKENS = 2048
"""Most tokens of a response (A.3)."""
SCORINGS = ("discrete", "expected")
"""The numbers that the judge writes, or the means of their distributions; the first is the paper's."""
SCORING = SCORINGS[0]
THINKINGS = ("strip", "keep")
"""What becomes of thoughts that a model tells before its answer: left out, or kept in columns of their own."""
THINKING = THINKINGS[0]

PAPER = MappingProxyType(
    {
        "num_metadata": NUM_METADATA,
        "num_rubrics": NUM_RUBRICS,
        "iterations": ITERATIONS,
        "threshold": THRESHOLD,
        "temperature": TEMPERATURE,
        "max_new_tokens": MAX_NEW_TOKENS,
        "metadata_fraction": METADATA_FRACTION,
        "self_rubrics": True,
        "contrastive_filter": True,
        "scoring": SCORING,
        "thinking": THINKING,
    }
)
"""The paper's hyperparameters; a card names each that a data set was made without."""

RANGES = MappingProxyType(
    {
        "iterations": (1, ITERATIONS),
        "threshold": (0, 9),  # scores run from 1 to 10
        "temperature": (0, 2),
        "num_rubrics": (1, 20),
        "max_new_tokens": (1, 1_000_000),
        "num_instructions": (1, 100_000_000),
        "num_examples": (1, 100_000_000),
        "num_metadata": (1, 100_000_000),
    }
)
"""The least and the most that a numeric setting may be; `metadata_fraction` lies in (0, 1]."""


class MethodSettings(TypedDict, total=False):
    """Settings of `CodecLM`, by the names of its fields; one that is left out is the paper's."""

    num_rubrics: int
    iterations: int
    threshold: float
    self_rubrics: bool
    contrastive_filter: bool
    scoring: str
    thinking: str
    temperature: float
    max_new_tokens: int
    strong_system: str | None
    target_system: str | None
    use_cases: tuple[str, ...]
    skills: tuple[str, ...]
    check_metadata: bool
    prompts: Path | None
    seed: int


class Sizes(TypedDict, total=False):
    """How much a run makes, by the names of `CodecLM.run`'s arguments; one left out has its default."""

    num_instructions: int
    num_examples: int | None
    num_metadata: int
    metadata_fraction: float


def check_settings(**settings: Any) -> None:
    """Raise an error for the first setting that is out of its range.

    Args:
        settings: values by name; a name that is not given is not checked.

    Raises:
        BadInput: a setting is out of range, two exclude each other, or `prompts` is no folder.
    """
    for name, (least, most) in RANGES.items():
        if settings.get(name) is not None and not least <= settings[name] <= most:
            raise BadInput(f"needs {name.replace('_', '-')} from {least} to {most}; came {settings[name]}")
    if (
        settings.get("num_examples")
        and settings.get("num_instructions", NUM_INSTRUCTIONS) != NUM_INSTRUCTIONS
    ):
        raise BadInput(
            f"needs num-examples or num-instructions; came {settings['num_examples']} and "
            f"{settings['num_instructions']}; leave one out"
        )
    if not 0 < settings.get("metadata_fraction", METADATA_FRACTION) <= 1:
        raise BadInput(f"needs a metadata-fraction above 0 and up to 1; came {settings['metadata_fraction']}")
    if settings.get("scoring", SCORING) not in SCORINGS:
        raise BadInput(f"needs a scoring of {' or '.join(SCORINGS)}; came {settings['scoring']!r}")
    if settings.get("thinking", THINKING) not in THINKINGS:
        raise BadInput(f"needs a thinking of {' or '.join(THINKINGS)}; came {settings['thinking']!r}")
    for name in ("strong_system", "target_system", "candidate_system", "reference_system"):
        prompt = settings.get(name)
        if prompt is not None and not (isinstance(prompt, str) and prompt.strip()):
            raise BadInput(f"needs a {name.replace('_', '-')} that says something; came {prompt!r}")
    if (folder := settings.get("prompts")) is not None and not Path(folder).is_dir():
        raise BadInput(f"needs a folder of prompts; {folder} is none")
