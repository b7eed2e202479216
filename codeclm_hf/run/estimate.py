"""What a run will ask, counted before anything is spent."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from codeclm_hf.stages.check_metadata import MOST_DRAWS
from codeclm_hf.stages.decode import MOST_AT_ONCE
from codeclm_hf.stages.structured import RETRIES
from codeclm_hf.stages.tailor import Tailor

TRIES = 1 + RETRIES
"""Most requests for one structured answer."""


class Requests(NamedTuple):
    """Requests of one stage."""

    stage: str
    least: int
    """When every answer can be read, all seeds mean the same, and every instruction is decided as it is."""
    most: int
    """When every answer is asked for again and every instruction goes through all iterations."""


def plan_requests(
    tailor: Tailor, *, seeds: int, metadata: int, instructions: int, mixed: int = 0
) -> list[Requests]:
    """Count the requests of each stage; those that are sent again after a failed connection are left out.

    Args:
        tailor: the loop's settings.
        seeds: seed instructions that are encoded.
        metadata: metadata that are decoded, if all are different and none fails.
        instructions: basic instructions.
        mixed: metadata that are checked, at most.
    """
    more, rest = instructions % metadata, metadata - instructions % metadata
    share = instructions // metadata
    decode = more * ceil((share + 1) / MOST_AT_ONCE) + rest * ceil(share / MOST_AT_ONCE)
    improvements = tailor.iterations - 1
    responses = 2 if tailor.contrastive_filter else 1
    judged = 2 if tailor.contrastive_filter else 0
    rounds = tailor.iterations if tailor.contrastive_filter else 1
    rubrics = metadata if improvements else 0
    probes = tailor.contrastive_filter and tailor.scoring == "expected"
    return [
        *([Requests("probe", 1, 1)] if probes else []),
        Requests("encode", seeds, seeds * TRIES),
        *([Requests("check", 0, mixed * MOST_DRAWS * TRIES)] if mixed else []),
        Requests("rubrics", min(rubrics, 1), rubrics * TRIES),
        Requests("decode", ceil(instructions / MOST_AT_ONCE), decode * TRIES),
        Requests("respond", instructions * responses, instructions * responses * rounds),
        Requests("judge", instructions * judged, instructions * judged * rounds * TRIES),
        Requests(
            "improve",
            0 if tailor.contrastive_filter else instructions * improvements,
            instructions * improvements * TRIES,
        ),
    ]
