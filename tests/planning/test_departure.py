"""What goes with a fleet, and what stays for others."""

from __future__ import annotations

from dataclasses import replace

from provisioner.model.image import COURIER_REPOSITORY, SPOOL_VOLUME, ImageFacts
from provisioner.model.observed import Observed
from provisioner.model.plan import RemoveImage, RemoveVolume
from provisioner.planning.departure import destruction
from tests import fleets

COURIER = ImageFacts("sha256:c0", (f"{COURIER_REPOSITORY}:1",))


def _gone(*images: ImageFacts) -> set[str]:
    host = replace(fleets.host_at_rest(fleets.desired(), "web1"), images=images)
    plan = destruction("shop", Observed((host,)), data=False)
    actions = [action for step in plan.steps for action in step.actions]
    images_gone = {action.image for action in actions if isinstance(action, RemoveImage)}
    return images_gone | {action.volume for action in actions if isinstance(action, RemoveVolume)}


def test_the_last_fleet_of_a_host_takes_the_courier_along() -> None:
    """Its image and its spool go when no other fleet is left there."""
    assert {COURIER.tags[0], SPOOL_VOLUME} <= _gone(COURIER)


def test_a_courier_stays_while_another_fleet_is_on_the_host() -> None:
    """An image of another fleet is enough to keep it."""
    other = ImageFacts("sha256:0b", ("provisioner/blog/release:r1-0",))
    assert not {COURIER.tags[0], SPOOL_VOLUME} & _gone(COURIER, other)


def test_a_host_that_never_saw_a_courier_loses_no_volume() -> None:
    """Nothing is removed that is not there."""
    assert SPOOL_VOLUME not in _gone()
