"""Containers on one host: what makes and ends them, and what reaches into them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from provisioner.model.container import ContainerRequest


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command that ended left: exit status, standard output and standard error."""

    status: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file to be written into a container: name relative to the target folder, bytes, mode and owner ids."""

    name: str
    content: bytes = field(repr=False)
    mode: int = 0o444
    uid: int = 0
    gid: int = 0


class Containers(Protocol):
    """Makes and ends containers on one host. All raise EngineRefused."""

    def create(self, request: ContainerRequest) -> str:
        """Create a container and its named volumes; return its id."""

    def start(self, container_id: str, restart: str = "") -> None:
        """Start it, or unpause it where it is paused; give it a restart policy first where one is named."""

    def stop(self, container_id: str, timeout: int) -> None:
        """Set its restart policy to `no`, send its stop signal, kill it after `timeout` seconds."""

    def remove(self, container_id: str) -> None:
        """Remove it, running or not, with its anonymous volumes; one that is gone already is removed."""

    def remove_volume(self, name: str) -> None:
        """Remove a volume; one that is gone already is removed."""


class Stream(Protocol):
    """Two-way bytes, as a socket gives them."""

    def send(self, data: bytes) -> None:
        """Send all of it."""

    def receive(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any, empty at the end. Raise TimeoutError."""

    def close(self) -> None:
        """Close both ways."""


class ContainerShell(Protocol):
    """Reaches into running containers of one host. All raise EngineRefused."""

    def put(self, container_id: str, folder: str, files: tuple[FileContent, ...]) -> None:
        """Write files into a folder of a container, running or not. Not atomic: rename afterwards."""

    def get(self, container_id: str, path: str) -> bytes | None:
        """Return a file of a container, None where there is none."""

    def run(self, container_id: str, argv: tuple[str, ...]) -> Completed:
        """Run a command inside and wait for its end."""

    def open(self, container_id: str, argv: tuple[str, ...]) -> Stream:
        """Run a command inside and lend its standard input and output."""

    def signal(self, container_id: str, name: str) -> None:
        """Send a signal (`SIGUSR2`) to its first process."""
