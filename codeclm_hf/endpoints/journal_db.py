"""The file under a journal: one SQLite database of answers, with totals that need no look at the texts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from codeclm_hf import ids
from codeclm_hf.endpoints.protocol import Completion
from codeclm_hf.errors import BadInput, JournalError

VERSION = 1
"""Of the tables below; a journal of another version is refused."""

_APPLICATION_ID = 0x0C0DEC11
_LOCK_WAIT = 60.0
"""Seconds to wait for another process's transaction."""
_CHUNK = 128
"""Most rows of one INSERT: with seven values a row, what the oldest SQLite takes."""
_PAGE = 500
"""Rows exported with one reading."""

_SCHEMA = (
    """CREATE TABLE answers (
        id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, model TEXT NOT NULL, stage TEXT NOT NULL,
        prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
        request TEXT NOT NULL, completion TEXT NOT NULL)""",
    """CREATE TABLE totals (
        model TEXT NOT NULL, stage TEXT NOT NULL, answers INTEGER NOT NULL,
        prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
        PRIMARY KEY (model, stage)) WITHOUT ROWID""",
    """CREATE TRIGGER answer_kept AFTER INSERT ON answers BEGIN
        INSERT INTO totals VALUES (new.model, new.stage, 1, new.prompt_tokens, new.completion_tokens)
        ON CONFLICT DO UPDATE SET answers = answers + 1, prompt_tokens = prompt_tokens + excluded.prompt_tokens,
            completion_tokens = completion_tokens + excluded.completion_tokens; END""",
    """CREATE TRIGGER answer_pruned AFTER DELETE ON answers BEGIN
        UPDATE totals SET answers = answers - 1, prompt_tokens = prompt_tokens - old.prompt_tokens,
            completion_tokens = completion_tokens - old.completion_tokens
        WHERE model = old.model AND stage = old.stage; END""",
    "CREATE TABLE complete_run (answer INTEGER PRIMARY KEY)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)
_INSERT = (
    "INSERT OR IGNORE INTO answers (key, model, stage, prompt_tokens, completion_tokens, request, completion)"
)
_FIND = "SELECT id, completion FROM answers WHERE key = ?"


class Row(NamedTuple):
    """One answer as it is kept; `request` and `completion` are JSON."""

    key: bytes
    model: str
    stage: str
    prompt_tokens: int
    completion_tokens: int
    request: str
    completion: str


class Kept(NamedTuple):
    """One answer as it is found; `id` is its place in the file."""

    id: int
    completion: Completion


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What is kept of one model for one stage."""

    model: str
    stage: str
    answers: int
    prompt_tokens: int
    completion_tokens: int


class JournalFile:
    """One connection to a journal's file.

    Args:
        path: the SQLite file.
        create: make it where there is none.

    Raises:
        JournalError: the file is torn, is no journal of ours, or is one of another version.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        db = None
        try:
            # A connection serves one thread at a time, and is opened and closed by another.
            db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
                uri=True, timeout=_LOCK_WAIT, isolation_level=None, check_same_thread=False,
                cached_statements=2 * _CHUNK,
            )  # fmt: skip
            if create and not _pragma(db, "page_count"):
                _make(db)
            _check(db, path)
            if create:
                db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
        except BaseException as exc:
            if db is not None:
                db.close()
            if not isinstance(exc, sqlite3.Error):
                raise
            words = f"{path} cannot be used as a journal ({exc}); {_hint(exc, 'move it away, or name another --out')}"
            raise JournalError(words) from exc
        self._db = db

    def find(self, key: bytes) -> Kept | None:
        """The answer kept for a key."""
        try:
            row = self._db.execute(_FIND, (key,)).fetchone()
        except sqlite3.Error as exc:
            raise self._unreadable(exc) from exc
        return Kept(row[0], self._completion(row[1])) if row else None

    def keep(self, rows: Sequence[Row]) -> list[Kept | int]:
        """Commit answers together: for each its id, or what was kept for its key before, which then counts."""
        # Every statement gives the interpreter's lock away, and waits for it as long as another thread is busy: one
        # statement a row, or a transaction around one statement, would make a full loop the journal's bottleneck.
        if len(rows) <= _CHUNK:
            with self._converted("written"):
                return self._insert(rows)
        with self._transaction():
            chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
            return [answer for chunk in chunks for answer in self._insert(chunk)]

    def _insert(self, rows: Sequence[Row]) -> list[Kept | int]:
        values = ",".join(["(?,?,?,?,?,?,?)"] * len(rows))
        done = self._db.execute(f"{_INSERT} VALUES {values}", [value for row in rows for value in row])
        if done.rowcount == len(rows) and done.lastrowid:
            return list(range(done.lastrowid - len(rows) + 1, done.lastrowid + 1))
        return [self._first(row.key) for row in rows]

    def _first(self, key: bytes) -> Kept:
        if (found := self.find(key)) is None:
            raise JournalError(
                f"{self.path} did not take an answer; its request or its counts are not what they should be"
            )
        return found

    def record(self, answers: Iterable[int]) -> None:
        """Put the ids of a complete run's answers in place of the earlier run's."""
        with self._transaction():
            self._db.execute("DELETE FROM complete_run")
            self._db.executemany(
                "INSERT OR IGNORE INTO complete_run VALUES (?)", ((answer,) for answer in answers)
            )

    def totals(self) -> list[Totals]:
        """What is kept, by model and stage."""
        names = ("model", "stage", "answers", "prompt_tokens", "completion_tokens")
        rows = self._select(f"SELECT {', '.join(names)} FROM totals WHERE answers > 0 ORDER BY model, stage")
        return [Totals(**dict(zip(names, row, strict=True))) for row in rows]

    def used(self) -> int:
        """How many answers the last complete run is made of; 0 where there was none."""
        return int(self._select("SELECT count(*) FROM complete_run")[0][0])

    def size(self) -> int:
        """Bytes on disk."""
        log = self.path.with_name(self.path.name + "-wal")
        return self.path.stat().st_size + (log.stat().st_size if log.exists() else 0)

    def export(self) -> Iterator[str]:
        """The answers as JSON objects, in the order they were kept."""
        last = 0
        # Page by page: one long reading would keep a running writer's log from being folded in.
        while rows := self._select(
            "SELECT id, model, stage, request, completion FROM answers WHERE id > ? ORDER BY id LIMIT ?",
            last,
            _PAGE,
        ):
            for _, model, stage, request, completion in rows:
                head = f'{{"model":{ids.canonical(model)},"stage":{ids.canonical(stage)}'
                yield f'{head},"request":{request},"completion":{completion}}}'
            last = rows[-1][0]

    def prune(self) -> tuple[int, int]:
        """Delete what the last complete run did not use and shrink the file: (answers, bytes) that went.

        Raises:
            BadInput: no complete run is recorded, or somebody has the journal open.
        """
        if not self.used():
            raise BadInput(
                f"needs a complete run to prune {self.path} by; there was none; let codeclm-hf run end first"
            )
        before = self.size()
        with self._converted("written"):
            # What a running run has asked so far is in its memory alone, so it must have ended. The write-ahead log
            # can be left only by a connection that is alone, which stays alone in this locking mode until it is
            # closed; the next run to open the file takes up a log again.
            self._db.execute("PRAGMA busy_timeout = 0")
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            try:
                self._db.execute("PRAGMA journal_mode = DELETE")
                gone = self._db.execute("DELETE FROM answers WHERE id NOT IN complete_run").rowcount
            except sqlite3.OperationalError as exc:
                if "locked" not in str(exc):
                    raise
                raise BadInput(
                    f"needs {self.path} to itself; another process has it open; wait for its end"
                ) from exc
            self._db.execute("VACUUM")
        return gone, before - self.size()

    def close(self) -> None:
        """Close the connection; the last one folds the log into the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._converted("written"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # some errors have ended the transaction already
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _converted(self, done: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            hint = "free the disk and run the same command again"
            raise JournalError(f"{self.path} cannot be {done} ({exc}); {hint}") from exc

    def _select(self, query: str, *values: int) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as exc:
            raise self._unreadable(exc) from exc

    def _unreadable(self, exc: Exception) -> JournalError:
        return JournalError(f"{self.path} cannot be read ({exc}); {_hint(exc, 'move it away and run again')}")

    def _completion(self, text: str) -> Completion:
        try:
            kept = json.loads(text)
            if kept["top_logprobs"] is not None:
                kept["top_logprobs"] = [
                    [(token, value) for token, value in tokens] for tokens in kept["top_logprobs"]
                ]
            return Completion(**kept)
        except (ValueError, TypeError, KeyError) as exc:
            raise self._unreadable(exc) from exc


def as_json(completion: Completion) -> str:
    """The text that `find` makes an equal completion of.

    Raises:
        ValueError: a number in it is not finite.
    """
    return ids.canonical({name: getattr(completion, name) for name in Completion.__slots__})


def _hint(exc: Exception, torn: str) -> str:
    # A full disk, a missing permission or a long lock: the file itself is well.
    outside = ("full", "unable to open", "readonly", "locked", "I/O")
    return "see that it can be written, and run again" if any(word in str(exc) for word in outside) else torn


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def _make(db: sqlite3.Connection) -> None:
    # Of several processes that find an empty file one makes the journal, whole or not at all.
    db.execute("BEGIN EXCLUSIVE")
    if not _pragma(db, "application_id"):
        for statement in _SCHEMA:
            db.execute(statement)
    db.execute("COMMIT")


def _check(db: sqlite3.Connection, path: Path) -> None:
    if _pragma(db, "application_id") != _APPLICATION_ID:
        raise JournalError(f"{path} is a database of something else; name another --out")
    if (version := _pragma(db, "user_version")) != VERSION:
        raise JournalError(
            f"needs a journal of version {VERSION}; {path} is of version {version}; use the codeclm-hf that made it, "
            "or name another --out"
        )
