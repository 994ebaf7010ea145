"""Raw images as an engine would have saved them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.images.archive import ImageContent, Layer, digest_of
from provisioner.images.cache import SpooledImage

Spool = Callable[..., SpooledImage]


def spooled(folder: Path, *layers: bytes, **settings: object) -> SpooledImage:
    """Write layers, bottom-up, into a folder and return them as an image with these settings."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / f"raw-{number}" for number in range(len(layers)))
    for path, layer in zip(paths, layers, strict=True):
        path.write_bytes(layer)
    config = {"os": "linux", "architecture": "amd64", "config": settings, "created": "today", "container": "x"}
    described = tuple(Layer(digest_of(layer), len(layer)) for layer in layers)
    return SpooledImage(ImageContent(json.dumps(config).encode(), described), paths, folder)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Make a raw image of layers, in a folder of this test."""
    return lambda *layers, **settings: spooled(tmp_path / "spool", *layers, **settings)
