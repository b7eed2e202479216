"""What models write around and instead of an answer: fences, introductions, refusals, placeholders."""

from __future__ import annotations

import re

from codeclm_hf.errors import UnreadableAnswer

QUOTED = 200
"""Characters of an unreadable answer that its error quotes."""

_WRAPPER = re.compile(r"<(?P<name>(?:final[_ -]?)?(?:answer|output|response|result)|json)>", re.I)
REFUSAL = re.compile(r"""(?ix)
        \W{0,3}(?:i(?:['’]m|\ am)\ (?:\w+\ )?(?:sorry|unable|not\ able)
        |sorry|my\ apologies|unfortunately|as\ an\ ai
        |i\ (?:cannot|can\ ?not|can['’]?t|won['’]t|will\ not|must\ decline|apologi[sz]e
          |don['’]t|do\ not))\b""")
_TALK = r"(?:sure|certainly|of\ course|ok|okay|absolutely|great|yes)\b[^\n:.!,]{0,40}[,.!:]+"
CHAT = re.compile(rf"{_TALK}|(?:here|below)(?:\ is|\ are|['’]s)\b[^\n]{{0,200}}:", re.I)
_CHANGED = r"""(?:new|final|improved|re-?written|revised|harder|tougher|updated|modified|enhanced|evolved|refined
        |created|generated|resulting|re-?phrased|reworked|transformed|upgraded|optimi[sz]ed|adjusted
        |(?:even\ )?(?:more\ )?(?:complex|complicated|challenging|difficult|advanced))"""
# Such headings in other languages; what is not listed is read as text and costs nothing but a few words.
_FOREIGN = r"""(?:(?:改写|改寫|重写|重寫|修改|优化|優化|改进|改進|新|更难)(?:[后後]|过)?的?
          (?:指令|提示词?|任务|问题|版本)
        |(?:新しい|書き換えた|書き直した|書き直された|改善された|改善した|修正された|より難しい)(?:指示文?|プロンプト|命令文?)
        |(?:새로운|새|수정된|개선된|재작성된|다시\ 작성(?:된|한))\ ?(?:지시(?:사항|문)?|프롬프트|명령)
        |(?:neue|überarbeitete|umgeschriebene|verbesserte)\ (?:anweisung|aufgabe)
        |nouvelle\ (?:instruction|consigne)|(?:instruction|consigne)\ (?:réécrite|améliorée|modifiée)
        |nueva\ instrucción|instrucción\ (?:reescrita|mejorada|modificada)
        |nova\ instrução|instrução\ (?:reescrita|melhorada))"""
HEADING = rf"""(?: (?:the\ |your\ |my\ )? (?: (?:{_CHANGED}\ ){{0,2}} (?:instructions?|prompts?)
            | (?:{_CHANGED}\ ){{1,2}} (?:task|question|request|version|query) )
          (?:\ \#?[0-9]{{1,3}})? | {_FOREIGN} )"""
"""What stands over a rewritten instruction (a verbose pattern, for texts in any case)."""
INTRO = re.compile(rf"""(?ix)
        [\s*_\#>]{{0,6}} (?:{_TALK}\s+)? (?:
          (?: here\ (?:it\ is|they\ are) | json
            | (?:here|below)(?:\ is|\ are|['’]s)\ (?!an?\ instruction\b)(?:[\w-]+\ ){{0,6}}
              (?:instructions?|prompts?|version|rewrite|json|answer)(?:\ (?:in|as)\ json|\ for\ you)? )
            [*_]{{0,2}}:[*_]{{0,2}}\s*
          | {HEADING} (?: [ ]?[*_\#]{{0,3}} [ ]?[:：] [ ]?[*_]{{0,2}}\s* | [ \t]*[*_\#]{{0,6}}[ \t]*\n\s* ) )""")
"""An introduction or a heading, which is no part of what follows it."""
_PLACE = r"""(?:instructions?|prompts?|rubrics?|actions?|criteri(?:on|a)|use[ _-]?cases?|skills?|texts?
        |sentences?|strings?|items?|values?|examples?|placeholders?)"""
PLACEHOLDER = re.compile(rf"""(?ix) \W* (?:
        (?:(?:your|the|an?|another|some|first|second|third|fourth|next|one|new|rewritten|improved|harder|example
          |sample)[ _-]+){{0,3}}
        {_PLACE} (?:[ _-]+(?:text|name|string|goes|here)){{0,3}} (?:[ _-]*(?:\#?[0-9]{{1,3}}|[a-d]|one|two|three|n|x))?
        | (?:insert|put|write|enter|add|type)\ [^.!?\n]{{0,40}}\ here
        | tasks? | str | todo | tbd | x{{3,}} | null | undefined | lorem\ ipsum\b.*
        | (?:指令|指示|提示词?|技能|文本|字符串|任务|文字列|プロンプト|スキル|지시|프롬프트|문자열)\ ?[0-9a-d]? ) \W*
        | \s*(?:<[^<>\n]*> | \[[^\[\]\n]*\] | \{{+[^{{}}\n]*\}}+ )\s* | [\W_]*""")
"""What stands for a text that is not there: `string`, `Instruction 1`, `<instruction>`, `…`."""


def unreadable(needed: str, text: str) -> UnreadableAnswer:
    """Return the error for an answer that does not hold what was needed."""
    quoted = " ".join(text.split())
    quoted = quoted[:QUOTED] + "…" * (len(quoted) > QUOTED)
    return UnreadableAnswer(f"needs {needed}; the model answered {quoted!r}")


def plain(text: str) -> str:
    """Return the answer without the fence or tag around it."""
    bare = _within_fence(_within_tag(text.replace("\r\n", "\n")))
    # the indentation of the first line stays: it tells the items of a list from what is nested in them
    return re.sub(r"\A\s*\n", "", bare).rstrip()


def introduces(before: str) -> bool:
    """Return whether a text is nothing but an introduction, so that what follows it is the whole answer."""
    before = re.sub(r"`+(?:json[5cl]?\b|javascript\b|js\b|python\b)?", "", before).strip()
    return not before or INTRO.fullmatch(before) is not None


def _within_tag(bare: str) -> str:
    """Return what `<answer>` or a tag like it encloses, if it encloses all but an introduction."""
    opening = _WRAPPER.search(bare)
    if opening is None or not introduces(bare[: opening.start()]):
        return bare
    inner, closed, after = bare[opening.end() :].rpartition(f"</{opening['name']}>")
    return inner if closed and not after.strip() and opening[0] not in inner else bare


def _within_fence(bare: str) -> str:
    """Return what a code fence encloses, if it is one of text and encloses all but an introduction."""
    fenced = bare.split("```")
    if len(fenced) != 3 or fenced[2].strip() or not introduces(fenced[0]):
        return bare
    language, _, inner = fenced[1].partition("\n")
    return inner if language.strip().lower() in ("", "json", "text", "txt", "markdown", "md") else bare
