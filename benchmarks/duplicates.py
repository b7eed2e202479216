"""What it costs to keep copies and leaked rows out: screening beside the run that it is part of.

    python benchmarks/duplicates.py               # about two minutes
    python benchmarks/duplicates.py --quick       # does it work: some seconds, no target

Instructions, three in ten nearly a copy of an earlier one, are screened in turn as a run does it, against each
other and an evaluation set of 1,000 questions; so are two responses to each that passes. Each size is screened in
a fresh process, and its CPU time is counted, which on an idle core is its wall time. Lines of the first table:

    copies    instructions that were rejected
    screened  CPU time of all, and of each instruction; `copies only`, without the evaluation set
    peak      resident memory at most, the texts included

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
GROWTH = 1.5
"""Target: CPU time of an instruction among the most ÷ that among the fewest."""
SERVERS = ((64, 0.4), (512, 1.0))
"""Slots and mean seconds of the servers beside which screening is set."""
MEASURED = 200
"""Instructions of the run that counts requests."""

FORMS = (
    "Write a short story about {} and {} in which {} play a part, {}, {}.",
    "Explain {3} how {0} and {1} depend on {2}; {4}.",
    "Compare {} with {}, name three things that {} have in common with both, {}, {}.",
    "I sell {0} and {1} in a town that is known for its {2}. Suggest a plan {3}, {4}.",
    "List seven ideas for a school project on {}, {} or {} {}, {}.",
    "为一个关于{}、{}和{}的展览写一段介绍。{}, {}.",
    "What would change if all {} were replaced by {}? Think of {} too. Answer {}, {}.",
    "Write a Python function that sorts {0} by their {1} and counts the {2}. Write the comments {3}, {4}.",
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
SYLLABLES = (
    "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu bar den fil gon hul jar ken lim mor".split()
)


def topic(draw: random.Random) -> str:
    """Return a noun that hardly any other instruction has."""
    return "".join(draw.choices(SYLLABLES, k=draw.randint(2, 4)))


def instruction(draw: random.Random) -> str:
    parts = [topic(draw), topic(draw), topic(draw), draw.choice(READERS), draw.choice(RULES)]
    return draw.choice(FORMS).format(*parts)


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
    copies: int
    cost: Cost


def screen(size: int, questions: int) -> Screening:
    """Screen instructions, and two responses to each that passes, against so many questions."""
    draw = random.Random(8)
    exam = Benchmark(name="exam", texts=tuple(instruction(draw) for _ in range(questions)))
    contamination = Contamination(benchmarks=(exam,) if questions else ())
    contamination.find("warm", "instruction")
    known, texts = Screen((), contamination), list(instructions(size))
    responses = [response(draw) for _ in range(100)]
    copies = 0

    def call() -> None:
        nonlocal copies
        for at, text in enumerate(texts):
            if known.reject(text):
                copies += 1
                continue
            known.admit(str(at), text)
            for role in ("strong_response", "target_response"):
                contamination.find(responses[at % len(responses)], role)

    took = cost(call)
    return Screening(size, copies, took)


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
    print(f"screening against each other and {QUESTIONS:,} questions, two responses to each instruction too")
    print("instructions   copies   screened  an instruction  copies only     peak")
    took = []
    for size in sizes:
        whole, copies_only = (alone(screen, size, questions) for questions in (QUESTIONS, 0))
        took.append(whole)
        print(
            f"{size:>12,} {whole.copies:>8,} {whole.cost.cpu:>8.2f} s {1e6 * whole.cost.cpu / size:>12.0f} µs"
            f" {1e6 * copies_only.cost.cpu / size:>9.0f} µs {whole.cost.peak:>5.0f} MB",
            flush=True,
        )
    growth = (took[-1].cost.cpu / took[-1].size) / (took[0].cost.cpu / took[0].size)
    print(
        f"an instruction among the most ÷ among the fewest {growth:.2f}{_verdict(growth <= GROWTH, has_targets)}"
    )
    each = alone(requests, measured)
    cpu = next((one.cost.cpu for one in took if one.size == RUN), took[-1].cost.cpu * RUN / took[-1].size)
    print(f"\n{each:.2f} requests an instruction at the busier server; {RUN:,} instructions:")
    for slots, mean in SERVERS:
        least = RUN * each * mean / slots
        share = cpu / least
        print(
            f"{slots:>4} slots · {mean:g} s: at least {least:,.0f} s, screening {cpu:.1f} s, {share:.1%}"
            f"{_verdict(share < SHARE, has_targets)}"
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
