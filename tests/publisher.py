"""A warm process that publishes in children of its own, one at a time, so that a test can kill one at any request."""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any


class Publisher:
    """Publishes run directories to a Hub from another process, which does not start in the repository.

    Args:
        url: where the Hub is.
        folder: for caches, and for `tmp` beside it.
        token: of the Hub.
    """

    def __init__(self, url: str, folder: Path, token: str = "hf_write") -> None:
        (folder.parent / "tmp").mkdir(exist_ok=True)
        own = {"HF_ENDPOINT": url, "HF_TOKEN": token, "HF_HOME": str(folder), "TMPDIR": str(folder.parent / "tmp")}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_HUB_CACHE", "HF_DATA"))}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            cwd="/",
            env={**kept, **own, "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = 0
        """Of the child that publishes."""
        self.started = Event()
        """Set once there is a pid."""

    def publish(self, directory: Path, repo: str, **options: Any) -> dict[str, Any] | None:
        """What `publish` returns or raises, as JSON; None where the child was killed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self.started.clear()
        self._process.stdin.write(json.dumps({"directory": str(directory), "repo": repo, **options}) + "\n")
        self._process.stdin.flush()
        self.pid = int(self._process.stdout.readline())
        self.started.set()
        *told, status = iter(self._process.stdout.readline, "\n")
        if told:
            result: dict[str, Any] = json.loads(told[0])
            del result["modules"]
            return result
        assert int(status) == -9, f"the child ended with {status}"
        return None

    def close(self) -> None:
        """End the process."""
        with self._process:
            self._process.kill()


def _serve() -> None:
    import datasets
    import polars  # noqa: F401  # no child imports it again
    from huggingface_hub import file_download, utils

    import codeclm_hf.hub.publish  # noqa: F401
    from codeclm_hf.hub import repository, secrets
    from published import dot

    secrets._scanner()  # reading its rules takes longer than to publish
    datasets.disable_progress_bars()
    hurried = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    for module in (utils._http, file_download):
        module.time = hurried  # type: ignore[attr-defined]
    repository.sleep = hurried.sleep
    dot(setattr)
    gc.freeze()
    for line in sys.stdin:
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            os.close(reading)
            _publish(json.loads(line), writing)
        os.close(writing)
        print(child, flush=True)
        with open(reading, encoding="utf-8") as told:
            result = told.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for name in json.loads(result).pop("modules", []) if result else []:
            with suppress(Exception):  # what a child had to import is there for the next
                importlib.import_module(name)
        print(f"{result}\n{status}\n" if result else f"{status}\n", flush=True)


def _publish(job: dict[str, Any], writing: int) -> None:
    from codeclm_hf.errors import CodecLMError
    from codeclm_hf.hub.publish import publish

    before = set(sys.modules)
    try:
        made = publish(**job)
        told: dict[str, Any] = {"version": made.version, "commit": made.commit, "new": made.new}
    except CodecLMError as exc:
        told = {"error": type(exc).__name__, "text": str(exc), "exit_code": exc.exit_code}
    except BaseException as exc:
        told = {"error": type(exc).__name__, "text": "".join(traceback.format_exception(exc)), "exit_code": None}
    told["modules"] = sorted(set(sys.modules) - before)
    os.write(writing, json.dumps(told).encode())
    os._exit(0)


if __name__ == "__main__":
    _serve()
