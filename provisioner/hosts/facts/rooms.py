"""Asks a host how much room is left on the file systems that a host of a fleet lives on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provisioner.model.facts import Room

PLACES = (
    "/", "/boot", "/home", "/opt", "/srv", "/usr", "/var", "/var/lib", "/var/lib/containerd", "/var/lib/docker",
    "/var/log", "/var/spool",
)  # fmt: skip
"""Named one by one: `df` without names waits for every share of a network that is gone."""

ASK = f"""\
section rooms
df -Pk {" ".join(PLACES)} 2>/dev/null
section rooms-files
df -Pi {" ".join(PLACES)} 2>/dev/null
"""

_BLOCK = 1024
_CELLS = 6


def read_rooms(reply: Mapping[str, str]) -> tuple[Room, ...]:
    """Return bytes and files of each file system, once; what counts no files tells none."""
    return (
        *(Room(path, "bytes", size * _BLOCK, free * _BLOCK) for path, size, free in _rows(reply.get("rooms", ""))),
        *(Room(path, "files", size, free) for path, size, free in _rows(reply.get("rooms-files", ""))),
    )


def _rows(told: str) -> Iterator[tuple[str, int, int]]:
    seen = set[str]()
    for line in told.splitlines()[1:]:
        cells = line.split(maxsplit=_CELLS - 1)
        if len(cells) < _CELLS or not (cells[1].isdecimal() and cells[3].isdecimal()) or cells[1] == "0":
            continue
        path = cells[5]
        if path not in seen and cells[0] not in seen:
            seen |= {path, cells[0]} if cells[0].startswith("/") else {path}
            yield path, int(cells[1]), int(cells[3])
