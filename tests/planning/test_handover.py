"""When the balancer's container hands over, and which of two is the balancer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.model.container import ContainerOptions
from provisioner.model.observed import ContainerState, ObservedBalancer, ObservedContainer
from provisioner.model.spec import Resources
from provisioner.planning.balancer_options import balancer_options
from provisioner.planning.balancer_slots import balancer_containers, free_name
from provisioner.planning.handover import bind_lines, binds_differ

A, B = "shop.load-balancer-1.a", "shop.load-balancer-1.b"
DIGEST = "5" * 64
FILE = f"global\n  description cfg={DIGEST}\nfrontend public\n  bind :80\n  bind  10.0.0.1:443 ssl\n"


def container(name: str, state: ContainerState, started: str) -> ObservedContainer:
    """Return a container of the balancer."""
    return ObservedContainer(name, name, "", ContainerOptions(), state, started_at=started)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (container(A, "running", "2026-11-27T20:00:00Z"), container(B, "exited", "2026-11-27T21:00:00Z")),
        (container(B, "running", "2026-11-27T21:00:00Z"), container(A, "running", "2026-11-27T20:00:00Z")),
        (container(A, "running", "2026-11-27T20:00:00Z"), container(B, "restarting", "2026-11-27T21:00:00Z")),
        (container(A, "exited", "2026-11-27T20:00:00Z"), container(B, "created", "0001-01-01T00:00:00Z")),
    ],
)
def test_of_two_the_one_that_runs_and_started_last_is_the_balancer(
    first: ObservedContainer, second: ObservedContainer
) -> None:
    """Whatever their order, and whatever else is there."""
    other = container("shop.web-1.a", "running", "2026-11-27T22:00:00Z")
    for seen in ((first, second, other), (other, second, first)):
        assert balancer_containers("shop", seen) == (first, second)
    assert {free_name("shop", A), free_name("shop", B)} == {A, B}
    assert free_name("shop", A) == B


def test_a_changed_bind_is_told_from_every_other_change() -> None:
    """Whatever a bind line says counts, nothing else does; where nobody knows what runs, it counts as changed."""
    seen = ObservedBalancer("lb", FILE, DIGEST)
    assert bind_lines(FILE) == ("10.0.0.1:443 ssl", ":80")
    assert not binds_differ(seen, FILE.replace(DIGEST, "6" * 64) + "  option httplog\n", "6" * 64)
    assert binds_differ(seen, FILE.replace(":80", ":81"), "6" * 64)
    assert binds_differ(seen, FILE.replace("ssl", "ssl alpn h2"), "6" * 64)
    for unknown in (None, replace(seen, text=None), replace(seen, running_digest="7" * 64)):
        assert binds_differ(unknown, FILE, DIGEST if unknown is None else "6" * 64)
    assert not binds_differ(replace(seen, text=None), FILE, DIGEST)


def test_on_its_hosts_network_the_master_may_end_workers_of_another_user() -> None:
    """Without the right to signal them a soft stop reaches none of them; on a bridge nobody is root."""
    options = balancer_options("shop", "host", Resources(cpus=0.5, memory=1000, pids=10))
    assert {"KILL", "SETUID", "NET_BIND_SERVICE"} <= set(options.cap_add)
    assert (options.cap_drop, options.read_only, options.no_new_privileges) == (("ALL",), True, True)
    assert (options.nano_cpus, options.memory, options.pids) == (500_000_000, 1000, 10)
    bridge = balancer_options("shop", "bridge", Resources())
    assert (bridge.user, bridge.cap_add, bridge.entrypoint, bridge.tmpfs) == (None, (), None, ())
