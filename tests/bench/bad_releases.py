"""Releases that cannot work, each in a way of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A release: its name, how the application behaves, from how many seconds on, and whether it is ready at first."""

    name: str
    mode: str
    after: float = 0.0
    becomes_ready: bool = False


CASES = (
    Case("crashes at once", "crash"),
    Case("crashes after 5 s", "crash", 5.0, becomes_ready=True),
    Case("crashes in the monitor window", "crash", 9.0, becomes_ready=True),
    Case("never healthy", "never-healthy"),
    Case("healthy half the time", "half-healthy"),
    Case("listens on the wrong port", "wrong-port"),
    Case("500 on real traffic only", "errors", 0.0, becomes_ready=True),
    Case("out of memory", "memory", 3.0, becomes_ready=True),
)
