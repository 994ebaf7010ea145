"""Hosts: what reads one, what changes one, and what lends them all."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from provisioner.model.balancer import FULL_SHARE, AdminState, Drained
from provisioner.model.evidence import Answer, ContainerPast, DiskRoom, ListeningSocket, Question
from provisioner.model.facts import HostFacts
from provisioner.model.file_state import FileState
from provisioner.model.inventory import Host
from provisioner.model.lease import LeaseClaim, LeaseSight
from provisioner.model.observed import ObservedBalancer, ObservedContainer, ObservedHost
from provisioner.ports.containers import Containers, ContainerShell
from provisioner.ports.images import ImageStore, Progress


class HostReader(Protocol):
    """Reads one host. It has no method that changes anything there."""

    def observe(self, fleet: str) -> ObservedHost:
        """Return the host as it is now, its balancer's inside excepted. Raise HostUnreachable or EngineUnavailable."""

    def container(self, name_or_id: str) -> ObservedContainer | None:
        """Return one container as it is now, None where there is none of that name or id."""

    def logs(self, container_id: str, lines: int) -> tuple[str, ...]:
        """Return the last lines a container wrote, oldest first."""

    def file(self, container_id: str, path: str) -> bytes | None:
        """Return a file of a container, running or not; None where there is none."""

    def state(self, container_id: str, path: str) -> FileState | None:
        """Return a file of a container with mode and owner, links not followed; None where there is none."""

    def page(self, container_id: str, port: int, path: str) -> bytes:
        """Return the body of a page that a running container serves on one of its own ports. Raise EngineRefused."""


class ReleaseReader(Protocol):
    """Reads the releases that lie on one host, and what its images take."""

    def release(self, reference: str) -> Mapping[str, bytes]:
        """Return the files of a release image by path, byte for byte. Raise EngineRefused."""

    def image_bytes(self) -> int:
        """Return the bytes that the layers of all images take on its disk, each layer once. Raise EngineRefused."""


class Balancer(Protocol):
    """A running load balancer on one host. All raise BalancerRefused."""

    def report(self) -> ObservedBalancer:
        """Return the digest of the file its running worker parsed, and every server as that worker sees it."""

    def configure(self, text: str, digest: str, drained: tuple[Drained, ...] | None = None) -> None:
        """Give it another file without losing a request: beside, check, rename, reload, proof.

        `drained` takes the place of the record of drained nodes, before the file that goes with it; None leaves it.
        """

    def set_state(self, backend: str, servers: tuple[str, ...], state: AdminState, share: int = FULL_SHARE) -> None:
        """Set the administrative state of servers, and their share of requests in per cent of a peer's."""

    def distrust(self, backend: str, servers: tuple[str, ...]) -> None:
        """Take servers for down until their next own check, whatever the last one said."""

    def cut_sessions(self, backend: str, servers: tuple[str, ...]) -> None:
        """Close every session of servers."""


class Leases(Protocol):
    """The leases on one host: containers that are made and never started. All raise HostError."""

    def look(self, fleet: str) -> LeaseSight:
        """Return the leases of a fleet, and how old the latest one's last sign of life is by that host's clock."""

    def read(self, lease_id: str, name: str) -> bytes | None:
        """Return a file of a lease, None where there is none."""

    def create(self, image_id: str, claim: LeaseClaim) -> str:
        """Take an epoch and return the lease's id. Raise EngineRefused with 409 where somebody has taken it."""

    def put(self, lease_id: str, name: str, content: bytes) -> None:
        """Write a file into a lease, which is its sign of life. Raise EngineRefused with 404 where it is gone."""

    def remove(self, lease_id: str) -> None:
        """Remove a lease; one that is gone already is removed."""


class HostHands(Protocol):
    """All that changes one host, over one connection."""

    @property
    def reader(self) -> HostReader:
        """Return what reads it."""

    @property
    def containers(self) -> Containers:
        """Return what makes and ends its containers."""

    @property
    def shell(self) -> ContainerShell:
        """Return what reaches into its containers."""

    @property
    def images(self) -> ImageStore:
        """Return its images."""

    @property
    def engine_socket(self) -> str:
        """Return the path of its engine's socket on the host."""


class Shipper(Protocol):
    """Brings images to hosts."""

    def holds(self, image_id: str) -> bool:
        """Tell whether this machine's cache has an image, whole."""

    def ship(self, image_id: str, tags: tuple[str, ...], to: HostHands, progress: Progress) -> int:
        """Make a host have an image, sending only what it lacks; return the bytes sent.

        Verified by id, layers and a container made of it.
        Raise ImageMissing where no known engine has it, ShippingFailed where it did not arrive.
        """

    def record(self, files: Mapping[str, bytes], labels: Mapping[str, str], tag: str, to: ImageStore) -> str:
        """Make an engine have an image of these files and labels and nothing else; return its id."""


class Readers(Protocol):
    """Lends readers of hosts, one connection per host, kept until closed."""

    def reader(self, host: Host) -> HostReader:
        """Return the reader of a host. Raise HostUnreachable or EngineUnavailable."""

    def releases(self, host: Host) -> ReleaseReader:
        """Return the reader of a host's releases. Raise HostUnreachable or EngineUnavailable."""


class Examiner(Protocol):
    """Looks closer at a container that fails, and at its host. It leaves nothing behind.

    All raise EngineRefused where something cannot be found out, and HostUnreachable.
    """

    def past(self, container_id: str) -> ContainerPast:
        """Return what the engine remembers of a container: its words, its health test's output, every end."""

    def sockets(self, container_id: str) -> tuple[ListeningSocket, ...]:
        """Return what is listened on inside a running container, from the host, else by running `cat` inside."""

    def ask(self, container_id: str, question: Question) -> Answer:
        """Return what a running container answers to a health question that comes from its own host."""

    def rooms(self) -> tuple[DiskRoom, ...]:
        """Return the room on the host's disks that matter to its engine."""

    def listeners(self) -> tuple[ListeningSocket, ...]:
        """Return what is listened on on the host itself, with user and program as far as they can be seen."""


class FactsReader(Protocol):
    """Reads what one machine is, with Docker or without. It has no method that changes anything there."""

    def facts(self) -> HostFacts:
        """Return what it is now. Raise HostUnreachable."""

    def texts(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        """Return those of these files that are text, small and hold no private key, by path. Raise HostUnreachable."""


class Machines(Protocol):
    """Lends what reads machines themselves, over the connection their other readers use."""

    def machine(self, host: Host) -> FactsReader:
        """Return the reader of a machine, connected at its first question. Raise HostUnreachable."""


class Hosts(Readers, Protocol):
    """Lends hosts, to read and to change."""

    def examiner(self, host: Host) -> Examiner:
        """Return what looks closer at a host. Raise HostUnreachable or EngineUnavailable."""

    def hands(self, host: Host) -> HostHands:
        """Return what changes a host. Raise HostUnreachable or EngineUnavailable."""


class Balancers(Protocol):
    """Knows the kind of balancer that runs in our containers."""

    def observe(self, reader: HostReader, container: ObservedContainer) -> ObservedBalancer:
        """Read the balancer in that container, without an exec and without a change."""

    def on(self, host: str, shell: ContainerShell, container_id: str) -> AbstractContextManager[Balancer]:
        """Lend the balancer in that container for one action."""

    def own_digest(self, host: str, shell: ContainerShell, container_id: str) -> str:
        """Return the digest of the file that this container's own worker runs, empty where it has none yet.

        While two containers hand over, either may answer what they share; this asks only one. Raise EngineRefused.
        """
