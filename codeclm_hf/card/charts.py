"""What a data set holds, as pictures for its card; `captions` has the same in words."""

from __future__ import annotations

import io
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from codeclm_hf.card.captions import (
    DRIFT,
    ITERATIONS,
    KINDS,
    MOST_BARS,
    MOST_MOVED,
    Ranking,
    accepted_count,
    captions,
    drift_heading,
    extent,
    rankings,
    share_change,
    shares_of,
)
from codeclm_hf.card.captions import GAP as GAPS
from codeclm_hf.card.labels import DPI, FALLBACKS, SMALL, Fonts
from codeclm_hf.card.panel import GAP, INK, LINE, MARGIN, PANEL, QUIET, WIDTH, Panel
from codeclm_hf.card.shapes import Distributions, Gap, Iteration, VersionDrift
from codeclm_hf.text import percentage

if TYPE_CHECKING:  # importing it takes a second
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LABEL = 225.0
"""Points that a name before its bar may be wide."""
PALE, GRID, SKY, BLUE = "#c9ced4", "#e4e8ec", "#56B4E9", "#0072B2"
"""The last two are Okabe and Ito's, which colour-blind people tell apart."""
_ONE_AT_A_TIME = threading.Lock()  # matplotlib's settings and the filters of warnings belong to the process


class _Bar(NamedTuple):
    label: str
    share: float
    value: str


def pictures(
    distributions: Distributions,
    drift: VersionDrift | None = None,
    *,
    existing: Mapping[str, bytes] = MappingProxyType({}),
) -> dict[str, bytes]:
    """Return the pictures of a data set's card by file name, as PNG files.

    They are those that `captions` has words for, 1440 pixels wide, to be shown at 720. The same input gives
    the same bytes where the same fonts and matplotlib are installed.

    Args:
        distributions: what the data set holds.
        drift: how far its names moved since an earlier version.
        existing: pictures that need not be drawn; they are returned too.
    """
    missing = [file for file in captions(distributions, drift) if file not in existing]
    if not missing:
        return dict(existing)
    with plain_style():
        return {**existing} | {file: png(figure) for file, figure in figures(distributions, drift, missing)}


@contextmanager
def plain_style() -> Iterator[None]:
    """Draw inside this: one thread at a time, in matplotlib's own style, whatever the user's is."""
    from matplotlib import style

    with _ONE_AT_A_TIME, style.context("default"):
        yield


def figures(
    distributions: Distributions,
    drift: VersionDrift | None,
    wanted: Collection[str],
    *,
    fallbacks: tuple[str, ...] = FALLBACKS,
) -> Iterator[tuple[str, Figure]]:
    """Yield the wanted pictures, not rendered yet, by file name; `labels.Fonts` says what fallbacks are."""
    ranked = rankings(distributions)
    names = [entry.name for ranking in ranked for entry in ranking.top[:MOST_BARS]]
    if drift:
        names += [share.name for kind in KINDS for share in shares_of(drift.use_case, kind)]
    fonts = Fonts(names, fallbacks)
    for ranking in ranked:
        if ranking.file in wanted:
            yield ranking.file, _ranking(fonts, ranking)
    if GAPS in wanted:
        accepted = sum(iteration.accepted for iteration in distributions.iterations)
        yield GAPS, _gap(fonts, distributions.gap, accepted)
    if ITERATIONS in wanted:
        yield ITERATIONS, _iterations(fonts, distributions.iterations)
    if drift and DRIFT in wanted:
        yield DRIFT, _drift(fonts, drift)


def _ranking(fonts: Fonts, ranking: Ranking) -> Figure:
    top = ranking.top[:MOST_BARS]
    panel = Panel(fonts, f"{ranking.noun.capitalize()}s", extent(ranking, "n = "))
    bars = [
        _Bar(fonts.label(entry.name, at), entry.share, f"{percentage(entry.share)}  ({entry.rows:,})")
        for at, entry in enumerate(top, 1)
    ]
    return panel.figure(
        _bars(fonts, panel, bars), note=any(fonts.writable(entry.name) is None for entry in top)
    )


def _iterations(fonts: Fonts, rows: Sequence[Iteration]) -> Figure:
    accepted = sum(row.accepted for row in rows)
    panel = Panel(
        fonts,
        "Accepted instructions by iteration",
        f"Share of all that were accepted, n = {accepted:,}; an instruction is improved until it is accepted",
    )
    bars = [
        _Bar(
            f"Iteration {row.iteration}",
            row.share,
            f"{percentage(row.share)}  ({row.accepted:,} of {row.judged:,} judged)",
        )
        for row in rows
    ]
    return panel.figure(_bars(fonts, panel, bars))


def _bars(fonts: Fonts, panel: Panel, bars: list[_Bar]) -> float:
    """Draw horizontal bars with a label before and a value after each; return where they end."""
    lines = [fonts.two_lines(bar.label, MOST_LABEL) for bar in bars]
    left = MARGIN + max(fonts.width(line) for label in lines for line in label) + GAP
    room = WIDTH - MARGIN - left - GAP - max(fonts.width(bar.value) for bar in bars)
    most = max(bar.share for bar in bars) or 1.0
    y = panel.top
    for label, bar in zip(lines, bars, strict=True):
        height = len(label) * LINE + GAP
        middle, length = y + height / 2, room * bar.share / most
        panel.write(left - GAP, middle, *label, align="right")
        panel.axes.barh(middle, length, height=11, left=left, color=BLUE)
        panel.write(left + length + GAP * 0.7, middle, bar.value)
        y += height
    return y


def _gap(fonts: Fonts, gap: Gap, accepted: int) -> Figure:
    theta, judged, edges = gap.threshold, gap.judged, gap.edges
    panel = Panel(
        fonts,
        "How far apart the judge saw the two answers",
        f"n = {judged:,} judged, {accepted_count(gap, accepted)}; "
        f"accepted strictly beyond ±{theta:g}, hatched",
    )
    height, plot = 150.0, panel.top + 2 * LINE + 4
    figure = panel.figure(plot + height + 2.6 * LINE)
    left = MARGIN + fonts.width(f"{max(gap.counts):,}", SMALL) + GAP
    axes = _plot(figure, left, plot, height)
    for low, high, count in _pieces(edges, gap.counts, theta):
        zone = min(abs(low), abs(high)) >= theta
        looks: dict[str, Any] = (
            {"color": BLUE, "hatch": "////", "edgecolor": PANEL} if zone else {"color": PALE}
        )
        axes.bar(low, count, width=high - low, align="edge", linewidth=0, **looks)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, (max(gap.counts) or 1) * 1.04)
    for side, align in ((-theta, "right"), (theta, "left")):
        if abs(side) <= edges[-1]:
            axes.axvline(side, color=INK, linewidth=1.2, linestyle=(0, (4, 2)), clip_on=False)
            x = left + (WIDTH - MARGIN - left) * (side - edges[0]) / (edges[-1] - edges[0])
            inner = {"right": "left", "left": "right"}[align] if theta > edges[-1] / 2 else align
            x += -2 if inner == "right" else 2
            panel.write(x, plot - 7, f"{'−' if align == 'right' else '+'}{theta:g}", align=inner, size=SMALL)
    panel.write(left, plot - LINE - 7, "← target's answer better, kept", size=SMALL, colour=QUIET)
    panel.write(
        WIDTH - MARGIN,
        plot - LINE - 7,
        "strong answer better, kept →",
        align="right",
        size=SMALL,
        colour=QUIET,
    )
    panel.write(
        (left + WIDTH - MARGIN) / 2, plot + height + 2.1 * LINE, "strong answer's score minus the target's",
        align="center", size=SMALL, colour=QUIET,
    )  # fmt: skip
    return figure


def _plot(figure: Figure, left: float, top: float, height: float) -> Axes:
    """Return axes on a panel, up to its right margin, with whole counts at the left."""
    from matplotlib.ticker import MaxNLocator

    whole = figure.get_figheight() * 72
    axes = figure.add_axes(
        (left / WIDTH, 1 - (top + height) / whole, (WIDTH - MARGIN - left) / WIDTH, height / whole)
    )
    axes.patch.set_alpha(0)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[3, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.tick_params(labelsize=SMALL, colors=QUIET, length=0, pad=GAP)
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    return axes


def _pieces(
    edges: Sequence[float], counts: Sequence[int], theta: float
) -> Iterator[tuple[float, float, int]]:
    """Yield (from, to, count) of the bins, cut where a threshold lies inside of one."""
    for (low, high), count in zip(pairwise(edges), counts, strict=True):
        cuts = [low, *(cut for cut in (-theta, theta) if low < cut < high), high]
        yield from ((start, end, count) for start, end in pairwise(cuts) if count)


def _drift(fonts: Fonts, drift: VersionDrift) -> Figure:
    use_case, since = drift.use_case, drift.since
    panel = Panel(
        fonts,
        "How the use cases moved",
        f"Share of the rows in {fonts.writable(since) or 'the version before'} (○) and now (●); "
        f"Jensen–Shannon divergence {use_case.divergence:.3f}, where 1 is nothing in common",
    )
    rows = [
        (kind, at, share)
        for kind in KINDS
        for at, share in enumerate(shares_of(use_case, kind)[:MOST_MOVED], 1)
    ]
    labels = [fonts.two_lines(fonts.label(share.name, at), MOST_LABEL) for _, at, share in rows]
    values = [share_change(kind, share, "→") for kind, _, share in rows]
    y = panel.top
    left = MARGIN + max(fonts.width(line) for label in labels for line in label) + 2 * GAP
    right = WIDTH - MARGIN - max(map(fonts.width, values)) - 2 * GAP
    scale = (right - left) / (max(max(share.before, share.after) for _, _, share in rows) or 1.0)
    for (kind, at, share), label, value in zip(rows, labels, values, strict=True):
        if at == 1:
            panel.write(
                MARGIN, y + LINE, drift_heading(kind, use_case), weight="bold", size=SMALL, colour=QUIET
            )
            y += 1.8 * LINE
        height = len(label) * LINE + GAP
        middle = y + height / 2
        ends = {"before": left + scale * share.before, "after": left + scale * share.after}
        panel.write(left - 2 * GAP, middle, *label, align="right")
        panel.axes.plot([left, right], [middle, middle], color=GRID, linewidth=0.8, zorder=1)
        panel.axes.plot([ends["before"], ends["after"]], [middle, middle], color=SKY, linewidth=2.5, zorder=2)
        for side, face in (("before", PANEL), ("after", BLUE)):
            if kind != {"before": "new", "after": "vanished"}[side]:
                panel.axes.plot(
                    [ends[side]], [middle], "o", color=BLUE, markerfacecolor=face, markersize=6.5, zorder=3
                )
        panel.write(WIDTH - MARGIN, middle, value, align="right")
        y += height
    return panel.figure(y, note=any(fonts.writable(share.name) is None for _, _, share in rows))


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file in 256 colours, a third of the bytes; no date or author is in it."""
    from PIL import Image

    drawing, file = io.BytesIO(), io.BytesIO()
    figure.savefig(drawing, format="png", facecolor="none")
    palette = Image.open(drawing).quantize(256, method=Image.Quantize.FASTOCTREE)
    palette.save(file, format="png", optimize=True, dpi=(DPI, DPI))
    return file.getvalue()
