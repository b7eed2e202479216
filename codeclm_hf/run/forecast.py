"""What the loops of all instructions will cost, as far as the versions that were judged so far tell.

The loop is a branching process: of the versions that are judged in an iteration a share is accepted, a share is
improved and judged again, and the rest ends. Shares and costs are measured by iteration, over all versions that
have a verdict. The mean of the instructions that are done would be too low for long: those that end early are
done first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

MEASURED = 50
"""Instructions that are done before their shares say something of the others."""
_POOLED = 4
"""As so many versions of an iteration count the means of all later iterations, where few tell of it alone."""


class Expected(NamedTuple):
    """What is to be expected of some instructions."""

    cost: float
    """Of their responses, judgements and improvements."""
    accepted: float
    """How many are accepted."""


@dataclass
class _Iteration:
    """What became of the versions that were judged in one iteration."""

    judged: int = 0
    accepted: int = 0
    again: int = 0
    """Those that are improved."""
    cost: float = 0.0

    def add(self, other: _Iteration) -> None:
        self.judged += other.judged
        self.accepted += other.accepted
        self.again += other.again
        self.cost += other.cost

    def mean(self, like: _Iteration) -> _Mean:
        """Return the shares and the mean cost, with some weight of iterations that are like this one."""
        weight = _POOLED / like.judged if like.judged else 0.0
        number = self.judged + weight * like.judged
        if not number:
            return _Mean(0.0, 0.0, 0.0)
        return _Mean(
            (self.accepted + weight * like.accepted) / number,
            (self.again + weight * like.again) / number,
            (self.cost + weight * like.cost) / number,
        )


class _Mean(NamedTuple):
    accepted: float
    again: float
    cost: float


@dataclass
class _Loop:
    """An instruction in the loop."""

    iteration: int = 1
    """The one that it waits for the verdict of."""
    cost: float = 0.0
    """Of the iterations before."""


class Forecast:
    """What the loops of a run will cost.

    Args:
        iterations: most versions of an instruction that are judged.
    """

    def __init__(self, iterations: int) -> None:
        self._iterations = [_Iteration() for _ in range(iterations)]
        self._loops: dict[str, _Loop] = {}
        self._waiting: Counter[int] = Counter()
        """By iteration, the instructions that wait for its verdict."""
        self.instructions = 0
        """Those that are to go through the loop, so far."""
        self.ended = 0
        """Those that did."""
        self.paid = 0.0
        """What all versions with a verdict cost."""

    def expect(self, instructions: int) -> None:
        """Take in that so many more instructions are to go through the loop."""
        self.instructions += instructions
        self._waiting[1] += instructions

    def record_retry(self, root: str, cost: float) -> None:
        """Take in that the last version of an instruction is to be improved.

        Args:
            root: the id of the instruction.
            cost: what it cost until now.
        """
        loop = self._loops.setdefault(root, _Loop())
        self._record(loop, cost, _Iteration(judged=1, again=1))
        loop.iteration += 1
        self._waiting[loop.iteration] += 1

    def record_end(self, root: str, cost: float, *, accepted: bool) -> None:
        """Take in that an instruction is done.

        Args:
            root: its id.
            cost: what it cost.
            accepted: whether it was accepted.
        """
        self.ended += 1
        self._record(self._loops.pop(root, _Loop()), cost, _Iteration(judged=1, accepted=int(accepted)))

    def record_missing(self) -> None:
        """Take in that an instruction is done, since there is none."""
        self.ended += 1
        self._waiting[1] -= 1

    def _record(self, loop: _Loop, cost: float, version: _Iteration) -> None:
        version.cost = cost - loop.cost
        self._iterations[loop.iteration - 1].add(version)
        self._waiting[loop.iteration] -= 1
        self.paid += version.cost
        loop.cost = cost

    def of_one(self) -> Expected:
        """Return what is to be expected of one more instruction."""
        return self._from(1)

    def of_the_rest(self) -> Expected:
        """Return what is to be expected of all instructions that are not done, but for their paid versions."""
        rest = [
            (number, self._from(iteration)) for iteration, number in sorted(self._waiting.items()) if number
        ]
        return Expected(
            sum(number * one.cost for number, one in rest), sum(number * one.accepted for number, one in rest)
        )

    def _from(self, first: int) -> Expected:
        """Return what is to be expected of an instruction that waits for the verdict of an iteration."""
        cost, accepted, reached = 0.0, 0.0, 1.0
        for iteration in range(first, len(self._iterations) + 1):
            mean = self._iterations[iteration - 1].mean(self._like(iteration))
            cost += reached * mean.cost
            accepted += reached * mean.accepted
            if iteration < len(self._iterations):
                reached *= mean.again
        return Expected(cost, accepted)

    def _like(self, iteration: int) -> _Iteration:
        """Return the sum of the iterations that are most like one: the later ones, or else the first."""
        like = _Iteration()
        for other in self._iterations[1:] if iteration > 1 else ():
            like.add(other)
        return like if like.judged or iteration == 1 else self._iterations[0]
