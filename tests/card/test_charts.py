"""The pictures of a card: what they show, what is said of them, and that no name breaks them."""

from __future__ import annotations

import io
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import font_manager, ft2font
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from codeclm_hf.card import charts as module
from codeclm_hf.card import labels, panel
from codeclm_hf.card.captions import MOST_BARS, MOST_IN_CAPTION
from codeclm_hf.card.captions import captions as captions_of
from codeclm_hf.card.charts import pictures as pictures_of
from codeclm_hf.card.shapes import VersionDrift
from codeclm_hf.json_types import from_json
from codeclm_hf.text import percentage
from support.hostile_text import HOSTILE
from support.manifests import distributions_from

pytestmark = pytest.mark.pictures
CARD = 720
"""CSS pixels that a picture is wide on a card."""
PARTS = ("plan a rainy Saturday in Lisbon for two adults", "and a child")
NAMES = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(st.characters())), min_size=1, max_size=14)
EMPTY: dict[str, Any] = {
    "use_cases": {"total": 0, "rows": 0, "top": []},
    "skills": {"total": 0, "mentions": 0, "top": []},
    "iterations": [{"iteration": 1, "judged": 4, "accepted": 0, "share": 0.0}],
    "gap": {
        "threshold": 3.0,
        "edges": [n / 2 - 9 for n in range(37)],
        "counts": [0] * 36,
        "judged": 0,
        "mean": None,
    },
}


def found(names: list[str], *, threshold: float = 3.0) -> dict[str, Any]:
    """Distributions in which the first name is the most frequent."""
    rows = list(range(len(names), 0, -1))
    top = [{"name": n, "rows": r, "share": r / sum(rows)} for n, r in zip(names, rows, strict=True)]
    return {
        "use_cases": {"total": len(names), "rows": sum(rows), "top": top[:20]},
        "skills": {"total": len(names), "mentions": sum(rows), "top": top[:20]},
        "iterations": [
            {"iteration": 1, "judged": 1500, "accepted": 1200, "share": 0.75},
            {"iteration": 2, "judged": 500, "accepted": 400, "share": 0.25},
        ],
        "gap": EMPTY["gap"]
        | {"threshold": threshold, "counts": list(range(36)), "judged": 2000, "mean": -1.25},
    }


def moved(names: list[str], *, more: int = 0) -> dict[str, Any]:
    """A drift in which every name moved, is new, and vanished."""
    shares = [{"name": name, "before": 0.2, "after": 0.05} for name in names][:10]
    new, vanished = (
        [share | {"before": 0.0} for share in shares],
        [share | {"after": 0.0} for share in shares],
    )
    use_case = {"divergence": 0.2134, "movers": shares, "new": new, "vanished": vanished}
    totals = {"new_total": len(new) + more, "vanished_total": len(vanished)}
    return {
        "since": "1.0.0",
        "use_case": use_case | totals,
        "skills": use_case | totals | {"divergence": 0.5},
    }


def drift_from(drift: dict[str, Any] | None) -> VersionDrift | None:
    return from_json(VersionDrift, drift) if drift else None


def captions(distributions: dict[str, Any], drift: dict[str, Any] | None = None) -> dict[str, str]:
    return captions_of(distributions_from(distributions), drift_from(drift))


def pictures(
    distributions: dict[str, Any], drift: dict[str, Any] | None = None, **how: Any
) -> dict[str, bytes]:
    return pictures_of(distributions_from(distributions), drift_from(drift), **how)


def figures(
    distributions: dict[str, Any],
    drift: dict[str, Any] | None = None,
    fallbacks: tuple[str, ...] = labels.FALLBACKS,
) -> dict[str, Figure]:
    wanted = captions(distributions, drift)
    drawn = module.figures(distributions_from(distributions), drift_from(drift), wanted, fallbacks=fallbacks)
    return dict(drawn)


def texts(figure: Figure) -> list[Text]:
    """The visible text of a figure, laid out."""
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]  # type: ignore[attr-defined]


def written(figure: Figure) -> list[str]:
    return [text.get_text() for text in texts(figure)]


@pytest.fixture
def chinese(tmp_path: Path) -> Iterator[None]:
    """A machine with a font that has two Chinese characters."""
    from fontTools.fontBuilder import FontBuilder  # type: ignore[import-untyped]
    from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-untyped]

    pen = TTGlyphPen(None)
    for move, point in zip((pen.moveTo, pen.lineTo, pen.lineTo), ((0, 0), (900, 0), (0, 900)), strict=True):
        move(point)
    pen.closePath()
    glyphs = {".notdef": pen.glyph(), "han": pen.glyph(), "zi": pen.glyph()}
    font = FontBuilder(1000)
    font.setupGlyphOrder(list(glyphs))
    font.setupCharacterMap({ord("汉"): "han", ord("字"): "zi"})
    font.setupGlyf(glyphs)
    font.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    font.setupHorizontalHeader(ascent=900, descent=-100)
    font.setupNameTable({"familyName": "Noto Sans CJK SC", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(tmp_path / "tiny.ttf")
    fonts = font_manager.fontManager.ttflist
    before = list(fonts)
    font_manager.fontManager.addfont(tmp_path / "tiny.ttf")
    fonts[:] = [
        entry for entry in fonts if entry not in before or not entry.name.startswith(labels.FALLBACKS)
    ]
    yield
    fonts[:] = before


def test_a_picture_is_a_sharp_and_small_png() -> None:
    """Each opens, is 1440 pixels wide, takes less than 150 kB, and is clear at its corners only."""
    names = [f"{n} {'a very long name of many words ' * 3}" for n in range(20)]
    made = pictures(found(names), moved(names))
    assert list(made) == ["use-cases.png", "skills.png", "gap.png", "iterations.png", "drift.png"]
    for picture in made.values():
        assert len(picture) < 150_000
        image = Image.open(io.BytesIO(picture))
        assert image.format == "PNG"
        assert image.width == 2 * CARD
        assert image.height < 2000
        assert not {"Software", "Creation Time"} & set(image.info)
        colours = image.convert("RGBA")
        red, _, _, alpha = colours.getpixel((20, 20))  # type: ignore[misc]
        assert (red > 250, alpha, colours.getpixel((0, 0))[3]) == (True, 255, 0)  # type: ignore[index]


def test_the_same_input_gives_the_same_bytes() -> None:
    """Also in threads, and whatever a user set in matplotlib, which stays set."""
    once = pictures(found(["a", "b"]), moved(["a"]))
    with ThreadPoolExecutor(2) as threads:
        assert [*threads.map(lambda _: pictures(found(["a", "b"]), moved(["a"])), range(2))] == [once, once]
    mine: Any = {
        "font.size": 30.0,
        "text.usetex": True,
        "savefig.dpi": 30,
        "axes.facecolor": "red",
        "hatch.linewidth": 9,
    }
    with matplotlib.rc_context(mine):
        assert pictures(found(["a", "b"]), moved(["a"])) == once
        assert matplotlib.rcParams["font.size"] == 30


def test_one_thread_draws_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """matplotlib's settings and the filters of warnings are the process's: a lock is held while they are changed."""

    def seen(*_: Any) -> Iterator[tuple[str, Figure]]:
        yield str(module._ONE_AT_A_TIME.locked()), Figure()

    monkeypatch.setattr(module, "figures", seen)
    assert list(pictures(found(["a"]))) == ["True"]
    assert not module._ONE_AT_A_TIME.locked()


def test_matplotlib_comes_late_and_without_pyplot(tmp_path: Path) -> None:
    """Importing the module loads no matplotlib; drawing loads no pyplot, and so no window."""
    code = (
        "import sys, codeclm_hf.card.charts as p; assert 'matplotlib' not in sys.modules\n"
        f"from codeclm_hf.card.shapes import *\n"
        f"assert p.pictures({distributions_from(found(['a']))!r}, {drift_from(moved(['a']))!r})\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path
    )  # not the package in this folder
    assert (done.stdout.strip(), done.stderr) == ("False", "")


def test_nothing_to_show_is_no_picture() -> None:
    """Nothing accepted, nothing judged, nothing moved: no file."""
    still = moved([])
    assert captions(EMPTY) == captions(EMPTY, still) == pictures(EMPTY, still) == {}
    assert list(figures(EMPTY | {"gap": found(["a"])["gap"]})) == ["gap.png"]
    assert list(figures(EMPTY | {"use_cases": found(["a"])["use_cases"]}, moved(["a"]))) == [
        "use-cases.png",
        "drift.png",
    ]


def test_the_bars_are_the_most_frequent_names() -> None:
    """Ten of four hundred, with their shares and rows, as long as they are frequent; the title says of how many."""
    distributions = found([f"n{n}" for n in range(400)])
    figure = figures(distributions)["use-cases.png"]
    bars = [patch.get_width() for container in figure.axes[0].containers for patch in container]  # type: ignore[attr-defined]
    shares = [entry["share"] for entry in distributions["use_cases"]["top"][:MOST_BARS]]
    assert [bar / bars[0] for bar in bars] == pytest.approx([share / shares[0] for share in shares])
    text = written(figure)
    assert {"n0", "n9", f"{percentage(shares[0])}  (400)"} <= set(text)
    assert "n10" not in text
    assert any("The 10 most frequent of 400 use cases" in line and "n = 80,200 rows" in line for line in text)


def test_the_captions_hold_the_numbers() -> None:
    """Names with shares, threshold and what lies beyond, acceptance by iteration, divergence and what moved."""
    names = [f"name {n}" for n in range(7)]
    alt = captions(found(names), moved(names, more=5))
    assert "7 use cases in 28 rows: “name 0” 25.0 %, “name 1” 21.4 %" in alt["use-cases.png"]
    assert "7 skills in 28 mentions" in alt["skills.png"]
    assert [f"name {n}" in alt["skills.png"] for n in (MOST_IN_CAPTION - 1, MOST_IN_CAPTION)] == [True, False]
    assert "2,000 judged, threshold ±3, 1,600 accepted (80.0 %); the mean gap is -1.25" in alt["gap.png"]
    assert "1: 1,200 of 1,500 (75.0 %), 2: 400 of 500 (25.0 %)" in alt["iterations.png"]
    for said in (
        "since 1.0.0",
        "0.213",
        "skills 0.500",
        "“name 0” 20.0 % to 5.0 %",
        "New (12, the largest 6): “name 0”",
    ):
        assert said in alt["drift.png"]


@pytest.mark.parametrize("threshold", [0.0, 0.1, 2.7, 3.0, 8.25, 9.0, 12.0])
def test_the_threshold_stands_where_it_is(threshold: float) -> None:
    """A line at either side; what is beyond is hatched, what is not is not, and no bar is lost or doubled."""
    distributions = found(["a"], threshold=threshold)
    _, axes = figures(distributions)["gap.png"].axes
    lines = sorted(float(line.get_xdata()[0]) for line in axes.lines)  # type: ignore[index,arg-type]
    assert lines == ([-threshold, threshold] if threshold <= 9 else [])
    bars = [patch for container in axes.containers for patch in container]  # type: ignore[attr-defined]
    for bar in bars:
        ends = [abs(bar.get_x()), abs(bar.get_x() + bar.get_width())]
        assert bool(bar.get_hatch()) == (min(ends) >= threshold - 1e-9)
        assert bool(bar.get_hatch()) or max(ends) <= threshold + 1e-9
    area = sum(bar.get_width() * bar.get_height() for bar in bars)
    assert area == pytest.approx(sum(distributions["gap"]["counts"]) / 2)


def test_the_dots_stand_at_the_shares() -> None:
    """An open one before and a full one after, at places as far apart as the shares; one alone where a side is none."""
    names = [{"name": "up", "before": 0.1, "after": 0.4}, {"name": "down", "before": 0.3, "after": 0.2}]
    drift = moved(["x"])
    drift["use_case"] |= {
        "movers": names,
        "new": [{"name": "new", "before": 0.0, "after": 0.2}],
        "vanished": [],
    }
    figure = figures(EMPTY, drift)["drift.png"]
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    full = [line.get_markerfacecolor() == line.get_color() for line in dots]
    assert full == [False, True, False, True, True]
    up0, up1, down0, down1, new = (float(line.get_xdata()[0]) for line in dots)  # type: ignore[index,arg-type]
    assert (up1 - up0) / 3 == pytest.approx(down0 - down1)
    assert down1 == new
    assert {"Moved most", "New (1)", "10.0 % → 40.0 %", "20.0 %"} <= set(written(figure))
    assert not any("Vanished" in text for text in written(figure))


def test_text_is_large_enough_and_stands_apart() -> None:
    """At a card's width nothing is smaller than 12 CSS pixels, leaves the panel, or lies on other text."""
    names = ["write a long and detailed specification " * n for n in range(1, 9)] + [
        "w" * 90,
        "x",
        "c" * 10**4,
        "d",
    ]
    made = [*figures(found(names), moved(names)).values()]
    made += [figures(EMPTY | {"gap": found([], threshold=theta)["gap"]})["gap.png"] for theta in (0.0, 8.75)]
    for figure in made:
        boxes = [(text, text.get_window_extent()) for text in texts(figure)]
        for text, box in boxes:
            assert float(text.get_fontsize()) / 72 * CARD / figure.get_figwidth() >= 12
            assert 0 <= box.x0 < box.x1 <= figure.bbox.width and 0 <= box.y0 < box.y1 <= figure.bbox.height
            others = [other for _, other in boxes if other is not box]
            assert not any(box.shrunk(0.98, 0.9).overlaps(other) for other in others), text.get_text()


def test_a_long_name_is_two_lines_around_its_bar() -> None:
    """It is cut at a space, and where two lines are too little, at a full width."""
    figure = figures(found(["plan a rainy Saturday in Lisbon for two adults and a child", "w" * 80]))[
        "use-cases.png"
    ]
    first, second = (text for text in texts(figure) if text.get_text() in PARTS)
    assert (first.get_text(), second.get_text()) == PARTS
    bar = figure.axes[0].containers[0][0]  # type: ignore[index]
    lines = [text.get_position()[1] for text in (first, second)]
    assert sum(lines) / 2 - 0.36 * labels.TEXT == pytest.approx(bar.get_y() + bar.get_height() / 2)
    assert [text[-1] for text in written(figure) if text.startswith("www")] == ["w", "…"]


@settings(max_examples=6, deadline=None)
@given(NAMES)
def test_any_name_can_be_drawn(names: list[str]) -> None:
    """No name crashes, warns, or gets more than one line of what can be seen into a caption; each has its picture."""
    told = captions(found(names), moved(names))
    assert list(pictures(found(names), moved(names))) == list(told)
    for line in told.values():
        assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(character) for character in line}
        assert not set("\u200b\u202e\u2066") & set(line)


@settings(max_examples=15, deadline=None)
@given(NAMES)
def test_no_name_leaves_the_panel(names: list[str]) -> None:
    """Whatever the names, text ends where the panel ends and bars keep their room."""
    figure = figures(found(names))["use-cases.png"]
    for text in texts(figure):
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width, ascii(text.get_text())
    assert max(patch.get_width() for bars in figure.axes[0].containers for patch in bars) > 100  # type: ignore[attr-defined]


def test_hostile_names_are_plain_text() -> None:
    """Formulas are not set, text is not turned, accents do not pile up, and a symbol without a glyph is left out."""
    names = ["$x^2$ costs $5", "a\u202eb\u200bc", "e" + "\u0301" * 9, "launch \U0001f680 plans", "a\nb"]
    figure = figures(found(names), fallbacks=())["use-cases.png"]
    assert {"$x^2$ costs $5", "abc", "e\u0301\u0301\u0301", "launch plans", "a b"} <= set(written(figure))
    assert not any(text.get_parse_math() for text in texts(figure))


def test_a_name_that_no_font_has_is_a_number() -> None:
    """The bar bears its number, and a note says where the name is."""
    names = [*"abcdef", "汉字", "\U0001f680"]
    made = figures(found(names), moved(names), ())
    assert {"No. 7", "No. 8", panel.NOTE} <= set(written(made["use-cases.png"]))
    assert panel.NOTE not in written(made["drift.png"])  # it shows the first six
    assert {"No. 1", panel.NOTE} <= set(written(figures(EMPTY, moved(["汉字"]), ())["drift.png"]))


@pytest.mark.usefixtures("chinese")
def test_the_fonts_of_the_system_fill_in() -> None:
    """A name is written where some font has it, and still a number where one character is in none."""
    text = written(figures(found(["汉字", "汉字 and Latin", "语"]))["use-cases.png"])
    assert {"汉字", "汉字 and Latin", "No. 3"} <= set(text)
    assert pictures(found(["汉字"]))["skills.png"] != pictures(found(["语"]))["skills.png"]


def test_what_is_there_is_not_drawn_again() -> None:
    """Only the pictures that are missing; where none is, no matplotlib is needed."""
    existing = {"use-cases.png": b"mine", "gap.png": b"mine too"}
    assert list(pictures(found(["a"]), existing=existing)) == [*existing, "skills.png", "iterations.png"]
    every = dict.fromkeys(captions(found(["a"])), b"mine")
    assert pictures(found(["a"]), existing=every) == every


def test_scripts_that_need_shaping_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An older matplotlib would write Arabic from left to right, letter by letter: there it is a number."""
    monkeypatch.delattr(ft2font, "__libraqm_version__", raising=False)
    text = written(figures(found(["قصيدة", "naïve"]))["use-cases.png"])
    assert {"No. 1", "naïve"} <= set(text)
