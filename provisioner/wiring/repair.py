"""The parts of a repair: the release the fleet is on, wanted again where it is."""

from __future__ import annotations

from dataclasses import replace

from provisioner.model.spec import RolloutPolicy
from provisioner.planning.rehome import declared_again
from provisioner.reconcile.chronicle import open_archive
from provisioner.reconcile.repair import ATTEMPTS, repairing
from provisioner.reconcile.world import Intent
from provisioner.wiring.fleet import Settings, declared_spec, fleet_name, read_fleet_inventory
from provisioner.wiring.parts import open_lookout
from provisioner.wiring.rebuild import Ground
from provisioner.wiring.rollback import by_whom, where_it_was


def ground(settings: Settings) -> Ground:
    """Find the release the fleet is on. Raise UsageError where there is none, or a rollout stands half way."""
    fleet, inventory = fleet_name(settings), read_fleet_inventory(settings)
    with open_lookout(settings, inventory) as lookout:
        release = open_archive(lookout, inventory.hosts, fleet).current()
    return Ground(release, inventory, deploys=True)


def intend_repair(settings: Settings, start: Ground, without: frozenset[str] = frozenset()) -> Intent:
    """Return the release the fleet is on as what is wanted, on the hosts it is on and by the steps of a rollout.

    A host that left the inventory is left alone: that is declared and not applied, and no drift.
    """
    spec = declared_spec(settings)
    intent = by_whom(settings, start, where_it_was(start))
    gone = frozenset(start.release.content.desired.hosts) - set(intent.hosts)
    policy = repairing(spec.rollout if spec else _policy(start))
    return replace(intent, without=without, forget=gone, verb="repair", policy=policy, attempts=ATTEMPTS)


def _policy(start: Ground) -> RolloutPolicy:
    return declared_again(start.release).rollout if start.release.content.sites else RolloutPolicy()
