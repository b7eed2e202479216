"""A small world whose models are known functions: what the stand-in servers answer, and what the oracle computes."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from support.words import words

USE_CASES = ("creative writing", "code generation", "travel planning")
SKILLS = ("rhyme schemes", "SQL queries", "route finding", "budget limits", "plot structure")


def number(*parts: object) -> int:
    """A number anybody can recompute from the parts."""
    return int(hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:8], 16)


@dataclass(frozen=True)
class World:
    """The functions; `bias` is what the judge adds to the answer it sees first."""

    bias: float = 0

    def encode(self, instruction: str) -> tuple[str, list[str]]:
        n = number("encode", instruction)
        return USE_CASES[n % 3], [SKILLS[(n // 3 + i) % 5] for i in range(1 + n % 2)]

    def plausible(self, use_case: str, skills: list[str]) -> bool:
        return number("plausible", use_case, *sorted(skills)) % 3 > 0

    def rubrics(self, use_case: str, skills: list[str], n: int) -> tuple[list[str], list[str]]:
        name = f"{use_case} with {' and '.join(skills)}"
        return [f"Rubric {i} of {name}" for i in range(n)], [f"Action {i} of {name}" for i in range(n)]

    def decode(self, use_case: str, skills: list[str], n: int) -> list[str]:
        what = f"{use_case} using {' and '.join(skills)}"
        return [f"Do {words(10, 'decode', what, i)} of {what}" for i in range(n)]

    def improve(self, instruction: str, action: str) -> str:
        return f"{instruction}. Add {words(15, 'improve', instruction, action)}"

    def respond(self, role: str, instruction: str) -> str:
        return f"The {role} model's answer {number(role, instruction) % 9} to: {instruction}"

    def quality(self, answer: str) -> int:
        """From 1 to 10, or from 3 to 8 where a bias has to find room."""
        return number("quality", answer) % 6 + 3 if self.bias else number("quality", answer) % 10 + 1

    def judge(self, first: str, second: str) -> tuple[float, float]:
        return self.quality(first) + self.bias, self.quality(second)


def answers(world: World, role: str, *, as_text: bool = False) -> Any:
    """The stand-in model that plays a role: reads our prompts back and answers by the world's functions."""

    def answer(messages: list[dict[str, str]], how: dict[str, Any]) -> Any:
        asked, opening = messages[-1]["content"], messages[0]["content"]
        text = as_text or not how["schema"]
        if opening.startswith("Describe the instruction below"):
            use_case, skills = world.encode(asked.removeprefix("Instruction:\n"))
            if text:
                return f"Use case: {use_case}\nSkills: {', '.join(skills)}"
            return {"use_case": use_case, "skills": skills}
        if opening.startswith("Two assistants answered"):
            fence = re.search(r"lines of \[(\w+)\]", asked)
            assert fence is not None
            parts = re.split(rf"\[{fence[1]} [^\]]*\]\n", asked)
            scores = world.judge(parts[2].strip(), parts[3].split(f"[{fence[1]} end]")[0].strip())
            return (
                f"Assistant 1: {scores[0]:g}/10\nAssistant 2: {scores[1]:g}/10"
                if text
                else {"scores": list(scores)}
            )
        if opening.startswith("Rewrite the instruction below"):
            action = re.search(r"Guideline: (.*)", asked)
            assert action is not None
            harder = world.improve(asked.split("Instruction:\n")[-1], action[1])
            return f"Improved instruction: {harder}" if text else {"instruction": harder}
        match = re.search(r"Use case: (.*)\nSkills[^:]*: (.*)", asked)
        if match is None:
            return world.respond(role, asked)
        use_case, skills = match[1], match[2].split(", ")
        if opening.startswith("Here is a kind of task"):
            plausible = world.plausible(use_case, skills)
            return ("Yes." if plausible else "No.") if text else {"plausible": plausible}
        if opening.startswith("Think of instructions"):
            n = int(re.search(r"Write (\d+) rubrics", asked)[1])  # type: ignore[index]
            rubrics, actions = world.rubrics(use_case, skills, n)
            return (
                _listed("Rubrics:", rubrics) + _listed("Actions:", actions)
                if text
                else {"rubrics": rubrics, "actions": actions}
            )
        n = int(re.search(r"Write (\d+) ", asked)[1])  # type: ignore[index]
        instructions = world.decode(use_case, skills, n)
        return _listed("Here they are:", instructions) if text else {"instructions": instructions}

    return answer


def _listed(heading: str, items: list[str]) -> str:
    return f"{heading}\n" + "".join(f"{i}. {item}\n" for i, item in enumerate(items, start=1)) + "\n"
