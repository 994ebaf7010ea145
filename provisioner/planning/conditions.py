"""What is wrong with a host whatever its peers are like: its clock, and the room on its disks."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.model.drift import Drift
from provisioner.model.facts import ClockSight, HostFacts, Room

TOLERANCE = 1.0
"""Seconds a clock may be off beside what the way to the host leaves open."""
FULL = 90
"""Per cent of a file system from which on it is almost full."""
AMPLE = {"bytes": 20 * 2**30, "files": 1_000_000}
"""What is left of a large file system at that share, and enough all the same."""

_GIBIBYTE = 2**30


def conditions(host: HostFacts) -> Iterator[Drift]:
    """Yield a row for a clock that is off, for one that could not be read, and for each room almost used up."""
    if host.clock is None:
        yield Drift(host.host, "", "clock", "offset", _within(TOLERANCE), "its time could not be read", "unknown")
    else:
        yield from _clock(host.host, host.clock)
    for room in host.rooms:
        yield from _room(host.host, room)


def _clock(host: str, clock: ClockSight) -> Iterator[Drift]:
    if abs(clock.ahead) > clock.error + TOLERANCE:
        side = "ahead" if clock.ahead > 0 else "behind"
        told = f"{abs(clock.ahead):.1f} s {side}"
        note = f"against this machine's clock, known to {clock.error:.2f} s: half of the way there and back"
        yield Drift(host, "", "clock", "offset", _within(TOLERANCE + clock.error), told, "outlier", note=note)


def _within(seconds: float) -> str:
    return f"within {seconds:.1f} s"


def _room(host: str, room: Room) -> Iterator[Drift]:
    used = 100 * (room.size - room.free) // max(room.size, 1)
    if used >= FULL and room.free < AMPLE[room.unit]:
        told = f"{used} % used, {_left(room)} left"
        yield Drift(host, "", "disk", f"{room.path} {room.unit}", f"below {FULL} % used", told, "outlier")


def _left(room: Room) -> str:
    return f"{room.free / _GIBIBYTE:.1f} GiB" if room.unit == "bytes" else f"{room.free} files"
