"""Instructions in the request logs of TGI, vLLM and OpenAI-style servers, and of the proxies before them.

A log holds what must not get out: keys, users, addresses. So nothing of a line is read but the text that was
asked, the model, the time and the route, each only where it looks like one; and no error message here quotes
a line.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .dialogue import Fault, turns_in, user_text

COLUMNS = ("model", "created", "route")
"""The columns that a seed from a log keeps."""

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
_PARAMETERS = {"stream", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stop",
               "logprobs", "parameters", "presence_penalty", "frequency_penalty"}  # fmt: skip
_ANSWERS = {"completion", "response", "output", "answer", "chosen", "targets"}
_NOT_SENT_BY = {"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"}
_RENDERED = re.compile(r"<\|\w+\|>|\[/?INST\]|<start_of_turn>|<<SYS>>")
_IMAGE = re.compile(r"!\[[^\]]*\]\((https?:|data:)")
_TGI_INPUT = "Input: "
_TGI_LONGEST = 1000  # characters of an input that TGI logs
_TEMPLATE_PROMPT = Fault(
    "the prompt is a chat template's, system prompt and all; the log of the messages has the turns"
)
_VLLM_PROMPT = re.compile(
    r"(?:Received request|Request) (\S+?)(?: details)?: prompt: ('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"), ",
    re.DOTALL,
)


class Request(NamedTuple):
    """A logged request to generate."""

    text: str | Fault
    """What was asked, or why that cannot be an instruction."""
    columns: dict[str, str | None]
    """Its `COLUMNS`."""


def request_of(line: Mapping[str, Any], whole: bool = False) -> Request | None:
    """Return the request in a line of a log, or None for another line (a health check, a message)."""
    around: list[Mapping[str, Any]] = []
    for body, outer in _bodies(line, ()):
        if (text := _text_in_body(body, outer, whole)) is not None:
            around = [body, *reversed(outer)]
            break
    else:
        if (text := _text_in_message(line)) is None:
            return None
        around = [line]
    route = next((path for part in around if (path := _path(part))), None)
    if route is not None and not _GENERATES.fullmatch(route):
        return None
    if any(str(part.get("method")).upper() in _NOT_SENT_BY for part in around):
        return None
    model = next((part["model"] for part in around if _is_model(part.get("model"))), None)
    created = next((str(part[key]) for part in around for key in _TIMES if _is_time(part.get(key))), None)
    columns = {
        "model": model,
        "created": created,
        "route": route if route and _KNOWN_ROUTE.fullmatch(route) else None,
    }
    return Request(text, columns)


def is_traffic(line: Mapping[str, Any]) -> bool:
    """Return whether a row is a line of a request log, not of a data set that has such columns by chance."""
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


def _bodies(
    value: Any, outer: tuple[Mapping[str, Any], ...]
) -> Iterator[tuple[Mapping[str, Any], tuple[Mapping[str, Any], ...]]]:
    """Yield every object that may be a request's body, with the objects around it, the outermost first."""
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


def _text_in_body(
    body: Mapping[str, Any], outer: tuple[Mapping[str, Any], ...], whole: bool
) -> str | Fault | None:
    """Return what a request's body asks for, or None if it is no body of a request to generate."""
    if isinstance(body.get("messages"), list):
        return user_text({}, body["messages"], whole)
    if any((path := _path(part)) and path.rstrip("/").endswith("/responses") for part in outer):
        spoken = body.get("input")
        if isinstance(spoken, list):
            return user_text({}, spoken, whole)
        return _plain_prompt(spoken) if isinstance(spoken, str) else None
    for key in ("inputs", "prompt"):
        value = body.get(key)
        if isinstance(value, list) and value:
            if not all(isinstance(text, str) for text in value):
                return Fault("the prompt is a list of tokens, needs text")
            if len(value) > 1:
                return Fault(f"the request has {len(value)} prompts, needs one")
            return _plain_prompt(value[0])
        if isinstance(value, str):
            return _plain_prompt(value)
    return None


def _plain_prompt(prompt: str) -> str | Fault:
    if _RENDERED.search(prompt):
        return _TEMPLATE_PROMPT
    return Fault("the prompt has images, needs text alone") if _IMAGE.search(prompt) else prompt


def _text_in_message(line: Mapping[str, Any]) -> str | Fault | None:
    """Return what a server was asked, by its log: TGI's at level DEBUG, vLLM's with --enable-log-requests."""
    fields = line.get("fields")
    message = fields.get("message") if isinstance(fields, dict) else line.get("message")
    if not isinstance(message, str):
        return None
    if message.startswith(_TGI_INPUT) and str(line.get("target")).startswith("text_generation_router"):
        prompt = message.removeprefix(_TGI_INPUT)
        if len(prompt) >= _TGI_LONGEST:
            return Fault(f"the log has its first {_TGI_LONGEST} characters only")
        return _plain_prompt(prompt)
    if match := _VLLM_PROMPT.match(message):
        if match[1].startswith("chat"):
            return _TEMPLATE_PROMPT
        try:
            return _plain_prompt(str(ast.literal_eval(match[2])))
        except (ValueError, SyntaxError):
            return Fault("the log's prompt cannot be read")
    return None


def _path(part: Mapping[str, Any]) -> str | None:
    """Return the path of the route that an object names, without method, host and query."""
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
