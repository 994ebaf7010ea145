"""The way to a host in memory: everything passes here, so here a host becomes unreachable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from provisioner.errors import HostUnreachable
from provisioner.hosts.memory.effects import Effects


class Line:
    """The connection to one host. While `cut` gives a reason, nothing passes."""

    def __init__(self, host: str, effects: Effects | None = None) -> None:
        self.host = host
        self.effects = effects or Effects()
        self.cut = ""

    def reach(self) -> None:
        """Raise HostUnreachable while the line is cut."""
        if self.cut:
            raise HostUnreachable(self.host, self.cut, hint=f"see why with: ssh {self.host} true")

    @contextmanager
    def effect(self, name: str) -> Iterator[int]:
        """Reach the host and record an effect around the code that has it, which is told how often that is."""
        self.reach()
        with self.effects(self.host, name) as times:
            yield times
