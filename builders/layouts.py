"""The layouts that people keep instructions in: how each is recognised, and where its instructions are.

The four test sets of the paper (§5.1) are read as their authors publish them: Vicuna's `question.jsonl`,
Self-Instruct's `user_oriented_instructions.jsonl`, `koala_test_set.jsonl` and Evol-Instruct's
`WizardLM_testset.jsonl`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .dialogue import Fault, instruction_of_turns, turns_in, user_text
from .formats import describe
from .request_logs import is_traffic, request_of

Cells = Mapping[str, Any]

ABSENT: Final = object()
"""What a layout gives for a row that lacks what it reads."""
LIKELY = ("instruction", "instructions", "prompt", "question", "problem", "query", "task", "input", "text")
"""Names of columns that hold the instructions of files that no other layout fits."""
_TEXT = "text"
_CHATS = ("messages", "conversation", "prompt")


@dataclass(frozen=True)
class Layout:
    """One way to keep instructions."""

    name: str
    takes: str
    """What becomes the instruction, for a sentence."""
    needs: str
    """The column that it cannot do without; "" where there is no single one."""
    marks: Callable[[Cells], bool]
    """Whether a row is surely of this layout."""
    text: Callable[[Cells, bool], Any]
    """Gives a row's instruction, which may be no text, a `Fault` that says why there is none, or `ABSENT`.

    The second argument says whether the whole dialogue is wanted.
    """
    kept_whole: bool = True
    """Whether the column `needs` holds more than the instruction, and stays beside it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return layout_of, (self.name, self.needs)

    def has(self, row: Cells) -> bool:
        """Return whether the row has what this layout reads."""
        return self.text(row, False) is not ABSENT


def layout_of_row(row: Cells) -> Layout | None:
    """Return the layout that a single row is surely of, or None."""
    return next((layout for layout in LAYOUTS.values() if layout.marks(row)), None) or _column_layout_of(row)


def most_common_layout(rows: Sequence[Cells], *, single_column: bool = False) -> Layout | None:
    """Return the layout that most of the rows have, or None.

    Of several that as many rows have, it is the one that says most about a row. The order of the rows and of
    their columns does not matter.

    Args:
        rows: rows of a file.
        single_column: look for layouts of a single column alone.
    """
    layouts = [
        layout for row in rows if (layout := _column_layout_of(row) if single_column else layout_of_row(row))
    ]
    candidates = {(layout.name, layout.needs): layout for layout in layouts}
    counts = {key: sum(layout.has(row) for row in rows) for key, layout in candidates.items()}
    best = min(candidates, key=lambda key: (-counts[key], _rank(candidates[key])), default=None)
    return None if best is None else candidates[best]


def other_layout(row: Cells, layout: Layout) -> Layout | None:
    """Return the layout that a row is surely of, where it lacks what `layout` reads; else None.

    A line of a log is of another layout only where more than a column's name says so.
    """
    other = layout_of_row(row)
    if other is None or (layout.name == "traffic" and other.name in ("prompt", "text")):
        return None
    return other


def layout_of(name: str, column: str) -> Layout:
    """Return a layout by its name; `column` is what a layout of a single column reads."""
    return LAYOUTS[name] if name in LAYOUTS else column_layout(column)


def column_layout(column: str) -> Layout:
    """Return the layout in which one column is the instruction."""
    name = "text" if column == _TEXT else "prompt"
    return Layout(name, f"the column `{column}`", column, lambda row: column in row,
                  lambda row, whole: row.get(column, ABSENT), kept_whole=False)  # fmt: skip


def _column_layout_of(row: Cells) -> Layout | None:
    names = {name.strip().lower(): name for name in sorted(row)}
    if "instruction" in names:
        return column_layout(names["instruction"])
    likely = [names[name] for name in LIKELY if name in names and isinstance(row[names[name]], str)]
    return column_layout(likely[0]) if len(likely) == 1 else None  # which of two is meant, the user must say


def _rank(layout: Layout) -> tuple[int, int, str]:
    names = list(LAYOUTS)
    column = layout.needs.strip().lower()
    at = names.index(layout.name) if layout.name in names else len(names)
    return (at, LIKELY.index(column) if column in LIKELY else len(LIKELY), layout.needs)


def _with_input(instruction: Any, context: Any) -> Any:
    """Return the instruction with its input, if there is one, after a blank line."""
    if context is None or not isinstance(instruction, str) or not instruction.strip():
        return instruction
    if not isinstance(context, str):
        return Fault(f"the input is {describe(context)}, needs text")
    return f"{instruction}\n\n{context}" if context.strip() else instruction


def _alpaca(row: Cells, whole: bool) -> Any:
    return _with_input(row["instruction"], row.get("input")) if "instruction" in row else ABSENT


def _self_instruct(row: Cells, whole: bool) -> Any:
    if "instruction" not in row or "instances" not in row:
        return ABSENT
    instances = row["instances"]
    first = instances[0] if isinstance(instances, list) and instances else {}
    return _with_input(row["instruction"], first.get("input") if isinstance(first, dict) else None)


def _mt_bench(row: Cells, whole: bool) -> Any:
    turns = row.get("turns", row.get("prompt", ABSENT))
    if turns is ABSENT or isinstance(turns, str):
        return ABSENT
    if not _texts(turns):
        return Fault(f"the turns are {describe(turns)}, needs a list of texts")
    return instruction_of_turns([("user", turn) for turn in turns], whole)


def _messages(row: Cells, whole: bool) -> Any:
    column = next((name for name in _CHATS if name in row and not _is_plain_text(name, row[name])), None)
    return ABSENT if column is None else user_text(row, row[column], whole)


def _sharegpt(row: Cells, whole: bool) -> Any:
    return user_text(row, row["conversations"], whole) if "conversations" in row else ABSENT


def _traffic(row: Cells, whole: bool) -> Any:
    request = request_of(row, whole)
    return ABSENT if request is None else request.text


def _is_plain_text(name: str, value: Any) -> bool:
    return name == "prompt" and turns_in(value) is None


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)


def _is_mt_bench(row: Cells) -> bool:
    known_by = {"question_id", "category", "prompt_id", "reference"} & set(row)
    return bool(known_by) and _texts(row.get("turns", row.get("prompt")))


def _is_koala(row: Cells) -> bool:
    return str(row.get("id")).startswith("koala_") and isinstance(row.get("prompt"), str)


def _is_self_instruct(row: Cells) -> bool:
    return "instruction" in row and isinstance(row.get("instances"), list)


def _column(name: str) -> Callable[[Cells, bool], Any]:
    return lambda row, whole: row.get(name, ABSENT)


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("mt_bench", "the first of the `turns`", "turns", _is_mt_bench, _mt_bench),
        Layout("self_instruct", "the instruction and its first instance's input", "instruction",
               _is_self_instruct, _self_instruct, kept_whole=False),
        Layout("vicuna", "the question's `text`", "text", lambda row: "question_id" in row and "text" in row,
               _column("text"), kept_whole=False),
        Layout("koala", "the `prompt`", "prompt", _is_koala, _column("prompt"), kept_whole=False),
        Layout("evol_instruct", "the `Instruction`", "Instruction",
               lambda row: "Instruction" in row and bool({"Skill", "Difficulty"} & set(row)),
               _column("Instruction"), kept_whole=False),
        Layout("traffic", "what users asked in the logged requests", "", is_traffic, _traffic),
        Layout("sharegpt", "the first turn of the human in the `conversations`", "conversations",
               lambda row: bool(turns_in(row.get("conversations"))), _sharegpt),
        Layout("messages", "the first turn of the user in the `messages`", "messages",
               lambda row: any(turns_in(row.get(name)) for name in _CHATS), _messages),
        Layout("alpaca", "the instruction and its input", "instruction",
               lambda row: "instruction" in row and "input" in row, _alpaca, kept_whole=False),
    )
}  # fmt: skip
"""By name, those that are recognised most surely first; `prompt` and `text` are made by `column_layout`."""

NAMES = (*LAYOUTS, "prompt", "text")
"""Every layout there is."""
