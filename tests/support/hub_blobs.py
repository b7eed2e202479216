"""What a stand-in Hub keeps contents in: by their SHA-256, in memory or on disk."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

BLOCK = 1 << 20
_number = itertools.count()


class Refused(Exception):
    """What the Hub answers instead: a status, its words, and the code that its clients tell errors by."""

    def __init__(self, status: int, message: str, code: str = "", commit: str = "", **body: str) -> None:
        super().__init__(message)
        self.status, self.body = status, {"error": message, **body}
        named = {"X-Error-Message": message.replace("\n", " "), "X-Error-Code": code, "X-Repo-Commit": commit}
        self.headers = {name: value for name, value in named.items() if value}


class Blobs:
    """Contents by their SHA-256: in memory, or as files in `folder`, of which never more than a block is in memory."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._kept: dict[str, bytes] = {}
        self._sizes: dict[str, int] = {}
        self._git: dict[str, str] = {}

    def __contains__(self, sha: str) -> bool:
        return sha in self._sizes

    def add(self, blocks: Iterable[bytes], expected: tuple[str, int] | None = None) -> str:
        """Keep a content and return its SHA-256; `Refused` where it is not the expected (SHA-256, size)."""
        if self.folder is None:
            content = b"".join(blocks)
            sha = _checked(hashlib.sha256(content), len(content), expected)
            self._kept[sha] = content
            self._sizes[sha] = len(content)
            return sha
        self.folder.mkdir(parents=True, exist_ok=True)
        path, digest, size = self.folder / f"incoming-{next(_number)}", hashlib.sha256(), 0
        try:
            with open(path, "wb") as file:
                for block in blocks:
                    digest.update(block)
                    size += file.write(block)
            sha = _checked(digest, size, expected)
            path.replace(self.folder / sha)
        finally:
            path.unlink(missing_ok=True)
        self._sizes[sha] = size
        return sha

    def clear(self) -> None:
        """Forget everything, on disk too."""
        for kept in (self._kept, self._sizes, self._git):
            kept.clear()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def size(self, sha: str) -> int:
        return self._sizes[sha]

    def blocks(self, sha: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        stop = self._sizes[sha] if stop is None else stop
        if self.folder is None:
            for at in range(start, stop, BLOCK):
                yield self._kept[sha][at : min(at + BLOCK, stop)]
            return
        with open(self.folder / sha, "rb") as file:
            file.seek(start)
            while start < stop and (block := file.read(min(BLOCK, stop - start))):
                start += len(block)
                yield block

    def read(self, sha: str) -> bytes:
        return self._kept[sha] if self.folder is None else (self.folder / sha).read_bytes()

    def git_oid(self, sha: str) -> str:
        """What git calls the content: the SHA-1 of a header and the bytes."""
        if sha not in self._git:
            digest = hashlib.sha1(b"blob %d\0" % self._sizes[sha])
            for block in self.blocks(sha):
                digest.update(block)
            self._git[sha] = digest.hexdigest()
        return self._git[sha]


def _checked(digest: Any, size: int, expected: tuple[str, int] | None) -> str:
    sha: str = digest.hexdigest()
    if expected and (sha, size) != expected:
        raise Refused(400, f"needs {expected[1]} bytes with SHA-256 {expected[0]}; came {size} with {sha}")
    return sha
