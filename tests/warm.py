"""Processes of their own that begin where their imports end: children of one that has imported all they need."""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any


class Warm:
    """A process that has imported what a program needs, and waits for somebody to run it; it ends when this one does.

    Args:
        program: the module of the program: its `prepare` imports what is needed, and starts no thread; its `main` is
            the program, with its words in `sys.argv`.
        env: the environment of the imports.
    """

    def __init__(self, program: str, env: Mapping[str, str]) -> None:
        self.env = dict(env)
        self.socket, theirs = socket.socketpair()
        with theirs:
            line = [sys.executable, __file__, str(theirs.fileno()), program]
            self._process = subprocess.Popen(
                line, cwd="/", env=self.env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        atexit.register(self.close)

    def close(self) -> None:
        self.socket.close()
        self._process.wait()
        atexit.unregister(self.close)


class Running:
    """The program in a process of its own, as `subprocess.Popen` is one; what it writes goes to files.

    Args:
        warm: its parent.
        words: what is typed behind its name.
        env: the whole environment.
        out: what becomes its stdout instead, something with a `fileno`.
    """

    def __init__(self, warm: Warm, words: Sequence[object], env: Mapping[str, str], out: Any = None) -> None:
        changed = [name for name in {*env, *warm.env} if env.get(name) != warm.env.get(name)]
        assert not [name for name in changed if name.startswith("HF_") and name != "HF_TOKEN"], "imports have read it"
        self.args, self.returncode = [*map(str, words)], None
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        reading, writing = os.pipe()
        self._told = open(reading, "rb", buffering=0)
        with tempfile.TemporaryFile() as job, open(writing, "wb") as tells:
            job.write(json.dumps({"words": self.args, "env": dict(env), "cwd": os.getcwd()}).encode())
            job.seek(0)
            files = [file.fileno() for file in (job, out or self._out, self._err, tells)]
            socket.send_fds(warm.socket, [b"."], files)
        self.pid = int(self._told.readline())

    returncode: int | None

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float) -> int:
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 120) -> tuple[str, str]:
        """Wait for its end; what it wrote to stdout and stderr."""
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return _all(self._out), _all(self._err)


def _all(file: IO[bytes]) -> str:
    with file:
        file.seek(0)
        return file.read().decode()


@functools.cache
def command() -> Warm:
    """The command line, warm."""
    return Warm("warm", os.environ)


def run(words: Sequence[object], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` of `codeclm-hf` with these words gives."""
    process = Running(command(), words, env)
    out, err = process.communicate()
    assert process.returncode is not None
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def prepare() -> None:
    """Import what the command line does."""
    os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"  # as the command does before it imports them
    import matplotlib.style  # noqa: F401
    import polars  # noqa: F401
    import pydantic.fields
    import pydantic.type_adapter  # noqa: F401
    from py3langid import rank

    import codeclm_hf.builders
    import codeclm_hf.cli
    import codeclm_hf.metrics.capacity_recovery  # noqa: F401
    from published import dot

    rank("reads the model of languages")
    dot(setattr)


def main() -> None:
    """The command line."""
    from codeclm_hf import cli

    cli.main()


def _serve(jobs: socket.socket, program: Any) -> None:
    """Run the program in a child for each job; only a child returns."""
    program.prepare()
    gc.freeze()
    while True:
        _, files, _, _ = socket.recv_fds(jobs, 1, 4)
        if not files:
            sys.exit()
        if os.fork() == 0:
            break
        for file in files:
            os.close(file)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    jobs.close()
    job, out, err, tells = files
    if child := os.fork():  # one waits for the end of the other
        os.write(tells, f"{child}\n".encode())
        os.write(tells, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
        os._exit(0)
    os.close(tells)
    for file, number in ((out, 1), (err, 2)):
        os.dup2(file, number)
        os.close(file)
    with open(job, "rb") as told:
        given = json.load(told)
    os.chdir(given["cwd"])
    os.environ.clear()
    os.environ.update(given["env"])
    sys.argv = ["codeclm-hf", *given["words"]]


if __name__ == "__main__":
    _program = importlib.import_module(sys.argv[2])
    _serve(socket.socket(fileno=int(sys.argv[1])), _program)
    _program.main()
