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
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

_SCRIPT = """#!{python} -IS
import os, socket, sys
sys.path.append({here!r})
from support import warm_process
with socket.socket(socket.AF_UNIX) as door:
    door.connect({door!r})
    running = warm_process.Running(door, sys.argv[1:], os.environ, sys.stdout, sys.stderr)
    sys.exit(running.wait())
"""


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
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")
        self._door = str(Path(self._folder.name, "door"))
        with theirs, socket.socket(socket.AF_UNIX) as door:
            door.bind(self._door)
            door.listen()
            files = [theirs.fileno(), door.fileno()]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.warm_process", program, *map(str, files)],
                cwd="/",
                env=self.env | {"PYTHONPATH": str(Path(__file__).parents[1])},
                pass_fds=files,
                stdin=subprocess.DEVNULL,
            )
        atexit.register(self.close)

    def script(self, path: Path) -> None:
        """Write a command that runs the program, for a shell to find."""
        path.write_text(
            _SCRIPT.format(python=sys.executable, here=str(Path(__file__).parents[1]), door=self._door)
        )
        path.chmod(0o755)

    def close(self) -> None:
        self.socket.close()
        self._process.wait()
        self._folder.cleanup()
        atexit.unregister(self.close)


class Running:
    """The program in a process of its own, as `subprocess.Popen` is one; what it writes goes to files.

    Args:
        warm: its parent, or the way to it.
        words: what is typed behind its name.
        env: the whole environment.
        out: what becomes its stdout instead, something with a `fileno`.
        err: the same for stderr.
    """

    def __init__(
        self,
        warm: Warm | socket.socket,
        words: Sequence[object],
        env: Mapping[str, str],
        out: Any = None,
        err: Any = None,
    ) -> None:
        if isinstance(warm, Warm):
            changed = [name for name in {*env, *warm.env} if env.get(name) != warm.env.get(name)]
            read = [name for name in changed if name.startswith("HF_") and name != "HF_TOKEN"]
            assert not read, "imports have read it"
            warm = warm.socket
        self.args, self.returncode = [*map(str, words)], None
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        reading, writing = os.pipe()
        self._told = open(reading, "rb", buffering=0)
        with tempfile.TemporaryFile() as job, open(writing, "wb") as tells:
            job.write(json.dumps({"words": self.args, "env": dict(env), "cwd": os.getcwd()}).encode())
            job.seek(0)
            files = [file.fileno() for file in (job, out or self._out, err or self._err, tells)]
            socket.send_fds(warm, [b"."], files)
        self.pid = int(self._told.readline())

    returncode: int | None

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
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
    return Warm("support.warm_process", os.environ)


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
    import codeclm_hf.cli.main
    import codeclm_hf.evaluation.capacity_recovery  # noqa: F401
    from codeclm_hf.safety import secrets
    from support.run_directories import dot, quick_cards

    rank("reads the model of languages")
    secrets._scanner()  # reads its rules
    dot(setattr)
    quick_cards(setattr)


def main() -> None:
    """The command line."""
    from codeclm_hf.cli import main as cli

    cli.main()


def _serve(program: Any, jobs: socket.socket, door: socket.socket) -> None:
    """Run the program in a child for each job; only a child returns."""
    program.prepare()
    gc.freeze()
    while True:
        if door in select.select([jobs, door], [], [])[0]:
            with door.accept()[0] as visitor:
                _, files, _, _ = socket.recv_fds(visitor, 1, 4)
        else:
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
    door.close()
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


def _end(main: Callable[[], Any]) -> NoReturn:
    """Run it, and leave without what libraries do at the end: some join threads, which a child does not have."""
    code: Any = 1
    try:
        main()
        code = 0
    except SystemExit as exc:
        code = exc.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _program = importlib.import_module(sys.argv[1])
    _serve(_program, *(socket.socket(fileno=int(number)) for number in sys.argv[2:]))
    _end(_program.main)
