"""Decode: metadata becomes n basic instructions, zero-shot on purpose (§4.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from datasets import Dataset, Features

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
        error = "the model repeats itself"
        # A short list leaves some missing: they are asked for in further waves, each with seeds of its own.
        for wave in range(1 + RETRIES):
            missing = wanted - len(instructions)
            sizes = [min(MOST_AT_ONCE, missing - start) for start in range(0, missing, MOST_AT_ONCE)]
            for answer in await gather(*(self._ask(row, n, (wave, part)) for part, n in enumerate(sizes))):
                if isinstance(answer, str):
                    error = answer
                else:
                    instructions += answer
            instructions = list(dict.fromkeys(instructions))[:wanted]
        rows = [_instruction(row, instruction=instruction) for instruction in instructions]
        return rows + [
            _instruction(row, error=f"decode: instruction {n + 1} of {wanted}: {error}", n=n)
            for n in range(len(instructions), wanted)
        ]

    def wanted(self, dataset: Dataset) -> int:
        """Return how many instructions a table of metadata is to give."""
        columns = [name for name in ("use_case", "num_instructions") if name in dataset.column_names]
        return sum(self._wanted(row) for row in dataset.select_columns(columns) if row["use_case"])

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


def _instruction(row: Row, *, instruction: str | None = None, error: str | None = None, n: int = 0) -> Row:
    """Return a row of the table of instructions; `n` tells those that are missing apart."""
    metadata_id = row["metadata_id"]
    return {
        "id": instruction_id(metadata_id, instruction) if instruction else ids.row_id("lost", metadata_id, n),
        "metadata_id": metadata_id,
        "instruction": instruction,
        "actions": row.get("actions") or [],
        "error": error,
    }


def instruction_id(metadata_id: str, instruction: str, parent_id: str | None = None) -> str:
    """Return an instruction's id: a hash of its metadata, its text and the instruction that it comes from."""
    return ids.row_id("instruction", metadata_id, parent_id, instruction)
