"""`codeclm-hf card`: look at a run directory's dataset card as the Hub would show it, and check its front matter."""

from __future__ import annotations

import os
import tempfile
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from codeclm_hf.errors import BadInput, CodecLMError

app = typer.Typer()
_out = Console(highlight=False)


@app.command()
def card(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A run directory.")],
    show: Annotated[bool, typer.Option("--open", help="Show it in the browser as the Hub would.")] = False,
    page: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write that page; no browser is started.")
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="A Jinja template for the card from now on; `default` is ours again."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 2 if its front matter has problems.")
    ] = False,
) -> None:
    """Show where the dataset card is and what is wrong with its front matter, or the page that the Hub would show."""
    from codeclm_hf.card import check as front_matter
    from codeclm_hf.card import preview
    from codeclm_hf.run import directory as run_directory

    folder = directory.expanduser()
    if template is not None:
        _template(folder, template)
    text = _read(folder)
    if page is not None:
        _write(page.expanduser(), preview.html(text, folder=folder))
        _say(f"the card is a page in {page}")
    if show:
        _open(page.expanduser() if page is not None else _scratch(preview.html(text, folder=folder)))
    if not (page or show or check):
        _say(f"the card is {folder / run_directory.CARD}")
    problems = front_matter.check(text)
    for problem in problems:
        _say(f"{run_directory.CARD}:{problem.line}: {problem.message}")
    if check and problems:
        raise BadInput(f"needs front matter without problems; came {len(problems)}")
    if check:
        _say(f"the front matter of {folder / run_directory.CARD} is fine")


def _template(folder: Path, file: str) -> None:
    """Make the card anew with a template, which the folder and its versions keep."""
    from codeclm_hf.hub.snapshot import lock_run_directory
    from codeclm_hf.run import directory as run_directory
    from codeclm_hf.run.card_context import render_card

    try:
        text = "" if file == "default" else Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise BadInput(
            f"needs a template in UTF-8; {file} cannot be read ({' '.join(str(exc).split())})"
        ) from exc
    _read(folder)
    with lock_run_directory(folder) as content:
        manifest = replace(content.require_manifest(), card_template=text)
        rendered = render_card(manifest, run_directory.table_files(content.files), content.card)
        run_directory.put_template(folder, manifest, rendered)


def _say(words: str) -> None:
    _out.print(words, soft_wrap=True, markup=False)


def _read(directory: Path) -> str:
    """The card of a run directory."""
    from codeclm_hf.run import directory as run_directory
    from codeclm_hf.run.manifest import Manifest

    Manifest.read(directory)
    path = directory / run_directory.CARD
    if not path.is_file():
        raise BadInput(
            f"needs a run directory with a {path.name}; {directory} has none yet; let the run there end first"
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise BadInput(
            f"needs a card in UTF-8; {path} cannot be read ({' '.join(str(exc).split())})"
        ) from exc


def _write(path: Path, text: str) -> None:
    """Put the page in place of what was there, whole or not at all."""
    from codeclm_hf.files import replace_file

    if path.suffix.lower() not in (".html", ".htm"):  # a slip must not replace the card itself, or a table
        raise BadInput(f"needs a file that ends in .html; came {path}")
    try:
        replace_file(path, text)
    except OSError as exc:
        raise BadInput(f"needs a file that can be written; {path} cannot ({exc.strerror})") from exc


def _scratch(text: str) -> Path:
    """The page in a file of its own, which the browser may still read when this program has ended."""
    handle, name = tempfile.mkstemp(prefix="codeclm-hf-card-", suffix=".html")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(name)


def _open(page: Path) -> None:
    if not webbrowser.open(page.resolve().as_uri()):
        raise CodecLMError(f"no browser could be started; the page is in {page}")
