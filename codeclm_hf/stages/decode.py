"""Decode: metadata becomes n basic instructions, zero-shot on purpose (§4.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from datasets import Features

from codeclm_hf import ids, schema, settings
from codeclm_hf.endpoints.protocol import Endpoint
from codeclm_hf.errors import RowError
from codeclm_hf.prompts import Prompt, load
from codeclm_hf.stages.parsing import answers
from codeclm_hf.stages.stage import Row, Stage
from codeclm_hf.stages.structured import (
    RETRIES,
    RETRY_TEMPERATURE,
    SENTENCE,
    array_of,
    ask,
    gather,
    object_of,
)

MOST_AT_ONCE = 10
"""Instructions one request asks for: a longer list outgrows what a structured answer may hold."""
TOKENS_AN_INSTRUCTION = 256
"""Room for one instruction."""
REPETITION = "the model repeats itself"
"""Why an instruction is missing where the model did write enough."""


class Wave(NamedTuple):
    """What a model wrote when it was asked for instructions once."""

    instructions: list[str]
    """At most as many as were asked for; some may be the same."""
    error: str | None
    """Why a list could not be had, of the last such list; None where all could."""


@dataclass(frozen=True, kw_only=True)
class Decode(Stage):
    """Metadata → basic instructions, written by the strong model (§4.1).

    Takes the table `schema.METADATA`, with a column `num_instructions` if numbers differ; makes the table
    `schema.INSTRUCTIONS`, one row an instruction. A row without a use case gives none.
    """

    features: ClassVar[Features] = schema.INSTRUCTIONS
    needs: ClassVar[tuple[str, ...]] = ("metadata_id", "use_case", "skills")

    strong: Endpoint
    """The model that is asked."""
    prompt: Prompt = field(default_factory=lambda: load("decode"))
    """Filled in with `use_case`, `skills` and `n`, the number of instructions."""
    num_instructions: int = 1
    """Instructions a metadata; a column `num_instructions` overrides it row by row."""
    temperature: float = settings.TEMPERATURE
    """Of every answer; 0 means greedy."""

    async def rows(self, row: Row) -> list[Row]:
        """Return one row for each instruction that the metadata row is to give.

        An instruction that could not be had is a row without text and with an `error`.
        """
        wanted = self._wanted(row)
        if not row["use_case"]:
            return []
        instructions: list[str] = []
        error = REPETITION
        # A short list leaves some missing: they are asked for in further waves, each with seeds of its own.
        for number in range(1 + RETRIES):
            wave = await self.ask_wave(row, wanted - len(instructions), number)
            error = wave.error or error
            instructions = list(dict.fromkeys([*instructions, *wave.instructions]))[:wanted]
        rows = [instruction_row(row, instruction) for instruction in instructions]
        return rows + [missing_row(row, n, wanted, error) for n in range(len(instructions), wanted)]

    async def ask_wave(self, row: Row, wanted: int, number: int) -> Wave:
        """Return what the model writes when it is asked for so many instructions of a metadata row, once.

        Args:
            row: of the table `schema.METADATA`.
            wanted: how many; they are asked for `MOST_AT_ONCE` at a time.
            number: which wave of this metadata it is, from 0; each has seeds of its own.
        """
        sizes = [min(MOST_AT_ONCE, wanted - start) for start in range(0, wanted, MOST_AT_ONCE)]
        lists = await gather(*(self._ask(row, n, (number, part)) for part, n in enumerate(sizes)))
        instructions = [text for texts in lists if not isinstance(texts, str) for text in texts]
        errors = [text for text in lists if isinstance(text, str)]
        return Wave(instructions[:wanted], errors[-1] if errors else None)

    def _wanted(self, row: Row) -> int:
        wanted = row.get("num_instructions")
        return self.num_instructions if wanted is None else int(wanted)

    async def _ask(self, row: Row, n: int, part: tuple[int, int]) -> list[str] | str:
        """Return up to n instructions, or, as text, why there are none."""
        try:
            return await ask(
                self.strong,
                self.prompt.messages(use_case=row["use_case"], skills=row["skills"], n=n),
                lambda completion: answers.instructions(completion.text, n),
                schema=object_of(instructions=array_of(SENTENCE, n)),
                seed=self.seed,
                about=("decode", row["metadata_id"], *map(str, part)),
                # A greedy model would give every part the same list.
                temperature=self.temperature or (RETRY_TEMPERATURE if any(part) else 0.0),
                max_new_tokens=n * TOKENS_AN_INSTRUCTION,
                tries=1,  # the waves ask again
            )
        except RowError as exc:
            return str(exc)


def instruction_row(row: Row, instruction: str) -> Row:
    """Return a row of the table of instructions, of a metadata row."""
    id = instruction_id(row["metadata_id"], instruction)
    return _row_of(row, id=id, instruction=instruction, error=None)


def missing_row(row: Row, n: int, wanted: int, error: str) -> Row:
    """Return the row of an instruction that could not be had, the n-th from 0 of those that were wanted."""
    error = f"decode: instruction {n + 1} of {wanted}: {error}"
    return _row_of(row, id=ids.row_id("lost", row["metadata_id"], n), instruction=None, error=error)


def _row_of(row: Row, **columns: str | None) -> Row:
    return {"metadata_id": row["metadata_id"], "actions": row.get("actions") or [], **columns}


def instruction_id(metadata_id: str, instruction: str, parent_id: str | None = None) -> str:
    """Return an instruction's id: a hash of its metadata, its text and the instruction that it comes from."""
    return ids.row_id("instruction", metadata_id, parent_id, instruction)
