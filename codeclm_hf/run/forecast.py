"""What the loops of all instructions will cost, as far as the versions that were judged so far tell.

The loop is a branching process: of the versions that are judged in an iteration a share is accepted, a share is
improved and judged again, and the rest ends. Shares and costs are measured by iteration, over all versions that
have a verdict: the mean of the instructions that are done would be too low, since those that end early are done
first.

Among the versions of one iteration those with short answers have their verdict first, too. So those that are on
their way count as well (Kaplan and Meier 1958): one that took longer than some that are done is taken to cost what
those cost that took longer still. Time is counted in verdicts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MEASURED = 50
"""Instructions that are done before their shares say something of the others."""
_POOLED = 10
"""As so many versions of an iteration counts what the one before tells, where few tell of it or none."""
_ANEW = 1.02
"""Shares and costs are measured again when there are so many times the verdicts: it takes a pass over all."""
_LATER = 0.6
"""An improved version is accepted so much less often than the one before, where none tells yet (fig. 3)."""
_DISTRUST = 4
"""An iteration's own mean cost counts by this power of the share of its versions that it is known of."""
_FEW_ON_THEIR_WAY = 0.05
"""Share of those that are done, below which those on their way change no mean."""
_LONGEST = 0.1
"""Share of the versions that are done whose mean cost is that of those that take longer than any of them."""


class Expected(NamedTuple):
    """What is to be expected of some instructions."""

    cost: float
    """Of their responses, judgements and improvements."""
    accepted: float
    """How many are accepted."""


class _Mean(NamedTuple):
    accepted: float
    again: float
    cost: float


class _Version(NamedTuple):
    """A version that has a verdict."""

    time: int
    """How long it took to get it."""
    cost: float


@dataclass
class _Iteration:
    """What became of the versions that were judged in one iteration."""

    accepted: int = 0
    again: int = 0
    """Those that are improved."""
    versions: list[_Version] = field(default_factory=list)
    """All that are judged."""


@dataclass
class _Loop:
    """An instruction in the loop."""

    iteration: int = 1
    """The one that it waits for the verdict of."""
    since: int = 0
    """When the version was begun."""
    cost: float = 0.0
    """Of the iterations before."""


class Forecast:
    """What the loops of a run will cost.

    Args:
        iterations: most versions of an instruction that are judged.
    """

    def __init__(self, iterations: int) -> None:
        self._iterations = [_Iteration() for _ in range(iterations)]
        self._loops: dict[Hashable, _Loop] = {}
        """Those that are begun."""
        self._waiting: Counter[int] = Counter()
        """By iteration, the instructions that wait for its verdict, begun or not."""
        self._now = 0
        """Verdicts so far."""
        self._means: list[_Mean] = []
        self._means_of = 0
        """How many verdicts there were when they were measured last."""
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

    def record_begin(self, key: Hashable) -> None:
        """Take in that the first request for an instruction is sent.

        Args:
            key: names the instruction in what is recorded later.
        """
        self._loops.setdefault(key, _Loop(since=self._now))

    def record_retry(self, key: Hashable, cost: float) -> None:
        """Take in that the last version of an instruction is to be improved.

        Args:
            key: as for `record_begin`.
            cost: what it cost until now.
        """
        loop = self._loops.setdefault(key, _Loop(since=self._now))
        self._iterations[loop.iteration - 1].again += 1
        self._record(loop, cost)
        loop.iteration += 1
        self._waiting[loop.iteration] += 1

    def record_end(self, key: Hashable, cost: float, *, accepted: bool) -> None:
        """Take in that an instruction is done.

        Args:
            key: as for `record_begin`.
            cost: what it cost.
            accepted: whether it was accepted.
        """
        self.ended += 1
        loop = self._loops.pop(key, _Loop(since=self._now))
        self._iterations[loop.iteration - 1].accepted += accepted
        self._record(loop, cost)

    def record_missing(self, key: Hashable) -> None:
        """Take in that an instruction is done of which no answer came, or which was not there.

        Args:
            key: as for `record_begin`.
        """
        self._loops.pop(key, None)
        self.ended += 1
        self._waiting[1] -= 1

    def _record(self, loop: _Loop, cost: float) -> None:
        version = _Version(self._now - loop.since, cost - loop.cost)
        self._iterations[loop.iteration - 1].versions.append(version)
        self._waiting[loop.iteration] -= 1
        self.paid += version.cost
        self._now += 1
        loop.since, loop.cost = self._now, cost

    def expected(self, improvement: float = 0.0) -> tuple[Expected, Expected]:
        """Return what is to be expected of all that are not done, but for their paid versions, and of one more.

        Args:
            improvement: what an answer costs that improves an instruction, which a basic one has not.
        """
        if not self._means or self._now >= self._means_of * _ANEW:
            self._means, self._means_of = self._measure(improvement), self._now
        means = self._means
        rest_cost = rest_accepted = cost = accepted = 0.0
        for iteration in range(len(means), 0, -1):
            mean = means[iteration - 1]  # nothing follows the last one, however much is to be improved there
            cost = mean.cost + mean.again * cost
            accepted = mean.accepted + mean.again * accepted
            rest_cost += self._waiting[iteration] * cost
            rest_accepted += self._waiting[iteration] * accepted
        return Expected(rest_cost, rest_accepted), Expected(cost, accepted)

    def _measure(self, improvement: float) -> list[_Mean]:
        """Return the shares and the mean cost of a version, by iteration."""
        ages: dict[int, list[int]] = {}
        for loop in self._loops.values():
            ages.setdefault(loop.iteration, []).append(self._now - loop.since)
        costs = [_mean_cost(one.versions, ages.get(at, ())) for at, one in enumerate(self._iterations, 1)]
        means: list[_Mean] = []
        for at, (one, (cost, known)) in enumerate(zip(self._iterations, costs, strict=True)):
            number = len(one.versions)
            accepted, again = float(one.accepted), float(one.again)
            if at and means:
                # Few versions, or none, tell of a later iteration: the ones before it do.
                like = means[-1]
                share = like.accepted * _LATER
                accepted += _POOLED * share
                again += _POOLED * max(0.0, like.again + like.accepted - share)
                weight = number * known**_DISTRUST
                before = like.cost + (improvement if at == 1 else 0.0)
                cost = (weight * cost + _POOLED * before) / (weight + _POOLED)
                number += _POOLED
            elif not number:
                return [_Mean(0.0, 0.0, 0.0)] * len(self._iterations)
            means.append(_Mean(accepted / number, again / number, cost))
        return means


class _Cost(NamedTuple):
    mean: float
    known: float
    """Share of the versions that it is known of, in [0, 1]: the others take longer than any that is done."""


def _mean_cost(versions: list[_Version], ages: Sequence[int]) -> _Cost:
    """Return the mean cost of versions, of which some have a verdict and some are on their way.

    Args:
        versions: those that have a verdict.
        ages: how long the others have been on their way.
    """
    if not versions:
        return _Cost(0.0, 0.0)
    if len(ages) < _FEW_ON_THEIR_WAY * len(versions):
        return _Cost(sum(version.cost for version in versions) / len(versions), 1.0)
    done, waiting = sorted(versions), sorted(ages)
    left, at_risk, mean, passed = 1.0, len(done) + len(waiting), 0.0, 0
    for version in done:
        while passed < len(waiting) and waiting[passed] < version.time:
            passed += 1
            at_risk -= 1
        weight = left / at_risk
        mean += weight * version.cost
        left -= weight
        at_risk -= 1
    longest = done[-max(1, int(_LONGEST * len(done))) :]
    return _Cost(mean + left * sum(version.cost for version in longest) / len(longest), 1 - left)
