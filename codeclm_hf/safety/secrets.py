"""Secrets in texts, found by Kingfisher's rules (MongoDB): tokens of a known form, private keys, logins in URLs.

Its rules that only see a random string beside a service's name are not used, and base64 is not decoded: twice the time.
Nothing is sent anywhere.
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
from pathlib import Path
from typing import TYPE_CHECKING

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
    r"example|placeholder|dummy|sample|insert|redacted|change_?me|your[_-]|[_-]here|(?:fake|test)[_-]|j(?:ohn|ane).?doe"
    r"|012345|123456|987654|abcdef|abc123|a1b2c3|1a2b3c|xyz789|qwerty|deadbeef|x{6}|\*{3}|\.{3}|…|([^A=])\1{7}",
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
_BLOCK = 1 << 20  # bytes scanned at a time


def find(texts: pl.Series) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Look for secrets in texts.

    Args:
        texts: strings without nulls.

    Yields:
        The position of each text that holds any, and the kind and the characters of each; never print the latter.
    """
    for block in _blocks(_suspects(texts)):
        ends = (block["text"].str.len_bytes() + len(_GAP)).cum_sum().to_list()
        hits: set[int] = set()
        for finding in _scanner()[0].scan(block["text"].str.join(_GAP).item()):
            start, end = finding.location["start_offset"], finding.location["end_offset"]
            hits.update(range(bisect_right(ends, start), min(bisect_right(ends, end), len(ends) - 1) + 1))
        for at, text in block[sorted(hits)].iter_rows():  # each alone, so that no neighbour plays a part
            if secrets := _secrets(text):
                yield at, secrets


def _suspects(texts: pl.Series) -> pl.DataFrame:
    """Texts that may hold a secret: `at`, and `text` followed by its long words and its logins, a line each.

    Kingfisher's rules are for code, where a token ends with a quote or a space; in prose a comma or a bracket follows.
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
    """Rows whose text may hold a secret; asked in two steps, since only few pass the first, which is fast."""
    login = text.str.contains(_LOGIN)
    return frame.filter(text.str.contains(_LONG) | login).filter(text.str.contains(_MIXED) | login)


def _blocks(frame: pl.DataFrame) -> list[pl.DataFrame]:
    blocks = frame.with_columns((pl.col("text").str.len_bytes().cum_sum() // _BLOCK).alias("block"))
    return blocks.partition_by("block", maintain_order=True, include_key=False)


def _secrets(text: str) -> list[tuple[str, str]]:
    """The kind and the characters of each secret, longest first; one inside another is not told twice."""
    scanner, precise = _scanner()
    found: list[tuple[str, str]] = []
    for finding in sorted(scanner.scan(text), key=_order):
        secret = _characters(finding)
        told = any(secret in longer for _, longer in found)
        if (
            finding.rule_id in precise
            and finding.confidence != "low"
            and not told
            and not _is_made_up(finding)
        ):
            kind = _INTRODUCTION.sub("", finding.rule_name)
            found.append((re.split(r",|\.$", kind)[0], secret))
    return found


def _order(finding: kingfisher_sdk.Finding) -> tuple[int, str, bool, str]:
    secret = _characters(finding)
    return -len(secret), secret, not finding.rule_id.startswith(_OURS), finding.rule_id


def _characters(finding: kingfisher_sdk.Finding) -> str:
    return finding.captures.get(
        "uri", finding.secret
    )  # of a login all, whose first characters give nothing away


def _is_made_up(finding: kingfisher_sdk.Finding) -> bool:
    secret, parts = finding.secret, finding.captures
    if "uri" in parts:
        weak = _WEAK.search(secret) or secret.lower() == parts.get("username", "").lower()
        return bool(weak or _MADE_UP.search(secret) or _leads_nowhere(parts.get("host", "")))
    return bool(_MADE_UP.search(secret) or _MADE_UP_CLAIMS.search(_claims(secret)))


def _claims(token: str) -> str:
    """What a JSON Web Token says; nothing for other secrets."""
    try:
        return base64.urlsafe_b64decode(token.split(".")[1] + "==").decode(errors="replace")
    except (IndexError, ValueError):
        return ""


def _leads_nowhere(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        return bool(_NOWHERE.search(host))


def _scanner() -> tuple[kingfisher_sdk.Scanner, frozenset[str]]:
    """The scanner and the ids of the rules that count, loaded once a process."""
    with _loading:
        return _loaded()


_loading = threading.Lock()


@functools.cache
def _loaded() -> tuple[kingfisher_sdk.Scanner, frozenset[str]]:
    """The same; the compiled rules are kept in the user's cache."""
    import kingfisher_sdk

    own = [
        {"name": name, "id": f"{_OURS}{number}", "pattern": pattern, "confidence": "high", "min_entropy": 1.5}
        for number, (name, pattern) in enumerate(_OWN_RULES.items())
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rules.yml"
        file.write_text(json.dumps({"rules": own}), encoding="utf-8")
        rules = kingfisher_sdk.Rules([file])
    visible = [
        rule["id"] for rule in rules.metadata() if rule["visible"] and not _HARMLESS.search(rule["id"])
    ]
    patterns = {one: rules.detail(one)["pattern"] for one in visible}
    precise = {one for one, pattern in patterns.items() if not any(part in pattern for part in _BY_KEYWORD)}
    return kingfisher_sdk.Scanner(rules, base64=False), frozenset(precise)
