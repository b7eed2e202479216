"""Personal data in texts: e-mail addresses, phone numbers (by `phonenumbers`) and public IP addresses."""

from __future__ import annotations

import functools
import ipaddress
import operator
import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import polars as pl

KINDS = ("emails", "phone_numbers", "ip_addresses")
"""What is counted, by the names that a manifest has for it."""

_LETTER = "A-Za-z0-9À-ɏ"
_EMAIL_HINT = rf"[{_LETTER}._%+\-]@[{_LETTER}\-]+\.[A-Za-z]"
_EMAIL = re.compile(
    rf"(?<![{_LETTER}._%+-])[{_LETTER}._%+-]{{1,64}}@"
    rf"(?:[{_LETTER}-]{{1,63}}\.){{1,8}}[A-Za-z]{{2,24}}(?![{_LETTER}])"
)
_NO_EMAIL = re.compile(
    r"^git@|@(?:.*\.)?example\.(?:com|org|net|edu)$"
    r"|\.(?:example|test|invalid|localhost|png|jpe?g|gif|svg|webp)$",
    re.I,
)
_LOGIN = re.compile(r"://[^\s/@]*\Z")
"""What stands before a password in a URL; together with the host it looks like an e-mail address."""
# What may not stand before a match is checked after its first character: in front, `re` would try every
# place.
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
    r"[1-9(](?<![\w.+-].)(?:(?<=1)[-. ]\(?[2-9]|(?<=\()[2-9]|(?<=[2-9]))[0-9]{2}(?:\) ?|[-.])"
    r"[2-9][0-9]{2}[-.][0-9]{4}(?!\w|[-.][0-9])"
)


class Redaction(NamedTuple):
    """A text without personal data."""

    text: str
    """With `[EMAIL]`, `[PHONE]` or `[IP]` in place of each."""
    counts: Counter[str]
    """How many of each of `KINDS` stood there."""


def count(texts: pl.Series) -> dict[str, int]:
    """Return how much personal data some texts hold, by `KINDS`; nulls hold none."""
    counts = Counter[str]()
    for text in texts.gather(candidates(texts)):
        counts += redact_text(text).counts
    return {kind: counts[kind] for kind in KINDS}


def redact(texts: pl.Series) -> pl.Series:
    """Return the same texts without personal data; nulls stay."""
    positions = candidates(texts)
    if positions.is_empty():
        return texts
    redacted: pl.Series = texts.clone().scatter(
        positions, [redact_text(text).text for text in texts.gather(positions)]
    )
    return redacted


def candidates(texts: pl.Series) -> pl.Series:
    """Return the positions of the texts that may hold personal data: all that do, and some more."""
    hints = (texts.str.contains(form.hint) for form in _FORMS)  # faster one by one than together
    return functools.reduce(operator.or_, hints).fill_null(False).arg_true()


def redact_text(text: str) -> Redaction:
    """Return a text without personal data, and how much of each kind it held."""
    counts = Counter[str]()
    before = None
    while text != before:  # what is left around a tag may now read as one more
        before = text
        for form in _FORMS:
            text, replaced = _replace(form, text)
            counts[form.kind] += replaced
    return Redaction(text, counts)


def _replace(form: _Form, text: str) -> tuple[str, int]:
    """Return a text with a tag in place of all that has a form, and how many tags that are."""
    parts: list[str] = []
    end = replaced = 0
    for match in form.pattern.finditer(text):
        part = form.replacement(match)
        parts += [text[end : match.start()], part]
        end = match.end()
        replaced += part != match[0]
    return "".join([*parts, text[end:]]), replaced


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
    """Return the match with its first number replaced; the next round finds the next one."""
    import phonenumbers  # 0.1 s, and most data sets have none

    for phone in phonenumbers.PhoneNumberMatcher(match[0], "US"):
        is_fiction = phone.number.country_code == 1 and str(phone.number.national_number)[3:8] == "55501"
        if not is_fiction:
            return f"{match[0][: phone.start]}[PHONE]{match[0][phone.end :]}"
    return match[0]


class _Form(NamedTuple):
    """How one kind of personal data is written."""

    kind: str
    """One of `KINDS`."""
    hint: str
    """A pattern that polars finds fast in whole columns; every text with this form has it."""
    pattern: re.Pattern[str]
    """The form itself."""
    replacement: Callable[[re.Match[str]], str]
    """What is put in place of a match: a tag, or the match where it is no personal data after all."""


_FORMS = (
    _Form("emails", _EMAIL_HINT, _EMAIL, _email),
    _Form("ip_addresses", _IPV4_HINT, _IPV4, _ip_address),
    _Form("ip_addresses", _IPV6_HINT, _IPV6, _ip_address),
    _Form("phone_numbers", _INTERNATIONAL_HINT, _INTERNATIONAL, _phone_number),
    _Form("phone_numbers", _AMERICAN_HINT, _AMERICAN, _phone_number),
)
