"""What a model thought, told from what it answered: the one place that knows the marks around thoughts.

A server with a parser for its model's thoughts sends them in a field of their own (`reply.py` reads those).
Where it has none they stand at the start of the content, in the marks of the model's family.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Family(NamedTuple):
    """The marks that a family of models puts around its thoughts."""

    name: str
    """Who writes them."""
    opening: str
    """What the thoughts begin with, in any case."""
    closing: str
    """What they end with."""


FAMILIES = (
    Family("DeepSeek, Qwen, GLM, Nemotron, Phi, MiniMax, SmolLM3, Olmo", "<think>", "</think>"),
    Family("Claude-like distillations, Ernie", "<thinking>", "</thinking>"),
    Family("EXAONE, Gemini-like distillations", "<thought>", "</thought>"),
    Family("EXAONE, in the plural", "<thoughts>", "</thoughts>"),
    Family("models tuned for GRPO", "<reasoning>", "</reasoning>"),
    Family("Quiet-STaR and its like", "<scratchpad>", "</scratchpad>"),
    Family("inner monologues", "<inner_monologue>", "</inner_monologue>"),
    Family("LongCat", "<longcat_think>", "</longcat_think>"),
    Family("Seed-OSS", "<seed:think>", "</seed:think>"),
    Family("MiniMax, with its prefix", "<mm:think>", "</mm:think>"),
    Family("Magistral", "[THINK]", "[/THINK]"),
    Family("Kimi", "◁think▷", "◁/think▷"),
    Family("Command A Reasoning", "<|START_THINKING|>", "<|END_THINKING|>"),
    Family("OpenThinker, Sky-T1", "<|begin_of_thought|>", "<|end_of_thought|>"),
    Family("Apertus", "<|inner_prefix|>", "<|inner_suffix|>"),
    Family("Gemma 4", "<|channel>thought", "<channel|>"),
    Family("MedGemma", "<unused94>thought", "<unused95>"),
    Family("Bailing, Ring", "<|think|>", "<|/think|>"),
    Family("Granite", "Here is my thought process:", "Here is my response:"),
    Family("Open WebUI", '<details type="reasoning">', "</details>"),
)
"""The marks in the order in which they are looked for; another family is another line."""

_WRAPPERS = (
    ("<answer>", "</answer>"),
    ("<response>", "</response>"),
    ("<output>", "</output>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
)
"""What some families put around the answer that follows their thoughts."""
_TEMPLATE_TOKENS = (
    "<|im_end|>", "<|im_start|>", "</s>", "<s>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>",
    "<|begin_of_text|>", "<|endoftext|>", "<|end|>", "<|return|>", "<|call|>", "<|end_of_turn|>",
    "<end_of_turn>", "<start_of_turn>", "<eos>", "<bos>", "<pad>", "<|eos|>", "<|endofturn|>", "<turn|>",
    "<|END_OF_TURN_TOKEN|>", "<|START_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>", "<EOS_TOKEN>",
    "<|end_of_sentence|>", "<｜end▁of▁sentence｜>", "<｜begin▁of▁sentence｜>", "<|EOT|>", "<|eot|>",
    "<|header_end|>", "<|end_of_role|>", "<|endofprompt|>", "<|assistant|>", "<|assistant_end|>", "<|user|>",
    "<|observation|>", "<|im_sep|>", "[EOS]", "[/INST]", "[e~[", "<|role_end|>", "<seed:eos>", "<|hy_eos|>",
)  # fmt: skip
_TOKENS = "|".join(map(re.escape, sorted(_TEMPLATE_TOKENS, key=len, reverse=True)))
_TRAILING = re.compile(rf"(?:\s*(?:{_TOKENS}))+\s*\Z")
_LEADING = re.compile(rf"\A\s*(?:(?:{_TOKENS})\s*(?:(?:assistant|model)\s*\n)?)+")
_TAG = re.compile(r"<(/?)([\w:]+)(\s[^<>]+)?>")


def _pattern(mark: str) -> str:
    """Return the pattern of a mark; a tag may have more attributes and white space in it."""
    if tag := _TAG.fullmatch(mark):
        more = r"(?:\s[^<>]{0,200})?"
        needed = rf"\s[^<>]{{0,200}}?{re.escape(tag[3].strip())}[^<>]{{0,200}}" if tag[3] else more
        return rf"<{tag[1]}{re.escape(tag[2])}{needed}>"
    return re.escape(mark).replace(r"\ ", r"\s+")


class _Marks(NamedTuple):
    opening: re.Pattern[str]
    closing: re.Pattern[str]
    lone_closing: re.Pattern[str] | None
    """A closing mark that is one also where no opening mark came; None where it may be anything."""


def _marks(family: Family) -> _Marks:
    opening, closing = _pattern(family.opening), _pattern(family.closing)
    lone = None
    if family.closing == "</details>":
        pass  # HTML has it, too
    elif family.closing.startswith("</"):
        # An answer about tags may name one; thoughts end with it on a line's edge.
        lone = re.compile(rf"(?:^[ \t]*{closing}|(?<![`'\"]){closing}[ \t]*(?=\n|\Z))", re.I | re.M)
    elif not family.closing[0].isalpha():
        lone = re.compile(closing)
    return _Marks(re.compile(rf"\s*{opening}", re.I), re.compile(closing, re.I), lone)


_MARKS = tuple(map(_marks, FAMILIES))
_MARK_BEGINNINGS = tuple({family.closing[0] for family in FAMILIES} - {"H"})
# OpenAI's harmony: each message names its channel, and the answer's channel is `final`.
_CHANNEL = re.compile(
    r"(?:<\|start\|>\s*assistant[^<]*)?<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"
    r"(.*?)(?=<\|end\|>|<\|return\|>|<\|call\|>|<\|start\|>|<\|channel\|>|\Z)"
    r"(?:<\|(?:end|return|call)\|>)?",
    re.S,
)
_HARMONY = re.compile(r"\s*(?:<\|start\|>\s*assistant[^<]*)?<\|channel\|>")
_BARE_HARMONY = re.compile(r"\s*analysis(?:(?=[A-Z\"'“])|(?=.*?assistant\s?final))", re.S)
"""The same with its special tokens left out, as many servers decode it."""
_BARE_CHANNELS = re.compile(r"assistant\s?(analysis|commentary|final)", re.S)


class Split(NamedTuple):
    """What a model wrote, in two."""

    thinking: str
    """Its thoughts, without marks; empty where there are none."""
    text: str
    """Its answer, without template tokens; empty where the thoughts never ended."""


def split(content: str) -> Split:
    """Return what a model wrote as its thoughts and its answer.

    Thoughts stand at the start alone: marks further on are part of the answer. Where an opening mark is never
    closed everything is thoughts.
    """
    if not content:
        return Split("", "")
    content = _without_template_tokens(content)
    if _HARMONY.match(content):
        return _split_channels(_CHANNEL.findall(content))
    if bare := _BARE_HARMONY.match(content):
        first, *more = _BARE_CHANNELS.split(content[bare.end() :])
        return _split_channels([("analysis", first), *zip(more[::2], more[1::2], strict=True)])
    thoughts: list[str] = []
    rest = content
    while (part := _first_thoughts(rest)) is not None:
        thoughts.append(part.thinking)
        rest = part.text
    if not thoughts:
        return Split("", content)
    text = _without_template_tokens(_unwrapped(rest.strip()))
    return Split("\n".join(filter(None, thoughts)), text)


def _without_template_tokens(text: str) -> str:
    if "<" not in text and "[" not in text:
        return text
    return _TRAILING.sub("", _LEADING.sub("", text))


def _first_thoughts(text: str) -> Split | None:
    """Return the thoughts that a text begins with, and the rest; None where it begins with none."""
    for marks in _MARKS:
        if opening := marks.opening.match(text):
            closing = marks.closing.search(text, opening.end())
            if closing is None:
                return Split(text[opening.end() :].strip(), "")
            return Split(text[opening.end() : closing.start()].strip(), text[closing.end() :])
    if not any(beginning in text for beginning in _MARK_BEGINNINGS):
        return None
    for marks in _MARKS:
        closing = marks.lone_closing.search(text) if marks.lone_closing else None
        if closing is not None and text.count("```", 0, closing.start()) % 2 == 0:
            before = text[: closing.start()]
            if not marks.opening.search(before):
                return Split(before.strip(), text[closing.end() :])
    return None


def _split_channels(channels: list[tuple[str, str]]) -> Split:
    """Return the messages of harmony's channels in two; `final` is the answer."""
    by_kind: dict[bool, list[str]] = {True: [], False: []}
    for channel, message in channels:
        by_kind[channel == "final"].append(message.strip())
    thinking, text = ("\n".join(filter(None, by_kind[kind])) for kind in (False, True))
    return Split(thinking, _without_template_tokens(text))


def _unwrapped(text: str) -> str:
    """Return an answer without the marks that some families put around it."""
    for opening, closing in _WRAPPERS:
        if text.lower().startswith(opening.lower()):
            inner = text[len(opening) :]
            if inner.lower().rstrip().endswith(closing.lower()):
                return inner.rstrip()[: -len(closing)].strip()
            if closing.lower() not in inner.lower():
                return inner.strip()  # cut off before its end
    return text
