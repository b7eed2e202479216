"""Six run directories that a card must do justice to.

`python -m support.gallery`, in `tests/`, writes their golden cards anew.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from codeclm_hf import ids, schema
from codeclm_hf.card import charts
from codeclm_hf.card.shapes import (
    BenchmarkMatches,
    ContaminationSummary,
    Funnel,
    Outcome,
    SeedSources,
    SharedWords,
)
from codeclm_hf.card.statistics import contents
from codeclm_hf.run import directory
from support.run_directories import manifest_of
from support.shortcuts import one_pixel_pictures

GOLDEN = Path(__file__).parents[1] / "card" / "gallery"
Row = dict[str, Any]
Tables = dict[str, list[Row]]

_PLAIN = ("writing poems", "planning meals", "explaining code", "solving sums")
_WORLD = {
    "Gedichte schreiben": "Schreibe ein kurzes Gedicht über den Regen im Herbst und die Vögel",
    "写诗": "请写一首关于秋天的雨和飞鸟的短诗，并说明其中的意境",
    "كتابة الشعر": "اكتب قصيدة قصيرة عن المطر في الخريف والطيور المهاجرة",
    "कविता लिखना": "शरद ऋतु की बारिश और पक्षियों के बारे में एक छोटी कविता लिखिए",
}


def tables_of(kind: str) -> Tables:
    """The rows of a kind's four tables."""
    if kind == "all-failed":
        return _failed()
    names = {
        "tiny": _PLAIN[:1],
        "rows-5k": _PLAIN,
        "one-use-case": _PLAIN[1:2],
        "use-cases-400": ["".join(letters) for letters in product("ABCDEFGHIJKLMNOPQRST", repeat=2)],
        "non-english": list(_WORLD),
    }[kind]
    size = {"tiny": 2, "rows-5k": 7_500, "one-use-case": 40, "use-cases-400": 1_200, "non-english": 60}[kind]
    chance = Random(kind)
    metadata = [_metadata(name, chance) for name in names]
    tables: Tables = {"default": [], "preference": [], "trace": [], "metadata": metadata}
    for n in range(size):
        drawn = metadata[int(len(metadata) * chance.random() ** 2)]
        text = f"{_WORLD.get(drawn['use_case'], 'Write a short text about the rain in autumn')} ({n})"
        for row in _tailored(text, drawn["metadata_id"], chance, always=kind == "tiny"):
            tables["trace"].append(row)
            if row["verdict"].startswith("accept"):
                _accept(tables, row, drawn)
    return tables


def run_directory_of(folder: Path, kind: str, tables: Tables | None = None) -> Path:
    """A run directory of a kind."""
    rows = tables or tables_of(kind)
    made = {name: schema.table(rows[name], features) for name, features in schema.TABLES.items()}
    manifest = replace(
        manifest_of(len(rows["trace"]), "model-a"), prompts={}, prompt_texts={}, seeds=SEEDS[kind]
    )
    if kind == CLEANED:
        manifest = replace(
            manifest,
            config=replace(manifest.config, num_examples=len(rows["default"]), decontaminate=("exam.jsonl",)),
            contamination=CONTAMINATION,
            funnel=funnel_of(rows),
        )
    frames = {name: pl.DataFrame(pl.from_arrow(table.data.table)).lazy() for name, table in made.items()}
    directory.claim(folder, manifest)
    found = contents(frames)
    manifest = manifest.finished(
        found, usage=[], funnel=manifest.funnel, contamination=manifest.contamination
    )
    directory.write(folder, made, manifest, charts.pictures(found.distributions))
    return folder


CLEANED = "one-use-case"
"""The kind whose run wanted an exact number of rows, and compared them with an evaluation set."""
CONTAMINATION = ContaminationSummary(
    removed={"instruction": 20, "target_response": 1},
    allowed=2,
    benchmarks=(BenchmarkMatches(name="exam.jsonl", rows=80, texts=23),),
    found=tuple(
        SharedWords(
            id=ids.row_id("text", number),
            kind="instruction" if number < 19 else "target_response",
            benchmark="exam.jsonl",
            row=3 * number + 1,
            words="Plan `three` meals | of <b>bread</b> and *soup* for a family of four",
            start=0,
            end=68,
            benchmark_start=10,
            benchmark_end=78,
            allowed=number == 19,
        )
        for number in range(20)
    ),
)


def funnel_of(tables: Tables) -> Funnel:
    """What became of the instructions, had seven near-copies and one missing one been asked for besides."""
    counted = Counter(row["verdict"] for row in tables["trace"])
    outcomes = {
        "accepted": len(tables["default"]),
        "near_duplicate": 7,
        "missing": 1,
        "exhausted": counted["exhausted"],
        "failed": counted["failed"],
    }
    return Funnel(
        asked=sum(outcomes.values()),
        rounds=2,
        outcomes=tuple(
            Outcome(reason=reason, instructions=number) for reason, number in outcomes.items() if number
        ),
        improvements={"unchanged": 3},
    )


SEEDS: dict[str, SeedSources] = {
    "tiny": SeedSources(rows=2, sources=("seeds.jsonl",)),
    "rows-5k": SeedSources(rows=900, sources=(f"org/seeds@{'a' * 40}",), license="mit"),
    "one-use-case": SeedSources(given=1),
    "use-cases-400": SeedSources(
        rows=400, sources=tuple(f"part-{letter}.csv" for letter in "abcdefghijklmn"), given=3
    ),
    "non-english": SeedSources(rows=4),
    "all-failed": SeedSources(rows=4, sources=("seeds.jsonl",)),
}


def golden(text: str) -> str:
    """A card without what depends on how Parquet was written."""
    text = re.sub(r"-[0-9a-f]{16}\.parquet", "-HASH.parquet", text)
    return re.sub(r"(download_size|dataset_size|num_bytes): \d+", r"\1: BYTES", text)


def _metadata(use_case: str | None, chance: Random, error: str | None = None) -> Row:
    skills = chance.sample(["rhyme", "brevity", "metaphor", "arithmetic", "clarity", "韻"], 3)
    return {
        "metadata_id": ids.row_id("metadata", use_case or error),
        "use_case": use_case,
        "skills": skills if use_case else None,
        "origin": chance.choice(["seed", "seed", "augmented"]),
        "seed_ids": [ids.row_id("seed", use_case)],
        "rubrics": ["Is it short?"],
        "actions": ["Ask for one more line."],
        "error": error,
    }


def _tailored(text: str, metadata_id: str, chance: Random, *, always: bool) -> Iterator[Row]:
    """The judged versions of an instruction, up to the one that ends it."""
    parent, root = None, ids.row_id("instruction", text)
    for iteration in range(1, 5):
        scores = [10.0, 2.0] if always else [float(chance.randint(1, 10)), float(chance.randint(1, 7))]
        swapped = [min(10.0, scores[0] + chance.choice([0, 0, 1])), scores[1]]
        strong, target = (scores[0] + swapped[0]) / 2, scores[1]
        verdict = (
            "accept_strong" if strong - target > 3 else "accept_target" if target - strong > 3 else "retry"
        )
        failed = not always and chance.random() < 0.02
        verdict = "failed" if failed else "exhausted" if verdict == "retry" and iteration == 4 else verdict
        row = ids.row_id("instruction", text, iteration) if parent else root
        yield {
            "id": row,
            "root_id": root,
            "parent_id": parent,
            "metadata_id": metadata_id,
            "iteration": iteration,
            "instruction": text + " And one more line." * (iteration - 1),
            "action": "Ask for one more line." if parent else None,
            "strong_response": "The rain has come, the birds are gone." * chance.randint(1, 9),
            "target_response": "Rain.",
            "scores_strong_first": None if failed else scores,
            "scores_target_first": None if failed else swapped,
            "strong_score": None if failed else strong,
            "target_score": None if failed else target,
            "gap": None if failed else strong - target,
            "verdict": verdict,
            "error": chance.choice(["the judge gave no scores", "the answer was empty"]) if failed else None,
            **_flags(Random(f"flags of {row}")),
            "rejected": [{"reason": "unchanged", "text": text}] if verdict == "retry" else [],
            "removed": None,
        }
        if verdict != "retry":
            return
        parent = row


def _flags(chance: Random) -> Row:
    """Flags of some responses: a refusal of the strong model now and then, and a target that repeats itself."""
    strong = ["refusal"] if chance.random() < 0.01 else []
    target = [flag for flag, share in (("cut_off", 0.02), ("degenerate", 0.05)) if chance.random() < share]
    return {"flags": [*strong, *target], "strong_flags": strong, "target_flags": target}


def _accept(tables: Tables, trace: Row, metadata: Row) -> None:
    winner, loser = ("strong", "target") if trace["verdict"] == "accept_strong" else ("target", "strong")
    asked = {"role": "user", "content": trace["instruction"]}
    answers = [{"role": "assistant", "content": trace[f"{name}_response"]} for name in (winner, loser)]
    drawn = {name: metadata[name] for name in ("use_case", "skills", "seed_ids")}
    same = {name: trace[name] for name in schema.DEFAULT if name in trace}
    answered = {"response": answers[0]["content"], "messages": [asked, answers[0]], "winner": winner}
    answered["flags"] = trace[f"{winner}_flags"]
    tables["default"].append({**same, **drawn, **answered})
    tables["preference"].append(
        {
            "id": trace["id"],
            "prompt": [asked],
            "chosen": answers[:1],
            "rejected": answers[1:],
            "chosen_score": trace[f"{winner}_score"],
            "rejected_score": trace[f"{loser}_score"],
        }
    )


def _failed() -> Tables:
    chance = Random("failed")
    metadata = [_metadata(name, chance) for name in _PLAIN[:3]]
    metadata.append(_metadata(None, chance, "the answer names no use case"))
    trace = [next(_tailored(f"Write {n}", metadata[n]["metadata_id"], chance, always=True)) for n in range(3)]
    nothing = dict.fromkeys(
        (
            "scores_strong_first",
            "scores_target_first",
            "strong_score",
            "target_score",
            "gap",
            "target_response",
        )
    )
    trace = [{**row, **nothing, "verdict": "failed", "error": "the target gave no answer"} for row in trace]
    return {"default": [], "preference": [], "trace": trace, "metadata": metadata}


KINDS: Sequence[str] = tuple(SEEDS)

if __name__ == "__main__":
    put: Callable[[Any, str, Any], None] = setattr
    one_pixel_pictures(put)
    for kind in sys.argv[1:] or KINDS:
        with tempfile.TemporaryDirectory() as folder:
            text = (run_directory_of(Path(folder) / kind, kind) / "README.md").read_text(encoding="utf-8")
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / f"{kind}.md").write_text(golden(text), encoding="utf-8")
