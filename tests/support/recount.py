"""Every number of `distributions` once more, in plain Python from rows as dicts: what the tests compare it with."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from codeclm_hf.stages import near_duplicates
from codeclm_hf.stages.names import name_key
from codeclm_hf.text import UNSPACED_SCRIPTS

Row = Mapping[str, Any]
Spelling = Callable[[Any], Any]


def recount(tables: Mapping[str, Sequence[Row]], threshold: float = 3.0) -> dict[str, Any]:
    """What `distributions` must return for these rows; compare `coverage.divergence`, a sum of logarithms, nearly."""
    trace, metadata = tables["trace"], tables["metadata"]
    roots = _roots(trace, metadata)
    use_case = best_spelling(
        Counter(row["use_case"] for row in tables["default"])
        + _originals(metadata)
        + Counter({name: len(found) for name, (found, _) in roots.items()})
    )
    skill = best_spelling(Counter(skill for row in tables["default"] for skill in row["skills"] or []))
    default = [
        {
            **row,
            "use_case": use_case(row["use_case"]),
            "skills": row["skills"] and [skill(name) for name in row["skills"]],
        }
        for row in tables["default"]
    ]
    instructions = [
        " ".join(row["instruction"].lower().split()) for row in default if row["instruction"] is not None
    ]
    return {
        **_names(default),
        "iterations": _iterations(trace),
        "acceptance": _acceptance(roots, use_case),
        "gap": {"threshold": threshold, **_gap(_known(row["gap"] for row in trace))},
        "winner": {name: sum(row["winner"] == name for row in default) for name in ("strong", "target")},
        "scores": {
            name: _scores(_known(row[f"{name}_score"] for row in trace)) for name in ("strong", "target")
        },
        "order": _order(trace),
        "lengths": {
            name: _lengths([row[name] for row in default if row[name] is not None])
            for name in ("instruction", "response")
        },
        "duplicates": {"instructions": len(instructions) - len(set(instructions))},
        "failures": {
            **{name: _reasons(tables[name]) for name in ("trace", "metadata")},
            "exhausted": sum(row["verdict"] == "exhausted" for row in trace),
        },
        "coverage": _coverage(metadata, default, use_case),
        **_diversity(default),
        **_flags(trace),
    }


def best_spelling(mentions: Counter[Any]) -> Spelling:
    """What gives the most frequent spelling of a name; of equally frequent ones the first by alphabet."""
    names = {name: n for name, n in mentions.items() if name is not None}
    best = {
        key: min((-n, name) for name, n in names.items() if name_key(name) == key)
        for key in map(name_key, names)
    }
    return lambda name: None if name is None else best[name_key(name)][1]


def _known(numbers: Iterable[float | None]) -> list[float]:
    return [number for number in numbers if number is not None and math.isfinite(number)]


def _mean(numbers: Sequence[float]) -> float | None:
    return round(float(sum(map(Fraction, numbers), Fraction(0)) / len(numbers)), 6) + 0.0 if numbers else None


def _first(counter: Counter[Any]) -> list[tuple[Any, int]]:
    """The 20 most frequent, equal ones by name."""
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:20]


def _names(default: Sequence[Row]) -> dict[str, Any]:
    use_cases = Counter(row["use_case"] for row in default if row["use_case"] is not None)
    mentions = [
        (row["use_case"], skill) for row in default for skill in row["skills"] or [] if skill is not None
    ]
    skills = Counter(skill for _, skill in mentions)
    pairs = Counter(pair for pair in mentions if pair[0] is not None)
    rows, many = sum(use_cases.values()), len(mentions)
    return {
        "use_cases": {
            "total": len(use_cases),
            "rows": rows,
            "top": [{"name": name, "rows": n, "share": round(n / rows, 6)} for name, n in _first(use_cases)],
        },
        "skills": {
            "total": len(skills),
            "mentions": many,
            "top": [{"name": name, "rows": n, "share": round(n / many, 6)} for name, n in _first(skills)],
        },
        "pairs": {
            "total": len(pairs),
            "top": [
                {"use_case": use_case, "skill": skill, "rows": n} for (use_case, skill), n in _first(pairs)
            ],
        },
    }


def _judged(row: Row) -> bool:
    return row["verdict"] not in (None, "failed")


def _accepted(row: Row) -> bool:
    return row["verdict"] in ("accept_strong", "accept_target")


def _iterations(trace: Sequence[Row]) -> list[dict[str, Any]]:
    rows = [row for row in trace if row["iteration"] is not None and row["verdict"] is not None]
    accepted = Counter(row["iteration"] for row in rows if _accepted(row))
    return [
        {
            "iteration": n,
            "judged": sum(row["iteration"] == n and _judged(row) for row in rows),
            "accepted": accepted[n],
            "share": round(accepted[n] / sum(accepted.values()), 6) if accepted else 0.0,
        }
        for n in sorted({row["iteration"] for row in rows})
    ]


def _roots(trace: Sequence[Row], metadata: Sequence[Row]) -> dict[str, tuple[set[str], set[str]]]:
    """Those that were judged, and those that were accepted, by use case."""
    names: dict[str, str] = {}
    for row in metadata:
        if row["metadata_id"] is not None and row["use_case"] is not None:
            names[row["metadata_id"]] = min(row["use_case"], names.get(row["metadata_id"], row["use_case"]))
    roots: dict[str, tuple[set[str], set[str]]] = {}
    for row in trace:
        if _judged(row) and row["metadata_id"] in names and row["root_id"] is not None:
            judged, accepted = roots.setdefault(names[row["metadata_id"]], (set(), set()))
            judged.add(row["root_id"])
            accepted.update([row["root_id"]] if _accepted(row) else [])
    return roots


def _acceptance(roots: Mapping[str, tuple[set[str], set[str]]], spelt: Spelling) -> dict[str, Any]:
    judged, accepted = Counter[str](), Counter[str]()
    for name, (all_of_them, some) in roots.items():
        judged[spelt(name)] += len(all_of_them)
        accepted[spelt(name)] += len(some)
    top = _first(judged)
    return {
        "total": len(judged),
        "top": [
            {
                "name": name,
                "judged": n,
                "accepted": accepted[name],
                "rate": round(accepted[name] / n, 6),
            }
            for name, n in top
        ],
    }


def _gap(gaps: Sequence[float]) -> dict[str, Any]:
    edges = [-9 + n / 2 for n in range(37)]
    counts = [0] * 36
    for gap in gaps:
        above = [edge < gap if gap > 0 else edge <= gap for edge in edges[:-1]]
        counts[max(0, sum(above) - 1)] += 1
    return {"edges": edges, "counts": counts, "judged": len(gaps), "mean": _mean(gaps)}


def _scores(scores: Sequence[float]) -> dict[str, Any]:
    rounded = Counter(
        min(10, max(1, int(Decimal(score).to_integral_value(ROUND_HALF_UP)))) for score in scores
    )  # fmt: skip
    return {"mean": _mean(scores), "counts": [rounded[n] for n in range(1, 11)]}


def _order(trace: Sequence[Row]) -> dict[str, Any]:
    shifts, disagree = [], 0
    for row in trace:
        pairs = [row["scores_strong_first"] or [], row["scores_target_first"] or []]
        if all(len(_known(pair)) == len(pair) == 2 for pair in pairs):
            first, second = (pair[0] - pair[1] for pair in pairs)
            shifts.append(abs(first - second))
            disagree += ((first > 0) - (first < 0)) != ((second > 0) - (second < 0))
    return {"judged": len(shifts), "disagree": disagree, "mean_shift": _mean(shifts)}


def _lengths(texts: Sequence[str]) -> dict[str, Any]:
    edges = [0, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]
    tokens = sorted(math.ceil(len(text.encode()) / 4) for text in texts)
    counts = [0] * len(edges)
    for length in tokens:
        counts[sum(edge <= length for edge in edges) - 1] += 1
    found: dict[str, Any] = {"mean": None, "p50": None, "p95": None, "max": None}
    if tokens:
        at = {f"p{p}": tokens[math.ceil(Fraction(p, 100) * len(tokens)) - 1] for p in (50, 95)}
        found = {"mean": round(sum(tokens) / len(tokens), 6), **at, "max": tokens[-1]}
    return {**found, "edges": edges, "counts": counts}


def _reasons(rows: Sequence[Row]) -> list[dict[str, Any]]:
    reasons = Counter(row["error"][:120] for row in rows if row["error"] is not None)
    return [{"reason": reason, "rows": n} for reason, n in _first(reasons)]


def _originals(metadata: Sequence[Row]) -> Counter[str]:
    """How many seeds, or rows written by hand, each use case has."""
    found: Counter[str] = Counter()
    for row in metadata:
        if row["origin"] in ("seed", "given") and row["use_case"] is not None:
            found[row["use_case"]] += max(1, len(row["seed_ids"] or []))
    return found


def _coverage(metadata: Sequence[Row], default: Sequence[Row], spelt: Spelling) -> dict[str, Any]:
    before: Counter[str] = Counter()
    for name, rows in _originals(metadata).items():
        before[spelt(name)] += rows
    after = Counter(row["use_case"] for row in default if row["use_case"] is not None)
    divergence = None
    if before and after:
        divergence = 0.0
        for name in before | after:
            p, q = before[name] / sum(before.values()), after[name] / sum(after.values())
            divergence += sum(share * math.log2(2 * share / (p + q)) / 2 for share in (p, q) if share)
        divergence = round(divergence, 6) + 0.0
    return {"seeds": len(before), "covered": len(before.keys() & after.keys()), "divergence": divergence}


def _diversity(default: Sequence[Row]) -> dict[str, Any]:
    known = [(row["id"], row["instruction"]) for row in default]
    sample = [
        text[:2_000] for _, text in sorted(pair for pair in known if None not in pair)[:1_000]
    ]  # fmt: skip
    shingles = [near_duplicates.shingles(text) for text in sample]
    nearest = [
        max(_alike(some, other) for there, other in enumerate(shingles) if there != here)
        for here, some in enumerate(shingles)
        if len(shingles) > 1
    ]
    words = [
        [
            word
            for run in near_duplicates.normalise(text).split()
            for word in re.findall(rf"[{UNSPACED_SCRIPTS}]|[^{UNSPACED_SCRIPTS}]+", run)
        ]
        for text in sample
    ]
    runs = {
        n: Counter(run for one in words for run in zip(*(one[at:] for at in range(n)), strict=False))
        for n in (1, 2, 3)
    }
    found = {
        "sample": len(sample),
        "similarity": round(float(sum(map(Fraction, nearest)) / len(nearest)), 6) if nearest else None,
        "near_duplicates": sum(share >= near_duplicates.THRESHOLD for share in nearest),
        **{f"distinct_{n}": round(len(runs[n]) / runs[n].total(), 6) if runs[n] else None for n in runs},
    }
    return {"diversity": found} if sample else {}


def _alike(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)


def _flags(trace: Sequence[Row]) -> dict[str, Any]:
    found = {}
    for role in ("strong", "target"):
        flags = Counter(
            flag for row in trace for flag in set(row.get(f"{role}_flags") or ()) if flag is not None
        )
        if flags:
            found[role] = dict(_first(flags))
    return {"flags": found} if found else {}
