"""What is held out to evaluate on: whole use cases, so that nothing of them was trained on in other words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

import polars as pl

from codeclm_hf import ids
from codeclm_hf.errors import BadInput
from codeclm_hf.hub.snapshot import Snapshot
from codeclm_hf.text import UNSPACED_SCRIPTS

_SMALL = frozenset({"a", "an", "and", "for", "in", "of", "on", "or", "the", "to", "with"})
_WORD = re.compile(rf"(?=\w)[{UNSPACED_SCRIPTS}]|[^\W_{UNSPACED_SCRIPTS}]+")
_STEM = 4
"""Letters of a word that are compared: `plan`, `plans`, `planner` and `planning` begin alike."""


def held_out(content: Snapshot, fraction: float) -> set[str]:
    """The ids of the rows of `default` to evaluate on; `preference` has the same ids.

    Use cases whose names are `alike` are one, and so are those that hold the same instruction (but for case, white
    space and punctuation). They are drawn by a hash of their names, in an order that new rows do not change.

    Args:
        content: the data set.
        fraction: share of the rows, in (0, 1).

    Raises:
        BadInput: there are no use cases to split by, or one alone.
    """
    columns = ["id", "use_case", "instruction"]
    if missing := set(columns) - set(content.schema("default").names):
        raise BadInput(
            "needs use cases to split by; the data set lacks the column "
            f"{', '.join(sorted(missing))}; leave --eval-fraction out"
        )
    rows = content.frame("default", columns).with_columns(pl.col("use_case").fill_null(""))
    plain = pl.col("instruction").str.to_lowercase().str.replace_all(r"[\W_]+", " ").str.strip_chars(" ")
    found = rows.group_by("use_case", text=plain.hash()).len().collect()
    keys = {name: alike(name) for name in found["use_case"].unique()}
    found = found.with_columns(key=pl.col("use_case").replace_strict(keys, return_dtype=pl.String))
    groups = _joined(found)
    sizes: dict[str, int] = {}
    for key, count in found.group_by("key").agg(pl.col("len").sum()).iter_rows():
        sizes[groups[key]] = sizes.get(groups[key], 0) + count
    if len(sizes) < 2:
        raise BadInput(
            "needs two different use cases at least to split by; came one; leave --eval-fraction out"
        )
    held = drawn(sizes, fraction)
    wanted = [name for name, key in keys.items() if groups[key] in held]
    return set(rows.filter(pl.col("use_case").is_in(wanted)).select("id").collect()["id"])


def drawn(sizes: Mapping[str, int], fraction: float) -> set[str]:
    """The groups to hold out: at least one, and never all.

    In the order of a hash, the groups that come first, until half of the next one would be too much: as rows are added,
    groups come to those held out or go from them, never both. A group larger than the whole share is passed over.

    Args:
        sizes: rows by group, two groups at least.
        fraction: share of the rows, in (0, 1).
    """
    most, taken, held = fraction * sum(sizes.values()), 0, set[str]()
    order = sorted(sizes, key=lambda group: ids.digest("eval", group))
    small = [group for group in order if sizes[group] <= most] or [min(order, key=lambda group: sizes[group])]
    for group in small[: len(sizes) - 1]:
        if held and taken + sizes[group] / 2 > most:
            break
        held.add(group)
        taken += sizes[group]
    return held


def alike(use_case: str) -> str:
    """The same for names that are near-duplicates: by case, accents, punctuation, order and form of their words.

    So "Travel planning", "travel-planning" and "plan travels" are one, and "trip planning" is another: synonyms are not
    known. Names taken for the same by mistake ("code generation", "general codes") cost nothing but that they are on
    one side together.
    """
    letters = unicodedata.normalize("NFKD", use_case).casefold()
    text = unicodedata.normalize(
        "NFC", "".join(c for c in letters if not unicodedata.category(c).startswith("M"))
    )
    words = set(_WORD.findall(text))
    return " ".join(sorted({_stem(word) for word in words - _SMALL or words}))


def _stem(word: str) -> str:
    """The beginning of a word, in scripts with upper case, whose words change at the end."""
    if len(word) < _STEM or word == word.upper():
        return word
    return re.sub("[aeiouys]$", "", word[:_STEM])


def _joined(found: pl.DataFrame) -> dict[str, str]:
    """Which group a key belongs to: keys that share a text are one group, called by the first of them."""
    first = {key: key for key in found["key"].unique()}

    def root(key: str) -> str:
        while first[key] != key:
            key = first[key]
        return key

    shared = found.group_by("text").agg(pl.col("key").unique()).filter(pl.col("key").list.len() > 1)
    for keys in shared["key"].to_list():
        least, *others = sorted({root(key) for key in keys})
        first |= dict.fromkeys(others, least)
    return {key: root(key) for key in first}
