"""All hosts of a fleet in memory, lent as the real ones are, and the world their balancers see."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, MutableMapping
from contextlib import AbstractContextManager

from provisioner.errors import HostUnreachable
from provisioner.hosts.memory.behaviour import AppBehaviour
from provisioner.hosts.memory.clock import MemoryClock
from provisioner.hosts.memory.effects import Effect, Effects
from provisioner.hosts.memory.examiner import MemoryExaminer
from provisioner.hosts.memory.host import MemoryHost
from provisioner.hosts.memory.reader import MemoryReader
from provisioner.model.inventory import Host
from provisioner.ports import Clock


class MemoryHosts:
    """Hosts over a dictionary of hosts in memory, by name.

    `behaviours` says by image id, or by a container's name, how programs behave on every host, `own_behaviours[host]`
    on one of them; both may be changed at any time and count for containers created later.
    """

    def __init__(
        self,
        hosts: Iterable[Host] = (),
        clock: Clock | None = None,
        effects: Effects | None = None,
    ) -> None:
        self.clock = clock or MemoryClock()
        self.effects = effects or Effects()
        self.behaviours: dict[str, AppBehaviour] = {}
        self.own_behaviours: dict[str, MutableMapping[str, AppBehaviour]] = {}
        self._hosts: dict[str, MemoryHost] = {}
        for host in hosts:
            self.add(host)

    def __getitem__(self, name: str) -> MemoryHost:
        return self._hosts[name]

    def add(self, host: Host) -> MemoryHost:
        """Add an empty host."""
        own = self.own_behaviours.setdefault(host.name, {})
        behaviours: ChainMap[str, AppBehaviour] = ChainMap(own, self.behaviours)
        self._hosts[host.name] = MemoryHost(host, self.clock, behaviours=behaviours, effects=self.effects)
        return self._hosts[host.name]

    @property
    def journal(self) -> tuple[Effect, ...]:
        """Return everything that was done to any host, oldest first."""
        return self.effects.journal

    def reader(self, host: Host) -> MemoryReader:
        """Return the reader of a host. Raise HostUnreachable."""
        return self.hands(host).reader

    def releases(self, host: Host) -> MemoryReader:
        """Return the reader of a host's releases. Raise HostUnreachable."""
        return self.hands(host).reader

    def hands(self, host: Host) -> MemoryHost:
        """Return what changes a host. Raise HostUnreachable."""
        if host.name not in self._hosts:
            raise HostUnreachable(host.name, f"{host.address}: name or service not known")
        self._hosts[host.name].line.reach()
        return self._hosts[host.name]

    def examiner(self, host: Host) -> MemoryExaminer:
        """Return what looks closer at a host. Raise HostUnreachable."""
        return MemoryExaminer(self.hands(host).machine)

    def answers(self, address: str, port: int, path: str | None, at: float) -> bool:
        """Tell whether a check from another host passed at a moment: HTTP on a path, or a connection for None."""
        owners = (each for each in self._hosts.values() if address in {each.host.private_address, each.host.address})
        return any(each.machine.answers(address, port, path, at) for each in owners)

    def fails(self, address: str, port: int, at: float) -> float:
        """Return the share of real requests that whatever listens there answers with 5xx at a moment."""
        owners = (each for each in self._hosts.values() if address in {each.host.private_address, each.host.address})
        return max((each.machine.fails(address, port, at) for each in owners), default=0.0)

    def started(self, container_id: str) -> tuple[str, float] | None:
        """Return the engine's text for when a running container was started, and that moment on the clock."""
        for host in self._hosts.values():
            held = host.machine.find(container_id)
            if held is not None and held.state(self.clock.monotonic()) == "running":
                return held.started_at, held.tenures[-1].born
        return None

    def effect(self, host: str, name: str) -> AbstractContextManager[int]:
        """Record an effect that a balancer has on a host, and tell how often it has it."""
        return self._hosts[host].line.effect(name)
