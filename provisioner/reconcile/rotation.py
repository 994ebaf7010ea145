"""Moves slots in and out of the balancer's rotation, each with proof read back from the balancer."""

from __future__ import annotations

from provisioner.errors import BalancerRefused
from provisioner.model.plan import ConfigureBalancer, DrainSlot, EnterRotation, HoldSlot, RestSlot
from provisioner.ports import Balancer
from provisioner.reconcile.run import Run, states

POLL = 0.1
ENTER_DEADLINE = 15.0
CUT_DEADLINE = 5.0


def configure_balancer(action: ConfigureBalancer, run: Run) -> str:
    """Give the balancer another file."""
    with run.balancer(action.host) as balancer:
        balancer.configure(action.text, action.digest)
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
        balancer.set_state(action.backend, action.servers, "ready")
        while True:
            seen = states(balancer, action.host, action.backend, action.servers)
            if all(server.admin == "ready" and server.health == "up" for server in seen):
                return ""
            if clock.monotonic() > deadline:
                raise BalancerRefused(action.host, f"{action.node} was let in, and its checks say {seen[0].check}")
            clock.sleep(POLL)


def drain_slot(action: DrainSlot, run: Run) -> str:
    """Let no new request in, wait for the ones under way, cut what outlives the timeout; tell how many were cut."""
    with run.balancer(action.host) as balancer:
        balancer.set_state(action.backend, action.servers, "drain")
        left = _wait_empty(action, run, balancer, action.drain_timeout)
        if not left:
            return ""
        balancer.set_state(action.backend, action.servers, "maint")
        balancer.cut_sessions(action.backend, action.servers)
        if _wait_empty(action, run, balancer, CUT_DEADLINE):
            raise BalancerRefused(action.host, f"{action.node} still has sessions after they were cut")
    return f"{left} sessions cut after {action.drain_timeout:g} s"


def _wait_empty(action: DrainSlot, run: Run, balancer: Balancer, seconds: float) -> int:
    clock = run.world.clock
    deadline = clock.monotonic() + seconds
    while True:
        seen = states(balancer, action.host, action.backend, action.servers)
        sessions = sum(server.sessions for server in seen)
        if not sessions or clock.monotonic() > deadline:
            return sessions
        run.progress(action)(f"{sessions} sessions under way", 0, 0)
        clock.sleep(POLL)


def rest_slot(action: RestSlot, run: Run) -> str:
    """Enable an empty slot without trusting it: it stays down until a container there passes a check of its own."""
    with run.balancer(action.host) as balancer:
        balancer.set_state(action.backend, action.servers, "drain")
        balancer.distrust(action.backend, action.servers)
        balancer.set_state(action.backend, action.servers, "ready")
    return ""
