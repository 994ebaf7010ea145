"""The whole of `status`: look, and compare with the last release."""

from __future__ import annotations

from dataclasses import replace

from provisioner.model.status import FleetStatus
from provisioner.planning.status import status
from provisioner.reconcile.prepare import known_images, look, within
from provisioner.reconcile.world import Intent, Lookout


def survey(lookout: Lookout, intent: Intent) -> FleetStatus:
    """Return what runs where; before the first release, what the spec wants and is not there."""
    seen = look(lookout, intent)
    desired = seen.last.content.desired if seen.last else intent.desire(known_images(intent, seen, None))
    if intent.scope is None:
        return status(intent.fleet, desired, seen.observed, seen.last)
    nodes = tuple(node for node in desired.nodes if node.node.host in intent.scope)
    shown = replace(desired, nodes=nodes)
    hosts = intent.scope | {balancer.host for balancer in desired.balancers}
    found = status(intent.fleet, shown, within(seen.observed, hosts), seen.last)
    return replace(found, hosts=tuple(host for host in found.hosts if host.host in intent.scope))
