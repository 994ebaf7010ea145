"""The whole of `build --check`: whether two builds of the same inputs give the same image."""

from __future__ import annotations

from provisioner.errors import ImageMissing
from provisioner.model.event import ActionProgress
from provisioner.model.image import PathDifference
from provisioner.model.plan import BuildImage
from provisioner.ports import Progress
from provisioner.reconcile.world import Intent, World


def check_images(world: World, intent: Intent) -> dict[str, tuple[PathDifference, ...]]:
    """Return, by the service of every image that is built, in what two builds of it differ. Raise ProvisionerError.

    Nothing of either build is kept.
    """
    if world.builder is None:
        raise ImageMissing("no Docker Engine may build here", hint="start one on this machine, or add a host")
    found: dict[str, tuple[PathDifference, ...]] = {}
    for service, tag in intent.tags.items():
        progress = _told(world, BuildImage(world.builder_host, service, tag))
        found[service] = world.builder.check(intent.inputs[tag], progress)
    return found


def _told(world: World, action: BuildImage) -> Progress:
    return lambda text, done, total: world.sink.emit(ActionProgress(action, text, done, total))
