"""Layers pass through; they are never held."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Iterator

from provisioner.images.archive import digest_of, member_header, member_padding, pack
from provisioner.images.cache import LayerCache

MEGABYTE = 1 << 20
SIZE = 300 * MEGABYTE
ROOM = 30 * MEGABYTE
PIECE = bytes(MEGABYTE)


def saved() -> Iterator[bytes]:
    """Yield an archive with one layer of 300 MB, as an engine would."""
    hasher = hashlib.sha256()
    for _ in range(SIZE // MEGABYTE):
        hasher.update(PIECE)
    layer = hasher.hexdigest()
    config = json.dumps({"rootfs": {"diff_ids": [f"sha256:{layer}"]}}).encode()
    name = digest_of(config).removeprefix("sha256:") + ".json"
    manifest = json.dumps([{"Config": name, "Layers": [f"{layer}/layer.tar"]}]).encode()
    yield member_header(f"{layer}/layer.tar", SIZE)
    for _ in range(SIZE // MEGABYTE):
        yield PIECE
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
