"""What of older releases may go: everything of ours that neither runs nor is needed to go back."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from provisioner.model.container import KIND_LABEL
from provisioner.model.image import ImageFacts, image_repository
from provisioner.model.observed import Observed, ObservedHost, ObservedRelease
from provisioner.model.plan import Change, Plan, RemoveImage, Step
from provisioner.model.release import Release
from provisioner.planning.keeping import release_images, wanted_inputs
from provisioner.planning.naming import recorded, stable

RAW = "build"
"""The kind that half-built images are labelled with."""

CURRENT_AND_LAST = 2
"""How many releases stay whatever is asked for: the one the fleet is on, and the one it can go back to."""


def kept_releases(observed: Observed, retain: int) -> tuple[ObservedRelease, ...]:
    """Return the releases that stay, newest first: failed ones count like others, and never push out the stable two."""
    newest = recorded(observed)[: max(retain, CURRENT_AND_LAST)]
    needed = stable(observed)[:CURRENT_AND_LAST]
    return tuple(sorted({*newest, *needed}, key=lambda each: (each.number, each.digest), reverse=True))


def pruning(fleet: str, observed: Observed, kept: tuple[Release, ...]) -> Plan:
    """Return the plan that removes what no kept release needs and no container, running or stopped, uses."""
    needed = frozenset(image_id for release in kept for image_id in release_images(release))
    wanted = [wanted_inputs(release.content) for release in kept]
    names = {f"{image_repository(fleet, 'release')}:{release.name}" for release in kept}
    names |= {each.tag for each in wanted if each}
    removals = tuple(action for host in observed.hosts for action in _removals(fleet, host, needed, names))
    lines = tuple(
        Change(host.name, "", "remove", tuple(each.image for each in removals if each.host == host.name))
        for host in observed.hosts
        if any(each.host == host.name for each in removals)
    )
    steps = (Step("remove images that nothing needs", removals),) if removals else ()
    current = next((release.name for release in kept if release.outcome == "complete"), None)
    return Plan(fleet, steps, lines, current, tuple(host.name for host in observed.unreachable))


def _removals(fleet: str, host: ObservedHost, needed: Collection[str], names: Collection[str]) -> Iterator[RemoveImage]:
    used = {container.image_id for container in host.containers}
    for image in host.images:
        if image.image_id in used or image.image_id in needed:
            continue
        ours = [tag for tag in image.tags if tag.startswith(image_repository(fleet, "")) and tag not in names]
        yield from (RemoveImage(host.name, tag, "no release that is kept needs it") for tag in ours)
        if _is_raw(image):
            yield RemoveImage(host.name, image.image_id, "half-built")


def _is_raw(image: ImageFacts) -> bool:
    return not image.tags and image.labels.get(KIND_LABEL) == RAW
