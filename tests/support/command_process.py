"""The command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support import warm_process
from support.command_line import Result


def command(*words: object) -> list[str]:
    """The command as it is installed."""
    return [str(Path(sys.executable).with_name("codeclm-hf")), *map(str, words)]


def cli(*words: object, **env: str) -> subprocess.CompletedProcess[str]:
    """A process of its own that has imported already; `command` makes one from nothing, in three seconds more."""
    return warm_process.run(words, os.environ | env)


def refused(result: subprocess.CompletedProcess[str] | Result) -> str:
    """The one line of a refusal."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line
