"""The check of a data set's text before it is released: secrets stop a release, personal data is counted.

A secret is a token of a known form (of clouds, code and model hosting, chat and payment services), a private
key, a JSON Web Token or a login in a URL. Nothing is guessed from how random a string looks or from words
such as "password".

What is let pass, because instructions and code are full of it:

* made-up values: those that spell a placeholder (`your_`, `example`, `xxxxxx`, `...`) or count (`123456`,
  `abcdef`, `a1b2c3`), those of little variety, variables (`${TOKEN}`), test-mode keys, and web tokens whose
  claims are made up;
* logins in URLs that lead nowhere (a host without a dot, a reserved or a private one) or whose password is a
  word of every tutorial (`password`, `secret`, `admin`, the user's own name).

Personal data is an e-mail address, a phone number (with its country's code, or North American and written as
such) or a public IP address. What is reserved for documentation is none: `user@example.com`, 192.0.2.1,
+1 212 555 0123.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
import polars as pl

from codeclm_hf.safety import personal_data
from codeclm_hf.safety.secrets import TextSecrets, find_secrets

MOST_SHOWN = 20
"""How many findings a report keeps; it counts them all."""
IDENTIFIERS = frozenset(
    {"id", "root_id", "parent_id", "metadata_id", "seed_ids", "verdict", "winner", "origin", "role"}
)
"""Columns and fields that link rows and name classes: searched for secrets, but not for personal data."""
_CLEAN_HASHES = 1 << 20
"""How many clean texts are remembered at the most."""
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
class ScanReport:
    """What a scan found; reports of batches add up."""

    secrets: tuple[Finding, ...] = ()
    """The first `MOST_SHOWN` of them."""
    secrets_found: int = 0
    """How many there are: a secret that stands twice in one text counts once, in two texts twice."""
    personal: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(personal_data.KINDS, 0))
    """Occurrences of `emails`, `phone_numbers` and `ip_addresses`."""

    def __add__(self, other: ScanReport) -> ScanReport:
        return ScanReport(
            (*self.secrets, *other.secrets)[:MOST_SHOWN],
            self.secrets_found + other.secrets_found,
            {kind: count + other.personal[kind] for kind, count in self.personal.items()},
        )


class CleanTexts:
    """Texts in which nothing was found, by a hash: the same text stands in several tables and columns.

    A text that is forgotten, because another took its place, is searched again; memory stays the same.
    """

    def __init__(self) -> None:
        self._key = random.getrandbits(64)  # so that nobody can write a text with the hash of another
        self._hashes = np.zeros(_CLEAN_HASHES, np.uint64)

    def leave_out(self, texts: pl.DataFrame) -> pl.DataFrame:
        """Return the rows whose `text` is not remembered, with its `hash`."""
        texts = texts.with_columns(pl.col("text").hash(self._key).alias("hash"))
        hashes = texts["hash"].to_numpy()
        return texts.filter(self._hashes[hashes % len(self._hashes)] != hashes)

    def remember(self, hashes: pl.Series) -> None:
        """Leave out the texts of these hashes from now on."""
        new = hashes.to_numpy()
        self._hashes[new % len(self._hashes)] = new


class _Leaf(NamedTuple):
    """The texts at one place of the rows: of a column, or of a field inside of it."""

    path: tuple[str | None, ...]
    """The names of the column and of fields; None stands for a list."""
    texts: pl.DataFrame
    """The columns `row` and `text`, and the place in each list."""

    @property
    def holds_identifiers(self) -> bool:
        """Whether the texts link rows or name classes."""
        return not IDENTIFIERS.isdisjoint(self.path)

    def column(self, places: Sequence[int]) -> str:
        """Return what the column of one text is called, such as `messages[1].content`.

        Args:
            places: the place in each list.
        """
        rest = iter(places)
        return "".join(f"[{next(rest)}]" if name is None else f".{name}" for name in self.path)[1:]


class _RowNames(NamedTuple):
    """What findings call the rows of a batch."""

    ids: pl.Series | None
    """The rows' ids; None where they have none."""
    first_row: int
    """The number of the batch's first row in its table."""

    def name(self, row: int) -> str:
        """Return the row's id; its number where it has none, or where the id itself holds a secret."""
        id = None if self.ids is None else self.ids[row]
        if id is None or any(True for _ in find_secrets(pl.Series([str(id)]))):
            return f"row {self.first_row + row}"
        return str(id)


def scan(
    config: str, batch: pl.DataFrame, key: str | None, *, first_row: int = 0, clean: CleanTexts | None = None
) -> ScanReport:
    """Look for secrets and personal data in every text of some rows.

    Args:
        config: the table's name, for the findings.
        batch: rows with any columns; texts in lists and structs are searched too.
        key: the column with the rows' ids, if there is one.
        first_row: the number of the batch's first row in its table, for rows without an id.
        clean: texts that earlier batches had; those of this batch in which nothing is found are added.

    Returns:
        The findings in the order of columns and rows, and the counts.
    """
    clean = clean or CleanTexts()
    leaves = _leaves(batch)
    texts = clean.leave_out(_all_texts(leaves)).with_row_index()
    identifiers = [number for number, leaf in enumerate(leaves) if leaf.holds_identifiers]
    prose = texts.filter(~pl.col("leaf").is_in(identifiers))
    suspects = prose[personal_data.candidates(prose["text"])]
    secrets = list(find_secrets(texts["text"]))
    not_clean = {*suspects["index"], *(text.position for text in secrets)}
    clean.remember(prose.filter(~pl.col("index").is_in(not_clean))["hash"])
    row_names = _RowNames(None if key is None else batch[key], first_row)
    findings = _findings(config, texts, leaves, secrets, row_names)
    return ScanReport(
        tuple(islice(findings, MOST_SHOWN)),
        sum(len(text.secrets) for text in secrets),
        personal_data.count(suspects["text"]),
    )


def _all_texts(leaves: Sequence[_Leaf]) -> pl.DataFrame:
    """Return the texts of all leaves, with the number of the leaf and the position `at` inside of it.

    All at once, because a call for each of the many columns costs more than the search.
    """
    numbered = (
        leaf.texts.select("text", pl.lit(number).alias("leaf")).with_row_index("at")
        for number, leaf in enumerate(leaves)
    )
    return pl.concat([_NO_TEXTS, *numbered])


def _findings(
    config: str,
    texts: pl.DataFrame,
    leaves: Sequence[_Leaf],
    secrets: Sequence[TextSecrets],
    row_names: _RowNames,
) -> Iterator[Finding]:
    """Yield a finding for each secret."""
    for text in secrets:
        leaf = leaves[texts["leaf"][text.position]]
        row, _, *places = leaf.texts.row(texts["at"][text.position])
        for secret in text.secrets:
            hint = _hint(secret.characters)
            yield Finding(secret.kind, config, row_names.name(row), leaf.column(places), hint)


def scan_text(text: str) -> ScanReport:
    """Look for secrets and personal data in a card or a manifest; the findings' config is `card`."""
    return scan("card", pl.DataFrame({"text": [text]}), None)


def redact(batch: pl.DataFrame) -> pl.DataFrame:
    """Put `[EMAIL]`, `[PHONE]` and `[IP]` in place of the personal data.

    Args:
        batch: rows with any columns.

    Returns:
        The same rows with the same schema; `IDENTIFIERS` and what is no personal data stay as they are.
    """
    schema = batch.schema
    return batch.with_columns(
        _redaction(pl.col(name), schema[name]).alias(name) for name in schema if name not in IDENTIFIERS
    )


def _redaction(text: pl.Expr, dtype: object) -> pl.Expr:
    """Return a column's values with tags in place of personal data."""
    if isinstance(dtype, pl.String):
        return text.map_batches(personal_data.redact, return_dtype=pl.String, is_elementwise=True)
    if isinstance(dtype, pl.List):
        return text.list.eval(_redaction(pl.element(), dtype.inner))
    if isinstance(dtype, pl.Array):
        return text.arr.eval(_redaction(pl.element(), dtype.inner))
    if isinstance(dtype, pl.Struct):
        inner = {name: kind for name, kind in dtype.to_schema().items() if name not in IDENTIFIERS}
        return text.struct.with_fields(
            *(_redaction(pl.field(name), kind).alias(name) for name, kind in inner.items())
        )
    return text


def _leaves(batch: pl.DataFrame) -> list[_Leaf]:
    """Return all places of a table that hold texts, column by column."""
    return [
        leaf
        for name in batch.columns
        for leaf in _leaves_of(batch.select(pl.col(name).alias("text")).with_row_index("row"), (name,))
    ]


def _leaves_of(values: pl.DataFrame, path: tuple[str | None, ...]) -> Iterator[_Leaf]:
    """Yield the leaves below one place.

    Args:
        values: the columns `row`, `text`, which holds values of any type, and the place in each list.
        path: where the values stand.
    """
    dtype, value = values.schema["text"], pl.col("text")
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        yield _Leaf(path, values.with_columns(value.cast(pl.String)).drop_nulls("text"))
    elif isinstance(dtype, pl.Array):
        yield from _leaves_of(values.with_columns(value.arr.to_list()), path)
    elif isinstance(dtype, pl.List):
        place = f"place {values.width}"
        values = values.with_columns(pl.int_ranges(value.list.len()).alias(place)).explode("text", place)
        yield from _leaves_of(values, (*path, None))
    elif isinstance(dtype, pl.Struct):
        for name in dtype.to_schema():
            field_values = values.with_columns(value.struct.field(name).alias("text"))
            yield from _leaves_of(field_values, (*path, name))


def _hint(secret: str) -> str:
    return f"{secret[:4] if len(secret) >= 16 else ''}… ({len(secret)} characters)"
