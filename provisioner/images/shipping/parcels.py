"""Layers made small for their way: compressed once on this machine, however many hosts get them.

<hex>.zst               a zstd stream of the layer of that diff id
<hex>.from.<hex>.zst    a zstd frame that makes the first layer out of the second
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import zstandard

from provisioner.errors import ArchiveBroken
from provisioner.images.archive import Layer
from provisioner.images.cache import LayerCache
from provisioner.images.disk import told_as_storage
from provisioner.images.shipping.courier.orders import PIECE, Held, ParcelName
from provisioner.images.shipping.patch import write_patch

PATCH_LIMIT = 1 << 30
"""Bytes of a layer above which it travels whole, where nobody says otherwise."""

PATCHED_FROM = 1 << 20
"""Bytes of a layer from which a patch is tried."""

_LEVEL = 3
_WORTH = 8


@dataclass(frozen=True, slots=True)
class Parcel:
    """A layer as it travels: how the courier knows it, and the file it is read from."""

    layer: Layer
    name: ParcelName
    path: Path
    size: int

    def pieces(self, offset: int) -> Iterator[bytes]:
        """Yield what comes behind `offset`, in pieces."""
        with told_as_storage(self.path), self.path.open("rb") as source:
            source.seek(offset)
            while piece := source.read(PIECE):
                yield piece

    def begins_with(self, held: Held) -> bool:
        """Tell whether what a courier holds is the beginning of this parcel."""
        if not 0 < held.size <= self.size:
            return False
        hasher = hashlib.sha256()
        with told_as_storage(self.path), self.path.open("rb") as source:
            for start in range(0, held.size, PIECE):
                hasher.update(source.read(min(PIECE, held.size - start)))
        return hasher.hexdigest() == held.digest


@dataclass(frozen=True, slots=True)
class Parcels:
    """Parcels below a folder, made of layers in a cache. All raise StorageFailed.

    `patch_limit` is the bytes of a layer above which no patch is made: making one takes about twice the memory.
    """

    folder: Path
    cache: LayerCache
    patch_limit: int = PATCH_LIMIT
    locks: defaultdict[str, Lock] = field(default_factory=lambda: defaultdict(Lock))

    def full(self, layer: Layer) -> Parcel:
        """Return the parcel of a whole layer. Raise ArchiveBroken where the layer is not what it is named for."""
        hex_digits = layer.diff_id.removeprefix("sha256:")
        path = self.folder / f"{hex_digits}.zst"
        self.made(path, lambda target: _compress(layer, self.cache.layer(layer.diff_id), target))
        return Parcel(layer, ParcelName(path.name), path, path.stat().st_size)

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
        content = checked(layer, self.cache.layer(layer.diff_id))
        self.made(path, lambda target: write_patch(older, content, layer.size, target))
        size = path.stat().st_size
        return Parcel(layer, ParcelName(path.name, origin), path, size) if size < layer.size // _WORTH else None

    def forget(self, parcel: Parcel) -> None:
        """Remove a parcel: it is made again when needed."""
        with told_as_storage(parcel.path):
            parcel.path.unlink(missing_ok=True)

    def made(self, path: Path, write: Callable[[BinaryIO], None]) -> None:
        """Have a file written, whole or not at all, by the first who needs it."""
        with self.locks[path.name]:
            if not path.exists():
                with _written(path) as target:
                    write(target)


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    with told_as_storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(number, "wb") as target:
                yield target
            Path(name).rename(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _compress(layer: Layer, pieces: Iterable[bytes], target: BinaryIO) -> None:
    packer = zstandard.ZstdCompressor(level=_LEVEL, threads=-1).compressobj(size=layer.size)
    target.writelines(packer.compress(piece) for piece in checked(layer, pieces))
    target.write(packer.flush())


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
