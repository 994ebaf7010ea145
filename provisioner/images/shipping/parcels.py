"""Layers made small for their way: compressed once on this machine, however many hosts get them.

<hex>.zst               a zstd stream of the layer of that diff id
<hex>.from.<hex>.zst    a zstd frame that makes the first layer out of the second
"""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import zstandard

from provisioner.errors import ArchiveBroken
from provisioner.images.archive import Layer
from provisioner.images.cache import LayerCache
from provisioner.images.disk import told_as_storage
from provisioner.images.shipping.courier.orders import Held, ParcelName
from provisioner.images.shipping.growing import Content, Growing, Whole, written
from provisioner.images.shipping.patch import write_patch

PATCH_LIMIT = 1 << 30
"""Bytes of a layer above which it travels whole, where nobody says otherwise."""

PATCHED_FROM = 1 << 20
"""Bytes of a layer from which a patch is tried."""

_LEVEL = 2
_WORTH = 8
_SLACK = 128


@dataclass(frozen=True, slots=True)
class Parcel:
    """A layer as it travels: how the courier knows it, and its bytes, which may still be growing."""

    layer: Layer
    name: ParcelName
    content: Content

    @property
    def size(self) -> int:
        """Return its bytes, 0 while it is being made."""
        return self.content.size

    @property
    def bound(self) -> int:
        """Return bytes that it is not bigger than."""
        return self.size or self.layer.size + self.layer.size // _SLACK

    def digest(self) -> str:
        """Return the BLAKE2b of the whole parcel in hex, which has to be made by then."""
        return self.content.digest()

    def pieces(self, offset: int) -> Iterator[bytes]:
        """Yield what comes behind `offset`, in pieces, as soon as it is made."""
        return self.content.pieces(offset)

    def begins_with(self, held: Held) -> bool:
        """Tell whether what a courier holds is the beginning of this parcel."""
        if held.size <= 0:
            return False
        hasher, left = hashlib.blake2b(), held.size
        for piece in self.content.pieces(0):
            hasher.update(piece[:left])
            left -= len(piece)
            if left <= 0:
                return hasher.hexdigest() == held.digest
        return False


@dataclass(frozen=True, slots=True)
class Parcels:
    """Parcels below a folder, made of layers in a cache. All raise StorageFailed.

    `patch_limit` is the bytes of a layer above which no patch is made: making one takes about twice the memory.
    """

    folder: Path
    cache: LayerCache
    patch_limit: int = PATCH_LIMIT
    locks: defaultdict[str, Lock] = field(default_factory=lambda: defaultdict(Lock))
    growing: dict[str, Growing] = field(default_factory=dict)
    wholes: dict[str, Whole] = field(default_factory=dict)

    def full(self, layer: Layer) -> Parcel:
        """Return the parcel of a whole layer, made while it is read.

        Its pieces raise ArchiveBroken where the layer is not what it is named for.
        """
        hex_digits = layer.diff_id.removeprefix("sha256:")
        path = self.folder / f"{hex_digits}.zst"
        return Parcel(layer, ParcelName(path.name), self._content(layer, path))

    def _content(self, layer: Layer, path: Path) -> Content:
        with self.locks[path.name]:
            growing = self.growing.get(path.name)
            if growing is not None and not growing.failed:
                return growing
            if path.exists():
                return self.wholes.setdefault(path.name, Whole(path))
            self.wholes.pop(path.name, None)
            self.growing[path.name] = Growing(path, compressed(layer, self.cache.layer(layer.diff_id)))
            return self.growing[path.name]

    def patch(self, layer: Layer, reference: str) -> Parcel | None:
        """Return a parcel that makes a layer out of an older one, by diff id; None where that is not worth it.

        Raise ArchiveBroken where the layer is not what it is named for.
        """
        older = self.cache.path_of(reference)
        if layer.size < PATCHED_FROM or not older.is_file():
            return None
        if not 0 < max(layer.size, older.stat().st_size) <= self.patch_limit:
            return None
        to, origin = layer.diff_id.removeprefix("sha256:"), reference.removeprefix("sha256:")
        path = self.folder / f"{to}.from.{origin}.zst"
        self._made(path, lambda target: self._write_patch(older, layer, target))
        size = path.stat().st_size
        if size >= layer.size // _WORTH:
            return None
        return Parcel(layer, ParcelName(path.name, origin), Whole(path))

    def _write_patch(self, older: Path, layer: Layer, target: BinaryIO) -> None:
        deque(checked(layer, self.cache.layer(layer.diff_id)), maxlen=0)
        write_patch(older, self.cache.path_of(layer.diff_id), target)

    def forget(self, parcel: Parcel) -> None:
        """Remove a parcel: it is made again when needed."""
        path = self.folder / parcel.name.name
        with self.locks[path.name], told_as_storage(path):
            self.growing.pop(path.name, None)
            self.wholes.pop(path.name, None)
            path.unlink(missing_ok=True)

    def _made(self, path: Path, write: Callable[[BinaryIO], None]) -> None:
        """Have a file written, whole or not at all, by the first who needs it."""
        with self.locks[path.name]:
            if not path.exists():
                with written(path) as target:
                    write(target)


def compressed(layer: Layer, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a layer as a zstd stream that ends in a checksum; raise ArchiveBroken at its end where it is another."""
    packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj(size=layer.size)
    for piece in checked(layer, pieces):
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def checked(layer: Layer, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pass the bytes of a layer on. Raise ArchiveBroken at their end where they are not what it is named for."""
    hasher, size = hashlib.sha256(), 0
    for piece in pieces:
        hasher.update(piece)
        size += len(piece)
        if size > layer.size:
            break
        yield piece
    if size != layer.size or f"sha256:{hasher.hexdigest()}" != layer.diff_id:
        raise ArchiveBroken(f"layer {layer.diff_id} was read as other bytes than it is named for")
