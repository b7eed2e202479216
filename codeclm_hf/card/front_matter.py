"""The front matter of a card: what the Hub, `datasets` and programs read before anybody loads a row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from datasets import DatasetInfo, SplitDict, SplitInfo
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCardData

from codeclm_hf import schema, text
from codeclm_hf.card.context import CardContext
from codeclm_hf.card.shapes import SeedSources, TableFiles
from codeclm_hf.json_types import to_json

_LISTS: dict[str, list[str]] = {
    "annotations_creators": ["machine-generated"],
    "language_creators": ["machine-generated"],
    "task_categories": ["text-generation"],
    "tags": ["synthetic", "codeclm", "codeclm-hf", "sft", "dpo"],
}
"""Front matter that people may add to."""
_TO_TRAIN_ON = ("sft", "dpo")
"""Tags of a data set that has rows to train on."""
_GENERATED_KEYS = ("size_categories", "configs", "dataset_info", "codeclm")
"""Front matter that is written anew with every card."""
_SUGGESTED_KEYS = ("pretty_name", "language", "source_datasets")
"""Front matter that is generated until somebody writes another; `codeclm` says what was suggested last."""
_MOST_NAMES = 10
"""Use cases and skills that the front matter lists."""
_SIZES = (("n<1K", 1_000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000), ("100K<n<1M", 1_000_000))
_HUB_SOURCE = re.compile(r"([\w.-]+(?:/[\w.-]+)?)@[0-9a-f]{40}")


def front_matter(
    old: dict[str, Any], context: CardContext, tables: Mapping[str, TableFiles]
) -> dict[str, Any]:
    """Return the front matter of a card.

    Args:
        old: that of the card as it was; what people wrote there stays, at its place.
        context: what the card shows.
        tables: what the files of each table hold; a table without rows has none, and is no config.
    """
    rows = context.rows["default"]
    added = additions(old)
    configs = added.pop("configs")
    if "default" in tables:  # two defaults would make load_dataset refuse them all
        configs = [{name: value for name, value in config.items() if name != "default"} for config in configs]
    foreign = {config.get("config_name") for config in configs}
    target = text.display_name(context.roles.get("target", "a model"))
    suggested: dict[str, Any] = {
        "pretty_name": f"Instructions tailored to {target}",
        "language": context.spoken or None,
        "source_datasets": sources(context.seeds),
    }
    lists: dict[str, Any] = {
        name: [*(value for value in values if rows or value not in _TO_TRAIN_ON), *added[name]]
        for name, values in _LISTS.items()
    }
    data = DatasetCardData(
        **{
            name: value if (override := _override(old, name)) is None else override
            for name, value in suggested.items()
        },
        **lists,
        size_categories=[next((name for name, below in _SIZES if rows < below), "n>1M")],
        configs=[*map(_config, tables, tables.values()), *configs],
        dataset_info=[
            *_infos(context.rows, tables),
            *(info for info in _infos_of(old) if info["config_name"] in foreign),
        ],
        codeclm={
            **{name: deepcopy(value) for name, value in suggested.items() if value},
            **_for_programs(context),
        },
    )
    new: dict[str, Any] = data.to_dict()  # type: ignore[no-untyped-call]
    return {
        **{name: value for name, value in old.items() if name in new or name not in _GENERATED_KEYS},
        **new,
    }


def _config(name: str, table: TableFiles) -> dict[str, Any]:
    default = {"default": True} if name == "default" else {}
    return {"config_name": name, "data_files": [{"split": "train", "path": table.pattern}], **default}


def _infos(rows: Mapping[str, int], tables: Mapping[str, TableFiles]) -> list[dict[str, Any]]:
    """Return the features and sizes of our configs."""
    data = DatasetCardData()
    DatasetInfosDict(
        {
            name: DatasetInfo(
                features=table.features,
                splits=SplitDict({"train": SplitInfo("train", table.dataset_size, rows[name])}),
                download_size=table.download_size,
                dataset_size=table.dataset_size,
            )
            for name, table in tables.items()
        }
    ).to_dataset_card_data(data)
    infos = {info["config_name"]: info for info in _infos_of(vars(data))}
    return [infos[name] for name in tables]


def _infos_of(front: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for info in _list(front, "dataset_info"):
        if isinstance(info, dict):
            yield {"config_name": info.get("config_name", "default"), **info}


def sources(inputs: Sequence[SeedSources]) -> list[str] | None:
    """Return the data sets on the Hub that seeds came from; None where nothing is known of them.

    `original` stands before them where some seeds came from elsewhere, or people wrote metadata by hand.
    """
    matches = [_HUB_SOURCE.fullmatch(source) for seeds in inputs for source in seeds.sources]
    elsewhere = any(seeds.given or not seeds.sources for seeds in inputs) or None in matches
    return [*(["original"] if elsewhere else []), *sorted({match[1] for match in matches if match})] or None


def _for_programs(context: CardContext) -> dict[str, Any]:
    """Return what programs want to know of a data set before they load it; `codeclm.json` has it in full."""
    entry: dict[str, Any] = {
        "version": context.version,
        "models": dict(context.roles),
        "threshold": context.config.threshold,
        "rows": dict(context.rows),
    }
    if distributions := context.distributions:
        entry["distributions"] = {
            **{
                name: [
                    {**to_json(entry), "name": text.display_name(entry.name)} for entry in top[:_MOST_NAMES]
                ]
                for name, top in (
                    ("use_cases", distributions.use_cases.top),
                    ("skills", distributions.skills.top),
                )
            },
            "accepted_by_iteration": [iteration.accepted for iteration in distributions.iterations],
            "winner": to_json(distributions.winner),
            "mean_gap": distributions.gap.mean,
            "mean_tokens": {
                "instruction": distributions.lengths.instruction.mean,
                "response": distributions.lengths.response.mean,
            },
        }
    return {name: value for name, value in entry.items() if value is not None}


def manual_entries(front: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what people wrote in a front matter: their own keys, and what they added to generated lists."""
    suggested = [name for name in _SUGGESTED_KEYS if _override(front, name) is None]
    generated = {*_LISTS, *_GENERATED_KEYS, *suggested}
    added = additions(front)
    for config in added["configs"]:
        config.pop("default", None)
    return [
        {name: value for name, value in front.items() if name not in generated},
        {name: values for name, values in added.items() if values},
    ]


def additions(front: dict[str, Any]) -> dict[str, list[Any]]:
    """Return what people added to the generated lists, and their own configs."""
    configs = [dict(config) for config in _list(front, "configs") if isinstance(config, dict)]
    return {
        **{
            name: [value for value in _list(front, name) if value not in generated]
            for name, generated in _LISTS.items()
        },
        "configs": [config for config in configs if config.get("config_name") not in list(schema.TABLES)],
    }


def _override(front: Mapping[str, Any], name: str) -> Any:
    """Return what somebody wrote in place of our suggestion; None where nobody did."""
    codeclm = front.get("codeclm")
    suggestion = codeclm.get(name) if isinstance(codeclm, dict) else None
    return None if front.get(name) == suggestion else front.get(name)


def _list(front: Mapping[str, Any], name: str) -> list[Any]:
    value = front.get(name)
    return value if isinstance(value, list) else [] if value is None else [value]
