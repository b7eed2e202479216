"""A benchmark's instructions, each once, beside the responses that the caller brings."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from codeclm_hf import ids, schema
from codeclm_hf.errors import BadInput, NoAnswer
from codeclm_hf.evaluation.comparisons import GROUPINGS, comparisons
from codeclm_hf.evaluation.results import BenchmarkSource
from codeclm_hf.run import inputs
from codeclm_hf.stages.encode import instruction_fault
from codeclm_hf.stages.stage import Row
from codeclm_hf.stages.structured import given_answer

_COLUMN_NAMES = {
    "use_case": ("use_case", "category"),
    "skills": ("skills", "skill"),
    "source": ("original_source", "source"),
}
"""What benchmarks call the columns, in any case; the paper's have a `category` or a `Skill` (§5.1)."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Instructions to compare two models on, with the responses that need not be asked for."""

    rows: Dataset
    """A table of `schema.JUDGEMENTS`; what is still to be asked for, or to be judged, is null."""
    source: BenchmarkSource
    """Where the instructions come from."""
    without_response: Mapping[str, tuple[str, ...]]
    """By role whose responses the caller brought: the instructions to which there is none."""
    without_answer: Mapping[str, tuple[str, ...]]
    """By role whose responses the caller brought: the instructions to which they hold no answer but an empty
    text, or thoughts alone."""
    other_responses: Mapping[str, int]
    """By role whose responses the caller brought: how many of them are to other instructions."""

    def count_complete(self, asked: Collection[str] = ()) -> int:
        """Return how many instructions have both answers, if these roles are asked for theirs."""
        lacking = {
            instruction
            for without in (self.without_response, self.without_answer)
            for role, instructions in without.items()
            if role not in asked
            for instruction in instructions
        }
        return sum(text is not None and text not in lacking for text in self.rows["instruction"])

    def grouping(self, name: str | None) -> str | None:
        """Return the grouping of the results.

        Args:
            name: one of `GROUPINGS`; None for the first of them in which the instructions differ.

        Raises:
            BadInput: `name` is no grouping, or no instruction has it.
        """
        rows = [row for row in comparisons(self.rows) if row.instruction is not None]
        values = {
            grouping: {value for row in rows for value in row.names(grouping) or (None,)}
            for grouping in GROUPINGS
        }
        if name is None:
            return next((grouping for grouping in GROUPINGS if len(values[grouping]) > 1), None)
        if name not in GROUPINGS:
            raise BadInput(f"needs results by {', '.join(GROUPINGS[:-1])} or {GROUPINGS[-1]}; came {name!r}")
        if not values[name] - {None}:
            available = ", ".join(other for other in GROUPINGS if values[other] - {None}) or "none"
            raise BadInput(
                f"needs instructions with a {name} for results by it; there is none; there is {available}"
            )
        return name


def join_responses(benchmark: Dataset, responses: Mapping[str, Dataset], *, column: str) -> Benchmark:
    """Return the instructions of a benchmark beside the responses that the caller brings.

    White space around an instruction and the kind of its line ends do not tell instructions apart. Of several
    responses to one instruction the first counts that holds an answer.

    Args:
        benchmark: a table with instructions; its `use_case` (or `category`), `skills` (or `skill`) and
            `source` are kept.
        responses: by `candidate` or `reference`, a table with the columns `instruction` and `response`.
        column: the benchmark's column of instructions.

    Raises:
        BadInput: a column is missing, or no instruction has a response of each side that brings responses.
    """
    if column not in benchmark.column_names:
        have = ", ".join(f"`{name}`" for name in benchmark.column_names)
        raise BadInput(f"needs a column `{column}`; the benchmark has {have}; pass --column NAME")
    answers = {role: _by_instruction(role, table) for role, table in responses.items()}
    columns = _columns(benchmark.column_names)
    rows: dict[str, Row] = {}
    repeated = 0
    for number, row in enumerate(benchmark):
        key = f"unusable {number}" if instruction_fault(row[column]) else _key(row[column])
        if key in rows:
            repeated += 1
            continue
        responses_here = {f"{role}_response": texts.get(key) for role, texts in answers.items()}
        rows[key] = {**_judgement_row(row, row[column], key, columns), **responses_here}
    usable = [row for row in rows.values() if row["instruction"] is not None]
    if not usable:
        raise BadInput(f"needs at least one instruction; the benchmark has {len(benchmark)} rows and none")
    without_response, without_answer = (
        {
            role: tuple(row["instruction"] for row in usable if lacks(row[f"{role}_response"]))
            for role in answers
        }
        for lacks in (lambda response: response is None, _is_no_answer)
    )
    _check_overlap(usable, without_response, without_answer)
    return Benchmark(
        rows=schema.table(list(rows.values()), schema.JUDGEMENTS),
        source=_source(benchmark, repeated),
        without_response=without_response,
        without_answer=without_answer,
        other_responses={role: len(texts.keys() - rows.keys()) for role, texts in answers.items()},
    )


def _check_overlap(usable: Sequence[Row], *without: Mapping[str, tuple[str, ...]]) -> None:
    """Check that at least one instruction has an answer of each side that brings its responses."""
    lacking = {role: {text for part in without for text in part[role]} for role in without[0]}
    if any(all(row["instruction"] not in texts for texts in lacking.values()) for row in usable):
        return
    answered = {role: len(usable) - len(texts) for role, texts in lacking.items()}
    counts = " and ".join(f"the {role}'s responses answer {count}" for role, count in answered.items())
    both = " and none of them both" if all(answered.values()) else ""
    raise BadInput(
        f"needs responses to the benchmark's instructions; of {len(usable)}, {counts}{both}; "
        "responses are found by the text of their instruction"
    )


def _by_instruction(role: str, table: Dataset) -> dict[str, str]:
    """Return the first answer to each instruction; a text that is none where there is no other."""
    if not {"instruction", "response"} <= set(table.column_names):
        have = ", ".join(f"`{name}`" for name in table.column_names)
        raise BadInput(
            f"needs the columns `instruction` and `response` of the {role}'s responses; there are {have}"
        )
    responses: dict[str, str] = {}
    for row in table:
        if not instruction_fault(row["instruction"]):
            key, response = _key(row["instruction"]), row["response"]
            if _is_no_answer(responses.get(key, "")):
                responses[key] = response if isinstance(response, str) else responses.get(key, "")
    return responses


def _is_no_answer(response: str | None) -> bool:
    """Return whether there is a response, and no answer in it."""
    if response is None:
        return False
    try:
        given_answer(response)
    except NoAnswer:
        return True
    return False


def _source(benchmark: Dataset, repeated: int) -> BenchmarkSource:
    source = inputs.seed_sources(benchmark, None)
    return BenchmarkSource(
        rows=source.rows,
        sources=source.sources,
        license=source.license,
        repeated=repeated,
    )


def _judgement_row(row: Mapping[str, Any], instruction: Any, key: str, columns: Mapping[str, str]) -> Row:
    """Return a benchmark's row with the columns of `schema.JUDGEMENTS`."""
    fault = instruction_fault(instruction)
    use_case, source = (row.get(columns.get(name, "")) for name in ("use_case", "source"))
    if columns.get("source") == "source" and set(schema.SEEDS) <= set(row):
        source = str(source).rpartition(":")[0]  # without the number of the line, which our seeds have there
    return {
        **dict.fromkeys(schema.JUDGEMENTS),
        "id": ids.row_id("instruction", key),
        "instruction": None if fault else instruction,
        "source": _name(source),
        "use_case": _name(use_case),
        "skills": _names(row.get(columns.get("skills", ""))),
        "error": (row.get("error") or fault) if fault else None,
    }


def _columns(names: Iterable[str]) -> dict[str, str]:
    """Return the benchmark's columns by what they hold; what it lacks is left out."""
    by_lower_case = {name.lower(): name for name in names}
    return {
        content: next(by_lower_case[name] for name in candidates if name in by_lower_case)
        for content, candidates in _COLUMN_NAMES.items()
        if not by_lower_case.keys().isdisjoint(candidates)
    }


def _names(value: Any) -> list[str]:
    """Return the names in a list, in a JSON list (which seeds have instead), or in text with commas."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):  # no JSON: then it is a name like any other
            value = json.loads(value)
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return [name for name in map(_name, parts) if name]


def _name(value: Any) -> str | None:
    return " ".join(str(value).split()) or None if value is not None else None


def _key(instruction: str) -> str:
    """Return what two writings of the same instruction have in common."""
    return instruction.strip().replace("\r\n", "\n")
