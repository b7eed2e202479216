"""The formats that trainers read: which rows go into which files, and what stands beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from codeclm_hf.errors import BadInput

if TYPE_CHECKING:
    from codeclm_hf.stages.stage import Row

Entry = dict[str, Any]
"""What a trainer reads of one row."""
TRAIN, EVAL = "train", "eval"
"""What a file holds: the rows to train on, or those that are held out to evaluate on."""
_PAIR = ("prompt", "chosen", "rejected")
_SHAREGPT_ROLES = {"system": "system", "user": "human", "assistant": "gpt"}
_DATASET_INFO = "dataset_info.json"


@dataclass(frozen=True)
class Target:
    """Where a data set is exported to."""

    folder: Path
    """The folder that gets the files."""
    name: str
    """The data set's name, of letters, digits and _."""
    parts: Sequence[str]
    """`TRAIN`, or `TRAIN` and `EVAL`."""


@dataclass(frozen=True)
class ExportTable:
    """One of the tables of a format."""

    config: str
    """Our table that it is made of."""
    columns: tuple[str, ...]
    """Our columns that it is made of."""
    entry: Callable[[Row], Entry]
    """Makes what the trainer reads of a row of ours."""
    file: str
    """A file's name, with `{name}` of the data set and `{part}`; .json is an array, .jsonl a line a row."""

    def file_name(self, target: Target, part: str) -> str:
        """Return the name of the file of one part."""
        return self.file.format(name=target.name, part=part)


def _no_files(target: Target) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Format:
    """What a trainer reads."""

    tables: tuple[ExportTable, ...]
    """At least one."""
    companions: Callable[[Target], Mapping[str, str]] = _no_files
    """Makes the texts of the files that stand beside the tables, by name."""


def _messages(row: Row) -> Entry:
    return {"messages": row["messages"]}


def _pair(row: Row) -> Entry:
    return {name: row[name] for name in _PAIR}


def _alpaca(row: Row) -> Entry:
    return {"instruction": row["instruction"], "input": "", "output": row["response"]}


def _alpaca_pair(row: Row) -> Entry:
    chosen, rejected = (row[name][-1]["content"] for name in ("chosen", "rejected"))
    return {"instruction": row["prompt"][-1]["content"], "input": "", "chosen": chosen, "rejected": rejected}


def _sharegpt(row: Row) -> Entry:
    turns = [(_SHAREGPT_ROLES.get(turn["role"], turn["role"]), turn["content"]) for turn in row["messages"]]
    return {"conversations": [{"from": role, "value": text} for role, text in turns]}


def _llama_factory_info(target: Target) -> dict[str, str]:
    """Return the text of `dataset_info.json` with the data set's entries; those of other data sets stay."""
    sft = {"prompt": "instruction", "query": "input", "response": "output"}
    dpo = {"prompt": "instruction", "query": "input", "chosen": "chosen", "rejected": "rejected"}
    entries = dict(_read_dataset_info(target.folder / _DATASET_INFO))
    for kind, settings in (("sft", {"columns": sft}), ("dpo", {"ranking": True, "columns": dpo})):
        for part in target.parts:
            name = f"{target.name}_{kind}_{part}"
            entries[name] = {"file_name": f"{name}.json", **settings}
    return {_DATASET_INFO: json.dumps(entries, indent=2, ensure_ascii=False) + "\n"}


def _read_dataset_info(path: Path) -> Mapping[str, Any]:
    """Return the entries of a `dataset_info.json`, also other people's; none where there is no such file."""
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(entries, dict):
            raise ValueError(f"it is a {type(entries).__name__}")
    except ValueError as exc:
        raise BadInput(f"needs a dataset_info.json with an entry a data set; {path} is none ({exc})") from exc
    return entries


def _axolotl_config(target: Target) -> dict[str, str]:
    """Return the text of `axolotl.yaml`, the part of a configuration that names the files."""
    config: dict[str, list[dict[str, Any]]] = {}
    for part in target.parts:
        dataset = {
            "path": str((target.folder / f"{part}.jsonl").resolve()),
            "ds_type": "json",
            "type": "chat_template",
            "field_messages": "messages",
            "message_property_mappings": {"role": "role", "content": "content"},
        }
        if part == TRAIN:
            config["datasets"] = [dataset]
        else:
            config["test_datasets"] = [{**dataset, "split": "train"}]
    return {"axolotl.yaml": yaml.safe_dump(config, sort_keys=False, allow_unicode=True)}


_CHAT = ExportTable("default", ("messages",), _messages, "{part}.jsonl")
_INSTRUCTION = ("instruction", "response")
FORMATS: Mapping[str, Format] = {
    "trl-sft": Format((_CHAT,)),
    "trl-dpo": Format((ExportTable("preference", _PAIR, _pair, "{part}.jsonl"),)),
    "alpaca": Format((ExportTable("default", _INSTRUCTION, _alpaca, "{part}.json"),)),
    "sharegpt": Format((ExportTable("default", ("messages",), _sharegpt, "{part}.json"),)),
    "openai": Format((_CHAT,)),
    "llama-factory": Format(
        (
            ExportTable("default", _INSTRUCTION, _alpaca, "{name}_sft_{part}.json"),
            ExportTable("preference", _PAIR, _alpaca_pair, "{name}_dpo_{part}.json"),
        ),
        _llama_factory_info,
    ),
    "axolotl": Format((_CHAT,), _axolotl_config),
}
"""What `export` can write, by the trainer's or the format's name."""
