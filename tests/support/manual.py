"""The README and the manual: their blocks of code, and how a reader runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

from support.processes import Process

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
}
"""Every page, by its path in the repository."""


class Block(NamedTuple):
    """A block of code."""

    language: str
    file: str | None
    """The name of the file that the block is, where its title gives one."""
    code: str


def blocks(page: str) -> list[Block]:
    """Every block of code of a page, fenced or indented, in order."""
    tokens = MarkdownIt().parse(PAGES[page].read_text(encoding="utf-8"))
    return [
        _block(token.info.strip(), token.content) for token in tokens if token.type in ("fence", "code_block")
    ]


def _block(info: str, code: str) -> Block:
    title = re.search(r'title="([^"]+)"', info)
    return Block(info.partition(" ")[0], title[1] if title else None, code)


def run_shell(code: str, folder: Path, commands: Path) -> None:
    """Type code into a shell in a folder; it must succeed.

    The commands of the folder `commands` come first, then those of the Python that runs the tests.
    """
    path = os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


def run_python(code: str, folder: Path) -> None:
    """Run code as the main module of a process in a folder; it must succeed.

    The process has imported already, which takes longer than most pages' code.
    """
    process = Process(_as_main, code, folder=str(folder))
    out, err = process.communicate(300)
    assert process.returncode == 0, f"{code}\n{out}\n{err}"


def _as_main(code: str) -> None:
    exec(compile(code, "<the page>", "exec"), {"__name__": "__main__"})
