"""One host in memory: what is lent of it, and what a test can do to it behind our back."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.hosts.memory.behaviour import AppBehaviour
from provisioner.hosts.memory.containers import KILLED, MemoryContainers, begin, change, end, suspend
from provisioner.hosts.memory.effects import Effects
from provisioner.hosts.memory.images import MemoryImages
from provisioner.hosts.memory.leases import MemoryLeases
from provisioner.hosts.memory.line import Line
from provisioner.hosts.memory.machine import Machine
from provisioner.hosts.memory.reader import MemoryReader
from provisioner.hosts.memory.shell import MemoryShell
from provisioner.model.deviation import Deviation
from provisioner.model.inventory import Host
from provisioner.ports import Clock


class MemoryHost:
    """A host with an engine; it is its own HostHands.

    The methods are what befalls a host from outside. None of them is recorded as an effect.
    """

    def __init__(
        self,
        host: Host,
        clock: Clock,
        *,
        behaviours: Mapping[str, AppBehaviour] | None = None,
        effects: Effects | None = None,
    ) -> None:
        self.host = host
        self.line = Line(host.name, effects)
        self.machine = Machine(self.line, clock, behaviours if behaviours is not None else {})
        self.reader = MemoryReader(self.machine, host)
        self.containers = MemoryContainers(self.machine)
        self.shell = MemoryShell(self.machine)
        self.leases = MemoryLeases(self.machine)
        self.engine_socket = "/var/run/docker.sock"

    @property
    def images(self) -> MemoryImages:
        """Return its images."""
        return self.machine.images

    def cut(self, reason: str = "connection timed out") -> None:
        """Make it unreachable over SSH; what runs there goes on."""
        self.line.cut = reason

    def restore(self) -> None:
        """Make it reachable again."""
        self.line.cut = ""

    def power_off(self) -> None:
        """End every program at once, and be unreachable."""
        self.cut("no route to host")
        for held in self.machine.containers.values():
            if held.occupies(self.machine.clock.monotonic()):
                held.lost_power = held.stage == "started"
                end(self.machine, held, KILLED)

    def power_on(self) -> None:
        """Come back; containers that ran start again where their restart policy says so."""
        self.restore()
        for held in self.machine.containers.values():
            if held.lost_power and held.restart in {"always", "unless-stopped"}:
                begin(self.machine, held)
            held.lost_power = False

    def restart(self, name: str) -> None:
        """Restart a container by hand."""
        held = self.machine.need(name)
        end(self.machine, held, 0)
        begin(self.machine, held)

    def pause(self, name: str) -> None:
        """Pause a running container by hand."""
        suspend(self.machine, self.machine.need(name))

    def deviate(self, name: str, deviation: Deviation) -> None:
        """Change something of a container by hand that no request of ours asks for."""
        self.machine.need(name).deviations.append(deviation)

    def behave(self, name: str, behaviour: AppBehaviour) -> None:
        """Let a running container behave otherwise from now on."""
        change(self.machine, self.machine.need(name), behaviour)
