"""How values are written for people: durations, sizes, digests, lists of names."""

from __future__ import annotations

import re
from collections.abc import Sequence

_DIGEST = re.compile(r"(?:sha256:)?\b([0-9a-f]{12})[0-9a-f]{52}\b")


def short(text: str) -> str:
    """Return text with every sha256 in it cut to the twelve digits people compare."""
    return _DIGEST.sub(r"\1", text)


def duration(seconds: float) -> str:
    """Return seconds as `0.4 s`, `12 s`, `1m42s` or `1h02m`."""
    if seconds < 10:  # noqa: PLR2004 - below, tenths matter
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes_left:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{whole} s"


def size(count: int) -> str:
    """Return a number of bytes as `900 B`, `1.2 kB` or `41 MB` (powers of 1000)."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":  # noqa: PLR2004 - the next unit begins there
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"  # noqa: PLR2004
        value /= 1000
    raise AssertionError


def plural(count: int, noun: str) -> str:
    """Return `1 host`, `3 hosts`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun}es" if noun.endswith(("s", "x")) else f"{count} {noun}s"


def names(items: Sequence[str]) -> str:
    """Return names with commas, each once, in their order."""
    return ", ".join(dict.fromkeys(items))
