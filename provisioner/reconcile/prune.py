"""The whole of `prune`: what may go is found, removed, and its room measured."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from provisioner.errors import HostError
from provisioner.model.desired import Desired
from provisioner.model.event import Finished, HostUnreachableSeen, PlanMade, SpaceFreed
from provisioner.model.inventory import Host
from provisioner.model.observed import Observed
from provisioner.model.plan import Plan
from provisioner.model.release import Release, ReleaseContent
from provisioner.planning.lease import lease_hosts
from provisioner.planning.pruning import kept_releases, pruning
from provisioner.reconcile.apply import FAILED, INCOMPLETE
from provisioner.reconcile.carry_out import Progressed, carry_out
from provisioner.reconcile.chronicle import Archive, open_archive
from provisioner.reconcile.guard import guarded
from provisioner.reconcile.prepare import names
from provisioner.reconcile.run import Run
from provisioner.reconcile.world import World


@dataclass(frozen=True, slots=True)
class Clearance:
    """What was seen, and what would be removed."""

    observed: Observed
    hosts: Mapping[str, Host]
    plan: Plan
    retain: int
    last: Release | None = None


def clearance(archive: Archive, retain: int) -> Clearance:
    """Return what may go. Raise ProvisionerError where a release that stays cannot be read: it may need anything."""
    kept = tuple(archive.read(each) for each in kept_releases(archive.observed, retain))
    found = pruning(archive.fleet, archive.observed, kept)
    return Clearance(archive.observed, archive.hosts, found, retain, kept[0] if kept else None)


def prune(world: World, clearance: Clearance, without: frozenset[str] = frozenset()) -> Finished:
    """Remove it and return how it ended; what each host gained is told. No lease is taken `without` these hosts."""
    began, plan = world.clock.monotonic(), clearance.plan
    for host in clearance.observed.unreachable:
        world.sink.emit(HostUnreachableSeen(host.name, host.reason, host.hint))
    world.sink.emit(PlanMade(plan))
    before = _room(world, clearance)
    done = _under_lease(world, clearance, without) if plan.steps else Progressed()
    freed = _tell(world, before, _room(world, clearance), plan)
    finished = _judge(clearance, done.actions, str(done.failure or ""), freed)
    finished = replace(finished, seconds=world.clock.monotonic() - began)
    world.sink.emit(finished)
    return finished


def _under_lease(world: World, shown: Clearance, without: frozenset[str]) -> Progressed:
    """Look again, now that nobody else changes the fleet, and remove what may still go."""
    fleet, nothing = shown.plan.fleet, ReleaseContent(Desired(shown.plan.fleet, (), ()))
    hosts = lease_hosts(shown.last, shown.last.content.desired if shown.last else nothing.desired, without)
    with guarded(world, fleet, tuple(shown.hosts[name] for name in hosts), lambda: False) as guard:
        plan = clearance(open_archive(world.lookout, shown.hosts, fleet), shown.retain).plan
        run = Run(world, fleet, shown.hosts, Release(0, "", nothing), guard=guard)
        return carry_out(plan.steps, run, lambda: False)


def _room(world: World, clearance: Clearance) -> Mapping[str, int]:
    """Return the bytes that images take on every host that loses some."""
    found: dict[str, int] = {}
    for change in clearance.plan.changes:
        with suppress(HostError):
            found[change.host] = world.hosts.releases(clearance.hosts[change.host]).image_bytes()
    return found


def _tell(world: World, before: Mapping[str, int], after: Mapping[str, int], plan: Plan) -> int:
    total = 0
    for change in plan.changes:
        freed = max(before.get(change.host, 0) - after.get(change.host, 0), 0)
        world.sink.emit(SpaceFreed(change.host, len(change.reasons), freed))
        total += freed
    return total


def _judge(clearance: Clearance, actions: int, failure: str, freed: int) -> Finished:
    lost = clearance.observed.unreachable
    if failure:
        return Finished("failed", None, FAILED, actions, message=failure)
    if lost:
        return Finished("paused", None, INCOMPLETE, actions, message=f"not pruned: {names(lost)}")
    if not actions:
        return Finished("unchanged", None, 0, message="nothing to remove")
    return Finished("complete", None, 0, actions, message=f"{actions} images removed, {freed / 1e6:.1f} MB freed")
