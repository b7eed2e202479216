"""The README's blocks of code, and how its reader runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

README = Path(__file__).parents[2] / "README.md"
RUN = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
"""What runs a block, by its language."""


def blocks() -> list[Token]:
    """Every block of code, fenced or indented."""
    tokens = MarkdownIt().parse(README.read_text(encoding="utf-8"))
    return [token for token in tokens if token.type in ("fence", "code_block")]


def run(
    code: str, language: str, folder: Path, commands: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a block in a folder, with the commands of the Python that runs the tests; it must succeed.

    `commands` is a folder of others that come first.
    """
    path = os.pathsep.join(
        [*([str(commands)] if commands else []), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    done = subprocess.run(
        [*RUN[language], code],
        cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return done
