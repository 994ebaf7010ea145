"""The whole of `rebuild`: a release found, what it was made from unpacked, its images built again and compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from provisioner.errors import HostError, ImageDiffers, ImageMissing, ProvisionerError, UsageError
from provisioner.model.image import BuildInputs
from provisioner.model.inventory import Host
from provisioner.model.plan import BuildImage, Step
from provisioner.model.release import BuiltImage, KeptRelease, Release
from provisioner.planning.keeping import wanted_inputs
from provisioner.planning.naming import named
from provisioner.ports import Progress
from provisioner.reconcile.carry_out import carry_out
from provisioner.reconcile.chronicle import open_archive
from provisioner.reconcile.releases import described, read_kept
from provisioner.reconcile.run import Run
from provisioner.reconcile.world import Lookout, World


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A release whose images were made again: their ids by tag, what they were made from, and what was missing."""

    release: Release
    images: Mapping[str, str]
    inputs: Mapping[str, BuildInputs]
    missing: tuple[str, ...]


def release_on_hosts(lookout: Lookout, hosts: Mapping[str, Host], fleet: str, name: str) -> Release | None:
    """Return a release that some host holds, None where no host answers or none holds a release at all."""
    if not hosts:
        return None
    try:
        archive = open_archive(lookout, hosts, fleet)
    except HostError:
        return None
    except UsageError as error:
        if fleet or error.hint.startswith("say which"):
            raise
        return None
    return archive.find(name) if archive.releases else None


def release_on_shelf(kept: Iterable[KeptRelease], name: str) -> Release:
    """Return a release out of what was kept. Raise UsageError where none, or more than one, is meant."""
    found = {described(each.labels): each for each in kept}
    chosen = found[named(name, sorted(found, key=lambda each: -each.number))]
    release = read_kept(chosen)
    if release is None:
        raise ProvisionerError(
            f"release {described(chosen.labels).name} is damaged where it is kept on this machine",
            hint="read it from a host that has it: -i INVENTORY, or from a bundle: --bundle FILE",
        )
    return release


def rebuild(world: World, release: Release, progress: Progress) -> Rebuilt:
    """Build every image of a release again, from the release alone.

    Raise ImageDiffers where one comes out otherwise; then the engine is left without it.
    """
    content = release.content
    if not content.builds and content.files:
        raise ProvisionerError(
            f"release {release.name} was recorded before releases held what they are made from",
            hint="apply its spec once more: that makes a release which can be rebuilt",
        )
    wanted, builds = wanted_inputs(content), tuple(each.inputs for each in content.builds)
    unpacked = world.storeroom.unpacker.unpack(release.inputs, wanted, builds, progress)
    again = {_provisional(each): each for each in unpacked.builds}
    _build(world, release, {tag: replace(each, tag=tag) for tag, each in again.items()})
    try:
        for built in content.builds:
            _compare(world, built)
    except ImageDiffers:
        _settle(world, content.builds, keep=False)
        raise
    _settle(world, content.builds, keep=True)
    images = {built.inputs.tag: built.image_id for built in content.builds}
    return Rebuilt(release, images, {each.tag: each for each in unpacked.builds}, unpacked.missing)


def _provisional(inputs: BuildInputs) -> str:
    return f"{inputs.tag}-again"


def _build(world: World, release: Release, inputs: Mapping[str, BuildInputs]) -> None:
    actions = tuple(BuildImage(world.builder_host, each.service, tag) for tag, each in inputs.items())
    steps = (Step("build every image again", actions),) if actions else ()
    done = carry_out(steps, Run(world, release.content.desired.fleet, {}, release, inputs), lambda: False)
    if done.failure is not None:
        raise done.failure


def _compare(world: World, built: BuiltImage) -> None:
    """Refuse an image that did not come out as the release has it."""
    if world.builder is None:
        raise ImageMissing("no Docker Engine may build here", hint="start one on this machine, or add a host")
    found = world.builder.find(_provisional(built.inputs))
    made = found.image_id if found else "nothing"
    if made != built.image_id:
        raise ImageDiffers(
            f"the image of {built.inputs.service} came out as {made[:19]}, the release names {built.image_id[:19]}",
            differences=world.storeroom.unpacker.differences(built.image_id, made),
            hint="what its Dockerfile fetches is outside a release: `provisioner build --check` names such paths",
        )


def _settle(world: World, builds: tuple[BuiltImage, ...], *, keep: bool) -> None:
    """Give images that were built again their own tags, or none."""
    for built in builds:
        if world.builder is not None:
            world.builder.rename(_provisional(built.inputs), built.inputs.tag if keep else "")
