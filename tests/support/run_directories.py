"""Run directories for the tests of publishing, made straight from texts: no pipeline, no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from datasets import Dataset

from codeclm_hf import ids, package, prompts, schema
from codeclm_hf.card import charts
from codeclm_hf.card.shapes import RunConfig
from codeclm_hf.card.statistics import contents
from codeclm_hf.run import directory
from codeclm_hf.run.manifest import RUNNING, Manifest, StageUsage
from codeclm_hf.run.pipeline import CodecLM
from support.hub_server import Hub, Repo
from support.world import number

_SETTINGS = ("num_rubrics", "iterations", "threshold", "self_rubrics", "contrastive_filter", "scoring", "temperature",
             "max_new_tokens", "use_cases", "seed")  # fmt: skip


REPO = "me/tailored"


def repo(hub: Hub) -> Repo:
    """The repository that the tests publish to."""
    return hub.repos["datasets", REPO]


def restorer_of(repo: Repo) -> Callable[[Hub], Repo]:
    """What puts the repository as it is now into a Hub, again and again."""
    shas = {sha for commit in repo.commits.values() for sha in commit.files.values()}
    contents = [repo.blobs.read(sha) for sha in shas]
    branches, tags, commits = dict(repo.branches), dict(repo.tags), dict(repo.commits)

    def again(hub: Hub) -> Repo:
        found = hub.add(repo.name)
        for content in contents:
            found.blobs.add([content])
        found.branches, found.tags, found.commits = dict(branches), dict(tags), dict(commits)
        return found

    return again


def run_directory_of(
    folder: Path,
    texts: Sequence[str],
    *,
    responses: Mapping[str, str] = {},
    use_case: str = "creative writing",
    model: str = "model-a",
) -> Path:
    """A complete run directory; called again on the same folder, it writes what a later run there would.

    Args:
        folder: the run directory, made if it is not there.
        texts: the instructions, each a row of `default`, `preference` and `trace`; the same text is the same row.
        responses: the response to a text, where it is not the usual one.
        use_case: the one row of `metadata`.
        model: who made the rows.
    """
    manifest = manifest_of(len(texts), model)
    tables = directory.add_pulled_rows(
        directory.claim(folder, manifest), tables_of(texts, responses, use_case)
    )
    frames = {name: pl.DataFrame(pl.from_arrow(table.data.table)).lazy() for name, table in tables.items()}
    found = contents(frames)
    manifest = manifest.finished(found, usage=_usage(len(texts), model))
    directory.write(folder, tables, manifest, charts.pictures(found.distributions))
    return folder


def tables_of(texts: Sequence[str], responses: Mapping[str, str], use_case: str) -> dict[str, Dataset]:
    """The four tables."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in schema.TABLES}
    rows["metadata"].append(_metadata(use_case))
    for text in texts:
        trace = _judged(text, responses.get(text, f"An answer to {text}"), use_case)
        rows["trace"].append(trace)
        rows["default"].append(_accepted(trace, rows["metadata"][0]))
        rows["preference"].append(_pair(trace))
    return {name: schema.table(rows[name], features) for name, features in schema.TABLES.items()}


def _metadata(use_case: str) -> dict[str, Any]:
    return {
        "metadata_id": ids.row_id("metadata", use_case),
        "use_case": use_case,
        "skills": ["rhyme schemes", "plot structure"],
        "origin": "seed",
        "seed_ids": [ids.row_id("seed", use_case)],
        "rubrics": [f"Rubric {n} of {use_case}" for n in range(4)],
        "actions": [f"Action {n} of {use_case}" for n in range(4)],
        "error": None,
    }


def _judged(text: str, response: str, use_case: str) -> dict[str, Any]:
    strong, target = 7.0 + number(text) % 4, 1.0 + number(text, "target") % 3
    row = ids.row_id("instruction", text)
    return {
        "id": row,
        "root_id": row,
        "parent_id": None,
        "metadata_id": ids.row_id("metadata", use_case),
        "iteration": 1,
        "instruction": text,
        "action": None,
        "strong_response": response,
        "target_response": f"A weaker answer to {text}",
        "scores_strong_first": [strong, target],
        "scores_target_first": [strong, target],
        "strong_score": strong,
        "target_score": target,
        "gap": strong - target,
        "verdict": "accept_strong",
        "error": None,
        "flags": [],
        "strong_flags": [],
        "target_flags": [],
        "rejected": [{"reason": "unchanged", "text": "Do it twice."}],
        "removed": None,
    }


def _accepted(trace: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    same = {name: trace[name] for name in schema.DEFAULT if name in trace}
    drawn = {name: metadata[name] for name in ("use_case", "skills", "seed_ids")}
    turns = [("user", trace["instruction"]), ("assistant", trace["strong_response"])]
    return {
        **same,
        **drawn,
        "response": trace["strong_response"],
        "messages": [{"role": role, "content": content} for role, content in turns],
        "winner": "strong",
    }


def _pair(trace: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": trace["id"],
        "prompt": [{"role": "user", "content": trace["instruction"]}],
        "chosen": [{"role": "assistant", "content": trace["strong_response"]}],
        "rejected": [{"role": "assistant", "content": trace["target_response"]}],
        "chosen_score": trace["strong_score"],
        "rejected_score": trace["target_score"],
    }


def manifest_of(size: int, model: str) -> Manifest:
    """The manifest of a run that has no tables yet."""
    settings = {name: CodecLM.__dataclass_fields__[name].default for name in _SETTINGS}
    return Manifest(
        codeclm_hf=package.VERSION,
        models={"strong": model, "target": f"{model}-small", "judge": model},
        config=RunConfig(num_instructions=size, num_metadata=1, metadata_fraction=1.0, **settings),
        prompts={name: prompts.load(name, None).hash for name in prompts.RUN_PROMPTS},
        prompt_texts={name: prompts.load(name, None).text for name in prompts.RUN_PROMPTS},
        versions=package.versions(),
        status=RUNNING,
    )


def _usage(size: int, model: str) -> list[StageUsage]:
    asked = {"answers": size, "prompt_tokens": 100 * size, "completion_tokens": 200 * size}
    return [
        StageUsage(stage=stage, role="strong", model=model, **asked)
        for stage in ("decode", "respond", "judge")
    ]
