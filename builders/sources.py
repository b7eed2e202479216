"""The files that rows are read from: found and opened here, on the Hub, or wherever fsspec reaches.

`datasets` replaces `open`, `Path` and `os.path` inside a builder's own module, so this module holds no
builder.
"""

from __future__ import annotations

import bz2
import contextlib
import glob
import gzip
import io
import lzma
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast
from urllib.parse import urlsplit

import pyarrow as pa
from datasets import DownloadConfig
from datasets.data_files import DataFilesDict, DataFilesList
from datasets.utils.file_utils import xopen
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

from codeclm_hf.errors import BadInput
from codeclm_hf.files import sha256

SEED_SUFFIXES = (".jsonl", ".json", ".csv", ".parquet", ".txt", ".ndjson", ".log")
"""The suffixes of files of seeds; .gz, .bz2, .xz or .zst may follow, and the number of a rotated log."""
CHUNK = 1 << 20
HUB_ERRORS: tuple[type[Exception], ...] = (OSError, ValueError, RuntimeError, HfHubHTTPError.__mro__[1])
"""The errors of the Hub's clients; the last is requests.HTTPError or httpx2.HTTPError, as installed."""
_COMPRESSED: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(fileobj=raw),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": lambda raw: io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")),
}
_ROTATED = re.compile(r"(?<=[^.])[.-]\d[\d-]*$", re.ASCII)  # requests.jsonl.2, access.log-20240131
_SAME = {".ndjson": ".jsonl", ".log": ".jsonl"}
# a user, a signature: what an address may hold beside the place
_SECRET = re.compile(r"(?<=://)[^/\s@]*@|\?[^\s'\"]+")
_ON_THE_HUB = re.compile(
    r"hf://datasets/([^/@*?\[]+/[^/@*?\[]+)(?:@(refs/[^/]+/[^/]+|[^/]+))?(/.*)?", re.DOTALL
)


class File(NamedTuple):
    """A file to read."""

    path: str
    """A path here, or an address that fsspec opens."""
    name: str
    """What a row's `source` calls it."""

    @contextlib.contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Give the bytes of the file, decompressed; at most a chunk of them is in memory."""
        raw = xopen(self.path, "rb") if "://" in self.path else open(self.path, "rb")
        with raw, contextlib.ExitStack() as stack:
            if unpack := _COMPRESSED.get(Path(self.name).suffix.lower()):
                yield stack.enter_context(unpack(raw))
            else:
                yield cast(
                    BinaryIO, raw if hasattr(raw, "peek") else stack.enter_context(io.BufferedReader(raw))
                )


class LocalFiles(NamedTuple):
    """The readable files of a source on this machine."""

    folder: str
    """What their names are relative to."""
    paths: list[str]
    """Sorted."""


def format_of(name: str) -> str:
    """Return the suffix that says how to read a file: ".jsonl" of `a.jsonl.2.gz` and `a.log-20240131.xz`."""
    suffix = suffix_of(name)
    return _SAME.get(suffix, suffix)


def suffix_of(name: str) -> str:
    """Return a name's suffix in lower case, without what compression and rotation add after it."""
    name = name.lower()
    for packed in _COMPRESSED:
        name = name.removesuffix(packed)
    return Path(_ROTATED.sub("", name)).suffix or Path(name).suffix


def find(source: str, suffixes: Sequence[str], *, logs: bool = False) -> LocalFiles | None:
    """Return the readable files of a source; None if there is nothing of that name.

    Hidden files of a folder are left out.

    Args:
        source: a file, a folder, or a pattern with `*`, `?` or `**`; a file called like a pattern is that
            file.
        suffixes: what can be read.
        logs: whether .log files of a folder count beside the others; they always do where it has nothing
            else.

    Raises:
        BadInput: the file has another suffix, or the folder or the pattern gives no readable file.
    """
    readable = ", ".join(suffixes)
    # "" must not pass, which Path takes for the working directory
    if not os.path.exists(source):
        return _matching(source, suffixes) if glob.has_magic(source) and "://" not in source else None
    path = Path(source)
    if path.is_dir():
        files = sorted(
            file for file in path.rglob("*") if suffix_of(file.name) in suffixes and file.is_file()
        )
        visible = [
            str(file) for file in files if not any(part[0] == "." for part in file.relative_to(path).parts)
        ]
        others = [file for file in visible if suffix_of(file) != ".log"]
        if not visible:
            raise BadInput(f"needs a folder with {readable} files; `{source}` holds none; check the path")
        return LocalFiles(str(path), visible if logs or not others else others)
    if not path.is_file() or suffix_of(path.name) not in suffixes:
        raise BadInput(
            f"needs a file that ends in one of {readable}; `{source}` is none; convert or rename it"
        )
    return LocalFiles(str(path.parent), [str(path)])


def _matching(pattern: str, suffixes: Sequence[str]) -> LocalFiles:
    files = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
    readable = [path for path in files if suffix_of(path) in suffixes]
    if not readable:
        matches = f"matches {len(files)} others" if files else "matches nothing"
        raise BadInput(
            f"needs files that end in one of {', '.join(suffixes)}; `{pattern}` {matches}; check the pattern"
        )
    fixed: list[str] = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return LocalFiles(str(Path(*fixed)), readable)


def resolve_files(data_files: Any, folder: str | None, logs: bool) -> tuple[DataFilesDict, str | None]:
    """Return the files of seeds that a caller means, and the folder that their names are relative to.

    Args:
        data_files: a file, a folder, a pattern or an address, or several, or splits of these.
        folder: the folder, where the caller knows it.
        logs: as `find` takes it.

    Raises:
        BadInput: there is no such thing.
    """
    if isinstance(data_files, dict):  # whoever made splits of files gets ours
        data_files = [file for files in data_files.values() for file in _as_list(files)]
    sources = _as_list(data_files or ())
    paths: list[str] = []
    marks: list[tuple[str, ...]] = []
    for source in map(os.fspath, sources):
        if local := find(source, SEED_SUFFIXES, logs=logs):
            paths += local.paths
            marks += [(str(os.stat(path).st_mtime_ns), str(os.stat(path).st_size)) for path in local.paths]
            if len(sources) == 1 and local.paths != [source]:
                folder = folder or local.folder
        elif "://" in source:
            remote = _remote_files(source)
            paths += remote
            marks += remote.origin_metadata
        else:
            raise BadInput(
                f"needs a file, a folder, a pattern or an address; there is no `{source}`; check the path"
            )
    return DataFilesDict(train=DataFilesList(paths, marks)), folder


def _as_list(files: Any) -> list[Any]:
    return [files] if isinstance(files, (str, os.PathLike)) else list(files)


def _remote_files(address: str) -> DataFilesList:
    pattern = pin_commit(address, SEED_SUFFIXES)
    try:
        files = DataFilesList.from_patterns([pattern], download_config=DownloadConfig())
    except HUB_ERRORS as exc:
        raise refusal(exc, name_of(pattern)) from exc
    readable = [at for at, path in enumerate(files) if suffix_of(path) in SEED_SUFFIXES]
    if not readable:
        raise BadInput(
            f"needs files that end in one of {', '.join(SEED_SUFFIXES)}; {name_of(address)} has none"
        )
    return DataFilesList([files[at] for at in readable], [files.origin_metadata[at] for at in readable])


def pin_commit(address: str, suffixes: Sequence[str]) -> str:
    """Return an address as a pattern that names its commit, so that later the same is read as now.

    Raises:
        BadInput: the data set on the Hub is not there, or not for everybody.
    """
    if not (match := _ON_THE_HUB.fullmatch(address)):
        return address
    repo, revision, path = match[1], match[2], (match[3] or "").rstrip("/")
    try:
        commit = HfApi().dataset_info(repo, revision=revision and revision.replace("%2F", "/")).sha
    except HUB_ERRORS as exc:
        raise refusal(exc, repo) from exc
    folder = not glob.has_magic(path) and suffix_of(path) not in suffixes
    return f"hf://datasets/{repo}@{commit}{path}{'/**' if folder else ''}"


def name_of(address: str) -> str:
    """Return what a `source` calls a file that is not here: `org/name@commit/path`, or host and path.

    The parts of an address that may hold a secret (user, query) are left out.
    """
    if address.startswith("hf://"):
        return address.removeprefix("hf://").removeprefix("datasets/")
    parts = urlsplit(address)
    return f"{parts.hostname or parts.scheme}{parts.path}"


def name_in(path: str, folder: str | None = None) -> str:
    """Return a file's name relative to a folder, or its bare name, as text that every table can hold."""
    name = Path(os.path.relpath(path, folder)).as_posix() if folder else Path(path).name
    return os.fsencode(name).decode("utf-8", "replace")


def digest_of(path: str) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        return sha256(Path(path))
    except OSError as exc:
        raise refusal(exc, name_in(path)) from exc


def caused_by(exc: BaseException, kind: type[BaseException]) -> bool:
    """Return whether an error, or one that it comes from, is of a kind."""
    link: BaseException | None = exc
    for _ in range(20):
        if link is None or isinstance(link, kind):
            break
        link = link.__cause__ or link.__context__
    return isinstance(link, kind)


def refusal(exc: BaseException, name: str) -> BadInput:
    """Return the error for a file or a data set that cannot be read; `name` is what to call it."""
    if caused_by(exc, GatedRepoError):
        return no_access("/".join(name.split("@")[0].split("/")[:2]))
    text = str(getattr(exc, "strerror", None) or exc).strip()
    reason = _SECRET.sub("", text.splitlines()[0].rstrip(".")) if text else type(exc).__name__
    hint = "if it is private: hf auth login" if isinstance(exc, HfHubHTTPError) else ""
    return BadInput(f"cannot read {name}: {' '.join(reason.split())}", hint=hint)


def no_access(repo: str) -> BadInput:
    """Return the error for a gated data set, with what to do about it."""
    return BadInput(
        f"needs access to the gated data set `{repo}`, which this machine's token does not have",
        hint=f"ask for it on {constants.ENDPOINT}/datasets/{repo}, then log in with: hf auth login",
    )
