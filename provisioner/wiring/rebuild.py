"""The parts of a rebuild: where the release comes from, the world it is built in, and the fleet it becomes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from provisioner.errors import UsageError
from provisioner.local import addresses, git
from provisioner.local.release_shelf import ReleaseShelf
from provisioner.local.templates import TemplateFolders
from provisioner.model.inventory import Inventory
from provisioner.model.placement import Placement
from provisioner.model.release import Release
from provisioner.model.spec import FleetSpec
from provisioner.planning.rehome import declared_again, rehomed
from provisioner.ports import EventSink, Progress
from provisioner.reconcile.rebuild import Rebuilt, release_on_hosts, release_on_shelf
from provisioner.reconcile.releases import kept_release
from provisioner.reconcile.world import Intent, World
from provisioner.render.balancer import kept_renderer
from provisioner.spec.place import place
from provisioner.spec.source import SourceText
from provisioner.spec.tree import Positions
from provisioner.spec.yaml_reader import read_document
from provisioner.wiring.fleet import Declared, Settings, declared_secrets, fleet_name, read_fleet_inventory
from provisioner.wiring.parts import open_bundles, open_lookout, open_world
from provisioner.wiring.secrets import open_vault


@dataclass(frozen=True, slots=True)
class Ground:
    """What a rebuild starts from: the release, the hosts there are, and whether it becomes a fleet on them."""

    release: Release
    inventory: Inventory
    deploys: bool


def ground(settings: Settings, name: str, bundle: Path | None, *, deploys: bool) -> Ground:
    """Find a release: in a bundle that is there, else on hosts, else among those this machine kept.

    Raise UsageError where none, or more than one, is meant.
    """
    if bundle is not None and bundle.exists():
        with open_bundles(settings) as bundles:
            release = release_on_shelf((bundles.read(bundle),), name)
        inventory = read_fleet_inventory(settings) if deploys else Inventory("", {}, {})
        return Ground(release, inventory, deploys)
    fleet = fleet_name(settings)
    kept = ReleaseShelf(settings.cache / "releases").releases(fleet)
    try:
        inventory = read_fleet_inventory(settings)
    except UsageError:
        if deploys or not kept:
            raise
        return Ground(release_on_shelf(kept, name), Inventory("", {}, {}), deploys)
    with open_lookout(settings, inventory) as lookout:
        found = release_on_hosts(lookout, inventory.hosts, fleet, name)
    return Ground(found or release_on_shelf(kept, name), inventory, deploys)


@contextmanager
def open_rebuild(settings: Settings, start: Ground, sink: EventSink, hooks: FleetSpec | None = None) -> Iterator[World]:
    """Lend all that a rebuild may use; `hooks` is the spec whose hooks are called, where some are."""
    bare = FleetSpec(start.release.content.desired.fleet, {})
    declared = Declared(
        spec=replace(bare, hooks=hooks.hooks, secrets=hooks.secrets) if hooks else bare,
        inventory=start.inventory,
        placement=Placement((), (), start.inventory.hosts),
        templates=TemplateFolders(settings.folder),
    )
    with open_world(settings, declared, sink) as world:
        yield world


def write_bundle(settings: Settings, path: Path, release: Release, progress: Progress) -> None:
    """Write a release and all it is made from into a file. Raise StorageFailed, ImageMissing."""
    with open_bundles(settings) as bundles:
        bundles.write(path, kept_release(release), release.inputs, progress)


def intend_again(settings: Settings, start: Ground, rebuilt: Rebuilt, without: frozenset[str] = frozenset()) -> Intent:
    """Return a release as what is wanted on the hosts of an inventory. Raise InvalidInput where it has no place.

    `without` are hosts that no lease is taken on: a person says that they are dead.
    """
    release, content = rebuilt.release, rebuilt.release.content
    spec = declared_again(release)
    inventory = addresses.resolved(start.inventory)
    placement = place(spec, inventory, nowhere(release.name))
    render = kept_renderer({each.name: each.text for each in content.templates})
    desired = rehomed(content, spec, placement, render)
    sources = declared_secrets(settings) if any(node.secrets for node in desired.nodes) else {}
    return Intent(
        fleet=spec.name,
        hosts=placement.hosts,
        desire=lambda _: desired,
        render=render,
        policy=spec.rollout,
        tags={each.service: tag for tag, each in rebuilt.inputs.items()},
        inputs=rebuilt.inputs,
        templates=content.templates,
        sites=content.sites,
        lock=content.lock,
        inventory=inventory.hosts,
        without=without,
        author=git.author(settings.environment),
        commit=release.commit,
        vault=open_vault(sources, settings.environment, settings.file.absolute().parent),
    )


def nowhere(name: str) -> Positions:
    """Return the places of a spec that nobody has: faults are told about the release as a whole."""
    source = SourceText(f"release {name}", "{}")
    return Positions(source, read_document(source).root)
