"""Which natural language a text is written in, where that is sure."""

from __future__ import annotations

import functools
import math
import re

from codeclm_hf.errors import CodecLMError

SURE = 0.9
"""Least probability of a language that counts."""
_LEAST_BYTES = 20
"""Of shorter texts no language is sure, whatever its probability."""
_NO_LANGUAGE = "zxx"
_START = 300
"""Characters in which the language of a response shows."""
_ENGLISH = frozenset("the and of to with that for from this which your you are is was".split())
_SURELY_ENGLISH = 4
"""How many of these words a text has that needs no other look to be English."""
_LANGUAGE_LETTERS = 60
"""Fewest letters of a text, in UTF-8 bytes, in which a language counts: names and formulas have none."""
_ALIKE = (
    frozenset(("no", "nb", "nn", "da", "sv")),
    frozenset(("es", "pt", "gl", "ca", "an", "ast", "oc")),
    frozenset(("hr", "sr", "bs", "sl", "mk")),
    frozenset(("id", "ms", "jv")),
    frozenset(("cs", "sk")),
    frozenset(("ru", "uk", "be", "bg")),
    frozenset(("af", "nl")),
    frozenset(("zh", "ja")),  # a text of Chinese characters alone may be either
    frozenset(("hi", "mr", "ne")),
    frozenset(("fa", "ar", "ur", "ps", "ug")),
)
"""Languages that are taken for each other in short texts."""
_ASKS_FOR_A_LANGUAGE = re.compile(
    r"""(?xi)
    translat|übersetz|überset|tradu|tradui|перевед|перевод|翻译|翻譯|訳して|翻訳|译成|번역|ترجم|अनुवाद
      |çevir|terjemah
    | vertaa?l|przetłumacz|dịch\b|language|sprache|langue|idioma|lingua|язык|语言|語言|外语|言語|언어
      |لغة|भाषा
    | \b(?:english|german|french|spanish|italian|portuguese|chinese|mandarin|cantonese|japanese|korean
      |russian|arabic
      |hindi|urdu|bengali|dutch|polish|turkish|swedish|danish|norwegian|finnish|greek|latin|hebrew
      |vietnamese|thai
      |indonesian|malay|ukrainian|czech|hungarian|romanian|persian|farsi|swahili|welsh|irish|catalan
      |esperanto
      |englisch\w*|deutsch\w*|französisch\w*|spanisch\w*|italienisch\w*|portugiesisch\w*|chinesisch\w*
      |japanisch\w*
      |koreanisch\w*|russisch\w*|arabisch\w*|anglais\w*|allemande?s?|français\w*|espagnole?s?|italien\w*
      |portugais\w*
      |chinois\w*|japonais\w*|russes?|arabes?|inglés|alemán|francés|español|italiano|portugués|chino
      |japonés|ruso|árabe
      |inglese|tedesco|francese|spagnolo|portoghese|cinese|giapponese|russo|inglês|alemão|francês
      |espanhol|português
      |английск\w*|немецк\w*|французск\w*|испанск\w*|китайск\w*|японск\w*|русск\w*|по-\w+ски)\b
    | [英中汉漢日法德韩韓俄西]\s?[文语語] | 영어|한국어|일본어|중국어|독일어|프랑스어|الإنجليزية|العربية
      |الفرنسية|अंग्रेज़ी|अंग्रेजी|हिंदी|हिन्दी
    """
)
_CODE = re.compile(
    r"```|[{};]\s*\n|^\s*(?:def|class|import|from|function|const|let|var|SELECT|#include|<\w+)\b", re.M
)


def detect_language(text: str) -> str | None:
    """Return the code of the language that a text is surely in; None where that is in doubt."""
    if len(text.encode("utf-8", "replace")) < _LEAST_BYTES:
        return None
    from py3langid import rank  # its model takes half a second to load

    try:
        scores = dict(rank(text))
    except OSError as exc:  # it unpacks its model into the temporary folder
        raise CodecLMError(
            f"the model that tells languages apart cannot be unpacked ({exc.strerror})",
            hint="make room in the folder for temporary files and run the same command again",
        ) from exc
    likely = max(scores, key=lambda language: (scores[language], language))
    probability = 1 / sum(math.exp(score - scores[likely]) for score in scores.values())
    return likely if probability >= SURE and likely != _NO_LANGUAGE else None


def are_in_different_languages(response: str, instruction: str) -> bool:
    """Return whether a response is surely in another language than its instruction.

    One that was asked for in a language by its name, a translation and code never are.
    """
    start = response[:_START]
    if _is_surely_english(start) and _is_surely_english(instruction[:_START]):
        return False
    if _CODE.search(start) or _ASKS_FOR_A_LANGUAGE.search(instruction):
        return False
    written = _language(start)
    if written is None:
        return False
    asked = {_language(instruction[:_START]), _language(instruction[-_START:])}
    return None not in asked and not any(_are_alike(written, language) for language in asked if language)


def _is_surely_english(text: str) -> bool:
    return len(_ENGLISH.intersection(text.lower().split())) >= _SURELY_ENGLISH


@functools.lru_cache(4096)
def _language(text: str) -> str | None:
    letters = "".join(filter(str.isalpha, text))
    return detect_language(text) if len(letters.encode("utf-8", "replace")) >= _LANGUAGE_LETTERS else None


def _are_alike(one: str, other: str) -> bool:
    return one == other or any(one in group and other in group for group in _ALIKE)
