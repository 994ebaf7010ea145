"""What the disks of a host say."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.model.diagnosis import Reason
from provisioner.model.evidence import Evidence
from provisioner.planning.diagnosis.engine import disk_full

FULL = 16_000_000
"""Bytes below which a program on that disk can hardly work."""


def room_reasons(evidence: Evidence) -> Iterator[Reason]:
    """Yield that a disk of the host is full, or takes no more files."""
    for room in evidence.rooms:
        if room.size and room.free < FULL:
            yield disk_full(evidence, f"{room.free // 1000} kB are left")
        elif room.free_files == 0:
            yield disk_full(evidence, "no more files can be made on it: its inodes are used up")
