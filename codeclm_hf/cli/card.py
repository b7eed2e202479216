"""`codeclm-hf card`: look at a dataset card as the Hub would show it, and check its front matter."""

from __future__ import annotations

import os
import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from codeclm_hf.cli.options import Directory
from codeclm_hf.errors import BadInput, CodecLMError
from codeclm_hf.text import single_line

app = typer.Typer()
_out = Console(highlight=False)


@app.command()
def card(
    directory: Directory,
    show: Annotated[
        bool, typer.Option("--open", help="Show the card in the browser, as the Hub would show it.")
    ] = False,
    page: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write that page to a file; no browser is started."),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Render the card with this Jinja template from now on; `default` goes back to ours.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with code 2 if the card's front matter has problems.")
    ] = False,
) -> None:
    """Say where the dataset card is and what is wrong with its front matter; or show it as the Hub would."""
    from codeclm_hf.card import check as front_matter
    from codeclm_hf.card import preview
    from codeclm_hf.run import directory as run_directory

    folder = directory.expanduser()
    if template is not None:
        _set_template(folder, template)
    text = run_directory.read_card(folder)
    if page is not None:
        _write_page(page.expanduser(), preview.html(text, folder=folder))
        _print(f"the card is a page in {page}")
    if show:
        _open(page.expanduser() if page is not None else _temporary_page(preview.html(text, folder=folder)))
    if not (page or show or check):
        _print(f"the card is {folder / run_directory.CARD}")
    problems = front_matter.check(text)
    for problem in problems:
        _print(f"{run_directory.CARD}:{problem.line}: {problem.message}")
    if check and problems:
        raise BadInput(f"needs front matter without problems; came {len(problems)}")
    if check:
        _print(f"the front matter of {folder / run_directory.CARD} is fine")


def _set_template(folder: Path, file: str) -> None:
    """Render the card with the template in a file, or with ours where it is `default`."""
    from codeclm_hf.hub.card_template import set_card_template

    try:
        text = "" if file == "default" else Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise BadInput(f"needs a template in UTF-8; {file} cannot be read ({single_line(str(exc))})") from exc
    set_card_template(folder, text)


def _print(line: str) -> None:
    _out.print(line, soft_wrap=True, markup=False)


def _write_page(path: Path, text: str) -> None:
    """Write the page in place of what was there, whole or not at all."""
    from codeclm_hf.files import replace_file

    if path.suffix.lower() not in (".html", ".htm"):  # a slip must not replace the card itself, or a table
        raise BadInput(f"needs a file that ends in .html; came {path}")
    try:
        replace_file(path, text)
    except OSError as exc:
        raise BadInput(f"needs a file that can be written; {path} cannot ({exc.strerror})") from exc


def _temporary_page(text: str) -> Path:
    """Write the page to a file of its own, which the browser may still read when this program has ended."""
    handle, name = tempfile.mkstemp(prefix="codeclm-hf-card-", suffix=".html")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(name)


def _open(page: Path) -> None:
    if not webbrowser.open(page.resolve().as_uri()):
        raise CodecLMError(f"no browser could be started; the page is in {page}")
