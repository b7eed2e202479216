"""An independent re-implementation of the method over the known world: no code of the package's own."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

from world import World


def sha(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def meta(use_case: str, skills: list[str], origin: str, seeds: list[str]) -> dict[str, Any]:
    id = sha("metadata", use_case.casefold(), sorted({s.casefold() for s in skills}))[:16]
    return {"metadata_id": id, "use_case": use_case, "skills": skills, "origin": origin, "seed_ids": seeds}


def run(
    world: World, seeds: list[str], *, size: int, total: int, threshold: float, iterations: int, seed: int
) -> dict[str, Any]:
    metadata: dict[str, dict[str, Any]] = {}
    distinct = list(dict.fromkeys(seeds))
    for at in sorted(random.Random(sha(seed, "draw", "seeds")).sample(range(len(distinct)), min(len(distinct), size))):
        row = meta(*world.encode(distinct[at]), "seed", [sha("seed", distinct[at])[:16]])
        metadata.setdefault(row["metadata_id"], {**row, "seed_ids": []})["seed_ids"] += row["seed_ids"]
    first_use: dict[str, str] = {}
    first_skill: dict[str, str] = {}
    for row in metadata.values():
        first_use.setdefault(row["use_case"], row["seed_ids"][0])
        for skill in row["skills"]:
            first_skill.setdefault(skill, row["seed_ids"][0])
    draw, misses = random.Random(sha(seed, "augment")), 0
    while len(metadata) < size and misses < 1000:
        use_case = draw.choice(list(first_use))
        skills = draw.sample(list(first_skill), draw.randint(1, min(3, len(first_skill))))
        sources = dict.fromkeys([first_use[use_case], *(first_skill[s] for s in skills)])
        row = meta(use_case, skills, "augmented", list(sources))
        misses = misses + 1 if row["metadata_id"] in metadata else 0
        metadata.setdefault(row["metadata_id"], row)
    trace, default, preference = [], [], []
    for index, row in enumerate(metadata.values()):
        rubrics, actions = world.rubrics(row["use_case"], row["skills"], 4) if iterations > 1 else ([], [])
        row |= {"rubrics": rubrics, "actions": actions, "error": None}
        share = total // len(metadata) + (index < total % len(metadata))
        for text in world.decode(row["use_case"], row["skills"], share):
            id = root = sha("instruction", row["metadata_id"], None, text)[:16]
            parent, action = None, None
            for iteration in range(1, iterations + 1):
                strong, target = world.respond("strong", text), world.respond("target", text)
                ahead, behind = world.judge(strong, target), world.judge(target, strong)
                mine, theirs = (ahead[0] + behind[1]) / 2, (ahead[1] + behind[0]) / 2
                gap = mine - theirs
                verdict = "accept_strong" if gap > threshold else "accept_target" if gap < -threshold else "retry"
                if verdict == "retry" and iteration == iterations:
                    verdict = "exhausted"
                trace.append(
                    {
                        "id": id,
                        "root_id": root,
                        "parent_id": parent,
                        "metadata_id": row["metadata_id"],
                        "iteration": iteration,
                        "instruction": text,
                        "action": action,
                        "strong_response": strong,
                        "target_response": target,
                        "scores_strong_first": [ahead[0], ahead[1]],
                        "scores_target_first": [behind[1], behind[0]],
                        "strong_score": mine,
                        "target_score": theirs,
                        "gap": gap,
                        "verdict": verdict,
                        "error": None,
                    }
                )
                if verdict != "retry":
                    break
                action = random.Random(sha(seed, "improve", id)).choice(actions)
                parent, text = id, world.improve(text, action)
                id = sha("instruction", row["metadata_id"], parent, text)[:16]
            if verdict.startswith("accept"):
                best, other = (strong, target) if verdict == "accept_strong" else (target, strong)
                user, good, bad = (
                    {"role": r, "content": c} for r, c in (("user", text), ("assistant", best), ("assistant", other))
                )
                default.append(
                    {
                        "id": id,
                        "instruction": text,
                        "response": best,
                        "messages": [user, good],
                        "winner": verdict.removeprefix("accept_"),
                        "strong_score": mine,
                        "target_score": theirs,
                        "gap": gap,
                        "iteration": iteration,
                        "use_case": row["use_case"],
                        "skills": row["skills"],
                        "metadata_id": row["metadata_id"],
                        "seed_ids": row["seed_ids"],
                    }
                )
                preference.append(
                    {
                        "id": id,
                        "prompt": [user],
                        "chosen": [good],
                        "rejected": [bad],
                        "chosen_score": max(mine, theirs),
                        "rejected_score": min(mine, theirs),
                    }
                )
    return {"default": default, "preference": preference, "trace": trace, "metadata": list(metadata.values())}
