"""What hosts keep of a release beside what runs, on hosts in memory."""

from __future__ import annotations

import shutil

import pytest

from provisioner.model.event import ActionSucceeded, PlanMade
from provisioner.model.keeping import INPUTS
from provisioner.model.lock import LockedWheels, Pins, Wheel
from provisioner.model.plan import RecordInputs, RecordRelease, ShipImage
from provisioner.reconcile.chronicle import open_archive
from provisioner.reconcile.world import Lookout
from tests.simulation import WEBS, Simulation, spec


@pytest.fixture
def shop(fleet: Simulation) -> Simulation:
    """Return a fleet whose web service has a build context of two files."""
    fleet.write("app.py", "print('hello')\n")
    fleet.write("static/index.html", "<p>hello</p>\n")
    return fleet


def kept(fleet: Simulation, host: str) -> dict[str, bytes]:
    """Return the files of the only image of inputs on a host, none where there is none."""
    tags = [tag for image in fleet.hosts[host].images.all() for tag in image.tags if f"/{INPUTS}:" in tag]
    return dict(fleet.hosts[host].images.files(tags[0])) if tags else {}


def actions(fleet: Simulation) -> list[object]:
    """Return the actions that succeeded since the sink was last emptied."""
    return [event.action for event in fleet.sink.events if isinstance(event, ActionSucceeded)]


def test_the_balancers_host_keeps_what_the_images_were_built_from(shop: Simulation) -> None:
    """After an apply the files of every context lie there by digest, and the release names the image by its id."""
    shop.apply(spec(A="1"))
    assert kept(shop, "lb1") == {
        f"/files/{e.digest}": (shop.folder / "app" / e.path).read_bytes() for e in shop.context
    }
    assert kept(shop, "web1") == {}
    release = open_archive(Lookout(shop.hosts, shop.balancers), shop.inventory).find("1")
    assert release.inputs in {image.image_id for image in shop.hosts["lb1"].images.all()}


def test_keeping_is_in_the_plan_before_the_record(shop: Simulation) -> None:
    """Every image that is left on a host stands in the plan that is shown, inputs before the release."""
    shop.apply(spec(A="1"))
    (first, *_) = [event.plan for event in shop.sink.events if isinstance(event, PlanMade)]
    last_steps = [type(step.actions[0]) for step in first.steps[-2:]]
    assert last_steps == [RecordInputs, RecordRelease]


def test_an_unchanged_app_ships_nothing_again(shop: Simulation) -> None:
    """Another environment is another release of the same inputs, and refers to the same image."""
    shop.apply(spec(A="1"))
    shop.sink.events.clear()
    shop.apply(spec(A="2"))
    assert not [action for action in actions(shop) if isinstance(action, RecordInputs)]
    archive = open_archive(Lookout(shop.hosts, shop.balancers), shop.inventory)
    assert archive.find("1").inputs == archive.find("2").inputs != ""


def test_the_second_apply_keeps_nothing_anew(shop: Simulation) -> None:
    """Where all is kept nothing is written."""
    shop.apply(spec(A="1"))
    shop.hosts.effects.clear()
    assert shop.apply(spec(A="1")).outcome == "unchanged"
    assert shop.writes() == []


@pytest.mark.parametrize("host", ["lb1", "web2"])
def test_what_a_prune_by_hand_took_is_drift_and_is_put_back(shop: Simulation, host: str) -> None:
    """Releases, the image to go back to and inputs lost on a host are named, and one apply brings them back."""
    shop.apply(spec(A="1"))
    shop.version = "2"
    shop.apply(spec(A="1"))
    before = {image.image_id for image in shop.hosts[host].images.all()}
    shop.prune_images(host)
    rows = shop.drift(spec(A="1"))
    assert {(row[0], row[3]) for row in rows} == {(host, "drift")}
    wanted = {"image", "release"}
    assert {row[1] for row in rows} == wanted
    assert len([row for row in rows if row[1] == "release"]) == 2
    finished = shop.apply(spec(A="1"))
    assert (finished.outcome, finished.release) == ("complete", shop.status(spec(A="1")).release)
    assert {image.image_id for image in shop.hosts[host].images.all()} == before
    assert shop.drift(spec(A="1")) == []


def test_what_every_host_lost_comes_out_of_the_cache(shop: Simulation) -> None:
    """The image to go back to is put back from the controller's cache where no host has it any more."""
    shop.apply(spec(A="1"))
    old = {node.image_id for node in shop.status(spec(A="1")).nodes}
    shop.version = "2"
    shop.apply(spec(A="1"))
    for host in WEBS:
        for image_id in old:
            shop.hosts[host].images.remove(image_id)
    assert len(shop.drift(spec(A="1"))) == len(WEBS)
    shop.sink.events.clear()
    assert shop.apply(spec(A="1")).outcome == "complete"
    assert sum(isinstance(action, ShipImage) for action in actions(shop)) == len(WEBS)


def test_what_nobody_has_any_more_is_not_asked_for(shop: Simulation) -> None:
    """An image that is nowhere cannot come back, and keeps no apply from ending well."""
    shop.apply(spec(A="1"))
    old = {node.image_id for node in shop.status(spec(A="1")).nodes}
    shop.version = "2"
    shop.apply(spec(A="1"))
    shutil.rmtree(shop.folder / "images")
    for host in WEBS:
        for image_id in old:
            shop.hosts[host].images.remove(image_id)
    assert shop.apply(spec(A="1")).outcome == "unchanged"


def test_inputs_that_are_nowhere_to_be_had_are_told(shop: Simulation) -> None:
    """A wheel that this machine does not hold is counted where the keeping of inputs is reported."""
    wheel = Wheel("flask", "3.0", "flask-3.0-py3-none-any.whl", "ab" * 32)
    shop.pins = Pins(wheels=LockedWheels("web", "linux/amd64", "cd" * 32, (wheel,)))
    shop.apply(spec(A="1"))
    (detail,) = [
        event.detail
        for event in shop.sink.events
        if isinstance(event, ActionSucceeded) and isinstance(event.action, RecordInputs)
    ]
    assert "1 inputs are nowhere" in detail


def test_every_release_lost_at_once_keeps_its_number(shop: Simulation) -> None:
    """After a prune on every host the release that still runs is recorded again under its own name."""
    shop.apply(spec(A="1"))
    name = shop.apply(spec(A="2")).release
    for host in ("lb1", *WEBS):
        shop.prune_images(host)
    assert shop.apply(spec(A="2")).release == name
    assert shop.status(spec(A="2")).uniform
