"""Text on pictures: any name as plain text in the fonts that there are, measured, cut, and set on a panel."""

from __future__ import annotations

import unicodedata
import warnings
from bisect import bisect_right
from typing import TYPE_CHECKING

from codeclm_hf.text import display_name, single_line

if TYPE_CHECKING:  # importing it takes a second
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 540.0
"""Points of a picture, which are 720 CSS pixels. Every other length here is in points too, from the upper left."""
DPI = 192
"""Two pixels for a CSS pixel."""
TITLE, TEXT, SMALL = 12.0, 9.5, 9.0
MARGIN, LINE, GAP = 18.0, 12.5, 7.0
# Light on every page: no colour of text has a contrast of 4.5 to both white and the #0d1117 of dark pages.
PANEL, BORDER, INK, QUIET = "#ffffff", "#d0d7de", "#1f2328", "#57606a"

FALLBACKS = (
    *("Noto Sans CJK SC", "Noto Sans", "Noto Emoji", "Source Han Sans", "WenQuanYi", "Droid Sans Fallback"),
    *(
        "PingFang",
        "Hiragino Sans",
        "Apple SD Gothic Neo",
        "Geeza Pro",
        "Kohinoor",
        "Thonburi",
        "Arial Unicode MS",
    ),
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Nirmala UI", "Leelawadee UI", "Segoe UI", "FreeSans"),
)
"""How the names of the font families begin that are asked, in this order, for what DejaVu Sans lacks."""
MOST_MARKS = 3
"""Accents on one letter; more would reach into the lines above."""
NOTE = "No.: a name that no font here can write; the words beside the picture have it."


class Pen:
    """Makes panels and writes on them."""

    def __init__(self, text: str) -> None:
        """Find the fonts that the characters of the text need."""
        from matplotlib import ft2font
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self._renderer = FigureCanvasAgg(Figure(dpi=DPI)).get_renderer()  # type: ignore[no-untyped-call]
        self._families = ["DejaVu Sans", *_fallbacks(text)]
        self._shapes = hasattr(ft2font, "__libraqm_version__")  # since matplotlib 3.11
        self._spelled: dict[str, str | None] = {}

    def _measured(self, text: str, size: float = TEXT) -> tuple[float, bool]:
        """(how wide, whether every character has a glyph)."""
        from matplotlib.font_manager import FontProperties

        font = FontProperties(family=self._families, size=size)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            width, _, _ = self._renderer.get_text_width_height_descent(text, font, False)
        return width * 72 / DPI, not caught

    def width(self, text: str, size: float = TEXT) -> float:
        """How wide a text is."""
        return self._measured(text, size)[0]

    def spelled(self, name: str) -> str | None:
        """A name as it can be written, without the symbols that no font has; None where a letter is missing."""
        if name not in self._spelled:
            text = _calm(display_name(name))
            if not self._measured(text)[1]:
                kept = [c for c in text if unicodedata.category(c)[0] in "LMN" or self._measured(c)[1]]
                text = " ".join("".join(kept).split())
            seen = any(unicodedata.category(c)[0] in "LNPS" for c in text)
            shaped = self._shapes or not any(_needs_shaping(c) for c in text)
            self._spelled[name] = text if seen and shaped and self._measured(text)[1] else None
        return self._spelled[name]

    def lines(self, text: str, most: float, size: float = TEXT) -> list[str]:
        """The text as one or two lines that are no wider; the second is cut where it would be."""
        first = self._fitting(text, most, size)
        if first == text:
            return [text]
        if text[len(first)] != " ":
            first = first.rpartition(" ")[0] or first
        rest = text[len(first) :].strip()
        second = self._fitting(rest, most, size)
        return [
            first.rstrip(),
            rest if second == rest else self._fitting(rest, most - size, size).rstrip() + "…",
        ]

    def _fitting(self, text: str, most: float, size: float) -> str:
        """The longest beginning that is no wider and parts no accent from its letter."""
        if self.width(text, size) <= most:
            return text
        end = bisect_right(range(1, len(text) + 1), most, key=lambda length: self.width(text[:length], size))
        while 1 < end < len(text) and (_joins(text[end]) or text[end - 1] == "\u200d"):
            end -= 1
        return text[: max(end, 1)]

    def sheet(self, title: str, subtitle: str) -> tuple[Axes, float]:
        """A panel with its title, and where the space below that begins."""
        from matplotlib.figure import Figure

        axes = Figure(dpi=DPI).add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        y = MARGIN + TITLE / 2
        self.write(axes, MARGIN, y, title, size=TITLE, weight="bold")
        y += 1.4 * LINE
        for line in self.lines(subtitle, WIDTH - 2 * MARGIN, SMALL):
            self.write(axes, MARGIN, y, line, size=SMALL, colour=QUIET)
            y += LINE
        return axes, y + GAP / 2

    def write(
        self, axes: Axes, x: float, y: float, *lines: str,
        align: str = "left", size: float = TEXT, colour: str = INK, weight: str = "normal",
    ) -> None:  # fmt: skip
        """Lines of text whose middle is at y."""
        from matplotlib.font_manager import FontProperties

        families = (
            self._families if weight == "normal" else self._families[:1]
        )  # other families have no bold, and say so
        font = FontProperties(family=families, size=size, weight=weight)
        # On baselines, because the height of a line differs from script to script
        y += 0.36 * size - LINE * (len(lines) - 1) / 2
        for number, line in enumerate(lines):
            axes.text(
                x, y + LINE * number, line,
                ha=align, va="baseline", color=colour, fontproperties=font, parse_math=False,
            )  # fmt: skip

    def finish(self, axes: Axes, bottom: float, *, note: bool = False) -> Figure:
        """The panel around what ends here, with a note where names are numbers."""
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyBboxPatch

        figure = axes.get_figure()
        assert isinstance(figure, Figure)
        if note:
            bottom += LINE + GAP
            self.write(axes, MARGIN, bottom, NOTE, size=SMALL, colour=QUIET)
        height = bottom + MARGIN
        figure.set_size_inches(WIDTH / 72, height / 72)
        axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        box = FancyBboxPatch(
            (0.5, 0.5), WIDTH - 1, height - 1, boxstyle="round,pad=0,rounding_size=6", fc=PANEL, ec=BORDER, lw=0.75,
            zorder=-1,
        )  # fmt: skip
        axes.add_patch(box)
        return figure


def _fallbacks(text: str) -> list[str]:
    """The families of this system that have characters of the text which DejaVu Sans lacks."""
    from matplotlib.font_manager import findfont, fontManager, get_font

    dejavu = get_font(findfont("DejaVu Sans"))
    missing = {c for c in single_line(text) if not dejavu.get_char_index(ord(c))}
    found: list[str] = []
    if missing:
        names = {font.name for font in fontManager.ttflist if font.name.startswith(FALLBACKS)}
        for name in sorted(
            names, key=lambda name: (next(n for n, f in enumerate(FALLBACKS) if name.startswith(f)), name)
        ):
            font = get_font(findfont(name))
            here = {c for c in missing if font.get_char_index(ord(c))}
            found += [name] if here else []
            missing -= here
    return found


def _calm(text: str) -> str:
    """The text without marks that choose a variant, and without towers of accents."""
    kept: list[str] = []
    for character in text:
        tower = len(kept) >= MOST_MARKS and all(map(_joins, [character, *kept[-MOST_MARKS:]]))
        if not (tower or "\ufe00" <= character <= "\ufe0f"):
            kept.append(character)
    return "".join(kept)


def _joins(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character == "\u200d"


def _needs_shaping(character: str) -> bool:
    """Of a script that is wrong letter by letter from left to right."""
    return unicodedata.bidirectional(character) in ("R", "AL") or unicodedata.category(character)[0] == "M"
