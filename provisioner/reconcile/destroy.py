"""The whole of `destroy`: everything of one fleet off its hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from provisioner.model.container import LEASE_LABEL
from provisioner.model.desired import Desired
from provisioner.model.event import Finished, HostUnreachableSeen, PlanMade
from provisioner.model.inventory import Host
from provisioner.model.observed import Observed, ObservedContainer
from provisioner.model.plan import Plan
from provisioner.model.release import Release, ReleaseContent
from provisioner.model.secret import is_secrets_volume
from provisioner.planning.departure import destruction
from provisioner.planning.lease import lease_hosts
from provisioner.reconcile.apply import FAILED, INCOMPLETE
from provisioner.reconcile.carry_out import carry_out
from provisioner.reconcile.guard import Guard, guarded
from provisioner.reconcile.lease import remove_leases
from provisioner.reconcile.prepare import look, names
from provisioner.reconcile.run import Run
from provisioner.reconcile.world import Intent, Lookout, World


@dataclass(frozen=True, slots=True)
class Demolition:
    """What was seen and what would be removed."""

    observed: Observed
    hosts: Mapping[str, Host]
    plan: Plan
    last: Release | None = None
    leased: tuple[str, ...] = ()
    """The hosts on which leases of the fleet lie, held or handed back."""


def survey(lookout: Lookout, intent: Intent, *, data: bool) -> Demolition:
    """Return everything of the fleet that would be removed, from its hosts and those it has left."""
    seen = look(lookout, intent, secrets=False)
    leased = tuple(
        host.name for host in seen.observed.hosts if any(_is_lease(intent.fleet, each) for each in host.containers)
    )
    return Demolition(seen.observed, seen.hosts, destruction(intent.fleet, seen.observed, data=data), seen.last, leased)


def _is_lease(fleet: str, container: ObservedContainer) -> bool:
    return container.labels.get(LEASE_LABEL) == fleet


def destroy(world: World, intent: Intent, demolition: Demolition, *, data: bool) -> Finished:
    """Remove it and return how it ended, judged by a fresh observation; `data` as it was shown."""
    began = world.clock.monotonic()
    for host in demolition.observed.unreachable:
        world.sink.emit(HostUnreachableSeen(host.name, host.reason, host.hint))
    world.sink.emit(PlanMade(demolition.plan))
    if demolition.plan.steps or demolition.leased:
        finished = _under_lease(world, intent, demolition, data=data)
    else:
        finished = _judge(world, intent, 0, "")
    finished = replace(finished, seconds=world.clock.monotonic() - began)
    world.sink.emit(finished)
    return finished


def _under_lease(world: World, intent: Intent, shown: Demolition, *, data: bool) -> Finished:
    hosts = lease_hosts(shown.last, intent.desire({}), intent.forget | intent.without)
    places = tuple(shown.hosts[name] for name in hosts)
    with guarded(world, intent.fleet, places, lambda: False) as guard:
        demolition = survey(world.lookout, intent, data=data)
        nothing = Release(0, "", ReleaseContent(Desired(intent.fleet, (), ())))
        run = Run(world, intent.fleet, demolition.hosts, nothing, guard=guard)
        done = carry_out(demolition.plan.steps, run, lambda: False)
        finished = _judge(world, intent, done.actions, str(done.failure or ""))
        if finished.outcome in {"complete", "unchanged"}:
            _clear_leases(world, intent, demolition, guard)
        return guard.conclude(finished)


def _clear_leases(world: World, intent: Intent, demolition: Demolition, guard: Guard) -> None:
    """Remove what leases have left anywhere; our own go when they are handed back."""
    ours = guard.lease.hosts if guard.lease else ()
    for name in demolition.leased:
        if name not in ours:
            remove_leases(world, demolition.hosts[name], intent.fleet)
    if guard.lease:
        guard.lease.forsake(ours)


def _judge(world: World, intent: Intent, actions: int, failure: str) -> Finished:
    seen = look(world.lookout, intent, secrets=False).observed
    left = [each.name for host in seen.hosts for each in host.containers if each.fleet == intent.fleet]
    left += [each for host in seen.hosts for each in host.volumes if is_secrets_volume(intent.fleet, each)]
    if failure or left:
        return Finished("failed", None, FAILED, actions, message=failure or f"{left[0]} is still there")
    if seen.unreachable:
        return Finished("paused", None, INCOMPLETE, actions, message=f"not cleared: {names(seen.unreachable)}")
    return Finished(
        "complete" if actions else "unchanged", None, 0, actions, message=f"nothing of {intent.fleet} is left"
    )
