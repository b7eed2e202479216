"""Screen: which drafts of instructions are new and in no evaluation set, before anybody is paid to answer them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from codeclm_hf.stages.contamination import CONTAMINATED, INSTRUCTION, Contamination
from codeclm_hf.stages.near_duplicates import NearDuplicates


class Rejection(NamedTuple):
    """Why a draft is no instruction to go on with."""

    reason: str
    """`duplicate`, `near_duplicate` or `contaminated`."""
    words: str
    """What it is like, in words that go on after "the model"."""


class Screen:
    """What the instructions of a run must not be like: its seeds, each other, and evaluation sets.

    What is found depends on the order in which drafts are admitted.

    Args:
        known: (key, text) of the instructions there are before the run.
        contamination: finds what evaluation sets hold.
    """

    def __init__(self, known: Iterable[tuple[str, str]], contamination: Contamination) -> None:
        self._instructions = NearDuplicates()
        self._contamination = contamination
        for key, text in known:
            self._instructions.add(key, text)

    def reject(self, text: str) -> Rejection | None:
        """Return why a draft is rejected; None where it is new and stands in no evaluation set."""
        if (duplicate := self._instructions.find(text)) is not None:
            return Rejection(duplicate.reason, "repeats a seed or another instruction")
        found = self._contamination.find(text, INSTRUCTION)
        if found is not None and not found.allowed:
            return Rejection(CONTAMINATED, f"repeats {found.matches[0].benchmark}")
        return None

    def admit(self, key: str, text: str) -> None:
        """Take in an instruction, which later ones must not repeat."""
        self._instructions.add(key, text)
