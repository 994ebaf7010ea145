"""`prune` on hosts in memory."""

from __future__ import annotations

import pytest

from provisioner.errors import ProvisionerError
from provisioner.model.event import Finished, SpaceFreed
from provisioner.model.image import ImageFacts
from provisioner.reconcile import prune as housekeeping
from provisioner.reconcile.chronicle import open_archive
from provisioner.reconcile.prune import Clearance
from tests.simulation import WEBS, Simulation, spec


@pytest.fixture
def aged(fleet: Simulation) -> Simulation:
    """Return a fleet that had five releases, each with an app of its own."""
    for version in ("1", "2", "3", "4", "5"):
        fleet.version = version
        fleet.write("app.py", f"version = {version}\n")
        fleet.apply(spec(A="1"))
    return fleet


def clear(fleet: Simulation, retain: int) -> Clearance:
    """Return what may go."""
    archive = open_archive(fleet.world().lookout, fleet.inventory, "shop")
    return housekeeping.clearance(archive, retain)


def pruned(fleet: Simulation, retain: int) -> Finished:
    """Prune, and return how it ended."""
    return housekeeping.prune(fleet.world(), clear(fleet, retain))


def numbers(fleet: Simulation, host: str) -> list[int]:
    """Return the numbers of the releases on a host."""
    return [each.number for each in fleet.hosts.reader(fleet.inventory[host]).observe("shop").releases]


def tags(fleet: Simulation, host: str, repository: str) -> list[str]:
    """Return the tags of a host in one of our repositories."""
    found = [tag for image in fleet.hosts[host].images.all() for tag in image.tags]
    return [tag for tag in found if tag.startswith(f"provisioner/shop/{repository}:")]


def test_only_the_newest_releases_and_their_images_stay(aged: Simulation) -> None:
    """Three of five releases stay on every host, with their service images and inputs; what runs still runs."""
    assert pruned(aged, retain=3).outcome == "complete"
    assert [numbers(aged, host) for host in ("lb1", *WEBS)] == [[3, 4, 5]] * 4
    assert [len(tags(aged, host, "web")) for host in WEBS] == [3] * 3
    assert len(tags(aged, "lb1", "inputs")) == 3
    assert len(tags(aged, "lb1", "load-balancer")) == 1
    assert aged.status(spec(A="1")).uniform
    assert aged.drift(spec(A="1")) == []


def test_what_to_go_back_to_is_never_pruned(aged: Simulation) -> None:
    """Even where one release is asked for, the one before the current stays with its images."""
    pruned(aged, retain=1)
    assert numbers(aged, "web1") == [4, 5]
    assert len(tags(aged, "web1", "web")) == 2


def test_a_second_prune_finds_nothing(aged: Simulation) -> None:
    """Pruned is pruned."""
    pruned(aged, retain=3)
    aged.hosts.effects.clear()
    assert pruned(aged, retain=3).outcome == "unchanged"
    assert aged.writes() == []


def test_the_image_of_a_stopped_container_stays(aged: Simulation) -> None:
    """What a container uses is kept, running or not, of whatever release it is."""
    request = aged.container_of("web1", release=numbers(aged, "web1")[0])
    aged.hosts["web1"].containers.create(request)
    pruned(aged, retain=2)
    assert numbers(aged, "web1") == [4, 5]
    assert request.image_id in {image.image_id for image in aged.hosts["web1"].images.all()}


def test_nothing_of_others_is_touched(aged: Simulation) -> None:
    """Images of another fleet and of nobody stay; a half-built image of ours goes."""
    other, foreign, raw = (f"sha256:{letter * 64}" for letter in "123")
    aged.hosts["web1"].images.add(ImageFacts(other, ("provisioner/club/web:1",), {"provisioner.fleet": "club"}))
    aged.hosts["web1"].images.add(ImageFacts(foreign, ("nginx:1.27",)))
    aged.hosts["web1"].images.add(ImageFacts(raw, (), {"provisioner.kind": "build"}))
    pruned(aged, retain=3)
    left = {image.image_id for image in aged.hosts["web1"].images.all()}
    assert {other, foreign} <= left
    assert raw not in left


def test_a_plan_to_prune_removes_nothing(aged: Simulation) -> None:
    """Looking at what may go names every image by host, and writes nothing."""
    aged.hosts.effects.clear()
    found = clear(aged, retain=3)
    assert aged.writes() == []
    assert {change.host for change in found.plan.changes} == {"lb1", *WEBS}
    assert all(reason.startswith("provisioner/shop/") for change in found.plan.changes for reason in change.reasons)


def test_what_each_host_gained_is_told_in_bytes(aged: Simulation) -> None:
    """For every host the images that went and the bytes their layers took."""
    before = {host: aged.hosts[host].images.shelf.layer_bytes() for host in ("lb1", *WEBS)}
    aged.sink.events.clear()
    pruned(aged, retain=3)
    told = {event.host: event.freed for event in aged.sink.events if isinstance(event, SpaceFreed)}
    assert told == {host: before[host] - aged.hosts[host].images.shelf.layer_bytes() for host in ("lb1", *WEBS)}
    assert min(told.values()) > 0


def test_a_host_that_does_not_answer_is_told(aged: Simulation) -> None:
    """The others are pruned, and the exit code says that the answer is incomplete."""
    aged.hosts["web3"].cut("no route to host")
    finished = pruned(aged, retain=3)
    assert (finished.exit_code, numbers(aged, "web1")) == (4, [3, 4, 5])


def test_a_release_that_cannot_be_read_stops_everything(aged: Simulation) -> None:
    """A kept release with no whole copy may need any image, so none is removed."""
    for host in ("lb1", *WEBS):
        images = aged.hosts[host].images
        (tag,) = [tag for tag in tags(aged, host, "release") if tag.split(":")[1].startswith("r4-")]
        facts = images.inspect(tag)
        assert facts is not None
        images.remove(tag)
        images.add(facts)
    with pytest.raises(ProvisionerError, match="r4-"):
        clear(aged, retain=3)
