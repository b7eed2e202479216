"""A warm process that prepares tailored data sets, or runs commands, in children of its own, which can die midway."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import Any


class Preparer:
    """Calls `Tailored(…).download_and_prepare(…)`, or the command line, in other processes."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.prepare_process"],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def prepare(self, *jobs: dict[str, Any]) -> list[int]:
        """How the children ended that did these jobs at the same time: 0, or -9 where one was killed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(jobs) + "\n")
        self._process.stdin.flush()
        ends: list[int] = json.loads(self._process.stdout.readline())
        return ends

    def close(self) -> None:
        """End the process."""
        with self._process:
            self._process.kill()


def die(*_: Any, **__: Any) -> None:
    """Be killed, here."""
    os.kill(os.getpid(), signal.SIGKILL)


def _serve() -> None:
    import datasets

    import codeclm_hf.builders
    import codeclm_hf.cli.main  # noqa: F401  # no child imports it again

    datasets.disable_progress_bars()
    gc.freeze()
    for line in sys.stdin:
        children = []
        for job in json.loads(line):
            if (child := os.fork()) == 0:
                _command(**job) if "command" in job else _do(**job)
            children.append(child)
        print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children], flush=True)


def _do(
    *, strong: str, target: str, mode: str | None = None, dies: int | str | None = None, **options: Any
) -> None:
    from codeclm_hf import endpoint
    from codeclm_hf.builders import Tailored

    try:
        models = {"strong": endpoint(strong), "target": endpoint(target)}
        if isinstance(dies, int):
            models["strong"] = _Mortal(models["strong"], dies)
        builder = Tailored(**models, **options)
        if dies == "when the tables are written":
            builder._save_info = die
        elif dies == "when the old tables are away":
            save = builder._save_info
            builder._save_info = lambda: (save(), die())
        elif dies == "while the old tables are deleted":
            shutil.rmtree = _half_deleted  # type: ignore[assignment]
        builder.download_and_prepare(download_mode=mode)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _command(*, command: list[str], dies: int | str | None = None) -> None:
    """A command, killed when so many answers have come or when its tables are about to be put in place."""
    from codeclm_hf import files
    from codeclm_hf.cli import main
    from codeclm_hf.endpoints.pool import Pool

    try:
        if isinstance(dies, int):
            left, generate = [dies], Pool.generate

            async def mortal(*args: Any, **options: Any) -> Any:
                completion = await generate(*args, **options)
                left[0] -= 1
                return completion if left[0] > 0 else die()

            Pool.generate = mortal  # type: ignore[method-assign]
        elif dies:
            write = files.write
            files.write = lambda *args: (write(*args), die())  # type: ignore[assignment,func-returns-value]
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where the parent writes how we ended
        sys.argv = ["codeclm-hf", *command]
        main.main()
    except SystemExit as exc:
        os._exit(int(exc.code or 0))
    except BaseException:
        traceback.print_exc()
        os._exit(1)


class _Mortal:
    """An endpoint whose process is killed when so many answers have come."""

    def __init__(self, endpoint: Any, answers: int) -> None:
        self._endpoint, self._left, self.identity = endpoint, answers, endpoint.identity

    async def generate(self, request: Any, *, send_guard: Any = nullcontext) -> Any:
        completion = await self._endpoint.generate(request, send_guard=send_guard)
        self._left -= 1
        if not self._left:
            die()
        return completion


def _half_deleted(folder: str, **_: Any) -> None:
    """`shutil.rmtree`, killed in the middle of a folder of tables; the file that names them goes last."""
    if os.path.isdir(folder) and (tables := [name for name in os.listdir(folder) if name.endswith(".arrow")]):
        os.unlink(os.path.join(folder, tables[0]))
        die()


if __name__ == "__main__":
    _serve()
