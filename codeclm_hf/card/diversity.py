"""How much the instructions of a data set differ from each other, measured in a sample."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np
import polars as pl

from codeclm_hf.card.drift import DIGITS
from codeclm_hf.card.shapes import Diversity
from codeclm_hf.stages import near_duplicates
from codeclm_hf.text import UNSPACED_SCRIPTS

SAMPLE = 1_000
"""Most instructions that are looked at: every one of them is compared with every other."""
CHARACTERS = 2_000
"""Characters of an instruction that are looked at."""
_WORD = re.compile(rf"[{UNSPACED_SCRIPTS}]|[^\s{UNSPACED_SCRIPTS}]+")


def diversity(default: pl.LazyFrame) -> Diversity | None:
    """Return how much the instructions differ, measured in those of the first ids, which are hashes.

    The same rows in any order give the same result. Reading takes time in the rows; everything else, and the
    memory, depends on the sample alone.

    Args:
        default: columns `id` and `instruction`.

    Returns:
        None where there is no instruction.
    """
    instructions = default.select("id", pl.col("instruction").str.head(CHARACTERS)).drop_nulls()
    sample = instructions.bottom_k(SAMPLE, by=["id", "instruction"]).collect(engine="streaming")
    texts = sample["instruction"].to_list()
    if not texts:
        return None
    nearest = nearest_similarities([near_duplicates.shingles(text) for text in texts])
    words = [_WORD.findall(near_duplicates.normalise(text)) for text in texts]
    return Diversity(
        sample=len(texts),
        similarity=round(math.fsum(nearest) / len(nearest), DIGITS) if nearest else None,
        near_duplicates=sum(similarity >= near_duplicates.THRESHOLD for similarity in nearest),
        distinct_1=distinct_share(words, 1),
        distinct_2=distinct_share(words, 2),
        distinct_3=distinct_share(words, 3),
    )


def nearest_similarities(shingles: Sequence[Collection[object]]) -> list[float]:
    """Return how similar to each text the most similar other one is: the Jaccard index of their shingles.

    Args:
        shingles: those of each text, each once and at least one.

    Returns:
        A number from 0 to 1 a text; nothing where there is no other text.
    """
    if len(shingles) < 2:
        return []
    places: defaultdict[object, list[int]] = defaultdict(list)
    for place, parts in enumerate(shingles):
        for part in parts:
            places[part].append(place)
    having = {part: np.array(found) for part, found in places.items() if len(found) > 1}
    sizes = np.array([len(parts) for parts in shingles])
    none = np.array([], dtype=np.int64)
    nearest = []
    for place, parts in enumerate(shingles):
        others = np.concatenate([none, *(having[part] for part in parts if part in having)])
        shared = np.bincount(others, minlength=len(shingles))
        similarities = shared / (sizes + sizes[place] - shared)
        similarities[place] = 0.0
        nearest.append(float(similarities.max()))
    return nearest


def distinct_share(texts: Sequence[Sequence[str]], length: int) -> float | None:
    """Return how many of all runs of so many words are different ones (distinct-n); None where there are none.

    Args:
        texts: the words of each text, in order.
        length: n.
    """
    runs = [tuple(words[at : at + length]) for words in texts for at in range(len(words) - length + 1)]
    return round(len(set(runs)) / len(runs), DIGITS) if runs else None
