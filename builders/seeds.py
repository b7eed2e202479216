from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import datasets
import pyarrow as pa
from datasets.builder import Key
from datasets.data_files import DataFilesDict, DataFilesList
from datasets.exceptions import DatasetGenerationError

from codeclm_hf import ids
from codeclm_hf.errors import BadInput
from codeclm_hf.text import did_you_mean

from . import (
    columns,
    dialogue,
    formats,
    hub_split,
    layout_detection,
    layouts,
    request_logs,
    seed_pass,
    sources,
)
from .layout_detection import AUTO
from .seed_pass import Counts, SeedPass
from .sources import SEED_SUFFIXES, File

VALIDATION = 0.2
"""The paper's share of a benchmark that metadata is extracted from (§5.1); the rest is evaluated on."""
_MODULES = (
    layout_detection,
    columns,
    dialogue,
    formats,
    hub_split,
    layouts,
    sources,
    seed_pass,
    request_logs,
    sys.modules[__name__],
)
_CODE = ids.digest([inspect.getsource(module) for module in _MODULES])


def load_seeds(
    source: str,
    *,
    column: str | None = None,
    split: str = "train",
    revision: str | None = None,
    layout: str = AUTO,
    turns: str = "first",
    skip_bad: bool = False,
) -> datasets.Dataset:
    """Return the seed instructions in files, a folder or a data set on the Hub, each instruction once.

    A row that cannot be used (no text, broken JSON, bytes that are not UTF-8, a dialogue with tool calls or
    images) has no instruction and says why in its `error`; the others are read. A row of another layout than
    the file's is no such row: it would be good with another layout, so the choice is the user's.

    Args:
        source: a .jsonl, .json, .csv, .parquet or .txt file (one instruction a line), a log of requests, any
            of them compressed (.gz, .bz2, .xz, .zst); a folder of such files, a pattern, an address such as
            `hf://datasets/org/name/file.jsonl`; or a Hub data set id. A name that exists here is read here.
        column: the column that holds the instructions; .txt files need none.
        split: "train" is all rows of files, in order; "validation" and "test" are the paper's 20 % and 80 %
            of them (see `SeedInstructions`). Of a Hub data set it is one of its own splits. "train[:100]"
            slices.
        revision: the branch, tag or commit of a Hub data set; by default "main".
        layout: one of `SeedInstructions`' configs; "auto" tells it from the first rows.
        turns: what a dialogue gives: the user's "first" turn, or "all" turns up to the user's last one.
        skip_bad: leave out rows of another layout than the others'.

    Returns:
        One row a seed: `id, instruction, source, error` and the columns that were there. `source` is
        `file:line` (the row's number in .json and .parquet), `org/name@commit:row` or
        `org/name@commit/file:line`, counted from 1. What was read, and what was left out, is in
        `Dataset.info.description`, in one line.

    Raises:
        BadInput: there is no such source, layout, column or split, rows are of several layouts, or it cannot
            be read.
    """
    layout_detection.check_options(layout, column, turns)
    local = sources.find(source, SEED_SUFFIXES, logs=layout == "traffic")
    if local is None and "://" not in source:
        return hub_split.load_hub_split(
            source, split, revision, layout=layout, column=column, turns=turns, skip_bad=skip_bad, code=_CODE
        )
    if revision is not None:
        instead = f"write org/name@{revision} into the address"
        if local is not None:
            instead = f"`{source}` is here; leave the revision out"
        raise BadInput(f"needs a Hub data set for the revision `{revision}`; {instead}")
    parts = set(re.findall(r"[A-Za-z_]\w*(?=\s*(?:\[|\+|$))", split))
    if not parts <= {*SPLITS, "train", "all"}:
        raise _no_split(split, ("train", *SPLITS))
    options: dict[str, Any] = {
        "column": column,
        "turns": turns,
        "skip_bad": skip_bad,
        "validation": VALIDATION if parts <= set(SPLITS) else 0.0,
    }
    files = {"data_files": source}
    if local is not None:
        files = _by_contents(local, layout, options)
    builder = SeedInstructions(layout, dataset_name="codeclm_seeds", **files, **options)
    builder.download_and_prepare()
    return builder.as_dataset(split=split)


def _by_contents(local: sources.LocalFiles, layout: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return arguments that name a builder by contents: an edited file is read anew, a copied one is not."""
    digests = [sources.digest_of(path) for path in local.paths]
    names = [sources.name_in(path, local.folder) for path in local.paths]
    return {
        "config_id": f"{layout}-{ids.row_id(options, names, digests)}",
        "data_dir": local.folder,
        "data_files": DataFilesDict(train=DataFilesList(local.paths, [(digest,) for digest in digests])),
    }


SPLITS = ("validation", "test")


@dataclass
class SeedsConfig(datasets.BuilderConfig):  # type: ignore[misc]  # datasets ships no types
    """How seeds are read: `name` is the layout."""

    column: str | None = None
    """The column that holds the instructions, for `prompt` and `auto`; by default one with a likely name."""
    turns: str = "first"
    """What a dialogue gives: the user's "first" turn, or "all" turns up to the user's last one."""
    validation: float = VALIDATION
    """The share of the split `validation`; with 0 all rows are one split, `train`, in the files' order."""
    skip_bad: bool = False
    """Whether rows of another layout are left out; else they are counted, and refused with examples."""


class SeedInstructions(datasets.ArrowBasedBuilder):  # type: ignore[misc]  # datasets ships no types
    """The `datasets` builder of seed instructions, for files here, on the Hub or elsewhere.

    The configs are the layouts: `alpaca` (the instruction, and after a blank line its input), `messages` and
    `sharegpt` (the user's first turn), `prompt` and `text` (a column), the paper's test sets `vicuna`,
    `self_instruct`, `koala` and `evol_instruct` as their authors publish them, `mt_bench` (the first turn),
    `traffic` (logs of requests to TGI, vLLM and OpenAI-style servers), and `auto`, which tells the layout
    from the first rows::

        builder = SeedInstructions("alpaca", data_files="seeds.json")
        builder.download_and_prepare()
        builder.as_dataset("validation")
        builder.as_streaming_dataset("test")

    Rows are `id, instruction, source, error` and what was there: whole columns of numbers and truth values
    keep their type, any other column is text, with JSON for what is no text; a column called like one of ours
    gets `original_` before its name; of the column that is the instruction there is no second copy. The first
    rows settle the columns: what only later rows have is left out, and a later value that does not fit a
    number's column is null. Of `traffic` only `model`, `created` and `route` are kept, since a log has keys
    and names in it.

    `validation` and `test` are drawn by a hash of the text, so that a row stays in its split when its file
    grows; the same text again is left out (white space around it and the kind of line ends make no other
    text).

    Three things may be wrong with a row. It is broken, or has no text, or is a dialogue with tool calls or
    media: then it is a row with an `error`. It is of another layout: all such are counted and the first ones
    shown in a `BadInput`, or with `skip_bad` left out (a stream stops at the first). It is a line of a log
    that asks for no generation: it is counted and left out. `info.description` has the counts.

    Args:
        config_name: the layout.
        data_files: a file, a folder, a pattern, an `hf://` or other address that fsspec opens, or a list of
            these.
        data_dir: the folder that names in `source` are relative to (by default the folder or the fixed part
            of the pattern that was given; else the bare names are taken); alone, the folder to read.
        **options: the fields of `SeedsConfig`, and what every `datasets` builder takes.

    Raises:
        BadInput: there is no such layout, file or split.
    """

    BUILDER_CONFIG_CLASS = SeedsConfig
    """What holds the options."""
    # RUF012: a list that all builders share, as `datasets` wants it
    BUILDER_CONFIGS = [SeedsConfig(name=name) for name in (AUTO, *layouts.NAMES)]  # noqa: RUF012
    """The layouts, by name."""
    DEFAULT_CONFIG_NAME = AUTO
    """The layout is told from the first rows."""

    def __init__(
        self,
        config_name: str | None = None,
        *,
        data_files: Any = None,
        data_dir: str | None = None,
        **options: Any,
    ) -> None:
        name = config_name or AUTO
        layout_detection.check_options(name, options.get("column"), options.get("turns", "first"))
        if not isinstance(data_files, DataFilesDict):
            data_files, data_dir = sources.resolve_files(data_files or data_dir, data_dir, name == "traffic")
        options.setdefault("hash", _CODE[:16])
        super().__init__(config_name=name, data_files=data_files, data_dir=data_dir, **options)

    def _info(self) -> datasets.DatasetInfo:
        if not 0 <= self.config.validation < 1:
            raise BadInput(
                f"needs a share for validation, at least 0 and less than 1; came {self.config.validation}"
            )
        return datasets.DatasetInfo()  # the features are known when the first rows are

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        files = tuple(self._files(dl_manager))
        rows = layout_detection.first_rows(files)
        if not rows:
            some = ", ".join(file.name for file in files[:3])
            raise BadInput(f"needs at least one instruction; {some or 'no file'} holds no row")
        self._layout = layout_detection.detect_layout(
            rows, layout=self.config.name, column=self.config.column
        )
        self._columns = columns.infer_columns(
            [row.cells for _, row in rows if row.cells is not None], self._layout
        )
        self._counts: list[Counts] = []
        self.info.features = columns.features(self._columns)
        # one shard, a tuple and no list: what came before is known in one pass over all files alone
        options = {"files": files, "strict": dl_manager.is_streaming}
        return [
            datasets.SplitGenerator(name=name, gen_kwargs={**options, "split": name})
            for name in self._splits()
        ]

    def _splits(self) -> tuple[str, ...]:
        return SPLITS if self.config.validation else ("train",)

    def _files(self, dl_manager: datasets.DownloadManager) -> Iterator[File]:
        for path in chain.from_iterable((self.config.data_files or {}).values()):
            if "://" not in path:
                yield File(path, sources.name_in(path, self.config.data_dir))
                continue
            name = sources.name_of(path)
            try:
                yield File(str(dl_manager.download(path)), name)
            except sources.HUB_ERRORS as exc:
                raise sources.refusal(exc, name) from exc

    def _generate_tables(
        self, files: tuple[File, ...], split: str, strict: bool
    ) -> Iterator[tuple[Key, pa.Table]]:
        border = int(self.config.validation * (1 << 64))
        one_pass = SeedPass(
            self._layout,
            self._columns,
            in_split=lambda key: split == "train" or (key < border) == (split == "validation"),
            whole=self.config.turns == "all",
            skip_bad=self.config.skip_bad,
            mixed=self.config.column is None,
            strict=strict,
        )
        for at, table in enumerate(one_pass.tables(files)):
            yield Key(0, at), table
        self._counts.append(one_pass.counts)
        # every pass sees all rows, and takes those of its split
        usable, unusable, media, repeated = (
            sum(getattr(counts, name) for counts in self._counts)
            for name in ("usable", "unusable", "with_tools_or_media", "repeated")
        )
        total = replace(
            one_pass.counts, usable=usable, unusable=unusable, with_tools_or_media=media, repeated=repeated
        )
        self.info.description = layout_detection.reading_summary(
            self._layout, self.config.turns == "all", total.summary()
        )

    def download_and_prepare(self, *args: Any, **options: Any) -> None:
        """Read the files and prepare the splits, as every builder of `datasets` does.

        Raises:
            BadInput: something is wrong with the files; nothing is kept then.
        """
        try:
            super().download_and_prepare(*args, **options)
        except DatasetGenerationError as exc:
            if isinstance(exc.__cause__, BadInput):
                raise BadInput(str(exc.__cause__)) from exc
            raise

    def as_dataset(self, split: Any = None, **options: Any) -> Any:
        """Return the prepared rows of a split, or of all.

        Raises:
            BadInput: there is no such split; the error names the nearest.
        """
        try:
            return super().as_dataset(split, **options)
        except ValueError as exc:
            raise _no_split(split, self.info.splits, exc) from exc

    def _as_dataset(self, split: Any = "train", in_memory: bool = False) -> datasets.Dataset:
        if (prepared := (self.info.splits or {}).get(str(split))) and not prepared.num_examples:
            # so few rows that the hash gave this split none; `datasets` reads no empty file
            empty = self.info.features.arrow_schema.empty_table()
            return datasets.Dataset(empty, info=self.info.copy(), split=datasets.NamedSplit(str(split)))
        return super()._as_dataset(split, in_memory)

    def as_streaming_dataset(self, split: str | None = None, **options: Any) -> Any:
        """Return the rows of a split as a stream.

        Raises:
            BadInput: there is no such split; the error names the nearest.
        """
        try:
            return super().as_streaming_dataset(split, **options)
        except ValueError as exc:
            raise _no_split(split, self._splits(), exc) from exc


def _no_split(split: Any, names: Any, exc: BaseException | None = None) -> BadInput:
    choices = ", ".join(f"`{name}`" for name in names)
    why = "no such one"
    if exc and "corresponds to no data" in str(exc):
        why = str(exc).strip().splitlines()[0].rstrip(".")
    return BadInput(
        f"cannot read the split `{split}`: {why}; there are {choices}{did_you_mean(str(split), names)}"
    )
