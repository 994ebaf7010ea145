"""A text the user wrote, and the places in it."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from provisioner.errors import Diagnostic

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A character of a text: line and column, both counted from 1."""

    line: int
    column: int


WHOLE_FILE = Place(0, 0)


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file's text under the path that messages name.

    `folder` is the absolute folder it lies in, where the path is relative; empty means: as the path says.
    """

    path: str
    text: str
    folder: str = ""

    @property
    def directory(self) -> str:
        """Return the folder where relative paths of this text start."""
        return self.folder or posixpath.dirname(self.path) or "."

    def line(self, number: int) -> str:
        """Return the text of a line, empty where there is no such line."""
        lines = _LINE_BREAK.split(self.text)
        return lines[number - 1] if 1 <= number <= len(lines) else ""

    def place_of(self, index: int) -> Place:
        """Return the place of the character at an index of the text."""
        lines = _LINE_BREAK.split(self.text[:index])
        return Place(len(lines), len(lines[-1]) + 1)

    def resolve(self, path: str) -> str:
        """Return a path as seen from this text's folder; pure text work."""
        return posixpath.normpath(posixpath.join(self.directory, path))

    def diagnostic(self, place: Place, message: str, suggestion: str = "") -> Diagnostic:
        """Return a fault at a place of this text, with the line it stands on."""
        return Diagnostic(self.path, place.line, place.column, message, suggestion, self.line(place.line))


def in_order(diagnostics: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return diagnostics in file order, each once."""
    unique = dict.fromkeys(diagnostics)
    return tuple(sorted(unique, key=lambda fault: (fault.path, fault.line, fault.column, fault.message)))
