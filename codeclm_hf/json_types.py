"""Frozen dataclasses for objects of JSON: read with every type checked, written in the same order.

The keys of an object are the fields of its class, in their order. Two fields are special:

* `more` holds the keys that the class does not know; they are kept, and written last. A class without this
  field drops them.
* A field with the metadata `ABSENT` is left out of the JSON where it holds its default.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Hashable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

T = TypeVar("T")
MORE = "more"
"""The field for keys that a class does not know."""
ABSENT = MappingProxyType({"absent": True})
"""The metadata of a field whose key is missing where it holds its default."""
_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def from_json(kind: type[T], value: object, at: str = "") -> T:
    """Read an object of JSON as an instance of a dataclass.

    Args:
        kind: the dataclass. Its fields may hold texts, numbers, other such classes, mappings from texts,
            tuples of one type, and None.
        value: what a JSON parser gave.
        at: where it stands in the document, for errors.

    Raises:
        ValueError: a key is missing, or holds something of another type; the words say which.
    """
    if not isinstance(value, Mapping):
        raise _unlike("an object", value, at)
    arguments: dict[str, Any] = {}
    hints = _types(typing.cast(Hashable, kind))
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name == MORE:
            arguments[MORE] = {name: item for name, item in value.items() if name not in hints}
        elif field.name in value:
            arguments[field.name] = _read(hints[field.name], value[field.name], _inside(at, field.name))
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{f'`{at}`' if at else 'it'} lacks `{field.name}`")
    return kind(**arguments)


def to_json(value: Any) -> Any:
    """Return a dataclass, or a mapping or a list of some, as a JSON parser would give it."""
    if dataclasses.is_dataclass(value):
        entries = {
            field.name: to_json(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name != MORE and is_written(field, value)
        }
        return entries | dict(getattr(value, MORE, {}))
    if isinstance(value, Mapping):
        return {name: to_json(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(inner) for inner in value]
    return value


def is_written(field: dataclasses.Field[Any], record: object) -> bool:
    """Return whether a field has a key in the JSON of a record."""
    if not field.metadata.get("absent"):
        return True
    default = field.default_factory() if callable(field.default_factory) else field.default
    return bool(getattr(record, field.name) != default)


@cache
def _types(kind: Hashable) -> dict[str, Any]:
    return {name: hint for name, hint in typing.get_type_hints(kind).items() if name != MORE}


def _read(kind: Any, value: object, at: str) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        (only,) = (choice for choice in inner if choice is not types.NoneType)
        return None if value is None else _read(only, value, at)
    if dataclasses.is_dataclass(kind):
        return from_json(typing.cast(type, kind), value, at)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise _unlike("a list", value, at)
        return tuple(_read(inner[0], item, f"{at}[{place}]") for place, item in enumerate(value))
    if origin is not None:
        if not isinstance(value, Mapping):
            raise _unlike("an object", value, at)
        return {str(name): _read(inner[1], item, _inside(at, name)) for name, item in value.items()}
    # a whole number is a number too; true and false are none, although Python counts with them
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise _unlike(_NAMES[kind], value, at)
    return value


def _inside(at: str, name: object) -> str:
    return f"{at}.{name}" if at else str(name)


def _unlike(wanted: str, value: object, at: str) -> ValueError:
    return ValueError(f"{f'`{at}`' if at else 'it'} is not {wanted} but {type(value).__name__}")
