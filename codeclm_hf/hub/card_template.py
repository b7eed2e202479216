"""The template of a run directory's card, which the folder and the versions published from it keep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from codeclm_hf.hub.snapshot import lock_run_directory
from codeclm_hf.run import directory as run_directory
from codeclm_hf.run.card_context import render_card


def set_card_template(directory: Path, template: str) -> None:
    """Render the card of a run directory with a template, from now on.

    Args:
        directory: a run directory whose run has ended.
        template: the Jinja text; empty for ours.

    Raises:
        BadInput: there is no card yet, or the template cannot be used; nothing was changed.
    """
    run_directory.read_card(directory)
    with lock_run_directory(directory) as content:
        manifest = replace(content.require_manifest(), card_template=template)
        card = render_card(manifest, run_directory.table_files(content.files), content.card)
        run_directory.put_template(directory, manifest, card)
