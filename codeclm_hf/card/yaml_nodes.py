"""YAML as nodes, which know their lines: what is not plain in it, its values, and the node of a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import yaml

from codeclm_hf.text import shorten

SHOWN_LENGTH = 60
"""Characters of a value that are shown."""
CONSTRUCTOR_ERRORS = (ValueError, LookupError, AttributeError, TypeError, RecursionError)
"""What PyYAML raises beside `YAMLError`, for values that do not fit their tags and for deep ones."""
_TAG = "tag:yaml.org,2002:"
_KINDS = {"bool": "true or false", "int": "a number", "float": "a number", "timestamp": "a date"}
"""What YAML may read a word as that was meant as text, by the name of its tag."""


class Fault(NamedTuple):
    """Something that is wrong with a node."""

    node: yaml.Node
    message: str
    """What is needed and what came."""


def is_a(kind: str, node: yaml.Node) -> bool:
    """Return whether a node is of a kind of YAML's: `str`, `null`, `bool`, `int` and others."""
    return node.tag == f"{_TAG}{kind}"


def read_as(node: yaml.Node) -> str | None:
    """Return what YAML reads an unquoted word as: a number, a date, true or false; None for text."""
    return _KINDS.get(node.tag.removeprefix(_TAG)) if isinstance(node, yaml.ScalarNode) else None


def describe(node: yaml.Node) -> str:
    """Return a value in words, as the end of a sentence that begins with "came"."""
    if not isinstance(node, yaml.ScalarNode):
        return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
    if is_a("null", node):
        return "nothing"
    kind, value = read_as(node), shorten(node.value, SHOWN_LENGTH)
    return f"{value}, which YAML reads as {kind}" if kind else repr(value)


def entries(node: yaml.Node) -> dict[str, yaml.Node]:
    """Return the values of a mapping by key, with those taken over with `<<`; {} for anything else."""
    merged: dict[str, yaml.Node] = {}
    own: dict[str, yaml.Node] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        if is_a("merge", key):
            merged = entries(value)
        else:
            own[key.value] = value
    return {**merged, **own}


def node_at(root: yaml.Node, path: Sequence[str | int]) -> yaml.Node:
    """Return the node of the value that keys and places in lists lead to."""
    node = root
    for step in path:
        node = entries(node)[step] if isinstance(step, str) else node.value[step]
    return node


class _Mapping(dict[str, Any]):
    """A mapping with a short repr, because jsonschema writes the repr of a value into every error.

    A few lines of YAML can stand for more values than the memory holds.
    """

    def __repr__(self) -> str:
        return "a mapping"


class _List(list[Any]):
    """A list with a short repr, for the same reason."""

    def __repr__(self) -> str:
        return "a list"


def json_value(node: yaml.Node, values: dict[int, Any] | None = None) -> Any:
    """Return the value of a node that is plain YAML as JSON has it.

    What JSON has not (a date, a number with a fraction, bytes) stays a node. An alias stands for the very
    object that it repeats, so that no more objects are made than there are nodes; it may be inside of itself.

    Args:
        node: as `yaml.compose` returns it.
        values: what was made before, by the id of their node.
    """
    values = {} if values is None else values
    if id(node) in values:
        return values[id(node)]
    if isinstance(node, yaml.MappingNode):
        mapping = values[id(node)] = _Mapping()
        mapping.update({key: json_value(value, values) for key, value in entries(node).items()})
        return mapping
    if isinstance(node, yaml.SequenceNode):
        items = values[id(node)] = _List()
        items.extend(json_value(item, values) for item in node.value)
        return items
    if is_a("str", node):
        return node.value
    if any(is_a(kind, node) for kind in ("null", "bool", "int")):
        return yaml.constructor.SafeConstructor().construct_object(node)
    return node


def plain_faults(root: yaml.Node) -> Iterator[Fault]:
    """Yield the values that are not plain YAML, the keys that are no words, and those that stand twice."""
    waiting, seen = [root], {id(root)}
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            yield from _key_faults(node)
        yield from _tag_faults(node)
        for child in _children(node):
            if id(child) not in seen:
                seen.add(id(child))
                waiting.append(child)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _tag_faults(node: yaml.Node) -> Iterator[Fault]:
    if node.tag not in yaml.SafeLoader.yaml_constructors:
        if not is_a("merge", node):
            yield Fault(node, f"needs plain YAML; came the tag {shorten(node.tag)}")
    elif isinstance(node, yaml.ScalarNode) and not is_a("str", node):
        try:
            yaml.constructor.SafeConstructor().construct_object(node)
        except (yaml.YAMLError, *CONSTRUCTOR_ERRORS):
            came = shorten(node.value)
            yield Fault(node, f"needs a value that can be read; came {came}; put it in quotes if it is text")


def _key_faults(node: yaml.MappingNode) -> Iterator[Fault]:
    first: dict[tuple[str, str], yaml.Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            yield Fault(key, f"needs a word as a key; came {describe(key)}")
        elif is_a("merge", key) and isinstance(value, yaml.SequenceNode):
            # Each such key can multiply what it takes over: ten short lines would fill the memory.
            yield Fault(key, f"needs one mapping for {key.value}; came a list")
        elif (key.tag, key.value) in first:
            yield Fault(key, _again(key, first[key.tag, key.value]))
        else:
            first[key.tag, key.value] = key


def _again(key: yaml.ScalarNode, first: yaml.Node) -> str:
    lines = key.start_mark.line - first.start_mark.line
    where = (
        f"it stands {lines} line{'s' * (lines > 1)} above too" if lines else "it stands on this line twice"
    )
    return f"needs every key once; came {shorten(key.value)!r} again: {where}"
