"""What is to be shipped, and who receives it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from provisioner.images.archive import ImageContent, LayerReader, digest_of
from provisioner.ports import Containers, ContainerShell, ImageStore, Progress

ARRIVING = "provisioner/arriving"
"""The repository of images that have arrived and are not proven yet."""

_NAME_DIGITS = 16


class Receiver(Protocol):
    """A host that gets an image: the parts of `HostHands` that shipping needs."""

    @property
    def images(self) -> ImageStore:
        """Return its images."""

    @property
    def containers(self) -> Containers:
        """Return what makes and ends its containers."""

    @property
    def shell(self) -> ContainerShell:
        """Return what reaches into its containers."""

    @property
    def engine_socket(self) -> str:
        """Return the path of its engine's socket there."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """An image on its way: what it is, the tags it is to have there, where its layers are read."""

    image: ImageContent
    tags: tuple[str, ...]
    read_layer: LayerReader

    @property
    def name(self) -> str:
        """Return a short name that two shipments to one host never share."""
        text = " ".join((self.image.image_id, *self.tags))
        return digest_of(text.encode()).removeprefix("sha256:")[:_NAME_DIGITS]

    @property
    def provisional(self) -> str:
        """Return the tag the image has until it is proven."""
        return f"{ARRIVING}:{self.name}"

    @property
    def repository(self) -> str:
        """Return the repository of its first tag, where earlier images of the same service lie."""
        return self.tags[0].rpartition(":")[0] if self.tags else ""

    @property
    def owner(self) -> str:
        """Return under what name a host's spool keeps the layers of this service."""
        return digest_of(self.repository.encode()).removeprefix("sha256:")[:_NAME_DIGITS]


def counted(pieces: Iterable[bytes], told: Callable[[int], None]) -> Iterator[bytes]:
    """Pass pieces on, telling after each how many bytes have gone."""
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece)
        told(done)


def bytes_told(progress: Progress, title: str, total: int) -> Callable[[int], None]:
    """Return what tells a progress how many bytes of a total are done."""
    return lambda done: progress(title, done, total)
