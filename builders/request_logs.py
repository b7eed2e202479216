"""Instructions in the request logs of TGI, vLLM and OpenAI-style servers, and of the proxies before them.

A log holds what must not get out: keys, users, addresses. So of a line no more is read than the text that was asked,
the model, the time and the route, each only where it looks like one; no reason that is given here quotes a line.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .dialogue import Fault, asked, turns_in

COLUMNS = ("model", "created", "route")
"""What is kept of a line beside the instruction."""

# where proxies and batch files put the body that was sent, as an object or as JSON text
_ENVELOPES = ("request", "body", "json", "payload", "request_body", "requestBody", "http", "content", "data")
_DEEPEST = 4
_ROUTES = ("route", "path", "url", "uri", "endpoint", "request_uri")
_GENERATES = re.compile(
    r"(.*/)?(generate(_stream)?|(chat/)?completions|responses|invocations|chat|predict)/?|/",
    re.ASCII | re.DOTALL,
)
_KNOWN_ROUTE = re.compile(
    r"(/v\d+)?/(generate(_stream)?|(chat/)?completions|responses|invocations|predict)/?|/", re.ASCII
)
_TIMES = ("timestamp", "created", "created_at", "time", "ts", "@timestamp")
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?\s?(Z|[+-]\d\d:?\d\d)?|\d{9,19}(\.\d+)?", re.ASCII
)
_MODEL = re.compile(r"[A-Za-z0-9][\w./:@-]{0,127}", re.ASCII)
_KEY = re.compile(r"^(sk|hf|pk|gsk|xai|ghp)[-_]|[A-Za-z0-9]{40}", re.ASCII)  # a key in the model's place
# parameters of a request that no data set of instructions has as columns
_PARAMETERS = {"stream", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stop", "logprobs",
               "parameters", "presence_penalty", "frequency_penalty"}  # fmt: skip
_ANSWERS = {"completion", "response", "output", "answer", "chosen", "targets"}
_NOT_SENT_BY = {"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"}
_RENDERED = re.compile(r"<\|\w+\|>|\[/?INST\]|<start_of_turn>|<<SYS>>")
_IMAGE = re.compile(r"!\[[^\]]*\]\((https?:|data:)")
_TGI_INPUT = "Input: "
_TGI_LONGEST = 1000  # characters of an input that TGI logs
_VLLM_PROMPT = re.compile(
    r"(?:Received request|Request) (\S+?)(?: details)?: prompt: ('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"), ",
    re.DOTALL,
)


class Request(NamedTuple):
    """What a line says of a request to generate."""

    text: Any
    """What was asked, or a `Fault`."""
    kept: dict[str, str | None]
    """Its `COLUMNS`."""


def request_of(line: Mapping[str, Any], whole: bool = False) -> Request | None:
    """The request in a line of a log; None when it holds none (a health check, another route, a message)."""
    around: list[Mapping[str, Any]] = []
    for body, outer in _bodies(line, ()):
        if (text := _asked(body, outer, whole)) is not None:
            around = [body, *reversed(outer)]
            break
    else:
        if (text := _logged(line)) is None:
            return None
        around = [line]
    route = next((path for part in around if (path := _path(part))), None)
    if route is not None and not _GENERATES.fullmatch(route):
        return None
    if any(str(part.get("method")).upper() in _NOT_SENT_BY for part in around):
        return None
    model = next((part["model"] for part in around if _is_model(part.get("model"))), None)
    created = next((str(part[key]) for part in around for key in _TIMES if _is_time(part.get(key))), None)
    kept = {
        "model": model,
        "created": created,
        "route": route if route and _KNOWN_ROUTE.fullmatch(route) else None,
    }
    return Request(text, kept)


def is_traffic(line: Mapping[str, Any]) -> bool:
    """Whether a row is a line of a request log, and not a row of a data set that happens to have such columns."""
    if request_of(line) is None:
        return False
    if not {"messages", "prompt", "inputs"} & set(line):
        return True
    if turns := turns_in(line.get("messages")):
        if turns[-1].get("role") not in ("user", "tool"):
            return False
        sent = _is_model(line.get("model"))
    else:
        sent = isinstance(line.get("inputs"), str) and len(line) == 1
    return sent or (bool(_PARAMETERS & set(line)) and not _ANSWERS & set(line))


def _bodies(value: Any, outer: tuple[Mapping[str, Any], ...]) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """Every object that may be the body of a request, with the objects around it, the outermost first."""
    if isinstance(value, str) and outer and value.lstrip()[:1] == "{":
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return
    if not isinstance(value, dict):
        return
    yield value, outer
    if len(outer) < _DEEPEST:
        for key in _ENVELOPES:
            if key in value:
                yield from _bodies(value[key], (*outer, value))


def _asked(body: Mapping[str, Any], outer: tuple[Mapping[str, Any], ...], whole: bool) -> Any:
    """What a body asks for; None when it is no body of a request to generate."""
    if isinstance(body.get("messages"), list):
        return asked({}, body["messages"], whole)
    if any((path := _path(part)) and path.rstrip("/").endswith("/responses") for part in outer):
        spoken = body.get("input")
        if isinstance(spoken, list):
            return asked({}, spoken, whole)
        return _raw(spoken) if isinstance(spoken, str) else None
    for key in ("inputs", "prompt"):
        value = body.get(key)
        if isinstance(value, list) and value:
            if all(isinstance(text, str) for text in value):
                return (
                    _raw(value[0])
                    if len(value) == 1
                    else Fault(f"the request has {len(value)} prompts, needs one")
                )
            return Fault("the prompt is a list of tokens, needs text")
        if isinstance(value, str):
            return _raw(value)
    return None


def _raw(prompt: str) -> Any:
    if _RENDERED.search(prompt):
        return Fault(
            "the prompt is a chat template's, system prompt and all; the log of the messages has the turns"
        )
    return Fault("the prompt has images, needs text alone") if _IMAGE.search(prompt) else prompt


def _logged(line: Mapping[str, Any]) -> Any:
    """What a server's own log says it was asked: TGI's at level DEBUG, vLLM's with --enable-log-requests."""
    fields = line.get("fields")
    message = fields.get("message") if isinstance(fields, dict) else line.get("message")
    if not isinstance(message, str):
        return None
    if message.startswith(_TGI_INPUT) and str(line.get("target")).startswith("text_generation_router"):
        prompt = message.removeprefix(_TGI_INPUT)
        return (
            Fault(f"the log has its first {_TGI_LONGEST} characters only")
            if len(prompt) >= _TGI_LONGEST
            else _raw(prompt)
        )
    if match := _VLLM_PROMPT.match(message):
        if match[1].startswith("chat"):
            return Fault(
                "the prompt is a chat template's, system prompt and all; the log of the messages has the turns"
            )
        try:
            return _raw(str(ast.literal_eval(match[2])))
        except (ValueError, SyntaxError):
            return Fault("the log's prompt cannot be read")
    return None


def _path(part: Mapping[str, Any]) -> str | None:
    """The path of the route that an object names, without its query, its host and the method before it."""
    for key in _ROUTES:
        value = part.get(key)
        if isinstance(value, dict):
            value = value.get("path") or value.get("full")
        if isinstance(value, str) and value:
            words = value.split()
            value = next((word for word in words if "/" in word), "") if words else ""
            try:
                path = urlsplit(value).path
            except ValueError:
                continue
            if path.startswith("/"):
                return path
    return None


def _is_model(value: Any) -> bool:
    return isinstance(value, str) and bool(_MODEL.fullmatch(value)) and not _KEY.search(value)


def _is_time(value: Any) -> bool:
    return (
        isinstance(value, (str, int, float))
        and not isinstance(value, bool)
        and bool(_TIME.fullmatch(str(value)))
    )
