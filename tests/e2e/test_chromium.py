"""The page of a card in a real browser: how it looks, and that it asks nobody for anything."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from codeclm_hf.card import preview
from support import gallery
from support.browser import CHROMIUM, Browser, browser
from support.gallery import KINDS
from support.hostile_card import HOSTILE, png
from support.run_directories import run_directory_of

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.pictures,
    pytest.mark.skipif(
        CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium); none is on the PATH"
    ),
]
SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
LONG = """
> [!WARNING]
> The run that made this version accepted nothing.

> [!TIP]
> Load the `trace` config to see why.

![How many rows each use case has](figures/wide.png)

<details>
<summary>All skills</summary>

1. rhyme schemes
2. plot structure

</details>

```python
from datasets import load_dataset

rows = load_dataset("me/a-rather-long-name-of-a-data-set", "preference", split="train", revision="v12.0.1-and-more")
```

| use case | skill | rows | what it holds, in a sentence that is long enough to wrap |
|---|---|---:|---|
| creative writing | rhyme schemes | 1204 | `id`, `instruction`, `response`, `messages`, `winner`, `strong_score` |
| travel planning | the-longest-name-of-a-skill-that-a-model-ever-came-up-with-in-one-word | 3 | rubrics |

![A picture that lies elsewhere](https://example.org/picture.png)
"""
CONTRAST = """
(() => {
  const part = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 };
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number);
                       return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b) };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
                        if (!c.endsWith(', 0)')) return c } return 'rgb(255, 255, 255)' };
  const found = [...document.querySelectorAll('body *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).map(e => {
      const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) });
  return Math.min(...found);
})()
"""
"""The least contrast between a text and what lies behind it, as the Web Content Accessibility Guidelines count it."""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as one:
        yield one


def written(card: str, folder: Path) -> Path:
    page = folder / "card.html"
    page.write_text(preview.html(card, folder=folder), encoding="utf-8")
    return page


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_a_card_looks_as_it_should(window: Browser, tmp_path: Path, width: int, dark: bool) -> None:
    """On a desk and on a phone, light and dark: nothing is cut off or broken, all can be read, nobody is asked."""
    run = run_directory_of(tmp_path, [f"Write a poem about {n}" for n in range(40)])
    (run / "figures").mkdir(exist_ok=True)
    (run / "figures" / "wide.png").write_bytes(png(1600, 500))
    page = written((run / "README.md").read_text(encoding="utf-8") + LONG, run)
    seen = window.look(
        page, width=width, dark=dark, picture=SCREENSHOTS / f"card-{width}-{'dark' if dark else 'light'}.png"
    )
    assert seen.pictures == 5
    assert (seen.requests, seen.console, seen.broken, seen.wide, seen.scrolls) == ([], [], [], [], False)
    assert window.value(CONTRAST) >= 4.5
    ground = window.value("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(11, 15, 25)" if dark else "rgb(255, 255, 255)")
    assert (
        window.value("Math.max(...[...document.images].map(i => i.getBoundingClientRect().width))") <= width
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_card_of_the_gallery_looks_as_it_should(window: Browser, tmp_path: Path, kind: str) -> None:
    """From two rows to five thousand, in other scripts, and where everything failed: on a desk and on a phone."""
    run = gallery.run_directory_of(tmp_path / kind, kind)
    page = written((run / "README.md").read_text(encoding="utf-8"), run)
    for width in (1280, 400):
        seen = window.look(page, width=width, dark=width == 400, picture=SCREENSHOTS / f"{kind}-{width}.png")
        assert seen.pictures == (0 if kind == "all-failed" else 4)
        assert (seen.requests, seen.console, seen.broken, seen.wide, seen.scrolls) == ([], [], [], [], False)
        assert window.value(CONTRAST) >= 4.5


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_a_hostile_card_does_nothing(window: Browser, tmp_path: Path, width: int, dark: bool) -> None:
    """No script of a hostile card runs, nothing is asked for, and its longest words stay in the window."""
    page = written(HOSTILE, tmp_path)
    seen = window.look(
        page,
        width=width,
        dark=dark,
        picture=SCREENSHOTS / f"hostile-{width}-{'dark' if dark else 'light'}.png",
    )
    assert (seen.requests, seen.console, seen.broken, seen.wide, seen.scrolls) == ([], [], [], [], False)
    assert window.value(CONTRAST) >= 4.5
    assert window.value("document.querySelectorAll('main details').length") == 3


def test_a_page_can_be_used_with_the_keyboard(window: Browser, tmp_path: Path) -> None:
    """Boxes that scroll can be reached with Tab, and fold-outs open."""
    window.look(written(LONG, tmp_path), width=400)
    assert window.value("[...document.querySelectorAll('pre, .scroll')].every(box => box.tabIndex === 0)")
    assert window.value("document.querySelector('details').open") is False
    assert (
        window.value("document.querySelector('summary').click() || document.querySelector('details').open")
        is True
    )


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A server on another port, which has nothing."""
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.RequestHandlerClass.log_message = lambda *words: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_browser_tells_what_a_page_does(window: Browser, tmp_path: Path, elsewhere: str) -> None:
    """A page that does everything that a card must not is seen to: these tests would notice it."""
    page = tmp_path / "bad.html"
    page.write_text(
        f'<div style="width: 3000px">wide</div><img src="{elsewhere}/x.png" alt="gone"><p style="color: #eee">pale</p>'
        '<script>console.error("said"); throw new Error("thrown")</script>'
    )
    seen = window.look(page, width=400)
    assert seen.requests == [f"{elsewhere}/x.png"]
    assert any("said" in words for words in seen.console)
    assert any("thrown" in words for words in seen.console)
    assert seen.broken == ["gone"]
    assert seen.wide and seen.scrolls
    assert window.value(CONTRAST) < 4.5


def test_the_policy_stops_what_would_get_through(window: Browser, tmp_path: Path, elsewhere: str) -> None:
    """Even if a card's HTML came through as it is, the page's own policy would stop scripts and requests."""
    html = preview.html("@@@", folder=tmp_path)
    bad = f'<script>document.title = "taken"</script><img src="{elsewhere}/y.png"><iframe src="{elsewhere}/z"></iframe>'
    page = tmp_path / "slipped.html"
    page.write_text(html.replace("@@@", bad), encoding="utf-8")
    seen = window.look(page, width=400)
    assert window.value("document.title") == "A dataset card"
    assert len([words for words in seen.console if "Content Security Policy" in words]) >= 3
