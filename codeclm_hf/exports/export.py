"""A data set in the layouts that trainers read, split so that no use case is on both sides."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from codeclm_hf.errors import BadInput
from codeclm_hf.exports.hold_out import held_out
from codeclm_hf.hub.pull import opened
from codeclm_hf.hub.snapshot import Snapshot
from codeclm_hf.text import did_you_mean

Row = dict[str, Any]
_PAIR = ("prompt", "chosen", "rejected")
_SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt"}


def _messages(row: Row) -> Row:
    return {"messages": row["messages"]}


def _pair(row: Row) -> Row:
    return {name: row[name] for name in _PAIR}


def _alpaca(row: Row) -> Row:
    return {"instruction": row["instruction"], "input": "", "output": row["response"]}


def _alpaca_pair(row: Row) -> Row:
    chosen, rejected = (row[name][-1]["content"] for name in ("chosen", "rejected"))
    return {"instruction": row["prompt"][-1]["content"], "input": "", "chosen": chosen, "rejected": rejected}


def _sharegpt(row: Row) -> Row:
    turns = [(_SHAREGPT.get(turn["role"], turn["role"]), turn["content"]) for turn in row["messages"]]
    return {"conversations": [{"from": who, "value": text} for who, text in turns]}


@dataclass(frozen=True)
class _Table:
    """One of the tables of a layout."""

    config: str
    columns: tuple[str, ...]
    row: Callable[[Row], Row]
    file: str
    """`{name}` is the data set's, `{part}` is train or eval; .json is an array, .jsonl a line a row."""


_CHAT = _Table("default", ("messages",), _messages, "{part}.jsonl")
LAYOUTS: dict[str, tuple[_Table, ...]] = {
    "trl-sft": (_CHAT,),
    "trl-dpo": (_Table("preference", _PAIR, _pair, "{part}.jsonl"),),
    "alpaca": (_Table("default", ("instruction", "response"), _alpaca, "{part}.json"),),
    "sharegpt": (_Table("default", ("messages",), _sharegpt, "{part}.json"),),
    "openai": (_CHAT,),
    "llama-factory": (
        _Table("default", ("instruction", "response"), _alpaca, "{name}_sft_{part}.json"),
        _Table("preference", _PAIR, _alpaca_pair, "{name}_dpo_{part}.json"),
    ),
    "axolotl": (_CHAT,),
}
"""What `export` can write, by the trainer's or the layout's name."""


def export(
    source: str | Path, out: str | Path, *, to: str, eval_fraction: float = 0.0, token: str | None = None
) -> dict[str, int]:
    """Write a data set as a trainer reads it.

    `trl-sft`, `openai` and `axolotl` are JSON lines with `messages`; `trl-dpo` has `prompt`, `chosen` and `rejected` as
    messages; `alpaca` (`instruction`, `input`, `output`) and `sharegpt` (`conversations`) are JSON arrays.
    `llama-factory` has a table for supervised and one for preference tuning, and their entries in `dataset_info.json`,
    where those of other data sets stay; `axolotl` has its part of a configuration in `axolotl.yaml`.

    Args:
        source: a run directory, or `org/name` or `org/name@revision` of a data set on the Hub.
        out: a folder, made if it is not there; files of the same names are replaced.
        to: one of `LAYOUTS`.
        eval_fraction: share of the rows, in [0, 1), that go into files of their own, to within half a use case: whole
            use cases, at least one, so that what is evaluated on was not trained on in other words. Names that differ
            in writing, order or form of words are one use case; synonyms are not known. The same data set is always
            split alike, and as it grows, next to no use case changes sides.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Returns:
        How many rows each file has, by its name.

    Raises:
        BadInput: something given cannot be used; no file was changed.
        HubError: the Hub gives no answer.
    """
    if to not in LAYOUTS:
        raise BadInput(f"needs a layout of {', '.join(LAYOUTS)}; came {to!r}{did_you_mean(to, LAYOUTS)}")
    if not 0 <= eval_fraction < 1:
        raise BadInput(f"needs an eval-fraction from 0 up to, not including, 1; came {eval_fraction}")
    folder = Path(out).expanduser()
    name = (
        re.sub(r"\W+", "_", Path(str(source).split("@")[0]).resolve().name) if to == "llama-factory" else ""
    )
    with tempfile.TemporaryDirectory(prefix="codeclm-hf-") as scratch:
        content = opened(str(source), Path(scratch), token=token)
        for table in LAYOUTS[to]:
            _check(content, table, source)
        held = held_out(content, eval_fraction) if eval_fraction else set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            beside = _beside(to, name, folder, evaluated=bool(held))
            with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as fresh:
                rows = {
                    file: count
                    for table in LAYOUTS[to]
                    for file, count in _written(content, table, name, held, Path(fresh)).items()
                }
                for file, text in beside.items():
                    (Path(fresh) / file).write_text(text, encoding="utf-8")
                for file in [*rows, *beside]:
                    os.replace(Path(fresh) / file, folder / file)
        except OSError as exc:
            raise BadInput(
                f"needs a folder that can be written; {folder} cannot ({exc.strerror or exc})"
            ) from exc
    return rows


def _check(content: Snapshot, table: _Table, source: object) -> None:
    if not content.height(table.config):
        raise BadInput(f"needs a data set with rows in `{table.config}`; {source} has none")
    missing = {"id", *table.columns} - set(content.schema(table.config).names)
    if missing:
        raise BadInput(
            f"needs the columns of a data set that codeclm-hf made; `{table.config}` of {source} lacks "
            f"{', '.join(sorted(missing))}"
        )


def _written(content: Snapshot, table: _Table, name: str, held: set[str], folder: Path) -> dict[str, int]:
    """Write one table, in one part or two; how many rows each file has."""
    parts = ("train", "eval") if held else ("train",)
    files = {part: table.file.format(name=name, part=part) for part in parts}
    counts = dict.fromkeys(files.values(), 0)
    with ExitStack() as stack:
        written = {file: stack.enter_context((folder / file).open("w", encoding="utf-8")) for file in counts}
        for row in _rows(content, table):
            file = files["eval" if row["id"] in held else "train"]
            if file.endswith(".json"):
                written[file].write(",\n" if counts[file] else "[\n")
            written[file].write(json.dumps(table.row(row), ensure_ascii=False))
            if file.endswith(".jsonl"):
                written[file].write("\n")
            counts[file] += 1
        for file, count in counts.items():
            if file.endswith(".json"):
                written[file].write("\n]\n" if count else "[]\n")
    return counts


def _rows(content: Snapshot, table: _Table) -> Iterator[Row]:
    for batch in content.batches(table.config):
        yield from batch.select(["id", *table.columns]).to_pylist()


def _beside(to: str, name: str, folder: Path, *, evaluated: bool) -> dict[str, str]:
    """What a trainer needs beside the tables, by file name."""
    parts = ("train", "eval") if evaluated else ("train",)
    if to == "llama-factory":
        sft = {"prompt": "instruction", "query": "input", "response": "output"}
        dpo = {"prompt": "instruction", "query": "input", "chosen": "chosen", "rejected": "rejected"}
        entries = {
            f"{name}_{kind}_{part}": {"file_name": f"{name}_{kind}_{part}.json", **more}
            for kind, more in (("sft", {"columns": sft}), ("dpo", {"ranking": True, "columns": dpo}))
            for part in parts
        }
        there = _entries(folder / "dataset_info.json")
        return {"dataset_info.json": json.dumps({**there, **entries}, indent=2, ensure_ascii=False) + "\n"}
    if to == "axolotl":
        stanza = {
            key: [
                {
                    "path": str((folder / f"{part}.jsonl").resolve()),
                    "ds_type": "json",
                    "type": "chat_template",
                    "field_messages": "messages",
                    "message_property_mappings": {"role": "role", "content": "content"},
                    **({"split": "train"} if part == "eval" else {}),
                }
            ]
            for key, part in (("datasets", "train"), ("test_datasets", "eval"))
            if part in parts
        }
        return {"axolotl.yaml": yaml.safe_dump(stanza, sort_keys=False, allow_unicode=True)}
    return {}


def _entries(path: Path) -> Mapping[str, Any]:
    """The entries of a `dataset_info.json`, also other people's."""
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(entries, dict):
            raise ValueError(f"it is a {type(entries).__name__}")
    except ValueError as exc:
        raise BadInput(f"needs a dataset_info.json with an entry a data set; {path} is none ({exc})") from exc
    return entries
