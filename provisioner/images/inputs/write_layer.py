"""A layer of an image of inputs, written file by file: the same files give the same bytes."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import ArchiveBroken
from provisioner.images.archive import Layer, member_header, member_padding
from provisioner.images.disk import told_as_storage


@dataclass(frozen=True, slots=True)
class Content:
    """A file of a layer: its name there, its size, its bytes, and the sha256 (hex) they must have; empty: any."""

    name: str
    size: int
    pieces: Iterable[bytes]
    sha256: str = ""


def write_layer(contents: Iterable[Content], target: Path) -> Layer:
    """Write an uncompressed layer; return what it is. Raise StorageFailed, ArchiveBroken for other bytes."""
    hasher, size = hashlib.sha256(), 0
    with told_as_storage(target), target.open("wb") as sink:
        for piece in _archive(contents):
            hasher.update(piece)
            size += len(piece)
            sink.write(piece)
    return Layer(f"sha256:{hasher.hexdigest()}", size)


def _archive(contents: Iterable[Content]) -> Iterator[bytes]:
    for content in contents:
        yield member_header(content.name, content.size)
        yield from _checked(content)
        yield member_padding(content.size)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _checked(content: Content) -> Iterator[bytes]:
    hasher = hashlib.sha256()
    for piece in content.pieces:
        hasher.update(piece)
        yield piece
    if content.sha256 and hasher.hexdigest() != content.sha256:
        raise ArchiveBroken(f"{content.name} has other bytes by now than the release names", hint="run it again")
