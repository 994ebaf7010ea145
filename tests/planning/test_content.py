"""What a release holds."""

from __future__ import annotations

from dataclasses import replace

from provisioner.model.image import BuildInputs, ContextFile, ImageFacts, Made
from provisioner.model.lock import LockedSuite, Pins
from provisioner.model.release import Release, Site
from provisioner.planning.content import release_content, sites
from provisioner.spec.release import encode_content
from tests import fleets

TAG = fleets.TAGS["web"]
INPUTS = BuildInputs("web", TAG, "FROM scratch", None, (ContextFile("a", "/home/ada/a", 0o644, 1, "aa"),))
PINS = Pins(LockedSuite("bookworm", "linux/amd64", ()))
MADE = {TAG: Made(ImageFacts(fleets.WEB_IMAGE), PINS)}


def test_no_path_of_a_machine_is_in_a_release() -> None:
    """Two checkouts of one spec give the same content."""
    moved = replace(INPUTS, context=(replace(INPUTS.context[0], source="/srv/ci/a"),))
    contents = [release_content(fleets.desired(), {TAG: each}) for each in (INPUTS, moved)]
    assert contents[0] == contents[1]
    assert b"/home/ada" not in encode_content(contents[0])


def test_what_a_build_resolved_to_is_kept_from_release_to_release() -> None:
    """Pins that the builder told stay with their image, also for a controller that did not build it."""
    first = release_content(fleets.desired(), {TAG: INPUTS}, made=MADE)
    assert first.builds[0].inputs.pins == PINS
    last = Release(1, "d", first)
    assert release_content(fleets.desired(), {TAG: INPUTS}, last=last) == first


def test_an_image_that_is_not_known_yet_is_in_no_release() -> None:
    """Before it is built there is nothing to keep of it."""
    assert release_content(fleets.desired(ids={}), {TAG: INPUTS}).builds == ()


def test_sites_are_where_a_spec_wants_its_services() -> None:
    """Patterns, replicas and host ports are kept, the balancer's hosts too."""
    assert sites(fleets.spec()) == (Site("load-balancer", "lb"), Site("web", "web", 1, 18000))
