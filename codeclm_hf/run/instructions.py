"""The basic instructions of a run: drafted in waves, screened in their order, asked for again where rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from datasets import Dataset, Features, Value

from codeclm_hf import schema
from codeclm_hf.stages.contamination import CONTAMINATED
from codeclm_hf.stages.decode import REPETITION, instruction_row, missing_row
from codeclm_hf.stages.draft import Draft
from codeclm_hf.stages.screen import Screen
from codeclm_hf.stages.stage import Row, Stage

MOST_AGAIN = 3
"""Further waves in which instructions are asked for in place of those that were rejected or are missing."""
MANY = 10
"""Drafts that a metadata is asked for in a wave, after which it is not asked again where none of them is new."""
MISSING = "missing"
"""Why an instruction that was asked for is not there: its list was too short, or could not be read."""
_WAVE = Features({**schema.METADATA, "num_instructions": Value("int64"), "wave": Value("int64")})


@dataclass(frozen=True, kw_only=True)
class RoundInstructions:
    """The basic instructions of one round."""

    metadata: Dataset
    """The table `schema.METADATA`, with rubrics where they are needed."""
    instructions: Dataset
    """The table `schema.INSTRUCTIONS`, metadata by metadata."""
    new: Mapping[str, int]
    """How many new instructions each metadata gave."""


@dataclass(kw_only=True)
class Drafter:
    """Asks for the instructions of a run, round by round."""

    draft: Draft
    """The stage that asks."""
    screen: Screen
    """What the instructions must not be like; it takes in those that pass."""
    map: Callable[[Stage, Dataset], Dataset]
    """Maps a stage over a table."""
    lists_missing: bool = True
    """Whether an instruction that could not be had is a row with an `error`; else the next round makes another."""
    asked: int = 0
    """Drafts that were asked for so far, those in place of others included."""
    rejected: Counter[str] = field(default_factory=Counter)
    """How many of those came to nothing, by reason."""
    contaminated: list[str] = field(default_factory=list)
    """The drafts that share words with an evaluation set."""
    last_error: str = REPETITION
    """Why a draft was not to be had, of the last one."""
    _rounds: int = 0

    def next_round(self, metadata: Dataset, shares: Mapping[str, int]) -> RoundInstructions:
        """Return new instructions of each metadata row.

        Args:
            metadata: the table `schema.METADATA`.
            shares: how many instructions each `metadata_id` is to give.
        """
        rows: dict[str, Row] = {row["metadata_id"]: row for row in metadata.to_list()}
        texts: dict[str, list[str]] = {id: [] for id in rows}
        errors: dict[str, str] = {}
        dry: set[str] = set()
        first = self._rounds == 0
        for again in range(1 + MOST_AGAIN):
            missing = {id: shares.get(id, 0) - len(texts[id]) for id in rows}
            # The first wave goes over all rows: they get their rubrics in it.
            due = [
                id
                for id, number in missing.items()
                if (number > 0 and id not in dry) or (first and not again)
            ]
            if not due:
                break
            wave = self._rounds * (1 + MOST_AGAIN) + again
            draft = self.draft if first and not again else replace(self.draft, rubrics=None)
            for row in self._drafts(draft, [rows[id] for id in due], missing, wave):
                id = row["metadata_id"]
                rows[id] = {name: row[name] for name in schema.METADATA}
                if row["shortage"]:
                    errors[id] = row["shortage"]
                self.asked += missing[id]
                self.rejected += Counter({MISSING: missing[id] - len(row["drafts"])})
                before = len(texts[id])
                for text in row["drafts"]:
                    if error := self._screen(rows[id], text, texts[id]):
                        errors[id] = error
                if missing[id] >= MANY and row["drafts"] and len(texts[id]) == before:
                    dry.add(id)
        self._rounds += 1
        self.last_error = next(reversed(errors.values()), self.last_error)
        instructions = []
        for id, row in rows.items():
            instructions += [instruction_row(row, text) for text in texts[id]]
            if self.lists_missing:
                wanted = shares.get(id, 0)
                error = errors.get(id, REPETITION)
                instructions += [missing_row(row, n, wanted, error) for n in range(len(texts[id]), wanted)]
        return RoundInstructions(
            metadata=schema.table(list(rows.values()), schema.METADATA),
            instructions=schema.table(instructions, schema.INSTRUCTIONS),
            new={id: len(new) for id, new in texts.items()},
        )

    def _drafts(self, draft: Draft, rows: Sequence[Row], missing: Mapping[str, int], wave: int) -> list[Row]:
        """Return the metadata rows with what the model writes in one wave."""
        numbered = [{**row, "num_instructions": missing[row["metadata_id"]], "wave": wave} for row in rows]
        return list(self.map(draft, schema.table(numbered, _WAVE)))

    def _screen(self, row: Row, text: str, texts: list[str]) -> str | None:
        """Take in a draft, or return why not, in words."""
        rejection = self.screen.reject(text)
        if rejection is None:
            texts.append(text)
            self.screen.admit(instruction_row(row, text)["id"], text)
            return None
        self.rejected[rejection.reason] += 1
        if rejection.reason == CONTAMINATED:
            self.contaminated.append(text)
        return f"the model {rejection.words}"
