"""Moves slots in and out of the balancer's rotation, each with proof read back from the balancer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

from provisioner.errors import BalancerRefused, CapacityLow, GivenUp, Interrupted, NodeUnhealthy
from provisioner.model.balancer_actions import ConfigureBalancer
from provisioner.model.placement import server_place
from provisioner.model.plan import (
    ConfirmCapacity,
    DrainSlot,
    EnterRotation,
    HoldSlot,
    LeaveRotation,
    RestSlot,
    WatchSlot,
)
from provisioner.ports import Balancer
from provisioner.reconcile.run import Run, states
from provisioner.reconcile.vigil import look_at_all, look_closely

POLL = 0.1
ENTER_DEADLINE = 15.0
CUT_DEADLINE = 5.0
CAPACITY_PATIENCE = 5.0
CLOSE_LOOKS = 0.25


def configure_balancer(action: ConfigureBalancer, run: Run) -> str:
    """Give the balancer another file."""
    with run.balancer(action.host) as balancer:
        balancer.configure(action.text, action.digest, action.drained)
    return action.digest[:12]


def hold_slot(action: HoldSlot, run: Run) -> str:
    """Take a slot out of rotation, its checks too, before its container changes."""
    with run.balancer(action.host) as balancer:
        balancer.set_state(action.backend, action.servers, "maint")
    return ""


def enter_rotation(action: EnterRotation, run: Run) -> str:
    """Let requests in, and see the balancer say so."""
    clock = run.world.clock
    deadline = clock.monotonic() + ENTER_DEADLINE
    with run.balancer(action.host) as balancer:
        balancer.set_state(action.backend, action.servers, "ready", action.share)
        while True:
            seen = states(balancer, action.host, action.backend, action.servers)
            if all(server.admin == "ready" and server.health == "up" for server in seen):
                run.vigil.begin(run, action.host, action.node, balancer)
                return ""
            if clock.monotonic() > deadline:
                said = f"{action.node} was let in, and its checks say {seen[0].answer or seen[0].check}"
                raise NodeUnhealthy(action.host, said, node=action.node)
            run.pause(POLL)


def leave_rotation(action: LeaveRotation, run: Run) -> str:
    """Let no new request in; the ones under way go on beside what the run does next."""
    with run.balancer(action.host) as balancer:
        balancer.set_state(action.backend, action.servers, "drain")
    run.left[action.host, action.node, action.slot] = run.world.clock.monotonic()
    return ""


def drain_slot(action: DrainSlot, run: Run) -> str:
    """Let no new request in, wait for the ones under way, cut what outlives the timeout; tell how many were cut."""
    with run.balancer(action.host) as balancer:
        balancer.set_state(action.backend, action.servers, "drain")
        try:
            left = _wait_empty(action, run, balancer, action.drain_timeout - _gone(action, run), run.wait)
        except GivenUp:
            balancer.set_state(action.backend, action.servers, "ready")
            raise
        except Interrupted:
            # What had left before goes on emptying; what leaves now may be all that its node has.
            if (action.host, action.node, action.slot) not in run.left:
                balancer.set_state(action.backend, action.servers, "ready")
            raise
        if not left:
            return ""
        balancer.set_state(action.backend, action.servers, "maint")
        balancer.cut_sessions(action.backend, action.servers)
        if _wait_empty(action, run, balancer, CUT_DEADLINE, run.pause):
            raise BalancerRefused(action.host, f"{action.node} still has sessions after they were cut")
    return f"{left} sessions cut after {action.drain_timeout:g} s"


def _gone(action: DrainSlot, run: Run) -> float:
    """Return the seconds since a slot left rotation in this run, 0 where it does so now."""
    now = run.world.clock.monotonic()
    return now - run.left.get((action.host, action.node, action.slot), now)


def _wait_empty(action: DrainSlot, run: Run, balancer: Balancer, seconds: float, pause: Callable[[float], None]) -> int:
    clock = run.world.clock
    deadline = clock.monotonic() + seconds
    while True:
        seen = states(balancer, action.host, action.backend, action.servers)
        sessions = sum(server.sessions for server in seen)
        if not sessions or clock.monotonic() > deadline:
            return sessions
        run.progress(action)(f"{sessions} sessions under way", 0, 0)
        pause(POLL)


def rest_slot(action: RestSlot, run: Run) -> str:
    """Enable an empty slot without trusting it: it stays down until a container there passes a check of its own."""
    with run.balancer(action.host) as balancer:
        balancer.set_state(action.backend, action.servers, "drain")
        balancer.distrust(action.backend, action.servers)
        balancer.set_state(action.backend, action.servers, "ready")
    run.left.pop((action.host, action.node, action.slot), None)
    return ""


def watch_slot(action: WatchSlot, run: Run) -> str:
    """Judge a fresh slot until it was long enough in rotation."""
    clock, vigil = run.world.clock, run.vigil
    with run.balancer(action.host) if action.servers else nullcontext() as balancer:
        vigil.begin(run, action.host, action.node, balancer)
        while True:
            look_closely(run, action, balancer)
            if action.node in vigil.failures:
                raise vigil.failures[action.node]
            seconds = clock.monotonic() - vigil.open[action.host, action.node].entered
            if seconds >= action.seconds:
                vigil.finish(action)
                return f"judged for {seconds:.1f} s"
            run.progress(action)("under watch", 0, 0)
            run.wait(CLOSE_LOOKS)


def confirm_capacity(action: ConfirmCapacity, run: Run) -> str:
    """See that enough nodes stay in rotation; whatever is out, for any reason, counts. Raise CapacityLow."""
    clock = run.world.clock
    deadline = clock.monotonic() + CAPACITY_PATIENCE
    leaving = {
        server for server, node in zip(action.leaving, action.nodes, strict=True) if node not in run.vigil.failures
    }
    with run.balancer(action.host) as balancer:
        while True:
            staying = {
                server_place(each.name)
                for each in balancer.report().servers
                if each.backend == action.backend and each.name not in leaving
                if (each.admin, each.health) == ("ready", "up")
            }
            if len(staying) >= action.floor:
                return f"{len(staying)} stay"
            if clock.monotonic() > deadline:
                look_at_all(run)
                said = f"only {len(staying)} nodes of {action.backend} would stay in rotation, {action.floor} have to"
                raise CapacityLow(action.host, said, hint="`provisioner status` names those that are out")
            run.pause(POLL)
