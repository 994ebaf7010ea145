"""Hands and balancers as a run is lent them: what reads goes straight through, what changes is an effect first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from provisioner.model.balancer import FULL_SHARE, AdminState, Drained
from provisioner.model.container import ContainerRequest
from provisioner.model.image import ImageFacts
from provisioner.model.observed import ObservedBalancer
from provisioner.model.secret import Login
from provisioner.ports import (
    Balancer,
    Completed,
    Containers,
    ContainerShell,
    FileContent,
    HostHands,
    HostReader,
    ImageStore,
    Progress,
    Stream,
)

Effect = Callable[[str, str, str], AbstractContextManager[None]]
"""Lets one effect happen: its kind, its host, what it is about."""


@dataclass(frozen=True, slots=True)
class GuardedHands:
    """All that changes one host, over one connection."""

    hands: HostHands
    host: str
    effect: Effect

    @property
    def reader(self) -> HostReader:
        """Return what reads it."""
        return self.hands.reader

    @property
    def containers(self) -> Containers:
        """Return what makes and ends its containers."""
        return GuardedContainers(self.hands.containers, self.host, self.effect)

    @property
    def shell(self) -> ContainerShell:
        """Return what reaches into its containers."""
        return GuardedShell(self.hands.shell, self.host, self.effect)

    @property
    def images(self) -> ImageStore:
        """Return its images."""
        return GuardedImages(self.hands.images, self.effect)

    @property
    def engine_socket(self) -> str:
        """Return the path of its engine's socket on the host."""
        return self.hands.engine_socket


@dataclass(frozen=True, slots=True)
class GuardedContainers:
    """Makes and ends containers on one host."""

    containers: Containers
    host: str
    effect: Effect

    def create(self, request: ContainerRequest) -> str:
        """Create a container and its named volumes; return its id."""
        with self.effect("create", self.host, request.name):
            return self.containers.create(request)

    def start(self, container_id: str, restart: str = "") -> None:
        """Start it, or unpause it where it is paused; give it a restart policy first where one is named."""
        with self.effect("start", self.host, container_id):
            self.containers.start(container_id, restart)

    def stop(self, container_id: str, timeout: int) -> None:
        """Set its restart policy to `no`, send its stop signal, kill it after `timeout` seconds."""
        with self.effect("stop", self.host, container_id):
            self.containers.stop(container_id, timeout)

    def remove(self, container_id: str) -> None:
        """Remove it, running or not, with its anonymous volumes; one that is gone already is removed."""
        with self.effect("remove", self.host, container_id):
            self.containers.remove(container_id)

    def remove_volume(self, name: str) -> None:
        """Remove a volume; one that is gone already is removed."""
        with self.effect("remove_volume", self.host, name):
            self.containers.remove_volume(name)


@dataclass(frozen=True, slots=True)
class GuardedShell:
    """Reaches into running containers of one host; one that is `conversing` opens streams without an effect."""

    shell: ContainerShell
    host: str
    effect: Effect
    conversing: bool = False

    def put(self, container_id: str, folder: str, files: tuple[FileContent, ...]) -> None:
        """Write files into a folder of a container, running or not. Not atomic: rename afterwards."""
        names = " ".join(f"{folder}/{file.name}" for file in files)
        with self.effect("put", self.host, names):
            self.shell.put(container_id, folder, files)

    def get(self, container_id: str, path: str) -> bytes | None:
        """Return a file of a container, None where there is none."""
        return self.shell.get(container_id, path)

    def run(self, container_id: str, argv: tuple[str, ...]) -> Completed:
        """Run a command inside and wait for its end."""
        with self.effect("run", self.host, argv[0]):
            return self.shell.run(container_id, argv)

    def open(self, container_id: str, argv: tuple[str, ...]) -> Stream:
        """Run a command inside and lend its standard input and output."""
        if self.conversing:
            return self.shell.open(container_id, argv)
        with self.effect("open", self.host, argv[0]):
            return self.shell.open(container_id, argv)

    def signal(self, container_id: str, name: str) -> None:
        """Send a signal (`SIGUSR2`) to its first process."""
        with self.effect("signal", self.host, name):
            self.shell.signal(container_id, name)


@dataclass(frozen=True, slots=True)
class GuardedImages:
    """The images of one engine."""

    images: ImageStore
    effect: Effect

    @property
    def host(self) -> str:
        """Return the name of the host the engine is on."""
        return self.images.host

    def inspect(self, reference: str) -> ImageFacts | None:
        """Return an image by tag or id, None where there is none."""
        return self.images.inspect(reference)

    def stacks(self, repository: str) -> tuple[tuple[str, ...], ...]:
        """Return the layers of each image tagged in a repository, the newest image first."""
        return self.images.stacks(repository)

    def chains(self) -> frozenset[str]:
        """Return the chain ids of every layer the engine has."""
        return self.images.chains()

    def save(self, reference: str) -> Iterator[bytes]:
        """Return an image as an archive, in pieces."""
        return self.images.save(reference)

    def load(self, archive: Iterable[bytes]) -> None:
        """Load an image archive. Success says nothing: inspect afterwards."""
        with self.effect("load_image", self.host, ""):
            self.images.load(archive)

    def pull(self, reference: str, login: Login | None, progress: Progress) -> int:
        """Pull an image by digest from its registry; return the bytes that travelled."""
        with self.effect("pull_image", self.host, reference):
            return self.images.pull(reference, login, progress)

    def tag(self, reference: str, tag: str) -> None:
        """Let a tag name an image that is there, whatever it named before."""
        with self.effect("tag_image", self.host, tag):
            self.images.tag(reference, tag)

    def remove(self, reference: str) -> None:
        """Remove a tag, and the image with its last one; one that is gone already is removed."""
        with self.effect("remove_image", self.host, reference):
            self.images.remove(reference)


@dataclass(frozen=True, slots=True)
class GuardedBalancer:
    """A running load balancer on one host."""

    inner: Balancer
    host: str
    effect: Effect

    def report(self) -> ObservedBalancer:
        """Return the digest of the file its running worker parsed, and every server as that worker sees it."""
        return self.inner.report()

    def configure(self, text: str, digest: str, drained: tuple[Drained, ...] | None = None) -> None:
        """Give it another file without losing a request, and another record of what is drained by hand."""
        with self.effect("configure", self.host, digest):
            self.inner.configure(text, digest, drained)

    def set_state(self, backend: str, servers: tuple[str, ...], state: AdminState, share: int = FULL_SHARE) -> None:
        """Set the administrative state of servers, and their share of requests in per cent of a peer's."""
        with self.effect(f"set_{state}", self.host, _named(backend, servers)):
            self.inner.set_state(backend, servers, state, share)

    def distrust(self, backend: str, servers: tuple[str, ...]) -> None:
        """Take servers for down until their next own check, whatever the last one said."""
        with self.effect("distrust", self.host, _named(backend, servers)):
            self.inner.distrust(backend, servers)

    def cut_sessions(self, backend: str, servers: tuple[str, ...]) -> None:
        """Close every session of servers."""
        with self.effect("cut_sessions", self.host, _named(backend, servers)):
            self.inner.cut_sessions(backend, servers)


def _named(backend: str, servers: tuple[str, ...]) -> str:
    return f"{backend}/{' '.join(servers)}"
