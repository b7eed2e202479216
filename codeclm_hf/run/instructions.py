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


@dataclass
class _Share:
    """What one metadata is to give in a round, and gave so far."""

    row: Row
    """Of the table `schema.METADATA`."""
    wanted: int
    texts: list[str] = field(default_factory=list)
    """The instructions that passed."""
    error: str | None = None
    """Why the last of the others did not."""
    is_dry: bool = False
    """Whether many drafts were asked for, and none of them was new."""

    @property
    def missing(self) -> int:
        return self.wanted - len(self.texts)

    def instructions(self, lists_missing: bool) -> list[Row]:
        """Return rows of the table `schema.INSTRUCTIONS`, with those that are missing where they are listed."""
        rows = [instruction_row(self.row, text) for text in self.texts]
        missing = range(len(self.texts), self.wanted) if lists_missing else ()
        return rows + [missing_row(self.row, n, self.wanted, self.error or REPETITION) for n in missing]


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
        round = [_Share(row, shares.get(row["metadata_id"], 0)) for row in metadata.to_list()]
        for again in range(1 + MOST_AGAIN):
            # The first wave goes over all rows: they get their rubrics in it.
            describes = self._rounds == 0 and again == 0
            due = [share for share in round if describes or (share.missing and not share.is_dry)]
            if not due:
                break
            draft = self.draft if describes else replace(self.draft, rubrics=None)
            self._ask_wave(draft, due, self._rounds * (1 + MOST_AGAIN) + again)
        self._rounds += 1
        self.last_error = next((share.error for share in reversed(round) if share.error), self.last_error)
        instructions = [row for share in round for row in share.instructions(self.lists_missing)]
        return RoundInstructions(
            metadata=schema.table([share.row for share in round], schema.METADATA),
            instructions=schema.table(instructions, schema.INSTRUCTIONS),
            new={share.row["metadata_id"]: len(share.texts) for share in round},
        )

    def _ask_wave(self, draft: Draft, due: Sequence[_Share], wave: int) -> None:
        """Ask for what is missing, once, and take in what is new."""
        numbered = [{**share.row, "num_instructions": share.missing, "wave": wave} for share in due]
        for share, row in zip(due, self.map(draft, schema.table(numbered, _WAVE)), strict=True):
            asked, before = share.missing, len(share.texts)
            share.row = {name: row[name] for name in schema.METADATA}
            share.error = row["shortage"] or share.error
            self.asked += asked
            self.rejected += Counter({MISSING: asked - len(row["drafts"])})
            for text in row["drafts"]:
                self._screen(share, text)
            share.is_dry = asked >= MANY and bool(row["drafts"]) and len(share.texts) == before

    def _screen(self, share: _Share, text: str) -> None:
        """Take in a draft, or count why not."""
        rejection = self.screen.reject(text)
        if rejection is None:
            share.texts.append(text)
            self.screen.admit(instruction_row(share.row, text)["id"], text)
            return
        self.rejected[rejection.reason] += 1
        share.error = f"the model {rejection.words}"
        if rejection.reason == CONTAMINATED:
            self.contaminated.append(text)
