"""What an evaluation starts from: a benchmark's instructions, each once, beside the responses that are given."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from codeclm_hf import ids, schema
from codeclm_hf.errors import BadInput
from codeclm_hf.stages.encode import instruction_fault
from codeclm_hf.stages.stage import Row

GROUPS = ("use_case", "skill", "source")
"""What results can be told apart by."""
_NAMES = {
    "use_case": ("use_case", "category"),
    "skills": ("skills", "skill"),
    "source": ("original_source", "source"),
}
"""How benchmarks call the columns, in any case; the test sets of the paper have a `category` or a `Skill` (§5.1)."""


@dataclass(frozen=True)
class Benchmark:
    """Instructions to compare two models on."""

    rows: Dataset
    """With the features of `schema.COMPARISONS`; what is to be asked for or judged is null."""
    repeated: int
    """Rows that were left out, because their instruction came before."""
    missing: Mapping[str, tuple[str, ...]]
    """By a side whose responses were given, the instructions to which it has none."""
    others: Mapping[str, int]
    """By a side whose responses were given, how many of them are to other instructions."""

    def by(self, wanted: str | None) -> str | None:
        """What to tell results apart by: what is wanted, or the first of `GROUPS` in which the instructions differ.

        Raises:
            BadInput: no instruction has it.
        """
        rows = [row for row in self.rows if row["instruction"] is not None]
        found = {name: {one for row in rows for one in names_of(name)(row) or [None]} for name in GROUPS}
        if wanted is None:
            return next((name for name in GROUPS if len(found[name]) > 1), None)
        if wanted not in GROUPS:
            raise BadInput(f"needs results by {', '.join(GROUPS[:-1])} or {GROUPS[-1]}; came {wanted!r}")
        if not found[wanted] - {None}:
            have = ", ".join(name for name in GROUPS if found[name] - {None}) or "none"
            raise BadInput(
                f"needs instructions with a {wanted} for results by it; there is none; there is {have}"
            )
        return wanted


def names_of(by: str) -> Any:
    """A function of a row: the names of the groups that it belongs to."""
    if by == "skill":
        return lambda row: row["skills"] or []
    return lambda row: [row[by]] if row[by] else []


def joined(benchmark: Dataset, column: str, given: Mapping[str, Dataset]) -> Benchmark:
    """A benchmark's instructions with the responses that are given.

    White space around an instruction, and the kind of its line ends, make no other one.

    Args:
        benchmark: a table with instructions; a `use_case` (or `category`), `skills` (or `skill`) and `source` are kept.
        column: the column of the instructions.
        given: by `candidate` or `reference`, a table with the columns `instruction` and `response`.

    Raises:
        BadInput: a column is missing, or no instruction has the responses that are given.
    """
    if column not in benchmark.column_names:
        have = ", ".join(f"`{name}`" for name in benchmark.column_names)
        raise BadInput(f"needs a column `{column}`; the benchmark has {have}; pass --column NAME")
    responses = {role: _responses(role, table) for role, table in given.items()}
    columns = _columns(benchmark.column_names)
    made: dict[str, Row] = {}
    repeated = 0
    for at, row in enumerate(benchmark):
        key = _same(row[column]) if not instruction_fault(row[column]) else f"unusable {at}"
        repeated += key in made
        known = {f"{role}_response": of.get(key) for role, of in responses.items()}
        made.setdefault(key, {**_row(row, row[column], key, columns), **known})
    usable = [row for row in made.values() if row["instruction"] is not None]
    if not usable:
        raise BadInput(f"needs at least one instruction; the benchmark has {len(benchmark)} rows and none")
    missing = {
        role: tuple(row["instruction"] for row in usable if row[f"{role}_response"] is None)
        for role in responses
    }
    _comparable(usable, missing)
    others = {role: len(of.keys() - made.keys()) for role, of in responses.items()}
    return Benchmark(schema.table(list(made.values()), schema.COMPARISONS), repeated, missing, others)


def _comparable(usable: list[Row], missing: Mapping[str, tuple[str, ...]]) -> None:
    if any(all(row[f"{role}_response"] is not None for role in missing) for row in usable):
        return
    has = " and ".join(
        f"the {role}'s responses answer {len(usable) - len(none)}" for role, none in missing.items()
    )
    both = " and none of them both" if all(len(none) < len(usable) for none in missing.values()) else ""
    raise BadInput(
        f"needs responses to the benchmark's instructions; of {len(usable)}, {has}{both}; responses are found by the "
        "text of their instruction"
    )


def _responses(role: str, table: Dataset) -> dict[str, str]:
    """By instruction, the first response."""
    if not {"instruction", "response"} <= set(table.column_names):
        have = ", ".join(f"`{name}`" for name in table.column_names)
        raise BadInput(
            f"needs the columns `instruction` and `response` of the {role}'s responses; there are {have}"
        )
    found: dict[str, str] = {}
    for row in table:
        if not instruction_fault(row["instruction"]) and isinstance(row["response"], str):
            found.setdefault(_same(row["instruction"]), row["response"])
    return found


def _row(row: Mapping[str, Any], instruction: Any, key: str, columns: Mapping[str, str]) -> Row:
    error = instruction_fault(instruction)
    use_case, source = (row.get(columns.get(name, "")) for name in ("use_case", "source"))
    if columns.get("source") == "source" and set(schema.SEEDS) <= set(row):
        source = str(source).rpartition(":")[0]  # without the number of the line, which our seeds have there
    return {
        **dict.fromkeys(schema.COMPARISONS),
        "id": ids.row_id("instruction", key),
        "instruction": None if error else instruction,
        "source": _name(source),
        "use_case": _name(use_case),
        "skills": _names(row.get(columns.get("skills", ""))),
        "error": (row.get("error") or error) if error else None,
    }


def _columns(names: Iterable[str]) -> dict[str, str]:
    """The benchmark's columns by what they hold."""
    there = {name.lower(): name for name in names}
    found = {
        what: next((there[name] for name in called if name in there), None) for what, called in _NAMES.items()
    }
    return {what: name for what, name in found.items() if name}


def _names(value: Any) -> list[str]:
    """Names in a list, in JSON (which seeds have in place of lists), or with commas."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):  # no JSON: then it is a name like any other
            value = json.loads(value)
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return [name for name in map(_name, parts) if name]


def _name(value: Any) -> str | None:
    return " ".join(str(value).split()) or None if value is not None else None


def _same(text: str) -> str:
    return text.strip().replace("\r\n", "\n")
