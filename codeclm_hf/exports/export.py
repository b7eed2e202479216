"""A data set in the formats that trainers read, split so that no use case is on both sides."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Set
from contextlib import ExitStack
from pathlib import Path

from codeclm_hf.errors import BadInput
from codeclm_hf.exports.formats import EVAL, FORMATS, TRAIN, ExportTable, Format, Target
from codeclm_hf.exports.hold_out import hold_out_ids
from codeclm_hf.hub.fetch import open_source
from codeclm_hf.hub.snapshot import Snapshot
from codeclm_hf.stages.stage import Row
from codeclm_hf.text import did_you_mean


def export(
    source: str | Path, out: str | Path, *, to: str, eval_fraction: float = 0.0, token: str | None = None
) -> dict[str, int]:
    """Write a data set as a trainer reads it.

    `trl-sft`, `openai` and `axolotl` are JSON lines with `messages`; `trl-dpo` has `prompt`, `chosen` and
    `rejected` as messages; `alpaca` (`instruction`, `input`, `output`) and `sharegpt` (`conversations`) are
    JSON arrays. `llama-factory` has a table for supervised and one for preference tuning, and their entries
    in `dataset_info.json`, where those of other data sets stay; `axolotl` has its part of a configuration in
    `axolotl.yaml`. A system prompt is a turn, and in `alpaca` and `llama-factory` a column `system`. Thoughts
    that the data set keeps stand in the answer's turn for `trl-sft` and `axolotl`, and before the answer,
    between `<think>` and `</think>`, for `sharegpt` and `llama-factory`.

    Args:
        source: a run directory, or `org/name` or `org/name@revision` of a data set on the Hub.
        out: a folder, made if it is not there; files of the same names are replaced.
        to: one of `formats.FORMATS`.
        eval_fraction: share of the rows, in [0, 1), that go into files of their own, to within half a use
            case: whole use cases, at least one, so that nothing to evaluate on is trained on in other words.
            Names that differ in writing, order or form of words are one use case; synonyms are not known. The
            same data set is always split alike, and as it grows, next to no use case changes sides.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Returns:
        How many rows each file has, by its name.

    Raises:
        BadInput: an argument cannot be used; no file was changed.
        HubError: the Hub gives no answer.
    """
    if to not in FORMATS:
        raise BadInput(f"needs a layout of {', '.join(FORMATS)}; came {to!r}{did_you_mean(to, FORMATS)}")
    if not 0 <= eval_fraction < 1:
        raise BadInput(f"needs an eval-fraction from 0 up to, not including, 1; came {eval_fraction}")
    folder = Path(out).expanduser()
    with tempfile.TemporaryDirectory(prefix="codeclm-hf-") as scratch:
        content = open_source(str(source), Path(scratch), token=token)
        for table in FORMATS[to].tables:
            _check_table(content, table, source)
        eval_ids = hold_out_ids(content, eval_fraction) if eval_fraction else frozenset()
        target = Target(folder, _data_set_name(source), (TRAIN, EVAL) if eval_ids else (TRAIN,))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return _write(content, FORMATS[to], target, eval_ids)
        except OSError as exc:
            raise BadInput(
                f"needs a folder that can be written; {folder} cannot ({exc.strerror or exc})"
            ) from exc


def _data_set_name(source: str | Path) -> str:
    """Return the name of the folder or of the repository, as letters, digits and _, for names of files."""
    return re.sub(r"\W+", "_", Path(str(source).split("@")[0]).resolve().name)


def _check_table(content: Snapshot, table: ExportTable, source: object) -> None:
    """Check that a data set has what a table is made of."""
    if not content.height(table.config):
        raise BadInput(f"needs a data set with rows in `{table.config}`; {source} has none")
    missing = {"id", *table.columns} - set(content.schema(table.config).names)
    if missing:
        raise BadInput(
            f"needs the columns of a data set that codeclm-hf made; `{table.config}` of {source} lacks "
            f"{', '.join(sorted(missing))}"
        )


def _write(content: Snapshot, to: Format, target: Target, eval_ids: Set[str]) -> dict[str, int]:
    """Write all files beside the target, and then put them in place; how many rows each has."""
    counts: dict[str, int] = {}
    fields: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory(prefix=".export-", dir=target.folder) as scratch:
        for table in to.tables:
            counts |= _write_table(content, table, target, eval_ids, Path(scratch), fields)
        companions = to.companions(target, fields)
        for file, text in companions.items():
            (Path(scratch) / file).write_text(text, encoding="utf-8")
        for file in (*counts, *companions):
            os.replace(Path(scratch) / file, target.folder / file)
    return counts


def _write_table(
    content: Snapshot,
    table: ExportTable,
    target: Target,
    eval_ids: Set[str],
    scratch: Path,
    fields: dict[str, set[str]],
) -> dict[str, int]:
    """Write the files of one table, a file a part; how many rows each has.

    The names that entries and their turns use are noted in `fields`, by file.
    """
    files = {part: table.file_name(target, part) for part in target.parts}
    fields |= {file: set() for file in files.values()}
    counts = dict.fromkeys(files.values(), 0)
    with ExitStack() as stack:
        opened_files = {
            file: stack.enter_context((scratch / file).open("w", encoding="utf-8")) for file in counts
        }
        for row in _rows(content, table):
            file = files[EVAL if row["id"] in eval_ids else TRAIN]
            made = table.entry(row)
            fields[file].update(made, *made.get("messages", ()))
            entry = json.dumps(made, ensure_ascii=False)
            if file.endswith(".jsonl"):
                opened_files[file].write(f"{entry}\n")
            else:
                opened_files[file].write(f"{',' if counts[file] else '['}\n{entry}")
            counts[file] += 1
        for file, count in counts.items():
            if file.endswith(".json"):
                opened_files[file].write("\n]\n" if count else "[]\n")
    return counts


def _rows(content: Snapshot, table: ExportTable) -> Iterator[Row]:
    there = [name for name in table.optional if name in content.schema(table.config).names]
    for batch in content.batches(table.config):
        yield from batch.select(["id", *table.columns, *there]).to_pylist()
