"""Layers as trees: what a file system holds after each of them, read from tars without holding a file's bytes."""

from __future__ import annotations

import hashlib
import posixpath
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.errors import ArchiveBroken

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
XATTR = "SCHILY.xattr."

_PIECE = 1 << 20
_MODE = 0o7777
_IMPLIED_MODE = 0o755
_OF_A_MACHINE = ("trusted.overlay.", "user.overlay.", "security.selinux")


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file: where they lie in a layer's tar, and what stands in place of the first of them."""

    layer: Path
    offset: int
    size: int
    head: bytes = b""

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes in pieces of constant size."""
        if self.head:
            yield self.head
        left = self.size - len(self.head)
        with self.layer.open("rb") as source:
            source.seek(self.offset + len(self.head))
            while left and (piece := source.read(min(_PIECE, left))):
                left -= len(piece)
                yield piece
        if left:
            raise ArchiveBroken(f"the layer {self.layer.name} ends within a file")

    def start(self, size: int) -> bytes:
        """Return the first bytes, at most `size`."""
        with self.layer.open("rb") as source:
            source.seek(self.offset)
            return source.read(min(size, self.size))

    def digest(self) -> bytes:
        """Return the sha256 of the bytes."""
        hasher = hashlib.sha256()
        for piece in self.pieces():
            hasher.update(piece)
        return hasher.digest()


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies at a path: `kind` is a tar's type of member, never a hard link; `link` a symbolic link's target.

    Two paths whose entries have one `content` are hard links to one file.
    """

    kind: bytes
    mode: int
    uid: int = 0
    gid: int = 0
    link: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, str], ...] = ()
    mtime: int = 0
    content: Content | None = None

    @property
    def is_folder(self) -> bool:
        """Tell whether other entries may lie below it."""
        return self.kind == tarfile.DIRTYPE

    @property
    def size(self) -> int:
        """Return the bytes of a file, 0 for anything else."""
        return self.content.size if self.content else 0


Tree = dict[str, Entry]
"""Entries by their path without a leading slash; the root itself is none of them."""


@dataclass(slots=True)
class Layer:
    """One layer: what it adds, the paths it removes from those below, the folders it empties of what was there."""

    entries: Tree = field(default_factory=Tree)
    removed: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)


def read_layer(path: Path, below: Mapping[str, Entry]) -> Layer:
    """Read an uncompressed layer tar; `below` are the entries its hard links may lead to. Raise ArchiveBroken."""
    layer = Layer()
    try:
        with tarfile.open(path, "r:") as archive:
            while member := archive.next():
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep every header it has read
                _take(member, path, layer, below)
    except tarfile.TarError as error:
        raise ArchiveBroken(f"the layer {path.name} cannot be read: {error}") from error
    return layer


def tree_of(layers: Iterable[Path], below: Mapping[str, Entry] | None = None) -> Tree:
    """Return the tree that layers, bottom-up, leave on the one `below`. Raise ArchiveBroken."""
    tree = dict(below or {})
    for path in layers:
        tree = laid_over(tree, read_layer(path, tree))
    return tree


def laid_over(tree: Tree, layer: Layer) -> Tree:
    """Return the tree with a layer on top, every folder on the way to an entry among its entries."""
    covered = {path for path, entry in layer.entries.items() if not entry.is_folder and _is_folder(tree, path)}
    if layer.removed or layer.emptied or covered:
        tree = {path: entry for path, entry in tree.items() if not _is_hidden(path, layer, covered)}
    tree = {**tree, **layer.entries}
    for path in layer.entries:
        for folder in folders_above(path):
            if folder in tree:
                break
            tree[folder] = Entry(tarfile.DIRTYPE, _IMPLIED_MODE)
    return tree


def folders_above(path: str) -> Iterator[str]:
    """Yield every folder on the way to a path, the nearest first."""
    while path := posixpath.dirname(path):
        yield path


def _is_folder(tree: Tree, path: str) -> bool:
    return path in tree and tree[path].is_folder


def _is_hidden(path: str, layer: Layer, covered: set[str]) -> bool:
    if path in layer.removed:
        return True
    return any(above in layer.removed or above in layer.emptied or above in covered for above in folders_above(path))


def _take(member: tarfile.TarInfo, layer_path: Path, layer: Layer, below: Mapping[str, Entry]) -> None:
    path = _name(member.name)
    folder, name = posixpath.split(path)
    if name == OPAQUE:
        layer.emptied.add(folder)
    elif name.startswith(WHITEOUT):
        layer.removed.add(posixpath.join(folder, name.removeprefix(WHITEOUT)))
    elif member.islnk():
        target = _name(member.linkname)
        found = layer.entries.get(target) or below.get(target)
        if found is None:
            raise ArchiveBroken(f"{path} of the layer {layer_path.name} is a hard link to {target}, which is not there")
        layer.entries[path] = found
    elif path:
        layer.entries[path] = _entry(member, layer_path)


def _entry(member: tarfile.TarInfo, layer: Path) -> Entry:
    is_file = member.isreg()
    return Entry(
        kind=tarfile.REGTYPE if is_file else member.type,
        mode=member.mode & _MODE,
        uid=member.uid,
        gid=member.gid,
        link=member.linkname,
        device=(member.devmajor, member.devminor) if member.ischr() or member.isblk() else (0, 0),
        xattrs=_xattrs(member.pax_headers),
        mtime=int(member.mtime),
        content=Content(layer, member.offset_data, member.size) if is_file else None,
    )


def _xattrs(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    found = {key.removeprefix(XATTR): value for key, value in headers.items() if key.startswith(XATTR)}
    return tuple(sorted((name, value) for name, value in found.items() if not name.startswith(_OF_A_MACHINE)))


def _name(name: str) -> str:
    return posixpath.normpath(f"/{name}").lstrip("/")
