"""How a stand-in Hub speaks HTTP/1.1: connections that stay open, one write an answer, bodies that come in blocks."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from support.hub_blobs import BLOCK
from support.hub_store import User

Fault = int | Literal["drop", "drop-after"] | None
"""What a request gets instead of an answer: a status, or a closed connection before or after it was dealt with."""
# compact, as the Hub writes it: DuckDB reads no other
_JSON = json.JSONEncoder(separators=(",", ":"), default=str).encode


class Unknown(Exception):
    """A request for what the stand-in does not have."""


@dataclass
class HubRequest:
    """A request as the routes see it."""

    hub: str
    """The Hub's URL."""
    method: str
    path: str
    """Still quoted, without the query."""
    query: dict[str, str]
    body: bytes
    blocks: Iterator[bytes]
    """The body of an upload, which is read as it comes."""
    headers: Any
    user: User | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    def true(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("true", "1")

    @property
    def author(self) -> str:
        """Who writes; a write always comes with a user."""
        assert self.user is not None
        return self.user.name


@dataclass
class Reply:
    value: Any = None
    """Bytes, or what is sent as JSON."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    blocks: Iterator[bytes] | None = None
    """A body of `length` bytes that is read as it is sent, instead of `value`."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self, arrive: Callable[[str, str, bytes | None], Fault], answer: Callable[[HubRequest], Reply]
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.arrive, self.answer = arrive, answer
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def drop_all(self) -> None:
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        blocks, streamed = self._blocks(), self.command == "PUT" and url.path.startswith("/lfs/")
        body = b"" if streamed else b"".join(blocks)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        ask = HubRequest(self.server.url, self.command, url.path, query, body, blocks, self.headers)
        fault = self.server.arrive(self.command, self.path, None if streamed else body)
        reply = None
        if isinstance(fault, int):
            reply = Reply(
                {"error": f"scripted: {fault}"}, fault, {"Retry-After": "1"} if fault == 429 else {}
            )
        elif fault != "drop":
            reply = self.server.answer(ask)
        for _ in blocks:  # what nobody read would be taken for the next request
            pass
        if reply is None or fault == "drop-after":
            self.close_connection = True
        else:
            self._send(reply)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _send(self, reply: Reply) -> None:
        whole = reply.value if isinstance(reply.value, bytes) else _JSON(reply.value).encode()
        blocks = reply.blocks or iter([whole])
        length = len(whole) if reply.length is None else reply.length
        kind = (
            "application/octet-stream"
            if reply.blocks or isinstance(reply.value, bytes)
            else "application/json"
        )
        lines = [f"HTTP/1.1 {reply.status} {self.responses.get(reply.status, ('',))[0]}"]
        lines += [
            f"{k}: {v}" for k, v in {"Content-Type": kind, "Content-Length": length, **reply.headers}.items()
        ]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        if self.command == "HEAD":
            self.wfile.write(head)
            return
        self.wfile.write(head + next(blocks, b""))
        for block in blocks:
            self.wfile.write(block)

    def _blocks(self) -> Iterator[bytes]:
        """The request's body as it comes; `ConnectionError` where it breaks off."""
        chunked = self.headers["Transfer-Encoding"] == "chunked"
        left = int(self.rfile.readline(), 16) if chunked else int(self.headers["Content-Length"] or 0)
        while left:
            block = self.rfile.read(min(left, BLOCK))
            if not block:
                raise ConnectionError("the client went away")
            left -= len(block)
            yield block
            if chunked and not left:
                self.rfile.readline()
                left = int(self.rfile.readline(), 16)
        if chunked:
            self.rfile.readline()

    def log_message(self, *_: object) -> None:
        pass
