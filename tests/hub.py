"""A read-only stand-in for the Hub on a real socket: the real `huggingface_hub` and `datasets` are its clients."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlparse

_NAME = r"[\w.-]+/[\w.-]+"
SHA = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves repositories of files at one commit; a route it does not know is remembered in `unknown`."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], dict[str, bytes]] = {}
        """(datasets | models, org/name) -> files."""
        self.unknown: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self)

            do_HEAD = do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        url = urlparse(request.path)
        path, query = unquote(url.path), parse_qs(url.query)
        if match := re.fullmatch(rf"/(datasets/)?({_NAME})/resolve/([^/]+)/(.+)", path):
            self._file(request, "datasets" if match[1] else "models", match[2], match[3], match[4])
        elif match := re.fullmatch(rf"/api/(datasets|models)/({_NAME})(?:/(\w+|paths-info)/([^/]+)(?:/(.*))?)?", path):
            kind, name, what, revision, folder = match.groups()
            files = self.repos.get((kind, name))
            if files is None:
                self._send(request, 404, {}, {"X-Error-Code": "RepoNotFound"})
            elif revision not in (None, "main", SHA):
                self._send(request, 404, {}, {"X-Error-Code": "RevisionNotFound"})
            elif what == "tree":
                self._tree(request, files, folder or "", recursive=query.get("recursive", [""])[0].lower() == "true")
            elif what == "paths-info":
                wanted = parse_qs(body.decode()).get("paths", [])
                self._send(request, 200, [_entry(file, files[file]) for file in wanted if file in files])
            else:
                siblings = [{"rfilename": file} for file in files]
                self._send(request, 200, {"id": name, "sha": SHA, "siblings": siblings, "private": False, "tags": []})
        elif re.fullmatch(r"/api/(datasets|models)/[\w.-]+|/api/resolve-cache/.*", path):
            self._send(request, 404, {}, {"X-Error-Code": "RepoNotFound"})
        else:
            self.unknown.append(f"{request.command} {path}")
            self._send(request, 501, {"error": "unknown route"})

    def _tree(self, request: BaseHTTPRequestHandler, files: dict[str, bytes], folder: str, *, recursive: bool) -> None:
        prefix = f"{folder}/" if folder else ""
        inside = {file: content for file, content in files.items() if file.startswith(prefix)}
        folders = {prefix + file[len(prefix) :].split("/")[0] for file in inside if "/" in file[len(prefix) :]}
        entries = [{"type": "directory", "path": name, "oid": SHA, "size": 0} for name in sorted(folders)]
        entries += [_entry(f, c) for f, c in inside.items() if recursive or "/" not in f[len(prefix) :]]
        if entries:
            self._send(request, 200, entries)
        else:
            self._send(request, 404, {}, {"X-Error-Code": "EntryNotFound"})

    def _file(self, request: BaseHTTPRequestHandler, kind: str, name: str, revision: str, path: str) -> None:
        files = self.repos.get((kind, name))
        if files is None:
            return self._send(request, 404, {}, {"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", SHA):
            return self._send(request, 404, {}, {"X-Error-Code": "RevisionNotFound"})
        if path not in files:
            return self._send(request, 404, {}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": SHA})
        return self._send(request, 200, files[path], {"ETag": f'"{_oid(files[path])}"', "X-Repo-Commit": SHA})

    @staticmethod
    def _send(
        request: BaseHTTPRequestHandler, status: int, value: object, headers: dict[str, str] | None = None
    ) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        request.send_response(status)
        for name, content in {"Content-Length": str(len(body)), **(headers or {})}.items():
            request.send_header(name, content)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)


def _entry(path: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": path, "size": len(content), "oid": _oid(content)}


def _oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
