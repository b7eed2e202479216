"""Personal data in texts: e-mail addresses, phone numbers (by `phonenumbers`) and public IP addresses."""

from __future__ import annotations

import functools
import ipaddress
import operator
import re
from collections import Counter
from collections.abc import Callable

import polars as pl

NAMES = ("emails", "phone_numbers", "ip_addresses")
"""What is counted."""

_LETTER = "A-Za-z0-9À-ɏ"
_EMAIL_HINT = rf"[{_LETTER}._%+\-]@[{_LETTER}\-]+\.[A-Za-z]"
_EMAIL = re.compile(
    rf"(?<![{_LETTER}._%+-])[{_LETTER}._%+-]{{1,64}}@(?:[{_LETTER}-]{{1,63}}\.){{1,8}}[A-Za-z]{{2,24}}(?![{_LETTER}])"
)
_NO_EMAIL = re.compile(
    r"^git@|@(?:.*\.)?example\.(?:com|org|net|edu)$|\.(?:example|test|invalid|localhost|png|jpe?g|gif|svg|webp)$",
    re.I,
)
_LOGIN = re.compile(r"://[^\s/@]*\Z")
"""What stands before a password in a URL; together with the host it looks like an e-mail address."""
# What may not stand before is asked after the first character: with it in front, `re` tries every position.
_IPV4_HINT = r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"
_IPV4 = re.compile(
    r"[0-9](?<![\w.].)(?<![A-Za-z]-.)[0-9]{0,2}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?!\w|\.[0-9]|-[A-Za-z])"
)
_IPV6_HINT = r"[23][0-9a-fA-F]{3}:[0-9a-fA-F:]{2}"
_IPV6 = re.compile(r"[23](?<![\w:.].)[0-9a-fA-F]{3}(?::{1,2}[0-9a-fA-F]{1,4}){1,7}(?:::)?(?![\w:])")
_INTERNATIONAL_HINT = r"\+[1-9(][0-9 ().\-/\u00a0\u2011\u2013]{6}"
_INTERNATIONAL = re.compile(r"\+(?<![\w+].)[1-9(][0-9 ().\-/\u00a0\u2011\u2013]{5,24}[0-9](?!\w)")
_AMERICAN_HINT = r"[2-9][0-9]{2}(?:\) ?|[-.])[2-9][0-9]{2}[-.][0-9]{4}"
_AMERICAN = re.compile(
    r"[1-9(](?<![\w.+-].)(?:(?<=1)[-. ]\(?[2-9]|(?<=\()[2-9]|(?<=[2-9]))[0-9]{2}(?:\) ?|[-.])[2-9][0-9]{2}[-.][0-9]{4}"
    r"(?!\w|[-.][0-9])"
)


def count(texts: pl.Series) -> dict[str, int]:
    """How often each of `NAMES` occurs in some texts; nulls have none."""
    counts: Counter[str] = Counter()
    for text in texts.gather(candidates(texts)):
        _redacted(text, counts)
    return {name: counts[name] for name in NAMES}


def redact(texts: pl.Series) -> pl.Series:
    """The same texts with a tag in place of each; nulls stay."""
    hits = candidates(texts)
    if hits.is_empty():
        return texts
    redacted: pl.Series = texts.clone().scatter(
        hits, [_redacted(text, Counter()) for text in texts.gather(hits)]
    )
    return redacted


def candidates(texts: pl.Series) -> pl.Series:
    """The positions of texts that may hold any."""
    hints = (texts.str.contains(hint) for _, hint, _, _ in _FORMS)  # faster one by one than together
    return functools.reduce(operator.or_, hints).fill_null(False).arg_true()


def _redacted(text: str, counts: Counter[str]) -> str:
    while True:  # what is left around a tag may now read as one more
        before = text
        for name, _, pattern, replace in _FORMS:
            text = pattern.sub(functools.partial(_replaced, name, replace, counts), text)
        if text == before:
            return text


def _replaced(
    name: str, replace: Callable[[re.Match[str]], str], counts: Counter[str], match: re.Match[str]
) -> str:
    text = replace(match)
    counts[name] += text != match[0]
    return text


def _email(match: re.Match[str]) -> str:
    login = _LOGIN.search(match.string, max(0, match.start() - 300), match.start())
    return match[0] if login or _NO_EMAIL.search(match[0]) else "[EMAIL]"


def _ip_address(match: re.Match[str]) -> str:
    try:
        address = ipaddress.ip_address(match[0])
    except ValueError:
        return match[0]
    return "[IP]" if address.is_global and not address.is_multicast else match[0]


def _phone_number(match: re.Match[str]) -> str:
    """The candidate with its first number replaced; the next round finds the next one."""
    import phonenumbers  # 0.1 s, and most data sets have none

    for found in phonenumbers.PhoneNumberMatcher(match[0], "US"):
        is_fiction = found.number.country_code == 1 and str(found.number.national_number)[3:8] == "55501"
        if not is_fiction:
            return f"{match[0][: found.start]}[PHONE]{match[0][found.end :]}"
    return match[0]


_FORMS = (
    ("emails", _EMAIL_HINT, _EMAIL, _email),
    ("ip_addresses", _IPV4_HINT, _IPV4, _ip_address),
    ("ip_addresses", _IPV6_HINT, _IPV6, _ip_address),
    ("phone_numbers", _INTERNATIONAL_HINT, _INTERNATIONAL, _phone_number),
    ("phone_numbers", _AMERICAN_HINT, _AMERICAN, _phone_number),
)
"""What is looked for: its name, what polars finds in whole columns, its form, and what is put in its place."""
