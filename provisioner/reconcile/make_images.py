"""The whole of `build`: every image the spec builds, made where it is not there yet."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.errors import ProvisionerError
from provisioner.model.desired import Desired
from provisioner.model.image import Made
from provisioner.model.plan import Action, BuildImage, FetchImage, Step
from provisioner.model.release import Release, ReleaseContent
from provisioner.reconcile.carry_out import carry_out
from provisioner.reconcile.run import Run
from provisioner.reconcile.world import Intent, World


def make_images(world: World, intent: Intent) -> Mapping[str, str]:
    """Return the id of every image by tag or name, after making those the engine lacked. Raise ProvisionerError."""
    lacking: list[Action] = [
        BuildImage(world.builder_host, service, tag) for service, tag in intent.tags.items() if not _known(world, tag)
    ]
    lacking += [FetchImage(world.builder_host, "", name) for name in intent.references if not _known(world, name)]
    nothing = Release(0, "", ReleaseContent(Desired(intent.fleet, (), ())))
    run = Run(world, intent.fleet, intent.hosts, nothing, intent.inputs)
    steps = (Step("make images", tuple(lacking)),) if lacking else ()
    done = carry_out(steps, run, lambda: False)
    if isinstance(done.failure, ProvisionerError):
        raise done.failure
    return {name: _known(world, name) for name in (*intent.tags.values(), *intent.references)}


def explained(world: World, intent: Intent) -> Mapping[str, Made]:
    """Return what is known of each image that the spec builds and the engine has, by its tag."""
    found = {tag: world.builder.made(tag) if world.builder else None for tag in intent.tags.values()}
    return {tag: made for tag, made in found.items() if made is not None}


def _known(world: World, name: str) -> str:
    facts = world.builder.find(name) if world.builder else None
    return facts.image_id if facts else ""
