"""`codeclm-hf journal`: what a run directory's journal holds, as a table and as JSON Lines, and how to shrink it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from codeclm_hf.errors import BadInput, CodecLMError

if TYPE_CHECKING:
    from codeclm_hf.endpoints.journal_db import JournalFile

app = typer.Typer(help="Look into the journal of a run directory, take its answers out, or shrink it.")
_out = Console(highlight=False)

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A run directory.")]


@contextmanager
def _opened(directory: Path) -> Iterator[JournalFile]:
    from codeclm_hf.endpoints.journal_db import JournalFile
    from codeclm_hf.run import directory as run_directory

    path = directory.expanduser() / run_directory.JOURNAL
    if not path.is_file():
        raise BadInput(
            f"needs a run directory with a {path.name}; {directory} has none; make one with codeclm-hf run"
        )
    journal = JournalFile(path)
    try:
        yield journal
    finally:
        journal.close()


@app.command()
def stats(directory: Directory) -> None:
    """Answers and tokens by model and stage, bytes on disk, and what the last complete run used."""
    with _opened(directory) as journal:
        totals, used, size = journal.totals(), journal.run_size(), journal.size()
    table = Table("model", "stage")
    for name in ("answers", "prompt tokens", "completion tokens"):
        table.add_column(name, justify="right")
    for kept in totals:
        counts = (kept.answers, kept.prompt_tokens, kept.completion_tokens)
        table.add_row(escape(kept.model), escape(kept.stage), *map(str, counts))
    _out.print(table)
    last = f"the last complete run used {used}" if used else "no run is complete yet"
    _out.print(f"{sum(kept.answers for kept in totals)} answers in {size} bytes; {last}", soft_wrap=True)


@app.command()
def export(directory: Directory) -> None:
    """Print every answer as a line of JSON, in the order in which they were kept: model, stage, request, completion."""
    with _opened(directory) as journal:
        try:
            for line in journal.export():
                sys.stdout.buffer.write(line.encode() + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # The reader has seen enough; what is still buffered would fail again when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as exc:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise CodecLMError(f"the export cannot be written ({exc.strerror}); it is not whole") from exc


@app.command()
def prune(directory: Directory) -> None:
    """Delete the answers that the last complete run did not use, and give their disk space back."""
    with _opened(directory) as journal:
        answers, size = journal.prune()
    _out.print(f"deleted {answers} answers, {size} bytes", soft_wrap=True)
