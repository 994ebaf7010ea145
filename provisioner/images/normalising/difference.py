"""What lies between two trees: the entries to write and the paths to remove, which together turn one into the other."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import replace

from provisioner.images.normalising.tree import Entry, Tree


def changed(base: Mapping[str, Entry], final: Mapping[str, Entry]) -> Tree:
    """Return the entries of `final` that are not in `base`, or differ there in anything but their time."""
    return {path: entry for path, entry in final.items() if not is_same(base.get(path), entry)}


def removed(base: Mapping[str, Entry], final: Mapping[str, Entry]) -> frozenset[str]:
    """Return the paths to remove from `base`: what lies below one of them, or below what is now no folder, goes too."""
    return frozenset(path for path in base if path not in final and _is_there(posixpath.dirname(path), final))


def is_same(one: Entry | None, other: Entry) -> bool:
    """Tell whether two entries are equal in everything but their time; contents are read only where all else is."""
    if one is other:
        return True
    if one is None or _words(one) != _words(other) or one.size != other.size:
        return False
    if one.content is None or other.content is None or one.content == other.content:
        return True
    return one.content.digest() == other.content.digest()


def _words(entry: Entry) -> Entry:
    return replace(entry, mtime=0, content=None)


def _is_there(folder: str, tree: Mapping[str, Entry]) -> bool:
    return not folder or (folder in tree and tree[folder].is_folder)
