"""Shipping big layers through a courier: cuts, full disks, broken parcels, and engines that will not have it."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.errors import EngineRefused, HostUnreachable, ImageMissing, NoRoom, ProvisionerError, ShippingFailed
from provisioner.images.archive import pack
from provisioner.images.cache import LayerCache
from provisioner.images.memory import MemoryImageStore, receiver
from provisioner.images.shipping.courier.engine_requests import read_load_answer
from provisioner.images.shipping.courier.memory import MemoryCouriers, MemorySpool
from provisioner.images.shipping.courier.orders import WINDOW, Courier
from provisioner.images.shipping.parcels import Parcels
from provisioner.images.shipping.relay import Relays
from provisioner.images.shipping.ship import CacheShipper, LendCourier
from provisioner.images.shipping.shipment import Receiver
from provisioner.ports import Progress

Make = Callable[..., Any]
TAG = "provisioner/shop/web:0123456789abcdef"


def noise(size: int, seed: int = 1) -> str:
    """Return text that hardly gets smaller."""
    return random.Random(seed).randbytes(size // 2).hex()  # noqa: S311 - the same in each run


AT_ONCE = (0.0, 0.0, 0.0)


@pytest.fixture
def big(make: Make) -> Any:
    """An image whose base is big."""
    return make(noise(6 << 20), "app")


def source(*images: Any) -> MemoryImageStore:
    """Return an engine that has these images."""
    made = MemoryImageStore("builder")
    for image in images:
        made.load(pack(image.content, (), image.content.layers).stream(image.read))
    return made


def shipper(cache: LayerCache, spool: MemorySpool, *images: Any) -> CacheShipper:
    """Return a shipper whose couriers work on this spool."""
    return CacheShipper(cache, lambda: [source(*images)], lend=MemoryCouriers(spool).at, pauses=AT_ONCE)


def lend_none(fault: ProvisionerError) -> LendCourier:
    """Lend no courier, and say why."""

    def lend(to: Receiver, task: str, progress: Progress, network: str) -> AbstractContextManager[Courier]:
        raise fault

    return lend


def hearing(said: list[str]) -> Progress:
    """Hear what is said."""
    return lambda text, done, total: said.append(text)


def silent(*_: object) -> None:
    """Hear nothing."""


def test_big_layers_travel_as_parcels(cache: LayerCache, big: Any) -> None:
    """A courier brings what is big, compressed; the engine has the image under its tag and the spool no parcel."""
    spool, target = MemorySpool(), MemoryImageStore("web1")
    sent = shipper(cache, spool, big).ship(big.content.image_id, (TAG,), receiver(target), silent)
    assert 0 < sent < big.content.layers[0].size * 0.7
    assert target.tags == {TAG: big.content.image_id}
    assert (spool.couriers, spool.parcels) == (1, {})
    assert list(spool.unpacked) == [big.content.diff_ids[0].removeprefix("sha256:")]


def test_small_changes_need_no_courier(cache: LayerCache, make: Make) -> None:
    """A small image goes straight to the engine."""
    image, spool = make("base", "app"), MemorySpool()
    shipper(cache, spool, image).ship(image.content.image_id, (TAG,), receiver(MemoryImageStore("web1")), silent)
    assert spool.couriers == 0


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 3 << 20), min_size=1, max_size=3))
def test_a_cut_anywhere_costs_at_most_a_window(
    tmp_path_factory: pytest.TempPathFactory, big: Any, cuts: list[int]
) -> None:
    """Wherever the line is cut, what follows goes on from there: little is sent twice, and the image arrives whole."""
    image = big
    cache = LayerCache(tmp_path_factory.mktemp("cache"))
    spool, target = MemorySpool(cuts=list(cuts)), MemoryImageStore("web1")
    sent = shipper(cache, spool, image).ship(image.content.image_id, (TAG,), receiver(target), silent)
    parcels = Parcels(cache.folder / "parcels", cache)
    whole = sum(parcels.full(layer).size for layer in image.content.layers)
    assert sent <= whole + len(cuts) * WINDOW
    assert target.tags == {TAG: image.content.image_id}


def test_a_line_that_is_cut_again_and_again_is_the_hosts_fault(cache: LayerCache, big: Any) -> None:
    """After a few tries the host counts as unreachable; the next run goes on where this one ended."""
    spool, target = MemorySpool(cuts=[100_000] * 4), MemoryImageStore("web1")
    ships = shipper(cache, spool, big)
    with pytest.raises(HostUnreachable):
        ships.ship(big.content.image_id, (TAG,), receiver(target), silent)
    assert target.tags == {}
    (arrived,) = (len(content) for content in spool.parcels.values())
    assert arrived == 400_000
    again = ships.ship(big.content.image_id, (TAG,), receiver(target), silent)
    assert again + arrived == pytest.approx(3.27e6, rel=0.05)


def test_too_little_room_is_told_before_anything_travels(cache: LayerCache, big: Any) -> None:
    """The error says how much is needed and how much is free, and nothing was sent."""
    spool, target = MemorySpool(free=5 << 20), MemoryImageStore("web1")
    with pytest.raises(NoRoom) as caught:
        shipper(cache, spool, big).ship(big.content.image_id, (TAG,), receiver(target), silent)
    assert caught.value.free == 5 << 20
    assert caught.value.needed > 3 * big.content.layers[0].size
    assert caught.value.hint
    assert (spool.parcels, target.received, target.tags) == ({}, [], {})


def test_a_disk_that_fills_up_meanwhile_is_told(cache: LayerCache, big: Any) -> None:
    """A spool that takes no more ends the shipment with its reason, and no tag of ours is left."""
    spool, target = MemorySpool(capacity=1 << 20), MemoryImageStore("web1")
    with pytest.raises(ShippingFailed, match="No space left on device"):
        shipper(cache, spool, big).ship(big.content.image_id, (TAG,), receiver(target), silent)
    assert (target.tags, target.received) == ({}, [])


def test_a_parcel_that_arrives_broken_is_never_loaded(cache: LayerCache, big: Any) -> None:
    """A flipped byte is found on the host before the engine sees it; then the image goes straight to the engine."""
    spool, target = MemorySpool(flips=1), MemoryImageStore("web1")
    said: list[str] = []
    ships = shipper(cache, spool, big)
    ships.ship(big.content.image_id, (TAG,), receiver(target), lambda text, *_: said.append(text))
    assert target.tags == {TAG: big.content.image_id}
    assert any("sending straight to the engine (" in text and "other bytes" in text for text in said)


def test_other_bytes_in_the_spool_are_not_built_upon(cache: LayerCache, big: Any) -> None:
    """What lies in the spool under our name and is no beginning of our parcel is thrown away."""
    spool, target = MemorySpool(), MemoryImageStore("web1")
    name = big.content.diff_ids[0].removeprefix("sha256:") + ".zst"
    spool.parcels[name] = b"somebody else's"
    shipper(cache, spool, big).ship(big.content.image_id, (TAG,), receiver(target), silent)
    assert target.tags == {TAG: big.content.image_id}


def test_a_damaged_parcel_in_the_cache_does_not_stop_anything(cache: LayerCache, big: Any) -> None:
    """A parcel that rotted on this machine is found out on the host, and the image arrives all the same."""
    spool, target = MemorySpool(), MemoryImageStore("web1")
    ships = shipper(cache, spool, big)
    ships.ship(big.content.image_id, (TAG,), receiver(MemoryImageStore("web0")), silent)
    path = next(path for path in (cache.folder / "parcels").iterdir() if path.stat().st_size > 1 << 20)
    path.write_bytes(path.read_bytes()[:-9] + bytes(9))
    spool.unpacked.clear()
    ships.ship(big.content.image_id, (TAG,), receiver(target), silent)
    assert target.tags == {TAG: big.content.image_id}


def test_without_a_courier_the_engine_gets_it_straight(cache: LayerCache, big: Any) -> None:
    """Where no courier can be made or run, the next rung of the ladder serves, and says why."""
    for fault in (ImageMissing("no engine to build on"), EngineRefused("web1", "no bind mounts here")):
        target = MemoryImageStore("web1")
        said: list[str] = []
        ships = CacheShipper(cache, lambda: [source(big)], lend=lend_none(fault))
        ships.ship(big.content.image_id, (TAG,), receiver(target), hearing(said))
        assert target.tags == {TAG: big.content.image_id}
        assert any(text.startswith("sending straight to the engine (") for text in said)


def test_a_layer_is_compressed_once_for_all_hosts(cache: LayerCache, big: Any) -> None:
    """The second host gets the parcel that was made for the first."""
    ships = shipper(cache, MemorySpool(), big)
    ships.ship(big.content.image_id, (TAG,), receiver(MemoryImageStore("web1")), silent)
    before = {path: path.stat().st_mtime_ns for path in sorted((cache.folder / "parcels").iterdir())}
    other = CacheShipper(cache, list, lend=MemoryCouriers(MemorySpool()).at)
    other.ship(big.content.image_id, (TAG,), receiver(MemoryImageStore("web2")), silent)
    assert {path: path.stat().st_mtime_ns for path in sorted((cache.folder / "parcels").iterdir())} == before


@pytest.fixture
def versions(make: Make) -> tuple[Any, Any]:
    """Two images of a service: in the big layer of the second a few bytes are others."""
    text = noise(6 << 20)
    return make(text, "app"), make(text[: 3 << 20] + "changed" + text[(3 << 20) + 7 :], "app")


def hexed(diff_id: str) -> str:
    """Return the digits of a digest."""
    return diff_id.removeprefix("sha256:")


def test_a_little_change_in_a_big_layer_travels_as_a_patch(cache: LayerCache, versions: tuple[Any, Any]) -> None:
    """Against the layer that was kept from the last time, what changed is a few kilobytes."""
    first, second = versions
    spool, target = MemorySpool(), MemoryImageStore("web1")
    ships = shipper(cache, spool, first, second)
    ships.ship(first.content.image_id, (TAG,), receiver(target), silent)
    sent = ships.ship(second.content.image_id, (f"{TAG}2",), receiver(target), silent)
    assert sent < 10_000
    assert target.tags == {TAG: first.content.image_id, f"{TAG}2": second.content.image_id}
    assert list(spool.unpacked) == [hexed(second.content.diff_ids[0])]


@pytest.mark.parametrize("recoverable", [True, False])
def test_a_layer_that_was_not_kept_is_dug_out_of_the_engine(
    cache: LayerCache, versions: tuple[Any, Any], *, recoverable: bool
) -> None:
    """Without the older layer in the spool the engine is asked for it; where it has none the whole layer goes."""
    first, second = versions
    spool, target = MemorySpool(), MemoryImageStore("web1")
    ships = shipper(cache, spool, first, second)
    ships.ship(first.content.image_id, (TAG,), receiver(target), silent)
    spool.unpacked.clear()
    if recoverable:
        spool.recoverable[f"provisioner/shop/web {hexed(first.content.diff_ids[0])}"] = first.layers[0]
    sent = ships.ship(second.content.image_id, (f"{TAG}2",), receiver(target), silent)
    assert (sent < 10_000) == recoverable
    assert target.tags[f"{TAG}2"] == second.content.image_id


def test_a_patch_against_a_layer_that_rotted_there_gives_way_to_the_whole_layer(
    cache: LayerCache, versions: tuple[Any, Any]
) -> None:
    """What a patch makes is proven on the host: from other bytes comes another layer, and then all of it is sent."""
    first, second = versions
    spool, target = MemorySpool(), MemoryImageStore("web1")
    ships, said = shipper(cache, spool, first, second), list[str]()
    ships.ship(first.content.image_id, (TAG,), receiver(target), silent)
    spool.unpacked = {name: content.replace(b"a", b"!") for name, content in spool.unpacked.items()}
    ships.ship(second.content.image_id, (f"{TAG}2",), receiver(target), hearing(said))
    assert target.tags[f"{TAG}2"] == second.content.image_id
    assert any(text.startswith("the patch does not do") for text in said)


def test_no_patch_is_made_above_the_limit(cache: LayerCache, versions: tuple[Any, Any]) -> None:
    """A layer above the limit travels whole, so that this machine's memory is not needed for it."""
    first, second = versions
    target = MemoryImageStore("web1")
    couriers = MemoryCouriers(MemorySpool())
    ships = CacheShipper(cache, lambda: [source(first, second)], lend=couriers.at, patch_limit=5 << 20)
    ships.ship(first.content.image_id, (TAG,), receiver(target), silent)
    assert ships.ship(second.content.image_id, (f"{TAG}2",), receiver(target), silent) > 2 << 20
    assert not list((cache.folder / "parcels").glob("*.from.*"))


OK = b"HTTP/1.1 200 OK\r\n\r\n"
UNPACKING = "Error unpacking image a:1: not found"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (OK + b'24\r\n{"stream":"Loaded image: a:1\\n"}\r\n', ""),
        (OK + b'{"errorDetail":{"message":"unexpected EOF"},"error":"unexpected EOF"}\r\n', "unexpected EOF"),
        (OK + b'{"stream":"Error unpacking image a:1: not found\\n"}', UNPACKING),
        (b'HTTP/1.1 500 Internal Server Error\r\n\r\n{"message":"open x: no such file"}\n', "open x: no such file"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\nnothing", "HTTP status 502"),
        (b"", "the engine did not answer the courier"),
        (OK + b'{"stream": tor', ""),
    ],
)
def test_an_engines_answer_is_read(answer: bytes, reason: str) -> None:
    """Success, errors in a stream, refusals and silence are told apart."""
    assert read_load_answer(answer) == reason


WEBS = ("web1", "web2", "web3", "web4")


class Webs:
    """Four hosts that get one image at once, from a controller that may relay; what each got from here and pulled."""

    def __init__(self, cache: LayerCache, *images: Any, couriers: MemoryCouriers | None = None) -> None:
        self.spools = {host: MemorySpool() for host in WEBS}
        self.stores = {host: MemoryImageStore(host) for host in WEBS}
        self.couriers = couriers or MemoryCouriers(spools=self.spools)
        self.relays = Relays(self.couriers.relay, {host: f"10.0.0.{host[-1]}" for host in WEBS}, patience=5.0)
        lend = self.couriers.at
        self.shipper = CacheShipper(cache, lambda: [source(*images)], lend=lend, pauses=AT_ONCE, relays=self.relays)
        self.said: list[str] = []

    def get(self, image: Any, *hosts: str) -> None:
        """Bring the image to hosts at once."""
        with ThreadPoolExecutor(len(hosts)) as pool:
            list(pool.map(lambda host: self._ship(image, host), hosts))

    def _ship(self, image: Any, host: str) -> int:
        target = receiver(self.stores[host])
        return self.shipper.ship(image.content.image_id, (TAG,), target, hearing(self.said))

    def pulled(self) -> list[int]:
        """Return the bytes each host got from another."""
        return sorted(spool.pulled for spool in self.spools.values())


def test_with_a_relay_a_layer_leaves_this_machine_once(cache: LayerCache, big: Any) -> None:
    """The first host gets the parcel from here, the others pull all of it from the first one."""
    webs = Webs(cache, big)
    webs.get(big, *WEBS)
    parcel = next(path.stat().st_size for path in (cache.folder / "parcels").iterdir() if path.stat().st_size > 1 << 20)
    assert webs.pulled() == [0, parcel, parcel, parcel]
    assert all(store.tags == {TAG: big.content.image_id} for store in webs.stores.values())
    webs.relays.close()
    assert webs.couriers.network == {}


def test_a_hub_that_nobody_reaches_is_replaced_by_this_machine(cache: LayerCache, big: Any) -> None:
    """Peers that cannot pull are served from here, and it is said."""
    spools = {host: MemorySpool() for host in WEBS}
    webs = Webs(cache, big, couriers=MemoryCouriers(spools=spools, deaf=frozenset(WEBS)))
    webs.get(big, *WEBS)
    assert [spool.pulled for spool in spools.values()] == [0, 0, 0, 0]
    assert all(store.tags == {TAG: big.content.image_id} for store in webs.stores.values())
    assert sum("cannot be reached from here" in text for text in webs.said) == 3


def test_a_hub_whose_line_is_cut_goes_on_and_so_do_its_peers(cache: LayerCache, big: Any) -> None:
    """A cut between here and the hub costs a window; what the peers have stays."""
    webs = Webs(cache, big)
    for spool in webs.spools.values():
        spool.cuts = [1 << 20]
    webs.get(big, *WEBS)
    assert all(store.tags == {TAG: big.content.image_id} for store in webs.stores.values())


def test_bytes_that_a_peer_falsified_are_never_loaded(cache: LayerCache, big: Any) -> None:
    """A parcel that comes from a host as other bytes is found by its digest, and the image comes another way."""
    webs = Webs(cache, big)
    webs.get(big, "web1")
    webs.spools["web1"].shared[next(iter(webs.spools["web1"].shared))][100] ^= 1
    webs.get(big, "web2")
    assert webs.stores["web2"].tags == {TAG: big.content.image_id}
    assert any("other bytes" in text for text in webs.said)


def test_a_host_without_an_address_hands_nothing_on(cache: LayerCache, big: Any) -> None:
    """Where no relay can be opened every host is served from here."""
    webs = Webs(cache, big)
    webs.relays = Relays(webs.couriers.relay, {})
    webs.shipper = CacheShipper(cache, lambda: [source(big)], lend=webs.couriers.at, relays=webs.relays)
    webs.get(big, *WEBS)
    assert webs.pulled() == [0, 0, 0, 0]
    assert all(store.tags == {TAG: big.content.image_id} for store in webs.stores.values())
