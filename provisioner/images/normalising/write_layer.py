"""Entries as a layer's tar: the same entries, the same bytes."""

from __future__ import annotations

import hashlib
import posixpath
import tarfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from provisioner.images.archive import Layer, member_padding
from provisioner.images.bases.debian_root import EPOCH
from provisioner.images.disk import told_as_storage
from provisioner.images.normalising.tree import WHITEOUT, XATTR, Content, Entry

_WHITEOUT_MODE = 0o600


def layer_pieces(entries: Mapping[str, Entry], removed: Collection[str] = ()) -> Iterator[bytes]:
    """Yield the tar of a layer in pieces: sorted by path, of one time, without names of owners.

    `entries` must hold every folder on the way to what is written or removed, or engines would make one up. The
    first path of several hard links is written as the file.
    """
    hidden = {posixpath.join(posixpath.dirname(path), WHITEOUT + posixpath.basename(path)) for path in removed}
    written: dict[Content, str] = {}
    for path in sorted({*entries, *hidden}):
        if path in hidden:
            yield _header(path, Entry(tarfile.REGTYPE, _WHITEOUT_MODE))
        else:
            yield from _member(path, entries[path], written)
    yield bytes(2 * tarfile.BLOCKSIZE)


def write_layer(pieces: Iterator[bytes], target: Path) -> Layer:
    """Write a layer's tar to a file; return what it is. Raise StorageFailed."""
    hasher, size = hashlib.sha256(), 0
    with told_as_storage(target), target.open("wb") as sink:
        for piece in pieces:
            hasher.update(piece)
            size += len(piece)
            sink.write(piece)
    return Layer(f"sha256:{hasher.hexdigest()}", size)


def _member(path: str, entry: Entry, written: dict[Content, str]) -> Iterator[bytes]:
    if entry.content is None:
        yield _header(path, entry)
    elif entry.content in written:
        yield _header(path, entry, same_as=written[entry.content])
    else:
        written[entry.content] = path
        yield _header(path, entry)
        yield from entry.content.pieces()
        if padding := member_padding(entry.size):
            yield padding


def _header(path: str, entry: Entry, same_as: str = "") -> bytes:
    member = tarfile.TarInfo(path)
    member.type = tarfile.LNKTYPE if same_as else entry.kind
    member.linkname = same_as or entry.link
    member.size = 0 if same_as else entry.size
    member.mode, member.uid, member.gid, member.mtime = entry.mode, entry.uid, entry.gid, EPOCH
    member.devmajor, member.devminor = entry.device
    member.pax_headers = {XATTR + name: value for name, value in entry.xattrs}
    return member.tobuf(tarfile.PAX_FORMAT)
