"""A careless pair of models, whose every mistake can be computed again: they repeat, copy, loop, and break off."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict

from codeclm_hf import CodecLM, endpoint
from codeclm_hf.stages.contamination import Benchmark
from support.inputs import SEEDS
from support.model_server import CutOff, StandIn
from support.words import words
from support.world import World, answers, number

Pair = tuple[StandIn, StandIn]
"""Of the strong model and of the target."""
NUM_METADATA = 8
ROOM = 2048
"""Most tokens of a response when it is asked for first."""
QUESTIONS = (
    "How many red marbles must be drawn from a bag of forty to be sure of three that match in weight?",
    "Explain to a class of ten-year-olds why the sea is salty although all rivers that run into it are fresh.",
    "Which of the four gas giants has the shortest day, and how was the length of its day first measured?",
    "Compare the causes of the two longest droughts that the chronicles of the northern monasteries describe.",
    "A train leaves at noon and doubles its speed at every stop; after which stop does it pass the old mill?",
    "What would a lighthouse keeper of the last century write home in the week before the lamp was electric?",
    "Name three metals that float on molten lead and say how a smith without instruments could tell them apart.",
    "Why do two clocks on the same wall fall into step after some days, and who described it in a letter?",
)
"""An evaluation set."""
NAME = "questions.jsonl"
"""The file that it is in."""
COPIED = QUESTIONS[:5]
"""Those of them that the strong model writes as its own."""
REFUSAL = "I'm sorry, but I can't help with that."
WHOLE = ("whole", "refusal")
"""What responses may be to be judged; the others are `cut_off`, `degenerate`, `empty` and `contaminated`."""
_FATES = (
    (5, "cut_off", True),
    (5, "cut_off", False),
    (3, "degenerate", False),
    (2, "degenerate", True),
    (1, "empty", False),
    (1, "empty", True),
    (5, "refusal", False),
    (1, "contaminated", False),
)
"""How many responses of a hundred have what wrong with them, and whether twice the room cures it."""
_DECODE = re.compile(r"Write (?P<n>\d+) .*\n\nUse case: (?P<use_case>.*)\nSkills[^:]*: (?P<skills>.*)\n")
_PROMPTS = (
    "Describe the instruction",
    "Two assistants answered",
    "Rewrite the instruction",
    "Think of instructions",
)
"""How prompts begin that are no instructions."""


@dataclass(frozen=True)
class Draft:
    """What the strong model writes as a basic instruction."""

    text: str
    family: str
    """The text that it is, or nearly is; drafts of different families are not alike."""
    copied: bool = False
    """Whether it is a question of the evaluation set."""


@dataclass(frozen=True)
class Careless(World):
    """The functions of one request, by its seed and its room."""

    seed: int = 0
    room: int = ROOM
    knows: int | None = None
    """How many instructions the strong model can think of; None for as many as are wanted."""
    judges: bool = True
    """Whether the judge tells answers apart."""

    def encode(self, instruction: str) -> tuple[str, list[str]]:
        """The use case in one of several spellings."""
        use_case, skills = super().encode(instruction)
        spellings = (use_case, use_case.title(), f"{use_case}.", use_case.replace(" ", "  "))
        return spellings[number("spelling", instruction) % len(spellings)], skills

    def decode(self, use_case: str, skills: list[str], n: int) -> list[str]:
        return [draft.text for draft in self.drafts(use_case, skills, n)]

    def drafts(self, use_case: str, skills: list[str], n: int) -> list[Draft]:
        """Of a hundred 4 are copied, 15 vary one of the list, 15 the use case's favourite; the others are new."""
        what, drafts = f"{use_case.casefold()} using {' and '.join(skills)}", list[Draft]()
        for i in range(n):
            draw = number("draft", what, self.seed, i)
            luck, pick = draw % 100, draw // 100
            if self.knows is not None:
                drafts.append(_vary(_fresh("writing", "known", pick % self.knows), pick // self.knows))
            elif luck < 4:
                question = COPIED[pick % len(COPIED)]
                drafts.append(Draft(question, question, copied=True))
            elif luck < 19 and i:
                drafts.append(_vary(drafts[pick % i].family, pick // i))
            elif luck < 34:
                drafts.append(_vary(_fresh(use_case.casefold(), "favourite"), pick))
            else:
                text = _fresh(what, self.seed, i)
                drafts.append(Draft(text, text))
        return drafts

    def improve(self, instruction: str, action: str) -> str:
        fault = self.improvement_fault(instruction)
        if fault == "answer":
            return " ".join(self._sentences("strong", instruction))
        if fault == "unchanged":
            return (instruction, instruction.upper(), f"Please {instruction}")[number(instruction) % 3]
        return f"{instruction}. Add {words(15, 'improve', instruction, action, self.seed)}"

    def improvement_fault(self, instruction: str) -> str:
        """`answer` or `unchanged`, 3 of a hundred each; 2 of a hundred instructions are never improved."""
        luck = number("improve", instruction, self.seed) % 100
        if luck < 3:
            return "answer"
        return "unchanged" if luck < 6 or number("stubborn", instruction) % 50 == 0 else ""

    def fate(self, role: str, instruction: str) -> str:
        """What is wrong with a response: `cut_off`, `degenerate`, `empty`, `contaminated`, `refusal`; or `whole`."""
        luck = number("fate", role, instruction) % 100
        for share, fate, is_cured in _FATES:
            luck -= share
            if luck < 0:
                return "whole" if is_cured and self.room > ROOM else fate
        return "whole"

    def respond(self, role: str, instruction: str) -> str:
        sentences = self._sentences(role, instruction)
        whole, fate = " ".join(sentences), self.fate(role, instruction)
        return {
            "cut_off": CutOff(whole[: len(whole) // 2]),
            "degenerate": f"{sentences[0]} " * 40,
            "empty": "",
            "contaminated": f"{sentences[0]} {QUESTIONS[number(instruction) % len(QUESTIONS)]}",
            "refusal": REFUSAL,
        }.get(fate, whole)

    def judge(self, first: str, second: str) -> tuple[float, float]:
        return super().judge(first, second) if self.judges else (5, 5)

    def _sentences(self, role: str, instruction: str) -> list[str]:
        """Eight of the ten sentences that a model has to say, after one that is the request's own."""
        said = [_sentence(role, instruction, i) for i in range(10)]
        start = number(self.seed, role) % 10
        return [_sentence(role, instruction, "seed", self.seed), *(said[start:] + said[:start])[:8]]


def careless(role: str, **options: Any) -> Any:
    """The stand-in model of a role."""
    models = Careless(**options)

    def answer(messages: list[dict[str, str]], how: dict[str, Any]) -> Any:
        now = replace(models, seed=how["seed"], room=how["max_new_tokens"])
        return answers(now, role)(messages, how)

    return answer


def careless_pair(latency: Any = 0.0, **options: Any) -> Pair:
    """The servers of the strong model and of the target."""
    strong, target = (
        StandIn(careless(role, **options), tgi=False, model=role, latency=latency)
        for role in ("strong", "target")
    )
    return strong, target


def run(servers: Pair, out: Path, n: int, *, seeds: Dataset | None = None, **options: Any) -> DatasetDict:
    """A run of n rows that share no words with the evaluation set."""
    strong, target = (endpoint(server.url, **options) for server in servers)
    return CodecLM(strong=strong, target=target).run(
        seeds or Dataset.from_dict({"instruction": SEEDS}),
        out=out,
        num_examples=n,
        num_metadata=NUM_METADATA,
        decontaminate=[Benchmark(name=NAME, texts=QUESTIONS)],
    )


def command(servers: Pair, seeds: Path, out: Path, n: int, *more: object) -> list[str]:
    """The words of the command that makes a run of n rows."""
    strong, target = (server.url for server in servers)
    words = ["run", seeds, "--strong", strong, "--target", target, "--out", out, "--num-examples", n]
    return [*map(str, [*words, "--num-metadata", NUM_METADATA, *more])]


def write_questions(folder: Path) -> Path:
    """The evaluation set in a file."""
    path = folder / NAME
    path.write_text("".join(json.dumps({"instruction": text}) + "\n" for text in QUESTIONS))
    return path


def _fresh(what: str, *parts: object) -> str:
    return f"Do {words(14, what, *parts)} of {what}"


def _vary(text: str, n: int) -> Draft:
    """The text with another case, punctuation, opening or word; always the same word, or two would differ by two."""
    opening, verb, *rest = text.split(" ")
    ways = (
        text,
        text.upper(),
        f"{text}!!",
        text.replace(" ", "  "),
        f"Please {opening.lower()} {verb} {' '.join(rest)}",
        f"{opening} {words(1, 'another', n)} {' '.join(rest)}",
    )
    return Draft(ways[n % len(ways)], text, copied=text in QUESTIONS)


def _sentence(*parts: object) -> str:
    one, two, three, four, five = words(5, *parts).split()
    return f"A {one} beside the {two} is what this {three} was made for, since every {four} has its {five}."


@dataclass(frozen=True)
class Response:
    """What a model said to an instruction."""

    role: str
    instruction: str
    text: str
    fate: str


class Books:
    """What careless models were asked and said, by the requests of their servers, each counted once.

    Args:
        strong: the server of the strong model.
        target: the server of the target.
        **options: those of the models.
    """

    def __init__(self, strong: StandIn, target: StandIn, **options: Any) -> None:
        self.asked = 0
        """Basic instructions that the strong model was to write."""
        self.drafts: list[Draft] = []
        """Those that it wrote, each once a list."""
        self.responses: list[Response] = []
        self.improvements: Counter[str] = Counter()
        """Texts that were no improvements, by what is wrong with them."""
        for role, server in (("strong", strong), ("target", target)):
            for messages, seed, room in _requests(server):
                model, prompt = Careless(seed=seed, room=room, **options), messages[-1]["content"]
                if about := _DECODE.match(prompt):
                    self.asked += int(about["n"])
                    drafts = model.drafts(about["use_case"], about["skills"].split(", "), int(about["n"]))
                    self.drafts += {draft.text: draft for draft in drafts}.values()
                elif prompt.startswith("Rewrite the instruction"):
                    fault = model.improvement_fault(prompt.split("Instruction:\n")[-1])
                    self.improvements += Counter([fault] if fault else [])
                elif len(messages) == 1 and not prompt.startswith(_PROMPTS):
                    said = model.respond(role, prompt).strip()
                    self.responses.append(Response(role, prompt, said, model.fate(role, prompt)))


def _requests(server: StandIn) -> list[tuple[list[dict[str, str]], int, int]]:
    """(messages, seed, room) of every request."""
    requests = {
        json.dumps([asked[name] for name in ("messages", "seed", "max_new_tokens")]) for asked in server.asked
    }
    return [tuple(json.loads(request)) for request in sorted(requests)]
