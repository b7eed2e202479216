"""The dataset card: front matter in YAML, generated blocks from the template in `codeclm_hf.cards`.

What stands outside the generated blocks, and front matter that is not ours, belongs to people: it stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jinja2
import yaml

from codeclm_hf import schema
from codeclm_hf.errors import BadInput
from codeclm_hf.hub import words as shown

_jinja = jinja2.Environment(
    loader=jinja2.PackageLoader("codeclm_hf.cards", ""),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)
TITLE = "# A data set tailored with CodecLM"
_LISTS: dict[str, list[str]] = {
    "annotations_creators": ["machine-generated"],
    "language_creators": ["machine-generated"],
    "task_categories": ["text-generation"],
    "tags": ["synthetic", "codeclm", "codeclm-hf"],
}
"""Front matter that people may add to."""
_OURS = ("size_categories", "configs", "dataset_info")
_SLIPS = (ValueError, LookupError, AttributeError, TypeError, RecursionError)
"""What PyYAML lets through of values that are not what their tags say, and of depth."""
_SIZES = (("n<1K", 1_000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000), ("100K<n<1M", 1_000_000))
_FRONT = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.S | re.M)
_BEGIN = "<!-- codeclm-hf:begin "
_BLOCK = re.compile(rf"{_BEGIN}(\w+) -->(?:(?!{_BEGIN}).)*?<!-- codeclm-hf:end \1 -->", re.S)


def render(
    manifest: Mapping[str, Any],
    patterns: dict[str, str],
    onto: str = "",
    *,
    name: str = "PATH_OR_REPO",
    front: Mapping[str, Any] | None = None,
) -> str:
    """The card of a run directory or of a version.

    Args:
        manifest: the manifest.
        patterns: the pattern of each table's files; a table without rows has none, since `load_dataset` cannot load
            it, and is no config.
        name: what `load_dataset` is to be called with.
        onto: the card as it was; what people wrote there stays.
        front: front matter that was asked for.

    Raises:
        BadInput: the front matter of `onto` cannot be read.
    """
    made = [{"models": manifest["models"]}, *manifest.get("contributions", [])]
    models = dict.fromkeys((role, str(model)) for each in made for role, model in each.get("models", {}).items())
    roles = list(dict.fromkeys(role for role, _ in models))
    fresh = _jinja.get_template("dataset_card.md.jinja").render(
        title=TITLE,
        manifest={"version": None, **manifest},
        counts=manifest["counts"],
        config=manifest["config"],
        rows=manifest["counts"]["rows"],
        models=[(escape(role), model) for role, model in sorted(models, key=lambda one: (roles.index(one[0]), one[1]))],
        incomplete=manifest.get("incomplete", False),
        found=manifest.get("distributions"),
        named=named,
        name=name,
        escape=escape,
    )
    old, body = parted(onto)
    about = {**old, **_front(old, manifest, patterns), **(front or {})}
    text = yaml.safe_dump(
        {key: value for key, value in about.items() if value is not None}, sort_keys=False, allow_unicode=True
    )
    return f"---\n{text}---\n{_put(fresh, body) if onto else chr(10) + fresh}"


def _front(old: dict[str, Any], manifest: Mapping[str, Any], patterns: dict[str, str]) -> dict[str, Any]:
    """What the front matter says of our own; lists that people may add to keep what they added."""
    configs = [
        {
            "config_name": name,
            "data_files": [{"split": "train", "path": pattern}],
            **({"default": True} if name == "default" else {}),
        }
        for name, pattern in patterns.items()
    ]
    rows = manifest["counts"]["rows"]["default"]
    theirs = _added(old)
    foreign = theirs.pop("configs")
    if "default" in patterns:  # two defaults would make load_dataset refuse them all
        foreign = [{name: value for name, value in config.items() if name != "default"} for config in foreign]
    return {
        **{name: [*values, *theirs[name]] for name, values in _LISTS.items()},
        "size_categories": [next((name for name, below in _SIZES if rows < below), "n>1M")],
        "configs": [*configs, *foreign],
        "dataset_info": None,  # sizes and features of another version would make load_dataset refuse this one
    }


def _added(front: dict[str, Any]) -> dict[str, list[Any]]:
    """What people added to the lists that are ours, and their own configs."""
    foreign = [config for config in _list(front, "configs") if isinstance(config, dict)]
    return {
        **{name: [value for value in _list(front, name) if value not in ours] for name, ours in _LISTS.items()},
        "configs": [config for config in foreign if config.get("config_name") not in list(schema.TABLES)],
    }


def _list(front: dict[str, Any], name: str) -> list[Any]:
    value = front.get(name)
    return value if isinstance(value, list) else [] if value is None else [value]


def _put(fresh: str, body: str) -> str:
    """The generated blocks in the places they have in `body`; new ones after the one that comes before them."""
    blocks = {match[1]: match[0] for match in _BLOCK.finditer(fresh)}
    known = {match[1] for match in _BLOCK.finditer(body)}
    body = _BLOCK.sub(lambda match: blocks.get(match[1], ""), body)
    before = None
    for name, block in blocks.items():
        if name not in known:
            end = body.index(blocks[before]) + len(blocks[before]) if before else len(body.rstrip())
            body = f"{body[:end]}\n\n{block}\n{body[end:]}"
        before = name
    return body


def parted(card: str) -> tuple[dict[str, Any], str]:
    """A card's front matter and its body.

    Raises:
        BadInput: the front matter is no YAML mapping.
    """
    match = _FRONT.match(card)
    if match is None:
        return {}, card.removeprefix("\ufeff")
    try:
        front = yaml.safe_load(match[1]) or {}
        if not isinstance(front, dict):
            raise ValueError(f"it is a {type(front).__name__}")
    except (yaml.YAMLError, *_SLIPS) as exc:
        words = " ".join(str(exc).split())
        raise BadInput(f"needs a card with YAML front matter; the one that is there cannot be read ({words})") from exc
    return {str(name): value for name, value in front.items()}, card[match.end() :]


def words(card: str) -> str:
    """What people wrote in a card: the same text for every card they did not touch."""
    front, body = parted(card)
    theirs = {name: value for name, value in front.items() if name not in (*_LISTS, *_OURS)}
    added = _added(front)
    for config in added["configs"]:
        config.pop("default", None)
    parts = [part.strip() for part in _BLOCK.split(body)]
    placed = [[before, text] for before, text in zip(["", *parts[1::2]], parts[::2], strict=True) if text]
    return str(yaml.safe_dump([theirs, {name: values for name, values in added.items() if values}, placed]))


def escape(text: object) -> str:
    """Text of a model or a server as one harmless Markdown line."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]()<>#+!|&~-])", r"\\\1", line)


def named(text: str) -> str:
    """A name or a reason as one short, harmless line of what can be seen."""
    return escape(shown.name(text))


PLAIN = words(TITLE)
"""What people wrote in a card that they did not touch."""
