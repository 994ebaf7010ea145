"""Variables of the environment in values of the spec: `${VAR}` and its kin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from provisioner.spec.scalars import plain_value
from provisioner.spec.source import Place
from provisioner.spec.tree import Entry, Items, Scalar, Table, Tree

_SIGN = re.compile(r"\$(?:(?P<sign>\$)|(?P<open>\{)|(?P<bare>[A-Za-z_][A-Za-z0-9_]*))")
_BRACES = re.compile(r"\$\$|\$\{|\}")
_INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<rule>:?[-?])(?P<rest>.*))?", re.DOTALL)
_DEPTH_LIMIT = 10


class Unresolved(ValueError):
    """A reference to a variable that cannot be replaced; `suggestion` says what would do."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


def interpolate_text(text: str, environment: Mapping[str, str]) -> str:
    """Return a text with its variables replaced. Raise Unresolved.

    `${VAR}`, `${VAR:-default}` (unset or empty), `${VAR-default}` (unset), `${VAR:?message}`, `${VAR?message}`;
    a default may hold variables itself; `$$` is a dollar sign. Replaced values are not looked into again.
    """
    return _expand(text, environment, 0)


def interpolate(tree: Tree, environment: Mapping[str, str]) -> tuple[Tree, dict[Place, Unresolved]]:
    """Return a document with the variables of its values replaced, and what could not be, by place.

    Keys are left alone. What a variable gave means what it would mean if written without quotes: between braces and
    brackets YAML demands quotes around `${VAR}`, and a port is still to be a number there.
    """
    faults: dict[Place, Unresolved] = {}
    return _interpolated(tree, environment, faults), faults


def _interpolated(tree: Tree, environment: Mapping[str, str], faults: dict[Place, Unresolved]) -> Tree:
    match tree:
        case Table(place, entries):
            values = (_interpolated(entry.value, environment, faults) for entry in entries)
            return Table(place, tuple(Entry(e.key, e.place, v) for e, v in zip(entries, values, strict=True)))
        case Items(place, items):
            return Items(place, tuple(_interpolated(item, environment, faults) for item in items))
        case Scalar(text=text) if "$" in text:
            try:
                return _retyped(tree, interpolate_text(text, environment))
            except Unresolved as fault:
                faults[tree.place] = fault
                return tree
        case Scalar():
            return tree


def _retyped(scalar: Scalar, text: str) -> Scalar:
    value = plain_value(text)
    return replace(scalar, text=text, value=text if value is None else value)


def _expand(text: str, environment: Mapping[str, str], depth: int) -> str:
    if depth > _DEPTH_LIMIT:
        raise Unresolved(f"defaults are nested more than {_DEPTH_LIMIT} deep")
    parts: list[str] = []
    position = 0
    while match := _SIGN.search(text, position):
        parts.append(text[position : match.start()])
        position = match.end()
        if match["sign"]:
            parts.append("$")
        elif match["bare"]:
            name = match["bare"]
            raise Unresolved(f"'${name}' is ambiguous", f"write ${{{name}}} for the variable, $${name} for the text")
        else:
            end = _closing(text, position)
            parts.append(_value(text[position:end], environment, depth))
            position = end + 1
    return "".join(parts) + text[position:]


def _closing(text: str, start: int) -> int:
    """Return the index of the brace that closes the one before `start`."""
    depth = 1
    for match in _BRACES.finditer(text, start):
        depth += {"${": 1, "}": -1, "$$": 0}[match.group()]
        if depth == 0:
            return match.start()
    raise Unresolved("'${' is never closed", "write $$ for a dollar sign")


def _value(inside: str, environment: Mapping[str, str], depth: int) -> str:
    match = _INSIDE.fullmatch(inside)
    if not match:
        raise Unresolved(f"'${{{inside}}}' does not name a variable", "write $$ for a dollar sign")
    name, rule, rest = match["name"], match["rule"] or "", match["rest"] or ""
    value = environment.get(name)
    if value is not None and (value or not rule.startswith(":")):
        return _checked(name, value)
    if rule.endswith("-"):
        return _expand(rest, environment, depth + 1)
    if rule.endswith("?") and rest:
        raise Unresolved(f"variable '{name}' is not set: {rest}")
    raise Unresolved(f"variable '{name}' is not set", f"set it, or write ${{{name}:-default}}")


def _checked(name: str, value: str) -> str:
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value):
        raise Unresolved(f"the value of variable '{name}' is not UTF-8 text")
    return value
