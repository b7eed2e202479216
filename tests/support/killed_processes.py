"""`Tailored`, the command line and a stage in processes of their own, ended at a moment that a test chooses."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from support.processes import Process


def exit_codes(*jobs: dict[str, Any]) -> list[int]:
    """How processes end that do these jobs at the same time: 0, or -9 where one was killed.

    A job is the keyword arguments of `_prepare` or, with `command`, of `_command`.
    """
    processes = [Process(_command if "command" in job else _prepare, job) for job in jobs]
    for process in processes:
        _, err = process.communicate(300)
        sys.stderr.write(err)
    return [process.wait() for process in processes]


def die(*_: Any, **__: Any) -> None:
    """Be killed, here."""
    os.kill(os.getpid(), signal.SIGKILL)


def _prepare(job: dict[str, Any]) -> None:
    """Prepare a tailored data set; `dies` says when the process is killed, the rest is the builder's."""
    from codeclm_hf import endpoint
    from codeclm_hf.builders import Tailored

    dies, mode = job.pop("dies", None), job.pop("mode", None)
    strong, target = endpoint(job.pop("strong")), endpoint(job.pop("target"))
    mortal = _Mortal(strong, dies) if isinstance(dies, int) else strong
    builder = Tailored(strong=mortal, target=target, **job)
    if dies == "when the tables are written":
        builder._save_info = die
    elif dies == "when the old tables are away":
        save = builder._save_info
        builder._save_info = lambda: (save(), die())
    elif dies == "while the old tables are deleted":
        shutil.rmtree = _half_deleted
    builder.download_and_prepare(download_mode=mode)


def _command(job: dict[str, Any]) -> None:
    """Run a command, killed when so many answers have come or when its tables are about to be put in place."""
    from codeclm_hf.cli import main
    from codeclm_hf.endpoints.pool import Pool
    from codeclm_hf.run import directory

    dies = job.get("dies")
    if isinstance(dies, int):
        countdown, generate = _Countdown(dies), Pool.generate

        async def mortal(*args: Any, **options: Any) -> Any:
            completion = await generate(*args, **options)
            countdown.step()
            return completion

        Pool.generate = mortal  # type: ignore[method-assign]
    elif dies:
        write = directory.write_parquet
        directory.write_parquet = lambda *args: (write(*args), die())  # type: ignore[assignment,func-returns-value]
    sys.argv = ["codeclm-hf", *job["command"]]
    main.main()


def map_until_interrupted(url: str, how: str) -> None:
    """Encode 50 seeds with one request at a time, and print "interrupted" where a Ctrl-C ends it."""
    from datasets import Dataset

    from codeclm_hf import Encode, endpoint

    stage = Encode(strong=endpoint(url, concurrency=1))
    seeds = Dataset.from_dict({"instruction": [f"seed {n}" for n in range(50)]})

    async def cell() -> None:
        stage.map(seeds)

    ways: dict[str, Callable[[], object]] = {
        "map": lambda: stage.map(seeds),
        "call": lambda: stage(seeds[:]),
        "notebook": lambda: asyncio.new_event_loop().run_until_complete(cell()),
    }
    try:
        ways[how]()
    except KeyboardInterrupt:
        print("interrupted")


class _Countdown:
    """Kills its process at the last of so many steps."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def step(self) -> None:
        self._left -= 1
        if not self._left:
            die()


class _Mortal:
    """An endpoint whose process is killed when so many answers have come."""

    def __init__(self, endpoint: Any, answers: int) -> None:
        self._endpoint, self._countdown, self.identity = endpoint, _Countdown(answers), endpoint.identity

    async def generate(self, request: Any, *, send_guard: Any = nullcontext) -> Any:
        completion = await self._endpoint.generate(request, send_guard=send_guard)
        self._countdown.step()
        return completion


def _half_deleted(folder: str, **_: Any) -> None:
    """`shutil.rmtree`, killed in the middle of a folder of tables; the file that names them goes last."""
    if os.path.isdir(folder) and (tables := [name for name in os.listdir(folder) if name.endswith(".arrow")]):
        os.unlink(os.path.join(folder, tables[0]))
        die()
