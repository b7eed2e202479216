"""Words of a text, with case, spacing and punctuation left out, and where each stands."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from codeclm_hf.text import UNSPACED_SCRIPTS

_ALONE = UNSPACED_SCRIPTS.replace("\uff00-\uffef", "\uff66-\uff9f")
# of the full-width forms only half-width kana: letters and digits are another way to write Latin words
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f"
    "\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0900-\u0963\u0971-\u0df3\u0e31\u0e34-\u0e3a"
    "\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u1056-\u1059\u17b4-\u17d3\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u20d0-\u20ff\u302a-\u302f\u3099\u309a\ufe00-\ufe0f\ufe20-\ufe2f"
)
# accents and vowel signs, which `\w` does not match; of Indian scripts whole blocks without their full stops
_SYMBOLS = "+<=>$%\u00a2-\u00a5\u00b1\u00d7\u00f7\u20a0-\u20bf\u2200-\u22ff"
# signs of calculations and of code, whose change makes another question
_NUMBER = "[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])"
_LETTER = rf"(?:[^\W_{_ALONE}]|[{_MARKS}])"
_ANY = re.compile(
    rf"{_NUMBER}|(?=[{_ALONE}])[^\W_][{_MARKS}]*|{_LETTER}+(?:['\u2019]{_LETTER}+)*|[{_SYMBOLS}]"
)
# the same for texts in ASCII alone, twice as fast
_ASCII = re.compile(rf"{_NUMBER}|[A-Za-z0-9]+(?:'[A-Za-z0-9]+)*|[+<=>$%]")
_IS_ALONE = re.compile(f"[{_ALONE}]")


class Word(NamedTuple):
    """One word of a text."""

    text: str
    """As `normal_form` writes it."""
    start: int
    """Where it begins in the text, in characters."""
    end: int
    """Where it ends."""


def raw_words(text: str) -> list[str]:
    """Return the words of a text as they stand in it; those of a text in ASCII in lower case.

    A word is a run of letters and digits. Each character of a script without spaces between words, such as
    Chinese or Thai, is a word, and so is each sign of a calculation. Other punctuation is left out.
    """
    return _ASCII.findall(text.lower()) if text.isascii() else _ANY.findall(text)


def words(text: str) -> list[Word]:
    """Return the words of a text in their normal form and where they stand; as many as `raw_words` gives."""
    pattern = _ASCII if text.isascii() else _ANY
    return [Word(normal_form(match[0]), *match.span()) for match in pattern.finditer(text)]


def normal_form(word: str) -> str:
    """Return the one way to write a word: whatever its case, its apostrophes, and how Unicode composes it."""
    if not word.isascii():
        word = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())
    return word.lower().replace("'", "").replace("\u2019", "").replace(",", "")


def is_character(word: str) -> bool:
    """Return whether a word is one character of a script without spaces, which says less than a word."""
    return not word.isascii() and _IS_ALONE.match(word) is not None
