"""Names as labels on pictures: written in the fonts that there are, measured, and cut to two lines.

matplotlib itself takes every letter from the first of a list of fonts that has it, shapes the scripts that
need it, and draws. Three things it does not do, and they are here: it does not look for the fonts of a system
that have a name's letters; it does not tell before it draws that none has them; and it wraps a text at spaces
only, to the edge of the picture, and never cuts one.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence

from codeclm_hf.text import display_name, single_line

DPI = 192
"""Pixels of an inch, which make two for a CSS pixel."""
TITLE, TEXT, SMALL = 12.0, 9.5, 9.0
"""Sizes of text in points."""
FALLBACKS = (
    *("Noto Sans CJK SC", "Noto Sans", "Noto Emoji", "Source Han Sans", "WenQuanYi", "Droid Sans Fallback"),
    *("PingFang", "Hiragino Sans", "Apple SD Gothic Neo", "Geeza Pro", "Kohinoor", "Thonburi"),
    *("Arial Unicode MS", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Nirmala UI", "Leelawadee UI"),
    *("Segoe UI", "FreeSans"),
)
"""How the names of the font families begin that are asked, in this order, for what DejaVu Sans lacks."""
MOST_MARKS = 3
"""Accents on one letter; more would reach into the lines above."""
_LETTERS_MARKS_DIGITS = "LMN"
"""Categories of characters without which a name is another one; others may be left out of a label."""


class Fonts:
    """The fonts that a picture's names are written in: DejaVu Sans, and those for what it lacks."""

    families: list[str]
    """The names of the font families, as matplotlib takes them; the first has a bold face."""

    def __init__(self, names: Sequence[str], fallbacks: tuple[str, ...] = FALLBACKS) -> None:
        """Find the fonts of this system that the letters of the names need.

        Args:
            names: all that is to be written, but for what DejaVu Sans surely has.
            fallbacks: how the names of the families that may be used begin, in the order of asking.
        """
        from matplotlib import ft2font
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.font_manager import findfont, get_font

        self.families = ["DejaVu Sans", *_families_for(single_line("".join(names)), fallbacks)]
        self._faces = [get_font(findfont(family)) for family in self.families]
        self._renderer = FigureCanvasAgg(Figure(dpi=DPI)).get_renderer()  # type: ignore[no-untyped-call]
        self._shapes_scripts = hasattr(ft2font, "__libraqm_version__")  # since matplotlib 3.11

    def width(self, text: str, size: float = TEXT) -> float:
        """Return how wide a text of this size is, in points."""
        from matplotlib.font_manager import FontProperties

        font = FontProperties(family=self.families, size=size)
        width, _, _ = self._renderer.get_text_width_height_descent(text, font, False)
        return float(width) * 72 / DPI

    def label(self, name: str, number: int) -> str:
        """Return a name as it can be written, or `No. 7` in its place where it is the seventh."""
        return self.writable(name) or f"No. {number}"

    def writable(self, name: str) -> str | None:
        """Return a name without symbols that no font has; None if a letter or its shape is missing."""
        characters = [c for c in _without_variants(display_name(name)) if _matters(c) or self._has(c)]
        text = " ".join("".join(characters).split())
        if not any(unicodedata.category(c)[0] in "LNPS" for c in text):
            return None
        shaped = self._shapes_scripts or not any(_needs_shaping(c) for c in text)
        return text if shaped and all(map(self._has, text)) else None

    def _has(self, character: str) -> bool:
        return any(face.get_char_index(ord(character)) for face in self._faces)

    def two_lines(self, text: str, most: float, size: float = TEXT) -> list[str]:
        """Return the text as one or two lines that are no wider than `most` points; `…` ends a cut one."""
        first = self._fit(text, most, size)
        if first == text:
            return [text]
        if text[len(first)] != " ":
            first = first.rpartition(" ")[0] or first
        rest = text[len(first) :].strip()
        second = self._fit(rest, most, size)
        if second != rest:
            second = self._fit(rest, most - size, size).rstrip() + "…"
        return [first.rstrip(), second]

    def _fit(self, text: str, most: float, size: float) -> str:
        """Return the longest beginning that is no wider and parts no accent from its letter."""
        if self.width(text, size) <= most:
            return text
        end = bisect_right(range(1, len(text) + 1), most, key=lambda length: self.width(text[:length], size))
        while 1 < end < len(text) and (_joins(text[end]) or text[end - 1] == "\u200d"):
            end -= 1
        return text[: max(end, 1)]


def _families_for(text: str, fallbacks: tuple[str, ...]) -> list[str]:
    """Return the families of this system that have characters of the text which DejaVu Sans lacks."""
    from matplotlib.font_manager import findfont, fontManager, get_font

    dejavu = get_font(findfont("DejaVu Sans"))
    missing = {c for c in text if not dejavu.get_char_index(ord(c))}
    if not missing:
        return []
    installed = {font.name for font in fontManager.ttflist if font.name.startswith(fallbacks)}
    needed: list[str] = []
    for family in sorted(installed, key=lambda family: (_rank(family, fallbacks), family)):
        font = get_font(findfont(family))
        here = {c for c in missing if font.get_char_index(ord(c))}
        needed += [family] if here else []
        missing -= here
    return needed


def _rank(family: str, fallbacks: tuple[str, ...]) -> int:
    return next(rank for rank, beginning in enumerate(fallbacks) if family.startswith(beginning))


def _without_variants(text: str) -> str:
    """Return the text without marks that choose a variant, and without towers of accents."""
    characters: list[str] = []
    for character in text:
        tower = len(characters) >= MOST_MARKS and all(map(_joins, [character, *characters[-MOST_MARKS:]]))
        if not (tower or "\ufe00" <= character <= "\ufe0f"):
            characters.append(character)
    return "".join(characters)


def _matters(character: str) -> bool:
    return unicodedata.category(character)[0] in _LETTERS_MARKS_DIGITS


def _joins(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character == "\u200d"


def _needs_shaping(character: str) -> bool:
    """Return whether the character's script is wrong when written letter by letter from left to right."""
    return unicodedata.bidirectional(character) in ("R", "AL") or unicodedata.category(character)[0] == "M"
