"""What each key of a dataset card's front matter may hold, checked on YAML nodes, which know where they stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

import yaml

from codeclm_hf.card import card_rules as rules
from codeclm_hf.text import did_you_mean, shorten

FEW = 13
"""The most values that are listed where one of them is needed."""
SHOWN = 60
"""Characters of a value that are shown."""
_TAG = "tag:yaml.org,2002:"
_KINDS = {"bool": "true or false", "int": "a number", "float": "a number", "timestamp": "a date"}
_NAME = r"[\w.-]+(/[\w.-]+)?"
_SPLIT = re.compile(r"\w+(\.\w+)*")
_SOURCE = re.compile(rf"original|extended(\|{_NAME})?|{_NAME}")
_LINK = re.compile(r"LICENSE(\.md)?|https?://\S+")

Found = Iterator[tuple[yaml.Node, str]]
"""Where a problem is, and its words."""
Rule = Callable[[str, yaml.Node], Found]
"""Finds what is wrong with the value of the key of this name."""


def entries(node: yaml.Node) -> dict[str, yaml.Node]:
    """A mapping's values by key, with those that it merges; none where it is no mapping."""
    merged: dict[str, yaml.Node] = {}
    own: dict[str, yaml.Node] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        if key.tag == f"{_TAG}merge":
            merged = entries(value)
        else:
            own[key.value] = value
    return {**merged, **own}


def items(node: yaml.Node | None) -> list[yaml.Node]:
    """The items of a list; a single value is a list of one."""
    return [] if node is None else node.value if isinstance(node, yaml.SequenceNode) else [node]


def is_a(kind: str, node: yaml.Node | None) -> bool:
    """Whether it is a `str`, `null`, `bool`, `int`, …, as YAML names them."""
    return node is not None and node.tag == f"{_TAG}{kind}"


def told(node: yaml.Node) -> str:
    """A value as the reader of a problem should see it."""
    if not isinstance(node, yaml.ScalarNode):
        return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
    if is_a("null", node):
        return "nothing"
    kind, value = _KINDS.get(node.tag.removeprefix(_TAG)), shorten(node.value, SHOWN)
    return f"{value}, which YAML reads as {kind}" if kind else repr(value)


def _text(name: str, node: yaml.Node) -> Found:
    if not is_a("str", node):
        quotes = "; put it in quotes" if node.tag.removeprefix(_TAG) in _KINDS else ""
        yield node, f"needs text for {name}; came {told(node)}{quotes}"
    elif not node.value.strip():
        yield node, f"needs text for {name}; came {told(node)}"


def _texts(name: str, node: yaml.Node) -> Found:
    """Text, or a list of texts."""
    for item in items(node):
        yield from _text(name, item)


def _words(node: yaml.Node) -> list[yaml.Node]:
    """Those of the items that are text."""
    return [item for item in items(node) if is_a("str", item) and item.value.strip()]


def _one_of(known: Collection[str]) -> Rule:
    def rule(name: str, node: yaml.Node) -> Found:
        yield from _texts(name, node)
        for item in _words(node):
            if item.value not in known:
                yield (
                    item,
                    f"needs a value of {name} that the Hub knows; came {told(item)}{_near(item.value, known)}",
                )

    return rule


def _near(value: str, known: Collection[str]) -> str:
    listed = f"; it knows {', '.join(known)}" if len(known) <= FEW else ""
    return did_you_mean(value.lower()[:SHOWN], sorted(known)) or listed


def _shaped(pattern: re.Pattern[str], needed: str) -> Rule:
    def rule(name: str, node: yaml.Node) -> Found:
        yield from _texts(name, node)
        for item in _words(node):
            if not pattern.fullmatch(item.value):
                yield item, f"needs {needed}; came {told(item)}"

    return rule


def is_language(code: str) -> bool:
    """Whether the Hub takes it as a language."""
    return code in rules.LANGUAGES or code in rules.TWO_LETTERS or bool(re.fullmatch("[a-z]{3}", code))


def _language(name: str, node: yaml.Node) -> Found:
    yield from _texts(name, node)
    for item in _words(node):
        if not is_language(item.value):
            yield item, f"needs a code of ISO 639, two or three small letters, for {name}; came {told(item)}"


def _yes_or_no(name: str, node: yaml.Node) -> Found:
    if not is_a("bool", node):
        yield node, f"needs true or false for {name}; came {told(node)}"


def _count(name: str, node: yaml.Node) -> Found:
    if not is_a("int", node) or node.value.startswith("-"):
        yield node, f"needs a number of 0 or more for {name}; came {told(node)}"


def _list(name: str, node: yaml.Node, rule: Rule) -> Found:
    """A list, each of whose items is a mapping that the rule takes."""
    if not isinstance(node, yaml.SequenceNode):
        yield node, f"needs a list for {name}; came {told(node)}"
        return
    for item in node.value:
        if isinstance(item, yaml.MappingNode):
            yield from rule(name, item)
        else:
            yield item, f"needs a mapping for each of {name}; came {told(item)}"


def _name(key: str, node: yaml.Node, known: set[str]) -> Found:
    """The name that a mapping must have, and no other one beside it."""
    own = entries(node).get(key)
    if own is None:
        yield node, f"needs {key}; came none"
        return
    problems = list(_text(key, own))
    yield from problems
    if not problems and own.value in known:
        yield own, f"needs another {key}; came {told(own)} again"
    known.add(str(own.value))


def _configs(name: str, node: yaml.Node) -> Found:
    names: set[str] = set()
    defaults: list[str] = []

    def config(name: str, node: yaml.Node) -> Found:
        yield from _name("config_name", node, names)
        inner = entries(node)
        for key, rule in {"data_files": _data_files, "data_dir": _text, "default": _yes_or_no}.items():
            if key in inner:
                yield from rule(key, inner[key])
        own, mark = inner.get("config_name"), inner.get("default")
        title = own.value if own is not None and is_a("str", own) else ""
        # `datasets` takes the config that is called default for one of them
        marked = mark is not None and is_a("bool", mark) and mark.value.lower() in ("true", "yes", "on")
        if marked or title == "default":
            if defaults:
                yield mark if marked and mark else node, f"needs one default; {defaults[0]!r} is one already"
            defaults.append(title)

    yield from _list(name, node, config)


def _data_files(name: str, node: yaml.Node) -> Found:
    """A pattern, a list of patterns, or a list of splits with theirs."""
    splits: set[str] = set()

    def entry(name: str, node: yaml.Node) -> Found:
        inner = entries(node)
        if set(inner) != {"split", "path"}:
            came = shorten(", ".join(inner), SHOWN) or "neither"
            yield node, f"needs split and path, and nothing else, in {name}; came {came}"
        if "split" in inner:
            yield from _name("split", node, splits)
            if is_a("str", inner["split"]) and not _SPLIT.fullmatch(inner["split"].value):
                yield (
                    inner["split"],
                    f"needs a split of letters, digits, _ and dots; came {told(inner['split'])}",
                )
        if "path" in inner:
            yield from _texts("path", inner["path"])

    if isinstance(node, yaml.SequenceNode) and any(isinstance(item, yaml.MappingNode) for item in node.value):
        yield from _list(name, node, entry)
    elif isinstance(node, yaml.MappingNode):
        yield node, f"needs a pattern or a list for {name}; came a mapping"
    else:
        yield from _texts(name, node)


def _dataset_info(name: str, node: yaml.Node) -> Found:
    several = isinstance(node, yaml.SequenceNode)
    names: set[str] = set()

    def info(name: str, node: yaml.Node) -> Found:
        inner = entries(node)
        if several or "config_name" in inner:
            yield from _name("config_name", node, names)
        for key, rule in {"features": _feature, "splits": _split}.items():
            if key in inner:
                yield from _list(key, inner[key], rule)
        for key in ("download_size", "dataset_size"):
            if key in inner:
                yield from _count(key, inner[key])

    if several:
        yield from _list(name, node, info)
    elif isinstance(node, yaml.MappingNode):
        yield from info(name, node)
    else:
        yield node, f"needs a mapping, or a list of mappings, for {name}; came {told(node)}"


def _feature(name: str, node: yaml.Node) -> Found:
    yield from _name("name", node, set())
    if len(entries(node)) < 2:
        yield node, f"needs a type, such as dtype: string, for each of {name}; came none"


def _split(name: str, node: yaml.Node) -> Found:
    yield from _name("name", node, set())
    inner = entries(node)
    for key in ("num_bytes", "num_examples"):
        if key in inner:
            yield from _count(key, inner[key])


RULES: dict[str, Rule] = {
    **dict.fromkeys(("pretty_name", "paperswithcode_id", "license_name", "license_details"), _text),
    **dict.fromkeys(("tags", "task_ids", "language_details", "language_bcp47", "config_names"), _texts),
    "annotations_creators": _one_of(rules.ANNOTATIONS_CREATORS),
    "configs": _configs,
    "dataset_info": _dataset_info,
    "language": _language,
    "language_creators": _one_of(rules.LANGUAGE_CREATORS),
    "license": _one_of(rules.LICENSES),
    "license_link": _shaped(_LINK, "LICENSE, LICENSE.md or an address for license_link"),
    "multilinguality": _one_of(rules.MULTILINGUALITY),
    "size_categories": _one_of(rules.SIZE_CATEGORIES),
    "source_datasets": _shaped(
        _SOURCE, "original, extended or the name of a data set on the Hub in source_datasets"
    ),
    "task_categories": _one_of(rules.TASK_CATEGORIES),
    "viewer": _yes_or_no,
}
"""By key, what it may hold; a key that is not here may hold anything."""
