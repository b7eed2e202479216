"""The paths that codeclm-hf writes to in a repository; files at other paths belong to people and stay."""

from __future__ import annotations

import re

from codeclm_hf import schema
from codeclm_hf.card.captions import PICTURES
from codeclm_hf.run import directory

_TABLE = re.compile(
    rf"{directory.DATA}/({'|'.join(schema.TABLES)})/train-\d{{5}}-of-\d{{5}}-[0-9a-f]{{16}}\.parquet"
)
_PICTURE = re.compile(rf"{directory.FIGURES}/({'|'.join(map(re.escape, PICTURES))})")

NEW_REPOSITORY = frozenset({".gitattributes", directory.CARD})
"""What a repository may hold that nobody has put data into yet."""


def table_path(config: str, file_name: str) -> str:
    """Return where a shard of a table stands."""
    return f"{directory.DATA}/{config}/{file_name}"


def config_of(path: str) -> str | None:
    """Return the config whose table a file is a shard of; None for any other file."""
    match = _TABLE.fullmatch(path)
    return match[1] if match else None


def picture_path(file_name: str) -> str:
    """Return where a picture of the card stands."""
    return f"{directory.FIGURES}/{file_name}"


def picture_name(path: str) -> str | None:
    """Return the file name of a picture of the card; None for any other file."""
    match = _PICTURE.fullmatch(path)
    return match[1] if match else None
