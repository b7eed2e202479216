"""What `real_servers.py` tries on a server: bare requests that show what it can, and the commands of codeclm-hf."""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from yarl import URL

KEY = "REAL_SERVERS_KEY"
"""The environment variable that holds a server's token."""
LEFT_OUT = (KEY, "HF_TOKEN", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""What a command's environment has only where a server is named with it."""
COLOURS = {
    "type": "object",
    "properties": {"colours": {"type": "array", "items": {"type": "string", "maxLength": 12}, "maxItems": 2}},
    "required": ["colours"],
    "additionalProperties": False,
}
SEEDS = (
    {"instruction": "Plan a weekend in Rome for two friends."},
    {"instruction": "Write a short poem about the sea."},
)
ONE_OF_ALL = ["--num-metadata", "1", "--num-instructions", "1", "--num-rubrics", "1", "--iterations", "1"]
TWO_OF_ALL = ["--num-metadata", "2", "--num-instructions", "2", "--num-rubrics", "2", "--iterations", "2"]
COMMAND_WITHIN = 1800.0
"""Seconds that a command may take."""


@dataclass(frozen=True)
class Served:
    """A server as somebody names it to codeclm-hf."""

    url: str
    model: str | None = None
    key: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    """What the environment says beside."""
    extra: str = ""
    """JSON that every request is to have too."""

    def options(self, *roles: str) -> list[str]:
        """The options by which a command is told."""
        told: list[str] = []
        for role in roles:
            told += [f"--{role}", self.url]
            told += [f"--{role}-model", self.model] if self.model else []
            told += [f"--{role}-key-env", KEY] if self.key else []
            told += [f"--{role}-extra", self.extra] if self.extra else []
        return told


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    said: str
    """Its last error, in one line; empty where there was none."""
    printed: str


def codeclm(served: Served, *arguments: str | Path) -> Outcome:
    """Run a command of codeclm-hf in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    env = {**kept, "COLUMNS": "400", **({KEY: served.key} if served.key else {}), **served.env}
    line = [str(Path(sys.executable).with_name("codeclm-hf")), *map(str, arguments)]
    try:
        done = subprocess.run(
            line, capture_output=True, text=True, env=env, timeout=COMMAND_WITHIN, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome(-1, f"no end within {COMMAND_WITHIN:g} s", "")
    said = (done.stderr.strip().splitlines() or [""])[-1] if done.returncode else ""
    said = re.sub(r"127\.0\.0\.1:\d+", "HOST:PORT", said)
    return Outcome(done.returncode, said.removeprefix("error: "), done.stdout)


def ask(served: Served, **asked: Any) -> tuple[int, Any]:
    """POST a chat completion; the status, and the JSON or the words that came."""
    url = URL(served.url)
    base = str(url.with_user(None)).rstrip("/").removesuffix("/v1")
    headers = {"Content-Type": "application/json"}
    if served.key:
        headers["Authorization"] = f"Bearer {served.key}"
    elif url.user:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{url.user}:{url.password}".encode()).decode()
    body = {"model": served.model or _only_model(base, headers, served), **asked}
    return _http(f"{base}/v1/chat/completions", headers, served, json.dumps(body).encode())


def _only_model(base: str, headers: Mapping[str, str], served: Served) -> str:
    return str(_http(f"{base}/v1/models", headers, served, None)[1]["data"][0]["id"])


def _http(url: str, headers: Mapping[str, str], served: Served, body: bytes | None) -> tuple[int, Any]:
    trust = ssl.create_default_context(cafile=served.env.get("SSL_CERT_FILE"))
    request = urllib.request.Request(url, data=body, headers=dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=300, context=trust) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read().decode("utf-8", "replace")


def _said(asked: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": asked}]


def _text(answered: tuple[int, Any]) -> str | None:
    status, reply = answered
    return str(reply["choices"][0]["message"].get("content") or "") if status == 200 else None


def json_schema(served: Served) -> str:
    """Whether it holds an answer to a JSON schema; cut off, an answer still begins like one."""
    response_format = {"type": "json_schema", "json_schema": {"name": "answer", "schema": COLOURS}}
    text = _text(
        ask(
            served,
            messages=_said("Tell me about two colours."),
            max_tokens=64,
            temperature=1,
            seed=1,
            response_format=response_format,
        )
    )
    return "refused" if text is None else "yes" if re.match(r'\s*\{\s*("colours"|$)', text) else "ignored"


def seed(served: Served) -> str:
    """Whether the same seed gives the same answer, and another seed another."""
    texts = [
        _text(ask(served, messages=_said("Tell me a story."), max_tokens=24, temperature=1.0, seed=seed))
        for seed in (1, 1, 2, 3)
    ]
    if None in texts:
        return "refused"
    if len(set(texts)) == 1:
        return "always greedy"
    return "yes" if texts[0] == texts[1] else "ignored"


def log_probabilities(served: Served) -> str:
    status, reply = ask(served, messages=_said("Hello."), max_tokens=2, logprobs=True, top_logprobs=5)
    if status != 200:
        return "refused"
    logprobs = reply["choices"][0].get("logprobs") or {}
    return "yes" if (logprobs.get("content") or [{}])[0].get("top_logprobs") else "ignored"


def usage(served: Served) -> str:
    status, reply = ask(served, messages=_said("Hello."), max_tokens=2)
    return "yes" if status == 200 and (reply.get("usage") or {}).get("prompt_tokens") else "no"


def _written(folder: Path) -> Path:
    folder.mkdir(parents=True)
    path = folder / "seeds.jsonl"
    path.write_text("".join(json.dumps(seed) + "\n" for seed in SEEDS))
    return path


def run(served: Served, folder: Path, *more: str, size: Sequence[str] = TWO_OF_ALL) -> Outcome:
    """A tiny run of the whole method with the server as strong model and target."""
    answers = ["--max-new-tokens", "32", "--threshold", "0.1", "--concurrency", "4"]
    asked = ["run", _written(folder), *served.options("strong", "target"), *size, *answers, *more]
    return codeclm(served, *map(str, asked), "--out", folder / "set")


def _ended(done: Outcome) -> str:
    """An exit code with what was said, less where to look; 1 is that the model's answers were of no use."""
    said = done.said.partition("; ")[0] if done.code == 1 else done.said
    return f"exit {done.code}: {said}"


def run_cell(served: Served, folder: Path, *more: str) -> str:
    """How many rows of the run's trace have no error."""
    done = run(served, folder, *more)
    if done.code:
        return _ended(done)
    trace = [pq.read_table(path) for path in (folder / "set" / "data" / "trace").glob("*.parquet")]
    rows = sum(table.num_rows for table in trace)
    failed = sum(len(table["error"].drop_null()) for table in trace)
    return f"yes, {rows - failed} of {rows} rows"


def evaluate_cell(served: Served, folder: Path) -> str:
    roles = served.options("candidate", "reference", "judge")
    answers = ["--max-new-tokens", "32", "--concurrency", "4", "--anyway"]
    done = codeclm(served, "evaluate", _written(folder), *roles, *answers, "--out", folder / "results")
    return "yes" if done.code == 0 else _ended(done)


def judge_check_cell(served: Served) -> str:
    """A model of 135M parameters is an unfit judge: exit code 1 is as it should be."""
    done = codeclm(served, "judge-check", *served.options("judge"), "--concurrency", "4")
    readable = re.search(r"(\d+)%\s+judgements that can be read", done.printed)
    if done.code not in (0, 1) or not readable:
        return f"exit {done.code}: {done.said}"
    return f"yes, {readable[1]} % readable"
