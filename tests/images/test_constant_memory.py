"""Layers pass through; they are never held."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Iterator

import pytest

from provisioner.images.archive import digest_of, member_header, member_padding, pack
from provisioner.images.cache import LayerCache
from provisioner.images.normalising.normalise import Rules, normalise

pytestmark = pytest.mark.slow

MEGABYTE = 1 << 20
SIZE = 300 * MEGABYTE
ROOM = 30 * MEGABYTE
PIECE = bytes(MEGABYTE)


def layer_pieces() -> Iterator[bytes]:
    """Yield a layer that is one file of 300 MB."""
    yield member_header("app", SIZE)
    for _ in range(SIZE // MEGABYTE):
        yield PIECE
    yield bytes(1024)


def saved() -> Iterator[bytes]:
    """Yield an archive with one layer of 300 MB, as an engine would."""
    hasher, size = hashlib.sha256(), 0
    for piece in layer_pieces():
        hasher.update(piece)
        size += len(piece)
    layer = hasher.hexdigest()
    said = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [f"sha256:{layer}"]}}
    config = json.dumps(said).encode()
    name = digest_of(config).removeprefix("sha256:") + ".json"
    manifest = json.dumps([{"Config": name, "Layers": [f"{layer}/layer.tar"]}]).encode()
    yield member_header(f"{layer}/layer.tar", size)
    yield from layer_pieces()
    yield member_padding(size)
    for path, content in ((name, config), ("manifest.json", manifest)):
        yield member_header(path, len(content)) + content + member_padding(len(content))
    yield bytes(1024)


def test_a_layer_larger_than_the_memory_it_may_take(cache: LayerCache) -> None:
    """Keeping and sending a layer of 300 MB never takes more than 30 MB."""
    tracemalloc.start()
    try:
        (image,) = cache.absorb(saved())
        archive = pack(image, ("web:1",), image.layers)
        assert sum(map(len, archive.stream(cache.layer))) == archive.size > SIZE
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        cache.forget(image)
    assert peak < ROOM


@pytest.mark.parametrize("base_layers", [0, 1])
def test_a_file_larger_than_the_memory_normalising_may_take(cache: LayerCache, base_layers: int) -> None:
    """Normalising an image with a file of 300 MB, in its base or above it, never takes more than 30 MB."""
    tracemalloc.start()
    try:
        with cache.spooled(saved()) as raw:
            made = normalise(raw, base_layers, Rules())
            cache.keep(made.content, made.layers, raw.folder)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cache.find(made.content.image_id) == made.content
    cache.forget(made.content)
    assert peak < ROOM
