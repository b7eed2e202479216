"""The formats that trainers read: which rows go into which files, and what stands beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence, Set
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
_REASONING = "reasoning"
_THOUGHT_KEYS = ("reasoning_content", "thinking")
"""Where chat templates look for a turn's thoughts: most of them, and that of gpt-oss."""
Fields = Mapping[str, Set[str]]
"""By file, the names that its entries and their turns use."""


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
    optional: tuple[str, ...] = ()
    """Columns that it takes where our table has them."""
    file: str = "{part}.jsonl"
    """A file's name, with `{name}` of the data set and `{part}`; .json is an array, .jsonl a line a row."""

    def file_name(self, target: Target, part: str) -> str:
        """Return the name of the file of one part."""
        return self.file.format(name=target.name, part=part)


def _no_files(target: Target, fields: Fields) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Format:
    """What a trainer reads."""

    tables: tuple[ExportTable, ...]
    """At least one."""
    companions: Callable[[Target, Fields], Mapping[str, str]] = _no_files
    """Makes the texts of the files that stand beside the tables, by name."""


def _messages(row: Row) -> Entry:
    return {"messages": row["messages"]}


def _messages_with_thoughts(row: Row) -> Entry:
    """Return the chat with the thoughts in the answer's turn, as TRL hands them to a chat template."""
    *asked, answer = row["messages"]
    thoughts = dict.fromkeys(_THOUGHT_KEYS, row[_REASONING]) if row.get(_REASONING) else {}
    return {"messages": [*asked, answer | thoughts]}


def _pair(row: Row) -> Entry:
    return {name: row[name] for name in _PAIR}


def _alpaca(row: Row) -> Entry:
    entry = {"instruction": row["instruction"], "input": "", "output": row["response"]}
    return entry | _system(row.get("messages"))


def _alpaca_with_thoughts(row: Row) -> Entry:
    return _alpaca({**row, "response": _thoughts_before(row["response"], row)})


def _alpaca_pair(row: Row) -> Entry:
    chosen, rejected = (row[name][-1]["content"] for name in ("chosen", "rejected"))
    entry = {"instruction": row["prompt"][-1]["content"], "input": "", "chosen": chosen, "rejected": rejected}
    return entry | _system(row["prompt"])


def _system(turns: Sequence[Mapping[str, str]] | None) -> Entry:
    """Return the system prompt of a chat as a column; none where the chat has none."""
    return {"system": turns[0]["content"]} if turns and turns[0]["role"] == "system" else {}


def _thoughts_before(answer: str, row: Row) -> str:
    """Return an answer behind its thoughts, between the marks that LLaMA-Factory's templates know."""
    return f"<think>\n{row[_REASONING]}\n</think>\n\n{answer}" if row.get(_REASONING) else answer


def _sharegpt(row: Row) -> Entry:
    turns = [(_SHAREGPT_ROLES.get(turn["role"], turn["role"]), turn["content"]) for turn in row["messages"]]
    turns[-1] = (turns[-1][0], _thoughts_before(turns[-1][1], row))
    return {"conversations": [{"from": role, "value": text} for role, text in turns]}


def _llama_factory_info(target: Target, fields: Fields) -> dict[str, str]:
    """Return the text of `dataset_info.json` with the data set's entries; those of other data sets stay."""
    sft = {"prompt": "instruction", "query": "input", "response": "output"}
    dpo = {"prompt": "instruction", "query": "input", "chosen": "chosen", "rejected": "rejected"}
    entries = dict(_read_dataset_info(target.folder / _DATASET_INFO))
    for kind, ranking, columns in (("sft", {}, sft), ("dpo", {"ranking": True}, dpo)):
        for part in target.parts:
            name = f"{target.name}_{kind}_{part}"
            # a column that no row has would be looked up all the same
            system = {"system": "system"} if "system" in fields[f"{name}.json"] else {}
            entries[name] = {"file_name": f"{name}.json", **ranking, "columns": columns | system}
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


def _axolotl_config(target: Target, fields: Fields) -> dict[str, str]:
    """Return the text of `axolotl.yaml`, the part of a configuration that names the files."""
    config: dict[str, list[dict[str, Any]]] = {}
    for part in target.parts:
        properties = ["role", "content"]
        if _THOUGHT_KEYS[0] in fields[f"{part}.jsonl"]:
            properties.append(_THOUGHT_KEYS[0])
        dataset = {
            "path": str((target.folder / f"{part}.jsonl").resolve()),
            "ds_type": "json",
            "type": "chat_template",
            "field_messages": "messages",
            "message_property_mappings": {name: name for name in properties},
        }
        if part == TRAIN:
            config["datasets"] = [dataset]
        else:
            config["test_datasets"] = [{**dataset, "split": "train"}]
    return {"axolotl.yaml": yaml.safe_dump(config, sort_keys=False, allow_unicode=True)}


_CHAT = ExportTable("default", ("messages",), _messages_with_thoughts, (_REASONING,))
_INSTRUCTION = ("instruction", "response")
FORMATS: Mapping[str, Format] = {
    "trl-sft": Format((_CHAT,)),
    "trl-dpo": Format((ExportTable("preference", _PAIR, _pair),)),
    "alpaca": Format((ExportTable("default", _INSTRUCTION, _alpaca, ("messages",), "{part}.json"),)),
    "sharegpt": Format((ExportTable("default", ("messages",), _sharegpt, (_REASONING,), "{part}.json"),)),
    # its API refuses a turn with other fields than its own, and has none for thoughts
    "openai": Format((ExportTable("default", ("messages",), _messages),)),
    "llama-factory": Format(
        (
            ExportTable(
                "default",
                _INSTRUCTION,
                _alpaca_with_thoughts,
                ("messages", _REASONING),
                "{name}_sft_{part}.json",
            ),
            ExportTable("preference", _PAIR, _alpaca_pair, file="{name}_dpo_{part}.json"),
        ),
        _llama_factory_info,
    ),
    "axolotl": Format((_CHAT,), _axolotl_config),
}
"""What `export` can write, by the trainer's or the format's name."""
