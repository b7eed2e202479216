"""An independent re-implementation of the method over the known world: no code of the package's own."""

from __future__ import annotations

import hashlib
import json
from random import Random
from typing import Any

from support.world import World

Row = dict[str, Any]
TRACE = "id root_id parent_id metadata_id iteration instruction action strong_response target_response"
TRACE += " scores_strong_first scores_target_first strong_score target_score gap verdict error"
DEFAULT = "id instruction response messages winner strong_score target_score gap iteration use_case skills"


def sha(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def encode(world: World, seeds: list[str], size: int, seed: int) -> list[Row]:
    metadata: dict[str, Row] = {}
    uses, skills = {}, {}  # each with the seed it was first seen in

    def add(use: str, known: list[str], origin: str, sources: list[str]) -> None:
        id = sha("metadata", use.casefold(), sorted({s.casefold() for s in known}))[:16]
        row = {"metadata_id": id, "use_case": use, "skills": known, "origin": origin, "seed_ids": []}
        metadata.setdefault(id, row)["seed_ids"] += (
            sources if origin == "seed" or not metadata[id]["seed_ids"] else []
        )

    drawn = sorted(set(seeds), key=lambda text: sha(seed, "draw", text))[:size]
    for text in sorted(drawn, key=seeds.index):
        add(*world.encode(text), "seed", [sha("seed", text)[:16]])
    for row in metadata.values():
        uses.setdefault(row["use_case"], row["seed_ids"][0])
        skills.update({skill: row["seed_ids"][0] for skill in row["skills"] if skill not in skills})
    draw, misses = Random(sha(seed, "augment")), 0
    while len(metadata) < size and misses < 1000:
        use, before = draw.choice(list(uses)), len(metadata)
        known = draw.sample(list(skills), draw.randint(1, min(3, len(skills))))
        add(use, known, "augmented", list(dict.fromkeys([uses[use], *(skills[skill] for skill in known)])))
        misses = 0 if len(metadata) > before else misses + 1
    return list(metadata.values())


def run(
    world: World, seeds: list[str], *, size: int, total: int, threshold: float, iterations: int, seed: int
) -> Row:
    metadata, trace, default, preference = encode(world, seeds, size, seed), [], [], []
    for index, meta in enumerate(metadata):
        rubrics, actions = world.rubrics(meta["use_case"], meta["skills"], 4) if iterations > 1 else ([], [])
        meta |= {"rubrics": rubrics, "actions": actions, "error": None}
        share = total // len(metadata) + (index < total % len(metadata))
        for text in world.decode(meta["use_case"], meta["skills"], share):
            parent = action = root = None
            for iteration in range(1, iterations + 1):
                id = sha("instruction", meta["metadata_id"], parent, text)[:16]
                root, s, t = root or id, world.respond("strong", text), world.respond("target", text)
                (s1, t1), (t2, s2) = world.judge(s, t), world.judge(t, s)
                mine, theirs = (s1 + s2) / 2, (t1 + t2) / 2
                won = (
                    "strong" if mine - theirs > threshold else "target" if theirs - mine > threshold else None
                )
                verdict = f"accept_{won}" if won else "retry" if iteration < iterations else "exhausted"
                row = [
                    id,
                    root,
                    parent,
                    meta["metadata_id"],
                    iteration,
                    text,
                    action,
                    s,
                    t,
                    [s1, t1],
                    [s2, t2],
                    mine,
                ]
                trace.append(
                    dict(zip(TRACE.split(), [*row, theirs, mine - theirs, verdict, None], strict=True))
                )
                if won:
                    best, other = (s, t) if won == "strong" else (t, s)
                    turns = [{"role": r, "content": c} for r, c in (("user", text), ("assistant", best))]
                    kept = [
                        id,
                        text,
                        best,
                        turns,
                        won,
                        mine,
                        theirs,
                        mine - theirs,
                        iteration,
                        meta["use_case"],
                    ]
                    default.append(dict(zip(DEFAULT.split(), [*kept, meta["skills"]], strict=True)))
                    default[-1] |= {name: meta[name] for name in ("metadata_id", "seed_ids")}
                    pair = {
                        "prompt": turns[:1],
                        "chosen": turns[1:],
                        "rejected": [{**turns[1], "content": other}],
                    }
                    scores = {"chosen_score": max(mine, theirs), "rejected_score": min(mine, theirs)}
                    preference.append({"id": id, **pair, **scores})
                if verdict != "retry":
                    break
                action, parent = Random(sha(seed, "improve", id)).choice(actions), id
                text = world.improve(text, action)
    return {"default": default, "preference": preference, "trace": trace, "metadata": metadata}
