"""The whole of `apply`: make what is missing, carry the plan out, look again, and answer for what was seen."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from provisioner.errors import InterruptionRefused, LeaseLost, PlanStale
from provisioner.model.drift import Drift
from provisioner.model.event import Finished, HostUnreachableSeen, PlanMade
from provisioner.model.image import Made
from provisioner.model.plan import BuildImage, FetchImage, Plan, Step
from provisioner.model.spec import RolloutPolicy
from provisioner.planning.diff import diff
from provisioner.planning.lane import number
from provisioner.planning.lease import lease_hosts
from provisioner.reconcile.carry_out import Stop, carry_out
from provisioner.reconcile.discreet import DiscreetSink
from provisioner.reconcile.guard import Guard, guarded
from provisioner.reconcile.hooks import herald, heralded
from provisioner.reconcile.prepare import Prepared, known_images, look, names, plan_again, prepare
from provisioner.reconcile.recover import Broken, interrupted, recover, robbed
from provisioner.reconcile.run import Run
from provisioner.reconcile.secrets import refuse_missing
from provisioner.reconcile.vigil import Vigil
from provisioner.reconcile.world import Intent, World

FAILED, INCOMPLETE, MIXED = 1, 4, 6


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person allowed, and how he can stop the run; one who is `asked` agrees to exactly what he was shown."""

    interruption: bool = False
    stop: Stop = lambda: False
    approve: Callable[[], bool] = lambda: True
    asked: bool = False


def apply(world: World, intent: Intent, prepared: Prepared, consent: Consent) -> Finished:
    """Bring the fleet to what is wanted and return how it ended, judged by a fresh observation."""
    began = world.clock.monotonic()
    world = replace(world, sink=DiscreetSink(world.sink, intent.vault))
    for host in prepared.observed.unreachable:
        world.sink.emit(HostUnreachableSeen(host.name, host.reason, host.hint))
    finished = _apply(world, intent, prepared, consent)
    finished = replace(finished, seconds=world.clock.monotonic() - began)
    world.sink.emit(finished)
    return finished


def _apply(world: World, intent: Intent, prepared: Prepared, consent: Consent) -> Finished:
    if _missing(prepared, intent):
        message = f"cannot reach {names(prepared.unreachable)}; nothing was changed"
        return Finished("failed", _on(prepared), INCOMPLETE, message=message)
    world.sink.emit(PlanMade(prepared.plan))
    if not prepared.plan.steps:
        return _unchanged(prepared)
    refuse_missing(prepared.plan, intent.vault)
    _refuse_interruption(prepared.plan, consent)
    if not consent.approve():
        return Finished("unchanged", _on(prepared), FAILED, message="not agreed; nothing was changed")
    hosts = lease_hosts(prepared.last, prepared.desired, intent.forget | intent.without)
    with guarded(world, intent.fleet, tuple(prepared.hosts[name] for name in hosts), consent.stop) as guard:
        return guard.conclude(_under_lease(world, intent, prepared, consent, guard))


def _under_lease(world: World, intent: Intent, shown: Prepared, consent: Consent, guard: Guard) -> Finished:
    """Look and plan again, now that nobody else changes the fleet, and carry that out."""
    prepared = prepare(world.lookout, intent, world.builder, world.builder_host)
    if prepared.plan != shown.plan:
        _refuse_moved(prepared, consent, guard, intent)
        world.sink.emit(PlanMade(prepared.plan))
    if _missing(prepared, intent):
        message = f"cannot reach {names(prepared.unreachable)}; nothing was changed"
        return Finished("failed", _on(prepared), INCOMPLETE, message=message)
    if not prepared.plan.steps:
        return _unchanged(prepared)
    try:
        carried = functools.partial(_attempted, world, intent, prepared, consent, guard)
        finished = heralded(herald(world, intent, prepared), carried)
    except LeaseLost as lost:  # met between two steps
        return robbed(prepared, 0, lost)
    if finished.outcome == "complete" and intent.scope is None and guard.lease:
        guard.lease.forsake(set(guard.lease.hosts) - set(lease_hosts(None, prepared.desired)))
    return finished


def _refuse_moved(prepared: Prepared, consent: Consent, guard: Guard, intent: Intent) -> None:
    """Refuse a plan that nobody agreed to, or that others may be carrying out under a lease elsewhere."""
    needed = lease_hosts(prepared.last, prepared.desired, intent.forget | intent.without)
    if (consent.asked and prepared.plan.steps) or not set(needed) <= set(guard.lease.hosts if guard.lease else ()):
        raise PlanStale(
            "the fleet moved on while this plan was looked at; nothing was changed",
            hint="run the command again: it shows what is to be done now",
        )
    refuse_missing(prepared.plan, intent.vault)
    _refuse_interruption(prepared.plan, consent)


def _attempted(world: World, intent: Intent, prepared: Prepared, consent: Consent, guard: Guard) -> Finished:
    """Carry a plan out, and again what it takes then, as long as there are attempts left and something differs."""
    finished = _carried_out(world, intent, prepared, consent, guard)
    for _ in range(intent.attempts - 1):
        if not finished.differences:
            return finished
        prepared = prepare(world.lookout, intent, world.builder, world.builder_host)
        if not prepared.plan.steps or (prepared.plan.interrupts and not consent.interruption):
            return finished
        world.sink.emit(PlanMade(prepared.plan))
        finished = _carried_out(world, intent, prepared, consent, guard)
    if finished.differences and intent.attempts > 1:
        why = f"put right {intent.attempts} times; another tool, or a person, changes it again"
        return replace(finished, message=f"{finished.message} ({why})")
    return finished


def _carried_out(world: World, intent: Intent, prepared: Prepared, consent: Consent, guard: Guard) -> Finished:
    making = tuple(step for step in prepared.plan.steps if _makes(step))
    if making:
        herald(world, intent, prepared).before_building()
    run = _run(world, intent, prepared, guard)
    made = carry_out(making, run, consent.stop, after=len(prepared.plan.steps) - len(making))
    if made.failure is not None:
        return recover(world, Broken(intent, prepared, run, made, made.failure))
    if made.stopped:
        return interrupted(world, intent, made.actions)
    if making:
        prepared = _plan_with_images(world, intent, prepared, run.made)
        _refuse_interruption(prepared.plan, consent)
    herald(world, intent, prepared).before_moving()
    run = _run(world, intent, prepared, guard)
    done = carry_out(prepared.plan.steps, run, consent.stop, before=len(making))
    done = replace(done, actions=done.actions + made.actions)
    if done.failure is not None:
        return recover(world, Broken(intent, prepared, run, done, done.failure))
    if done.stopped:
        return interrupted(world, intent, done.actions)
    return _proven(world, intent, prepared, run, done.actions)


def _missing(prepared: Prepared, intent: Intent) -> bool:
    balancers = {balancer.host for balancer in prepared.desired.balancers}
    return any(
        intent.scope is None or host.name in intent.scope or host.name in balancers for host in prepared.unreachable
    )


def _unchanged(prepared: Prepared) -> Finished:
    lost = names(prepared.lost)
    message = f"nothing to do, but {lost} left the fleet and cannot be reached" if lost else "nothing to do"
    return Finished("unchanged", _on(prepared), INCOMPLETE if lost else 0, message=message)


def _on(prepared: Prepared) -> str | None:
    return prepared.last.name if prepared.last else None


def _refuse_interruption(plan: Plan, consent: Consent) -> None:
    if plan.interrupts and not consent.interruption:
        raise InterruptionRefused(
            f"this would interrupt {'; '.join(plan.interrupts)}",
            hint="run it again with --allow-interruption when that is acceptable",
        )


def _makes(step: Step) -> bool:
    return all(isinstance(action, BuildImage | FetchImage) for action in step.actions)


def _run(world: World, intent: Intent, prepared: Prepared, guard: Guard) -> Run:
    release = prepared.release
    if not release.created:
        release = replace(release, created=world.clock.now())
    unchanged = prepared.last is not None and prepared.last.name == release.name
    earlier = prepared.seen.before_last if unchanged else prepared.last
    policy, nodes = intent.policy, len(prepared.desired.nodes)
    vigil = Vigil(allowed=number(policy.max_failures, nodes), patience=policy.progress_deadline)
    return Run(
        world,
        intent.fleet,
        prepared.hosts,
        release,
        intent.inputs,
        earlier=earlier,
        vault=intent.vault,
        vigil=vigil,
        at_the_end=_at_the_end(policy),
        guard=guard,
        after_step=herald(world, intent, prepared).after_step,
    )


def _at_the_end(policy: RolloutPolicy) -> Literal["evict", "hold", "take back"]:
    if policy.on_failure == "pause":
        return "hold"
    # Stop-first nothing serves beside what is under watch: only what has failed leaves.
    return "evict" if (policy.on_failure, policy.order) == ("rollback", "start-first") else "take back"


def _plan_with_images(world: World, intent: Intent, prepared: Prepared, made: Mapping[str, Made]) -> Prepared:
    seen = prepared.seen
    ids = known_images(intent, seen, world.builder)
    return plan_again(intent, seen, ids, world.builder_host, {**prepared.made, **made})


def _counts(row: Drift, scope: frozenset[str] | None) -> bool:
    """Tell whether a difference is one that this run had to mend; with a limit the balancer's file is left between."""
    return scope is None or (row.host in scope and row.kind not in {"config", "rotation"})


def _proven(world: World, intent: Intent, prepared: Prepared, run: Run, actions: int) -> Finished:
    seen = look(world.lookout, intent)
    rows = (*diff(prepared.desired, seen.observed, prepared.desired), *seen.losses)
    wrong = [row for row in rows if row.drift_class in {"drift", "pending"} and _counts(row, intent.scope)]
    if wrong:
        first = wrong[0]
        what = f"{first.host} {first.node} {first.kind} {first.key}: {first.observed}, not {first.desired}"
        failed = "".join(f"{error}. " for error in run.vigil.failures.values())
        message = f"{failed}done, but {len(wrong)} differences remain: {what}"
        return Finished("halted", None, MIXED, actions, message=message, differences=len(wrong))
    # With a limit the fleet may not be on the new release yet, and then nothing was recorded.
    release = seen.last.name if seen.last else None
    if seen.observed.unreachable:
        lost = names(seen.observed.unreachable)
        return Finished("paused", release, INCOMPLETE, actions, message=f"done but for {lost}")
    return Finished("complete", release, 0, actions)
