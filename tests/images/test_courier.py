"""A real courier on a real host: what it brings, what it leaves behind, and how little a change takes."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from provisioner.hosts.access import EngineHands
from provisioner.hosts.this_machine import THIS_MACHINE, local_client
from provisioner.images.archive import ImageContent, pack
from provisioner.images.build import BuildSettings, EngineBuilder
from provisioner.images.cache import LayerCache
from provisioner.images.shipping.courier.couriers import Couriers
from provisioner.images.shipping.record import record_image
from provisioner.images.shipping.ship import CacheShipper

pytestmark = pytest.mark.lab

TAG = "provisioner/courier-test/web"
STATE = Path(__file__).parents[2] / ".provisioner" / "cache"


@pytest.fixture
def shipper(tmp_path: Path) -> Iterator[CacheShipper]:
    """Lend a shipper with a cache of its own, whose couriers are made on this machine's engine."""
    client = local_client(os.environ)
    assert isinstance(client, docker.APIClient)
    builder = EngineBuilder(client, THIS_MACHINE, BuildSettings(STATE))
    plain = CacheShipper(LayerCache(tmp_path), lambda: [builder.images])
    yield CacheShipper(LayerCache(tmp_path), lambda: [builder.images], lend=Couriers(builder, plain.ship).at)
    client.close()


def kept(cache: LayerCache, content: bytes) -> ImageContent:
    """Put an image with one big layer into a cache."""
    image, layer = record_image({"big": content}, {}, "linux/amd64")
    cache.absorb(pack(image, (), image.layers).stream(lambda _: (layer,)))
    return image


def test_a_big_layer_is_brought_and_then_only_what_changed(
    real_hands: EngineHands, shipper: CacheShipper, tmp_path: Path
) -> None:
    """The first version travels as a parcel, the second as a patch, and both through the courier."""
    noise = random.Random(7).randbytes(6 << 20)  # noqa: S311 - the same in each run
    changed = noise[: 3 << 20] + b"changed" + noise[(3 << 20) + 7 :]
    first, second = (kept(LayerCache(tmp_path), content) for content in (noise, changed))
    said: list[str] = []
    try:
        for image, tag, most in ((first, f"{TAG}:1", 7 << 20), (second, f"{TAG}:2", 20_000)):
            sent = shipper.ship(image.image_id, (tag,), real_hands, lambda text, done, total: said.append(text))
            found = real_hands.images.inspect(tag)
            assert found is not None
            assert (found.image_id, found.layers) == (image.image_id, image.diff_ids)
            assert 0 < sent < most, said
        assert not [text for text in said if text.startswith("sending straight to the engine")], said
    finally:
        for tag in (f"{TAG}:1", f"{TAG}:2"):
            real_hands.images.remove(tag)
