"""What a terminal can show, as values that the command hands in."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_WIDTH = 80
UNBROKEN = 4000
"""The columns of messages that no terminal shows: an editor looks for file:line:column in one piece."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Columns and colour per stream, whether something may move, and how much is said (-1 quiet, 0, 1 verbose).

    Without `width_err` messages are as wide as data.
    """

    width: int = DEFAULT_WIDTH
    width_err: int | None = None
    colour_out: bool = False
    colour_err: bool = False
    interactive: bool = False
    verbosity: int = 0
