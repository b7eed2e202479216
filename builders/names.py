"""Lists of use cases or skills to choose from."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from codeclm_hf.errors import BadInput
from codeclm_hf.stages.names import LONGEST_NAME, name_key

from . import formats, sources
from .seed_pass import text_fault

NAMES_SUFFIXES = (".txt", ".jsonl", ".json", ".csv", ".yaml", ".yml", ".parquet")


def load_names(path: str, column: str) -> tuple[str, ...]:
    """Return the names in a file, in its order, white space around each removed.

    Args:
        path: a .txt file with a name a line, a .json, .yaml or .yml file with a list of names, or one of
            these, a .jsonl, a .csv or a .parquet file with the column.
        column: what a name is: `use_case` or `skill`.

    Raises:
        BadInput: there is no such file, it holds no name, a row is none, or two are spellings of one name.
    """
    what = column.replace("_", " ")
    local = sources.find(path, NAMES_SUFFIXES)
    if local is None:
        raise BadInput(f"needs a file with a {what} a line; there is no file `{path}`; check the path")
    first: dict[str, tuple[str, str]] = {}
    for name, place in _names(local.paths, column):
        earlier = first.setdefault(name_key(name), (name, place))
        if earlier[1] != place:
            raise BadInput(
                f"needs each {what} once; {place} has `{name}`, and {earlier[1]} has `{earlier[0]}`; "
                "leave one of them out"
            )
    if not first:
        raise BadInput(f"needs at least one {what}; `{path}` holds none; write one a line")
    return tuple(name for name, _ in first.values())


def _names(paths: list[str], column: str) -> Iterator[tuple[str, str]]:
    """Yield each name with its place.

    Raises:
        BadInput: a row is no name.
    """
    for file in paths:
        for row in _plain_list(file) or formats.rows(file, (column, formats.TEXT_COLUMN)):
            place = f"{sources.name_in(file)}, row {row.number}"
            cells = row.cells or {}
            name = cells.get(column, cells.get(formats.TEXT_COLUMN))
            fault = row.error or text_fault(name)
            if not fault and len(str(name).strip()) > LONGEST_NAME:
                fault = f"is longer than {LONGEST_NAME} characters"
            if fault:
                need = (
                    "one a line" if sources.format_of(file) == ".txt" else f"a list, or a column `{column}`"
                )
                raise BadInput(f"{place}: {fault if row.error else f'the name {fault}'}; names need {need}")
            yield str(name).strip(), place


def _plain_list(file: str) -> list[formats.Row] | None:
    """Return the rows of a .json or YAML file that is a list of texts; None for any other."""
    if sources.format_of(file) not in (".json", ".yaml", ".yml"):
        return None
    try:
        with open(file, encoding="utf-8-sig") as text:
            names = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None  # which the reader of rows explains
    if not isinstance(names, list) or not any(isinstance(name, str) for name in names):
        return None
    return [formats.Row(number, {formats.TEXT_COLUMN: name}) for number, name in enumerate(names, start=1)]
