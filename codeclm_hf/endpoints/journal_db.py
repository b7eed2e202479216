"""The file of a journal: an SQLite database of answers, with triggers that keep totals by model and stage."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from codeclm_hf import ids
from codeclm_hf.endpoints.protocol import Completion
from codeclm_hf.endpoints.thinking import split
from codeclm_hf.errors import BadInput, JournalError

VERSION = 2
"""Of the tables below; a journal of version 1 is brought up to it, one of another version is refused."""

_APPLICATION_ID = 0x0C0DEC11
_LOCK_WAIT = 60.0
"""Seconds to wait for another process's transaction."""
_CHUNK = 124
"""Most rows of one INSERT: eight values a row, and the oldest SQLite takes 999 values."""
_PAGE = 500
"""Rows that an export reads at once."""

_TRIGGERS = (
    """CREATE TRIGGER answer_kept AFTER INSERT ON answers BEGIN
        INSERT INTO totals VALUES
            (new.model, new.stage, 1, new.prompt_tokens, new.completion_tokens, new.thinking_tokens)
        ON CONFLICT DO UPDATE SET answers = answers + 1,
            prompt_tokens = prompt_tokens + excluded.prompt_tokens,
            completion_tokens = completion_tokens + excluded.completion_tokens,
            thinking_tokens = thinking_tokens + excluded.thinking_tokens; END""",
    """CREATE TRIGGER answer_pruned AFTER DELETE ON answers BEGIN
        UPDATE totals SET answers = answers - 1, prompt_tokens = prompt_tokens - old.prompt_tokens,
            completion_tokens = completion_tokens - old.completion_tokens,
            thinking_tokens = thinking_tokens - old.thinking_tokens
        WHERE model = old.model AND stage = old.stage; END""",
)
_SCHEMA = (
    """CREATE TABLE answers (
        id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, model TEXT NOT NULL, stage TEXT NOT NULL,
        prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
        request TEXT NOT NULL, completion TEXT NOT NULL, thinking_tokens INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE totals (
        model TEXT NOT NULL, stage TEXT NOT NULL, answers INTEGER NOT NULL,
        prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
        thinking_tokens INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (model, stage)) WITHOUT ROWID""",
    *_TRIGGERS,
    "CREATE TABLE complete_run (answer INTEGER PRIMARY KEY)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)
_FROM_VERSION_1 = (
    "ALTER TABLE answers ADD COLUMN thinking_tokens INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE totals ADD COLUMN thinking_tokens INTEGER NOT NULL DEFAULT 0",
    "DROP TRIGGER answer_kept",
    "DROP TRIGGER answer_pruned",
    *_TRIGGERS,
    f"PRAGMA user_version = {VERSION}",
)
"""What version 2 has and version 1 had not: thoughts are counted apart."""
_INSERT = (
    "INSERT OR IGNORE INTO answers "
    "(key, model, stage, prompt_tokens, completion_tokens, request, completion, thinking_tokens)"
)
_ALWAYS_WRITTEN = ("text", "finish_reason", "prompt_tokens", "completion_tokens", "top_logprobs")
"""What version 1 wrote of an answer; the rest is written where it says something."""
_FIND = "SELECT id, completion FROM answers WHERE key = ?"


class AnswerRow(NamedTuple):
    """One answer as the file holds it."""

    key: bytes
    """A hash of the model's identity and the request."""
    model: str
    """The model's identity."""
    stage: str
    """The stage that asked first."""
    prompt_tokens: int
    completion_tokens: int
    request: str
    """Canonical JSON of what was asked."""
    completion: str
    """JSON of the answer, as `completion_json` writes it."""
    thinking_tokens: int = 0


class StoredAnswer(NamedTuple):
    """One answer as it is read from the file."""

    id: int
    """Its place in the file."""
    completion: Completion


class StoreResult(NamedTuple):
    """What became of an answer that was to be stored."""

    id: int
    """The id of the answer that counts for its key."""
    earlier: Completion | None
    """The answer that was stored for its key before and counts instead; None where this one was stored."""


class PruneResult(NamedTuple):
    """What pruning took away."""

    answers: int
    size: int
    """Bytes on disk."""


class Totals(NamedTuple):
    """The answers of one model for one stage."""

    model: str
    stage: str
    answers: int
    prompt_tokens: int
    completion_tokens: int
    """Tokens of thoughts and answers."""
    thinking_tokens: int = 0
    """Tokens of thoughts alone."""


class JournalFile:
    """One connection to a journal's file.

    Args:
        path: the SQLite file.
        create: whether to make it where there is none.

    Raises:
        JournalError: the file is damaged, is no journal of ours, or is one of another version.
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
                _create_tables(db)
            _check_version(db, path)
            if _pragma(db, "user_version") < VERSION:
                _upgrade(db)
            if create:
                db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
        except BaseException as exc:
            if db is not None:
                db.close()
            if not isinstance(exc, sqlite3.Error):
                raise
            hint = _hint(exc, "move it away, or name another --out")
            raise JournalError(f"{path} cannot be used as a journal ({exc}); {hint}") from exc
        self._db = db

    def find(self, key: bytes) -> StoredAnswer | None:
        """Return the answer that is stored for a key, or None."""
        try:
            row = self._db.execute(_FIND, (key,)).fetchone()
        except sqlite3.Error as exc:
            raise self._unreadable(exc) from exc
        return StoredAnswer(row[0], self._completion(row[1])) if row else None

    def store(self, rows: Sequence[AnswerRow]) -> list[StoreResult]:
        """Commit answers together; where one was stored for a key before, that one stays and counts.

        Raises:
            JournalError: the file cannot be written; none of them is stored.
        """
        # Every statement gives the interpreter's lock away, and waits for it as long as another thread is
        # busy. One statement a row, or a transaction around one statement, would make a full loop the
        # bottleneck.
        if len(rows) <= _CHUNK:
            with self._convert_errors("written"):
                return self._insert(rows)
        with self._transaction():
            chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
            return [result for chunk in chunks for result in self._insert(chunk)]

    def _insert(self, rows: Sequence[AnswerRow]) -> list[StoreResult]:
        values = ",".join(["(?,?,?,?,?,?,?,?)"] * len(rows))
        cursor = self._db.execute(f"{_INSERT} VALUES {values}", [value for row in rows for value in row])
        if cursor.rowcount == len(rows) and cursor.lastrowid:
            first = cursor.lastrowid - len(rows) + 1
            return [StoreResult(first + n, None) for n in range(len(rows))]
        # Some keys were there before, and which ones SQLite does not tell.
        return [StoreResult(*self._first_answer(row.key)) for row in rows]

    def _first_answer(self, key: bytes) -> StoredAnswer:
        answer = self.find(key)
        if answer is None:
            raise JournalError(
                f"{self.path} did not take an answer; its request or its counts are not what they should be"
            )
        return answer

    def record_run(self, answers: Iterable[int]) -> None:
        """Record the ids of the answers that a complete run is made of, in place of the run before."""
        with self._transaction():
            self._db.execute("DELETE FROM complete_run")
            self._db.executemany(
                "INSERT OR IGNORE INTO complete_run VALUES (?)", ((answer,) for answer in answers)
            )

    def totals(self) -> list[Totals]:
        """Return the number of answers and tokens, by model and stage."""
        columns = ", ".join(Totals._fields)
        rows = self._select(f"SELECT {columns} FROM totals WHERE answers > 0 ORDER BY model, stage")
        return [Totals(*row) for row in rows]

    def fallbacks(self) -> list[tuple[str, Totals]]:
        """Return those of the same totals that other models gave in a model's place, with those models' names.

        It reads through all answers.
        """
        counts: dict[tuple[str, str, str], list[int]] = {}
        rows = self._select(
            "SELECT model, stage, prompt_tokens, completion_tokens, thinking_tokens, completion FROM answers "
            "WHERE completion LIKE '%\"fallback\":%'"
        )
        for model, stage, *tokens, completion in rows:
            if (fallback := self._completion(completion).fallback) is not None:
                before = counts.setdefault((fallback, model, stage), [0, 0, 0, 0])
                for at, number in enumerate((1, *tokens)):
                    before[at] += number
        return [
            (name, Totals(model, stage, *count)) for (name, model, stage), count in sorted(counts.items())
        ]

    def run_size(self) -> int:
        """Return the number of answers that the last complete run is made of; 0 where there was none."""
        return int(self._select("SELECT count(*) FROM complete_run")[0][0])

    def size(self) -> int:
        """Return bytes on disk, those of the write-ahead log included."""
        log = self.path.with_name(self.path.name + "-wal")
        return self.path.stat().st_size + (log.stat().st_size if log.exists() else 0)

    def export(self) -> Iterator[str]:
        """Yield the answers as JSON objects, in the order in which they were stored."""
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

    def prune(self) -> PruneResult:
        """Delete the answers that the last complete run did not use, and shrink the file.

        Raises:
            BadInput: no complete run is recorded, or somebody has the journal open.
        """
        if not self.run_size():
            raise BadInput(
                f"needs a complete run to prune {self.path} by; there was none; let codeclm-hf run end first"
            )
        before = self.size()
        with self._convert_errors("written"):
            # What a running run has asked so far is in its memory alone, so it must have ended. Only a
            # connection that is alone can leave the write-ahead log, and in this locking mode it stays alone
            # until it is closed; the next run that opens the file takes up a log again.
            self._db.execute("PRAGMA busy_timeout = 0")
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            try:
                self._db.execute("PRAGMA journal_mode = DELETE")
                answers = self._db.execute("DELETE FROM answers WHERE id NOT IN complete_run").rowcount
            except sqlite3.OperationalError as exc:
                if "locked" not in str(exc):
                    raise
                raise BadInput(
                    f"needs {self.path} to itself; another process has it open; wait for its end"
                ) from exc
            self._db.execute("VACUUM")
        return PruneResult(answers, before - self.size())

    def close(self) -> None:
        """Close the connection; the last one folds the log into the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._convert_errors("written"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # some errors have ended the transaction already
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _convert_errors(self, action: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            hint = "free the disk and run the same command again"
            raise JournalError(f"{self.path} cannot be {action} ({exc}); {hint}") from exc

    def _select(self, query: str, *values: int) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as exc:
            raise self._unreadable(exc) from exc

    def _unreadable(self, exc: Exception) -> JournalError:
        return JournalError(f"{self.path} cannot be read ({exc}); {_hint(exc, 'move it away and run again')}")

    def _completion(self, text: str) -> Completion:
        try:
            entries = json.loads(text)
            if "max_tokens" not in entries:  # it was kept before thoughts were told apart
                thoughts = split(entries["text"])
                if thoughts.thinking:
                    entries |= {"text": thoughts.text, "thinking": thoughts.thinking}
            if entries["top_logprobs"] is not None:
                entries["top_logprobs"] = [
                    [(token, value) for token, value in tokens] for tokens in entries["top_logprobs"]
                ]
            return Completion(**entries)
        except (ValueError, TypeError, KeyError) as exc:
            raise self._unreadable(exc) from exc


def completion_json(completion: Completion) -> str:
    """Return the JSON of an answer, from which `find` makes an equal one.

    Raises:
        ValueError: a number in it is not finite.
    """
    return ids.canonical(
        {
            entry.name: value
            for entry in fields(completion)
            if (value := getattr(completion, entry.name)) != entry.default or entry.name in _ALWAYS_WRITTEN
        }
    )


def _hint(exc: Exception, hint_if_damaged: str) -> str:
    # A full disk, a missing permission or a long lock: the file itself is well.
    if any(words in str(exc) for words in ("full", "unable to open", "readonly", "locked", "I/O")):
        return "see that it can be written, and run again"
    return hint_if_damaged


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def _create_tables(db: sqlite3.Connection) -> None:
    # Of several processes that find an empty file one makes the journal, whole or not at all.
    db.execute("BEGIN EXCLUSIVE")
    if not _pragma(db, "application_id"):
        for statement in _SCHEMA:
            db.execute(statement)
    db.execute("COMMIT")


def _upgrade(db: sqlite3.Connection) -> None:
    """Bring the tables of version 1 up to this version, unless another process was faster."""
    db.execute("BEGIN IMMEDIATE")
    if _pragma(db, "user_version") < VERSION:
        for statement in _FROM_VERSION_1:
            db.execute(statement)
    db.execute("COMMIT")


def _check_version(db: sqlite3.Connection, path: Path) -> None:
    if _pragma(db, "application_id") != _APPLICATION_ID:
        raise JournalError(f"{path} is a database of something else; name another --out")
    if not 1 <= (version := _pragma(db, "user_version")) <= VERSION:
        raise JournalError(
            f"needs a journal of version {VERSION}; {path} is of version {version}; "
            "use the codeclm-hf that made it, or name another --out"
        )
