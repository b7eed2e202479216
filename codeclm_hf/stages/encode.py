"""Encode: a seed instruction becomes metadata, one use case and 1–3 skills (§4.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from datasets import Features

from codeclm_hf import ids, schema, settings
from codeclm_hf.endpoints.protocol import Endpoint
from codeclm_hf.errors import RowError
from codeclm_hf.prompts import Prompt, load
from codeclm_hf.stages.parsing import answers
from codeclm_hf.stages.stage import Row, Stage
from codeclm_hf.stages.structured import ask, object_of

MOST_SKILLS = 3
"""Skills a metadata row has at most (§4.1)."""
_NAME: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 60}


@dataclass(frozen=True, kw_only=True)
class Encode(Stage):
    """Seed instructions → metadata: the strong model names each seed's use case and skills (§4.1).

    Takes a column `instruction`, and `id` and `error` where there are such columns; makes the table
    `schema.METADATA`, one row a seed.
    """

    features: ClassVar[Features] = schema.METADATA
    needs: ClassVar[tuple[str, ...]] = ("instruction",)

    strong: Endpoint
    """The model that is asked."""
    prompt: Prompt = field(default_factory=lambda: load("encode"))
    """Filled in with `instruction`, `use_cases` and `skills`."""
    use_cases: tuple[str, ...] = ()
    """If given, every use case is one of these."""
    skills: tuple[str, ...] = ()
    """If given, every skill is one of these."""
    temperature: float = settings.TEMPERATURE
    """Of every answer; 0 means greedy."""

    async def rows(self, row: Row) -> list[Row]:
        """Return the metadata of one seed, as a single row.

        A seed that cannot be used, or whose answer cannot be read, gives a row without a use case and with an
        `error`.
        """
        instruction = row["instruction"]
        seed_id = row.get("id") or ids.row_id("seed", instruction)
        empty = {"metadata_id": ids.row_id("no metadata", seed_id), "origin": "seed", "seed_ids": [seed_id]}
        if error := instruction_fault(instruction):
            return [_failed(empty, row.get("error") or error)]
        try:
            metadata = await ask(
                self.strong,
                self.prompt.messages(instruction=instruction, use_cases=self.use_cases, skills=self.skills),
                lambda completion: answers.metadata(
                    completion.text, use_cases=self.use_cases, skills=self.skills
                ),
                schema=object_of(
                    use_case=_one_of(self.use_cases),
                    skills={
                        "type": "array",
                        "items": _one_of(self.skills),
                        "minItems": 1,
                        "maxItems": MOST_SKILLS,
                    },
                ),
                seed=self.seed,
                about=("encode", seed_id),
                temperature=self.temperature,
            )
        except RowError as exc:
            return [_failed(empty, f"encode: {exc}")]
        return [metadata_row(metadata.use_case, metadata.skills, origin="seed", seed_ids=[seed_id])]


def metadata_row(use_case: str, skills: list[str], *, origin: str, seed_ids: list[str]) -> Row:
    """Return a row of the metadata table.

    The same use case with the same set of skills has the same id, in whatever order and case they are
    written; skills that differ in case are one, as it is written first.
    """
    key = sorted({skill.casefold() for skill in skills})
    return {
        "metadata_id": ids.row_id("metadata", use_case.casefold(), key),
        "use_case": use_case,
        "skills": answers.distinct(skills),
        "origin": origin,
        "seed_ids": seed_ids,
        "rubrics": [],
        "actions": [],
        "error": None,
    }


def instruction_fault(instruction: object) -> str | None:
    """Return why an instruction cannot be used, in words, or None if it can."""
    if not isinstance(instruction, str):
        return f"the instruction is no text but {type(instruction).__name__}"
    if not instruction.strip():
        return "the instruction is empty"
    return None


def _one_of(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the JSON schema of a name, which is one of these if there are any."""
    return {"type": "string", "enum": list(names)} if names else _NAME


def _failed(row: Row, error: str) -> Row:
    """Return a row of metadata that could not be had."""
    return {**row, "use_case": None, "skills": [], "rubrics": [], "actions": [], "error": error}
