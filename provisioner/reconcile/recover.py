"""What follows a rollout that failed: back to the release before, a pause, or an end that says who runs what."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from provisioner.errors import (
    BalancerRefused,
    CapacityLow,
    EngineUnavailable,
    HostUnreachable,
    LeaseLost,
    NodeUnhealthy,
    ProvisionerError,
    RolloutStalled,
    SecretMissing,
)
from provisioner.model.drift import Drift
from provisioner.model.event import Finished, PlanMade, RolledBack
from provisioner.model.observed import ReleaseOutcome
from provisioner.model.plan import DrainSlot, Plan, RecordRelease, RestSlot, Step, StopContainer
from provisioner.model.release import Release
from provisioner.model.spec import RolloutPolicy
from provisioner.planning.diff import BALANCER_NODE, diff
from provisioner.planning.status import status
from provisioner.reconcile.carry_out import Progressed, attempt, carry_out, take_back
from provisioner.reconcile.prepare import Prepared, Seen, look, names, plan_again
from provisioner.reconcile.restore import restoring
from provisioner.reconcile.run import Run
from provisioner.reconcile.secrets import refuse_missing
from provisioner.reconcile.vigil import evict_all, undoing
from provisioner.reconcile.world import Intent, World

FAILED, ROLLED_BACK, INCOMPLETE, MIXED, INTERRUPTED = 1, 3, 4, 6, 130

Reaction = Literal["rollback", "pause", "abort"]


@dataclass(frozen=True, slots=True)
class Broken:
    """A rollout that failed: what it wanted, how it was carried out, and how far it got."""

    intent: Intent
    prepared: Prepared
    run: Run
    done: Progressed
    error: ProvisionerError


def recover(world: World, broken: Broken) -> Finished:
    """Do what the policy says about a rollout that failed, and return how it ended, judged by a fresh observation."""
    if isinstance(broken.error, LeaseLost):
        return robbed(broken.prepared, broken.done.actions, broken.error)
    if not broken.done.began:
        return _nothing_changed(broken)
    match _reaction(broken):
        case "rollback":
            return _roll_back(world, broken)
        case "pause":
            return _pause(world, broken)
        case "abort":
            return _abort(world, broken)


def robbed(prepared: Prepared, actions: int, lost: LeaseLost) -> Finished:
    """Return how a run ends that may not change the fleet any more: as it stands, whoever goes on."""
    last = prepared.last
    return Finished("interrupted", last.name if last else None, lost.exit_code, actions, message=str(lost))


def reaction(policy: RolloutPolicy, error: ProvisionerError, *, tripped: bool) -> Reaction:
    """Return what a policy says about an error; `tripped` says that more nodes failed than may."""
    if isinstance(error, HostUnreachable | EngineUnavailable):
        return policy.on_unreachable
    if isinstance(error, CapacityLow | BalancerRefused):
        return "pause"
    if tripped or isinstance(error, NodeUnhealthy | RolloutStalled):
        return policy.on_failure
    return "abort"


def _reaction(broken: Broken) -> Reaction:
    found = reaction(broken.intent.policy, broken.error, tripped=broken.run.vigil.tripped)
    last = broken.prepared.last
    if found == "rollback" and (last is None or last.name == broken.prepared.release.name):
        return "abort"  # there is no other release to go back to
    if found == "pause" and isinstance(broken.error, BalancerRefused) and not broken.done.changed:
        return "abort"
    return found


def _nothing_changed(broken: Broken) -> Finished:
    error, last = broken.error, broken.prepared.last
    message = f"{error}. What served before still serves"
    return Finished("failed", last.name if last else None, error.exit_code, broken.done.actions, message=message)


def _abort(world: World, broken: Broken) -> Finished:
    _end_what_left(broken)
    seen = look(world.lookout, broken.intent)
    if not broken.done.changed and not _moved(broken.prepared, seen):
        return _nothing_changed(broken)
    _record(world, broken, "halted")
    seen = look(world.lookout, broken.intent)
    message = f"{broken.error}. The fleet is mixed: {_who_runs_what(broken.intent, seen)}"
    return Finished("halted", None, MIXED, broken.done.actions, message=message)


def _moved(prepared: Prepared, seen: Seen) -> bool:
    """Tell whether a node is seen to be otherwise than before the run, held against the last release."""
    if prepared.last is None:
        return False
    wanted = prepared.last.content.desired
    before, after = (set(diff(wanted, each, wanted)) for each in (prepared.observed, seen.observed))
    return any(row.drift_class == "drift" and not row.node.endswith(f"/{BALANCER_NODE}") for row in after - before)


def interrupted(world: World, intent: Intent, actions: int) -> Finished:
    """Return how a run stands that a person stopped, as a fresh observation shows it."""
    seen = look(world.lookout, intent)
    message = (
        f"stopped as asked: {_who_runs_what(intent, seen)}; the same command goes on from here, "
        "`provisioner rollback` goes back"
    )
    return Finished("interrupted", seen.last.name if seen.last else None, INTERRUPTED, actions, message=message)


def _end_what_left(broken: Broken) -> None:
    """Retire the old slots that have left rotation by now: nothing else ends them."""
    if isinstance(broken.error, HostUnreachable | EngineUnavailable | BalancerRefused | CapacityLow):
        return  # there is somebody who does not answer, or nodes are short
    left = {node for _, node, _ in broken.run.left} - set(broken.run.vigil.failures)
    actions = (action for step in broken.prepared.plan.steps for action in step.actions)
    ends = (each for each in actions if isinstance(each, DrainSlot | StopContainer | RestSlot))
    take_back(tuple(each for each in ends if each.node in left), broken.run)


def _pause(world: World, broken: Broken) -> Finished:
    _end_what_left(broken)
    seen = look(world.lookout, broken.intent)
    lost = seen.observed.unreachable or isinstance(broken.error, HostUnreachable | EngineUnavailable)
    message = (
        f"{broken.error}. Paused as it is: {_who_runs_what(broken.intent, seen)}. "
        "`provisioner apply` goes on, `provisioner rollback` goes back"
    )
    release = seen.last.name if seen.last else None
    return Finished("paused", release, INCOMPLETE if lost else MIXED, broken.done.actions, message=message)


def _roll_back(world: World, broken: Broken) -> Finished:
    """Take back what is under watch, then go to the last release by a plan of its own, and look."""
    target = broken.prepared.last
    if target is None:
        return _abort(world, broken)
    _clear(broken)
    back = _way_back(broken, target)
    failed = replace(_dated(world, broken.prepared.release), outcome="rolled_back")
    seen = look(world.lookout, back)
    again = plan_again(back, seen, {}, world.builder_host)
    plan = _with_record(again.plan, failed, seen)
    world.sink.emit(PlanMade(plan))
    run = Run(world, back.fleet, again.hosts, again.release, back.inputs, earlier=failed, vault=back.vault)
    run = replace(run, guard=broken.run.guard)
    done = _carried_out(plan, run)
    actions = broken.done.actions + done.actions
    return replace(_judged(world, broken, back, target, done), actions=actions)


def _carried_out(plan: Plan, run: Run) -> Progressed:
    """Carry out a way back, unless it would need a secret that is not here any more: then nothing of it."""
    try:
        refuse_missing(plan, run.vault)
    except SecretMissing as error:
        return Progressed(failure=error)
    return carry_out(plan.steps, run, lambda: False)


def _clear(broken: Broken) -> None:
    """Take every slot that is still under watch out of rotation, then back: the release they are of has failed.

    Stop-first nothing serves beside them: the way back replaces them batch by batch.
    """
    run = broken.run
    if broken.intent.policy.order != "start-first":
        return
    watched = run.vigil.watched
    evict_all(run)
    nodes = dict.fromkeys(each.action.node for each in watched)
    take_back(tuple(each for node in nodes for each in undoing(broken.prepared.plan.steps, node)), run)


def _way_back(broken: Broken, target: Release) -> Intent:
    intent = broken.intent
    hosts = {**broken.prepared.hosts, **intent.hosts}
    back = restoring(target, target.content.desired, hosts, intent.policy, intent.render)
    return replace(back, inventory=intent.inventory, scope=intent.scope, forget=intent.forget, vault=intent.vault)


def _dated(world: World, release: Release) -> Release:
    return release if release.created else replace(release, created=world.clock.now())


def _with_record(plan: Plan, failed: Release, seen: Seen) -> Plan:
    """Return the plan with the keeping of the release that failed, for those who ask later what happened."""
    hosts = (host.name for host in seen.observed.hosts if host.name in failed.content.desired.hosts)
    actions = tuple(RecordRelease(host, "it failed and was taken back", failed.name) for host in hosts)
    return replace(
        plan, steps=(*plan.steps, Step("record the release that failed", actions)) if actions else plan.steps
    )


def _judged(world: World, broken: Broken, back: Intent, target: Release, done: Progressed) -> Finished:
    seen = look(world.lookout, back)
    wanted = target.content.desired
    wrong = [row for row in diff(wanted, seen.observed, wanted) if _counts(row, back.scope)]
    why = str(broken.error)
    if done.failure is not None or wrong:
        what = str(done.failure) if done.failure else _difference(wrong[0])
        message = f"{why}. Going back to {target.name} failed too: {what}. {_who_runs_what(back, seen)}"
        _record(world, broken, "halted")
        return Finished("halted", None, MIXED, message=message)
    if seen.observed.unreachable:
        lost = names(seen.observed.unreachable)
        message = f"{why}. Every host that answers is on {target.name} again; {lost} could not be observed"
        return Finished("paused", target.name, INCOMPLETE, message=message)
    world.sink.emit(RolledBack(target.name, broken.prepared.release.name, why))
    message = f"{why}. Every host was observed on {target.name} again"
    return Finished("rolled_back", target.name, ROLLED_BACK, message=message)


def _counts(row: Drift, scope: frozenset[str] | None) -> bool:
    """Tell whether a difference is one; with a limit the balancer's file is left between two releases."""
    return row.drift_class in {"drift", "pending"} and (scope is None or row.kind not in {"config", "rotation"})


def _difference(row: Drift) -> str:
    return f"{row.host} {row.node} {row.kind} {row.key}: {row.observed}, not {row.desired}"


def _record(world: World, broken: Broken, outcome: ReleaseOutcome) -> None:
    """Keep a release that failed wherever that can be done now."""
    failed = replace(_dated(world, broken.prepared.release), outcome=outcome)
    run = replace(broken.run.quiet(), earlier=failed)
    lost = {host.name for host in broken.prepared.observed.unreachable}
    for host in failed.content.desired.hosts:
        if host in run.hosts and host not in lost:
            attempt(RecordRelease(host, f"it {outcome}", failed.name), run)


def _who_runs_what(intent: Intent, seen: Seen) -> str:
    """Return which node runs which release, as far as that was seen just now."""
    wanted = seen.last.content.desired if seen.last else intent.desire({})
    nodes = status(intent.fleet, wanted, seen.observed, seen.last).nodes
    runs: dict[str, list[str]] = {}
    for each in nodes:
        runs.setdefault(each.release or each.state, []).append(each.node)
    return "; ".join(f"{', '.join(who)}: {what}" for what, who in sorted(runs.items()))
