"""Refusals: how a response opens that declines to answer, in several languages."""

from __future__ import annotations

import re

REFUSALS = {
    "en": r"""
        (?:(?:i['’]?m|i\ am)\ (?:(?:very|so|really|truly|deeply)\ )?(?:sorry|afraid)|(?:my\ )?apologies
        |sorry|unfortunately|i\ apologi[sz]e|as\ an?\ (?:responsible\ )?(?:ai|artificial|large\ language
        |language)\b[^.!?\n]{0,60})[^.!?\n]{0,60}?\b(?:i|we)\b[^.!?\n]{0,12}?\b(?:can['’]?t|cannot
        |can\ not|won['’]?t|will\ not|unable|not\ able|don['’]?t\ (?:have|feel)|do\ not\ (?:have|feel))
        |(?:(?:i['’]m\ |i\ am\ )?sorry[.!]\ )?i\ (?:can['’]?t|cannot|can\ not|won['’]?t|will\ not
        |am\ unable\ to|am\ not\ able\ to
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
        |안타깝게도)[.]?[^.!?\n]{0,60}?(?:수\ 없|수가\ 없|못|어렵|불가)|(?:저는\ |그\ |이\ |해당\ )?(?:요청
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
"""Characters in which a refusal shows."""


def is_refusal(response: str) -> bool:
    """Return whether a response opens as refusals do in one of the languages of `REFUSALS`."""
    return _REFUSAL.match(response[:_OPENING]) is not None
