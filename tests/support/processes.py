"""Functions in processes of their own that start warm: the fork server has imported `support.preload` before."""

from __future__ import annotations

import atexit
import functools
import itertools
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, NoReturn

TESTS = Path(__file__).parents[1]
_READ_AT_IMPORT = ("HF_", "TRANSFORMERS_", "KF_")
"""How variables begin that libraries read when the fork server imports them."""
_STARTS = threading.Lock()
"""So that the fork server is started once, whichever thread needs it first."""
_NUMBERS = itertools.count()
"""Of the processes, for the names of their files."""


class Process:
    """A function in a process of its own, as `subprocess.Popen` is a program in one; what it writes goes to files.

    Args:
        function: at the top level of a module, so that the other process finds it.
        *args: what it is called with.
        env: the whole environment; this process's if None.
        folder: where it starts; where this process is if None.
        stdout: a file that is there and becomes its stdout instead.
    """

    def __init__(
        self,
        function: Callable[..., object],
        *args: object,
        env: Mapping[str, str] | None = None,
        folder: str | None = None,
        stdout: Path | None = None,
    ) -> None:
        number = next(_NUMBERS)
        self._out, self._err = (_outputs() / f"{number}.{name}" for name in ("stdout", "stderr"))
        for file in (self._out, self._err):
            file.touch()
        environment = dict(os.environ if env is None else env)
        changed = [
            name for name in {*environment, *os.environ} if environment.get(name) != os.environ.get(name)
        ]
        late = [name for name in changed if name.startswith(_READ_AT_IMPORT) and name != "HF_TOKEN"]
        assert not late, f"{late} would change nothing: imports have read them"
        with _STARTS:
            context = _fork_server()
        self._process = context.Process(
            target=_run,
            args=(function, args, environment, folder or os.getcwd(), stdout or self._out, self._err),
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, minus the signal's number where a signal ended it, None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; returns its exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self._process.name), timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 120) -> tuple[str, str]:
        """Wait for its end; returns what it wrote to stdout and stderr."""
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return self._out.read_text(encoding="utf-8"), self._err.read_text(encoding="utf-8")


@functools.cache
def _outputs() -> Path:
    """The folder of what processes write, as long as this one lives."""
    folder = tempfile.mkdtemp(prefix="codeclm-hf-processes-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@functools.cache
def _fork_server() -> multiprocessing.context.ForkServerContext:
    """The standard library's fork server of this process; it ends when this process does."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.preload"])
    path, folder = os.environ.get("PYTHONPATH"), os.getcwd()
    os.environ["PYTHONPATH"] = str(TESTS)  # what it preloads it finds there alone, before Python 3.12
    os.chdir("/")  # where it starts it would find the source instead of the package that is installed
    try:
        forkserver.ensure_running()
    finally:
        os.chdir(folder)
        del os.environ["PYTHONPATH"]
        os.environ |= {} if path is None else {"PYTHONPATH": path}
    return context


def _run(
    function: Callable[..., object],
    args: tuple[object, ...],
    env: dict[str, str],
    folder: str,
    stdout: Path,
    stderr: Path,
) -> NoReturn:
    """Call the function, and leave without what libraries do at the end: some join threads that a fork lacks."""
    for path, number in ((stdout, 1), (stderr, 2)):
        file = os.open(path, os.O_WRONLY)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    tempfile.tempdir = None  # asked for again, in this environment
    code: Any = 1
    try:
        _check_warm()
        function(*args)
        code = 0
    except SystemExit as exc:
        code = exc.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _check_warm() -> None:
    from support import preload

    assert os.getpid() != preload.PROCESS, (
        "the fork server has not imported support.preload, and did not say why"
    )
