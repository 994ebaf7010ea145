"""From what an engine built to what the build means: the same inputs give the same image, whoever built them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.images.archive import ImageContent, Layer
from provisioner.images.cache import SpooledImage
from provisioner.images.normalising.dates import set_back
from provisioner.images.normalising.difference import is_same, removed
from provisioner.images.normalising.image_config import image_config
from provisioner.images.normalising.sections import SECTIONS, Section, section_of
from provisioner.images.normalising.tree import Tree, folders_above, tree_of
from provisioner.images.normalising.volatile import dropped_by
from provisioner.images.normalising.write_layer import layer_pieces, write_layer
from provisioner.model.image import Dropped, Explanation, LayerSummary, Rewritten

BASE = "base"


@dataclass(frozen=True, slots=True)
class Normalised:
    """A normalised image, where each of its layers lies by diff id, and how it came to be."""

    content: ImageContent
    layers: Mapping[str, Path]
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Rules:
    """What the caller decides: paths of rendered files, which are never dropped, and labels laid over the image's."""

    files: frozenset[str] = frozenset()
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Change:
    """What lies between base and image: entries to write, paths to remove, and what was left out or set back."""

    final: Tree
    written: Tree
    removed: frozenset[str]
    dropped: tuple[Dropped, ...]
    rewritten: tuple[Rewritten, ...]


@dataclass(slots=True)
class _Part:
    """A section as it is put together."""

    entries: Tree
    removed: set[str]


def normalise(raw: SpooledImage, base_layers: int, rules: Rules) -> Normalised:
    """Return a raw image with its first layers as they are and all above them merged, cleaned and split by section.

    New layers are written beside the raw ones. Raise ArchiveBroken, StorageFailed.
    """
    base = tree_of(raw.layers[:base_layers])
    change = _change(base, tree_of(raw.layers[base_layers:], base), rules.files)
    kept = [(BASE, layer, 0) for layer in raw.content.layers[:base_layers]]
    paths = {layer.diff_id: path for layer, path in zip(raw.content.layers, raw.layers, strict=True)}
    made: list[tuple[str, Layer, int]] = []
    for section, part in _parts(change, rules.files):
        target = raw.folder / f"section-{section}"
        layer = write_layer(layer_pieces(part.entries, part.removed), target)
        made.append((section, layer, len(part.entries) + len(part.removed)))
        paths[layer.diff_id] = target
    layers = (*kept, *made)
    config = image_config(raw.content.config, rules.labels or {}, [(layer.diff_id, what) for what, layer, _ in layers])
    content = ImageContent(config, tuple(layer for _, layer, _ in layers))
    summaries = tuple(LayerSummary(what, layer.diff_id, layer.size, count) for what, layer, count in layers)
    explanation = Explanation(summaries, change.dropped, change.rewritten)
    return Normalised(content, {each: paths[each] for each in content.diff_ids}, explanation)


def _change(base: Tree, final: Tree, files: Collection[str]) -> _Change:
    written: Tree = {}
    dropped, rewritten = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for path, found in final.items():
        if found is base.get(path):
            continue
        entry, reason = set_back(path, base, final)
        if is_same(base.get(path), entry):
            continue
        if path not in files and (rule := dropped_by(path, entry)):
            dropped[rule].append(path)
            continue
        written[path] = entry
        if reason:
            rewritten[reason].append(path)
    return _Change(
        final,
        written,
        removed(base, final),
        tuple(Dropped(rule, tuple(sorted(paths))) for rule, paths in sorted(dropped.items())),
        tuple(Rewritten(rule, tuple(sorted(paths))) for rule, paths in sorted(rewritten.items())),
    )


def _parts(change: _Change, files: Collection[str]) -> list[tuple[Section, _Part]]:
    """Return the sections that hold something, each with every folder on the way to what is in it."""
    parts = {section: _Part({}, set()) for section in SECTIONS}
    on_the_way = {folder for path in (*change.written, *change.removed) for folder in folders_above(path)}
    for path, entry in change.written.items():
        if not (entry.is_folder and path in on_the_way):
            parts[section_of(path, files)].entries[path] = entry
    for path in change.removed:
        parts[section_of(path, files)].removed.add(path)
    for part in parts.values():
        for path in (*part.entries, *part.removed):
            for folder in folders_above(path):
                part.entries.setdefault(folder, change.written.get(folder) or change.final[folder])
    return [(section, part) for section, part in parts.items() if part.entries or part.removed]
