"""`codeclm-hf journal`: what a journal holds, as a table and as JSON Lines, and how to shrink it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from codeclm_hf.cli.options import Directory
from codeclm_hf.errors import BadInput, CodecLMError

if TYPE_CHECKING:
    from codeclm_hf.endpoints.journal_db import JournalFile

app = typer.Typer(help="Look into the journal of a run directory, take its answers out, or shrink it.")
_out = Console(highlight=False)


@contextmanager
def _open_journal(directory: Path) -> Iterator[JournalFile]:
    """Open the journal of a run directory, and close it in the end."""
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
    """Show answers and tokens by model and stage, bytes on disk, and what the last complete run used."""
    with _open_journal(directory) as journal:
        totals, used, size = journal.totals(), journal.run_size(), journal.size()
    table = Table("model", "stage")
    think = any(total.thinking_tokens for total in totals)
    for name in ("answers", "prompt tokens", "completion tokens", *(["of thoughts"] if think else [])):
        table.add_column(name, justify="right")
    for total in totals:
        counts = [total.answers, total.prompt_tokens, total.completion_tokens]
        counts += [total.thinking_tokens] if think else []
        table.add_row(escape(total.model), escape(total.stage), *map(str, counts))
    _out.print(table)
    last = f"the last complete run used {used}" if used else "no run is complete yet"
    answers = sum(total.answers for total in totals)
    _out.print(f"{answers} answers in {size} bytes; {last}", soft_wrap=True)


@app.command()
def export(directory: Directory) -> None:
    """Print every answer as a line of JSON with model, stage, request and completion, the oldest first."""
    with _open_journal(directory) as journal:
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
    with _open_journal(directory) as journal:
        answers, size = journal.prune()
    _out.print(f"deleted {answers} answers, {size} bytes", soft_wrap=True)
