"""A file system with layers, as overlayfs keeps one, and layers read back as an engine unpacks them."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

CAPABILITY = "SCHILY.xattr.security.capability"


@dataclass(frozen=True)
class Node:
    """What lies at a path; `inode` is one number for all hard links of a file."""

    kind: str
    text: str = ""
    mode: int = 0o644
    owner: int = 0
    capability: str = ""
    inode: int = 0


MADE_UP = Node("folder", mode=0o755)
"""A folder that an engine makes because a layer has something below it and not the folder itself."""

Nodes = dict[str, Node]


@dataclass
class FileSystem:
    """A file system that is worked on layer by layer; `nodes` is what is there now."""

    nodes: Nodes = field(default_factory=dict)
    below: Nodes = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    inodes: int = 0

    def put(self, path: str, node: Node) -> bool:
        """Write something in place of what is there, a folder with all that is in it too, if its folder is there."""
        if not self._is_folder(posixpath.dirname(path)):
            return False
        before = self.nodes.get(path)
        if before and not (before.kind == node.kind == "folder"):
            self.remove(path)
        self.inodes += 1
        if node.kind == "folder" and path in self.removed:
            self.emptied.add(path)
        self.removed.discard(path)
        self.nodes[path] = Node(**{**vars(node), "inode": self.inodes})
        self._touch(path)
        return True

    def link(self, path: str, target: str) -> bool:
        """Give a file of this layer a second name."""
        found = self.nodes.get(target)
        if found is None or found.kind != "file" or target not in self.touched or path in self.nodes:
            return False
        if not self._is_folder(posixpath.dirname(path)):
            return False
        self.removed.discard(path)
        self.nodes[path] = found
        self._touch(path)
        return True

    def remove(self, path: str) -> bool:
        """Remove something with all that is below it."""
        gone = {each for each in self.nodes if each == path or each.startswith(f"{path}/")}
        if not gone:
            return False
        for each in gone:
            del self.nodes[each]
        for marks in (self.touched, self.removed, self.emptied):
            marks -= {each for each in marks if each == path or each.startswith(f"{path}/")}
        if path in self.below and self._shows_below(path):
            self.removed.add(path)
        self._touch(posixpath.dirname(path))
        return True

    def become(self, other: FileSystem) -> None:
        """Make everything as it is in another file system, its hard links too."""
        for path in sorted(self.nodes.keys() - other.nodes.keys()):
            self.remove(path)
        first: dict[int, str] = {}
        for path, node in sorted(other.nodes.items()):
            if self.nodes.get(path) == node:
                continue
            if node.inode in first:
                self.remove(path)
                self.link(path, first[node.inode])
            else:
                self.put(path, node)
                first[node.inode] = path

    def layer(self) -> bytes:
        """Return what was done since the last layer as a tar, and begin another layer."""
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path, marker in sorted(self._markers()):
                archive.addfile(_member(posixpath.join(path, marker), Node("file")), io.BytesIO())
            names: dict[int, str] = {}
            for path in sorted(self.touched):
                node = self.nodes[path]
                member = _member(path, node)
                if node.kind == "file" and node.inode in names:
                    member.type, member.linkname, member.size = tarfile.LNKTYPE, names[node.inode], 0
                names.setdefault(node.inode, path)
                archive.addfile(member, io.BytesIO(node.text.encode()) if member.isreg() else None)
        self.below = dict(self.nodes)
        self.touched, self.removed, self.emptied = set(), set(), set()
        return target.getvalue()

    def _markers(self) -> Iterator[tuple[str, str]]:
        for path in self.removed:
            yield posixpath.dirname(path), f".wh.{posixpath.basename(path)}"
        for path in self.emptied:
            yield path, ".wh..wh..opq"

    def _touch(self, path: str) -> None:
        while path and path in self.nodes:
            self.touched.add(path)
            path = posixpath.dirname(path)

    def _shows_below(self, path: str) -> bool:
        while path := posixpath.dirname(path):
            if path in self.emptied:
                return False
            if self.below[path].kind != "folder":
                return False
        return True

    def _is_folder(self, path: str) -> bool:
        return not path or (path in self.nodes and self.nodes[path].kind == "folder")


def unpacked(layers: list[Path]) -> Nodes:
    """Return what an engine shows of layers: each in a folder of its own, with made up parents, one over the other."""
    merged: Nodes = {}
    for layer in layers:
        upper, removed, emptied = _upper(layer)
        hidden = {path for path in merged if _hides(path, upper, removed, emptied)}
        merged = {path: node for path, node in merged.items() if path not in hidden} | upper
    return merged


def plain(nodes: Mapping[str, Node]) -> Nodes:
    """Return nodes without their inodes, for comparison."""
    return {path: Node(**{**vars(node), "inode": 0}) for path, node in nodes.items()}


def _hides(path: str, upper: Nodes, removed: set[str], emptied: set[str]) -> bool:
    if path in removed:
        return True
    while path := posixpath.dirname(path):
        if path in removed or path in emptied or (path in upper and upper[path].kind != "folder"):
            return True
    return False


def _upper(layer: Path) -> tuple[Nodes, set[str], set[str]]:
    upper: Nodes = {}
    removed, emptied = set[str](), set[str]()
    with tarfile.open(layer) as archive:
        for member in archive:
            folder, name = posixpath.split(member.name)
            parent = folder
            while parent and parent not in upper:
                upper[parent] = MADE_UP
                parent = posixpath.dirname(parent)
            if name == ".wh..wh..opq":
                emptied.add(folder)
            elif name.startswith(".wh."):
                removed.add(posixpath.join(folder, name[4:]))
            elif member.islnk():
                upper[member.name] = upper[member.linkname]
            else:
                upper[member.name] = _node(archive, member)
    return upper, removed, emptied


def _node(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Node:
    capability = member.pax_headers.get(CAPABILITY, "")
    if member.isdir():
        return Node("folder", "", member.mode, member.uid, capability)
    if member.issym():
        return Node("link", member.linkname, member.mode, member.uid, capability)
    source = archive.extractfile(member)
    text = source.read().decode() if source else ""
    return Node("file", text, member.mode, member.uid, capability)


def _member(path: str, node: Node) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type = {"folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE, "file": tarfile.REGTYPE}[node.kind]
    member.mode, member.uid, member.mtime = node.mode, node.owner, 1_600_000_000 + node.inode
    member.uname = "builder"
    if node.kind == "link":
        member.linkname = node.text
    if node.kind == "file":
        member.size = len(node.text.encode())
    if node.capability:
        member.pax_headers = {CAPABILITY: node.capability}
    return member
