"""The pictures of an evaluation's report; `report.captions` has the same in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from codeclm_hf.card.captions import quantity, ratio
from codeclm_hf.card.charts import BLUE, GRID, MOST_LABEL, PALE, plain_style, png
from codeclm_hf.card.labels import SMALL, Fonts
from codeclm_hf.card.panel import GAP, INK, LINE, MARGIN, PANEL, QUIET, WIDTH, Panel
from codeclm_hf.evaluation.report import OUTCOMES, RECOVERY, captions, group_label, shown_groups
from codeclm_hf.evaluation.results import EvaluationResults, Result

if TYPE_CHECKING:  # importing it takes a second
    from matplotlib.figure import Figure

ORANGE = "#B84C00"
"""Okabe and Ito's vermilion, dark enough for white numbers; colour-blind people tell it from their blue."""
_COLOURS = {"wins": BLUE, "ties": PALE, "losses": ORANGE}


def pictures(results: EvaluationResults) -> dict[str, bytes]:
    """Return the pictures of a report, by file name: PNG files of 1440 pixels' width, to be shown at 720.

    There is one for each of `report.captions`. The same results give the same bytes where the same fonts and
    matplotlib are installed.
    """
    if not captions(results):
        return {}
    with plain_style():
        return {file: png(figure) for file, figure in figures(results)}


def figures(results: EvaluationResults) -> Iterator[tuple[str, Figure]]:
    """Yield the pictures before they are rendered, each with its file name."""
    groups = shown_groups(results)
    labels = [group_label(group) for group in groups]
    fonts = Fonts(labels)
    written = [fonts.label(label, number) for number, label in enumerate(labels, 1)]
    rows: list[tuple[str, Result]] = [("All", results.overall), *zip(written, groups, strict=True)]
    note = any(fonts.writable(label) is None for label in labels)
    yield RECOVERY, _recovery(fonts, rows, note)
    yield OUTCOMES, _outcomes(fonts, rows, note)


def _recovery(fonts: Fonts, rows: list[tuple[str, Result]], note: bool) -> Figure:
    of = quantity(rows[0][1].comparisons, "comparison")
    panel = Panel(
        fonts, "Capacity Recovery Ratio", f"Share of the {of} that the candidate won or tied; 95 % intervals"
    )
    lines = [fonts.two_lines(name, MOST_LABEL) for name, _ in rows]
    left = MARGIN + max(fonts.width(line) for label in lines for line in label) + 2 * GAP
    values = [ratio(result) for _, result in rows]
    right = WIDTH - MARGIN - max(map(fonts.width, values)) - 2 * GAP
    y = panel.top
    bottom = y + sum(len(label) * LINE + GAP for label in lines)
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = left + (right - left) * share
        panel.axes.plot([x, x], [y, bottom], color=GRID, linewidth=0.8, zorder=1)
        panel.write(x, bottom + LINE * 0.8, f"{100 * share:g} %", align="center", size=SMALL, colour=QUIET)
    for at, (label, (_, result), value) in enumerate(zip(lines, rows, values, strict=True)):
        height = len(label) * LINE + GAP
        middle = y + height / 2
        low, dot, high = (
            left + (right - left) * (share or 0.0)
            for share in (result.wilson_low, result.capacity_recovery_ratio, result.wilson_high)
        )
        panel.write(left - 2 * GAP, middle, *label, align="right", weight="normal" if at else "bold")
        panel.axes.plot([low, high], [middle, middle], color=BLUE if at else INK, linewidth=2, zorder=2)
        panel.axes.plot([dot], [middle], "o", color=BLUE if at else INK, markersize=6.5, zorder=3)
        panel.write(WIDTH - MARGIN, middle, value, align="right")
        y += height
    return panel.figure(bottom + 1.6 * LINE, note=note)


def _outcomes(fonts: Fonts, rows: list[tuple[str, Result]], note: bool) -> Figure:
    panel = Panel(fonts, "Wins, ties and losses of the candidate", "Share of the comparisons, and how many")
    lines = [fonts.two_lines(name, MOST_LABEL) for name, _ in rows]
    left = MARGIN + max(fonts.width(line) for label in lines for line in label) + GAP
    x, y = left, panel.top
    for name, colour in _COLOURS.items():
        panel.axes.barh(y + LINE / 2, 8, height=8, left=x, color=colour)
        panel.write(x + 8 + GAP / 2, y + LINE / 2, name, size=SMALL, colour=QUIET)
        x += 8 + 3 * GAP + fonts.width(name, SMALL)
    y += LINE + GAP
    for at, (label, (_, result)) in enumerate(zip(lines, rows, strict=True)):
        height = len(label) * LINE + GAP
        middle, x = y + height / 2, left
        panel.write(left - GAP, middle, *label, align="right", weight="normal" if at else "bold")
        for name, colour in _COLOURS.items():
            count = getattr(result, name)
            length = (WIDTH - MARGIN - left) * count / result.comparisons
            panel.axes.barh(middle, length, height=13, left=x, color=colour)
            if length > fonts.width(f"{count:,}", SMALL) + 4:
                ink = INK if name == "ties" else PANEL
                panel.write(x + length / 2, middle, f"{count:,}", align="center", size=SMALL, colour=ink)
            x += length
        y += height
    return panel.figure(y, note=note)
