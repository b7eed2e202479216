from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from datasets.arrow_reader import ArrowReader
from datasets.builder import Key
from datasets.config import DATASET_INFO_FILENAME
from datasets.exceptions import DatasetGenerationError
from datasets.utils.py_utils import temporary_assignment

from codeclm_hf import ids
from codeclm_hf.endpoints.budget import Budget
from codeclm_hf.endpoints.connect import endpoint
from codeclm_hf.endpoints.journal import Journal
from codeclm_hf.endpoints.protocol import Endpoint
from codeclm_hf.errors import BadInput, CodecLMError
from codeclm_hf.run.directory import JOURNAL
from codeclm_hf.run.pipeline import CodecLM
from codeclm_hf.run.progress import OnProgress
from codeclm_hf.run.recipe import Recipe
from codeclm_hf.schema import TABLES
from codeclm_hf.settings import METADATA_FRACTION, NUM_INSTRUCTIONS, NUM_METADATA, Sizes, check_settings
from codeclm_hf.stages.contamination import Benchmark
from codeclm_hf.text import did_you_mean

from .metadata import load_metadata
from .seeds import load_seeds

_ROLES = ("strong", "target", "judge")
_ROWS_A_BATCH = 1000
_INCOMPLETE = ".incomplete"
"""How `datasets` ends the name of a folder that is being prepared."""
_CITATION = """\
@inproceedings{wang2024codeclm,
  title = {{CodecLM}: Aligning Language Models with Tailored Synthetic Data},
  author = {Wang, Zifeng and Li, Chun-Liang and Perot, Vincent and Le, Long T. and Miao, Jin and
            Zhang, Zizhao and Lee, Chen-Yu and Pfister, Tomas},
  booktitle = {Findings of the Association for Computational Linguistics: NAACL 2024},
  pages = {3712--3729},
  year = {2024},
  url = {https://arxiv.org/abs/2404.05875},
}
"""


@dataclass
class TailoredConfig(datasets.BuilderConfig):  # type: ignore[misc]  # datasets ships no types
    """What shapes a tailored data set, and so the name of its cache folder."""

    recipe: Recipe | None = None
    """The stages with their models and settings, the inputs that were drawn, and the sizes."""

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """Return the cache folder's name: a hash of the inputs, the models, the settings and the prompts."""
        assert self.recipe is not None
        return f"{self.name}-{ids.row_id(self.recipe.spec())}"


class Tailored(datasets.ArrowBasedBuilder):  # type: ignore[misc]  # datasets ships no types
    """The `datasets` builder of a tailored data set: CodecLM behind `download_and_prepare` and `as_dataset`.

    ::

        builder = Tailored(
            seeds="seeds.jsonl", strong="http://localhost:8080", target="http://localhost:8081"
        )
        builder.download_and_prepare()  # asks the models; the same call again resumes
        builder.as_dataset("default")  # or "preference", "trace", "metadata", "default[:10]"
        builder.as_dataset()  # all four, as a DatasetDict

    What is prepared is loaded from the cache without a request. The answers are kept beside the prepared data
    sets, in `CACHE/tailored/journal.sqlite`, so another threshold, or another target for the same strong
    model, asks only for what is new. `download_mode="reuse_cache_if_exists"` writes the tables anew from the
    answers that are kept; `"force_redownload"` asks for all answers again, for these settings alone.
    `BadInput`, `EndpointError` and `BudgetSpent` come out of `download_and_prepare` as themselves; the same
    call then goes on.

    Args:
        seeds: a table with instructions of the target distribution, or what `load_seeds` takes: a file, a
            folder or a Hub id, whose split `train` is read. A Hub id is looked up on the Hub each time.
        strong: the strong model, or what `codeclm_hf.endpoint` takes: then its server is asked here what it
            is, which is no generation. An endpoint that is there already is not asked anything here.
        target: the model that the data set is for; as `strong`.
        judge: who scores the answers; the strong model, unless another is given.
        metadata: rows with a `use_case` and `skills`, or a file of them, instead of seeds or beside them.
        column: the seeds' column that holds the instruction.
        num_instructions: basic instructions to make, in all.
        num_examples: rows to accept in all, in place of a number of instructions.
        num_metadata: metadata to have after mixing and matching, at most one an instruction.
        metadata_fraction: share of them to use, with the number of instructions held constant (fig. 4).
        decontaminate: evaluation sets with which no instruction and no response may share words.
        allow_match: ids of texts that are kept although they share some.
        cache_dir: where prepared data sets are; by default where `datasets` keeps its own.
        budget: how much may be asked for in all, the answers in that journal included.
        on_progress: called, on another thread, when a row is done.
        settings: the other fields of `CodecLM`, such as `threshold`, `iterations`, `prompts` or `seed`.

    Raises:
        BadInput: something given cannot be used.
        EndpointError: a server does not answer, or refuses the token.
    """

    BUILDER_CONFIG_CLASS = TailoredConfig
    """What holds the recipe."""

    def __init__(
        self,
        *,
        seeds: datasets.Dataset | str | os.PathLike[str] | None = None,
        strong: Endpoint | str,
        target: Endpoint | str,
        judge: Endpoint | str | None = None,
        metadata: Sequence[Mapping[str, Any]] | datasets.Dataset | str | os.PathLike[str] | None = None,
        column: str = "instruction",
        num_instructions: int = NUM_INSTRUCTIONS,
        num_examples: int | None = None,
        num_metadata: int = NUM_METADATA,
        metadata_fraction: float = METADATA_FRACTION,
        decontaminate: Sequence[Benchmark] = (),
        allow_match: Collection[str] = (),
        cache_dir: str | os.PathLike[str] | None = None,
        budget: Budget | None = None,
        on_progress: OnProgress | None = None,
        **settings: Any,
    ) -> None:
        sizes: Sizes = {
            "num_instructions": num_instructions,
            "num_examples": num_examples,
            "num_metadata": num_metadata,
            "metadata_fraction": metadata_fraction,
        }
        # Settings and files are looked at before any server.
        _check_names(settings)
        check_settings(**settings, **sizes)
        if cache_dir is not None and "://" in str(cache_dir):
            raise BadInput(
                f"needs a cache folder on this machine; came {cache_dir}; answers are kept in a file there"
            )
        table: Any = seeds
        if isinstance(seeds, (str, os.PathLike)):
            table, column = load_seeds(os.fspath(seeds), column=column), "instruction"
        if isinstance(metadata, (str, os.PathLike)):
            metadata = load_metadata(os.fspath(metadata))
        codec = CodecLM(
            strong=_as_endpoint(strong),
            target=_as_endpoint(target),
            judge=None if judge is None else _as_endpoint(judge),
            **settings,
        )
        if budget is not None:
            codec.take_prices(budget)
        recipe = codec.recipe(
            table,
            metadata=metadata,
            column=column,
            decontaminate=decontaminate,
            allow_match=allow_match,
            **sizes,
        )
        self._budget = budget
        self._on_progress = on_progress
        self._license = table.info.license if table is not None else ""
        super().__init__(cache_dir=None if cache_dir is None else os.fspath(cache_dir), recipe=recipe)

    def _info(self) -> datasets.DatasetInfo:
        tailor = self.config.recipe.tailor
        return datasets.DatasetInfo(
            description=(
                "Instructions and responses made by CodecLM with "
                f"{tailor.strong.identity} as the strong model, "
                f"tailored to what {tailor.target.identity} cannot do yet."
            ),
            citation=_CITATION,
            homepage="https://arxiv.org/abs/2404.05875",
            license=self._license,
            features=self.config.recipe.features["default"].copy(),
        )

    def _download_and_prepare(self, dl_manager: Any, verification_mode: Any, **preparing: Any) -> None:
        # A table that is made anew need not have as many rows as before.
        super()._download_and_prepare(dl_manager, datasets.VerificationMode.NO_CHECKS, **preparing)

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        path = self._journal_path(anew=dl_manager.download_config.force_download)
        path.parent.mkdir(parents=True, exist_ok=True)
        journal = Journal(path, self._budget)
        try:
            made = self.config.recipe.make(journal, self._on_progress)
        finally:
            journal.close()
        self.info.download_checksums = {path.name: {}}
        return [
            datasets.SplitGenerator(name=name, gen_kwargs={"table": table})
            for name, table in made.tables.items()
        ]

    def _journal_path(self, *, anew: bool) -> Path:
        """Return the journal's path: that of all data sets in the cache, or the latest one of this data set.

        A prepared data set names the journal that it was made from; a later journal was begun and is
        continued.
        """
        shared = Path(self._cache_dir_root, str(self.dataset_name))
        own = shared / str(self.config_id)
        latest = max((int(path.stem.rpartition("-")[2]) for path in own.glob("journal-*.sqlite")), default=0)
        if anew and (latest == 0 or f"journal-{latest}.sqlite" in self._journals_used()):
            latest += 1
        return own / f"journal-{latest}.sqlite" if latest else shared / JOURNAL

    def _journals_used(self) -> Mapping[str, Any]:
        """Return a mapping whose key is the name of the journal that the prepared data set was made from."""
        folder = self._output_dir.removesuffix(_INCOMPLETE)
        if not self._fs.exists(f"{folder}/{DATASET_INFO_FILENAME}"):
            return {}
        info = datasets.DatasetInfo.from_directory(folder, storage_options=self._fs.storage_options)
        return info.download_checksums or {}

    def _prepare_split(self, split_generator: datasets.SplitGenerator, **preparing: Any) -> None:
        try:
            with temporary_assignment(
                self.info, "features", self.config.recipe.features[split_generator.name]
            ):
                super()._prepare_split(split_generator, **preparing)
        except (DatasetGenerationError, OSError) as exc:
            cause = exc if isinstance(exc, OSError) else exc.__cause__
            if not isinstance(cause, OSError):
                raise
            words = f"the tables cannot be written to {self._output_dir} ({cause.strerror or cause})"
            raise CodecLMError(words, hint="every answer is kept; free the disk and call again") from exc

    def _generate_tables(self, table: datasets.Dataset) -> Iterator[tuple[Key, pa.Table]]:
        for batch, rows in enumerate(table.with_format("arrow").iter(_ROWS_A_BATCH)):
            yield Key(0, batch), rows

    def _save_info(self) -> None:
        super()._save_info()
        # `datasets` deletes the folder that this one replaces file by file. When it is killed meanwhile,
        # nothing of it must be left rather than a half.
        folder = self._output_dir.removesuffix(_INCOMPLETE)
        if folder == self._output_dir:  # on another machine, where `datasets` writes in place
            return
        replaced = f"{folder}.replaced"
        shutil.rmtree(replaced, ignore_errors=True)
        if os.path.isdir(folder):
            os.rename(folder, replaced)
            shutil.rmtree(replaced)

    def _as_dataset(self, split: Any, in_memory: bool = False) -> datasets.Dataset:
        name = _table_of(split.to_spec() if isinstance(split, datasets.ReadInstruction) else str(split))
        info = self.info.copy()
        info.features = self.config.recipe.features[name].copy()
        reader = ArrowReader(self._output_dir, info)
        try:
            files = reader.get_file_instructions(self.dataset_name, split, info.splits.values())
        except ValueError as exc:
            raise BadInput(f"cannot read `{split}` ({exc})") from exc
        fingerprint = self._get_dataset_fingerprint(split)
        if not files:  # which `datasets` takes for an error
            return datasets.Dataset(
                info.features.arrow_schema.empty_table(), info, split, fingerprint=fingerprint
            )
        read = reader.read_files(files, original_instructions=split, in_memory=in_memory)
        return datasets.Dataset(fingerprint=fingerprint, **read)

    def as_streaming_dataset(self, split: str | None = None, base_path: str | None = None) -> Any:
        """Refuse to stream what has to be made first.

        `as_dataset(split).to_iterable_dataset()` streams it then.

        Raises:
            BadInput: always.
        """
        raise BadInput(
            "needs a prepared data set to stream; call download_and_prepare(), then "
            f"as_dataset({split or 'default'!r}).to_iterable_dataset()"
        )


def _as_endpoint(model: Endpoint | str) -> Endpoint:
    return endpoint(model) if isinstance(model, str) else model


def _check_names(settings: Mapping[str, Any]) -> None:
    known = [field.name for field in fields(CodecLM) if field.name not in _ROLES]
    for name in settings:
        if name not in known:
            raise BadInput(f"needs settings that CodecLM has; came `{name}`" + did_you_mean(name, known))


def _table_of(spec: str) -> str:
    """Return the name of the table that a split belongs to."""
    names = {part.partition("[")[0].strip() for part in spec.split("+")}
    for name in sorted(names - set(TABLES)):
        raise BadInput(
            f"needs one of the configs {', '.join(TABLES)}; came `{name}`" + did_you_mean(name, TABLES)
        )
    if len(names) > 1:
        raise BadInput(f"needs one config at a time, for they have different columns; came `{spec}`")
    return names.pop()
