"""Near-duplicates: which instructions say the same in nearly the same words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from rensa import RMinHash, RMinHashLSH

from codeclm_hf.text import UNSPACED_SCRIPTS, visible_text

DUPLICATE, NEAR_DUPLICATE = "duplicate", "near_duplicate"
"""Why a text is none of its own: equal to another after normalising, or nearly."""
THRESHOLD = 0.8
"""Similarity from which on two instructions are near-duplicates."""
UNCHANGED = 0.95
"""Similarity to its parent from which on an improved instruction is no improvement: most keep their parent's
words and add a sentence, so that this lies above `THRESHOLD`."""
STEM = 4
"""Characters of a word that its runs are taken from, so that a long word weighs hardly more than a short one."""
FIGURE_WEIGHT = 4
"""Shingles of a number or an operator and the one before it: another number makes another exercise."""
BANDS = 60
"""Bands of the index: a pair is looked at where its texts agree in at least one."""
BAND_ROWS = 7
"""Hashes of a band; with `BANDS` of them, a pair at `THRESHOLD` is missed less than once in a million times."""
BITS = 4096
"""Bits of a text's field, one for each shingle: two fields bound how much two texts can have in common."""
SEED = 1
"""Of the index's hashes."""

_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", "0123456789+-=()ni", strict=True))
_POWER = re.compile(f"[{''.join(_RAISED)}]+")
_FRACTION = re.compile("[¼-¾⅐-⅞↉]")
_SAME = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»「」『』〝〞〟《》〈〉", '"'),
        **dict.fromkeys("‘’‚‛‹›", "'"),
        **dict.fromkeys("‐‑‒–−", "-"),
        **dict.fromkeys("—―", " "),
        **dict.fromkeys("。।۔", "."),
        **dict.fromkeys("、،", ","),
        **dict.fromkeys("؛", ";"),
        **dict.fromkeys("؟", "?"),
        **dict.fromkeys("⁄", "/"),
        **dict.fromkeys(map(chr, range(0xFE00, 0xFE10)), ""),  # variants of characters, as of emoji
    }
)
_ENDING = re.compile(
    r"(?<=[^\s!-$&-(*-/:-@\[\\^-`{|~])"  # after a word, a percentage or a closing bracket
    r"(?!(?<=\d)!|(?<=\b[^\W\d])!)"  # 5! and n! are factorials
    r"[.,:?!]+(?=\s|$)"
)
_UNSPACED = re.compile(rf" ?([{UNSPACED_SCRIPTS}]) ?")
_OPERATOR = r"(?:(?<![^\W\d])-|-(?![^\W\d])|[+*/<>=%&|^~!])+|[×÷±√∞∑∏∫∂∇≈≠≡≤≥∈∉⊂⊆∪∩∧∨¬←→↔⇒⇔]"
_FIGURE = rf"\d+(?:[.,]\d+)*|{_OPERATOR}"
_TOKEN = re.compile(
    rf"({_FIGURE})"
    rf"|([{UNSPACED_SCRIPTS}]"
    rf"|[^\s\d!-/:-@\[-`{{-~¡-¿×÷\u2000-\u206f\u2190-\u2bff\U0001f000-\U0001faff{UNSPACED_SCRIPTS}]+"
    r"|[^\s.,:;?\"'`\u2000-\u206f-])"
)
"""A number or an operator, or else a word, a character of a script without spaces, or a sign."""


class Duplicate(NamedTuple):
    """An earlier text that a text repeats."""

    reason: str
    """`DUPLICATE` or `NEAR_DUPLICATE`."""
    of: str
    """The key that the earlier text was added with."""
    similarity: float
    """From `THRESHOLD` to 1."""


def normalise(text: str) -> str:
    """Return a text without what does not tell it from another: case, spacing, punctuation."""
    while not text.isascii():
        if (folded := _fold(_compose(text))) == text:
            return text
        text = folded
    return _fold(text)


def _compose(text: str) -> str:
    """Return a text with one spelling for each character, and powers and fractions that stay apart from digits."""
    text = _POWER.sub(lambda found: "^" + "".join(_RAISED[digit] for digit in found[0]), text)
    text = _FRACTION.sub(r" \g<0>", text)
    return unicodedata.normalize("NFKC", visible_text(text)).casefold().translate(_SAME)


def _fold(text: str) -> str:
    text = _ENDING.sub("", " ".join(visible_text(text).casefold().split()))
    return text if text.isascii() else _UNSPACED.sub(r"\1", text)


def similarity(one: str, other: str) -> float:
    """Return how alike two texts are, from 0 to 1: the Jaccard index of their shingles."""
    return _jaccard(shingles(one), shingles(other))


def shingles(text: str) -> set[str]:
    """Return the shingles that a text is compared by, at least one: pieces of it, whatever its case and spacing."""
    return _shingles(normalise(text))


def _shingles(normal: str) -> set[str]:
    """Return what a normalised text is compared by: words, runs of three characters, and figures.

    A space stands around each word, and around each character of a script without spaces: its runs are then
    the characters and the pairs of neighbours.
    """
    found: list[tuple[str, str]] = _TOKEN.findall(normal)
    if not found:
        return {normal}
    tokens = [figure or word for figure, word in found]
    line = f" {' '.join([token[:STEM] for token in tokens])} "
    shingles = {line[at : at + 3] for at in range(len(line) - 2)}
    shingles.update([f" {token} " for token in tokens])
    figures = [figure for figure, _ in found if figure]
    if figures:
        pairs = Counter(zip(["", *figures], figures, strict=False))
        shingles.update(
            f"{before}\n{figure}\n{count}\n{weight}"
            for (before, figure), most in pairs.items()
            for count in range(most)
            for weight in range(FIGURE_WEIGHT)
        )
    return shingles


def _jaccard(one: set[str], other: set[str]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


class _Sketch(NamedTuple):
    """What a text is looked up and compared by."""

    normal: str
    shingles: set[str]
    minhash: RMinHash
    field: int
    """A bit for each shingle, of `BITS`."""
    shared_bits: int
    """Shingles that set no bit of their own."""


@lru_cache(maxsize=256)
def _sketch(text: str) -> _Sketch:
    """Return a text's sketch; the last ones are kept, for a text is looked up before it is added."""
    normal = normalise(text)
    shingles = _shingles(normal)
    minhash = RMinHash(BANDS * BAND_ROWS, SEED)
    minhash.update(shingles)
    bits = bytearray(BITS // 8)
    for number in RMinHash.hash_token_sets([shingles])[0]:
        bits[number % BITS >> 3] |= 1 << (number & 7)
    field = int.from_bytes(bits, "little")
    return _Sketch(normal, shingles, minhash, field, len(shingles) - field.bit_count())


class NearDuplicates:
    """The texts so far, to find those among them that a further text repeats.

    A text costs some 6 kB beside its characters: its shingles are made again where they are compared.
    """

    def __init__(self) -> None:
        self._index = RMinHashLSH(THRESHOLD, BANDS * BAND_ROWS, BANDS)
        self._keys: list[str] = []
        self._normals: list[str] = []
        self._fields: list[int] = []
        self._sizes: list[int] = []
        self._first: dict[str, int] = {}

    def find(self, text: str) -> Duplicate | None:
        """Return the earlier text that a text repeats.

        Of several one that is equal after normalising, or else the most similar; of those the first added.
        """
        sketch = _sketch(text)
        equal = self._first.get(sketch.normal)
        if equal is not None:
            return Duplicate(DUPLICATE, self._keys[equal], 1.0)
        size, field, shared = len(sketch.shingles), sketch.field, sketch.shared_bits
        least, nearest = THRESHOLD, -1
        for at in sorted(self._index.query(sketch.minhash)):
            most = (field & self._fields[at]).bit_count() + shared
            if most / (size + self._sizes[at] - most) < least:
                continue  # whatever these bits stand for, it is too little
            share = _jaccard(sketch.shingles, _shingles(self._normals[at]))
            if share > least or (share == least and nearest < 0):
                least, nearest = share, at
        return Duplicate(NEAR_DUPLICATE, self._keys[nearest], least) if nearest >= 0 else None

    def add(self, key: str, text: str) -> None:
        """Add a text under a key of its own."""
        sketch = _sketch(text)
        at = len(self._keys)
        self._first.setdefault(sketch.normal, at)
        self._index.insert(at, sketch.minhash)
        self._keys.append(key)
        self._normals.append(sketch.normal)
        self._fields.append(sketch.field)
        self._sizes.append(len(sketch.shingles))
