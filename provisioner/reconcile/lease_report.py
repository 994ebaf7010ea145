"""The whole of `lease show` and `lease break`: what leases lie on hosts, and the end of one by a person's word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from provisioner.errors import HostError, UsageError
from provisioner.model.inventory import Host
from provisioner.model.lease import JOURNAL, LeaseReport, LeasesSeen
from provisioner.model.observed import Unreachable
from provisioner.planning.lease import standing
from provisioner.ports import Leases
from provisioner.reconcile.at_once import at_once
from provisioner.reconcile.held_lease import HeldLease
from provisioner.reconcile.journal import decoded
from provisioner.reconcile.taking import Taking
from provisioner.reconcile.world import World

LendLeases = Callable[[Host], Leases]


def leases_seen(lend: LendLeases, fleet: str, hosts: Iterable[Host], forks: int) -> LeasesSeen:
    """Return the latest lease of a fleet on every host that has one; nothing is changed."""
    found = at_once(lambda host: _report(lend, fleet, host), hosts, forks)
    reports = tuple(each for each in found if isinstance(each, LeaseReport))
    return LeasesSeen(fleet, reports, tuple(each for each in found if isinstance(each, Unreachable)))


def _report(lend: LendLeases, fleet: str, host: Host) -> LeaseReport | Unreachable | None:
    try:
        leases = lend(host)
        sight = leases.look(fleet)
        if sight.latest is None:
            return None
        written = leases.read(sight.latest.lease_id, JOURNAL) or b""
    except HostError as error:
        return Unreachable(host.name, error.reason, error.hint)
    return LeaseReport(host.name, sight.now, sight.latest, standing(sight), decoded(written))


def break_lease(world: World, fleet: str, hosts: Mapping[str, Host], run: str) -> tuple[str, ...]:
    """End the lease of a run wherever it lies, and return those hosts; its run stops at its next sign of life.

    The next epoch is taken and handed back at once. Raise UsageError where no host has a lease of that run.
    """
    seen = leases_seen(world.controller.leases, fleet, hosts.values(), world.forks)
    unfinished = [each for each in seen.reports if each.state != "released"]
    robbed = [each.host for each in unfinished if each.lease.claim.run == run]
    if not robbed:
        others = ", ".join(dict.fromkeys(each.lease.claim.run for each in unfinished))
        hint = f"the lease is held by run {others}" if others else "nobody holds the lease: `provisioner lease show`"
        raise UsageError(f"no host has a lease of run '{run}'", hint=hint)
    lease = HeldLease(world.clock, world.controller.term, lambda: b"")
    taking = Taking(world, lease, fleet, lambda: False, robs=run)
    try:
        for name in sorted(robbed):
            taking.on(hosts[name])
    finally:
        lease.hand_back(world)
    return tuple(sorted(robbed))
