"""The command line in processes of its own that begin where its imports end: children of one that has imported all."""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import IO, Any

_HERE = ("HF_TOKEN",)
"""What is read of the environment when it is needed; all else that begins like it is read by imports."""


class Running:
    """A process that runs the command line, as `subprocess.Popen` is one; what it writes goes to files.

    Args:
        words: what is typed behind `codeclm-hf`.
        env: the whole environment.
        out: what becomes its stdout instead, something with a `fileno`.
    """

    def __init__(self, words: list[str], env: dict[str, str], out: Any = None) -> None:
        changed = [name for name in {*env, *os.environ} if env.get(name) != os.environ.get(name)]
        assert not [name for name in changed if name.startswith("HF_") and name not in _HERE], "imports have read it"
        self.args, self.returncode = words, None
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        reading, writing = os.pipe()
        self._told = open(reading, "rb", buffering=0)
        with tempfile.TemporaryFile() as job, open(writing, "wb") as tells:
            job.write(json.dumps({"words": words, "env": env, "cwd": os.getcwd()}).encode())
            job.seek(0)
            socket.send_fds(_warm(), [b"."], [file.fileno() for file in (job, out or self._out, self._err, tells)])
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


def run(words: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` of the command gives."""
    process = Running(words, env)
    out, err = process.communicate()
    assert process.returncode is not None
    return subprocess.CompletedProcess(words, process.returncode, out, err)


@functools.cache
def _warm() -> socket.socket:
    """The way to the warm process, which ends when this one does."""
    ours, theirs = socket.socketpair()
    with theirs:
        line = [sys.executable, __file__, str(theirs.fileno())]
        process = subprocess.Popen(line, cwd="/", pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(jobs: socket.socket) -> None:
    os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"  # as the command does before it imports them
    import matplotlib.style  # noqa: F401  # no child imports any of these again
    import polars  # noqa: F401
    import pydantic.fields
    import pydantic.type_adapter  # noqa: F401
    from py3langid import rank

    import codeclm_hf.builders
    import codeclm_hf.metrics.capacity_recovery  # noqa: F401
    from codeclm_hf import cli
    from published import dot

    rank("nor reads the model of languages again")
    dot(setattr)
    gc.freeze()
    while True:
        _, files, _, _ = socket.recv_fds(jobs, 1, 4)
        if not files:
            return
        if os.fork() == 0:
            break
        for file in files:
            os.close(file)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    jobs.close()
    job, out, err, tells = files
    if child := os.fork():
        os.write(tells, f"{child}\n".encode())
        os.write(tells, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
        os._exit(0)
    with open(job, "rb") as file:
        given: dict[str, Any] = json.load(file)
    for file, number in ((out, 1), (err, 2)):
        os.dup2(file, number)
        os.close(file)
    os.close(tells)
    os.chdir(given["cwd"])
    os.environ.clear()
    os.environ.update(given["env"])
    sys.argv = ["codeclm-hf", *given["words"]]
    sys.exit(cli.main())


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
