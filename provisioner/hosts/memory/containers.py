"""Makes and ends containers on a host in memory, with the refusals a real engine has."""

from __future__ import annotations

from provisioner.errors import EngineRefused
from provisioner.hosts.memory.behaviour import AppBehaviour, Tenure
from provisioner.hosts.memory.machine import HeldContainer, HeldVolume, Machine, clash
from provisioner.model.container import FLEET_LABEL, ContainerRequest

_REWRITTEN = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")

KILLED = 137
"""The exit status of a program that was killed."""


class MemoryContainers:
    """Makes and ends containers on one host in memory."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def create(self, request: ContainerRequest) -> str:
        """Create a container and its named volumes; of two that ask for one name, one is refused with 409."""
        machine = self._machine
        with machine.line.effect(f"create {request.name}") as times, machine.lock:
            return [self._create(request) for _ in range(times)][-1]

    def start(self, container_id: str, restart: str = "") -> None:
        """Start a container, or unpause it; one whose published port is taken stays created."""
        machine = self._machine
        held = machine.need(container_id)
        with machine.line.effect(f"start {held.name}") as times, machine.lock:
            for _ in range(times):
                self._start(held, restart)

    def stop(self, container_id: str, timeout: int) -> None:
        """Set its restart policy to `no`, send its stop signal, kill it after `timeout` seconds."""
        machine = self._machine
        held = machine.need(container_id)
        with machine.line.effect(f"stop {held.name}") as times:
            for _ in range(times):
                self._stop(held, timeout)

    def remove(self, container_id: str) -> None:
        """Remove a container, running or not; one that is gone already is removed."""
        machine = self._machine
        held = machine.find(container_id)
        with machine.line.effect(f"remove {held.name if held else container_id}") as times, machine.lock:
            for _ in range(times):
                self._remove(held)

    def remove_volume(self, name: str) -> None:
        """Remove a volume; one that is gone already is removed, one that a container mounts is not."""
        machine = self._machine
        with machine.line.effect(f"remove volume {name}"), machine.lock:
            mounts = (mount for held in machine.containers.values() for mount in held.mounts)
            if any(mount.source == name for mount in mounts):
                raise self._refuse(f"volume {name} is in use", 409)
            machine.volumes.pop(name, None)

    def _create(self, request: ContainerRequest) -> str:
        machine = self._machine
        if machine.find(request.name) is not None:
            raise self._refuse(f"the name {request.name} is in use by another container", 409)
        image = machine.images.inspect(request.image_id)
        if image is None:
            raise self._refuse(f"no such image: {request.image_id}", 404)
        _create_volumes(machine, request)
        usual = machine.behaviours.get(image.image_id, AppBehaviour())
        behaviour = machine.behaviours.get(request.name, usual)
        address = f"172.17.0.{machine.number() % 250 + 2}"
        restart, now = request.options.restart, machine.clock.monotonic()
        held = HeldContainer(machine.new_id(), request, image.defaults, behaviour, restart, address, now)
        machine.containers[held.container_id] = held
        return held.container_id

    def _start(self, held: HeldContainer, restart: str) -> None:
        machine = self._machine
        held.restart = restart or held.restart
        if held.stage == "paused":
            resume(machine, held)
        elif held.state(machine.clock.monotonic()) != "running":
            self._refuse_taken_ports(held)
            begin(machine, held)

    def _stop(self, held: HeldContainer, timeout: int) -> None:
        machine = self._machine
        with machine.lock:
            held.restart = "no"
            if held.stage not in {"started", "paused"}:
                return
            patient = held.behaviour.stops_after <= timeout
            end(machine, held, 0 if patient else KILLED)
        machine.clock.sleep(min(held.behaviour.stops_after, timeout))

    def _remove(self, held: HeldContainer | None) -> None:
        machine = self._machine
        if held is not None and machine.containers.pop(held.container_id, None) is not None:
            end(machine, held, KILLED)
            machine.former.append((held.request, held.tenures))

    def _refuse_taken_ports(self, held: HeldContainer) -> None:
        at = self._machine.clock.monotonic()
        others = [other for other in self._machine.containers.values() if other is not held and other.occupies(at)]
        for port in held.request.ports:
            if any(clash(port, taken) for other in others for taken in other.request.ports):
                raise self._refuse(f"port {port.address or '0.0.0.0'}:{port.host_port} is already allocated", 500)  # noqa: S104 - the text an engine answers

    def _refuse(self, message: str, status: int) -> EngineRefused:
        return EngineRefused(self._machine.line.host, message, status=status)


def _create_volumes(machine: Machine, request: ContainerRequest) -> None:
    labels = {key: value for key, value in request.labels.items() if key == FLEET_LABEL}
    for mount in (*request.options.mounts, *request.own_mounts):
        machine.volumes.setdefault(mount.source, HeldVolume(mount.source, labels))


def begin(machine: Machine, held: HeldContainer) -> None:
    """Start the program of a container anew."""
    at = machine.clock.monotonic()
    _close(held, at)
    held.stage, held.exit_code = "started", 0
    held.started_at = _moment(machine)
    # A start writes the engine's own files anew, and ends whatever was running beside the program.
    held.deviations = [each for each in held.deviations if each.kind != "process" and each.key not in _REWRITTEN]
    held.tenures.append(Tenure(held.behaviour, held.restart, at, at))


def resume(machine: Machine, held: HeldContainer) -> None:
    """Let the program of a paused container go on."""
    at = machine.clock.monotonic()
    held.stage = "started"
    held.tenures.append(Tenure(held.behaviour, held.restart, held.tenures[-1].born, at))


def suspend(machine: Machine, held: HeldContainer) -> None:
    """Freeze the program of a running container."""
    _close(held, machine.clock.monotonic())
    held.stage = "paused"


def change(machine: Machine, held: HeldContainer, behaviour: AppBehaviour) -> None:
    """Let the program of a running container behave otherwise from now on."""
    at = machine.clock.monotonic()
    _close(held, at)
    held.behaviour = behaviour
    held.tenures.append(Tenure(behaviour, held.restart, held.tenures[-1].born, at))


def end(machine: Machine, held: HeldContainer, exit_code: int) -> None:
    """End the program of a container; one that ended by itself keeps its own exit status."""
    at = machine.clock.monotonic()
    alive = held.stage == "paused" or held.state(at) == "running"
    _close(held, at)
    if held.stage != "created":
        held.stage = "stopped"
        held.exit_code = exit_code if alive else held.exit_code or held.behaviour.exit_code


def _close(held: HeldContainer, at: float) -> None:
    if held.tenures and held.tenures[-1].until is None:
        held.tenures[-1].until = at


def _moment(machine: Machine) -> str:
    now = machine.clock.now().removesuffix("Z")
    fraction = "" if "." in now else ".000000"
    return f"{now}{fraction}{machine.number():03d}Z"
