"""What a model thought, told from what it answered: the one place that knows the marks around thoughts.

A server with a parser for its model's thoughts sends them in a field of their own (`reply.py` reads those).
Where it has none they stand at the start of the content, in the marks of the model's family.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from codeclm_hf.endpoints.template_tokens import without_template_tokens


class Family(NamedTuple):
    """The marks that a family of models puts around its thoughts."""

    name: str
    """Who writes them."""
    opening: str
    """What the thoughts begin with, in any case."""
    closing: str
    """What they end with."""
    alone: bool = True
    """Whether that mark says so where no opening mark came, since the chat template opens the thoughts."""
    asked_for: bool = False
    """Whether a user may ask for an answer in such tags; then they are part of it."""


FAMILIES = (
    Family("DeepSeek, Qwen, GLM, Nemotron, Phi, MiniMax, SmolLM3, Olmo, Hunyuan", "<think>", "</think>"),
    Family("K2, at less effort", "<think_fast>", "</think_fast>"),
    Family("K2, at the least effort", "<think_faster>", "</think_faster>"),
    Family("K2 Horizon", "<ifm|think>", "</ifm|think>"),
    Family("K2 Horizon, at less effort", "<ifm|think_fast>", "</ifm|think_fast>"),
    Family("K2 Horizon, at the least effort", "<ifm|think_faster>", "</ifm|think_faster>"),
    Family("Claude-like distillations, Nova", "<thinking>", "</thinking>", asked_for=True),
    Family("EXAONE Deep, Gemini", "<thought>", "</thought>", asked_for=True),
    Family("EXAONE, in the plural", "<thoughts>", "</thoughts>", asked_for=True),
    Family("models tuned for GRPO", "<reasoning>", "</reasoning>", asked_for=True),
    Family("Quiet-STaR and its like", "<scratchpad>", "</scratchpad>", asked_for=True),
    Family("inner monologues", "<inner_monologue>", "</inner_monologue>", asked_for=True),
    Family("LongCat", "<longcat_think>", "</longcat_think>"),
    Family("Seed-OSS", "<seed:think>", "</seed:think>"),
    Family("MiniMax M3", "<mm:think>", "</mm:think>"),
    Family("Magistral", "[THINK]", "[/THINK]"),
    Family("Pangu", "[unused16]", "[unused17]"),
    Family("Kimi", "◁think▷", "◁/think▷"),
    Family("Kimi K3", "<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    Family("Command A Reasoning", "<|START_THINKING|>", "<|END_THINKING|>"),
    Family("OpenThinker, Sky-T1", "<|begin_of_thought|>", "<|end_of_thought|>"),
    Family("Apertus", "<|inner_prefix|>", "<|inner_suffix|>"),
    Family("Gemma 4", "<|channel>thought", "<channel|>"),
    Family("MedGemma", "<unused94>thought", "<unused95>"),
    Family("Solar Open", "<|think|>", "<|end|><|begin|>assistant<|content|>"),
    Family("Solar Open 2", "<|think:start|>", "<|think:end|>"),
    Family("marks with a slash", "<|think|>", "<|/think|>"),
    Family("HyperCLOVA X SEED", "/think\n", "<|im_end|>\n<|im_start|>assistant\n", alone=False),
    Family("Granite", "Here is my thought process:", "Here is my response:", alone=False),
    Family("Open WebUI", '<details type="reasoning">', "</details>", alone=False),
)
"""The marks in the order in which they are looked for; another family is another line."""

_WRAPPERS = (
    ("<answer>", "</answer>"),
    ("<response>", "</response>"),
    ("<output>", "</output>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    ("<|open|>response<|sep|>", "<|close|>response<|sep|>"),
)
"""What some families put around the answer that follows their thoughts."""
_TAG = re.compile(r"<(/?)([\w:]+)(\s[^<>]+)?>")
_QUOTES = {"`": "`", "'": "'", '"': '"', "“": "”", "‘": "’", "«": "»", "「": "」"}


_BEGINS = r"(?:```|[^\s`'\"”’.,;:!?)\]}])"
"""What an answer may begin with that runs into the mark before it."""


def _pattern(mark: str) -> str:
    """Return the pattern of a mark; a tag may have a suffix, attributes and white space in it."""
    if tag := _TAG.fullmatch(mark):
        more = r"(?::[\w-]{1,40})?(?:\s[^<>]{0,200})?"
        needed = rf"\s[^<>]{{0,200}}?{re.escape(tag[3].strip())}[^<>]{{0,200}}" if tag[3] else more
        return rf"<{tag[1]}{re.escape(tag[2])}{needed}>"
    prose = re.escape(mark).replace(r"Here\ is", r"Here(?: is|['’]s)")
    return prose.replace(r"\ ", r"\s+").replace("\\\n", r"\s*\n")


class _Marks(NamedTuple):
    family: Family
    opening: re.Pattern[str]
    closing: re.Pattern[str]
    lone_closing: re.Pattern[str] | None
    """A closing mark where it ends thoughts that no opening mark began; None where it never does."""


def _marks(family: Family) -> _Marks:
    closing = _pattern(family.closing)
    # An answer about marks may name one, between spaces; thoughts end with it on a line's edge, or run into it.
    lone = (
        rf"^[ \t]*{closing}|{closing}[ \t]*(?=\n|\Z)|(?<=[.!?…。！？] ){closing}(?= ?{_BEGINS})"
        rf"|(?<=[^\s(\[{{]){closing}(?={_BEGINS})"
    )
    compiled = re.compile(lone, re.I | re.M) if family.alone else None
    return _Marks(family, re.compile(_pattern(family.opening), re.I), re.compile(closing, re.I), compiled)


_MARKS = tuple(map(_marks, FAMILIES))
_MARK_BEGINNINGS = tuple({family.closing[0] for family in FAMILIES if family.alone})
# OpenAI's harmony: each message names its channel, and the answer's channel is `final`.
_CHANNEL = re.compile(
    r"(?:<\|start\|>\s*assistant[^<]*)?<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"
    r"(.*?)(?=<\|end\|>|<\|return\|>|<\|call\|>|<\|start\|>|<\|channel\|>|\Z)"
    r"(?:<\|(?:end|return|call)\|>)?",
    re.S,
)
_HARMONY = re.compile(r"\s*(?:<\|start\|>\s*assistant[^<]*)?<\|channel\|>")
_BARE_HARMONY = re.compile(
    r"\s*analysis(?:(?=[\"“]|[A-Z][\w'’]*,? [^\W\d_]|[^\W\d_a-zA-Z])|(?=.*?assistant(?:final| final(?![a-z]))))",
    re.S,
)
"""The same with its special tokens left out, as many servers decode it."""
_BARE_CHANNELS = re.compile(r"assistant(analysis|commentary|final)")
_SPACED_CHANNELS = re.compile(r"assistant (analysis|commentary|final)(?![a-z])")


class Split(NamedTuple):
    """What a model wrote, in two."""

    thinking: str
    """Its thoughts, without marks; empty where there are none."""
    text: str
    """Its answer, without template tokens; empty where the thoughts never ended."""


def split(content: str, asked: str = "") -> Split:
    """Return what a model wrote as its thoughts and its answer.

    Thoughts stand at the start alone: marks further on are part of the answer. Where an opening mark is never
    closed everything is thoughts.

    Args:
        content: what the model wrote.
        asked: the instruction that it answers; tags that this names are part of the answer.
    """
    if not content:
        return Split("", "")
    content = without_template_tokens(content)
    if _HARMONY.match(content):
        return _split_channels(_CHANNEL.findall(content))
    if bare := _BARE_HARMONY.match(content):
        channels = _BARE_CHANNELS if "assistantfinal" in content else _SPACED_CHANNELS
        first, *more = channels.split(content[bare.end() :])
        return _split_channels([("analysis", first), *zip(more[::2], more[1::2], strict=True)])
    if _is_cut_mark(content.strip()):
        return Split("", "")
    asked = asked.lower()
    families = [marks for marks in _MARKS if not (marks.family.asked_for and marks.family.opening in asked)]
    thoughts: list[str] = []
    rest = content
    while (part := _first_thoughts(rest, families)) is not None:
        thoughts.append(part.thinking)
        rest = part.text
    if not thoughts:
        return Split("", content)
    text = without_template_tokens(_unwrapped(without_template_tokens(rest.strip()), asked))
    return Split("\n".join(filter(None, thoughts)), text)


def _is_cut_mark(text: str) -> bool:
    """Return whether a text is nothing but the beginning of an opening mark."""
    return len(text) > 3 and any(
        family.opening.startswith(text) and text != family.opening
        for family in FAMILIES
        if not family.opening[0].isalpha()
    )


def _first_thoughts(text: str, families: Sequence[_Marks]) -> Split | None:
    """Return the thoughts that a text begins with, and the rest; None where it begins with none."""
    start = len(text) - len(text.lstrip())
    unfinished: Split | None = None
    for marks in families:
        if opening := marks.opening.match(text, start):
            for closing in marks.closing.finditer(text, opening.end()):
                if not _is_quoted(text, closing):
                    return Split(text[opening.end() : closing.start()].strip(), text[closing.end() :])
            unfinished = Split(text[opening.end() :].strip(), "")
    if unfinished or not any(beginning in text for beginning in _MARK_BEGINNINGS):
        return unfinished
    for marks in families:
        for closing in marks.lone_closing.finditer(text) if marks.lone_closing else ():
            before = text[: closing.start()]
            if any(_may_pair(before, opening, marks.family) for opening in marks.opening.finditer(before)):
                break
            if not _is_in_code(before) and not _is_quoted(text, closing) and not _is_in_json(text, closing):
                return Split(before.strip(), text[closing.end() :])
    return None


def _may_pair(before: str, opening: re.Match[str], family: Family) -> bool:
    """Return whether an opening mark goes with a closing one right behind; else thoughts may mention it."""
    line = before[before.rfind("\n", 0, opening.start()) + 1 : opening.start()]
    return family.asked_for or not line.strip() or "\n" not in before[opening.end() :]


def _is_quoted(text: str, mark: re.Match[str]) -> bool:
    """Return whether a mark is talked about: quotes stand right before and behind it."""
    before, behind = text[: mark.start()][-1:], text[mark.end() :][:1]
    return before in _QUOTES and _QUOTES[before] == behind


def _is_in_code(before: str) -> bool:
    """Return whether a fence or a backtick is open behind a text."""
    if before.count("```") % 2:
        return True
    return before[before.rfind("\n") + 1 :].replace("```", "").count("`") % 2 == 1


def _is_in_json(text: str, mark: re.Match[str]) -> bool:
    """Return whether a mark stands within a line of JSON."""
    ends_line = text[mark.end() : mark.end() + 1].strip() == ""
    return text[: mark.start()].lstrip()[:1] in ("{", "[") and not ends_line


def _split_channels(channels: list[tuple[str, str]]) -> Split:
    """Return the messages of harmony's channels in two; `final` is the answer."""
    by_kind: dict[bool, list[str]] = {True: [], False: []}
    for channel, message in channels:
        by_kind[channel == "final"].append(message.strip())
    thinking, text = ("\n".join(filter(None, by_kind[kind])) for kind in (False, True))
    return Split(thinking, without_template_tokens(text))


def _unwrapped(text: str, asked: str) -> str:
    """Return an answer without the marks that some families put around it, unless they were asked for."""
    for opening, closing in _WRAPPERS:
        if text.lower().startswith(opening.lower()) and opening.lower() not in asked:
            inner = text[len(opening) :]
            if inner.lower().rstrip().endswith(closing.lower()):
                return inner.rstrip()[: -len(closing)].strip()
            if closing.lower() not in inner.lower():
                return inner.strip()  # cut off before its end
    return text
