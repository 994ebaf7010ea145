"""A YAML document as nodes that know their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from provisioner.errors import Diagnostic
from provisioner.spec.source import Place, SourceText

ScalarValue = str | int | float | bool | None
Location = tuple[str | int, ...]
"""A path of keys and list indexes from the root of a document."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value: the text as written, and what YAML takes it for. A plain one stands without quotes."""

    place: Place
    text: str
    value: ScalarValue
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    place: Place
    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping with its value; `place` is the key's."""

    key: str
    place: Place
    value: Tree


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping, in the order written; merged entries come first and keep their own places."""

    place: Place
    entries: tuple[Entry, ...]

    def entry(self, key: str) -> Entry | None:
        """Return the entry of a key, None where there is none."""
        return next((entry for entry in self.entries if entry.key == key), None)

    def value(self, key: str) -> Tree | None:
        """Return the value of a key, None where there is none."""
        entry = self.entry(key)
        return entry.value if entry else None


Tree = Scalar | Items | Table


def as_data(tree: Tree) -> Any:
    """Return mappings and lists as Python has them, with Scalars as leaves."""
    match tree:
        case Table():
            return {entry.key: as_data(entry.value) for entry in tree.entries}
        case Items():
            return [as_data(item) for item in tree.items]
        case Scalar():
            return tree


def as_values(tree: Tree) -> Any:
    """Return mappings, lists and typed values as Python has them."""
    match tree:
        case Table():
            return {entry.key: as_values(entry.value) for entry in tree.entries}
        case Items():
            return [as_values(item) for item in tree.items]
        case Scalar():
            return tree.value


def describe(value: object) -> str:
    """Return what a person would say stands there."""
    match value:
        case Table() | dict():
            return "a mapping"
        case Items() | list():
            return "a list"
        case Scalar(value=None) | None:
            return "nothing"
        case Scalar(plain=False, text=text):
            return f'"{_shortened(text)}"'
        case Scalar(text=text):
            return f"'{_shortened(text)}'"
        case _:
            return f"'{_shortened(str(value))}'"


def _shortened(text: str, limit: int = 60) -> str:
    printable = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return printable if len(printable) <= limit else printable[: limit - 1] + "…"


@dataclass(frozen=True, slots=True)
class Positions:
    """Where each key and value of a document stands, so that a later fault can be placed too."""

    source: SourceText
    root: Tree

    def find(self, location: Location) -> Tree | None:
        """Return the value at a location, None where nothing is written there."""
        _, tree, depth = self._walk(location)
        return tree if depth == len(location) else None

    def key(self, location: Location) -> Place:
        """Return the place of the key at a location, else that of the nearest key above."""
        return self._walk(location)[0]

    def value(self, location: Location) -> Place:
        """Return the place of the value at a location, else that of the nearest value above."""
        return self._walk(location)[1].place

    def at_key(self, location: Location, message: str, suggestion: str = "") -> Diagnostic:
        """Return a fault placed at a key."""
        return self.source.diagnostic(self.key(location), message, suggestion)

    def at_value(self, location: Location, message: str, suggestion: str = "") -> Diagnostic:
        """Return a fault placed at a value."""
        return self.source.diagnostic(self.value(location), message, suggestion)

    def _walk(self, location: Location) -> tuple[Place, Tree, int]:
        place, tree = self.root.place, self.root
        for depth, part in enumerate(location):
            step = _step(tree, part)
            if step is None:
                return place, tree, depth
            place, tree = step
        return place, tree, len(location)


def _step(tree: Tree, part: str | int) -> tuple[Place, Tree] | None:
    match tree, part:
        case Table(), str():
            entry = tree.entry(part)
            return (entry.place, entry.value) if entry else None
        case Items(), int() if 0 <= part < len(tree.items):
            return tree.items[part].place, tree.items[part]
        case Items(), str():  # `KEY=VALUE` lines stand for a mapping
            return next(((item.place, item) for item in tree.items if _is_pair(item, part)), None)
        case _:
            return None


def _is_pair(item: Tree, key: str) -> bool:
    return isinstance(item, Scalar) and item.text.partition("=")[0] == key
