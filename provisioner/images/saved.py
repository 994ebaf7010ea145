"""Reading what `docker save` writes: legacy and OCI layouts, plain or compressed layers, whole or broken streams."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import zstandard

from provisioner.errors import ArchiveBroken

_PIECE = 1 << 20
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BLOB = "blobs/sha256/"
_LINKS = 16

Keep = Callable[[str, Iterator[bytes]], None]
"""Takes the uncompressed bytes of a member by its name."""


@dataclass(frozen=True, slots=True)
class SavedMember:
    """A file of a saved archive: the sha256 (hex) and the size of what is in it, uncompressed."""

    digest: str
    size: int


@dataclass(slots=True)
class SavedArchive:
    """What an archive held: files by name, and links from one name to another."""

    files: dict[str, SavedMember] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def resolve(self, name: str) -> str:
        """Return the name of the file that a name leads to, through links. Raise ArchiveBroken."""
        name = posixpath.normpath(name)
        for _ in range(_LINKS):
            if name not in self.links:
                break
            name = self.links[name]
        if name not in self.files:
            raise ArchiveBroken(f"the image archive names {name} and does not hold it; it is incomplete")
        return name


@dataclass(frozen=True, slots=True)
class SavedImage:
    """An entry of `manifest.json`: the names of the config and of the layers, bottom-up."""

    config: str
    layers: tuple[str, ...]


class IteratorFile(io.RawIOBase):
    """A file over pieces of bytes, read once from front to back."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, empty at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        size = len(self._rest) if size < 0 else size
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)


def read_saved(pieces: Iterable[bytes], keep: Keep, known: Callable[[str], int | None]) -> SavedArchive:
    """Read a saved archive from front to back, handing every file to `keep`; memory stays constant.

    `known` returns the size of a layer that is had already, by the hex of its diff id: such a member is passed
    over. Raise ArchiveBroken where the stream is cut or cannot be read.
    """
    archive = SavedArchive()
    with _told_as_broken(), tarfile.open(fileobj=IteratorFile(pieces), mode="r|", bufsize=_PIECE) as saved:
        for member in saved:
            _read_member(saved, member, archive, keep, known)
    return archive


def saved_images(manifest: bytes) -> tuple[SavedImage, ...]:
    """Return the entries of `manifest.json`. Raise ArchiveBroken."""
    entries = _parsed(manifest, "manifest.json")
    try:
        return tuple(SavedImage(entry["Config"], tuple(entry["Layers"] or ())) for entry in entries)
    except (TypeError, KeyError) as error:
        raise ArchiveBroken(f"manifest.json of the image archive has no {error}") from error


def config_diff_ids(config: bytes) -> tuple[str, ...]:
    """Return the diff ids an image config names, bottom-up. Raise ArchiveBroken."""
    value = _parsed(config, "the image config")
    try:
        return tuple(str(diff_id) for diff_id in value["rootfs"].get("diff_ids") or ())
    except (TypeError, KeyError, AttributeError) as error:
        raise ArchiveBroken("the image config names no layers") from error


def _read_member(
    saved: tarfile.TarFile,
    member: tarfile.TarInfo,
    archive: SavedArchive,
    keep: Keep,
    known: Callable[[str], int | None],
) -> None:
    name = posixpath.normpath(member.name)
    if member.issym():
        archive.links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
    elif member.islnk():
        archive.links[name] = posixpath.normpath(member.linkname)
    elif member.isfile():
        digest = name.removeprefix(_BLOB)
        size = known(digest) if name.startswith(_BLOB) else None
        archive.files[name] = SavedMember(digest, size) if size is not None else _kept(saved, member, name, keep)


def _kept(saved: tarfile.TarFile, member: tarfile.TarInfo, name: str, keep: Keep) -> SavedMember:
    hasher, sizes = hashlib.sha256(), [0]
    source = saved.extractfile(member)

    def watched(content: Iterator[bytes]) -> Iterator[bytes]:
        for piece in content:
            hasher.update(piece)
            sizes[0] += len(piece)
            yield piece

    if source is not None:
        keep(name, watched(_expanded(source)))
    return SavedMember(hasher.hexdigest(), sizes[0])


def _expanded(source: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of a file, uncompressed where it is gzip or zstd."""
    buffered = io.BufferedReader(source, _PIECE)  # type: ignore[type-var]  # a tar member reads like a raw file
    magic = buffered.peek(len(_ZSTD))
    stream: Any = buffered
    if magic.startswith(_GZIP):
        stream = gzip.GzipFile(fileobj=buffered)
    elif magic.startswith(_ZSTD):
        stream = zstandard.ZstdDecompressor().stream_reader(buffered, read_across_frames=True)
    while piece := stream.read(_PIECE):
        yield piece


@contextmanager
def _told_as_broken() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise ArchiveBroken(f"the image archive cannot be read: {error}", hint="run the command again") from error


def _parsed(document: bytes, name: str) -> Any:
    try:
        return json.loads(document)
    except ValueError as error:
        raise ArchiveBroken(f"{name} of the image archive is not JSON: {error}") from error
