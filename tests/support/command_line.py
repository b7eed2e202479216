"""The command line in the tests' own process, and what its answers say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from codeclm_hf.cli.main import main


@dataclass(frozen=True)
class Result:
    returncode: int
    stdout: str
    stderr: str


Cli = Callable[..., Result]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process: starting one of its own for each command takes seconds."""

    def run(*words: object, token: str = "hf_write") -> Result:
        monkeypatch.setattr("sys.argv", ["codeclm-hf", *map(str, words)])
        monkeypatch.setenv("HF_TOKEN", token)
        monkeypatch.setenv("COLUMNS", "100")
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        return Result(int(stopped.value.code or 0), *capsys.readouterr())

    return run


def output_of(result: Result) -> str:
    """What a command that succeeded wrote to stdout."""
    assert result.returncode == 0, result.stderr
    return result.stdout


def refusal_of(result: Result, code: int = 2) -> str:
    """The one line of a refusal."""
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.strip().splitlines() if line.startswith("error: ")]
    assert "Traceback" not in result.stderr
    assert len(lines) == 1
    return lines[0]
