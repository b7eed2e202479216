"""Secrets in texts, by Kingfisher's rules (MongoDB): tokens of a known form, private keys, logins in URLs.

Its rules that only see a random string beside a service's name are not used, and base64 is not decoded: twice
the time. Nothing is sent anywhere.
"""

from __future__ import annotations

import base64
import functools
import ipaddress
import json
import re
import tempfile
import threading
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

if TYPE_CHECKING:
    import kingfisher_sdk

_OWN_RULES = {
    # Kingfisher knows tokens of 34 letters alone
    "Hugging Face token": r"\b(hf_[A-Za-z0-9]{34,})\b",
    # Kingfisher wants the secret half beside it
    "AWS access key": r"\b((?:AKIA|ASIA)[A-Z2-7]{16})\b",
    # Kingfisher wants OpenAI's mark in the middle
    "OpenAI API key": r"\b(sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,})",
    # Kingfisher wants the last line, which a token limit cuts off
    "Private Key": r"-----BEGIN[ A-Z0-9]{0,40} PRIVATE KEY-----(?:(?:\s|\\[nr])*[A-Za-z0-9+/=]{60,}){2,}",
}
_OURS = "codeclm."
_BY_KEYWORD = ("(?:=|>|", "(?:.|[", r"[\s\S]{0,", r"\bcurl\b")
"""Parts of the patterns that look for a random string near a service's name."""
_HARMLESS = re.compile(r"client-id|access-id|public|pub-key|mongodb-connection-string")
"""Rules for the halves that may be shown, and one whose finds the rule for logins in URLs tells apart."""
_INTRODUCTION = re.compile(r"^(?:\w+ed|Found) an? (?:possible |potential |pattern that may indicate )?")

_MADE_UP = re.compile(
    r"example|placeholder|dummy|sample|insert|redacted|change_?me|your[_-]|[_-]here|(?:fake|test)[_-]"
    r"|j(?:ohn|ane).?doe|012345|123456|987654|abcdef|abc123|a1b2c3|1a2b3c|xyz789|qwerty|deadbeef"
    r"|x{6}|\*{3}|\.{3}|…|([^A=])\1{7}",
    re.IGNORECASE,
)
_MADE_UP_CLAIMS = re.compile(r"example|j(?:ohn|ane).?doe|1234567890", re.IGNORECASE)
_WEAK = re.compile(
    r"pass|p[@4]ss|pwd|secret|s3cr3t|token|admin|guest|root|user|test|demo|letmein|\b(?:foo|bar)\b|^.{1,3}$",
    re.IGNORECASE,
)
_NOWHERE = re.compile(
    r"^[^.]*$|(?:^|\.)(?:localhost|local|internal|invalid|test|example(?:\.(?:com|org|net))?)\.?$",
    re.IGNORECASE,
)

_RUN = r"[A-Za-z0-9_+\-]"
_LONG = rf"{_RUN}{{16}}"
"""Every token has such a run, with a digit or a change of case; prose has hardly any."""
_MIXED = rf"[0-9]{_RUN}{{8}}|{_RUN}{{8}}[0-9]|[a-z][A-Z]{_RUN}{{7}}|{_RUN}{{7}}[a-z][A-Z]"
_ID = r"^[0-9a-f]{16}$"
"""What names a row here: no token is as short."""
_LOGIN = r"://[^\s/@]*@"
_LOGIN_URL = rf"[A-Za-z][A-Za-z0-9+.\-]*{_LOGIN}[A-Za-z0-9.:\[\]\-]*[A-Za-z0-9\]]"
_WORD = r"[A-Za-z0-9_\-./+=~]{15,}[A-Za-z0-9_\-/+=]"
_GAP = "\n" * 16
BLOCK_BYTES = 1 << 20
"""Bytes of text that the scanner reads at a time."""


@dataclass(frozen=True)
class Secret:
    """One secret in a text."""

    kind: str
    """What it is, such as `Hugging Face token`."""
    characters: str = field(repr=False)
    """The secret itself, of a login the whole URL: never to be printed, logged or written."""


class TextSecrets(NamedTuple):
    """The secrets of one text."""

    position: int
    """Which text it is, counted from 0."""
    secrets: list[Secret]
    """At least one, the longest first."""


def find_secrets(texts: pl.Series, *, block_bytes: int = BLOCK_BYTES) -> Iterator[TextSecrets]:
    """Look for secrets in texts.

    Args:
        texts: strings without nulls.
        block_bytes: how much the scanner reads at a time.

    Yields:
        The secrets of each text that holds any.
    """
    for block in _blocks(_suspects(texts), block_bytes):
        for position, text in block[_positions_found(block["text"])].iter_rows():
            if secrets := _secrets(text):  # each alone, so that no neighbour plays a part
                yield TextSecrets(position, secrets)


def _positions_found(texts: pl.Series) -> list[int]:
    """Return the positions of the texts in which the scanner finds something, when it reads them as one."""
    ends = (texts.str.len_bytes() + len(_GAP)).cum_sum().to_list()
    positions: set[int] = set()
    for finding in load_scanner().scanner.scan(texts.str.join(_GAP).item()):
        first = bisect_right(ends, finding.location["start_offset"])
        last = min(bisect_right(ends, finding.location["end_offset"]), len(ends) - 1)
        positions.update(range(first, last + 1))
    return sorted(positions)


def _suspects(texts: pl.Series) -> pl.DataFrame:
    """Return the texts that may hold a secret, with their positions `at`.

    The long words and logins of a text follow it, a line each: Kingfisher's rules are for code, where a quote
    or a space ends a token; in prose a comma or a bracket does.
    """
    text, word = pl.col("text"), pl.col("word")
    frame = _likely(texts.alias("text").to_frame().with_row_index("at").filter(~text.str.contains(_ID)), text)
    words = (
        _likely(
            frame.select(
                "at", pl.concat_list(text.str.extract_all(form) for form in (_WORD, _LOGIN_URL)).alias("word")
            ).explode("word"),
            word,
        )
        .group_by("at", maintain_order=True)
        .agg(word.str.join("\n"))
    )
    both = pl.concat_str("text", "word", separator="\n###\n", ignore_nulls=True)
    return (
        frame.join(words, on="at", how="left", maintain_order="left")
        .filter(word.is_not_null())
        .select("at", both.str.replace_all("\0", " ", literal=True))  # Kingfisher takes many zeros for UTF-16
    )


def _likely(frame: pl.DataFrame, text: pl.Expr) -> pl.DataFrame:
    """Return the rows whose text may hold a secret.

    There are two steps, because only few texts pass the first one, which is fast.
    """
    login = text.str.contains(_LOGIN)
    return frame.filter(text.str.contains(_LONG) | login).filter(text.str.contains(_MIXED) | login)


def _blocks(frame: pl.DataFrame, block_bytes: int) -> list[pl.DataFrame]:
    """Return the rows in parts of about so many bytes of text."""
    blocks = frame.with_columns((pl.col("text").str.len_bytes().cum_sum() // block_bytes).alias("block"))
    return blocks.partition_by("block", maintain_order=True, include_key=False)


def _secrets(text: str) -> list[Secret]:
    """Return the secrets of one text, the longest first; one inside another is not named twice."""
    scanner, precise_rules = load_scanner()
    secrets: list[Secret] = []
    for finding in sorted(scanner.scan(text), key=_order):
        characters = _characters(finding)
        is_inside = any(characters in longer.characters for longer in secrets)
        is_sure = finding.rule_id in precise_rules and finding.confidence != "low"
        if is_sure and not is_inside and not _is_made_up(finding):
            secrets.append(Secret(_kind(finding.rule_name), characters))
    return secrets


def _kind(rule_name: str) -> str:
    """Return what a rule looks for, from its name, such as `Found a possible X, …`."""
    return re.split(r",|\.$", _INTRODUCTION.sub("", rule_name))[0]


def _order(finding: kingfisher_sdk.Finding) -> tuple[int, str, bool, str]:
    secret = _characters(finding)
    return -len(secret), secret, not finding.rule_id.startswith(_OURS), finding.rule_id


def _characters(finding: kingfisher_sdk.Finding) -> str:
    """Return the secret; of a login the whole URL, whose first characters give nothing away."""
    return finding.captures.get("uri", finding.secret)


def _is_made_up(finding: kingfisher_sdk.Finding) -> bool:
    secret, parts = finding.secret, finding.captures
    if "uri" in parts:
        weak = _WEAK.search(secret) or secret.lower() == parts.get("username", "").lower()
        return bool(weak or _MADE_UP.search(secret) or _leads_nowhere(parts.get("host", "")))
    return bool(_MADE_UP.search(secret) or _MADE_UP_CLAIMS.search(_claims(secret)))


def _claims(token: str) -> str:
    """Return the claims of a JSON Web Token as text; empty for other secrets."""
    try:
        return base64.urlsafe_b64decode(token.split(".")[1] + "==").decode(errors="replace")
    except (IndexError, ValueError):
        return ""


def _leads_nowhere(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        return bool(_NOWHERE.search(host))


class Scanner(NamedTuple):
    """Kingfisher with its rules and ours."""

    scanner: kingfisher_sdk.Scanner
    precise_rules: frozenset[str]
    """The ids of the rules whose finds count."""


_loading = threading.Lock()


def load_scanner() -> Scanner:
    """Return the scanner, loaded once a process, by one thread."""
    with _loading:
        return _compile_rules()


@functools.cache
def _compile_rules() -> Scanner:
    """Return the scanner; its compiled rules are kept in the user's cache."""
    import kingfisher_sdk

    own_rules = [
        {"name": name, "id": f"{_OURS}{number}", "pattern": pattern, "confidence": "high", "min_entropy": 1.5}
        for number, (name, pattern) in enumerate(_OWN_RULES.items())
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rules.yml"
        file.write_text(json.dumps({"rules": own_rules}), encoding="utf-8")
        rules = kingfisher_sdk.Rules([file])
    precise_rules = frozenset(
        rule["id"]
        for rule in rules.metadata()
        if rule["visible"] and not _HARMLESS.search(rule["id"]) and _is_precise(rules, rule["id"])
    )
    return Scanner(kingfisher_sdk.Scanner(rules, base64=False), precise_rules)


def _is_precise(rules: kingfisher_sdk.Rules, rule_id: str) -> bool:
    """Return whether a rule knows a token by its form, and not only by the name of a service near it."""
    pattern = rules.detail(rule_id)["pattern"]
    return not any(part in pattern for part in _BY_KEYWORD)
