"""What a release holds: the fleet that is wanted, and what its images are built from without a path of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from provisioner.model.desired import Desired
from provisioner.model.image import BuildInputs, Made
from provisioner.model.lock import Lock, Pins
from provisioner.model.release import BuiltImage, NamedTemplate, Release, ReleaseContent, Site
from provisioner.model.spec import LOAD_BALANCER, FleetSpec


def release_content(
    desired: Desired,
    inputs: Mapping[str, BuildInputs],
    *,
    last: Release | None = None,
    made: Mapping[str, Made] | None = None,
    templates: tuple[NamedTemplate, ...] = (),
    sites: tuple[Site, ...] = (),
    lock: Lock = Lock(),
) -> ReleaseContent:
    """Return the content of the release that wants `desired`.

    What the moving names of a build stood for is what the last release says of the same image, else what the
    builder said (`made`, by tag), else what the inputs are pinned to.
    """
    builds = tuple(_built(desired, inputs, last.content if last else None, made or {}))
    return ReleaseContent(desired, (), builds, templates, sites, lock)


def _built(
    desired: Desired, inputs: Mapping[str, BuildInputs], last: ReleaseContent | None, made: Mapping[str, Made]
) -> Iterator[BuiltImage]:
    before = {(each.inputs.tag, each.image_id): each for each in (last.builds if last else ())}
    for tag in sorted(inputs):
        image_id = desired.images.get(tag, "")
        recorded = before.get((tag, image_id))
        if recorded is not None:
            yield recorded
        elif image_id:
            pins = made[tag].pins if tag in made and made[tag].pins != Pins() else inputs[tag].pins
            yield BuiltImage(image_id, portable(replace(inputs[tag], pins=pins)))


def portable(inputs: BuildInputs) -> BuildInputs:
    """Return the inputs without the paths their files have on this machine."""
    return replace(inputs, context=tuple(replace(entry, source="") for entry in inputs.context))


def sites(spec: FleetSpec) -> tuple[Site, ...]:
    """Return where a spec wants its services and its balancer."""
    found = [Site(each.name, each.hosts, each.replicas, each.host_port) for each in spec.services.values()]
    if spec.load_balancer is not None:
        found.append(Site(LOAD_BALANCER, spec.load_balancer.hosts))
    return tuple(sorted(found, key=lambda site: site.service))
