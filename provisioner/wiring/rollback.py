"""The parts of a rollback: the release that is gone back to, and the fleet it becomes on the hosts there are now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from provisioner.local import addresses, git
from provisioner.model.release import Release
from provisioner.model.spec import RolloutPolicy
from provisioner.planning.rehome import declared_again, rehomed
from provisioner.ports import EventSink
from provisioner.reconcile.chronicle import open_archive
from provisioner.reconcile.restore import at_once, restoring
from provisioner.reconcile.world import Intent, World
from provisioner.render.balancer import balancer_text, kept_renderer
from provisioner.spec.patterns import select
from provisioner.spec.place import place
from provisioner.wiring.fleet import Settings, declared_spec, fleet_name, read_fleet_inventory
from provisioner.wiring.parts import open_lookout
from provisioner.wiring.rebuild import Ground, nowhere, open_rebuild
from provisioner.wiring.secrets import open_vault


def ground(settings: Settings, name: str) -> Ground:
    """Find the release to go back to on the hosts of the inventory. Raise UsageError where there is none."""
    fleet, inventory = fleet_name(settings), read_fleet_inventory(settings)
    with open_lookout(settings, inventory) as lookout:
        release = open_archive(lookout, inventory.hosts, fleet).behind(name)
    return Ground(release, inventory, deploys=True)


def intend_back(settings: Settings, start: Ground, without: frozenset[str] = frozenset()) -> Intent:
    """Return a release as what is wanted again, on the hosts its services match now. Raise InvalidInput.

    `without` are hosts that no lease is taken on: a person says that they are dead.
    """
    intent = _placed(start) if start.release.content.sites else where_it_was(start)
    return by_whom(settings, start, replace(intent, without=without))


def _placed(start: Ground) -> Intent:
    release, inventory = start.release, addresses.resolved(start.inventory)
    spec = declared_again(release)
    placement = place(spec, inventory, nowhere(release.name))
    render = kept_renderer({each.name: each.text for each in release.content.templates})
    desired = rehomed(release.content, spec, placement, render)
    return replace(restoring(release, desired, placement.hosts, spec.rollout, render), inventory=inventory.hosts)


def where_it_was(start: Ground) -> Intent:
    """Return a release that does not say where its services belong, on the hosts it was on."""
    inventory, desired = addresses.resolved(start.inventory), start.release.content.desired
    hosts = {name: inventory.hosts[name] for name in desired.hosts if name in inventory.hosts}
    intent = restoring(
        start.release, desired, hosts, _policy(start.release), lambda config: balancer_text(config, _none)
    )
    return replace(intent, inventory=inventory.hosts)


def _none(_name: str) -> None:
    """Know no template."""


def _policy(release: Release) -> RolloutPolicy:
    balancers = release.content.desired.balancers
    return RolloutPolicy(drain_timeout=balancers[0].config.drain_timeout) if balancers else RolloutPolicy()


def by_whom(settings: Settings, start: Ground, intent: Intent) -> Intent:
    """Return an intent with its scope and author, and where there is a spec with its secrets, hooks and policy."""
    scope = frozenset(select(start.inventory, settings.limit)) if settings.limit else None
    spec = declared_spec(settings)
    vault = open_vault(spec.secrets if spec else {}, settings.environment, settings.file.absolute().parent)
    intent = replace(intent, scope=scope, author=git.author(settings.environment), vault=vault)
    intent = replace(intent, verb="rollback")
    return replace(intent, hooks=spec.hooks, policy=at_once(spec.rollout)) if spec else intent


@contextmanager
def open_rollback(settings: Settings, start: Ground, sink: EventSink) -> Iterator[World]:
    """Lend all that a rollback may use, the hooks of the spec too, where there is one."""
    with open_rebuild(settings, start, sink, declared_spec(settings)) as world:
        yield world
