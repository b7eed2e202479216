"""What every id and every random draw is hashed from: contents, never positions or time."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: keys sorted, no white space, Unicode as it is."""
    text = _encode(value)
    # A lone surrogate from a broken file becomes its JSON escape: so its row has an id, and fails in words.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def digest(*parts: Any) -> str:
    """Return the SHA-256 of the parts' canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(parts).encode()).hexdigest()


def row_id(*parts: Any) -> str:
    """Return a row's id: 16 hexadecimal digits of the hash of what makes the row what it is."""
    return digest(*parts)[:16]


def derive(seed: int, *parts: Any) -> int:
    """Return a sampling seed for (run seed, stage, row id, attempt) in [0, 2³¹), as every server takes it."""
    return int(digest(seed, *parts)[:8], 16) & 0x7FFF_FFFF


def rng(seed: int, *parts: Any) -> random.Random:
    """Return a random generator that depends on (run seed, stage, row id) alone."""
    return random.Random(digest(seed, *parts))
