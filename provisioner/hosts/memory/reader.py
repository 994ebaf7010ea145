"""Reads a host in memory: what inspection, logs and files would show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from provisioner.errors import EngineRefused
from provisioner.hosts.memory.machine import HeldContainer, Machine, locate
from provisioner.model.container import FLEET_LABEL, KIND_LABEL, EngineHealthTest
from provisioner.model.file_state import FileState
from provisioner.model.image import ImageFacts
from provisioner.model.inventory import Host
from provisioner.model.observed import (
    EngineFacts,
    HealthState,
    HostRoute,
    ObservedContainer,
    ObservedHost,
    ObservedRelease,
    release_outcome,
)
from provisioner.planning.effective import effective

_IMAGE_MODE = 0o644

ENGINE = EngineFacts("20.10.24", "1.41", "classic", "linux/amd64", "streamlocal")


class MemoryReader:
    """Reads one host in memory: HostReader and ReleaseReader. It has no method that changes anything."""

    def __init__(self, machine: Machine, host: Host, engine: EngineFacts = ENGINE) -> None:
        self._machine = machine
        self._host = host
        self.engine = engine

    def observe(self, fleet: str) -> ObservedHost:
        """Return the host as it is now, its balancer's inside excepted."""
        machine, host = self._machine, self._host
        machine.line.reach()
        with machine.lock:
            volumes = (volume for volume in machine.volumes.values() if volume.labels.get(FLEET_LABEL) == fleet)
            return ObservedHost(
                name=host.name,
                engine=self.engine,
                route=HostRoute(host.name, host.address, host.port or 22, host.user or "root"),
                addresses=tuple(dict.fromkeys(("127.0.0.1", host.private_address or host.address))),
                listeners=tuple(sorted(_listeners(machine), key=lambda each: (each[1], each[0]))),
                containers=tuple(_deviating(machine, held, fleet) for held in machine.containers.values()),
                images=machine.images.all(),
                volumes=tuple(sorted(volume.name for volume in volumes)),
                releases=releases(machine.images.all(), fleet),
                sockets=tuple(sorted(machine.sockets)),
            )

    def container(self, name_or_id: str) -> ObservedContainer | None:
        """Return one container as it is now, None where there is none of that name or id."""
        self._machine.line.reach()
        with self._machine.lock:
            held = self._machine.find(name_or_id)
            return None if held is None else seen(self._machine, held)

    def logs(self, container_id: str, lines: int) -> tuple[str, ...]:
        """Return the last lines a container wrote, oldest first."""
        self._machine.line.reach()
        with self._machine.lock:
            held = self._machine.need(container_id)
            runs = held.life(self._machine.clock.monotonic()).restarts + 1 if held.tenures else 0
            written = held.behaviour.log * runs
            return written[-lines:] if lines > 0 else ()

    def file(self, container_id: str, path: str) -> bytes | None:
        """Return a file of a container, running or not; None where there is none."""
        self._machine.line.reach()
        with self._machine.lock:
            return content(self._machine, self._machine.need(container_id), path)

    def state(self, container_id: str, path: str) -> FileState | None:
        """Return a file of a container with mode and owner; None where there is none. Nothing in memory is a link."""
        self._machine.line.reach()
        with self._machine.lock:
            return _state(self._machine, self._machine.need(container_id), path)

    def page(self, container_id: str, port: int, path: str) -> bytes:
        """Return the body of a page that a running container serves on one of its own ports."""
        self._machine.line.reach()
        with self._machine.lock:
            held = self._machine.need(container_id)
            at = self._machine.clock.monotonic()
            if held.stage != "started" or not held.tenures[-1].listens(at):
                raise EngineRefused(self._host.name, f"nothing answers on port {port} of {held.name}")
            return held.behaviour.pages.get(path, b"")

    def image_bytes(self) -> int:
        """Return the bytes that the layers of all images take, each layer once."""
        self._machine.line.reach()
        return self._machine.images.shelf.layer_bytes()

    def release(self, reference: str) -> Mapping[str, bytes]:
        """Return the files of a release image by path, byte for byte."""
        self._machine.line.reach()
        files = self._machine.images.files(reference)
        if not files:
            raise EngineRefused(self._host.name, f"no such image: {reference}", status=404)
        return {path.lstrip("/"): data for path, data in files.items()}


def releases(images: tuple[ImageFacts, ...], fleet: str) -> tuple[ObservedRelease, ...]:
    """Return the releases of a fleet among images, as their labels claim, oldest first."""
    found = (
        ObservedRelease(
            image_id=image.image_id,
            reference=image.tags[0] if image.tags else image.image_id,
            number=int(image.labels.get("provisioner.number", "0")),
            digest=image.labels.get("provisioner.digest", ""),
            created=image.labels.get("provisioner.created", ""),
            author=image.labels.get("provisioner.author", ""),
            commit=image.labels.get("provisioner.commit", ""),
            outcome=release_outcome(image.labels),
        )
        for image in images
        if image.labels.get(KIND_LABEL) == "release" and image.labels.get(FLEET_LABEL) == fleet
    )
    return tuple(sorted(found, key=lambda release: release.number))


def _listeners(machine: Machine) -> Iterator[tuple[str, int]]:
    yield from machine.strangers
    for held in machine.containers.values():
        if held.occupies(machine.clock.monotonic()):
            yield from ((port.address, port.host_port) for port in held.request.ports)


def seen(machine: Machine, held: HeldContainer) -> ObservedContainer:
    """Return a container as inspection shows it at this moment."""
    at = machine.clock.monotonic()
    state, life = held.state(at), held.life(at)
    ended_itself = held.stage == "started" and state != "running"
    return ObservedContainer(
        container_id=held.container_id,
        name=held.name,
        image_id=held.request.image_id,
        options=replace(effective(held.request.options, held.defaults), restart=held.restart, mounts=held.mounts),
        state=state,
        image_defaults=held.defaults,
        labels=dict(held.request.labels),
        hostname=held.request.hostname,
        ports=held.request.ports,
        addresses=(held.address,) if state == "running" else (),
        health=_health(held, at),
        exit_code=held.behaviour.exit_code if ended_itself else held.exit_code,
        out_of_memory=ended_itself and held.behaviour.out_of_memory,
        restarts=life.restarts,
        started_at=held.started_at.replace("Z", f"{life.restarts}Z") if life.restarts else held.started_at,
    )


def _deviating(machine: Machine, held: HeldContainer, fleet: str) -> ObservedContainer:
    """Return a container with what was done to it by hand, where it is one of the fleet that is looked at."""
    ours = held.name.startswith(f"{fleet}.") or held.request.labels.get(FLEET_LABEL) == fleet
    return replace(seen(machine, held), deviations=tuple(sorted(held.deviations)) if ours else ())


def content(machine: Machine, held: HeldContainer, path: str) -> bytes | None:
    """Return a file of a container: one that was written there, else the image's."""
    folder, inside = locate(machine, held, path)
    if inside in folder:
        return folder[inside].content
    return machine.images.files(held.request.image_id).get(path) if folder is held.files else None


def _state(machine: Machine, held: HeldContainer, path: str) -> FileState | None:
    folder, inside = locate(machine, held, path)
    if inside in folder:
        file = folder[inside]
        return FileState(file.content, file.mode, file.uid, file.gid)
    found = content(machine, held, path)
    return None if found is None else FileState(found, _IMAGE_MODE, 0, 0)


def _health(held: HeldContainer, at: float) -> HealthState:
    test = held.request.options.health or held.defaults.health
    if test is None or test.test in {(), ("NONE",)}:
        return "none"
    life = held.life(at)
    if held.stage != "started" or life.state != "running":
        return "unhealthy" if held.stage != "created" else "starting"
    return _verdict(held, test, life.age)


def _verdict(held: HeldContainer, test: EngineHealthTest, age: float) -> HealthState:
    passes = held.behaviour.passes_engine_test
    patience = test.start_period + test.interval * max(test.retries, 1)
    wait = max(held.behaviour.starts_listening_after, test.interval) if passes else patience
    if age < wait:
        return "starting"
    return "healthy" if passes else "unhealthy"
