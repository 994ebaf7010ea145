"""The whole of `destroy`: everything of one fleet off its hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from provisioner.model.desired import Desired
from provisioner.model.event import Finished, HostUnreachableSeen, PlanMade
from provisioner.model.inventory import Host
from provisioner.model.observed import Observed
from provisioner.model.plan import Plan
from provisioner.model.release import Release, ReleaseContent
from provisioner.model.secret import is_secrets_volume
from provisioner.planning.departure import destruction
from provisioner.reconcile.apply import FAILED, INCOMPLETE
from provisioner.reconcile.carry_out import carry_out
from provisioner.reconcile.prepare import look, names
from provisioner.reconcile.run import Run
from provisioner.reconcile.world import Intent, Lookout, World


@dataclass(frozen=True, slots=True)
class Demolition:
    """What was seen and what would be removed."""

    observed: Observed
    hosts: Mapping[str, Host]
    plan: Plan


def survey(lookout: Lookout, intent: Intent, *, data: bool) -> Demolition:
    """Return everything of the fleet that would be removed, from its hosts and those it has left."""
    seen = look(lookout, intent, secrets=False)
    return Demolition(seen.observed, seen.hosts, destruction(intent.fleet, seen.observed, data=data))


def destroy(world: World, intent: Intent, demolition: Demolition) -> Finished:
    """Remove it and return how it ended, judged by a fresh observation."""
    began = world.clock.monotonic()
    for host in demolition.observed.unreachable:
        world.sink.emit(HostUnreachableSeen(host.name, host.reason, host.hint))
    world.sink.emit(PlanMade(demolition.plan))
    nothing = Release(0, "", ReleaseContent(Desired(intent.fleet, (), ())))
    done = carry_out(demolition.plan.steps, Run(world, intent.fleet, demolition.hosts, nothing), lambda: False)
    finished = _judge(world, intent, done.actions, str(done.failure or ""))
    finished = replace(finished, seconds=world.clock.monotonic() - began)
    world.sink.emit(finished)
    return finished


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
