"""What the Hub and `datasets` take in a card's front matter: a JSON Schema, and what spans its values.

`front_matter.schema.json` says what each key may hold. Every description in it is what the keywords beside it
need, as the sentence of a problem has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

import yaml

from codeclm_hf.card.yaml_nodes import (
    SHOWN_LENGTH,
    Fault,
    describe,
    entries,
    is_a,
    json_value,
    node_at,
    read_as,
)
from codeclm_hf.text import did_you_mean, shorten

if TYPE_CHECKING:  # importing it takes a fifth of a second
    from jsonschema import Draft202012Validator, ValidationError

FEW = 13
"""The most values that are listed where one of them is needed."""
Path = tuple[str | int, ...]
"""The keys and places in lists that lead to a value."""


@cache
def front_matter_schema() -> dict[str, Any]:
    """Return the JSON Schema of the front matter."""
    text = resources.files("codeclm_hf.card").joinpath("front_matter.schema.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@cache
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(front_matter_schema())


def is_language(code: str) -> bool:
    """Return whether the Hub takes a code as a language."""
    return _validator().evolve(schema={"$ref": "#/$defs/language"}).is_valid(code)


def rule_faults(root: yaml.Node) -> Iterator[Fault]:
    """Yield what the Hub or `datasets` would not take of a front matter that is plain YAML.

    Of the faults of one value only the first is told: what is no text is no license either.
    """
    front = json_value(root)
    places: set[Path] = set()
    for error in _validator().iter_errors(front):
        path = tuple(error.absolute_path)
        missing = _missing_key(error)
        place = (*path, missing) if missing else path
        if place not in places:
            places.add(place)
            node = node_at(root, path)
            yield Fault(node, f"needs {missing}; came none" if missing else _message(node, path, error))
    if isinstance(front, dict):
        for path, message in _faults_across_values(front):
            yield Fault(node_at(root, path), message)


def _missing_key(error: ValidationError) -> str | None:
    """Return the key that a mapping lacks, if the error is that and the schema has no words for it."""
    if error.validator != "required" or _needed(error):
        return None
    keys, instance = cast(list[str], error.validator_value), cast(dict[str, Any], error.instance)
    return next(key for key in keys if key not in instance)


def _message(node: yaml.Node, path: Path, error: ValidationError) -> str:
    """Return what the schema needs of the value at the path, and what came."""
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    if len(path) == 1 and is_a("null", node):
        return f"needs a value for {key}, or no {key} at all; came nothing"
    return f"needs {_needed(error).format(key=key)}; came {_came(node, error)}"


def _needed(error: ValidationError) -> str:
    """Return the schema's words for what is needed, with {key} in them; "" where it has none."""
    return str(cast(dict[str, Any], error.schema).get("description", ""))


def _came(node: yaml.Node, error: ValidationError) -> str:
    match error.validator:
        case "minProperties":
            return "none"
        case "required" | "maxProperties":
            return shorten(", ".join(entries(node)), SHOWN_LENGTH) or "neither"
        case "enum":
            return describe(node) + _choices(str(error.instance), cast(list[str], error.validator_value))
        case "type" if error.validator_value == "string" and read_as(node):
            return f"{describe(node)}; put it in quotes"
        case _:
            return describe(node)


def _choices(value: str, choices: list[str]) -> str:
    """Return the choice that is spelled like the value, or all of them where they are few."""
    listed = f"; it knows {', '.join(choices)}" if len(choices) <= FEW else ""
    return did_you_mean(value.lower()[:SHOWN_LENGTH], choices) or listed


def _faults_across_values(front: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield (path, message) of the faults that no schema can see, since they lie between two values."""
    yield from _repeated_names(front.get("configs"), ("configs",), "config_name")
    yield from _repeated_names(front.get("dataset_info"), ("dataset_info",), "config_name")
    for at, config in _mappings(front.get("configs")):
        yield from _repeated_names(config.get("data_files"), ("configs", at, "data_files"), "split")
    yield from _further_defaults(front.get("configs"))
    yield from _unnamed_license(front)


def _mappings(value: Any) -> list[tuple[int, dict[str, Any]]]:
    """Return the items of a list that are mappings, with their places in it; none of what is no list."""
    items = value if isinstance(value, list) else []
    return [(at, item) for at, item in enumerate(items) if isinstance(item, dict)]


def _repeated_names(value: Any, path: Path, key: str) -> Iterator[tuple[Path, str]]:
    names: set[str] = set()
    for at, item in _mappings(value):
        name = item.get(key)
        if isinstance(name, str) and name.strip():
            if name in names:
                yield (*path, at, key), f"needs another {key}; came {shorten(name, SHOWN_LENGTH)!r} again"
            names.add(name)


def _further_defaults(configs: Any) -> Iterator[tuple[Path, str]]:
    first: str | None = None
    for at, config in _mappings(configs):
        title = config.get("config_name")
        marked = config.get("default") is True
        # `datasets` takes the config that is called default for one of them
        if marked or title == "default":
            if first is not None:
                place: Path = ("configs", at, "default") if marked else ("configs", at)
                yield place, f"needs one default; {first!r} is one already"
            else:
                first = title if isinstance(title, str) else ""


def _unnamed_license(front: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    licenses = front.get("license")
    if licenses == "other":
        place: Path = ("license",)
    elif isinstance(licenses, list) and "other" in licenses:
        place = ("license", licenses.index("other"))
    else:
        return
    if "license_name" not in front:
        yield place, "needs license_name where the license is other; came none"
    if not {"license_link", "license_details"} & set(front):
        yield place, "needs license_link, or license_details, where the license is other; came neither"
