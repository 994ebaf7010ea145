"""Frozen values as plain JSON data and back, led by their declared types.

A value of a union carries the name of its class under `type`. Every field is written, defaults too: what a release
says must not change with the version that reads it. Only a field that came later is left out at its default, so that
releases which do not use it keep their digests.

What a type asks for is worked out once: a release holds thousands of values of a few types.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeAlias, Union

from provisioner.model.later import is_later

_TAG = "type"

Place: TypeAlias = "tuple[Place, str] | None"
"""Where inside the data something stands: the place it is part of, and the step from there."""

_Encoder = Callable[[Any], Any]
_Decoder = Callable[[Any, Place], Any]


class Unreadable(ValueError):
    """Data that do not fit the declared type; the message names the place inside."""


def encode(value: Any, kind: Any) -> Any:
    """Return a value of a declared type as data that JSON can hold."""
    return _encoder(kind)(value)


def decode(data: Any, kind: Any) -> Any:
    """Return the value of a declared type that data stand for. Raise Unreadable."""
    return _decoder(kind)(data, None)


@cache
def _encoder(kind: Any) -> _Encoder:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if _is_union(origin):
        return _union_encoder(arguments)
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass_encoder(kind)
    if origin is tuple:
        return _tuple_encoder(arguments)
    if origin is Mapping:
        item = _encoder(arguments[1])
        return lambda value: {str(key): item(each) for key, each in value.items()}
    if kind is float:
        return float
    return lambda value: value.value if isinstance(value, Enum) else value


def _union_encoder(members: tuple[Any, ...]) -> _Encoder:
    tagged = _is_tagged(members)
    known = {member: _encoder(member) for member in _dataclasses(members)}
    other = _encoder(_first(members))

    def encoded(value: Any) -> Any:
        if value is None:
            return None
        data = known.get(type(value), other)(value)
        return {_TAG: type(value).__name__, **data} if tagged and type(value) in known else data

    return encoded


def _dataclass_encoder(kind: Any) -> _Encoder:
    hints = typing.get_type_hints(kind)
    written = [(field.name, _encoder(hints[field.name])) for field in fields(kind)]
    later = {field.name: field.default for field in fields(kind) if is_later(field)}

    def encoded(value: Any) -> Any:
        table = {name: encoder(getattr(value, name)) for name, encoder in written}
        for name, default in later.items():
            if getattr(value, name) == default:
                del table[name]
        return table

    return encoded


def _tuple_encoder(arguments: tuple[Any, ...]) -> _Encoder:
    if arguments[-1] is Ellipsis:
        item = _encoder(arguments[0])
        return lambda value: [item(each) for each in value]
    items = [_encoder(each) for each in arguments]
    return lambda value: [encoder(each) for encoder, each in zip(items, value, strict=True)]


@cache
def _decoder(kind: Any) -> _Decoder:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if _is_union(origin):
        return _union_decoder(arguments)
    if is_dataclass(kind):
        return _dataclass_decoder(kind)
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin is Mapping:
        return _mapping_decoder(arguments[1])
    if origin is Literal:
        return _choice_decoder({value: value for value in arguments})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice_decoder({member.value: member for member in kind})
    return _scalar_decoder(kind)


def _union_decoder(members: tuple[Any, ...]) -> _Decoder:
    optional = type(None) in members
    read = _tagged_decoder(members) if _is_tagged(members) else _decoder(_first(members))
    return lambda data, place: None if optional and data is None else read(data, place)


def _tagged_decoder(members: tuple[Any, ...]) -> _Decoder:
    known = {member.__name__: _decoder(member) for member in _dataclasses(members)}

    def decoded(data: Any, place: Place) -> Any:
        table = dict(_expect(data, dict, place))
        name = table.pop(_TAG, None)
        if not isinstance(name, str) or name not in known:
            raise Unreadable(f"unknown type '{name}' at {_text(place)}")
        return known[name](table, place)

    return decoded


def _dataclass_decoder(kind: Any) -> _Decoder:
    read = {name: (f".{name}", _decoder(hint)) for name, hint in typing.get_type_hints(kind).items()}
    required = [field.name for field in fields(kind) if not _has_default(field)]

    def decoded(data: Any, place: Place) -> Any:
        table = _expect(data, dict, place)
        unknown = sorted(table.keys() - read.keys())
        if unknown:
            raise Unreadable(f"unknown field '{unknown[0]}' at {_text(place)}: a newer version wrote it")
        missing = [name for name in required if name not in table]
        if missing:
            raise Unreadable(f"field '{missing[0]}' is missing at {_text(place)}")
        return kind(**{name: read[name][1](item, (place, read[name][0])) for name, item in table.items()})

    return decoded


def _tuple_decoder(arguments: tuple[Any, ...]) -> _Decoder:
    if arguments[-1] is Ellipsis:
        read = _decoder(arguments[0])
        return lambda data, place: tuple(
            [read(item, (place, f"[{at}]")) for at, item in enumerate(_expect(data, list, place))]
        )
    kinds = [_decoder(each) for each in arguments]

    def decoded(data: Any, place: Place) -> Any:
        items = _expect(data, list, place)
        if len(kinds) != len(items):
            raise Unreadable(f"expected {len(kinds)} items at {_text(place)}, found {len(items)}")
        return tuple(each(item, (place, f"[{at}]")) for at, (item, each) in enumerate(zip(items, kinds, strict=True)))

    return decoded


def _mapping_decoder(kind: Any) -> _Decoder:
    read = _decoder(kind)
    return lambda data, place: {key: read(item, (place, f".{key}")) for key, item in _expect(data, dict, place).items()}


def _choice_decoder(choices: Mapping[Any, Any]) -> _Decoder:
    def decoded(data: Any, place: Place) -> Any:
        if isinstance(data, list | dict) or data not in choices:
            raise Unreadable(f"unknown value '{data}' at {_text(place)}")
        return choices[data]

    return decoded


def _scalar_decoder(kind: Any) -> _Decoder:
    if kind is float:
        return lambda data, place: float(data) if type(data) is int else _expect(data, float, place)
    return lambda data, place: data if type(data) is kind else _expect(data, kind, place)


def _expect(data: Any, kind: Any, place: Place) -> Any:
    if type(data) is not kind:
        raise Unreadable(f"expected {kind.__name__} at {_text(place)}, found {type(data).__name__}")
    return data


def _text(place: Place) -> str:
    steps: list[str] = []
    while place is not None:
        place, step = place
        steps.append(step)
    return "".join(reversed(steps)).lstrip(".") or "its root"


def _is_union(origin: Any) -> bool:
    return origin is Union or origin is types.UnionType


def _is_tagged(members: tuple[Any, ...]) -> bool:
    return len(_dataclasses(members)) > 1


def _dataclasses(members: tuple[Any, ...]) -> list[Any]:
    return [member for member in members if is_dataclass(member)]


def _first(members: tuple[Any, ...]) -> Any:
    return next(member for member in members if member is not type(None))


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING
