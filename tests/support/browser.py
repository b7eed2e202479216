"""A headless Chromium that tells what it sees, driven over a pipe with the DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 60
"""Seconds without a word from the browser after which a test fails instead of hanging."""
TALLEST = 16_000
"""Pixels of a page that a screenshot shows."""

_LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for place, end in enumerate(ends, 3):
    os.dup2(end, place)
os.closerange(5, 20)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads from descriptor 3 and writes to descriptor 4."""
_OPTIONS = (
    "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--force-color-profile=srgb", "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe",
)  # fmt: skip
_BROKEN = "[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt || i.src)"
_WIDE = """
[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, pre') || e.matches('.scroll, pre'))
  .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))
"""


@dataclass
class PageLog:
    """What a page did in the browser."""

    requests: list[str] = field(default_factory=list)
    """Every address that was asked for, but the page itself and what it holds."""
    console: list[str] = field(default_factory=list)
    """Errors and warnings, of the page and of the browser about it."""
    broken: list[str] = field(default_factory=list)
    """Pictures that show nothing."""
    wide: list[str] = field(default_factory=list)
    """What reaches beyond the window and does not stand in a box that scrolls."""
    scrolls: bool = False
    """Whether the page itself can be moved sideways."""
    pictures: int = 0


class Browser:
    """One window; pages are looked at one after the other."""

    def __init__(self, profile: Path) -> None:
        to_browser, from_browser = os.pipe(), os.pipe()
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        ends = to_browser[0], from_browser[1]
        command = [str(CHROMIUM), *root, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, *map(str, ends), *command],
            pass_fds=ends,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in ends:
            os.close(end)
        self._out, self._in = to_browser[1], from_browser[0]
        self._left, self._number, self._events = b"", 0, list[dict[str, Any]]()
        self._session: str | None = None
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def close(self) -> None:
        """End the browser; its profile is no longer used."""
        self._session = None
        self._ask("Browser.close")
        self._process.wait(PATIENCE)
        for end in (self._out, self._in):
            os.close(end)

    def look(self, page: Path, *, width: int, dark: bool = False, picture: Path | None = None) -> PageLog:
        """Open a page in a window of this width, and keep a picture of all of it."""
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        self._events.clear()
        self._ask("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._events.append(self._next())
        seen = PageLog(
            broken=self._value(_BROKEN),
            wide=self._value(_WIDE),
            scrolls=self._value(
                "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            ),
            pictures=self._value("document.images.length"),
        )
        if picture:
            picture.parent.mkdir(exist_ok=True)
            picture.write_bytes(self._shot(width))
        for event in self._events:
            _note(event, page.as_uri(), seen)
        return seen

    def value(self, expression: str) -> Any:
        """What an expression is in the page that was looked at last."""
        return self._value(expression)

    def _value(self, expression: str) -> Any:
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def _shot(self, width: int) -> bytes:
        height = min(self._ask("Page.getLayoutMetrics")["cssContentSize"]["height"], TALLEST)
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(shot["data"])

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": params}
        whose = {"sessionId": self._session} if self._session else {}
        os.write(self._out, json.dumps(asked | whose).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._events.append(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return dict(answer["result"])

    def _next(self) -> dict[str, Any]:
        """The next thing the browser says, which ends with a zero byte."""
        while b"\0" not in self._left:
            assert select.select([self._in], [], [], PATIENCE)[0], "the browser says nothing"
            came = os.read(self._in, 1 << 20)
            assert came, "the browser ended"
            self._left += came
        line, _, self._left = self._left.partition(b"\0")
        return dict(json.loads(line))


def _note(event: dict[str, Any], page: str, seen: PageLog) -> None:
    """Keep of an event what a page should not do."""
    said = event.get("params", {})
    match event.get("method"):
        case "Network.requestWillBeSent":
            address = said["request"]["url"]
            if address != page and not address.startswith("data:"):
                seen.requests.append(address)
        case "Log.entryAdded":
            seen.console.append(said["entry"]["text"])
        case "Runtime.consoleAPICalled":
            seen.console.append(" ".join(str(part.get("value")) for part in said["args"]))
        case "Runtime.exceptionThrown":
            seen.console.append(said["exceptionDetails"].get("exception", {}).get("description", "an error"))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a fresh profile."""
    one = Browser(profile)
    try:
        yield one
    finally:
        one.close()
