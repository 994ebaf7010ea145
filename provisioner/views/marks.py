"""The signs beside words: colour never speaks alone, and a stream that is not UTF-8 gets plain ones."""

from __future__ import annotations

from dataclasses import dataclass

from rich.theme import Theme

THEME = Theme(
    {
        "add": "green",
        "change": "yellow",
        "remove": "red",
        "good": "green",
        "bad": "bold red",
        "warn": "yellow",
        "faint": "dim",
        "strong": "bold",
        "command": "cyan",
    },
    inherit=False,
)


@dataclass(frozen=True, slots=True)
class Marks:
    """One sign per meaning."""

    good: str
    bad: str
    warn: str
    unknown: str
    waiting: str
    arrow: str
    more: str


UNICODE = Marks(good="✓", bad="✗", warn="!", unknown="?", waiting="·", arrow="→", more="…")
ASCII = Marks(good="+", bad="x", warn="!", unknown="?", waiting=".", arrow="->", more="...")


def marks_for(encoding: str) -> Marks:
    """Return the signs that a stream of this encoding can show."""
    return UNICODE if encoding.lower().replace("-", "").replace("_", "") in {"utf8", "utf16", "utf32"} else ASCII
