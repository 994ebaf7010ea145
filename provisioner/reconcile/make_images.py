"""The whole of `build`: every image the spec builds, made where it is not there yet."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.errors import ProvisionerError
from provisioner.model.desired import Desired
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


def _known(world: World, name: str) -> str:
    facts = world.builder.find(name) if world.builder else None
    return facts.image_id if facts else ""
