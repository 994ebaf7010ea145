"""How what a file is differs from what it should be, as people read it."""

from __future__ import annotations

from provisioner.planning import alike

_MOST_LINES = 200


def unified(path: str, wanted: str, seen: str) -> str:
    """Return a unified diff of a file, without its last lines where it is long."""
    names = (f"{path} (should be)", f"{path} (is)")
    lines = alike.unified(wanted.splitlines(), seen.splitlines(), names).splitlines()
    more = len(lines) - _MOST_LINES
    return "\n".join((*lines[:_MOST_LINES], *([f"… {more} more lines"] if more > 0 else ())))
