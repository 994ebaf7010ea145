"""What hosts keep beside what runs: the release, the one to go back to, their images, and what they were made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass

from provisioner.model.desired import Desired
from provisioner.model.drift import Drift
from provisioner.model.image import OUR_IMAGES, BuildInputs, Known, image_repository
from provisioner.model.keeping import INPUTS, InputsSection, SectionKind, WantedInputs
from provisioner.model.lock import LockedPackages, LockedSuite
from provisioner.model.observed import Observed, ObservedHost
from provisioner.model.plan import Action, RecordInputs, RecordRelease, ShipImage
from provisioner.model.release import Release, ReleaseContent
from provisioner.model.spec import LOAD_BALANCER, ImageBase
from provisioner.planning.fields import ABSENT, PRESENT
from provisioner.planning.pairing import has_image

_ORDER: tuple[SectionKind, ...] = ("image", "root", "packages", "wheels", "context")
_TAG_DIGITS = 16
_MOVED = "what runs is told by its image's id and goes on; the tag alone names another image"
_BACK = "what to go back to is kept on every host"


def wanted_inputs(content: ReleaseContent) -> WantedInputs | None:
    """Return what a release is made from, None where it is made from nothing that has to be kept."""
    found = {*_images(content), *(section for each in content.builds for section in _sections(each.inputs))}
    if not found:
        return None
    sections = tuple(sorted(found, key=lambda each: (_ORDER.index(each.kind), each.files, each.image_id)))
    text = json.dumps([asdict(each) for each in sections], sort_keys=True, separators=(",", ":"))
    fleet = content.desired.fleet
    tag = f"{image_repository(fleet, INPUTS)}:{hashlib.sha256(text.encode()).hexdigest()[:_TAG_DIGITS]}"
    return WantedInputs(fleet, tag, sections)


def _images(content: ReleaseContent) -> Iterator[InputsSection]:
    built = {each.inputs.tag for each in content.builds}
    for reference, image_id in content.desired.images.items():
        # A release of before builds were kept names its own images too: those are no inputs.
        if reference not in built and not reference.startswith(image_repository(content.desired.fleet, "")):
            yield InputsSection("image", image_id=image_id)


def _sections(inputs: BuildInputs) -> Iterator[InputsSection]:
    pins = inputs.pins
    if pins.image is not None and isinstance(inputs.base, ImageBase):
        yield InputsSection("image", image_id=pins.image.image_id)
    if pins.suite is not None:
        yield from _section("root", _debs(pins.suite))
    if pins.packages is not None:
        yield from _section("packages", _debs(pins.packages))
    if pins.wheels is not None:
        yield from _section("wheels", [each.sha256 for each in pins.wheels.wheels])
    yield from _section("context", [entry.digest for entry in inputs.context if not entry.link])


def _debs(part: LockedSuite | LockedPackages) -> list[str]:
    return [package.sha256 for package in part.packages]


def _section(kind: SectionKind, files: Collection[str]) -> Iterator[InputsSection]:
    if files:
        yield InputsSection(kind, tuple(sorted(set(files))))


def inputs_hosts(desired: Desired) -> tuple[str, ...]:
    """Return the hosts that keep inputs: those of the balancer, else the first one."""
    return tuple(dict.fromkeys(balancer.host for balancer in desired.balancers)) or desired.hosts[:1]


@dataclass(frozen=True, slots=True)
class Keepsake:
    """Something that a host should keep and lacks: what kind, what it is called, and the action that puts it there."""

    host: str
    kind: str
    name: str
    action: Action


def lost(last: Release | None, before: Release | None, seen: Observed, cached: Collection[str]) -> tuple[Drift, ...]:
    """Return what hosts should keep of the last two releases and lack, as drift.

    `cached` are ids of images that this controller holds. What nobody holds any more cannot be put back, and is not
    asked for.
    """
    if last is None:
        return ()
    missing = (*current_keepsakes(last, seen), *earlier_keepsakes(before, last.content.desired, seen, cached))
    rows = {Drift(each.host, "", each.kind, each.name, PRESENT, ABSENT, "drift") for each in missing}
    return tuple(sorted({*rows, *_images_astray(last.content.desired, seen)}))


def _images_astray(desired: Desired, seen: Observed) -> Iterator[Drift]:
    """Yield images of the release that a host lost, and tags of ours that name another image there."""
    for host in _observed(desired, seen):
        for _, image in dict.fromkeys(_carried(desired, host.name)):
            if not has_image(host, image.image_id):
                yield Drift(host.name, "", "image", image.reference, PRESENT, ABSENT, "drift")
            elif other := tag_astray(host, image):
                yield Drift(host.name, "", "image", image.reference, image.image_id, other, "drift", note=_MOVED)


def tag_astray(host: ObservedHost, image: Known) -> str:
    """Return the id of another image that a tag of ours names on a host, empty where it names the right one or none."""
    if not image.reference.startswith(OUR_IMAGES):
        return ""
    return next(
        (each.image_id for each in host.images if image.reference in each.tags and each.image_id != image.image_id), ""
    )


def current_keepsakes(release: Release, seen: Observed) -> Iterator[Keepsake]:
    """Yield what hosts lack of the release that the fleet is on, what runs left aside."""
    wanted = wanted_inputs(release.content)
    if wanted is not None:
        yield from missing_inputs(wanted, release.content.desired, seen)
    for host in _observed(release.content.desired, seen):
        if all(each.name != release.name for each in host.releases):
            yield Keepsake(host.name, "release", release.name, RecordRelease(host.name))


def missing_inputs(wanted: WantedInputs, desired: Desired, seen: Observed) -> Iterator[Keepsake]:
    """Yield the keeping of inputs on the hosts that lack them."""
    for name in inputs_hosts(desired):
        host = seen.host(name)
        if host is not None and not _tagged(host, wanted.tag):
            known = next((image_id for each in seen.hosts if (image_id := _tagged(each, wanted.tag))), "")
            yield Keepsake(name, "image", wanted.tag, RecordInputs(name, wanted.tag, known))


def _tagged(host: ObservedHost, tag: str) -> str:
    return next((image.image_id for image in host.images if tag in image.tags), "")


def earlier_keepsakes(
    release: Release | None, desired: Desired, seen: Observed, cached: Collection[str]
) -> Iterator[Keepsake]:
    """Yield what hosts of the fleet lack of the release that it can go back to."""
    if release is None:
        return
    content, name = release.content, release.name
    held = {image.image_id for host in seen.hosts for image in host.images} | set(cached)
    wanted = wanted_inputs(content)
    for host in _observed(content.desired, seen):
        if host.name not in desired.hosts:
            continue
        for service, image in dict.fromkeys(_carried(content.desired, host.name)):
            if image.image_id in held and not has_image(host, image.image_id):
                yield Keepsake(host.name, "image", image.reference, ShipImage(host.name, service, image, _BACK))
        if wanted and release.inputs in held and host.name in inputs_hosts(content.desired):
            image = Known(wanted.tag, release.inputs)
            if not has_image(host, image.image_id):
                yield Keepsake(host.name, "image", image.reference, ShipImage(host.name, INPUTS, image, _BACK))
        if all(each.name != name for each in host.releases):
            yield Keepsake(host.name, "release", name, RecordRelease(host.name, _BACK, release=name))


def _carried(desired: Desired, host: str) -> Iterator[tuple[str, Known]]:
    for balancer in desired.balancers:
        if balancer.host == host and isinstance(balancer.image, Known):
            yield LOAD_BALANCER, balancer.image
    for node in desired.nodes:
        if node.node.host == host and isinstance(node.image, Known):
            yield node.node.service, node.image


def release_images(release: Release) -> frozenset[str]:
    """Return the ids of every image that a release needs on hosts."""
    inputs = {release.inputs} if release.inputs else set[str]()
    return frozenset({*release.content.desired.images.values(), *inputs})


def _observed(desired: Desired, seen: Observed) -> Iterator[ObservedHost]:
    for name in desired.hosts:
        host = seen.host(name)
        if host is not None:
            yield host
