"""A TGI or chat server on a real socket whose answers are a known function: strict about what it is asked."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from support.shapes import Shape

Answer = Callable[[list[dict[str, str]], dict[str, Any]], str | dict[str, Any] | list[Any]]
"""(messages, {"schema", "seed", "temperature", "max_new_tokens"}) -> the text, or a value sent as JSON."""

TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>"
_TURN = re.compile(r"<\|(user|assistant)\|>(.*?)<\|end\|>", re.S)


class CutOff(str):
    """A text that ended where the room did."""


class StandIn:
    """Serves `/generate`, the Messages API and `/info` as TGI does, or chat completions and `/v1/models` as vLLM does.

    Args:
        answer: what the model says.
        tgi: which of the two it is.
        model: TGI's model id (a folder with a tokenizer), or the served name.
        token: demanded as a bearer token where given.
        grammar: whether it takes a JSON schema; without one it refuses as a TGI without grammar support does.
        script: failures to answer with first, in order: (status, body, content type, headers), "drop" or "hang".
        fault: after those, what a request (its body) gets instead of an answer, if anything.
        slots: most requests at once; a further one is refused as an overloaded TGI refuses it.
        told: what `/info` says of that.
        latency: seconds an answer takes, or what gives them for a request (its body).
        shape: how its thoughts and its answers come, where it thinks.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        tgi: bool = True,
        model: str = "stand-in",
        token: str | None = None,
        grammar: bool = True,
        script: list[Any] | None = None,
        fault: Callable[[dict[str, Any]], Any] | None = None,
        slots: int | None = None,
        told: int = 128,
        latency: float | Callable[[dict[str, Any]], float] = 0.0,
        shape: Shape | None = None,
    ) -> None:
        self.answer, self.tgi, self.model, self.token, self.grammar = answer, tgi, model, token, grammar
        self.script, self.fault, self.shape = script or [], fault, shape
        self.closed: Callable[[web.Request], Any] | None = None
        """What any request gets instead of being dealt with, if anything: a proxy before a server that is not there."""
        self.replies_as: Callable[[dict[str, Any]], str] | None = None
        """What the reply to a body names as the model, if anything."""
        self.slots, self.told, self.latency = slots, told, latency
        self.in_flight = self.most_in_flight = 0
        self.statuses: list[int] = []
        """Of every generation request that came, in the order of the replies; 0 for one that was dropped or hung."""
        self.asked: list[dict[str, Any]] = []
        """Every generation request that was answered: path, body, headers."""
        self.unknown: list[str] = []
        """Requests for routes that such a server does not have."""
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.start()

    def start(self) -> None:
        """Listen, on the same port as before."""
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        self.url = f"http://127.0.0.1:{self._port}"

    async def _start(self) -> None:
        self._stopping = asyncio.Event()
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        assert self._runner.server is not None
        self._listener = await self._loop.create_server(
            self._runner.server, "127.0.0.1", self._port, reuse_address=True
        )
        self._port = self._listener.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Die: every connection is dropped, and new ones are refused."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)

    async def _stop(self) -> None:
        if self._runner is None:
            return
        self._stopping.set()
        runner, self._runner = self._runner, None
        # A listener that closes leaks the connections that it is accepting: it accepts no more, and lets those in.
        for listening in self._listener.sockets:
            self._loop.remove_reader(listening.fileno())
        for _ in ("its transport is made", "its protocol has it"):
            await asyncio.sleep(0)
        self._listener.close()
        assert runner.server is not None
        transports = [connection.transport for connection in runner.server.connections]
        await runner.cleanup()
        for transport in transports:
            if transport is not None:
                transport.abort()  # closing waits for whoever does not read the reply

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        route = f"{request.method} {request.path}"
        if self.closed and (step := self.closed(request)):
            if request.method == "POST":
                self.statuses.append(step[0])
            return web.Response(status=step[0], text=step[1], content_type=step[2], headers=step[3])
        if (
            self.token
            and request.path != "/info"
            and request.headers.get("Authorization") != f"Bearer {self.token}"
        ):
            return web.Response(status=401)
        if route == "GET /info" and self.tgi:
            return web.json_response(
                {
                    "model_id": self.model,
                    "model_sha": None,
                    "max_concurrent_requests": self.told,
                    "version": "3.3.7",
                }
            )
        if route == "GET /info":
            return web.json_response({"detail": "Not Found"}, status=404)
        if route == "GET /v1/models":
            owner = {"created": 0, "owned_by": self.model} if self.tgi else {"created": 1, "owned_by": "vllm"}
            return web.json_response(
                {"object": "list", "data": [{"id": self.model, "object": "model", **owner}]}
            )
        if route == "POST /generate" and self.tgi:
            return await self._count(self._generate, request)
        if route == "POST /v1/chat/completions":
            return await self._count(self._chat, request)
        self.unknown.append(route)
        return web.json_response({"detail": "Not Found"}, status=404)

    async def _count(
        self, handle: Callable[[web.Request], Awaitable[web.StreamResponse]], request: web.Request
    ) -> web.StreamResponse:
        asked = json.loads(await request.read())
        if "messages" not in asked and "inputs" not in asked:  # somebody learns whether the token is taken
            return await handle(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        status = 0
        try:
            if self.slots is not None and self.in_flight > self.slots:
                response: web.StreamResponse = _error(429, "Model is overloaded", "overloaded")
            else:
                await asyncio.sleep(self.latency(asked) if callable(self.latency) else self.latency)
                response = await handle(request)
            status = response.status if request.transport else 0
            return response
        finally:
            self.in_flight -= 1
            self.statuses.append(status)

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if "inputs" not in body:
            return web.Response(
                status=422,
                text="Failed to deserialize the JSON body into the target type: missing field `inputs`",
            )
        parameters = body["parameters"]
        if parameters.get("temperature", 1) <= 0:
            return _error(422, "`temperature` must be strictly positive", "validation")
        grammar = parameters.get("grammar")
        if grammar and ("properties" not in grammar["value"] or parameters["max_new_tokens"] > 1024):
            return _error(
                422, "Grammar must have a 'properties' field, and at most 1024 tokens", "validation"
            )
        messages = [{"role": role, "content": content} for role, content in _TURN.findall(body["inputs"])]
        assert body["inputs"].endswith("<|assistant|>")
        text = await self._say(
            request,
            body,
            messages,
            {
                "schema": grammar and grammar["value"],
                "seed": parameters.get("seed"),
                "temperature": parameters.get("temperature", 0) if parameters.get("do_sample") else 0,
                "max_new_tokens": parameters["max_new_tokens"],
            },
        )
        if isinstance(text, web.StreamResponse):
            return text
        reason = "length" if isinstance(text, CutOff) else "eos_token"
        if self.shape is not None and not grammar:  # a grammar leaves no place for thoughts
            choice = self.shape.choice(
                str((messages, parameters["seed"])), text, parameters["max_new_tokens"]
            )
            text = choice["message"]["content"]
            reason = "length" if choice["finish_reason"] == "length" else reason
        details = {
            "finish_reason": reason,
            "generated_tokens": len(text.split()),
            "seed": None,
            "prefill": [],
            "tokens": [],
        }
        return web.json_response(
            {"generated_text": text, "details": details},
            headers={"x-prompt-tokens": str(len(body["inputs"].split()))},
        )

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if "messages" not in body:
            return _error(422 if self.tgi else 400, "messages is required", "validation")
        schema = body.get("response_format")
        if schema and self.tgi:
            if schema["type"] != "json_object" or "properties" not in schema["value"]:
                return web.Response(
                    status=422,
                    text="Failed to deserialize the JSON body into the target type: response_format",
                )
            schema = schema["value"]
        elif schema:
            assert schema["type"] == "json_schema", schema
            schema = schema["json_schema"]["schema"]
        text = await self._say(
            request,
            body,
            body["messages"],
            {
                "schema": schema,
                "seed": body.get("seed"),
                "temperature": body.get("temperature"),
                "max_new_tokens": body.get("max_tokens") or body.get("max_completion_tokens"),
            },
        )
        if isinstance(text, web.StreamResponse):
            return text
        name = {"model": self.replies_as(body)} if self.replies_as else {}
        if self.shape is not None:
            asked, cap = str((body["messages"], body["seed"])), self.asked[-1]["max_new_tokens"]
            choice, usage = self.shape.choice(asked, text, cap), self.shape.usage(asked, text, cap)
            return web.json_response(
                {"object": "chat.completion", **name, "choices": [choice], "usage": usage}
            )
        usage = {"prompt_tokens": len(str(body["messages"]).split()), "completion_tokens": len(text.split())}
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "logprobs": None,
            "finish_reason": "length" if isinstance(text, CutOff) else "stop",
        }
        return web.json_response({"object": "chat.completion", **name, "choices": [choice], "usage": usage})

    async def _say(
        self, request: web.Request, body: dict[str, Any], messages: list[dict[str, str]], how: dict[str, Any]
    ) -> str | web.StreamResponse:
        if how["schema"] and not self.grammar:
            return _error(422, "grammar is not supported", "validation")
        step = self.script.pop(0) if self.script else self.fault and self.fault(body)
        if step:
            if step == "hang":
                await self._stopping.wait()
            if step == "drop":
                assert request.transport is not None
                request.transport.close()
                return web.Response()
            status, text, content_type, headers = step
            return web.Response(status=status, text=text, content_type=content_type, headers=headers)
        self.asked.append(
            {
                "path": request.path,
                "body": body,
                "headers": dict(request.headers),
                "messages": messages,
                **how,
            }
        )
        said = self.answer(messages, how)
        return said if isinstance(said, str) else json.dumps(said)


def _error(status: int, words: str, kind: str) -> web.Response:
    return web.json_response({"error": words, "error_type": kind}, status=status)
