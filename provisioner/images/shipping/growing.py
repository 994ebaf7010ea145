"""Files of parcels: whole ones, and ones that are sent while they are still being made."""

from __future__ import annotations

import hashlib
import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Protocol

from provisioner.errors import ProvisionerError
from provisioner.images.disk import told_as_storage
from provisioner.images.shipping.courier.orders import PIECE


class Content(Protocol):
    """The bytes of a parcel. All raise StorageFailed."""

    @property
    def size(self) -> int:
        """Return how many there are, 0 while they are being made."""

    def digest(self) -> str:
        """Return the BLAKE2b of all of them in hex."""

    def pieces(self, offset: int) -> Iterator[bytes]:
        """Yield what comes behind `offset`, in pieces."""


@dataclass(slots=True)
class Whole:
    """A file that is there. Its digest is taken once, however many hosts it is sent to."""

    path: Path
    _digest: str = ""
    _lock: Lock = field(default_factory=Lock)

    @property
    def size(self) -> int:
        """Return its bytes."""
        with told_as_storage(self.path):
            return self.path.stat().st_size

    def digest(self) -> str:
        """Return the BLAKE2b of the file in hex."""
        with self._lock:
            if not self._digest:
                hasher = hashlib.blake2b()
                for piece in self.pieces(0):
                    hasher.update(piece)
                self._digest = hasher.hexdigest()
            return self._digest

    def pieces(self, offset: int) -> Iterator[bytes]:
        """Yield what comes behind `offset`, in pieces."""
        with told_as_storage(self.path), self.path.open("rb") as source:
            source.seek(offset)
            while piece := source.read(PIECE):
                yield piece


class Growing:
    """A file that several hosts are sent while it is made.

    Whoever has read all there is makes the next piece: nobody waits for a whole layer to be compressed, and a host
    that is lost holds nobody up. The file gets its name when it is whole. Each reader is a thread of its own.
    """

    def __init__(self, path: Path, source: Iterator[bytes]) -> None:
        self._path = path
        self._source = source
        self._hasher = hashlib.blake2b()
        self._made = 0
        self._whole = False
        self._lock = Lock()
        with told_as_storage(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(dir=path.parent, prefix=".")
            os.close(number)
        self._unfinished = Path(name)
        self._tidy = weakref.finalize(self, self._unfinished.unlink, missing_ok=True)
        self.failed: ProvisionerError | None = None

    @property
    def size(self) -> int:
        """Return its bytes, 0 while it is being made."""
        return self._made if self._whole else 0

    def digest(self) -> str:
        """Return the BLAKE2b of the whole file in hex; it has to be read to its end before."""
        return self._hasher.hexdigest()

    def pieces(self, offset: int) -> Iterator[bytes]:
        """Yield what comes behind `offset`, in pieces. Raise what the source raises."""
        with self._opened() as source:
            source.seek(offset)
            while True:
                piece = source.read(PIECE)
                offset += len(piece)
                if piece:
                    yield piece
                elif not self._grown(offset):
                    return

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        with self._lock:
            path = self._path if self._whole else self._unfinished
            with told_as_storage(path):
                source = path.open("rb", buffering=0)
        with source:
            yield source

    def _grown(self, beyond: int) -> bool:
        """Make the next piece where there is nothing beyond an offset yet; tell whether there is now."""
        with self._lock:
            if self.failed is not None:
                raise self.failed
            if self._made <= beyond and not self._whole:
                self._make()
            return self._made > beyond

    def _make(self) -> None:
        try:
            piece = next(self._source, b"")
            with told_as_storage(self._path):
                if piece:
                    self._append(piece)
                else:
                    self._unfinished.rename(self._path)
                    self._whole = True
        except ProvisionerError as error:
            self.failed = error
            self._tidy()
            raise

    def _append(self, piece: bytes) -> None:
        with self._unfinished.open("ab") as target:
            target.write(piece)
        self._hasher.update(piece)
        self._made += len(piece)


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """Lend a file that gets its name when it was written without an error."""
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
