"""Which natural language a text is written in, where that is sure."""

from __future__ import annotations

import math

SURE = 0.9
"""Least probability of a language that counts."""
_LEAST_BYTES = 20
"""Of shorter texts no language is sure, whatever its probability."""
_NO_LANGUAGE = "zxx"


def detect_language(text: str) -> str | None:
    """Return the code of the language that a text is surely in; None where that is in doubt."""
    if len(text.encode("utf-8", "replace")) < _LEAST_BYTES:
        return None
    from py3langid import rank  # its model takes half a second to load

    scores = dict(rank(text))
    likely = max(scores, key=lambda language: (scores[language], language))
    probability = 1 / sum(math.exp(score - scores[likely]) for score in scores.values())
    return likely if probability >= SURE and likely != _NO_LANGUAGE else None
