"""`rebuild` on hosts in memory."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.errors import ImageDiffers, ImageMissing, ProvisionerError, UsageError
from provisioner.images.cache import LayerCache
from provisioner.images.inputs.bundle import Bundles
from provisioner.images.memory import MemoryBuilder, MemoryImageStore
from provisioner.model.image import BuildInputs, Made
from provisioner.model.release import Release, ReleaseContent, Site
from provisioner.planning.rehome import declared_again, rehomed
from provisioner.ports import Progress
from provisioner.reconcile.chronicle import open_archive
from provisioner.reconcile.rebuild import rebuild, release_on_hosts, release_on_shelf
from provisioner.reconcile.releases import kept_release
from tests import fleets
from tests.simulation import WEBS, Simulation, render, spec

SITES = (Site("load-balancer", "lb"), Site("web", "web", 1, 18000))


@pytest.fixture
def shop(fleet: Simulation) -> Simulation:
    """Return a fleet on its first release, with a build context."""
    fleet.write("app.py", "print('hello')\n")
    fleet.write("static/index.html", "<p>hello</p>\n")
    fleet.apply(spec(A="1"))
    return fleet


def first(fleet: Simulation) -> Release:
    """Return its first release."""
    return open_archive(fleet.world().lookout, fleet.inventory, "shop").find("1")


def elsewhere(folder: Path, fleet: Simulation | None = None) -> Simulation:
    """Return another controller with an empty cache and engine, which reaches the hosts of a fleet, or empty ones."""
    other = Simulation(folder)
    if fleet is not None:
        other.hosts, other.balancers = fleet.hosts, fleet.balancers
    return other


def test_images_are_built_again_from_the_release_alone(shop: Simulation, tmp_path: Path) -> None:
    """On a machine with an empty cache, without the build context, every image has the id the release names."""
    shutil.rmtree(shop.folder / "app")
    other = elsewhere(tmp_path / "other", shop)
    other.sources = lambda: [shop.hosts["lb1"].images]
    rebuilt = rebuild(other.world(), first(shop), lambda *_: None)
    assert rebuilt.missing == ()
    assert rebuilt.images == dict(first(shop).content.desired.images)
    assert all(other.builder.find(tag) for tag in rebuilt.images)
    assert len(other.builder.built) == 2
    assert not [tag for tag in other.builder.store.tags if tag.endswith("-again")]


def test_an_image_that_comes_out_otherwise_is_an_error_that_names_the_path(shop: Simulation, tmp_path: Path) -> None:
    """A builder that is not deterministic is told by service, layer and path, and leaves no image behind."""
    other = elsewhere(tmp_path / "other", shop)
    other.builder = Careless(MemoryImageStore())
    other.sources = lambda: [other.builder.store, shop.hosts["web1"].images, shop.hosts["lb1"].images]
    with pytest.raises(ImageDiffers) as caught:
        rebuild(other.world(), first(shop), lambda *_: None)
    assert "layer 1 /inputs" in caught.value.message
    assert not other.builder.store.tags


class Careless(MemoryBuilder):
    """Builds something else than it was asked for."""

    def build(self, inputs: BuildInputs, progress: Progress) -> Made:
        """Build with another platform than the one that was asked for."""
        return MemoryBuilder.build(self, replace(inputs, platform="linux/other"), progress)


def test_without_the_image_of_inputs_nothing_is_guessed(shop: Simulation, tmp_path: Path) -> None:
    """Where nobody has the inputs any more the error says so."""
    other = elsewhere(tmp_path / "other", shop)
    with pytest.raises(ImageMissing):
        rebuild(other.world(), first(shop), lambda *_: None)


def test_a_bundle_carries_a_release_to_a_machine_that_reaches_no_host(shop: Simulation, tmp_path: Path) -> None:
    """Written here and read there, the release is the same and its images come out the same."""
    release, file = first(shop), tmp_path / "shop.bundle"
    cache = LayerCache(shop.folder)
    Bundles(cache, shop.shipper().hold).write(file, kept_release(release), release.inputs, lambda *_: None)
    other = elsewhere(tmp_path / "other")
    there = Bundles(LayerCache(other.folder), other.shipper().hold).read(file)
    found = release_on_shelf((there,), "r1")
    assert found == release
    assert rebuild(other.world(), found, lambda *_: None).images == dict(release.content.desired.images)


def test_a_truncated_bundle_is_refused(shop: Simulation, tmp_path: Path) -> None:
    """A file that was cut is told to be broken, and nothing of it is taken."""
    release, file = first(shop), tmp_path / "shop.bundle"
    Bundles(LayerCache(shop.folder), shop.shipper().hold).write(file, kept_release(release), "", lambda *_: None)
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(ProvisionerError):
        Bundles(LayerCache(tmp_path / "other"), shop.shipper().hold).read(file)


def test_releases_are_found_on_this_machine_where_no_host_has_them(shop: Simulation) -> None:
    """What was recorded from here is kept here, by the same names."""
    kept = shop.storeroom().shelf.releases()
    assert release_on_shelf(kept, "r1").digest == first(shop).digest
    with pytest.raises(UsageError, match="r9"):
        release_on_shelf(kept, "r9")


def test_empty_hosts_hold_no_release(tmp_path: Path) -> None:
    """Hosts of a new inventory are no place to read a release from, and no error either."""
    empty = elsewhere(tmp_path / "other")
    assert release_on_hosts(empty.world().lookout, empty.inventory, "", "r1") is None
    assert release_on_hosts(empty.world().lookout, {}, "", "r1") is None


def test_on_the_same_hosts_a_release_is_itself(shop: Simulation) -> None:
    """Placed again on the inventory it came from, it wants exactly what it wanted."""
    content = first(shop).content
    again = declared_again(replace(first(shop), content=replace(content, sites=SITES)))
    placement = fleets.placement(again, WEBS)
    assert rehomed(content, again, placement, render) == content.desired


def test_on_other_hosts_only_places_change(shop: Simulation) -> None:
    """Nodes lie on the new hosts with their addresses; image, options and so fingerprints stay."""
    content = first(shop).content
    again = declared_again(replace(first(shop), content=replace(content, sites=SITES)))
    moved = rehomed(content, again, fleets.placement(again, ("web7", "web8")), render)
    assert [str(node.node) for node in moved.nodes] == ["web7/web-1", "web8/web-1"]
    assert {node.image for node in moved.nodes} == {node.image for node in content.desired.nodes}
    assert {repr(node.options) for node in moved.nodes} == {repr(node.options) for node in content.desired.nodes}
    assert "10.0.0.17" in moved.balancers[0].text


def test_a_release_of_before_cannot_be_rebuilt() -> None:
    """One that holds no inputs is refused with what to do."""
    old = Release(1, "d", ReleaseContent(fleets.desired()))
    with pytest.raises(ProvisionerError, match="before releases held"):
        declared_again(old)
