"""Shipping: what is sent, in which order things are tried, and what counts as arrived."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import EngineRefused, HostUnreachable, ImageMissing, ShippingFailed
from provisioner.images.archive import pack
from provisioner.images.cache import LayerCache
from provisioner.images.memory import MemoryContainers, MemoryImageStore, MemoryReceiver, receiver
from provisioner.images.shipping.ship import CacheShipper
from provisioner.images.shipping.shipment import ARRIVING, Shipment
from provisioner.model.container import ContainerRequest

Make = Callable[..., Any]
TAG = "provisioner/shop-web:0123456789abcdef"


@dataclass
class Told:
    """Remembers what progress it was told."""

    lines: list[tuple[str, int, int]] = field(default_factory=list)

    def __call__(self, text: str, done: int, total: int) -> None:
        """Take a line."""
        self.lines.append((text, done, total))

    @property
    def texts(self) -> list[str]:
        """Return the different texts in the order in which they came."""
        return list(dict.fromkeys(text for text, _, _ in self.lines))


def store(*images: Any, host: str = "builder") -> MemoryImageStore:
    """Return an engine that has these images."""
    made = MemoryImageStore(host)
    for image in images:
        made.load(pack(image.content, (), image.content.layers).stream(image.read))
    made.received.clear()
    return made


def shipper(cache: LayerCache, *sources: Any) -> CacheShipper:
    """Return a shipper with these engines as its sources."""
    return CacheShipper(cache, lambda: sources)


def test_an_empty_engine_gets_every_layer(cache: LayerCache, make: Make) -> None:
    """The image arrives with its tag and the same id, and the bytes that were sent are counted."""
    image, target, told = make("base", "app"), store(host="web1"), Told()
    sent = shipper(cache, store(image)).ship(image.content.image_id, (TAG,), receiver(target), told)
    found = target.inspect(TAG)
    assert found is not None
    assert found.image_id == image.content.image_id
    assert target.received == [sent]
    assert told.texts == ["reading the image from builder", "sending 2 of 2 layers"]
    assert told.lines[-1][1] == told.lines[-1][2] > sent
    assert sorted(target.tags) == [TAG]


def test_only_missing_layers_are_sent(cache: LayerCache, make: Make) -> None:
    """A host that has the base gets only what is above it."""
    base, image = make("base" * 50_000), make("base" * 50_000, "app")
    target = store(base)
    sent = shipper(cache, store(image)).ship(image.content.image_id, (TAG,), receiver(target), Told())
    assert sent < 20_000
    assert target.inspect(TAG) is not None


def test_an_image_that_is_there_costs_nothing(cache: LayerCache, make: Make) -> None:
    """A second time nothing is sent; another tag is given there and costs nothing either."""
    image, target = make("base" * 50_000), store()
    ships = shipper(cache, store(image))
    ships.ship(image.content.image_id, (TAG,), receiver(target), Told())
    target.received.clear()
    assert ships.ship(image.content.image_id, (TAG,), receiver(target), Told()) == 0
    assert target.received == []
    assert ships.ship(image.content.image_id, (TAG, f"{TAG}2"), receiver(target), Told()) == 0
    assert target.tags == {TAG: image.content.image_id, f"{TAG}2": image.content.image_id}


def test_the_cache_serves_when_the_source_is_gone(cache: LayerCache, make: Make) -> None:
    """What was shipped once is shipped to further hosts without asking anybody."""
    image = make("base", "app")
    shipper(cache, store(image)).ship(image.content.image_id, (TAG,), receiver(store()), Told())
    assert shipper(cache).ship(image.content.image_id, (TAG,), receiver(store()), Told()) > 0


def test_sources_are_asked_in_turn(cache: LayerCache, make: Make) -> None:
    """An engine that lacks the image, refuses or gives a broken archive gives way to the next."""
    image = make("base", "app")
    lacking, broken, whole = store(host="a"), store(image, host="b"), store(image, host="c")
    broken.layers = dict.fromkeys(broken.layers, b"!")
    told = Told()
    shipper(cache, lacking, broken, whole).ship(image.content.image_id, (TAG,), receiver(store()), told)
    assert told.texts[-2:] == ["reading the image from c", "sending 2 of 2 layers"]


def test_nobody_having_the_image_is_told_with_every_answer(cache: LayerCache, make: Make) -> None:
    """The error names each engine that was asked and what it said, and what to do."""
    image = make("app")
    broken = store(image, host="b")
    broken.layers = dict.fromkeys(broken.layers, b"!")
    with pytest.raises(ImageMissing) as caught:
        shipper(cache, store(host="a"), broken).ship(image.content.image_id, (), receiver(store()), Told())
    assert "a has no such image" in caught.value.message
    assert "layer sha256:" in caught.value.message
    assert caught.value.hint
    with pytest.raises(ImageMissing, match="no engine to ask"):
        shipper(cache).ship(image.content.image_id, (), receiver(store()), Told())


@dataclass
class Forgetful:
    """An engine that says it has layers which somebody has removed meanwhile; `lies` answers are wrong."""

    inner: MemoryImageStore
    wrong: frozenset[str]
    lies: int
    host: str = "web1"

    def chains(self) -> frozenset[str]:
        """Return what it has, and as long as it lies what it had."""
        self.lies -= 1
        return self.inner.chains() | (self.wrong if self.lies >= 0 else frozenset())

    def inspect(self, reference: str) -> Any:
        """Return an image."""
        return self.inner.inspect(reference)

    def stacks(self, repository: str) -> Any:
        """Return nothing: it has no image of that name."""
        return ()

    def pull(self, reference: str, login: Any, progress: Any) -> int:
        """Pull an image: it has no registry."""
        return self.inner.pull(reference, login, progress)

    def tag(self, reference: str, tag: str) -> None:
        """Tag an image."""
        self.inner.tag(reference, tag)

    def load(self, archive: Iterable[bytes]) -> None:
        """Load an archive."""
        self.inner.load(archive)

    def save(self, reference: str) -> Iterator[bytes]:
        """Save an image."""
        return self.inner.save(reference)

    def remove(self, reference: str) -> None:
        """Remove a tag."""
        self.inner.remove(reference)


@pytest.mark.parametrize(("lies", "rung"), [(1, "sending what is missing now"), (2, "sending every layer")])
def test_a_base_that_went_away_is_sent_after_all(cache: LayerCache, make: Make, lies: int, rung: str) -> None:
    """Where the partial archive is refused the engine is asked again; where it still errs it gets every layer."""
    image, told = make("base", "app"), Told()
    target = Forgetful(store(host="web1"), store(make("base")).chains(), lies)
    shipper(cache, store(image)).ship(image.content.image_id, (TAG,), receiver(target), told)
    assert target.inspect(TAG).image_id == image.content.image_id
    assert [text.partition(" (")[0] for text in told.texts][1] == "sending 1 of 2 layers"
    assert told.texts[-1] == rung
    assert any("no such file or directory" in text for text in told.texts)


def test_success_for_a_broken_load_is_not_believed(cache: LayerCache, make: Make) -> None:
    """An engine that takes an archive without the base and answers success gets every layer."""
    image = make("base", "app")
    inner = store(host="web1")
    inner.credulous = True
    target = Forgetful(inner, store(make("base")).chains(), lies=2)
    shipper(cache, store(image)).ship(image.content.image_id, (TAG,), receiver(target), Told())
    assert target.inspect(TAG).layers == image.content.diff_ids


@dataclass
class Deaf(MemoryImageStore):
    """An engine that answers success and keeps something else, or nothing."""

    instead: Any = None
    names: tuple[str, ...] = (TAG,)

    def load(self, archive: Iterable[bytes]) -> None:
        """Read the archive and keep what was arranged."""
        self.received.append(sum(map(len, archive)))
        if self.instead is not None:
            other = self.instead.content
            MemoryImageStore.load(self, pack(other, self.names, other.layers).stream(self.instead.read))


def test_an_image_that_never_arrives_is_an_error(cache: LayerCache, make: Make) -> None:
    """Success without an image, whatever is sent, fails with the host's name; all was sent, in our form and another."""
    image, target = make("base", "app"), Deaf("web1")
    with pytest.raises(ShippingFailed, match=r"web1: .*has no image") as caught:
        shipper(cache, store(image)).ship(image.content.image_id, (TAG,), receiver(target), Told())
    assert caught.value.host == "web1"
    assert len(target.received) == 2


@dataclass(slots=True)
class Conservative(MemoryImageStore):
    """An engine that refuses whatever names an image that is not proven yet: it only takes what engines write."""

    def load(self, archive: Iterable[bytes]) -> None:
        """Refuse an archive of ours."""
        content = zlib.decompress(b"".join(archive), wbits=31)
        if b"provisioner/arriving" in content:
            raise EngineRefused(self.host, "invalid archive")
        MemoryImageStore.load(self, (content,))


def test_at_last_an_image_goes_as_another_engine_saves_it(cache: LayerCache, make: Make) -> None:
    """An engine that takes no archive of ours gets what `docker save` writes, proven and tagged like any other."""
    image, target, told = make("base", "app"), Conservative("web1"), Told()
    shipper(cache, store(image)).ship(image.content.image_id, (TAG,), receiver(target), told)
    assert target.tags == {TAG: image.content.image_id}
    assert any(text.startswith("sending it as another engine saves it (") for text in told.texts)


def test_another_image_under_the_tag_is_an_error_and_goes(cache: LayerCache, make: Make) -> None:
    """A provisional tag that came to stand for another image is removed again, and ours is never given."""
    image, other = make("base", "app"), make("base", "other")
    shipment = Shipment(image.content, (TAG,), image.read)
    target = Deaf("web1", instead=other, names=(shipment.provisional,))
    with pytest.raises(ShippingFailed, match=f"is {other.content.image_id} there"):
        shipper(cache, store(image)).ship(image.content.image_id, (TAG,), receiver(target), Told())
    assert target.tags == {}


def test_a_full_disk_is_told_at_once(cache: LayerCache, make: Make) -> None:
    """Where the host has no room nothing more is tried, and the hint says how to make some."""
    image, target = make("base", "app"), MemoryImageStore("web1", capacity=10)
    with pytest.raises(ShippingFailed, match="no space left on device") as caught:
        shipper(cache, store(image)).ship(image.content.image_id, (TAG,), receiver(target), Told())
    assert "make room" in caught.value.hint
    assert len(target.received) == 1
    assert target.inspect(TAG) is None


def test_a_damaged_cache_is_filled_again(cache: LayerCache, make: Make) -> None:
    """A layer that rotted on this machine's disk never reaches a host: it is fetched again."""
    image, source, told = make("base", "app"), store(), Told()
    source = store(image)
    ships = shipper(cache, source)
    ships.ship(image.content.image_id, (TAG,), receiver(store()), Told())
    path: Path = cache.folder / "layers" / image.content.diff_ids[0].removeprefix("sha256:")
    path.write_bytes(b"!" + path.read_bytes()[1:])
    target = store(host="web2")
    ships.ship(image.content.image_id, (TAG,), receiver(target), told)
    assert target.inspect(TAG) is not None
    assert any("fetching the image again" in text for text in told.texts)


def test_a_record_is_the_same_everywhere_and_loaded_once(cache: LayerCache) -> None:
    """The same files and labels give the same id in any order; a second time nothing is sent."""
    first, second = store(host="web1"), store(host="web2")
    files, labels = {"release.json": b"{}", "files/etc/a.cfg": b"x"}, {"provisioner.kind": "release", "b": "c"}
    ships = shipper(cache)
    image_id = ships.record(files, labels, TAG, first)
    again = ships.record(dict(reversed(files.items())), dict(reversed(labels.items())), TAG, second)
    assert again == image_id
    found = first.inspect(TAG)
    assert found is not None
    assert (found.image_id, found.labels, found.defaults.command) == (image_id, labels, ("x",))
    ships.record(files, labels, TAG, first)
    assert len(first.received) == 1


def test_a_record_that_is_refused_is_an_error(cache: LayerCache) -> None:
    """A host without room for a release says so."""
    with pytest.raises(ShippingFailed, match="no space left"):
        shipper(cache).record({"a": b"x" * 10_000}, {}, TAG, MemoryImageStore("web1", capacity=10))


def test_a_host_that_goes_away_is_not_a_failed_shipment(cache: LayerCache, make: Make) -> None:
    """What an engine refuses outside of a load goes through as it is."""

    class Gone(MemoryImageStore):
        """An engine that answers nothing."""

        def chains(self) -> frozenset[str]:
            """Refuse."""
            raise EngineRefused("web1", "gone")

    image = make("base")
    with pytest.raises(EngineRefused, match="gone"):
        shipper(cache, store(image)).ship(image.content.image_id, (), receiver(Gone("web1")), Told())


@dataclass
class Unreliable(MemoryImageStore):
    """An engine whose connection is lost `losses` times, each time at `place`: load or inspect."""

    losses: int = 1
    place: str = "load"

    def load(self, archive: Iterable[bytes]) -> None:
        """Load, unless the connection is lost in the middle."""
        self._perhaps_lose("load", archive)
        MemoryImageStore.load(self, archive)

    def inspect(self, reference: str) -> Any:
        """Inspect, unless the connection is lost."""
        if reference.startswith(ARRIVING):
            self._perhaps_lose("inspect", ())
        return MemoryImageStore.inspect(self, reference)

    def _perhaps_lose(self, place: str, archive: Iterable[bytes]) -> None:
        if place == self.place and self.losses:
            self.losses -= 1
            next(iter(archive), b"")
            raise HostUnreachable(self.host, "the connection was lost")


@pytest.mark.parametrize("place", ["load", "inspect"])
def test_a_connection_lost_once_is_made_again(cache: LayerCache, make: Make, place: str) -> None:
    """A cut in the load or in the last check costs a second try and is no failure."""
    image, target = make("base", "app"), Unreliable("web1", place=place)
    shipper(cache, store(image)).ship(image.content.image_id, (TAG,), receiver(target), Told())
    assert target.tags == {TAG: image.content.image_id}


def test_a_connection_lost_for_good_is_the_hosts_fault(cache: LayerCache, make: Make) -> None:
    """Where the second try is cut too the host counts as unreachable, and has no tag of ours."""
    image, target = make("base", "app"), Unreliable("web1", losses=9)
    with pytest.raises(HostUnreachable):
        shipper(cache, store(image)).ship(image.content.image_id, (TAG,), receiver(target), Told())
    assert target.tags == {}


def test_no_tag_moves_before_a_container_could_be_made(cache: LayerCache, make: Make) -> None:
    """An image of which no container can be made keeps the tag where it was."""

    class Refusing(MemoryContainers):
        """Makes no container."""

        def create(self, request: ContainerRequest) -> str:
            """Refuse."""
            raise EngineRefused("web1", "layer not found")

    old, image = make("base", "old"), make("base", "new")
    target = store(old, host="web1")
    target.tag(old.content.image_id, TAG)
    to = MemoryReceiver(target, Refusing(target))
    with pytest.raises(ShippingFailed, match="no container can be made of it: layer not found"):
        shipper(cache, store(image)).ship(image.content.image_id, (TAG,), to, Told())
    assert target.tags == {TAG: old.content.image_id}


def test_a_foreign_image_under_our_tag_gives_way(cache: LayerCache, make: Make) -> None:
    """A tag of ours that names somebody else's image names ours afterwards."""
    foreign, image = make("foreign"), make("base", "app")
    target = store(foreign, host="web1")
    target.tag(foreign.content.image_id, TAG)
    shipper(cache, store(image)).ship(image.content.image_id, (TAG,), receiver(target), Told())
    assert target.tags[TAG] == image.content.image_id


def test_images_of_the_same_service_are_asked_first(cache: LayerCache, make: Make) -> None:
    """Where an earlier image of the service explains nearly everything nobody looks through all the others."""

    class Counting(MemoryImageStore):
        """Counts how often all images are looked through."""

        looks = 0

        def chains(self) -> frozenset[str]:
            """Count and return."""
            Counting.looks += 1
            return MemoryImageStore.chains(self)

    old, image, target = make("base", "old"), make("base", "new"), Counting("web1")
    ships = shipper(cache, store(old, image))
    for each, tag in ((old, TAG), (image, f"{TAG}2")):
        ships.ship(each.content.image_id, (tag,), receiver(target), Told())
    assert Counting.looks == 1
    assert target.inspect(f"{TAG}2") is not None
