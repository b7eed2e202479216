"""Improvements: what is wrong with a text that was to be a harder version of an instruction."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence

from codeclm_hf.stages import near_duplicates
from codeclm_hf.stages.contamination import CONTAMINATED, INSTRUCTION, Contamination
from codeclm_hf.stages.languages import detect_language
from codeclm_hf.stages.parsing.talk import CHAT
from codeclm_hf.stages.refusal_openings import is_refusal
from codeclm_hf.stages.words import raw_words

UNCHANGED, ANSWER = "unchanged", "answer"
WORDS = {
    UNCHANGED: "gave the same instruction again",
    ANSWER: "answered the instruction in place of rewriting it",
    CONTAMINATED: "wrote words of an evaluation set",
}
"""Why a draft of an improved instruction is asked for again, in words that go on after "the model"."""
MOST_NEW_WORDS = 2
"""Words that a text may have beside its parent's and be unchanged still: a third may be a condition."""
RESEMBLANCE = 0.12
"""Share of word pairs from which on a text that is more like a response than like its parent answers it."""
_COMPARED = 2_000
"""Characters of each text whose word pairs are compared."""
_LONG_ANSWER = 400
"""Characters of a text that says nothing to do and is an answer by that alone."""

_CLAUSE = r"""(?:^|[.!?:;,\n、。！？：；，–—("“«]\s*(?:[-*\#>\d.)]+\s*)?
    |\b(?:and|then|or|but|please|to|also|und|bitte|et|y|e|puis)\s+)"""
"""Where a clause begins (a verbose pattern)."""
_VERBS = r"""
    act add adapt adjust advise analy[sz]e answer apply argue arrange ask assess assign assume brainstorm
    break build calculate carry categori[sz]e change check choose cite clarify classify code collect
    combine come comment compare compile complete compose compute conclude conduct configure consider
    construct contrast convert convince correct cover craft create criti[cq]\w* debug debate decide
    declare decode deduce define deliver demonstrate derive describe design detail determine develop
    devise diagnose diagram differentiate discuss distinguish do document draft draw edit elaborate encode
    enumerate establish estimate evaluate examine expand explain explore express extend extract fill find
    fix focus follow format formulate generate get give go group guess guide help highlight identify
    illustrate imagine implement improve include incorporate indicate infer instruct integrate interpret
    introduce invent investigate judge justify keep let limit list locate look make map mark match measure
    mention model modify name narrate note offer optimi[sz]e order organi[sz]e outline paraphrase parse
    perform persuade pick plan play plot point predict prepare present prioriti[sz]e produce program
    propose prove provide put rank rate read reason rearrange recommend reconstruct record reduce refactor
    reflect refute relate remember remove rephrase replace report reply represent research resolve respond
    restate restructure review revise rewrite sample say schedule search select sequence set share shorten
    show simplify simulate sketch solve sort speak specify spell split start state structure study suggest
    summari[sz]e support take talk teach tell test think trace track transform translate treat try turn
    update use validate verify visit visuali[sz]e walk weigh work write
    schreiben? schreibe\w* erklär\w* beschreib\w* erstelle\w* entw[ie]\w+ nenne\w* gib geben vergleich\w*
    finde\w* analysier\w* berechne\w* übersetze\w* fasse\w* plane\w* erzähl\w* verfass\w* liste\w*
    zeige\w* löse\w* diskutier\w* formulier\w* überarbeit\w* begründe\w* erläuter\w* bewerte\w*
    skizzier\w* stelle mach\w* implementier\w* programmier\w* sortier\w*
    écri\w+ rédige\w* expliqu\w+ décri\w+ crée\w* donne\w* compar\w+ trouve\w* analyse\w* calcule\w*
    tradui\w+ résum\w+ planifie\w* raconte\w* propose\w* liste\w* énumère\w* montre\w* imagine\w*
    développe\w* concevoir conçoi\w+ compose\w* élabore\w* justifie\w* rends faites? classe\w*
    identifie\w*
    escrib\w+ escrev\w+ scriv\w+ redact\w+ redig\w+ explic\w+ expliq\w+ spieg\w+ describ\w+ descrev\w+
    descriv\w+ crea cree crear crie criar creare dame dé dê dar compar\w+ confront\w+ encuentr\w+
    encontr\w+ trov\w+ anali[zcs]\w+ calcul\w+ traduc\w+ tradu[zc]\w* resum\w+ riassum\w+ planific\w+
    planej\w+ pianific\w+ cuent\w+ conte contar racconta\w* propon\w+ proponh\w+ enumer\w+ elenca\w* lista
    liste listar muestr\w+ mostr\w+ imagin\w+ desarroll\w+ desenvolv\w+ svilupp\w+ diseñ\w+ elabor\w+
    justifi\w+ giustific\w+ haz hacer faça fazer fai fare indic\w+ identific\w+ organi\w+ usa use usar
"""
"""What tells to do something, by language: English; German; French; Spanish, Portuguese and Italian."""
_REQUEST = re.compile(
    rf"""(?xi)
    [?？؟;՞]|{_CLAUSE}(?:{"|".join(_VERBS.split())})\b
    | \b(?:you|your|must|should|please|i\ (?:need|want|would\ like)|i['’]d\ like|make\ sure|ensure|avoid
      |without|never|needs?|at\ (?:least|most)
      |soll\w*|muss|müssen|bitte|du|dein\w*|ihr|ohne|mindestens|höchstens|doit|doivent|devez|veuillez
      |vous|votre|sans|au\ moins
      |debe\w*|deve\w*|por\ favor|sin|al\ menos|pelo\ menos|sem|senza|almeno|per\ favore)\b
    | [请請]|写|寫|编|編|列出|描述|解释|解釋|说明|說明|分析|比较|比較|计算|計算|设计|設計|创作|創作|生成
      |翻译|翻譯|总结|總結|讨论|討論|制定|给出|給出|提供|介绍|介紹
    | 必须|必須|不超过|不超過|至少|如何|什么|什麼|为什么|為什麼|怎么|怎麼
    | ください|下さい|しなさい|せよ|してほしい|書[いけこ]|説明|作成|教えて|挙げ|述べ|考え|比較し|要約し
      |翻訳し|なさい
    | 세요|시오|하라|해라|해\ ?줘|해주|써\ ?줘|작성|설명|비교하|분석하|만들
    | (?:напиш|опиш|объясн|состав|созда[йт]|привед|сравн|найд|проанализир|рассчита|вычисл|перевед
      |перечисл|расскаж|придума|предлож|разработа
      |сформулир|докаж|реши|использу|должн|нужно|следует|укаж|покаж)\w*
    | اكتب|اشرح|صف\b|قارن|حلل|احسب|ترجم|لخص|أنشئ|صمم|اقترح|اذكر|عدد\b|ناقش|وضح|ضع\b|يجب|قدم|أعط|جد\b|كيف
      |ما\ هي|ما\ هو|لماذا
    | लिख|बताइ|बताए|बताओ|समझा|वर्णन|तुलना|बनाइ|बनाए|बनाओ|कीजि|करें|करो|दीजि|अनुवाद|चाहिए|कैसे|क्या|क्यों
    """
)
"""What asks for something: a question mark, a word that tells to do it at the beginning of a clause, a condition."""
_OPENING = re.compile(
    r"""(?xi) [\s\W]{0,4} (?:
    (?:sure|certainly|of\ course|absolutely|great\ question|good\ question
      |glad\ to)\b[^\n.!,:]{0,40}[.!,:]
    | (?:natürlich|gerne|selbstverständlich|klar|sicher|bien\ sûr|certainement|avec\ plaisir|volontiers
      |claro|por\ supuesto|con\ gusto
      |certo|certamente|com\ certeza|конечно|разумеется)\b[^\n.!,:]{0,40}[.!,:]
    | 当然|當然|好的[，,！!。]|没问题|沒問題|もちろん|はい、|承知|물론|네,|알겠습니다|بالتأكيد|بالطبع
      |ज़रूर|जरूर|बिल्कुल
    )"""
)
"""How answers open, and never instructions."""
_HERE_IS = re.compile(
    r"""(?xi) [\s\W]{0,4} (?:(?:here|below)(?:\ is|\ are|['’]s)|hier\ (?:ist|sind)|voici|aquí\ (?:está|tienes
  |va)|ecco|aqui\ (?:está|vai)
    |以下是|这是|這是|以下は|こちらは|다음은|여기|вот|إليك|यहाँ|यहां)"""
)
_STATEMENT = re.compile(
    r"""(?x) [\s\W]{0,4} (?:
    (?:The|A|An|It|This|That|These|There|Yes|No|He|She|They|We|Our|My|Its|Their|Here|Once|Der|Die|Das
      |Ein|Eine|Es|Ja|Nein
      |Le|La|Les|L['’]|Un|Une|Il|Elle|C['’]est|Oui|Non|El|Los|Las|Una|Sí|O|A|Os|As|Um|Uma|Sim|Lo|Gli|È
      |Sì)\b
    | (?:[\w'’-]+\ ){1,5}?(?:is|are|was|were|has|have|had|ist|sind|war|est|sont|était|es|son|era|é|são|è
      |sono)\ )"""
)
"""How statements open in the languages of the Latin alphabet."""
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
_LIST_OPENING = re.compile(r"[\s*_]{0,4}(?:1[.)]\s|Step\ 1\b|Subject:)")
"""How lists of steps and letters open."""
_LANGUAGES = frozenset(("en", "de", "fr", "es", "it", "pt", "zh", "ja", "ko", "ru", "ar", "hi"))
"""The languages whose requests are known."""
_CODE_OPENING = re.compile(
    r"\s*(?:```|for \w+ in .+:\n|print\("
    r"|(?:async\s+)?def \w+\(|class \w+[(:{]|import \w|from \w+ import |#include|#!/|(?:const|let|var) \w+ ?="
    r"|function \w*\(|public (?:static|class) |SELECT\b[\s\S]+\bFROM\b|CREATE TABLE |<!DOCTYPE|<html"
    r"|package \w+;?\n|fn \w+\()"
)
_CODE_AT_ALL = re.compile(r"```|\bdef \w+\(|\breturn\b.*;|[{};]\s*(?:\n|$)")


def fault_of(
    improved: str, *, parent: str, responses: Sequence[str] = (), contamination: Contamination | None = None
) -> str | None:
    """Return what is wrong with an improved instruction, one of `WORDS`; None where nothing is.

    Args:
        improved: the text that was to be a harder version.
        parent: the instruction that it was made of.
        responses: the responses to the parent that are there; an answer resembles them.
        contamination: what evaluation sets hold, if it may share words with none.
    """
    if is_unchanged(improved, parent):
        return UNCHANGED
    if is_answer(improved, parent=parent, responses=responses):
        return ANSWER
    found = contamination and contamination.find(improved, INSTRUCTION)
    return CONTAMINATED if found and not found.allowed else None


def is_unchanged(improved: str, parent: str) -> bool:
    """Return whether a text equals its parent, or nearly, with at most `MOST_NEW_WORDS` new ones."""
    new = Counter(_words(improved)) - Counter(_words(parent))
    return new.total() <= MOST_NEW_WORDS and (
        near_duplicates.normalise(improved) == near_duplicates.normalise(parent)
        or near_duplicates.similarity(improved, parent) >= near_duplicates.UNCHANGED
    )


def is_answer(improved: str, *, parent: str, responses: Sequence[str] = ()) -> bool:
    """Return whether a text answers an instruction in place of being a harder version of it.

    Any of these tells an answer: it opens as only answers do, it refuses, it is a list of steps or code where
    the instruction is none, it is more like a response to the instruction than like the instruction, or it
    states and asks for nothing where the instruction asks.

    Args:
        improved: the text that was to be a harder version.
        parent: the instruction that it was made of.
        responses: the responses to the parent that are there.
    """
    if (_OPENING.match(improved) or is_refusal(improved)) and not _OPENING.match(parent):
        return True
    if _CODE_OPENING.match(improved) and not _CODE_AT_ALL.search(parent):
        return True
    to_parent = resemblance(improved, parent)
    if any(
        alike >= RESEMBLANCE and alike > to_parent
        for response in responses
        if (alike := resemblance(improved, response))
    ):
        return True
    if _LIST_OPENING.match(improved) and not _LIST_OPENING.match(parent):
        return True
    if _REQUEST.search(improved) or not _REQUEST.search(parent):
        return False
    if (language := detect_language(improved)) and language not in _LANGUAGES:
        return False  # it may ask in words that are not known here
    if CHAT.match(improved) or _HERE_IS.match(improved):
        return True
    states = _STATEMENT.match(improved) if _LATIN.search(improved) else True
    return bool(states) or len(improved) > max(_LONG_ANSWER, 2 * len(parent))


def resemblance(one: str, other: str) -> float:
    """Return the share of word pairs that two texts have in common, from 0 to 1; order beyond pairs is no matter."""
    first, second = _pairs(one), _pairs(other)
    return len(first & second) / len(first | second) if first and second else 0.0


def _words(text: str) -> list[str]:
    return raw_words(text.casefold())


def _pairs(text: str) -> set[tuple[str, str]]:
    words = _words(text[:_COMPARED])
    return set(itertools.pairwise(words))
