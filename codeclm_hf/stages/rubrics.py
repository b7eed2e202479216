"""Rubrics: metadata gets the criteria of its own difficulty, and an action for each, once (§4.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from datasets import Features

from codeclm_hf import schema, settings
from codeclm_hf.endpoints.protocol import Endpoint
from codeclm_hf.errors import RowError
from codeclm_hf.prompts import Prompt, load
from codeclm_hf.stages.parsing import answers
from codeclm_hf.stages.stage import Row, Stage
from codeclm_hf.stages.structured import SENTENCE, array_of, ask, object_of

TOKENS_A_SENTENCE = 96
"""Room for one rubric or one action."""


@dataclass(frozen=True, kw_only=True)
class Rubrics(Stage):
    """Metadata → the same metadata with rubrics and actions, written by the strong model (§4.2).

    Takes and makes the table `schema.METADATA`, row for row.
    """

    features: ClassVar[Features] = schema.METADATA
    needs: ClassVar[tuple[str, ...]] = tuple(schema.METADATA)

    strong: Endpoint
    """The model that is asked."""
    prompt: Prompt = field(default_factory=lambda: load("rubrics"))
    """Filled in with `use_case`, `skills` and `n`, the number of rubrics."""
    num_rubrics: int = settings.NUM_RUBRICS
    """Rubrics a metadata, and as many actions."""
    temperature: float = settings.TEMPERATURE
    """Of every answer; 0 means greedy."""

    async def rows(self, row: Row) -> list[Row]:
        """Return the metadata row with its rubrics and actions.

        A row that has actions already keeps what it has.
        Where they cannot be had the row has none and an `error`; instructions can still be decoded from it.
        """
        if not row["use_case"] or row["actions"]:
            return [row]
        n = self.num_rubrics
        try:
            rubrics, actions = await ask(
                self.strong,
                self.prompt.messages(use_case=row["use_case"], skills=row["skills"], n=n),
                lambda completion: answers.rubrics(completion.text, n),
                schema=object_of(rubrics=array_of(SENTENCE, n), actions=array_of(SENTENCE, n)),
                seed=self.seed,
                about=("rubrics", row["metadata_id"]),
                temperature=self.temperature,
                max_new_tokens=2 * n * TOKENS_A_SENTENCE,
            )
        except RowError as exc:
            return [{**row, "rubrics": [], "actions": [], "error": f"rubrics: {exc}"}]
        return [{**row, "rubrics": rubrics, "actions": actions}]
