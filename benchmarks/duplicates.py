"""What it costs to keep copies and leaked rows out: screening beside the run that it is part of.

    python benchmarks/duplicates.py               # about a minute on an idle machine
    python benchmarks/duplicates.py --quick       # does it work: some seconds, no target

Instructions, three in ten nearly a copy of an earlier one, are screened in turn as a run does it, against each
other, and those that pass against an evaluation set of 1,000 questions, each with two responses. Each size is
screened in a fresh process, and its CPU time is counted, which on an idle core is its wall time. The first table:

    copies   instructions that were rejected; CPU time to find them, for each instruction
    leaks    CPU time to look for words of the evaluation set, for each instruction
    all      CPU time of both for all instructions
    peak     resident memory at most, the texts included

A run of some instructions against two simulated servers (`simulated.py`) tells how many requests an instruction
takes. The least time in which the busier server can answer these for 20,000 instructions is requests × mean ÷
slots; a real run takes longer. The second table is screening's share of it. This run is small because its
requests are a fixed number for each instruction.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import simulated
from datasets import Dataset, disable_progress_bars
from measure import Cost, alone, cost

from codeclm_hf import CodecLM, endpoint
from codeclm_hf.stages.contamination import Benchmark, Contamination
from codeclm_hf.stages.screen import Screen

SIZES = (5_000, 10_000, 20_000, 40_000)
QUESTIONS = 1_000
COPIES = 0.3
RUN = 20_000
"""Instructions whose screening is set beside their run."""
SHARE = 0.05
"""Target: screening's part of a run's least time."""
GROWTH = 2.0
"""Target: CPU time of an instruction among the most ÷ that among the fewest, which are an eighth of them."""
SERVERS = ((64, 0.4), (512, 1.0))
"""Slots and mean seconds of the servers beside which screening is set."""
MEASURED = 100
"""Instructions of the run that counts requests."""

FORMS = (
    "Write a short story about {} in which {} play a part",
    "Explain how {} depend on {}",
    "Compare {} with {} and name what they have in common",
    "I sell {} in a town that is known for its {}. Suggest a plan",
    "List ideas for a school project on {}",
    "为一个关于{}和{}的展览写一段介绍",
    "What would change if all {} were replaced by {}?",
    "Write a Python function that sorts {} by their {}",
    "Plan a weekend for people who like {}",
    "Translate what a guide says about {} into plain words",
    "Argue for more {} in our schools, and against {}",
    "Describe a day in the life of somebody who repairs {}",
)
READERS = (
    "for children who cannot read yet",
    "for a reader who has a quarter of an hour",
    "for people who know the matter well",
    "for an audience of engineers",
    "for somebody who is new to it all",
    "for my grandmother, who likes to be surprised",
    "for students in their first year",
)
RULES = (
    "and use no more than two hundred words",
    "without a single adjective",
    "in the form of a dialogue",
    "with an example for each point",
    "and end with a question",
    "as a table with three columns",
    "and say what you are not sure of",
    "in verses that rhyme",
    "with a summary of one sentence at the top",
)
SYLLABLES = [consonant + vowel for consonant in "bcdfghjklmnprstvwxyz" for vowel in "aeiou"]


def topic(draw: random.Random) -> str:
    """Return a noun that hardly any other instruction has."""
    return "".join(draw.choices(SYLLABLES, k=draw.randint(2, 4)))


def instruction(draw: random.Random) -> str:
    """Return a form filled with two to five nouns at each place; half of them name a reader, half a rule."""
    form = draw.choice(FORMS)
    places = [" ".join(topic(draw) for _ in range(draw.randint(2, 5))) for _ in range(form.count("{}"))]
    ends = [draw.choice(choices) for choices in (READERS, RULES) if draw.random() < 0.5]
    return f"{form.format(*places)}, {', '.join(ends)}." if ends else f"{form.format(*places)}."


def copy(draw: random.Random, text: str) -> str:
    """Return a text that says the same as another in nearly the same words."""
    words = text.split()
    at = draw.randrange(len(words))
    return draw.choice(
        [
            text.upper(),
            f"Please {text}",
            text.rstrip(".") + "!",
            " ".join([*words[:at], words[at] + "s", *words[at + 1 :]]),
            " ".join([*words[:at], *words[at + 1 :]]),
        ]
    )


def instructions(size: int) -> Iterator[str]:
    """Yield instructions, three in ten of them nearly copies of earlier ones."""
    draw, made = random.Random(7), list[str]()
    for _ in range(size):
        made.append(copy(draw, draw.choice(made)) if made and draw.random() < COPIES else instruction(draw))
        yield made[-1]


def response(draw: random.Random) -> str:
    """Return 150 words in sentences of ten."""
    sentences = (" ".join(topic(draw) for _ in range(10)) for _ in range(15))
    return " ".join(f"{sentence.capitalize()}." for sentence in sentences)


@dataclass(frozen=True)
class Screening:
    """What screening so many instructions took."""

    size: int
    rejected: int
    copies: Cost
    leaks: Cost

    @property
    def cpu(self) -> float:
        return self.copies.cpu + self.leaks.cpu


def screen(size: int) -> Screening:
    """Screen instructions against each other, and what passes, with two responses each, against the questions."""
    draw, texts = random.Random(8), list(instructions(size))
    exam = Benchmark(name="exam", texts=tuple(instruction(draw) for _ in range(QUESTIONS)))
    responses = [response(draw) for _ in range(100)]
    known, contamination = Screen((), Contamination()), Contamination(benchmarks=(exam,))
    contamination.find("to make its index", "instruction")
    passed: list[str] = []

    def find_copies() -> None:
        for at, text in enumerate(texts):
            if known.reject(text) is None:
                known.admit(str(at), text)
                passed.append(text)

    def find_leaks() -> None:
        for at, text in enumerate(passed):
            contamination.find(text, "instruction")
            contamination.find(responses[at % 100], "strong_response")
            contamination.find(responses[(at + 1) % 100], "target_response")

    copies, leaks = cost(find_copies), cost(find_leaks)
    return Screening(size, size - len(passed), copies, leaks)


def requests(size: int) -> float:
    """Return how many requests the busier server gets for each instruction of a run."""
    disable_progress_bars()
    seeds = Dataset.from_dict({"instruction": [instruction(random.Random(n)) for n in range(50)]})
    with (
        simulated.started(slots=64, mean=0.02, latency="gamma") as servers,
        tempfile.TemporaryDirectory() as out,
    ):
        strong, target = (endpoint(server.url, concurrency=64) for server in servers)
        CodecLM(strong=strong, target=target).run(
            seeds, out=f"{out}/run", num_instructions=size, num_metadata=size // 5
        )
        return float(max(server.stats()["requests"] for server in servers)) / size


def report(sizes: tuple[int, ...], measured: int, has_targets: bool) -> None:
    print(
        f"screening against each other and {QUESTIONS:,} questions\n"
        "instructions          copies            leaks       all     peak"
    )
    took: list[Screening] = []
    for size in sizes:
        took.append(alone(screen, size))
        one = took[-1]
        print(
            f"{size:>12,} {one.rejected:>8,} {1e6 * one.copies.cpu / size:>5.0f} µs"
            f" {1e6 * one.leaks.cpu / size:>13.0f} µs {one.cpu:>7.2f} s {one.leaks.peak:>5.0f} MB",
            flush=True,
        )
    growth = (took[-1].cpu / took[-1].size) / (took[0].cpu / took[0].size)
    print(
        f"an instruction among {sizes[-1]:,} ÷ among {sizes[0]:,}: {growth:.2f}"
        f"{_verdict(growth <= GROWTH, has_targets)}"
    )
    each = alone(requests, measured)
    cpu = next((one.cpu for one in took if one.size == RUN), took[-1].cpu * RUN / took[-1].size)
    print(f"\n{each:.2f} requests an instruction at the busier server; {RUN:,} instructions:")
    for slots, mean in SERVERS:
        least = RUN * each * mean / slots
        print(
            f"{slots:>4} slots · {mean:g} s: at least {least:,.0f} s, screening {cpu:.1f} s, {cpu / least:.1%}"
            f"{_verdict(cpu / least < SHARE, has_targets)}"
        )


def _verdict(is_reached: bool, has_targets: bool) -> str:
    return "" if not has_targets else ": ok" if is_reached else ": MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, no target")
    quick = parser.parse_args().quick
    report((500, 1_000) if quick else SIZES, 40 if quick else MEASURED, not quick)


if __name__ == "__main__":
    main()
