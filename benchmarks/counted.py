"""The distributions of a version's tables as one would count them with `datasets` and `Counter`, a batch at a time.

It knows that made-up tables have few nulls; `tests/recount.py` is the recount that takes any rows.
"""

from __future__ import annotations

import heapq
import math
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import polars as pl
from datasets import Dataset

from codeclm_hf.card.diversity import SAMPLE, diversity
from codeclm_hf.card.statistics import FLAGS, GAPS, READ, REASON, TOKENS, TOP
from codeclm_hf.json_types import to_json

TABLES = ("default", "trace", "metadata")
ROWS_A_BATCH = 1_000
Found = dict[str, Any]


def counted(folder: Path) -> Found:
    """The distributions of the tables in a folder; the cache of `datasets` lies beside their files."""
    cache = tempfile.mkdtemp(dir=folder)
    default, trace, metadata = (
        Dataset.from_parquet(sorted(map(str, (folder / name).iterdir())), columns=READ[name], cache_dir=cache)
        for name in TABLES
    )
    names = dict(zip(metadata["metadata_id"], metadata["use_case"], strict=True))
    found = {**_of_default(default), **_of_trace(trace, names)}
    found["failures"]["metadata"] = _reasons(Counter(metadata["error"]))
    seeds = Counter[str]()
    for row in metadata:
        if row["origin"] in ("seed", "given"):
            seeds[row["use_case"]] += max(1, len(row["seed_ids"]))
    use_cases = found.pop("names")
    covered = {"seeds": len(seeds), "covered": len(seeds.keys() & use_cases.keys())}
    return {**found, "coverage": {**covered, "divergence": _divergence(seeds, use_cases)}}


def _of_default(default: Any) -> Found:
    counters, seen = defaultdict[str, Counter[Any]](Counter), set[str]()
    sample = list[tuple[str, str]]()
    for batch in default.iter(ROWS_A_BATCH):
        sample = heapq.nsmallest(SAMPLE, [*sample, *zip(batch["id"], batch["instruction"], strict=True)])
        for name in ("use_case", "winner"):
            counters[name].update(batch[name])
        for use_case, skills in zip(batch["use_case"], batch["skills"], strict=True):
            counters["skill"].update(skills)
            counters["pair"].update((use_case, skill) for skill in skills)
        for name in ("instruction", "response"):
            counters[name].update(math.ceil(len(text.encode()) / 4) for text in batch[name])
        seen.update(" ".join(text.lower().split()) for text in batch["instruction"])
    use_cases, skills, pairs = (counters[name] for name in ("use_case", "skill", "pair"))
    total, mentions = use_cases.total(), skills.total()
    return {
        "names": use_cases,
        "use_cases": {
            "total": len(use_cases),
            "rows": total,
            "top": [{"name": name, "rows": n, "share": n / total} for name, n in _first(use_cases)],
        },
        "skills": {
            "total": len(skills),
            "mentions": mentions,
            "top": [{"name": name, "rows": n, "share": n / mentions} for name, n in _first(skills)],
        },
        "pairs": {
            "total": len(pairs),
            "top": [{"use_case": u, "skill": s, "rows": n} for (u, s), n in _first(pairs)],
        },
        "winner": {name: counters["winner"][name] for name in ("strong", "target")},
        "lengths": {name: _lengths(counters[name]) for name in ("instruction", "response")},
        "duplicates": {"instructions": len(default) - len(seen)},
        # the same code on the same sample: what is compared is how the sample is found
        "diversity": to_json(diversity(pl.LazyFrame(sample, ["id", "instruction"], orient="row"))),
    }


def _of_trace(trace: Any, names: dict[str, str]) -> Found:
    verdicts, errors, order = Counter[tuple[int, str]](), Counter[str | None](), Counter[tuple[float, bool]]()
    numbers = {name: Counter[float]() for name in ("gap", "strong_score", "target_score")}
    judged, accepted = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    flags = {role: Counter[str]() for role in FLAGS}
    for batch in trace.iter(ROWS_A_BATCH):
        verdicts.update(zip(batch["iteration"], batch["verdict"], strict=True))
        errors.update(error and error[:REASON] for error in batch["error"])
        for role, column in FLAGS.items():
            flags[role].update(flag for found in batch[column] for flag in set(found))
        for name, counter in numbers.items():
            counter.update(value for value in batch[name] if value is not None)
        for (a, b), (c, d) in zip(batch["scores_strong_first"], batch["scores_target_first"], strict=True):
            order[abs((a - b) - (c - d)), (a > b) - (a < b) != (c > d) - (c < d)] += 1
        for metadata_id, root_id, verdict in zip(
            batch["metadata_id"], batch["root_id"], batch["verdict"], strict=True
        ):
            if verdict != "failed":
                judged[names[metadata_id]].add(root_id)
            if verdict.startswith("accept"):
                accepted[names[metadata_id]].add(root_id)
    top = _first(Counter({name: len(roots) for name, roots in judged.items()}))
    gaps, scores = Counter[int](), {name: Counter[int]() for name in ("strong", "target")}
    for gap, rows in numbers["gap"].items():
        gaps[min(35, (math.ceil(2 * gap) - 1 if gap > 0 else math.floor(2 * gap)) + 18)] += rows
    for name, whole in scores.items():
        for score, rows in numbers[f"{name}_score"].items():
            whole[min(10, max(1, math.floor(score + 0.5)))] += rows
    return {
        "iterations": _iterations(verdicts),
        "acceptance": {
            "total": len(judged),
            "top": [
                {"name": name, "judged": n, "accepted": len(accepted[name]), "rate": len(accepted[name]) / n}
                for name, n in top
            ],
        },
        "gap": {
            "threshold": 3.0,
            "edges": GAPS,
            "counts": [gaps[n] for n in range(36)],
            "judged": gaps.total(),
            "mean": _mean(numbers["gap"]),
        },
        "scores": {
            name: {"mean": _mean(numbers[f"{name}_score"]), "counts": [whole[n] for n in range(1, 11)]}
            for name, whole in scores.items()
        },
        "order": {
            "judged": order.total(),
            "disagree": sum(rows for (_, disagree), rows in order.items() if disagree),
            "mean_shift": sum(shift * rows for (shift, _), rows in order.items()) / order.total(),
        },
        "failures": {
            "trace": _reasons(errors),
            "exhausted": sum(rows for (_, verdict), rows in verdicts.items() if verdict == "exhausted"),
        },
        "flags": {role: dict(_first(found)) for role, found in flags.items()},
    }


def _iterations(verdicts: Counter[tuple[int, str]]) -> list[Found]:
    judged, accepted = Counter[int](), Counter[int]()
    for (iteration, verdict), rows in verdicts.items():
        judged[iteration] += rows * (verdict != "failed")
        accepted[iteration] += rows * verdict.startswith("accept")
    total = accepted.total()
    return [
        {"iteration": n, "judged": judged[n], "accepted": accepted[n], "share": accepted[n] / total}
        for n in sorted(judged)
    ]


def _first(counter: Counter[Any]) -> list[tuple[Any, int]]:
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:TOP]


def _mean(values: Counter[Any]) -> float:
    return float(sum(value * rows for value, rows in values.items()) / values.total())


def _reasons(errors: Counter[Any]) -> list[Found]:
    del errors[None]
    return [{"reason": reason, "rows": rows} for reason, rows in _first(errors)]


def _lengths(lengths: Counter[int]) -> Found:
    bins, every = Counter[int](), sorted(lengths.elements())
    for tokens, rows in lengths.items():
        bins[sum(edge <= tokens for edge in TOKENS) - 1] += rows
    return {
        "mean": _mean(lengths),
        "p50": every[math.ceil(0.5 * len(every)) - 1],
        "p95": every[math.ceil(0.95 * len(every)) - 1],
        "max": every[-1],
        "edges": TOKENS,
        "counts": [bins[n] for n in range(len(TOKENS))],
    }


def _divergence(before: Counter[str], after: Counter[str]) -> float:
    found = 0.0
    for name in before | after:
        p, q = before[name] / before.total(), after[name] / after.total()
        found += sum(share * math.log2(2 * share / (p + q)) / 2 for share in (p, q) if share)
    return found
