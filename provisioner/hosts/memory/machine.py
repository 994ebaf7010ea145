"""The state of one host in memory: its containers, volumes and files, and how they stand at any moment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import RLock
from typing import Literal

from provisioner.errors import EngineRefused
from provisioner.hosts.memory.behaviour import AppBehaviour, Life, Tenure
from provisioner.hosts.memory.images import MemoryImages
from provisioner.hosts.memory.line import Line
from provisioner.model.container import ContainerRequest, Mount, PublishedPort
from provisioner.model.deviation import Deviation
from provisioner.model.image import ImageDefaults
from provisioner.model.observed import ContainerState
from provisioner.model.sockets import OpenSocket
from provisioner.ports import Clock, Completed, FileContent, Stream

Folder = dict[str, FileContent]
"""Files by their path below the folder, with a leading slash."""


@dataclass(slots=True)
class HeldContainer:
    """A container as the engine keeps it. `stage` is what was ordered; what became of it follows from the clock."""

    container_id: str
    request: ContainerRequest
    defaults: ImageDefaults
    behaviour: AppBehaviour
    restart: str
    address: str
    created: float = 0.0
    stage: Literal["created", "started", "paused", "stopped"] = "created"
    exit_code: int = 0
    started_at: str = ""
    lost_power: bool = False
    tenures: list[Tenure] = field(default_factory=list)
    files: Folder = field(default_factory=dict)
    signals: list[str] = field(default_factory=list)
    deviations: list[Deviation] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return its name."""
        return self.request.name

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """Return all that is mounted, its own volumes too, by target."""
        every = (*self.request.options.mounts, *self.request.own_mounts)
        return tuple(sorted(every, key=lambda mount: mount.target))

    def life(self, at: float) -> Life:
        """Return how its program stands, whatever was ordered."""
        return self.tenures[-1].life(at) if self.tenures else Life("exited", 0, 0.0)

    def state(self, at: float) -> ContainerState:
        """Return the state the engine would show."""
        match self.stage:
            case "created":
                return "created"
            case "started":
                return self.life(at).state
            case "paused":
                return "paused"
            case "stopped":
                return "exited"

    def occupies(self, at: float) -> bool:
        """Tell whether it holds its ports."""
        return self.state(at) in {"running", "paused", "restarting"}


@dataclass(slots=True)
class HeldVolume:
    """A named volume: labels and files."""

    name: str
    labels: Mapping[str, str]
    files: Folder = field(default_factory=dict)


class Machine:
    """One host in memory. Everything that reads or changes it does so under `lock`.

    `behaviours` says by image id, or by a container's name, how programs behave, `execute` and `converse` what runs
    inside containers;
    `strangers` are address and port of what listens there and is no container, `sockets` what nobody accounts for.
    `examined` refuses to have something
    looked at more closely (`sockets`, `answer`, …).
    """

    def __init__(self, line: Line, clock: Clock, behaviours: Mapping[str, AppBehaviour]) -> None:
        self.line = line
        self.clock = clock
        self.behaviours = behaviours
        self.lock = RLock()
        self.containers: dict[str, HeldContainer] = {}
        self.former: list[tuple[ContainerRequest, list[Tenure]]] = []
        self.volumes: dict[str, HeldVolume] = {}
        self.strangers: set[tuple[str, int]] = set()
        self.sockets: set[OpenSocket] = set()
        self.images = MemoryImages(line, self._image_in_use)
        self.execute: Callable[[str, tuple[str, ...]], Completed | None] = lambda _id, _argv: None
        self.converse: Callable[[str, tuple[str, ...]], Stream] | None = None
        self.examined: Callable[[str], EngineRefused | None] = lambda _what: None
        self._count = 0

    def number(self) -> int:
        """Return the next number of this host: ids, addresses and times are told apart by it."""
        self._count += 1
        return self._count

    def new_id(self) -> str:
        """Return a container id that no other container had."""
        return hashlib.sha256(f"{self.line.host} {self.number()}".encode()).hexdigest()

    def find(self, name_or_id: str) -> HeldContainer | None:
        """Return a container by id or name."""
        by_name = (held for held in self.containers.values() if held.name == name_or_id)
        return self.containers.get(name_or_id) or next(by_name, None)

    def need(self, name_or_id: str) -> HeldContainer:
        """Return a container by id or name; raise EngineRefused where there is none."""
        held = self.find(name_or_id)
        if held is None:
            raise EngineRefused(self.line.host, f"no such container: {name_or_id}", status=404)
        return held

    def answers(self, address: str, port: int, path: str | None, at: float) -> bool:
        """Tell whether something answered on a published port at a moment, also one long past."""
        return any(
            tenure.answers(path, at)
            for request, tenures in self._published()
            if any(published.host_port == port and published.address in {"", address} for published in request.ports)
            for tenure in tenures
        )

    def fails(self, address: str, port: int, at: float) -> float:
        """Return the share of real requests that is answered with 5xx on a published port at a moment."""
        return max(
            (
                tenure.behaviour.failing_requests
                for request, tenures in self._published()
                if any(each.host_port == port and each.address in {"", address} for each in request.ports)
                for tenure in tenures
                if tenure.listens(at)
            ),
            default=0.0,
        )

    def _published(self) -> Iterator[tuple[ContainerRequest, list[Tenure]]]:
        yield from ((held.request, held.tenures) for held in self.containers.values())
        yield from self.former

    def _image_in_use(self, image_id: str) -> bool:
        return any(held.request.image_id == image_id for held in self.containers.values())


def clash(one: PublishedPort, other: PublishedPort) -> bool:
    """Tell whether two published ports cannot be held at once."""
    same = (one.host_port, one.protocol) == (other.host_port, other.protocol)
    return same and (one.address == other.address or "" in {one.address, other.address})


def mount_of(held: HeldContainer, path: str) -> Mount | None:
    """Return the mount of a container that a path lies in."""
    within = [mount for mount in held.mounts if f"{path}/".startswith(f"{mount.target.rstrip('/')}/")]
    return max(within, key=lambda mount: len(mount.target), default=None)


def locate(machine: Machine, held: HeldContainer, path: str) -> tuple[Folder, str]:
    """Return the folder that holds a path of a container, and the path in it."""
    mount = mount_of(held, path)
    if mount is None:
        return held.files, path
    volume = machine.volumes.setdefault(mount.source, HeldVolume(mount.source, {}))
    return volume.files, path.removeprefix(mount.target.rstrip("/"))
