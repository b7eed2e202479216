"""The panel that every picture is drawn on: light on every page, with a title, and with text in points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeclm_hf.card.labels import DPI, SMALL, TEXT, TITLE, Fonts

if TYPE_CHECKING:  # importing it takes a second
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 540.0
"""Points of a picture, which are 720 CSS pixels. All lengths here are in points, from the upper left."""
MARGIN, LINE, GAP = 18.0, 12.5, 7.0
# Always light: no colour of text has a contrast of 4.5 to both white and the #0d1117 of dark pages.
PANEL, BORDER, INK, QUIET = "#ffffff", "#d0d7de", "#1f2328", "#57606a"
NOTE = "No.: a name that no font here can write; the words beside the picture have it."


class Panel:
    """A panel with a title, which shapes and text are put on before its height is known."""

    axes: Axes
    """Where shapes are drawn, in points from the upper left."""
    top: float
    """Where the space below the title begins."""

    def __init__(self, fonts: Fonts, title: str, subtitle: str) -> None:
        """Begin a panel; the subtitle may take two lines."""
        from matplotlib.figure import Figure

        self._fonts = fonts
        self.axes = Figure(dpi=DPI).add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        y = MARGIN + TITLE / 2
        self.write(MARGIN, y, title, size=TITLE, weight="bold")
        y += 1.4 * LINE
        for line in fonts.two_lines(subtitle, WIDTH - 2 * MARGIN, SMALL):
            self.write(MARGIN, y, line, size=SMALL, colour=QUIET)
            y += LINE
        self.top = y + GAP / 2

    def write(
        self, x: float, y: float, *lines: str,
        align: str = "left", size: float = TEXT, colour: str = INK, weight: str = "normal",
    ) -> None:  # fmt: skip
        """Write lines of text; y is the middle of them all, and x is where they are aligned."""
        from matplotlib.font_manager import FontProperties

        # Only the first family has a bold face; matplotlib warns about the others.
        families = self._fonts.families if weight == "normal" else self._fonts.families[:1]
        font = FontProperties(family=families, size=size, weight=weight)
        # On baselines, because the height of a line differs from script to script
        y += 0.36 * size - LINE * (len(lines) - 1) / 2
        for number, line in enumerate(lines):
            self.axes.text(
                x, y + LINE * number, line,
                ha=align, va="baseline", color=colour, fontproperties=font, parse_math=False,
            )  # fmt: skip

    def figure(self, bottom: float, *, note: bool = False) -> Figure:
        """Return the panel as a figure that ends below `bottom`; the note is for names that are numbers."""
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyBboxPatch

        if note:
            bottom += LINE + GAP
            self.write(MARGIN, bottom, NOTE, size=SMALL, colour=QUIET)
        height = bottom + MARGIN
        figure = self.axes.get_figure()
        assert isinstance(figure, Figure)
        figure.set_size_inches(WIDTH / 72, height / 72)
        self.axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        box = FancyBboxPatch(
            (0.5, 0.5), WIDTH - 1, height - 1, boxstyle="round,pad=0,rounding_size=6",
            fc=PANEL, ec=BORDER, lw=0.75, zorder=-1,
        )  # fmt: skip
        self.axes.add_patch(box)
        return figure
