"""The parts that the contract is held against: the memory double always, the real one where there is a lab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from provisioner.errors import EngineRefused
from provisioner.hosts.memory import MemoryHosts
from provisioner.model.container import FLEET_LABEL, ContainerOptions, ContainerRequest, Mount, PublishedPort
from provisioner.model.image import ImageFacts
from provisioner.model.inventory import Host
from provisioner.ports import Examiner, HostHands

FLEET = "contract"
MEMORY_IMAGE = "sha256:" + "1" * 64
_numbers = count(1)


@dataclass
class Bench:
    """A host under test, an image on it that has `sleep` and `sh`, and what has to be removed afterwards."""

    hands: HostHands
    image: str
    examiner: Examiner
    made: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    number: int = field(default_factory=lambda: next(_numbers))

    def name(self, suffix: str = "") -> str:
        """Return a container name of this test alone."""
        return f"{FLEET}-test-{self.number}{suffix}"

    def request(
        self,
        name: str = "",
        *,
        ports: tuple[PublishedPort, ...] = (),
        own_mounts: tuple[Mount, ...] = (),
        **options: Any,
    ) -> ContainerRequest:
        """Ask for a container that sleeps."""
        options.setdefault("command", ("sleep", "600"))
        options.setdefault("stop_timeout", 1)
        mounts: tuple[Mount, ...] = options.get("mounts", ())
        self.volumes += [mount.source for mount in (*mounts, *own_mounts)]
        wanted, labels = ContainerOptions(**options), {FLEET_LABEL: FLEET}
        return ContainerRequest(name or self.name(), self.image, wanted, "bench", ports, labels, own_mounts=own_mounts)

    def create(self, request: ContainerRequest | None = None) -> str:
        """Create a container and note it for removal."""
        self.made.append(self.hands.containers.create(request or self.request()))
        return self.made[-1]

    def running(self, request: ContainerRequest | None = None) -> str:
        """Create and start a container."""
        container_id = self.create(request)
        self.hands.containers.start(container_id)
        return container_id

    def clear(self) -> None:
        """Remove what the test made."""
        for container_id in self.made:
            self.hands.containers.remove(container_id)
        for volume in self.volumes:
            self.hands.containers.remove_volume(volume)


def memory_bench() -> Bench:
    """Return a bench on a host in memory."""
    host = Host("web1", "192.0.2.1")
    hosts = MemoryHosts([host])
    hosts["web1"].images.add(ImageFacts(MEMORY_IMAGE, tags=("contract:1",)))
    return Bench(hosts.hands(host), MEMORY_IMAGE, hosts.examiner(host))


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.lab)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Lend a bench; the real one needs `real_hands`, `real_examiner`, and `real_image` (an id on that host)."""
    if request.param == "memory":
        made = memory_bench()
    else:
        made = Bench(*(request.getfixturevalue(f"real_{part}") for part in ("hands", "image", "examiner")))
    yield made
    made.clear()


@pytest.fixture
def refused_status() -> Callable[[Callable[[], object]], int]:
    """Lend a function that returns the status with which an engine refuses something."""

    def status(attempt: Callable[[], object]) -> int:
        with pytest.raises(EngineRefused) as refusal:
            attempt()
        return refusal.value.status

    return status
