"""Looks closer at a container in memory: what its behaviour says of it, read as the real one is."""

from __future__ import annotations

from provisioner.errors import EngineRefused
from provisioner.hosts.memory.machine import HeldContainer, Machine
from provisioner.model.evidence import Answer, ContainerPast, DiskRoom, End, ListeningSocket, Question

ROOMY = DiskRoom("/var/lib/docker", 50_000_000_000, 100_000_000_000, 1_000_000)
_PASSED, _MISSING = 200, 404


class MemoryExaminer:
    """Examines containers of one host in memory."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def past(self, container_id: str) -> ContainerPast:
        """Return how often and how a program ended; a start that was refused leaves no words here."""
        machine = self._reach("past")
        with machine.lock:
            held = machine.need(container_id)
            if held.stage == "stopped":
                return ContainerPast(ends=(End(held.exit_code),))
            life = held.life(machine.clock.monotonic())
            over = held.stage == "started" and life.state != "running"
            end = End(held.behaviour.exit_code, held.behaviour.out_of_memory)
            return ContainerPast(ends=(end,) * (life.restarts + int(over)))

    def sockets(self, container_id: str) -> tuple[ListeningSocket, ...]:
        """Return what a running program listens on: its behaviour's sockets, else every port it publishes."""
        return self._listening(self._running(container_id, "sockets"))

    def _listening(self, held: HeldContainer) -> tuple[ListeningSocket, ...]:
        if not held.tenures[-1].listens(self._machine.clock.monotonic()):
            return ()
        if held.behaviour.sockets is not None:
            return held.behaviour.sockets
        return tuple(ListeningSocket("0.0.0.0", port.container_port) for port in held.request.ports)  # noqa: S104 - read

    def ask(self, container_id: str, question: Question) -> Answer:
        """Return its behaviour's answer to a path, else whether that path passes."""
        held = self._running(container_id, "answer")
        at, path = self._machine.clock.monotonic(), question.path
        if all(each.port != question.port for each in self._listening(held)):
            return Answer(fault=f"nothing answers at {held.address}:{question.port}")
        if path is None:
            return Answer()
        passed = held.tenures[-1].answers(path, at)
        return held.behaviour.answers.get(path) or Answer(_PASSED if passed else _MISSING)

    def rooms(self) -> tuple[DiskRoom, ...]:
        """Return a disk with room."""
        self._reach("rooms")
        return (ROOMY,)

    def listeners(self) -> tuple[ListeningSocket, ...]:
        """Return the published ports of containers that run; a host in memory has no other programs."""
        machine = self._reach("listeners")
        with machine.lock:
            at = machine.clock.monotonic()
            held = [each for each in machine.containers.values() if each.occupies(at)]
            return tuple(
                ListeningSocket(port.address or "0.0.0.0", port.host_port, "docker-proxy", "root")  # noqa: S104 - read
                for each in held
                for port in each.request.ports
            )

    def _reach(self, what: str) -> Machine:
        self._machine.line.reach()
        refusal = self._machine.examined(what)
        if refusal is not None:
            raise refusal
        return self._machine

    def _running(self, container_id: str, what: str) -> HeldContainer:
        machine = self._reach(what)
        held = machine.need(container_id)
        if held.state(machine.clock.monotonic()) != "running":
            raise EngineRefused(machine.line.host, f"container {held.name} does not run", status=409)
        return held
