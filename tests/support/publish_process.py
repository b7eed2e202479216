"""Publishing in processes of their own that start warm, so that a test can kill one at any request."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

from support.warm_process import Running, Warm


class Publisher:
    """Publishes run directories to a Hub from processes that do not start in the repository, one at a time.

    Args:
        warm: their parent, from `warm_of`.
        folder: for caches, and for `tmp` beside it.
        token: of the Hub.
    """

    def __init__(self, warm: Warm, folder: Path, token: str = "hf_write") -> None:
        (folder.parent / "tmp").mkdir(exist_ok=True)
        self._warm, self._folder = warm, folder
        self._env = {**warm.env, "HF_TOKEN": token, "TMPDIR": str(folder.parent / "tmp")}
        self._pid, self._started = 0, Event()

    def publish(self, directory: Path, repo: str, **options: Any) -> dict[str, Any] | None:
        """What `publish` returns or raises, as JSON; None where it was killed."""
        job = {"directory": str(directory), "repo": repo, **options}
        self._started.clear()
        process = Running(self._warm, [self._folder, json.dumps(job)], self._env)
        self._pid = process.pid
        self._started.set()
        out, err = process.communicate()
        if process.returncode == -signal.SIGKILL:
            return None
        assert process.returncode == 0, err
        told: dict[str, Any] = json.loads(out)
        return told

    def kill(self) -> None:
        """End the process that publishes."""
        self._started.wait()
        os.kill(self._pid, signal.SIGKILL)


def warm_of(url: str, home: Path) -> Warm:
    """What publishes to a Hub, warm, with a folder for what it keeps of Hugging Face."""
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("HF_HUB_CACHE", "HF_DATA"))
    }
    return Warm(
        "support.publish_process",
        {**env, "HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
    )


def prepare() -> None:
    """Import what publishing does, and wait for nobody."""
    import datasets
    import matplotlib.style  # noqa: F401
    import polars  # noqa: F401
    from huggingface_hub import file_download, utils
    from py3langid import rank

    import codeclm_hf.hub.publish  # noqa: F401
    from codeclm_hf.hub import repository
    from codeclm_hf.safety import secrets
    from support.run_directories import dot, quick_cards

    rank("reads the model of languages")
    secrets._scanner()  # reading its rules takes longer than to publish
    datasets.disable_progress_bars()
    hurried = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    for module in (utils._http, file_download):
        module.time = hurried  # type: ignore[attr-defined]
    repository.sleep = hurried.sleep
    dot(setattr)
    quick_cards(setattr)


def main() -> None:
    """Publish, with a cache of the Hub's of its own."""
    from huggingface_hub import constants

    from codeclm_hf.errors import CodecLMError
    from codeclm_hf.hub.publish import publish

    constants.HF_HUB_CACHE = sys.argv[1]
    try:
        made = publish(**json.loads(sys.argv[2]))
        told: dict[str, Any] = {"version": made.version, "commit": made.commit, "new": made.new}
    except CodecLMError as exc:
        told = {"error": type(exc).__name__, "text": str(exc), "exit_code": exc.exit_code}
    except BaseException as exc:
        told = {
            "error": type(exc).__name__,
            "text": "".join(traceback.format_exception(exc)),
            "exit_code": None,
        }
    print(json.dumps(told), flush=True)
    os._exit(0)
