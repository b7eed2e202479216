"""Use cases and skills written by hand."""

from __future__ import annotations

from typing import Any

from codeclm_hf.errors import BadInput

from . import formats, sources
from .seed_pass import text_fault

METADATA_SUFFIXES = (".jsonl", ".json", ".csv", ".yaml", ".yml", ".parquet")

_METADATA_NEED = "each row needs `use_case` (text) and `skills` (a list of texts, or one text with commas)"


def load_metadata(path: str) -> list[dict[str, Any]]:
    """Return hand-written metadata: the use cases to write instructions for, and the skills each one needs.

    Args:
        path: a .jsonl, .json, .csv, .yaml, .yml or .parquet file, or a folder of them, with the columns
            `use_case` and `skills` (a list of texts, or one text with commas).

    Returns:
        `[{"use_case": str, "skills": [str, ...]}, ...]`, white space around each text removed.

    Raises:
        BadInput: there is no such file, it holds no row, or a row lacks its use case or skills.
    """
    local = sources.find(path, METADATA_SUFFIXES)
    if local is None:
        raise BadInput(f"needs a file of use cases and skills; there is no file `{path}`; check the path")
    entries = [
        _metadata(row, f"{sources.name_in(file)}, row {row.number}")
        for file in local.paths
        for row in formats.rows(file, ("use_case", "skills"))
    ]
    if not entries:
        raise BadInput(f"needs at least one use case; `{path}` holds no row; {_METADATA_NEED}")
    return entries


def _metadata(row: formats.Row, place: str) -> dict[str, Any]:
    cells = row.cells or {}
    skills = cells.get("skills")
    if isinstance(skills, str):
        skills = [skill for skill in skills.split(",") if skill.strip()]
    fault = row.error
    if not fault and (use_case := text_fault(cells.get("use_case"))):
        fault = f"the use case {use_case}"
    if not fault and not isinstance(skills, list):
        fault = "the skills are missing" if skills is None else f"the skills are {formats.describe(skills)}"
    if not fault and not skills:
        fault = "there is no skill"
    if not fault:
        fault = next((f"a skill {skill}" for skill in map(text_fault, skills or ()) if skill), None)
    if fault:
        raise BadInput(f"{place}: {fault}; {_METADATA_NEED}")
    return {"use_case": cells["use_case"].strip(), "skills": [skill.strip() for skill in skills or ()]}
