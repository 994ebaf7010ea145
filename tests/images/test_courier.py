"""A real courier on a real host: what it brings, what it leaves behind, and how little a change takes."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from provisioner.errors import ArchiveBroken, EngineRefused
from provisioner.hosts.access import AccessSettings, EngineHands, SshHosts
from provisioner.hosts.this_machine import THIS_MACHINE, local_client
from provisioner.images.archive import ImageContent, pack
from provisioner.images.build import BuildSettings, EngineBuilder
from provisioner.images.cache import LayerCache
from provisioner.images.shipping.courier.couriers import Couriers, courier_inputs, relay_request
from provisioner.images.shipping.courier.orders import Delivery
from provisioner.images.shipping.parcels import Parcels
from provisioner.images.shipping.record import record_image
from provisioner.images.shipping.relay import Relays
from provisioner.images.shipping.ship import CacheShipper
from provisioner.ports import Progress
from tests.lab_fleet import LabFleet

pytestmark = pytest.mark.lab

TAG = "provisioner/courier-test/web"
STATE = Path(__file__).parents[2] / ".provisioner" / "cache"


@pytest.fixture
def couriers(tmp_path: Path) -> Iterator[Couriers]:
    """Lend couriers that are made on this machine's engine."""
    client = local_client(os.environ)
    assert isinstance(client, docker.APIClient)
    builder = EngineBuilder(client, THIS_MACHINE, BuildSettings(STATE))
    yield Couriers(builder, CacheShipper(LayerCache(tmp_path), lambda: [builder.images]).ship)
    client.close()


@pytest.fixture
def pair(lab: LabFleet) -> Iterator[dict[str, EngineHands]]:
    """Return what changes two real hosts, with the addresses by which they reach each other."""
    known = lab.folder / "inventories" / f"{lab.name}.known_hosts"
    inventory = lab.inventory().hosts
    with SshHosts(AccessSettings(known_hosts=known, environment={})) as hosts:
        yield {inventory[name].private_address: hosts.hands(inventory[name]) for name in ("web3", "web4")}


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


def test_a_host_hands_on_what_it_gets(pair: dict[str, EngineHands], couriers: Couriers, tmp_path: Path) -> None:
    """Of two hosts that get a big image at once one pulls it from the other; nothing is left of the relay."""
    image = kept(LayerCache(tmp_path), random.Random(8).randbytes(9 << 20))  # noqa: S311 - the same in each run
    addresses = {hands.images.host: address for address, hands in pair.items()}
    relays = Relays(couriers.relay, addresses)
    shipper = CacheShipper(LayerCache(tmp_path), list, lend=couriers.at, relays=relays)
    said: list[str] = []
    try:
        with ThreadPoolExecutor(2) as pool:
            ships = [pool.submit(shipper.ship, image.image_id, (f"{TAG}:3",), to, _told(said)) for to in pair.values()]
            assert all(9 << 20 < each.result() < 10 << 20 for each in ships)
        relays.close()
        for hands in pair.values():
            found = hands.images.inspect(f"{TAG}:3")
            assert found is not None
            assert found.image_id == image.image_id
            assert hands.reader.container("provisioner-relay") is None
        assert not [text for text in said if "served" in text or "straight" in text], said
        with couriers.at(next(iter(pair.values())), "look", _told(said)) as courier:
            assert image.diff_ids[0].removeprefix("sha256:") in courier.layers()
    finally:
        for hands in pair.values():
            hands.images.remove(f"{TAG}:3")


def test_a_parcel_that_was_cut_goes_on_and_one_that_is_wrong_is_forgotten(
    real_hands: EngineHands, couriers: Couriers, tmp_path: Path
) -> None:
    """What came before the cut stays on the host; a parcel under another digest leaves neither parcel nor layer."""
    cache = LayerCache(tmp_path)
    image = kept(cache, random.Random(9).randbytes(5 << 20))  # noqa: S311 - the same in each run
    (layer,) = image.layers
    archive = pack(image, (f"{TAG}:4",), image.layers)
    parcel = Parcels(tmp_path / "parcels", cache).full(layer)
    pieces = list(parcel.pieces(0))

    def brought(pieces: Iterable[bytes], digest: str) -> Delivery:
        return Delivery(layer, parcel.name, pieces, lambda: digest, lambda _: None)

    def cut() -> Iterator[bytes]:
        yield from pieces[:5]
        raise ArchiveBroken("cut")

    try:
        with couriers.at(real_hands, "look", _told([])) as courier:
            courier.discard(parcel.name)
            with pytest.raises(ArchiveBroken):
                courier.load(archive, lambda _: brought(cut(), ""))
            held = courier.held(parcel.name)
            assert (held.size, parcel.begins_with(held)) == (sum(map(len, pieces[:5])), True)
            with pytest.raises(EngineRefused, match="other bytes"):
                courier.load(archive, lambda _: brought(pieces[5:], "another digest"))
            assert courier.held(parcel.name).size == 0
            assert courier.load(archive, lambda _: brought(pieces, parcel.digest())) == ""
            assert layer.diff_id.removeprefix("sha256:") in courier.layers()
            assert courier.load(archive, lambda _: None) == "", "out of the spool, where it lies as it came"
    finally:
        real_hands.images.remove(f"{TAG}:4")


def test_a_relay_without_a_controller_ends_by_itself(
    real_hands: EngineHands, couriers: Couriers, tmp_path: Path
) -> None:
    """A relay that nobody touches is gone after its time, container and all."""
    with couriers.at(real_hands, "look", _told([])):
        image = real_hands.images.inspect(courier_inputs().tag)
    assert image is not None
    request = relay_request(image.image_id, "127.0.0.1", 18950)
    request = replace(request, options=replace(request.options, command=("/bin/hub", "1")))
    real_hands.containers.start(real_hands.containers.create(request))
    deadline = time.monotonic() + 20
    while real_hands.reader.container(request.name) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def _told(said: list[str]) -> Progress:
    return lambda text, done, total: said.append(text)
