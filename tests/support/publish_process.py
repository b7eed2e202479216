"""Publishing in processes of their own that start warm, so that a test can kill one at any request."""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

from support.processes import Process


class Publisher:
    """Publishes run directories to the Hub that the tests know, from other processes, one at a time.

    Args:
        folder: for caches, and for `tmp` beside it.
        token: of the Hub.
    """

    def __init__(self, folder: Path, token: str = "hf_write") -> None:
        (folder.parent / "tmp").mkdir(exist_ok=True)
        self._folder = folder
        self._env = {**os.environ, "HF_TOKEN": token, "TMPDIR": str(folder.parent / "tmp")}
        self._pid, self._started = 0, Event()

    def publish(self, directory: Path, repo: str) -> dict[str, Any] | None:
        """What `publish` returns or raises, as JSON; None where it was killed."""
        self._started.clear()
        process = Process(_publish, str(self._folder), str(directory), repo, env=self._env, folder="/")
        self._pid = process.pid
        self._started.set()
        out, err = process.communicate()
        if process.returncode == -signal.SIGKILL:
            return None
        assert process.returncode == 0, err
        result: dict[str, Any] = json.loads(out)
        return result

    def kill(self) -> None:
        """End the process that publishes."""
        self._started.wait()
        os.kill(self._pid, signal.SIGKILL)


def _publish(cache: str, directory: str, repo: str) -> None:
    """Publish with a cache of the Hub's of its own, waiting for nobody, and print how it ended."""
    from huggingface_hub import constants, file_download, utils

    from codeclm_hf.errors import CodecLMError
    from codeclm_hf.hub.publish import PublishRequest, publish_version
    from codeclm_hf.hub.repository import Repository

    constants.HF_HUB_CACHE = cache
    hurried = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    for module in (utils._http, file_download):
        module.time = hurried  # type: ignore[attr-defined]
    try:
        request = PublishRequest(directory=Path(directory))
        published = publish_version(request, Repository(repo, sleep=hurried.sleep))
        result: dict[str, Any] = {
            "version": published.version,
            "commit": published.commit,
            "new": published.new,
        }
    except CodecLMError as exc:
        result = {"error": type(exc).__name__, "text": str(exc), "exit_code": exc.exit_code}
    except BaseException as exc:
        text = "".join(traceback.format_exception(exc))
        result = {"error": type(exc).__name__, "text": text, "exit_code": None}
    print(json.dumps(result))
