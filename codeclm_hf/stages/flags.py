"""Flags: what is wrong with a response, whatever it says."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from codeclm_hf.stages.languages import detect_language
from codeclm_hf.stages.loops import LOOP, loop_length

CUT_OFF, EMPTY, DEGENERATE, CONTAMINATED = "cut_off", "empty", "degenerate", "contaminated"
REFUSAL, WRONG_LANGUAGE, ECHO = "refusal", "wrong_language", "echo"
FLAGS = (CUT_OFF, EMPTY, DEGENERATE, CONTAMINATED, REFUSAL, WRONG_LANGUAGE, ECHO)
"""All of them, in the order in which a row lists them."""
BLOCKING = (CUT_OFF, EMPTY, DEGENERATE, CONTAMINATED)
"""Those that keep a response from being judged."""
ASKED_AGAIN = (CUT_OFF, EMPTY, DEGENERATE)
"""Those of them for which the response is asked for once more, with twice the room."""

REFUSALS = {
    "en": r"""
        (?:(?:i['’]?m|i\ am)\ (?:(?:very|so|really|truly|deeply)\ )?(?:sorry|afraid)|(?:my\ )?apologies
        |sorry|unfortunately|i\ apologi[sz]e|as\ an?\ (?:responsible\ )?(?:ai|artificial|large\ language
        |language)\b[^.!?\n]{0,60})[^.!?\n]{0,60}?\b(?:i|we)\b[^.!?\n]{0,12}?\b(?:can['’]?t|cannot
        |can\ not|won['’]?t|will\ not|unable|not\ able|don['’]?t\ (?:have|feel)|do\ not\ (?:have|feel))
        |i\ (?:can['’]?t|cannot|can\ not|won['’]?t|will\ not|am\ unable\ to|am\ not\ able\ to
        |must\ decline|must\ refuse)\ (?:to\ )?(?:assist|help|provide|fulfil|fulfill|comply|complete
        |create|write|generate|produce|answer|continue|discuss|engage|offer|share|support|do\ that
        |do\ this|participate|respond|give|this\ request|with\ th)|i['’]?m\ (?:unable
        |not\ able)\ to\ (?:assist|help|provide|fulfil|fulfill|comply|complete|create|write|generate
        |answer|discuss|engage|offer|share|support|do)
    """,
    "de": r"""
        (?:es\ tut\ mir\ (?:sehr\ )?leid|tut\ mir\ leid|entschuldigung|leider)\b[^.!?\n]{0,60}?\b(?:kann
        |darf|werde)\b[^.!?\n]{0,60}?\b(?:nicht|kein\w*)\b|(?:ich\ (?:kann|darf|werde)|dabei\ kann\ ich
        |das\ kann\ ich)\b[^.!?\n]{0,40}?\b(?:nicht|kein\w*)\b[^.!?\n]{0,60}?\b(?:helfen|unterstützen
        |beantworten|erfüllen|erstellen|schreiben|nachkommen)|als\ (?:ki|sprachmodell
        |künstliche)\b[^.!?\n]{0,60}?\b(?:kann|darf|habe)\ ich\b[^.!?\n]{0,60}?\b(?:nicht|kein\w*)\b
    """,
    "fr": r"""
        (?:je\ suis\ (?:vraiment\ )?désolée?|désolée?|je\ regrette|malheureusement
        |je\ m['’]excuse)\b[^.!?\n]{0,60}?\bje\ (?:ne\ |n['’])(?:peux|puis|suis\ pas\ en\ mesure
        |suis\ pas\ capable|saurais)|je\ ne\ (?:peux|puis)\ (?:malheureusement\ )?pas\ (?:vous\ |t['’]
        |te\ |y\ )?(?:aider|répondre|fournir|accéder|écrire|créer|satisfaire|donner|générer)
        |en\ tant\ qu['’](?:ia|intelligence|assistant)\b[^.!?\n]{0,60}?\bje\ (?:ne\ |n['’])
    """,
    "es": r"""
        (?:lo\ siento|lo\ lamento|perdón|disculpa|disculpe|lamentablemente
        |desafortunadamente)\b[^.!?\n]{0,60}?\bno\ (?:puedo|podré|me\ es\ posible|estoy)\b
        |no\ puedo\ (?:ayudar|responder|proporcionar|cumplir|escribir|crear|generar|ofrecer|dar)
        |como\ (?:una?\ )?(?:ia|inteligencia|modelo\ de\ lenguaje
        |asistente)\b[^.!?\n]{0,60}?\bno\ (?:puedo|tengo)
    """,
    "it": r"""
        (?:mi\ dispiace|mi\ spiace|spiacente|purtroppo|mi\ scuso)\b[^.!?\n]{0,60}?\bnon\ (?:posso
        |sono\ in\ grado|riesco)|non\ posso\ (?:aiutar|rispondere|fornire|soddisfare|scrivere|creare
        |generare|dare)|(?:come|in\ quanto)\ (?:ia|intelligenza|modello\ linguistico
        |assistente)\b[^.!?\n]{0,60}?\bnon\ (?:posso|ho)
    """,
    "pt": r"""
        (?:desculpe|desculpa|sinto\ muito|lamento|infelizmente
        |peço\ desculpas?)\b[^.!?\n]{0,60}?\bnão\ (?:posso|consigo|é\ possível|estou)
        |não\ posso\ (?:ajudar|responder|fornecer|cumprir|escrever|criar|gerar|dar)
        |como\ (?:uma?\ )?(?:ia|inteligência|modelo\ de\ linguagem
        |assistente)\b[^.!?\n]{0,60}?\bnão\ (?:posso|tenho)
    """,
    "nl": r"""
        (?:het\ spijt\ me|sorry|helaas)\b[^.!?\n]{0,60}?\bkan\ ik\b[^.!?\n]{0,60}?\b(?:niet|geen)\b
        |ik\ kan\ (?:je|u|hier|dit|daar)\b[^.!?\n]{0,40}?\b(?:niet|geen)\b[^.!?\n]{0,40}?\bhelpen
    """,
    "ru": r"""
        (?:извините|извини|простите|прости|к\ сожалению|сожалею|мне\ жаль)\b[^.!?\n]{0,60}?\bне\ (?:могу
        |смогу|в\ состоянии|имею)|я\ не\ могу\ (?:вам\ |тебе\ )?(?:помочь|ответить|предоставить
        |выполнить|написать|создать|дать)|как\ (?:ии|искусственный
        |языковая\ модель)\b[^.!?\n]{0,60}?\bне\ (?:могу|имею)
    """,
    "zh": r"""
        (?:很|非常|十分)?(?:抱歉|对不起|對不起|遗憾|遺憾)[^。！？\n]{0,20}?(?:我|作为
        |作為)?[^。！？\n]{0,12}?(?:无法|無法|不能|不可以|没办法|沒辦法)|我(?:无法|無法|不能|没办法
        |沒辦法)(?:为您|為您|为你|為你|向您|向你)?(?:提供|回答|帮助|幫助|协助|協助|满足|滿足|完成|生成
        |撰写|撰寫|回应|回應)|作为(?:一个|一名)?(?:ai|人工智能|语言模型
        |大语言模型)[^。！？\n]{0,20}?我?(?:无法|不能|没有)
    """,
    "ja": r"""
        (?:大変)?(?:申し訳(?:ありません|ございません|ないです)|すみません|ごめんなさい|恐れ入りますが
        |残念ながら)[^。！？\n]{0,60}?(?:できません|できかねます|いたしかねます|致しかねます
        |お答えできない|お手伝いできない|ことはでき)|その(?:ご)?(?:要望|リクエスト|依頼
        |質問)には[^。！？\n]{0,30}?(?:できません|できかねます|かねます)
    """,
    "ko": r"""
        (?:정말\ )?(?:죄송합니다|죄송하지만|미안합니다|미안하지만|유감스럽게도
        |안타깝게도)[^.!?\n]{0,60}?(?:수\ 없|수가\ 없|못|어렵|불가)|(?:저는\ |그\ |이\ |해당\ )?(?:요청
        |질문)(?:에는?|은|을)\ [^.!?\n]{0,30}?수\ 없
    """,
    "ar": r"""
        (?:عذرا|عذرًا|عذراً|آسف|أعتذر|للأسف|معذرة|أنا\ آسف)[^.!؟?\n]{0,60}?(?:لا\ (?:أستطيع|يمكنني|أقدر)
        |لن\ أتمكن|لست\ قادر|غير\ قادر)|لا\ (?:أستطيع|يمكنني)\ (?:مساعدت|المساعدة|تقديم|الإجابة|تلبية
        |كتابة)
    """,
    "hi": r"""
        (?:मुझे\ (?:खेद|अफ़सोस|अफसोस|माफ़|माफ)|माफ़\ कीजि|माफ\ कीजि|क्षमा\ करें|क्षमा\ कीजि|मैं\ क्षमा
        |दुर्भाग्य)[^।.!?\n]{0,80}?(?:नहीं|असमर्थ)|मैं\ (?:इसमें\ |इस\ अनुरोध)[^।.!?\n]{0,60}?(?:नहीं
        |असमर्थ)
    """,
    "tr": r"""
        (?:üzgünüm|maalesef|özür\ dilerim|ne\ yazık\ ki)\b[^.!?\n]{0,80}?(?:amam|emem|amıyorum|emiyorum
        |mümkün\ değil)
    """,
    "id": r"""
        (?:maaf|mohon\ maaf|sayangnya)\b[^.!?\n]{0,60}?\btidak\ (?:dapat|bisa|mampu)
    """,
    "vi": r"""
        (?:xin\ lỗi|rất\ tiếc|tôi\ xin\ lỗi)[^.!?\n]{0,60}?\bkhông\ thể
    """,
    "pl": r"""
        (?:przepraszam|przykro\ mi|niestety)\b[^.!?\n]{0,60}?\bnie\ (?:mogę|jestem\ w\ stanie|potrafię)
    """,
}
"""How refusals open, by language: an apology with a "cannot" in its sentence, or a "cannot" with the verb of help."""
_REFUSAL = re.compile(rf"(?xi) [\s\W]{{0,4}} (?:{'|'.join(REFUSALS.values())})")
_OPENING = 300
"""Characters in which a refusal shows, and a language."""

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

_ECHO_EXTRA = 0.2
"""Share of an instruction's letters that a response may add to it and be an echo still."""
_ECHO_LETTERS = 15
"""Fewest letters of an instruction that can be echoed: "Say yes" may be."""
_NOT_LETTERS = re.compile(r"[\W_]+")


def flags_of(response: str, *, instruction: str, finish_reason: str) -> tuple[str, ...]:
    """Return the flags of a response, in the order of `FLAGS`, contamination left out.

    Args:
        response: its text, without thoughts.
        instruction: what it answers.
        finish_reason: why it ended; `length` where it was cut off.
    """
    response = response.strip()
    found = {CUT_OFF: finish_reason == "length", EMPTY: not response}
    if response:
        found[DEGENERATE] = is_degenerate(response)
        found[REFUSAL] = is_refusal(response)
        found[WRONG_LANGUAGE] = is_in_wrong_language(response, instruction)
        found[ECHO] = is_echo(response, instruction)
    return in_order(flag for flag, holds in found.items() if holds)


def in_order(flags: Iterable[str]) -> tuple[str, ...]:
    """Return flags, each once, in the order of `FLAGS`."""
    found = set(flags)
    return tuple(flag for flag in FLAGS if flag in found)


def is_degenerate(response: str) -> bool:
    """Return whether a response is a loop, by `loop_length`."""
    return loop_length(response) >= LOOP


def is_refusal(response: str) -> bool:
    """Return whether a response opens as refusals do in one of the languages of `REFUSALS`."""
    return _REFUSAL.match(response[:_OPENING]) is not None


def is_in_wrong_language(response: str, instruction: str) -> bool:
    """Return whether a response is surely in another language than its instruction.

    One that was asked for in a language by its name, a translation and code never are.
    """
    start = response[:_OPENING]
    if _is_surely_english(start) and _is_surely_english(instruction[:_OPENING]):
        return False
    if _CODE.search(start) or _ASKS_FOR_A_LANGUAGE.search(instruction):
        return False
    written = _language(start)
    if written is None:
        return False
    asked = {_language(instruction[:_OPENING]), _language(instruction[-_OPENING:])}
    return None not in asked and not any(_are_alike(written, language) for language in asked if language)


def is_echo(response: str, instruction: str) -> bool:
    """Return whether a response is its instruction again, or begins with all of it and adds little."""
    if len(response) > 2 * len(instruction) + 100:
        return False
    asked, answered = (_NOT_LETTERS.sub("", text.casefold()) for text in (instruction, response))
    extra = len(answered) - len(asked)
    return len(asked) >= _ECHO_LETTERS and answered.startswith(asked) and extra <= _ECHO_EXTRA * len(asked)


def _is_surely_english(text: str) -> bool:
    return len(_ENGLISH.intersection(text.lower().split())) >= _SURELY_ENGLISH


@functools.lru_cache(4096)
def _language(text: str) -> str | None:
    letters = "".join(filter(str.isalpha, text))
    return detect_language(text) if len(letters.encode("utf-8", "replace")) >= _LANGUAGE_LETTERS else None


def _are_alike(one: str, other: str) -> bool:
    return one == other or any(one in group and other in group for group in _ALIKE)
