"""What every Leases must do, in memory and on a real host."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from provisioner.errors import EngineRefused
from provisioner.hosts.memory import MemoryClock, MemoryHosts
from provisioner.images.cache import LayerCache
from provisioner.images.shipping.ship import CacheShipper
from provisioner.model.image import LEASE_REPOSITORY
from provisioner.model.inventory import Host
from provisioner.model.lease import JOURNAL, RELEASED, LeaseClaim, LeaseSight, ObservedLease
from provisioner.ports import HostHands, Leases

Refused = Callable[[Callable[[], object]], int]
_fleets = count(1)


@dataclass
class Place:
    """A host on which leases lie, a fleet of this test alone, and how time passes there."""

    leases: Leases
    image: str
    sleep: Callable[[float], None]
    fleet: str = field(default_factory=lambda: f"lease-test-{next(_fleets)}")

    def claim(self, epoch: int, run: str = "one", term: float = 20.0) -> LeaseClaim:
        """Return a claim of this test's fleet."""
        return LeaseClaim(self.fleet, epoch, run, "ada@desk", term)

    def look(self) -> LeaseSight:
        """Look at the host."""
        return self.leases.look(self.fleet)

    def latest(self) -> ObservedLease:
        """Return the lease that counts, which has to be there."""
        found = self.look().latest
        assert found is not None
        return found

    def clear(self) -> None:
        """Remove what the test made."""
        for lease in self.look().leases:
            self.leases.remove(lease.lease_id)


def recorded(hands: HostHands, folder: Path) -> str:
    """Have the image that leases are made of on a host and return its id."""
    shipper = CacheShipper(LayerCache(folder), lambda: ())
    return shipper.record({"l/about": b"test\n"}, {}, f"{LEASE_REPOSITORY}:test", hands.images)


KINDS = {"20": "lb1", "26": "web1", "26c": "web2", "28": "web3", "28c": "web4"}
"""The host of each kind of engine; `c` has the containerd store."""


@pytest.fixture(params=["memory", *(pytest.param(kind, marks=pytest.mark.lab) for kind in KINDS)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Lend a host for leases: in memory, and with every kind of engine (`kinds_hands` lends those)."""
    if request.param == "memory":
        clock = MemoryClock()
        memory = MemoryHosts([Host("lb1", "192.0.2.1")], clock)["lb1"]
        made = Place(memory.leases, recorded(memory, tmp_path), clock.sleep)
    else:
        hands = request.getfixturevalue("kinds_hands")(KINDS[request.param])
        made = Place(hands.leases, recorded(hands, tmp_path), time.sleep)
    yield made
    made.clear()


def test_a_host_without_leases_has_no_latest(place: Place) -> None:
    """Nobody has it, and no epoch was ever given."""
    sight = place.look()
    assert (sight.latest, sight.leases, sight.floor) == (None, (), 0)


def test_a_lease_says_whose_it_is(place: Place) -> None:
    """Epoch, run, owner and term are read back as they were claimed, and it is young."""
    lease_id = place.leases.create(place.image, place.claim(3))
    sight = place.look()
    assert (place.latest().lease_id, place.latest().claim, sight.floor) == (lease_id, place.claim(3), 3)
    assert not place.latest().released
    assert -2 < sight.age < 5


def test_an_epoch_is_given_once(place: Place, refused_status: Refused) -> None:
    """Who comes second is refused with 409."""
    place.leases.create(place.image, place.claim(1))
    assert refused_status(lambda: place.leases.create(place.image, place.claim(1, "two"))) == 409


def test_of_many_who_take_an_epoch_at_once_one_wins(place: Place) -> None:
    """Taking is atomic under threads."""

    def attempt(number: int) -> bool:
        with suppress(EngineRefused):
            place.leases.create(place.image, place.claim(1, str(number)))
            return True
        return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_a_put_is_a_sign_of_life_by_the_clock_of_the_host(place: Place) -> None:
    """The age grows while nothing is put, falls at a put, and the mark is another one then."""
    lease_id = place.leases.create(place.image, place.claim(1))
    place.leases.put(lease_id, JOURNAL, b"first")
    before = place.latest()
    place.sleep(3.1)
    assert place.latest().mark == before.mark
    assert 2 <= place.look().age < 8
    place.leases.put(lease_id, JOURNAL, b"second")
    assert place.latest().mark != before.mark
    assert place.look().age < 2


def test_looking_and_reading_are_no_signs_of_life(place: Place) -> None:
    """However often it is looked at and read, the mark stays."""
    lease_id = place.leases.create(place.image, place.claim(1))
    place.leases.put(lease_id, JOURNAL, b"text")
    mark = place.latest().mark
    for _ in range(3):
        assert place.leases.read(lease_id, JOURNAL) == b"text"
        assert place.latest().mark == mark


def test_what_was_put_is_read_whole(place: Place) -> None:
    """Twenty thousand bytes come back as they went; a file that was never put is None."""
    lease_id = place.leases.create(place.image, place.claim(1))
    text = bytes(range(256)) * 80
    place.leases.put(lease_id, JOURNAL, text)
    assert place.leases.read(lease_id, JOURNAL) == text
    assert place.leases.read(lease_id, RELEASED) is None


def test_a_lease_that_was_handed_back_says_so_and_stays(place: Place) -> None:
    """It is the memory of its epoch."""
    lease_id = place.leases.create(place.image, place.claim(7))
    place.leases.put(lease_id, RELEASED, b"")
    assert place.latest().released
    assert place.look().floor == 7


def test_the_latest_is_the_one_of_the_highest_epoch(place: Place) -> None:
    """Epochs are numbers: ten comes after nine."""
    ids = [place.leases.create(place.image, place.claim(epoch)) for epoch in (9, 10, 2)]
    assert [lease.claim.epoch for lease in place.look().leases] == [10, 9, 2]
    assert place.latest().lease_id == ids[1]


def test_a_lease_that_is_gone_takes_no_sign_of_life(place: Place, refused_status: Refused) -> None:
    """An id never means a successor: a put into one that was removed is refused with 404."""
    lease_id = place.leases.create(place.image, place.claim(1))
    place.leases.remove(lease_id)
    place.leases.create(place.image, place.claim(1, "two"))
    assert refused_status(lambda: place.leases.put(lease_id, JOURNAL, b"")) == 404
    place.leases.remove(lease_id)


def test_fleets_on_one_host_do_not_see_each_other(place: Place) -> None:
    """A lease counts for its own fleet alone."""
    place.leases.create(place.image, place.claim(4))
    other = place.leases.look("lease-test-other")
    assert (other.latest, other.floor) == (None, 0)
