from __future__ import annotations

import importlib.util
import inspect
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import datasets
import pyarrow as pa
import yaml
from datasets.builder import Key
from datasets.data_files import DataFilesDict, DataFilesList
from datasets.exceptions import DatasetGenerationError, DatasetsError
from huggingface_hub import hf_hub_download, metadata_load
from huggingface_hub.errors import HfHubHTTPError

from codeclm_hf import ids
from codeclm_hf.errors import BadInput
from codeclm_hf.schema import SEEDS

from . import files

SEED_SUFFIXES = (".jsonl", ".json", ".csv", ".parquet", ".txt")
METADATA_SUFFIXES = (".jsonl", ".json", ".csv", ".yaml", ".yml", ".parquet")

_BATCH_ROWS = 2000
_BATCH_CHARACTERS = 1 << 23
_LIKELY = {"instruction", "instructions", "prompt", "question", "query", "text", "input", "task"}
_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?", re.ASCII)
_METADATA_NEED = "each row needs `use_case` (text) and `skills` (a list of texts, or one text with commas)"
# requests.HTTPError or httpx2.HTTPError, whichever the installed huggingface_hub talks through
_HTTP_ERROR: type[Exception] = HfHubHTTPError.__mro__[1]


def load_seeds(
    source: str, *, column: str = "instruction", split: str = "train", revision: str | None = None
) -> datasets.Dataset:
    """Reads seed instructions from a file, a folder or a data set on the Hub.

    A row that cannot be used (no text, broken JSON, bytes that are not UTF-8) has no instruction and says why in its
    `error`; the others are read. A name that exists here is read here, any other that looks like one is a Hub id.

    Args:
        source: a .jsonl, .json, .csv, .parquet or .txt file (one instruction a line), a folder of such files, or a
            Hub data set id.
        column: the column that holds the instructions; .txt files need none.
        split: the split to read, such as "train" or "train[:100]"; files here are all of one split, "train".
        revision: the branch, tag or commit of a Hub data set; by default "main".

    Returns:
        One row a seed, with `schema.SEEDS` as features. `source` is `file:line` (the row's number in .json and
        .parquet) or `org/name@commit:row`, counted from 1.

    Raises:
        BadInput: there is no such source, it holds no row or no such column, or it cannot be read.
    """
    if not (found := files.find(source, SEED_SUFFIXES)):
        return _from_hub(source, column, split, revision)
    if revision is not None:
        raise BadInput(
            f"needs a Hub data set for the revision `{revision}`; `{source}` is here; leave the revision out"
        )
    folder, paths = found
    digests = [files.digest_of(path) for path in paths]
    names = [files.name_in(path, folder) for path in paths]
    code = [inspect.getsource(module) for module in (files, sys.modules[__name__])]
    builder = SeedInstructions(
        dataset_name="codeclm_seeds",
        # contents, not paths and times: an edited file is read anew, a copied one is not
        config_id=f"default-{ids.row_id(column, names, digests, code)}",
        data_files=DataFilesDict(train=DataFilesList(paths, [(digest,) for digest in digests])),
        data_dir=folder,
        column=column,
    )
    try:
        builder.download_and_prepare()
    except DatasetGenerationError as exc:
        if isinstance(exc.__cause__, BadInput):
            raise BadInput(str(exc.__cause__)) from exc
        raise
    try:
        return builder.as_dataset(split=split)
    except ValueError as exc:
        raise BadInput(f"cannot read the split `{split}` of `{source}`: {_first_line(exc)}") from exc


@dataclass
class SeedsConfig(datasets.BuilderConfig):  # type: ignore[misc]  # datasets ships no types
    """What shapes the seeds: the files, and the column that holds the instructions."""

    column: str = "instruction"
    """The column that holds the instructions; .txt files need none."""


class SeedInstructions(datasets.ArrowBasedBuilder):  # type: ignore[misc]  # datasets ships no types
    """The `datasets` builder that reads seed instructions from files here; `load_seeds` is the way to call it.

    Args:
        data_files: the files.
        data_dir: the folder their names in `source` are relative to; by default the bare names are taken.
        column: the column that holds the instructions.
    """

    BUILDER_CONFIG_CLASS = SeedsConfig
    """What takes `column`."""

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=SEEDS.copy())

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        paths = list(chain.from_iterable((self.config.data_files or {}).values()))
        filled = [path for path in paths if self._check(path)]
        if not filled:
            raise BadInput(f"needs at least one instruction; {', '.join(paths[:3]) or 'no file'} holds no row")
        return [datasets.SplitGenerator(name="train", gen_kwargs={"paths": filled})]

    def _check(self, path: str) -> bool:
        """Whether a file holds any row; `BadInput` when its first readable one lacks the column."""
        column, row = _column_of(path, self.config.column), None
        for row in files.rows(path):
            if row.cells is not None:
                if column not in row.cells:
                    texts = [name for name, value in row.cells.items() if isinstance(value, str)]
                    raise _no_column(column, files.name_in(path, self.config.data_dir), list(row.cells), texts)
                break
        return row is not None

    def _generate_tables(self, paths: list[str]) -> Iterator[tuple[Key, pa.Table]]:
        for shard, path in enumerate(paths):
            name = files.name_in(path, self.config.data_dir)
            for batch, table in enumerate(_tables(path, name, self.config.column)):
                yield Key(shard, batch), table


def load_metadata(path: str) -> list[dict[str, Any]]:
    """Reads hand-written metadata: the use cases to write instructions for, and the skills each one needs.

    Args:
        path: a .jsonl, .json, .csv, .yaml, .yml or .parquet file, or a folder of them, with the columns `use_case` and
            `skills` (a list of texts, or one text with commas).

    Returns:
        `[{"use_case": str, "skills": [str, ...]}, ...]`, white space around each text removed.

    Raises:
        BadInput: there is no such file, it holds no row, or a row lacks its use case or skills.
    """
    if not (here := files.find(path, METADATA_SUFFIXES)):
        raise BadInput(f"needs a file of use cases and skills; there is no file `{path}`; check the path")
    found = [
        _metadata(row, f"{files.name_in(file)}, row {row.number}")
        for file in here[1]
        for row in files.rows(file, ("use_case", "skills"))
    ]
    if not found:
        raise BadInput(f"needs at least one use case; `{path}` holds no row; {_METADATA_NEED}")
    return found


def _metadata(row: files.Row, place: str) -> dict[str, Any]:
    cells = row.cells or {}
    skills = cells.get("skills")
    if isinstance(skills, str):
        skills = [skill for skill in skills.split(",") if skill.strip()]
    fault = row.error
    if not fault and (use_case := _text_fault(cells.get("use_case"))):
        fault = f"the use case {use_case}"
    if not fault and not isinstance(skills, list):
        fault = "the skills are missing" if skills is None else f"the skills are {files.describe(skills)}"
    if not fault and not skills:
        fault = "there is no skill"
    if not fault:
        fault = next((f"a skill {skill}" for skill in map(_text_fault, skills or ()) if skill), None)
    if fault:
        raise BadInput(f"{place}: {fault}; {_METADATA_NEED}")
    return {"use_case": cells["use_case"].strip(), "skills": [skill.strip() for skill in skills or ()]}


def _from_hub(source: str, column: str, split: str, revision: str | None) -> datasets.Dataset:
    # load_dataset takes "json", "csv", … for its own readers and would search the working directory
    reader = importlib.util.find_spec(f"datasets.packaged_modules.{source}") if source.isidentifier() else None
    if reader or not _HUB_ID.fullmatch(source) or source.lower().endswith(SEED_SUFFIXES):
        raise BadInput(f"needs a file, a folder or a Hub data set; there is no `{source}`; check the path")
    try:
        data = datasets.load_dataset(source, split=split, revision=revision)
    except (OSError, ValueError, RuntimeError, DatasetsError, _HTTP_ERROR) as exc:
        raise BadInput(
            f"needs a file, a folder or a Hub data set; there is no `{source}` here, and the Hub's cannot be read: "
            f"{_first_line(exc)}; check the name, the split (`{split}`) and the revision (`{revision or 'main'}`)"
        ) from exc
    place = f"{source}@{revision or 'main'}"
    # `datasets` keeps what it read in a folder named by the commit; a branch moves on
    found = (re.search(r"[/\\]([0-9a-f]{40})[/\\]", file["filename"]) for file in data.cache_files)
    commit = next((match[1] for match in found if match), revision or "main")
    if column not in data.column_names:
        texts = [name for name, feature in data.features.items() if getattr(feature, "dtype", "").endswith("string")]
        raise _no_column(column, place, data.column_names, texts)
    seeds = data.select_columns([column]).map(
        _hub_batch,
        with_indices=True,
        batched=True,
        remove_columns=[column],
        fn_kwargs={"column": column, "place": f"{source}@{commit}"},
        features=SEEDS,
        new_fingerprint=ids.digest(data._fingerprint, column, source, commit, inspect.getsource(sys.modules[__name__])),
        desc="Reading seeds",
    )
    seeds.info.license = _license(source, commit)
    return seeds


def _license(repo: str, revision: str) -> str:
    """What the card of a data set on the Hub says of its license; "" where it says nothing, or cannot be read."""
    try:
        card = hf_hub_download(repo, "README.md", repo_type="dataset", revision=revision)
        told = (metadata_load(card) or {}).get("license") or []
    except (OSError, ValueError, RuntimeError, yaml.YAMLError, _HTTP_ERROR):
        return ""  # the seeds themselves are read
    return ", ".join(map(str, told)) if isinstance(told, list) else str(told)


def _hub_batch(batch: dict[str, list[Any]], indices: list[int], column: str, place: str) -> dict[str, list[Any]]:
    seeds = [
        _seed(files.Row(index + 1, {column: value}), place, column)
        for index, value in zip(indices, batch[column], strict=True)
    ]
    return {name: [seed[name] for seed in seeds] for name in SEEDS}


def _tables(path: str, name: str, column: str) -> Iterator[pa.Table]:
    column, batch, size = _column_of(path, column), [], 0
    for row in files.rows(path, (column,)):
        batch.append(_seed(row, name, column))
        size += len(batch[-1]["instruction"] or "")
        if len(batch) >= _BATCH_ROWS or size >= _BATCH_CHARACTERS:
            yield pa.Table.from_pylist(batch, schema=SEEDS.arrow_schema)
            batch, size = [], 0
    if batch:
        yield pa.Table.from_pylist(batch, schema=SEEDS.arrow_schema)


def _seed(row: files.Row, name: str, column: str) -> dict[str, Any]:
    source, instruction, error = f"{name}:{row.number}", None, row.error
    if row.cells is not None:
        instruction = row.cells.get(column)
        if fault := _text_fault(instruction):
            instruction, error = None, f"the instruction {fault}"
    of = source if instruction is None else instruction
    return {"id": ids.row_id("seed", of), "instruction": instruction, "source": source, "error": error}


def _text_fault(value: Any) -> str | None:
    """What keeps a value from being used as text, as the end of a sentence; None when nothing does."""
    if value is None:
        return "is missing"
    if not isinstance(value, str):
        return f"is {files.describe(value)}, needs text"
    if not value.strip():
        return "is empty"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "holds characters that are not valid UTF-8"
    return None


def _column_of(path: str, column: str) -> str:
    return files.TEXT_COLUMN if path.lower().endswith(".txt") else column


def _no_column(column: str, name: str, present: list[str], texts: list[str]) -> BadInput:
    likely = [text for text in texts if text.strip().lower() in _LIKELY]
    if len(likely) != 1:
        likely = texts if len(texts) == 1 else []
    has = ", ".join(f"`{other}`" for other in present[:20]) or "no columns"
    return BadInput(
        f"needs a column `{column}`; {name} has {has}",
        hint=f"pass --column {shlex.quote(*likely) if likely else 'NAME'}",
    )


def _first_line(exc: BaseException) -> str:
    # datasets' own "An error occurred while generating the dataset" says less than its cause
    text = str(exc.__cause__ or exc if isinstance(exc, DatasetGenerationError) else exc).strip()
    return text.splitlines()[0].rstrip(".") if text else type(exc).__name__
