"""The command line in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Client, Listener
from pathlib import Path

from support.command_line import Result
from support.processes import Process

_SCRIPT = """#!{python} -IS
import os, sys
from multiprocessing.connection import Client
with Client({address!r}) as connection:
    connection.send((sys.argv[1:], os.getcwd(), dict(os.environ)))
    code, out, err = connection.recv()
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""


def command(*words: object) -> list[str]:
    """The command as it is installed."""
    return [str(Path(sys.executable).with_name("codeclm-hf")), *map(str, words)]


def start(*words: object, env: Mapping[str, str] | None = None, stdout: Path | None = None) -> Process:
    """The command in a process that has imported already; `command` makes one from nothing, in three seconds more."""
    return Process(_main, [*map(str, words)], env=env, stdout=stdout)


def cli(*words: object, **env: str) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` of `codeclm-hf` with these words gives, in a process that has imported already."""
    process = start(*words, env=os.environ | env)
    out, err = process.communicate()
    return subprocess.CompletedProcess([*map(str, words)], process.wait(), out, err)


def refusal_of(result: subprocess.CompletedProcess[str] | Result) -> str:
    """The one line of a refusal."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line


@contextmanager
def script(path: Path) -> Iterator[None]:
    """Write a `codeclm-hf` for a shell to find, which runs in processes that have imported already."""
    with Listener(family="AF_UNIX") as listener:
        path.write_text(_SCRIPT.format(python=sys.executable, address=listener.address), encoding="utf-8")
        path.chmod(0o755)
        thread = threading.Thread(target=_serve, args=(listener,))
        thread.start()
        try:
            yield
        finally:
            with Client(listener.address) as connection:
                connection.send(None)
            thread.join()


def _serve(listener: Listener) -> None:
    """Run one command after the other, until None comes."""
    while True:
        with listener.accept() as connection:
            if (asked := connection.recv()) is None:
                return
            words, folder, env = asked
            process = Process(_main, words, env=env, folder=folder)
            out, err = process.communicate(300)
            connection.send((process.wait(), out, err))


def _main(words: list[str]) -> None:
    from codeclm_hf.cli import main

    sys.argv = ["codeclm-hf", *words]
    main.main()
