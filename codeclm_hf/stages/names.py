"""Names of use cases and skills: which are spellings of one and the same, and which spelling stands for all."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from codeclm_hf.errors import BadInput

SAME_IN_PLURAL = tuple(
    "alias atlas bias canvas chaos cosmos customs goods jeans kubernetes kudos lens macos means news pandas "
    "texas wales windows".split()
)
"""Words that are no plural of what they are without their s; words in -ss, -us, -is and -ics are none either."""
PLURALS_IN_ICS = frozenset("clinics comics critics fabrics metrics mosaics relics rubrics topics".split())
"""Plurals among the words in -ics, of which most (physics, statistics) are none."""
IRREGULAR = {
    "aliases": "alias",
    "analyses": "analysis",
    "atlases": "atlas",
    "biases": "bias",
    "canvases": "canvas",
    "crises": "crisis",
    "hypotheses": "hypothesis",
    "indices": "index",
    "lenses": "lens",
    "matrices": "matrix",
    "syntheses": "synthesis",
    "theses": "thesis",
    "vertices": "vertex",
}
"""Plurals that the rules would not bring to their singular."""
SHORTEST_PLURAL = 4
"""Letters of the shortest word that is taken for a plural: `gas`, `CSS`, `AWS` and `iOS` are none."""
LONGEST_NAME = 80
"""Characters of a name at most; what is longer is an explanation."""
KEYS_KEPT = 4096
"""Names whose keys are remembered: a list to choose from is looked through for every seed."""
_APOSTROPHES = re.compile("(?<=[^\\W\\d_])['’‘`´ʼ](?=s\\b)", re.I)
_ASCII_SPACES = {code: " " for code in range(128) if not chr(code).isalnum() and chr(code) not in "+#"}
_ENGLISH = re.compile(r"[a-z]+")
_SILENT_E = re.compile(r"(?:ch|sh|x|z|ss|us|o)e$")


@functools.lru_cache(KEYS_KEPT)
def name_key(text: str) -> str:
    """Return the key that the spellings of one name share: "SQL query", "sql queries" and "SQL-Queries" have one.

    Case, spaces, punctuation and the plural of English words do not tell names apart; letters, accents,
    digits, `+` and `#` do: "C", "C++" and "C#" are three. The key is for comparing, not for reading, and is
    its own key.
    """
    key = text
    while (shorter := _key(key)) != key:  # joined words may end like a plural
        key = shorter
    return key


def spellings(names: Iterable[str] | Mapping[str, int]) -> dict[str, str]:
    """Return for each name the most frequent spelling of the same name, of several the first by alphabet.

    Args:
        names: every mention of a name, in any order; or how often each is mentioned.
    """
    counts = Counter(names)
    keys = {name: name_key(name) for name in sorted(counts)}
    best: dict[str, str] = {}
    for name in sorted(keys, key=lambda name: -counts[name]):
        best.setdefault(keys[name], name)
    return {name: best[key] for name, key in keys.items()}


def listed_name(name: str, names: Sequence[str]) -> str | None:
    """Return the name of a list that a name is a spelling of; None where there is none."""
    key = name_key(name)
    return next((listed for listed in names if name_key(listed) == key), None)


def check_list(names: Sequence[object], what: str) -> tuple[str, ...]:
    """Return names to choose from, white space around each removed.

    Args:
        names: the list.
        what: what one of them is, for errors, such as "use case".

    Raises:
        BadInput: it is empty, one of them is no name, or two are spellings of one.
    """
    if isinstance(names, str) or not names:
        raise BadInput(f"needs a list of {what}s with one name at least; came {names!r}")
    first: dict[str, str] = {}
    for name in names:
        if not (isinstance(name, str) and 0 < len(name.strip()) <= LONGEST_NAME and "\n" not in name.strip()):
            raise BadInput(f"needs each {what} as a text of 1 to {LONGEST_NAME} characters; came {name!r}")
        key = name_key(name)
        if key in first:
            raise BadInput(f"needs each {what} once; came {first[key]!r} and {name!r}; leave one of them out")
        first[key] = name
    return tuple(name.strip() for name in first.values())


def _key(text: str) -> str:
    if text.isascii():  # most names are, and there may be hundreds of thousands of them
        folded = text.lower()
        words = _APOSTROPHES.sub("", folded).translate(_ASCII_SPACES).split()
    else:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        plain = _APOSTROPHES.sub("", folded)
        words = "".join(char if _tells_apart(char) else " " for char in plain).split()
    if not words:
        return " ".join(folded.split())
    key = ""
    for word in map(_singular, words):
        key += " " * (key[-1:].isdigit() and word[0].isdigit()) + word
    return key


def _tells_apart(char: str) -> bool:
    """Return whether a character is part of a word: a letter, a digit, a mark on a letter, or as in C++ and C#."""
    return char.isalnum() or char in "+#" or unicodedata.category(char).startswith("M")


def _singular(word: str) -> str:
    """Return an English word in the singular; any other word as it is."""
    if not _ENGLISH.fullmatch(word) or len(word) < SHORTEST_PLURAL or word.endswith(SAME_IN_PLURAL):
        return word
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in PLURALS_IN_ICS or (word.endswith("s") and not word.endswith(("ss", "us", "is", "ics"))):
        word = word[:-1]
    if len(word) < SHORTEST_PLURAL:
        return word
    # what the plural adds an e for loses it in the singular too: `cache` and `search` have their plurals alike
    if word.endswith("ie"):
        return word[:-2] + "y"
    word = word[:-1] if _SILENT_E.search(word) else word
    return word[:-1] if word.endswith("zz") else word
