"""The whole of `build`, on a fleet in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import BuildFailed, ImageMissing
from provisioner.model.event import ActionProgress
from provisioner.model.image import PathDifference
from provisioner.reconcile.check_images import check_images
from provisioner.reconcile.make_images import explained, make_images
from tests import fleets
from tests.simulation import Simulation

DIFFERENCE = PathDifference("app", "/app/built-at", "content")


def test_what_was_built_is_explained(fleet: Simulation) -> None:
    """Every image the spec builds is there by its tag, with the id it was made with."""
    world, intent = fleet.world(), fleet.intent(fleets.spec())
    ids = make_images(world, intent)
    assert {tag: made.facts.image_id for tag, made in explained(world, intent).items()} == {
        tag: ids[tag] for tag in intent.tags.values()
    }


def test_a_check_names_what_differs_and_keeps_nothing(fleet: Simulation) -> None:
    """Each service has its differences, and no image is left under any tag."""
    world, intent = fleet.world(), fleet.intent(fleets.spec())
    fleet.builder.unsteady = {intent.tags["web"]: (DIFFERENCE,)}
    found = check_images(world, intent)
    assert found == {service: (DIFFERENCE,) if service == "web" else () for service in intent.tags}
    assert fleet.builder.store.tags == {}
    assert any(isinstance(event, ActionProgress) for event in fleet.sink.events)


def test_a_check_of_what_cannot_be_built_fails(fleet: Simulation) -> None:
    """A failing instruction is told as by any build."""
    world, intent = fleet.world(), fleet.intent(fleets.spec())
    failure = BuildFailed("web", instruction="RUN false", output=(), reason="it failed")
    fleet.builder.failures = {intent.tags["web"]: failure}
    with pytest.raises(BuildFailed, match="it failed"):
        check_images(world, intent)


def test_a_check_needs_an_engine(fleet: Simulation) -> None:
    """Where nobody builds, nothing can be said."""
    with pytest.raises(ImageMissing, match="no Docker Engine"):
        check_images(replace(fleet.world(), builder=None), fleet.intent(fleets.spec()))
