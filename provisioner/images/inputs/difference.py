"""In what two images differ, layer by layer, and in those that differ path by path."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from provisioner.images.archive import ImageContent, Layer
from provisioner.images.cache import LayerCache

_PIECE = 1 << 20
_Facts = tuple[object, ...]


def different(cache: LayerCache, one: ImageContent, other: ImageContent) -> Iterator[str]:
    """Yield what differs between two images that a cache has, in words."""
    pairs = zip_longest(one.layers, other.layers)
    unlike = [(number, pair) for number, pair in enumerate(pairs, 1) if pair[0] != pair[1]]
    for number, (old, new) in unlike:
        entries = [_entries(cache, layer) for layer in (old, new)]
        for path in sorted({*entries[0], *entries[1]}):
            if entries[0].get(path) != entries[1].get(path):
                yield f"layer {number} {path} ({_how(entries[0].get(path), entries[1].get(path))})"
    if not unlike:
        yield "its configuration, in no layer"


def _entries(cache: LayerCache, layer: Layer | None) -> dict[str, _Facts]:
    return dict(_read(cache.path_of(layer.diff_id))) if layer else {}


def _read(path: Path) -> Iterator[tuple[str, _Facts]]:
    with tarfile.open(path, "r:") as members:
        for each in members:
            extended = tuple(sorted(each.pax_headers.items()))
            facts = (each.type, each.mode, each.uid, each.gid, each.linkname, each.mtime, extended)
            yield f"/{each.name.lstrip('./')}", (*facts, _digest(members, each))


def _digest(members: tarfile.TarFile, each: tarfile.TarInfo) -> str:
    source = members.extractfile(each) if each.isfile() else None
    hasher = hashlib.sha256()
    while source and (piece := source.read(_PIECE)):
        hasher.update(piece)
    return hasher.hexdigest()


def _how(old: _Facts | None, new: _Facts | None) -> str:
    if old is None or new is None:
        return "only in what came out now" if old is None else "only in what the release has"
    return "other content" if old[-1] != new[-1] else "other attributes"
