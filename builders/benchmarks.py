"""Evaluation sets, to find what a run's texts share with them."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import NamedTuple

import datasets

from codeclm_hf.errors import BadInput
from codeclm_hf.stages.contamination import SHORTEST, Benchmark
from codeclm_hf.stages.words import raw_words
from codeclm_hf.text import shorten

from . import sources
from .layout_detection import AUTO
from .seeds import load_seeds

EVALUATION_SPLITS = ("test", "validation")
"""Of a data set on the Hub the first of these is read, and where it has neither, all that it has."""
_CHATS = {"messages": "messages", "conversation": "messages", "conversations": "sharegpt"}
"""The layouts of columns that hold chats."""
_DRIVE = re.compile(r"[A-Za-z]:[^:]*")


class Source(NamedTuple):
    """A file or data set and its column."""

    place: str
    """The file, folder, pattern, address or id on the Hub."""
    column: str | None
    """None where it is to be found."""


def parse_source(source: str) -> Source:
    """Return the parts of `DATASET_OR_FILE[:column]`.

    A colon that belongs to an address, to a drive or to the name of a file that is there begins no column.

    Raises:
        BadInput: there is nothing, or nothing before or after the last colon.
    """
    if not source.strip():
        raise BadInput("needs a file or data set to decontaminate for; came an empty name; leave it out")
    if os.path.exists(source) or ":" not in source or _DRIVE.fullmatch(source):
        return Source(source, None)
    colons = [match.start() for match in re.finditer(":", source)]
    for at in reversed(colons):
        if os.path.exists(source[:at]):
            return _checked(source, at)
    before, after = source[: colons[-1]], source[colons[-1] + 1 :]
    in_address = "://" in before and "/" not in before.partition("://")[2]  # a port, or a password
    if in_address or "/" in after or "\\" in after:
        return Source(source, None)
    return _checked(source, colons[-1])


def _checked(source: str, colon: int) -> Source:
    place, column = source[:colon], source[colon + 1 :]
    if not place.strip() or not column.strip():
        raise BadInput(
            f"needs a file or data set, and a column after a colon or no colon; came `{_name(source)}`"
        )
    return Source(place, column)


def load_benchmark(source: str) -> Benchmark:
    """Return the texts of an evaluation set, all of them.

    Args:
        source: what `load_seeds` takes, a data set on the Hub also as `org/name@revision`; after a colon the
            column that holds the texts. Without one it is found, as for seeds.

    Returns:
        The texts by the line or row that they have in their file, counted on through several files; a text
        that comes again has none there. The name is that of the file or the data set, without its folder,
        and the column where one was given.

    Raises:
        BadInput: there is no such source or column, it cannot be read, or holds no text to compare with.
    """
    place, column = parse_source(source)
    name = _name(place) + (f":{column}" if column else "")
    is_hub_id = "://" not in place and not os.path.exists(place) and not glob.has_magic(place)
    repo, _, revision = place.partition("@") if is_hub_id else (place, "", "")
    layout = _CHATS.get((column or "").strip().lower(), AUTO)
    try:
        table = load_seeds(
            repo,
            column=column if layout == AUTO else None,
            layout=layout,
            split=_evaluation_split(repo, revision or None) if is_hub_id else "train",
            revision=revision or None,
        )
    except BadInput as exc:
        if "Config name is missing" in str(exc):
            files = f"hf://datasets/{place}/CONFIG/test-*.parquet" + (f":{column}" if column else "")
            raise BadInput(
                f"needs one configuration of {place}, which has several; name its files, as in {files}"
            ) from exc
        if "--column" not in exc.hint and "--layout" not in exc.hint:
            raise
        message = str(exc).removesuffix(f"; {exc.hint}")
        raise BadInput(message, hint=f"write the column after a colon, as in {_name(place)}:NAME") from exc
    texts = _by_row(table)
    longest = max(texts, key=lambda text: len(raw_words(text)), default="")
    if len(raw_words(longest)) < SHORTEST:
        held = f"the longest is `{shorten(longest)}`" if longest else "there is none"
        raise BadInput(
            f"needs texts of {SHORTEST} words and more in the evaluation set {name}; {held}; name another column"
        )
    return Benchmark(name=name, texts=tuple(texts), unreadable=_unreadable(table))


def _evaluation_split(repo: str, revision: str | None) -> str:
    if sources.suffix_of(repo) in sources.SEED_SUFFIXES:
        return EVALUATION_SPLITS[0]  # a file that is not there
    try:
        names = datasets.get_dataset_split_names(repo, revision=revision)
    except (*sources.HUB_ERRORS, datasets.exceptions.DatasetsError):
        return EVALUATION_SPLITS[0]  # reading it will say what is wrong
    return next((name for name in EVALUATION_SPLITS if name in names), "+".join(names))


def _by_row(table: datasets.Dataset) -> list[str]:
    """Return the texts of a table of seeds at the places that their sources name; empty between them."""
    texts: list[str] = []
    current, offset = "", 0
    for source, text in zip(table["source"], table["instruction"], strict=True):
        file, _, number = source.rpartition(":")
        if file != current:
            current, offset = file, len(texts)
        texts += [""] * (offset + int(number) - len(texts))
        texts[-1] = text or ""
    return texts


def _unreadable(table: datasets.Dataset) -> str:
    """Return how many rows hold no text, and what is wrong with the first of them; "" where all do."""
    errors = [row for row in table.select_columns(["source", "error"]) if row["error"]]
    if not errors:
        return ""
    rows = "1 row holds" if len(errors) == 1 else f"{len(errors)} rows hold"
    return f"{rows} no text and cannot be compared with ({errors[0]['source']}: {errors[0]['error']})"


def _name(place: str) -> str:
    """Return what a source is called in public: no folder of this machine, no secret of an address."""
    if "://" in place:
        return sources.name_of(place)
    is_local = os.path.exists(place) or os.path.isabs(place) or glob.has_magic(place)
    return Path(place).name if is_local else place
