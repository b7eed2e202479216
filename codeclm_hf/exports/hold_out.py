"""The hold-out split: whole use cases, so that nothing to evaluate on is trained on in other words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

import polars as pl

from codeclm_hf import ids
from codeclm_hf.errors import BadInput
from codeclm_hf.hub.snapshot import Snapshot
from codeclm_hf.text import UNSPACED_SCRIPTS

_SMALL_WORDS = frozenset({"a", "an", "and", "for", "in", "of", "on", "or", "the", "to", "with"})
_WORD = re.compile(rf"(?=\w)[{UNSPACED_SCRIPTS}]|[^\W_{UNSPACED_SCRIPTS}]+")
_STEM_LETTERS = 4
"""Letters of a word that are compared: `plan`, `plans`, `planner` and `planning` begin alike."""


def hold_out_ids(content: Snapshot, fraction: float) -> set[str]:
    """Return the ids of the rows of `default` to evaluate on; `preference` has the same ids.

    Use cases with the same `use_case_key` are one group, and so are those that hold the same instruction (but
    for case, white space and punctuation). Groups are chosen by a hash of their names, in an order that new
    rows do not change.

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
    texts = rows.group_by("use_case", text=plain.hash()).len().collect()
    keys = {name: use_case_key(name) for name in texts["use_case"].unique()}
    texts = texts.with_columns(key=pl.col("use_case").replace_strict(keys, return_dtype=pl.String))
    groups = _groups(texts)
    sizes: dict[str, int] = {}
    for key, count in texts.group_by("key").agg(pl.col("len").sum()).iter_rows():
        sizes[groups[key]] = sizes.get(groups[key], 0) + count
    if len(sizes) < 2:
        raise BadInput(
            "needs two different use cases at least to split by; came one; leave --eval-fraction out"
        )
    chosen = choose_groups(sizes, fraction)
    use_cases = [name for name, key in keys.items() if groups[key] in chosen]
    return set(rows.filter(pl.col("use_case").is_in(use_cases)).select("id").collect()["id"])


def choose_groups(sizes: Mapping[str, int], fraction: float) -> set[str]:
    """Return the groups to hold out: at least one, and never all.

    In the order of a hash, they are the groups that come first, until half of the next one would be too much:
    as rows are added, groups come to those held out or go from them, never both. A group larger than the
    whole share is passed over.

    Args:
        sizes: rows by group, two groups at least.
        fraction: share of the rows, in (0, 1).
    """
    most = fraction * sum(sizes.values())
    order = sorted(sizes, key=lambda group: ids.digest("eval", group))
    small = [group for group in order if sizes[group] <= most] or [min(order, key=lambda group: sizes[group])]
    chosen = set[str]()
    rows = 0
    for group in small[: len(sizes) - 1]:
        if chosen and rows + sizes[group] / 2 > most:
            break
        chosen.add(group)
        rows += sizes[group]
    return chosen


def use_case_key(name: str) -> str:
    """Return the key that near-duplicate names of use cases share.

    It is the same whatever the case, accents, order and form of the words: "Travel planning",
    "travel-planning" and "plan travels" have one key, and "trip planning" has another, since synonyms are not
    known. Names taken for the same by mistake ("code generation", "general codes") cost nothing but that they
    are on one side together.
    """
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(char for char in decomposed if not unicodedata.category(char).startswith("M"))
    words = set(_WORD.findall(unicodedata.normalize("NFC", letters)))
    return " ".join(sorted({_stem(word) for word in words - _SMALL_WORDS or words}))


def _stem(word: str) -> str:
    """Return the beginning of a word in scripts with upper case, where words change at the end."""
    if len(word) < _STEM_LETTERS or word == word.upper():
        return word
    return re.sub("[aeiouys]$", "", word[:_STEM_LETTERS])


def _groups(texts: pl.DataFrame) -> dict[str, str]:
    """Return the group of each key: keys that share a text are one group, called by the first of them.

    Args:
        texts: a row for each `key` and `text` that occur together.
    """
    parents = {key: key for key in texts["key"].unique()}

    def root(key: str) -> str:
        while parents[key] != key:
            key = parents[key]
        return key

    shared = texts.group_by("text").agg(pl.col("key").unique()).filter(pl.col("key").list.len() > 1)
    for keys in shared["key"].to_list():
        first, *others = sorted({root(key) for key in keys})
        parents |= dict.fromkeys(others, first)
    return {key: root(key) for key in parents}
