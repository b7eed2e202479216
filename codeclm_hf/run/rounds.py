"""How many instructions a run asks for in each round, until as many rows are accepted as were wanted."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

LEAST_RATE = 0.05
"""The least share of accepted instructions that is reckoned with: a round asks for no more than 20 a row."""
MOST_GROWTH = 2
"""A round asks for at most so many times the instructions of all rounds before it."""
PATIENCE = 10
"""A run gives up when it has tried so many times the instructions that a row took before, and accepted none."""
LEAST_TRIED = 100
"""Instructions that are tried at least before a run gives up."""
NOTHING_NEW = "the strong model writes no new instructions ({})"
"""Why a run ended early, with what came of the last one that was asked for."""
NO_METADATA = "no seed could be described ({})"
"""Why a run ended that had no metadata to write instructions from, with what is wrong with the first seed."""
NOTHING_ACCEPTED = "none of the last {} instructions was accepted"
"""Why a run ended early, with how many that are."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What came of the rounds so far."""

    asked: int = 0
    """Instructions that were to be made."""
    tried: int = 0
    """Those that could be had, and went through the loop."""
    accepted: int = 0
    """Rows that stay in the data set."""
    tried_since: int = 0
    """Of `tried`, those of the rounds after the last one that brought a row."""
    asked_since: int = 0
    """The same of `asked`."""

    def after(self, *, asked: int, tried: int, accepted: int) -> Tally:
        """Return the tally with another round."""
        return Tally(
            asked=self.asked + asked,
            tried=self.tried + tried,
            accepted=self.accepted + accepted,
            tried_since=0 if accepted else self.tried_since + tried,
            asked_since=0 if accepted else self.asked_since + asked,
        )

    @property
    def gives_up(self) -> bool:
        """Whether a run that still wants rows has tried enough without getting one."""
        if not self.accepted:
            return self.tried_since >= max(LEAST_TRIED, self.asked // 2)
        a_row = (self.tried - self.tried_since) / self.accepted
        return self.tried_since >= max(LEAST_TRIED, PATIENCE * a_row)

    def next_size(self, wanted: int) -> int:
        """Return how many instructions the next round is to make, at least 1.

        Args:
            wanted: rows to accept in all; more than are accepted yet.
        """
        if not self.asked:
            return wanted
        rate = max(self.accepted / self.asked, LEAST_RATE)
        # Rounds that brought nothing are followed by larger ones, so that there are not many of them.
        size = ceil((wanted - self.accepted) / rate) + self.asked_since
        # Where nothing new came, a large round would only pay for more of the same.
        nothing_new = self.asked_since and not self.tried_since
        return min(size, LEAST_TRIED if nothing_new else MOST_GROWTH * self.asked)


def shares(asked: dict[str, int], size: int) -> dict[str, int]:
    """Return how many instructions each metadata is asked for next, so that all are asked for equally many.

    Args:
        asked: by metadata, how many it was asked for so far; a tie goes to the one that stands first.
        size: how many to share out.
    """
    order = sorted(asked, key=lambda metadata_id: asked[metadata_id])  # stable
    level, share = asked.copy(), dict.fromkeys(asked, 0)
    while size > 0 and order:
        # Fill the lowest up to the next one, all at once.
        lowest = level[order[0]]
        low = [metadata_id for metadata_id in order if level[metadata_id] == lowest]
        above = min((level[one] for one in order if level[one] > lowest), default=None)
        step = size // len(low) if above is None else min(size // len(low), above - lowest)
        if not step:
            for metadata_id in low[:size]:
                share[metadata_id] += 1
            break
        for metadata_id in low:
            level[metadata_id] += step
            share[metadata_id] += step
        size -= step * len(low)
    return share
