"""In what two builds of one image differ, layer by layer and path by path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from provisioner.images.normalising.normalise import BASE, Normalised
from provisioner.images.normalising.sections import SECTIONS
from provisioner.images.normalising.tree import Entry, Layer, read_layer
from provisioner.model.image import PathDifference

SETTINGS = "settings"
"""The part of an image that is no layer: what its config sets in every container."""


def differences(one: Normalised, other: Normalised) -> tuple[PathDifference, ...]:
    """Return every path, and every setting, in which two normalised images differ."""
    return (
        *(each for section in SECTIONS for each in _in_layer(section, _layer(one, section), _layer(other, section))),
        *_in_settings(_settings(one), _settings(other)),
    )


def _layer(made: Normalised, section: str) -> Layer:
    found = next((each for each in made.explanation.layers if each.section == section != BASE), None)
    return read_layer(made.layers[found.diff_id], {}) if found else Layer()


def _in_layer(section: str, one: Layer, other: Layer) -> Iterator[PathDifference]:
    for path in sorted({*one.entries, *other.entries}):
        if how := "; ".join(_hows(one.entries.get(path), other.entries.get(path))):
            yield PathDifference(section, f"/{path}", how)
    for path in sorted(one.removed ^ other.removed):
        which = "first" if path in one.removed else "second"
        yield PathDifference(section, f"/{path}", f"removed by the {which} build only")


def _hows(one: Entry | None, other: Entry | None) -> Iterator[str]:
    if one is None or other is None:
        yield f"only in the {'second' if one is None else 'first'} build"
    elif one.kind != other.kind:
        yield "kind"
    else:
        yield from _within_kind(one, other)


def _within_kind(one: Entry, other: Entry) -> Iterator[str]:
    if one.mode != other.mode:
        yield f"mode {one.mode:o} and {other.mode:o}"
    if (one.uid, one.gid) != (other.uid, other.gid):
        yield f"owner {one.uid}:{one.gid} and {other.uid}:{other.gid}"
    if one.link != other.link:
        yield f"link to {one.link} and {other.link}"
    if one.xattrs != other.xattrs or one.device != other.device:
        yield "attributes"
    if one.size != other.size:
        yield f"content, {one.size} and {other.size} bytes"
    elif one.content and other.content and one.content.digest() != other.content.digest():
        yield "content"


def _settings(made: Normalised) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = json.loads(made.content.config)["config"]
    return settings


def _in_settings(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[PathDifference]:
    for key in sorted({*one, *other}):
        if one.get(key) != other.get(key):
            yield PathDifference(SETTINGS, key, f"{json.dumps(one.get(key))} and {json.dumps(other.get(key))}")
