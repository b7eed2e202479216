"""The command line as a whole: all commands in one app, and what becomes of their errors."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, NoReturn

import typer

from codeclm_hf.cli import card, evaluate, hub, journal, metadata, run
from codeclm_hf.errors import CodecLMError

app = typer.Typer(
    name="codeclm-hf",
    help="Turn a few seed instructions into a data set tailored to a task and to a model (CodecLM).",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(run.app)
app.add_typer(journal.app, name="journal")
app.add_typer(metadata.app, name="metadata")
app.add_typer(hub.app)
app.add_typer(card.app)
app.add_typer(evaluate.app)

# typer carries its own copy of click or uses the installed one, by version; this is ClickException in both.
_USAGE_ERROR: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


def main() -> None:
    """Run the command line; an error that we know is one line on stderr, and its exit code."""
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # we need its tokenizers, not its models
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")  # a run has bars of its own
    for name in ("huggingface_hub", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)  # their retries are no news to the user; the error is
    try:
        sys.exit(app(standalone_mode=False))
    except CodecLMError as exc:
        _fail(str(exc), exc.exit_code)
    except OSError as exc:
        if exc.errno is None:
            raise
        _fail(f"{exc.strerror}: {exc.filename or 'this machine'}", 1)
    except _USAGE_ERROR as exc:
        _fail(f"{exc.format_message().rstrip('.')}; see codeclm-hf --help", 2)
    except (KeyboardInterrupt, typer.Abort):
        _fail("stopped before anything was asked", 130)


def _fail(message: str, code: int) -> NoReturn:
    print("error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(code)
