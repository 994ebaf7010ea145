"""What a terminal can show, as values that the command hands in."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Settings:
    """Columns, colour per stream, whether something may move, and how much is said (-1 quiet, 0, 1 verbose)."""

    width: int = DEFAULT_WIDTH
    colour_out: bool = False
    colour_err: bool = False
    interactive: bool = False
    verbosity: int = 0
