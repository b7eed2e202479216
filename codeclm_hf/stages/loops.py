"""The measure of loops: how much of a text only says again what stands right before it."""

from __future__ import annotations

import re

LOOP = 500
"""Letters of one repetition from which on a text is a loop."""
_REPEATS = 4
"""How often the same must stand in a row to be a repetition: a chorus sung three times is none."""
_LONGEST_UNIT = 2_000
"""Characters of the longest stretch whose repetitions are seen."""
_PROBE = 24
"""Characters that are looked for again further on."""
_STEP = 230
"""Characters between two probes; less than a repetition of `LOOP` letters is long."""
_MOST_SYMBOLS = 0.15
"""Share of symbols and numbers above which a stretch is code, data or a table: those look alike by nature."""
_MOST_NUMBERS = 0.08
"""The same of a stretch in which numbers differ from time to time."""
_SYMBOLS = re.compile(r"[<>{}\[\]()|=/\\\"`@$%&^~+_\d]")
_SAME_SIGN = re.compile(rf"([!?\U0001f000-\U0001faff])\1{{{LOOP - 1},}}")
"""Signs that draw no lines and fill no tables."""
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")


def loop_length(text: str) -> int:
    """Return the letters of a text's longest repetition: what stands there again, the first time left out.

    A repetition is a stretch of any length that stands four times in a row or more, whatever its language
    and whether it has spaces or lines. Where the numbers in it differ from time to time, its letters count
    half. Stretches with many symbols or numbers are none: code, data, tables and drawings look alike by
    nature. White space counts as one space, so that the indentation of a text changes nothing. A `!`, a `?` or
    an emoji that stands `LOOP` times in a row, as broken models write them, counts as so many letters.
    """
    line = " ".join(text.split())
    if len(line) < LOOP:
        return 0  # what is shorter cannot have as many letters
    signs = max((len(run[0]) for run in _SAME_SIGN.finditer(line)), default=0)
    longest = max(signs, _longest_repetition(line, _MOST_SYMBOLS))
    if longest < LOOP and sum(map(line.count, "0123456789")) >= _REPEATS:
        longest = max(longest, _longest_repetition(_NUMBER.sub("0", line), _MOST_NUMBERS) // 2)
    return longest


def _longest_repetition(line: str, most_symbols: float) -> int:
    longest = at = 0
    border = False  # whether the probe stands where a shorter repetition ended
    while at + _PROBE < len(line):
        again = line.find(line[at : at + _PROBE], at + 1, at + _LONGEST_UNIT + _PROBE)
        if again < 0:
            at, border = at + _STEP, False
            continue
        distance = again - at
        start, stop = _start(line, at, distance), _stop(line, at, distance)
        # The space after the last time may be missing.
        repeated = stop - start >= _REPEATS * distance - 1
        if repeated and _symbols(line[start : start + distance]) <= most_symbols:
            longest = max(longest, sum(map(str.isalpha, line[start + distance : stop])))
        # Lines that begin alike, or short loops in a longer one, hide it; what ends them stands there once a unit.
        border = not border
        past = stop - _PROBE + 1
        at = past if repeated else min(past, at + _STEP) if border else at + _STEP
    return longest


def _stop(line: str, at: int, distance: int) -> int:
    """Return where a line stops to repeat, from here on, what stands at a distance before."""
    low, high = 0, len(line) - at - distance  # characters that are known to be the same, and that may be
    while low < high:
        middle = (low + high + 1) // 2
        same = line[at + low : at + middle] == line[at + distance + low : at + distance + middle]
        low, high = (middle, high) if same else (low, middle - 1)
    return at + distance + low


def _start(line: str, at: int, distance: int) -> int:
    """Return where that repetition starts, with its first unit."""
    low, high = 0, at
    while low < high:
        middle = (low + high + 1) // 2
        same = line[at - middle : at - low] == line[at + distance - middle : at + distance - low]
        low, high = (middle, high) if same else (low, middle - 1)
    return at - low


def _symbols(unit: str) -> float:
    """Return the share of symbols and digits."""
    return len(_SYMBOLS.findall(unit)) / len(unit)
