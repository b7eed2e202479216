"""Names of models: as servers list them, as people type them, and as they may be shown to the world."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

MOST_SHOWN = 5
"""Names in a message."""
_CACHED = re.compile(r"models--([^/\\]+)(?:[/\\]snapshots[/\\]([0-9a-f]{7,40}))?(?:[/\\](.*))?$")
"""A folder or file in the Hugging Face cache."""
_PATH = re.compile(
    r"[/~\\]|\.{1,2}[/\\]|[a-z]:[/\\]|[a-z][a-z0-9+.-]*://|[^/]*\\|.*/.*\.(gguf|ggml|bin|safetensors|pth?)$",
    re.I,
)
"""How a local path begins, or a relative one of a file of weights is; no id on a Hub is like it."""
_LISTS = ("data", "models", "result", "items")
"""Where the list of models stands in a reply."""
_NAMES = ("id", "name", "model", "slug")
"""Where the name stands in an entry."""


class ListedModel(NamedTuple):
    """An entry of a list of models."""

    name: str
    root: str | None = None
    """The weights behind the name: vLLM tells them, and nothing else in these lists identifies a model."""
    like_tgi: bool = False
    """Whether the entry is as TGI writes it: the model owns itself."""

    @property
    def identity(self) -> str:
        """The name and the weights, without paths of the server's machine."""
        if self.root and self.root != self.name:
            return f"{split_name(self.name)[0]}@{public_name(self.root)}"
        return public_name(self.name)

    @property
    def earlier_identity(self) -> str:
        """What the identity was when it still held paths."""
        return f"{self.name}@{self.root}" if self.root and self.root != self.name else self.name


def listed_models(reply: Any) -> dict[str, ListedModel] | None:
    """Read a list of models by their names, in any form that servers give it; None where it is none."""
    entries = reply
    for _ in range(2):
        if isinstance(entries, Mapping):
            entries = next((entries[key] for key in _LISTS if key in entries), None)
    if not isinstance(entries, list):
        return None
    models = [model for model in map(_listed_model, entries) if model is not None]
    return {model.name: model for model in models} if models or not entries else None


def _listed_model(entry: Any) -> ListedModel | None:
    if isinstance(entry, str) and entry:
        return ListedModel(entry)
    if not isinstance(entry, Mapping):
        return None
    name = next((entry[key] for key in _NAMES if isinstance(entry.get(key), str) and entry[key]), None)
    if name is None:
        return None
    root = entry.get("root")
    return ListedModel(
        name=name,
        root=root if isinstance(root, str) else None,
        like_tgi=entry.get("owned_by") == name and not entry.get("created"),
    )


def find_model(wanted: str, models: Mapping[str, ListedModel]) -> ListedModel | None:
    """Return the listed model that a user means: by its name, or by what is shown of one that is a path."""
    if wanted in models:
        return models[wanted]
    shown = [
        model for model in models.values() if wanted in (public_name(model.name), split_name(model.name)[0])
    ]
    return shown[0] if len(shown) == 1 else None


def is_known(wanted: str, names: Iterable[str]) -> bool:
    """Return whether a list has the name, or one that stands for the same: without a provider, say."""
    short = _essence(wanted)
    without_provider = short.rpartition(":")[0]
    return any(_essence(name) in (short, without_provider) for name in names)


def _essence(name: str) -> str:
    """Return a name without what servers add: `models/` before it, `:latest` behind it."""
    return name.lower().removeprefix("models/").removesuffix(":latest")


def nearest(wanted: str | None, names: Iterable[str]) -> str:
    """Return the names most like what was wanted, or the first ones, as a message shows them."""
    every = list(names)
    if wanted is None or len(every) <= MOST_SHOWN:
        shown = every[:MOST_SHOWN]
    else:
        by_lower = {name.lower(): name for name in every}
        close = difflib.get_close_matches(wanted.lower(), list(by_lower), n=MOST_SHOWN, cutoff=0.0)
        shown = [by_lower[name] for name in close]
    more = len(every) - len(shown)
    return (", ".join(shown) or "none") + (f" and {more} more" if more > 0 else "")


def is_path(name: str) -> bool:
    """Return whether a name is a local path or an address, and no id on a hub."""
    return _PATH.match(name) is not None


def split_name(name: str) -> tuple[str, str | None]:
    """Return what may be shown of a name, and what tells it apart where it is a local path.

    A path is shown as its last part, with a hash of the whole: always, so that an identity does not change
    with the other models of a run. A path in the Hugging Face cache is the model's id with its commit.
    """
    if not is_path(name):
        return name, None
    path = re.sub(r"^file://", "", name, flags=re.I).rstrip("/\\")
    digest = hashlib.sha256(path.encode("utf-8", "replace")).hexdigest()[:8]
    cached = _CACHED.search(path)
    if cached:
        repository = cached[1].replace("--", "/", 1)
        return f"{repository}/{_last(cached[3])}" if cached[3] else repository, cached[2] or f"path:{digest}"
    return _last(path) or "model", f"path:{digest}"


def _last(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def public_name(name: str) -> str:
    """Return a name as it may be shown: without the folders of a local path."""
    label, apart = split_name(name)
    return f"{label}@{apart}" if apart else label
