"""Frozen values as plain JSON data and back, led by their declared types.

A value of a union carries the name of its class under `type`. Every field is written, defaults too: what a release
says must not change with the version that reads it. Only a field that came later is left out at its default, so that
releases which do not use it keep their digests.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, Union

from provisioner.model.later import is_later

_TAG = "type"


class Unreadable(ValueError):
    """Data that do not fit the declared type; the message names the place inside."""


def encode(value: Any, kind: Any) -> Any:
    """Return a value of a declared type as data that JSON can hold."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if _is_union(origin):
        return _encode_union(value, arguments)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        written = [field for field in fields(kind) if not _is_left_out(field, value)]
        return {field.name: encode(getattr(value, field.name), hints[field.name]) for field in written}
    if origin is tuple:
        return [encode(item, each) for item, each in zip(value, _item_kinds(arguments, len(value)), strict=True)]
    if origin is Mapping:
        return {str(key): encode(item, arguments[1]) for key, item in value.items()}
    if kind is float:
        return float(value)
    return value.value if isinstance(value, Enum) else value


def decode(data: Any, kind: Any, place: str = "") -> Any:
    """Return the value of a declared type that data stand for. Raise Unreadable."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if _is_union(origin):
        return _decode_union(data, arguments, place)
    if is_dataclass(kind):
        return _decode_dataclass(data, kind, place)
    if origin is tuple:
        items = _expect(data, list, place)
        kinds = _item_kinds(arguments, len(items))
        if len(kinds) != len(items):
            raise Unreadable(f"expected {len(kinds)} items at {place}, found {len(items)}")
        return tuple(
            decode(item, each, f"{place}[{i}]") for i, (item, each) in enumerate(zip(items, kinds, strict=True))
        )
    if origin is Mapping:
        table = _expect(data, dict, place)
        return {key: decode(item, arguments[1], f"{place}.{key}") for key, item in table.items()}
    return _decode_scalar(data, kind, place)


def _encode_union(value: Any, members: tuple[Any, ...]) -> Any:
    if value is None:
        return None
    for member in members:
        if is_dataclass(member) and isinstance(member, type) and type(value) is member:
            tag = {_TAG: member.__name__} if _is_tagged(members) else {}
            return tag | encode(value, member)
    return encode(value, next(member for member in members if member is not type(None)))


def _decode_union(data: Any, members: tuple[Any, ...], place: str) -> Any:
    if data is None and type(None) in members:
        return None
    if not _is_tagged(members):
        return decode(data, next(member for member in members if member is not type(None)), place)
    name = _expect(data, dict, place).get(_TAG)
    member = next((member for member in members if getattr(member, "__name__", "") == name), None)
    if member is None:
        raise Unreadable(f"unknown type '{name}' at {place}")
    return _decode_dataclass({key: item for key, item in data.items() if key != _TAG}, member, place)


def _decode_dataclass(data: Any, kind: Any, place: str) -> Any:
    table, hints = _expect(data, dict, place), _hints(kind)
    unknown = sorted(set(table) - set(hints))
    if unknown:
        raise Unreadable(f"unknown field '{unknown[0]}' at {place or 'its root'}: a newer version wrote it")
    missing = [field.name for field in fields(kind) if field.name not in table and not _has_default(field)]
    if missing:
        raise Unreadable(f"field '{missing[0]}' is missing at {place or 'its root'}")
    return kind(**{name: decode(item, hints[name], f"{place}.{name}".lstrip(".")) for name, item in table.items()})


def _decode_scalar(data: Any, kind: Any, place: str) -> Any:
    if typing.get_origin(kind) is Literal:
        if data not in typing.get_args(kind):
            raise Unreadable(f"unknown value '{data}' at {place}")
        return data
    if isinstance(kind, type) and issubclass(kind, Enum):
        if data not in [member.value for member in kind]:
            raise Unreadable(f"unknown value '{data}' at {place}")
        return kind(data)
    if kind is float and type(data) is int:
        return float(data)
    return _expect(data, kind, place)


def _expect(data: Any, kind: Any, place: str) -> Any:
    if type(data) is not kind:
        raise Unreadable(f"expected {kind.__name__} at {place or 'its root'}, found {type(data).__name__}")
    return data


def _is_union(origin: Any) -> bool:
    return origin is Union or origin is types.UnionType


def _is_tagged(members: tuple[Any, ...]) -> bool:
    return sum(is_dataclass(member) for member in members) > 1


def _item_kinds(arguments: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    return (arguments[0],) * count if arguments[-1] is Ellipsis else arguments


def _is_left_out(field: Field[Any], value: Any) -> bool:
    return is_later(field) and getattr(value, field.name) == field.default


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
