"""What has left rotation: it empties beside what comes next, and is ended whatever happens."""

from __future__ import annotations

import pytest

from provisioner.hosts.memory import AppBehaviour
from tests.reconcile.test_rollouts import BAD, failing, on_all, watched
from tests.simulation import Simulation


@pytest.mark.parametrize("reaction", ["pause", "abort"])
def test_a_run_that_ends_in_the_middle_ends_what_has_left_rotation(fleet: Simulation, reaction: str) -> None:
    """Nodes that have changed by then run one container, and it is the one that serves; the message says so."""
    wanted = watched(monitor=0.0, drain_timeout=60.0, on_failure=reaction)
    finished = failing(fleet, BAD["never healthy"], wanted, host="web3")
    assert finished.exit_code == 6, finished.message
    assert on_all(fleet)[:2] == [["shop.web-1.b"]] * 2
    assert "web1/web-1, web2/web-1: r2-" in finished.message


def test_the_time_to_empty_counts_from_leaving(fleet: Simulation) -> None:
    """Sessions that never end hold a rollout up for one drain timeout, not for one each node."""
    wanted = watched(monitor=0.0, drain_timeout=30.0)
    assert fleet.apply(wanted).outcome == "complete"
    (balancer,) = [held for held in fleet.hosts["lb1"].machine.containers.values() if "load-balancer" in held.name]
    for at in (1, 2, 3):
        fleet.balancers.occupy(balancer.container_id, f"web/web{at}.1.a", 1)
    fleet.version = "2"
    fleet.behave(AppBehaviour())
    finished = fleet.apply(wanted)
    assert finished.outcome == "complete", finished.message
    assert 30.0 <= finished.seconds < 60.0
