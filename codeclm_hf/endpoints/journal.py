"""Every paid answer on disk before anyone sees it.

One SQLite file, keyed by the whole request and the model's identity: never by URL, token or concurrency. The
journal is what makes a run resumable; an answer it holds is never asked for again.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from codeclm_hf import ids
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.base import Completion, Endpoint, GenerationRequest, InProcess, Usage
from codeclm_hf.errors import JournalError

_APPLICATION_ID = 0x0C0DEC11
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, request TEXT NOT NULL, completion TEXT NOT NULL
) WITHOUT ROWID
"""


class Journal:
    """The answers of one run directory; safe for several processes at once.

    Args:
        path: the SQLite file; made where there is none.

    Raises:
        JournalError: the file is torn, or is not a journal of ours.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._inflight: dict[str, asyncio.Task[tuple[Completion, bool]]] = {}
        self._pending: list[tuple[tuple[str, str, str, str], asyncio.Future[Completion]]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="codeclm-hf-journal")
        self._read = self._open()
        self._write = self._open()

    def _open(self) -> sqlite3.Connection:
        existed = self.path.exists() and self.path.stat().st_size > 0
        db = None
        try:
            # The loop's thread reads and the writer's thread writes, each on a connection of its own.
            db = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
            if existed and db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
                raise JournalError(f"{self.path} is a database of something else; name another --out")
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(_SCHEMA)
        except (sqlite3.Error, JournalError) as exc:
            if db is not None:
                db.close()
            if isinstance(exc, JournalError):
                raise
            words = f"{self.path} cannot be used as a journal ({exc}); move it away, or name another --out"
            raise JournalError(words) from exc
        return db

    async def ask(self, endpoint: Endpoint, request: GenerationRequest) -> tuple[Completion, bool]:
        """The answer to a request, and whether it was here already; identical requests in flight are asked once."""
        asked = ids.canonical(request.as_dict())
        key = ids.digest(endpoint.identity, asked)
        if (kept := self._get(key)) is not None:
            return kept, True
        task = self._inflight.get(key)
        if task is not None:
            completion, _ = await asyncio.shield(task)
            return completion, True
        task = asyncio.create_task(self._ask(key, endpoint, request, asked))
        self._inflight[key] = task
        task.add_done_callback(lambda task: self._landed(key, task))
        return await asyncio.shield(task)

    def _landed(self, key: str, task: asyncio.Task[tuple[Completion, bool]]) -> None:
        del self._inflight[key]
        if not task.cancelled():
            task.exception()  # seen: when every caller has been cancelled nobody else looks at it

    async def _ask(
        self, key: str, endpoint: Endpoint, request: GenerationRequest, asked: str
    ) -> tuple[Completion, bool]:
        completion = await endpoint.generate(request)
        kept: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._pending.append(((key, endpoint.identity, asked, ids.canonical(asdict(completion))), kept))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return await kept, False

    def _get(self, key: str) -> Completion | None:
        try:
            row = self._read.execute("SELECT completion FROM answers WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as exc:
            raise JournalError(f"{self.path} cannot be read ({exc}); move it away and run again") from exc
        return _completion(row[0]) if row else None

    async def _flush(self) -> None:
        # Whatever arrives while one transaction is on its way to the disk goes together in the next.
        while self._pending:
            batch, self._pending = self._pending, []
            try:
                kept = await asyncio.get_running_loop().run_in_executor(
                    self._writer, self._commit, [row for row, _ in batch]
                )
            except (sqlite3.Error, UnicodeEncodeError) as exc:
                error = JournalError(
                    f"{self.path} cannot be written ({exc}); free the disk and run the same command again"
                )
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), completion in zip(batch, kept, strict=True):
                if not future.done():
                    future.set_result(completion)

    def _commit(self, rows: list[tuple[str, str, str, str]]) -> list[Completion]:
        # The first answer kept for a key wins, also over another process's: every caller sees the same one.
        db = self._write
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", rows)
            db.execute("COMMIT")
        except sqlite3.Error:
            db.execute("ROLLBACK")
            raise
        find = "SELECT completion FROM answers WHERE key = ?"
        return [_completion(db.execute(find, (key,)).fetchone()[0]) for key, *_ in rows]

    def __len__(self) -> int:
        """How many answers are kept."""
        return int(self._read.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Cancel what is in flight, commit what has come, and close the file; call it outside the loop."""
        transport.run(self._drain())
        self._writer.shutdown()
        self._read.close()
        self._write.close()

    async def _drain(self) -> None:
        if self._flushing is not None:
            await self._flushing
        for task in list(self._inflight.values()):
            task.cancel()
        await asyncio.gather(*self._inflight.values(), return_exceptions=True)


def _completion(text: str) -> Completion:
    kept = json.loads(text)
    if kept["top_logprobs"] is not None:
        kept["top_logprobs"] = [[(token, logprob) for token, logprob in tokens] for tokens in kept["top_logprobs"]]
    return Completion(**kept)


@dataclass
class Journaled(InProcess):
    """An endpoint whose answers are kept in a journal, and counted."""

    endpoint: Endpoint
    journal: Journal
    usage: Usage = field(default_factory=Usage)

    @property
    def identity(self) -> str:  # type: ignore[override]
        """The identity of the endpoint inside."""
        return self.endpoint.identity

    async def generate(self, request: GenerationRequest) -> Completion:
        """The kept answer, or a new one that is kept before it is returned."""
        completion, replayed = await self.journal.ask(self.endpoint, request)
        self.usage.add(completion, replayed=replayed)
        return completion
