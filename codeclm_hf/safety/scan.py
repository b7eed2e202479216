"""The check of a data set's text before it is released: secrets stop a release, personal data is counted.

A secret is a token of a known form (of clouds, code and model hosting, chat and payment services), a private key, a
JSON Web Token or a login in a URL. Nothing is guessed from how random a string looks or from words such as "password".

What is let pass, because instructions and code are full of it:

* made-up values: those that spell a placeholder (`your_`, `example`, `xxxxxx`, `...`) or count (`123456`, `abcdef`,
  `a1b2c3`), those of little variety, variables (`${TOKEN}`), test-mode keys, and web tokens whose claims are made up;
* logins in URLs that lead nowhere (a host without a dot, a reserved or a private one) or whose password is a word of
  every tutorial (`password`, `secret`, `admin`, the user's own name).

Personal data is an e-mail address, a phone number (with its country's code, or North American and written as such) or a
public IP address. What is reserved for documentation is none: `user@example.com`, 192.0.2.1, +1 212 555 0123.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from codeclm_hf.safety import personal_data as personal
from codeclm_hf.safety import secrets

MOST_SHOWN = 20
"""How many findings a report keeps; it counts them all."""
KEYS = frozenset(
    {"id", "root_id", "parent_id", "metadata_id", "seed_ids", "verdict", "winner", "origin", "role"}
)
"""Columns and fields that link rows and name classes: searched for secrets, but not for personal data."""

_NO_TEXTS = pl.DataFrame(schema={"at": pl.UInt32, "text": pl.String, "leaf": pl.Int32})


@dataclass(frozen=True)
class Finding:
    """One secret found in one text; it never holds the secret itself."""

    kind: str
    """What it is, such as `Hugging Face token`."""
    config: str
    """The table it stands in."""
    row: str
    """The row's id, or `row 17` where it has none."""
    column: str
    """Such as `response` or `messages[1].content`."""
    hint: str
    """Enough to find it: the first 4 characters and the length, `hf_a… (37 characters)`."""

    def __str__(self) -> str:
        return f"{self.kind} in `{self.config}`, {self.row}, `{self.column}`: {self.hint}"


@dataclass(frozen=True)
class Report:
    """What a scan found; reports of batches add up."""

    secrets: tuple[Finding, ...] = ()
    """The first `MOST_SHOWN` of them."""
    secrets_found: int = 0
    """All of them: a secret that stands twice in one text counts once, in two texts twice."""
    personal: dict[str, int] = field(default_factory=lambda: dict.fromkeys(personal.NAMES, 0))
    """Occurrences of `emails`, `phone_numbers` and `ip_addresses`."""

    def __add__(self, other: Report) -> Report:
        return Report(
            (*self.secrets, *other.secrets)[:MOST_SHOWN],
            self.secrets_found + other.secrets_found,
            {name: n + other.personal[name] for name, n in self.personal.items()},
        )


class Clean:
    """Texts with nothing to find, by a hash: the same text stands in several tables and columns.

    A text that is forgotten, because another took its place, is searched again; memory stays the same.
    """

    def __init__(self) -> None:
        self._key = random.getrandbits(64)  # so that nobody can write a text with the hash of another
        self._hashes = np.zeros(1 << 20, np.uint64)

    def without(self, texts: pl.DataFrame) -> pl.DataFrame:
        """The rows whose `text` is not known, with its `hash`."""
        texts = texts.with_columns(pl.col("text").hash(self._key).alias("hash"))
        hashes = texts["hash"].to_numpy()
        return texts.filter(self._hashes[hashes % len(self._hashes)] != hashes)

    def add(self, hashes: pl.Series) -> None:
        """Know these from now on."""
        new = hashes.to_numpy()
        self._hashes[new % len(self._hashes)] = new


def scan(
    config: str, batch: pl.DataFrame, key: str | None, *, first_row: int = 0, clean: Clean | None = None
) -> Report:
    """Look for secrets and personal data in every text of some rows.

    Args:
        config: the table's name, for the findings.
        batch: rows with any columns; texts in lists and structs are searched too.
        key: the column with the rows' ids, if there is one.
        first_row: the number of the batch's first row in its table, for rows without an id.
        clean: texts that earlier batches had, filled on the way.

    Returns:
        The findings in the order of columns and rows, and the counts.
    """
    leaves = [
        leaf
        for name in batch.columns
        for leaf in _leaves(batch.select(pl.col(name).alias("text")).with_row_index("row"), (name,))
    ]
    # All at once: a call for each of the many columns costs more than the search.
    numbered = [
        frame.select("text", pl.lit(n).alias("leaf")).with_row_index("at")
        for n, (_, frame) in enumerate(leaves)
    ]
    clean = clean or Clean()
    texts = clean.without(pl.concat([_NO_TEXTS, *numbered])).with_row_index()
    keys = [n for n, (path, _) in enumerate(leaves) if not KEYS.isdisjoint(path)]
    prose = texts.filter(~pl.col("leaf").is_in(keys))
    maybe = prose[personal.candidates(prose["text"])]
    total, shown, hits = 0, list[Finding](), set(maybe["index"])
    for n, found in secrets.find(texts["text"]):
        hits.add(n)
        total += len(found)
        (path, frame), at = leaves[texts["leaf"][n]], texts["at"][n]
        for kind, secret in found[: MOST_SHOWN - len(shown)]:
            row, _, *places = frame.row(at)
            named = _row_name(None if key is None else batch[key][row], first_row + row)
            shown.append(Finding(kind, config, named, _column(path, places), _hint(secret)))
    clean.add(prose.filter(~pl.col("index").is_in(hits))["hash"])
    return Report(tuple(shown), total, personal.count(maybe["text"]))


def scan_text(text: str) -> Report:
    """Look for secrets and personal data in a card or a manifest; the findings' config is `card`."""
    return scan("card", pl.DataFrame({"text": [text]}), None)


def redact(batch: pl.DataFrame) -> pl.DataFrame:
    """Put `[EMAIL]`, `[PHONE]` and `[IP]` in place of the personal data.

    Args:
        batch: rows with any columns.

    Returns:
        The same rows with the same schema; `KEYS` and everything that is no personal data stay as they are.
    """
    schema = batch.schema
    return batch.with_columns(
        _redacted(pl.col(name), schema[name]).alias(name) for name in schema if name not in KEYS
    )


def _redacted(text: pl.Expr, dtype: object) -> pl.Expr:
    if isinstance(dtype, pl.String):
        return text.map_batches(personal.redact, return_dtype=pl.String, is_elementwise=True)
    if isinstance(dtype, pl.List):
        return text.list.eval(_redacted(pl.element(), dtype.inner))
    if isinstance(dtype, pl.Array):
        return text.arr.eval(_redacted(pl.element(), dtype.inner))
    if isinstance(dtype, pl.Struct):
        inner = {name: one for name, one in dtype.to_schema().items() if name not in KEYS}
        return text.struct.with_fields(
            *(_redacted(pl.field(name), one).alias(name) for name, one in inner.items())
        )
    return text


def _leaves(
    texts: pl.DataFrame, path: tuple[str | None, ...]
) -> Iterator[tuple[tuple[str | None, ...], pl.DataFrame]]:
    """The texts in a column `text`: their path (None is a list) and rows of `row`, `text`, place in each list."""
    dtype, text = texts.schema["text"], pl.col("text")
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        yield path, texts.with_columns(text.cast(pl.String)).drop_nulls("text")
    elif isinstance(dtype, pl.Array):
        yield from _leaves(texts.with_columns(text.arr.to_list()), path)
    elif isinstance(dtype, pl.List):
        place = f"place {texts.width}"
        texts = texts.with_columns(pl.int_ranges(text.list.len()).alias(place)).explode("text", place)
        yield from _leaves(texts, (*path, None))
    elif isinstance(dtype, pl.Struct):
        for name in dtype.to_schema():
            yield from _leaves(texts.with_columns(text.struct.field(name).alias("text")), (*path, name))


def _row_name(key: object, number: int) -> str:
    holds_a_secret = any(True for _ in secrets.find(pl.Series([str(key)])))
    return f"row {number}" if key is None or holds_a_secret else str(key)


def _column(path: tuple[str | None, ...], places: list[int]) -> str:
    left = iter(places)
    return "".join(f"[{next(left)}]" if name is None else f".{name}" for name in path)[1:]


def _hint(secret: str) -> str:
    return f"{secret[:4] if len(secret) >= 16 else ''}… ({len(secret)} characters)"
