"""Files of inputs wherever they lie on this machine's disk: whole, or inside a layer of an image of inputs."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import ArchiveBroken
from provisioner.images.archive import ImageContent
from provisioner.images.cache import LayerCache
from provisioner.images.disk import told_as_storage

FILES, IMAGES = "files", "images"
"""The folders of an image of inputs: files by their sha256, images (as archives) by their id, both in hex."""

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """A run of bytes in a file."""

    path: Path
    offset: int
    size: int

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes, in pieces of constant size. Raise StorageFailed, ArchiveBroken where there are fewer."""
        left = self.size
        with told_as_storage(self.path), self.path.open("rb") as source:
            source.seek(self.offset)
            while left:
                piece = source.read(min(_PIECE, left))
                if not piece:
                    raise ArchiveBroken(f"{self.path} got shorter while it was read", hint="run the command again")
                left -= len(piece)
                yield piece


def whole(path: Path) -> Stored:
    """Return a file as it lies there. Raise StorageFailed."""
    with told_as_storage(path):
        return Stored(path, 0, path.stat().st_size)


def stored_in(cache: LayerCache, image: ImageContent) -> dict[str, Stored]:
    """Return what an image of inputs holds, by `files/…` and `images/…`. Raise ArchiveBroken."""
    found: dict[str, Stored] = {}
    for layer in image.layers:
        path = cache.path_of(layer.diff_id)
        try:
            with told_as_storage(path), tarfile.open(path, "r:") as members:
                found |= {each.name: Stored(path, each.offset_data, each.size) for each in members if each.isfile()}
        except tarfile.TarError as error:
            raise ArchiveBroken(f"layer {layer.diff_id} of {image.image_id} cannot be read: {error}") from error
    return found
