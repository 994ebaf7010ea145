"""The whole of `drain` and `undrain`: a node out of rotation, or in again, on every balancer and for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from provisioner.errors import UsageError
from provisioner.model.balancer import Drained
from provisioner.model.event import Finished, HostUnreachableSeen, PlanMade
from provisioner.model.observed import Observed
from provisioner.model.plan import Plan
from provisioner.model.release import Release
from provisioner.planning.by_hand import Hand, drain_plan, still_serving, undrain_plan
from provisioner.planning.drained import drained_nodes
from provisioner.planning.lease import lease_hosts
from provisioner.reconcile.apply import FAILED
from provisioner.reconcile.carry_out import Progressed, carry_out
from provisioner.reconcile.guard import guarded
from provisioner.reconcile.prepare import Seen, look
from provisioner.reconcile.run import Run
from provisioner.reconcile.world import Intent, World


def drain(world: World, intent: Intent, node: str, reason: str, *, force: bool = False) -> Finished:
    """Take a node out of rotation and return how it ended, judged by a fresh observation of every balancer."""
    wish = Drained(node, intent.author, world.clock.now(), reason)
    finished = _carried(world, intent, lambda hand: drain_plan(hand, wish, force=force))
    if finished.exit_code:
        return _told(world, finished)
    seen = look(world.lookout, intent).observed
    left = still_serving(seen, node)
    if left or node not in {each.node for each in drained_nodes(seen)}:
        message = f"{node} still serves, says the balancer on {', '.join(left)}" if left else f"{node} is not drained"
        return _told(world, replace(finished, outcome="failed", exit_code=FAILED, message=message))
    aside = f" but {', '.join(sorted(intent.without))}, which was left aside" if intent.without else ""
    message = f"{node} gets no requests on any balancer{aside}, until `provisioner undrain {node}`"
    return _told(world, replace(finished, message=message))


def undrain(world: World, intent: Intent, node: str) -> Finished:
    """Let a node in again and return how it ended, judged by a fresh observation."""
    finished = _carried(world, intent, lambda hand: undrain_plan(hand, node))
    if finished.exit_code:
        return _told(world, finished)
    if node in {each.node for each in drained_nodes(look(world.lookout, intent).observed)}:
        message = f"{node} is still drained"
        return _told(world, replace(finished, outcome="failed", exit_code=FAILED, message=message))
    return _told(world, replace(finished, message=f"{node} gets requests as its checks allow"))


def _carried(world: World, intent: Intent, plan_for: Callable[[Hand], Plan]) -> Finished:
    """Look, plan and carry out under the lease; nothing is carried out where there is nothing to do."""
    began = world.clock.monotonic()
    seen = look(world.lookout, intent)
    last = _last(seen)
    for host in seen.observed.unreachable:
        world.sink.emit(HostUnreachableSeen(host.name, host.reason, host.hint))
    plan = plan_for(_hand(seen.observed, last, intent))
    world.sink.emit(PlanMade(plan))
    done = _under_lease(world, intent, seen, plan_for) if plan.steps else Progressed()
    seconds = world.clock.monotonic() - began
    if done.failure is not None:
        return Finished("failed", last.name, FAILED, done.actions, seconds, str(done.failure))
    return Finished("complete" if plan.steps else "unchanged", last.name, 0, done.actions, seconds)


def _under_lease(world: World, intent: Intent, shown: Seen, plan_for: Callable[[Hand], Plan]) -> Progressed:
    """Look and plan again, now that nobody else changes the fleet, and carry that out."""
    hosts = lease_hosts(shown.last, _last(shown).content.desired, intent.without)
    with guarded(world, intent.fleet, tuple(shown.hosts[name] for name in hosts), lambda: False) as guard:
        seen = look(world.lookout, intent)
        last = _last(seen)
        steps = plan_for(_hand(seen.observed, last, intent)).steps
        return carry_out(steps, Run(world, intent.fleet, seen.hosts, last, guard=guard), lambda: False)


def _last(seen: Seen) -> Release:
    if seen.last is None:
        raise UsageError("no release is on any host yet", hint="`provisioner apply` makes the first")
    return seen.last


def _hand(observed: Observed, last: Release, intent: Intent) -> Hand:
    return Hand(last.content.desired, observed, intent.render, intent.policy.drain_timeout, intent.without)


def _told(world: World, finished: Finished) -> Finished:
    world.sink.emit(finished)
    return finished
