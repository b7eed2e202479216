"""A server with the routes that a test gives it: gateways, clouds and proxies differ in nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from support.model_server import StandIn

CHAT = "chat"
"""Stands for chat completions at a route."""
NOT_FOUND = (404, {"detail": "Not Found"})


def models(*names: str, **more: Any) -> tuple[int, Any]:
    """A list of models as OpenAI writes it."""
    return 200, {"object": "list", "data": [{"id": name, "object": "model", **more} for name in names]}


def tgi_info(model: str, sha: str | None = None) -> tuple[int, Any]:
    """What `/info` of a TGI says."""
    return 200, {"model_id": model, "model_sha": sha, "max_concurrent_requests": 128}


class Gateway(StandIn):
    """Answers "hi" where a route says `CHAT`; every other route is (status, JSON or text), or a list of them in order.

    Args:
        routes: by method and path, such as `GET /v1/models`; any other route is a 404.
        rest: what any other route gets.
        token: demanded as a bearer token at every route where given.
    """

    def __init__(
        self, routes: Mapping[str, Any], *, rest: Any = NOT_FOUND, token: str | None = None, **options: Any
    ) -> None:
        self.routes = {
            route: list(reply) if isinstance(reply, list) else reply for route, reply in routes.items()
        }
        self.rest = rest
        self.seen: list[str] = []
        """Method, path and query of every request."""
        self.bodies: list[Any] = []
        """Of every POST."""
        super().__init__(lambda *_: "hi", tgi=False, **options)
        self.token = token

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path_qs}")
        if request.method == "POST":
            self.bodies.append(json.loads(await request.read()))
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": "who are you"}, status=401)
        reply = self.routes.get(f"{request.method} {request.path}", self.rest)
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        if reply == CHAT:
            return await self._count(self._chat, request)
        if reply == "drop":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        status, body, *headers = reply
        text = body if isinstance(body, str) else json.dumps(body)
        kind = "text/html" if isinstance(body, str) else "application/json"
        return web.Response(
            status=status, text=text, content_type=kind, headers=headers[0] if headers else {}
        )
