"""The marks before the items of a list: bullets, and numbers of any script with what stands around them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

_HANGUL = "가나다라마바사아자차카타파하"
_KANA = "アイウエオカキクケコサシスセソ"
_HAN = "一二三四五六七八九十"
_ROMAN = [
    tens + ones for tens in ("", "x", "xx", "xxx") for ones in ("", *"i ii iii iv v vi vii viii ix".split())
]
_ENCLOSED = "①-⒛⓫-⓾❶-➓㈠-㈩㉑-㉟㊀-㊉㊱-㊿"
_WORDS = "instruction|rubric|action|task|prompt|skill|指令|指示|任务|提示|技能|プロンプト|スキル|지시|명령|프롬프트"
# `1.` needs a space or a word after it; a full-width sign needs neither, but no digit.
_SIGN = r"""(?: (?:\*\*)?[.):]{1,2}(?:\*\*)?(?=[\s*"'“‘「『《【（(]|[^\W\d]|$)
              | (?:\*\*)?[．。、）：】］〕]{1,2}(?:\*\*)?(?!\d) )"""
_MARK = rf"""(?P<mark> (?:\*\*|\#{{1,6}}[ ])? (?:
      (?:(?P<word>{_WORDS})[ ]?)? [\#(（【［〔]?(?P<number>\d{{1,3}})
        (?: {_SIGN} | [ ][-–—](?=[ ]) | (?:(?<=\#\d)|(?<=\#\d\d))(?=[ ]) | (?=[ ]*$) )
      | (?P<enclosed>[{_ENCLOSED}]|(?:[0-9]+\uFE0F?\u20E3)+|🔟) (?:[.、．):：](?!\d))?
      | (?: [(（【]?(?P<han>[{_HAN}]{{1,3}})[、．.)）】:：] | 第(?P<nth>[{_HAN}]{{1,3}})[、，,:：] )
      | [(（]?(?P<letter>[a-z]|[ivx]{{2,7}}|[{_HANGUL}{_KANA}]) (?: [.)](?=[\s]|[^\x00-\x7f]) | [）．、] ) )
    | [-–—+*•·▪◦‣●○■□◆](?:[ ]\[[ x]\])?(?=[ ]) | [・●○■□◆](?=\S) )"""
_AT_START = re.compile(rf"(?ix) [ \t\u3000]* {_MARK} [ \t\u3000]*")
_WITHIN = re.compile(
    rf"(?ix) (?: (?<=[\s。！？；，、]) | (?<=[^\W\d][.?!;]) | (?=[{_ENCLOSED}]) ) {_MARK}\s*"
)


class Mark(NamedTuple):
    """A mark, and where the item after it begins."""

    sign: str
    """The mark without its number, in lower case: what all marks of a list have in common."""
    rank: int
    """How strong it is: 1 for bullets, 2 for numbers, 3 for a word with a number."""
    ordinals: dict[str, int]
    """The place it gives its item, by kind of number: `i` is the ninth letter and the first Roman number."""
    start: int
    end: int

    @property
    def is_letter(self) -> bool:
        """Return whether it may as well be an initial, or one of the choices of a question."""
        return "letter" in self.ordinals or "roman" in self.ordinals

    def kind(self, place: int) -> str | None:
        """Return the kind of number with which it gives this place."""
        return next((kind for kind, ordinal in self.ordinals.items() if ordinal == place), None)


def mark_of(line: str) -> Mark | None:
    """Return the mark at the beginning of a line."""
    return _mark(match) if (match := _AT_START.match(line)) else None


def marks_within(line: str) -> Iterator[Mark]:
    """Yield what looks like a mark within a line."""
    return map(_mark, _WITHIN.finditer(line))


def _mark(match: re.Match[str]) -> Mark:
    ordinals, sign = dict[str, int](), match["mark"].casefold()
    for kind in ("number", "enclosed", "han", "nth", "letter"):
        if (written := match[kind]) is not None:
            ordinals, sign = _ordinals(kind, written), sign.replace(written.casefold(), "", 1)
    if not ordinals:
        sign = sign[0]  # without a box to tick
    return Mark(sign, 3 if match["word"] else 2 if ordinals else 1, ordinals, match.start(), match.end())


def _ordinals(kind: str, written: str) -> dict[str, int]:
    """Return what a number counts, by how it can be read."""
    if kind == "number":
        return {kind: int(written)}
    if kind == "enclosed":
        keycaps = re.sub(r"[^0-9]", "", written)
        return {kind: 10 if written == "🔟" else int(keycaps or unicodedata.numeric(written))}
    if kind in ("han", "nth"):
        tens, ten, ones = written.rpartition("十")
        tens_count = (_HAN.find(tens) + 1 if tens else 1) if ten else 0
        return {kind: 10 * tens_count + (_HAN.find(ones) + 1 if ones else 0)}
    written = written.casefold()
    readings = {"roman": _ROMAN.index(written)} if written in _ROMAN else {}
    for alphabet in ("abcdefghijklmnopqrstuvwxyz", _HANGUL, _KANA):
        if written in alphabet:
            readings["letter"] = alphabet.index(written) + 1
    return readings
