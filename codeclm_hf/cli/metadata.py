"""`codeclm-hf metadata`: a run's metadata as a table for a spreadsheet, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from codeclm_hf.cli.options import Directory
from codeclm_hf.errors import BadInput

app = typer.Typer(help="Edit use cases, skills, rubrics and actions between encode and decode.")
_out = Console(highlight=False)

_File = Annotated[Path, typer.Argument(metavar="FILE.csv", help="The table for a spreadsheet.")]


@app.command()
def export(directory: Directory, file: _File) -> None:
    """Write the metadata of a run directory into a CSV file, a row each; cells with several texts hold one a line."""
    from codeclm_hf.files import replace_file
    from codeclm_hf.run import metadata_csv, metadata_table

    rows = metadata_table.rows_to_edit(directory.expanduser())
    if file.is_dir() or not file.parent.is_dir():
        raise BadInput(f"needs a file to write to; {file} cannot be one; name another FILE.csv")
    replace_file(file, metadata_csv.to_csv(rows))
    usable = sum(row["use_case"] is not None for row in rows)
    _out.print(
        f"wrote {usable} metadata to {escape(str(file))}; edit them, then: "
        f"codeclm-hf metadata import {escape(str(directory))} {escape(str(file))}",
        soft_wrap=True,
    )


@app.command("import")
def import_(directory: Directory, file: _File) -> None:
    """Take the edited CSV file in; the next run in the directory goes on with what it holds."""
    from codeclm_hf.run import metadata_csv, metadata_table

    folder = directory.expanduser()
    made = metadata_table.made_rows(folder)
    try:
        content = file.read_bytes()
    except OSError as exc:
        raise BadInput(f"needs a CSV file; {file} cannot be read ({exc.strerror})") from exc
    edits = metadata_csv.from_csv(content, made, source=file.name)
    metadata_table.write(folder, edits.rows, edits.originals)
    kept = sum(row["use_case"] is not None for row in edits.rows)
    _out.print(
        f"took in {kept} metadata: {edits.edited} edited, {edits.removed} left out; the codeclm-hf run command, "
        "without --metadata-only, goes on with them",
        soft_wrap=True,
    )
