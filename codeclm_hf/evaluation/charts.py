"""What an evaluation found, as pictures for its report; `report.captions` has the same in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from codeclm_hf.card.captions import counted, ratio
from codeclm_hf.card.charts import BLUE, GRID, MOST_LABEL, PALE, png, styled
from codeclm_hf.card.lettering import GAP, INK, LINE, MARGIN, PANEL, QUIET, SMALL, WIDTH, Pen
from codeclm_hf.evaluation.report import OUTCOMES, RECOVERY, called, captions, shown

if TYPE_CHECKING:  # importing it takes a second
    from matplotlib.figure import Figure

ORANGE = "#B84C00"
"""Okabe and Ito's vermilion, which colour-blind people tell from their blue, as dark as white numbers on it need."""
_COLOURS = {"wins": BLUE, "ties": PALE, "losses": ORANGE}


def pictures(results: Mapping[str, Any]) -> dict[str, bytes]:
    """The pictures of a report as PNG files of 1440 pixels' width, to be shown at 720, by file name.

    They are those of which `report.captions` tells. The same results give the same bytes where the same fonts and
    matplotlib are installed.
    """
    if not captions(results):
        return {}
    with styled():
        return {file: png(figure) for file, figure in drawn(results)}


def drawn(results: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    """(file name, figure)."""
    groups = shown(results)
    names = [called(one) for one in groups]
    pen = Pen("".join(names))
    spelled = [pen.spelled(name) or f"No. {at}" for at, name in enumerate(names, 1)]
    rows = [("All", results["overall"]), *zip(spelled, groups, strict=True)]
    note = any(pen.spelled(name) is None for name in names)
    yield RECOVERY, _recovery(pen, rows, note)
    yield OUTCOMES, _outcomes(pen, rows, note)


def _recovery(pen: Pen, rows: list[tuple[str, Mapping[str, Any]]], note: bool) -> Figure:
    of = counted(rows[0][1]["comparisons"], "comparison")
    axes, y = pen.sheet(
        "Capacity Recovery Ratio", f"Share of the {of} that the candidate won or tied; 95 % intervals"
    )
    lines = [pen.lines(name, MOST_LABEL) for name, _ in rows]
    left = MARGIN + max(pen.width(line) for label in lines for line in label) + 2 * GAP
    values = [ratio(one) for _, one in rows]
    right = WIDTH - MARGIN - max(map(pen.width, values)) - 2 * GAP
    bottom = y + sum(len(label) * LINE + GAP for label in lines)
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = left + (right - left) * share
        axes.plot([x, x], [y, bottom], color=GRID, linewidth=0.8, zorder=1)
        pen.write(
            axes, x, bottom + LINE * 0.8, f"{100 * share:g} %", align="center", size=SMALL, colour=QUIET
        )
    for at, (label, (_, one), value) in enumerate(zip(lines, rows, values, strict=True)):
        height = len(label) * LINE + GAP
        middle = y + height / 2
        low, dot, high = (
            left + (right - left) * one[name]
            for name in ("wilson_low", "capacity_recovery_ratio", "wilson_high")
        )
        pen.write(axes, left - 2 * GAP, middle, *label, align="right", weight="normal" if at else "bold")
        axes.plot([low, high], [middle, middle], color=BLUE if at else INK, linewidth=2, zorder=2)
        axes.plot([dot], [middle], "o", color=BLUE if at else INK, markersize=6.5, zorder=3)
        pen.write(axes, WIDTH - MARGIN, middle, value, align="right")
        y += height
    return pen.finish(axes, bottom + 1.6 * LINE, note=note)


def _outcomes(pen: Pen, rows: list[tuple[str, Mapping[str, Any]]], note: bool) -> Figure:
    axes, y = pen.sheet("Wins, ties and losses of the candidate", "Share of the comparisons, and how many")
    lines = [pen.lines(name, MOST_LABEL) for name, _ in rows]
    left = MARGIN + max(pen.width(line) for label in lines for line in label) + GAP
    x = left
    for name, colour in _COLOURS.items():
        axes.barh(y + LINE / 2, 8, height=8, left=x, color=colour)
        pen.write(axes, x + 8 + GAP / 2, y + LINE / 2, name, size=SMALL, colour=QUIET)
        x += 8 + 3 * GAP + pen.width(name, SMALL)
    y += LINE + GAP
    for at, (label, (_, one)) in enumerate(zip(lines, rows, strict=True)):
        height = len(label) * LINE + GAP
        middle, x = y + height / 2, left
        pen.write(axes, left - GAP, middle, *label, align="right", weight="normal" if at else "bold")
        for name, colour in _COLOURS.items():
            length = (WIDTH - MARGIN - left) * one[name] / one["comparisons"]
            axes.barh(middle, length, height=13, left=x, color=colour)
            if length > pen.width(f"{one[name]:,}", SMALL) + 4:
                ink = INK if name == "ties" else PANEL
                pen.write(
                    axes, x + length / 2, middle, f"{one[name]:,}", align="center", size=SMALL, colour=ink
                )
            x += length
        y += height
    return pen.finish(axes, y, note=note)
