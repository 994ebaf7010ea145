"""Releases that cannot work, on five real web hosts under load: taken back, and what clients saw of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.planning.judging import LEAST_ERRORS
from tests.rolling_fleet import WEB_HOSTS, Rolled, RollingFleet

pytestmark = pytest.mark.lab

NEVER_READY = {"crash": 0.0, "never-healthy": 0.0, "wrong-port": 0.0, "half-healthy": 0.0}
READY_FIRST = {"a crash after 5 s": ("crash", 5.0), "errors": ("errors", 0.0), "memory": ("memory", 2.0)}
PATIENT, SOON = "healthy_deadline: 20s", "healthy_deadline: 6s"
SWIFT = {
    "parallelism: 1\n": "parallelism: 100%\n",
    "canary_soak: 1s": "canary: 0",
    "monitor: 3s": "monitor: 0s",
}
DRAIN = 8.0
"""Seconds the fleet gives leaving nodes (`drain_timeout`)."""
MOST = 0.005
"""The share of requests that a release which got ready may cost, from its first one to the end of the way back."""

FEW = LEAST_ERRORS + 2
"""Requests that may fail whatever the share: so many answers it takes to judge, and two more may be under way."""


def taken_back(rolling: RollingFleet, mode: str, after: float = 0.0) -> tuple[Rolled, str]:
    """Roll out a release that behaves so; exit 3, one fingerprint, everything as before, and nothing of it left."""
    before = {row["node"]: row["fingerprint"] for row in rolling.status()["nodes"]}
    name = rolling.change(mode, after)
    rolled = rolling.rolled()
    assert rolled.code == 3, rolled.out
    status = rolling.status()
    assert (status["uniform"], len({row["fingerprint"] for row in status["nodes"]})) == (True, 1)
    assert {row["node"]: row["fingerprint"] for row in status["nodes"]} == before
    assert rolled.twice == []
    return rolled, name


@pytest.mark.parametrize("mode", NEVER_READY)
def test_a_release_that_never_gets_ready_costs_no_request(rolling: RollingFleet, mode: str) -> None:
    """It ends at once, is never healthy, is healthy by turns, or listens elsewhere: nobody notices."""
    rolling.rewrite(PATIENT, SOON)
    try:
        rolled, _ = taken_back(rolling, mode)
    finally:
        rolling.rewrite(SOON, PATIENT)
    assert rolled.reasons == {}
    assert rolled.fewest == len(WEB_HOSTS)


@pytest.mark.parametrize("case", READY_FIRST)
def test_a_release_that_fails_later_costs_hardly_any_request(rolling: RollingFleet, case: str) -> None:
    """It ends after 5 s, answers 500 to all but checks, or takes all memory: one request in 200 fails, or a few."""
    rolled, name = taken_back(rolling, *READY_FIRST[case])
    failed, sent = rolled.failed_since(name)
    assert failed <= max(sent * MOST, FEW), (failed, sent, rolled.reasons)


def test_a_crash_in_the_monitor_window_takes_back_every_node(rolling: RollingFleet) -> None:
    """The first nodes are watched beside the batches that follow: all of them go back to what they had."""
    rolled, name = taken_back(rolling, "crash", 7.0)
    failed, sent = rolled.failed_since(name)
    assert failed <= max(sent * MOST, FEW), (failed, sent, rolled.reasons)


@pytest.fixture
def swift(rolling: RollingFleet) -> Iterator[RollingFleet]:
    """Return the fleet with all nodes at once and nothing watched, for what is not about that."""
    for slow, fast in SWIFT.items():
        rolling.rewrite(slow, fast)
    yield rolling
    for slow, fast in SWIFT.items():
        rolling.rewrite(fast, slow)


def test_a_rollback_of_five_hosts_restores_everything_quickly(swift: RollingFleet, tmp_path: Path) -> None:
    """Image, environment and balancer file changed; who has only the inventory brings the earlier ones back."""
    rolling = swift
    rolling.change()
    rolling.applied()
    before = {row["node"]: row["fingerprint"] for row in rolling.status()["nodes"]}
    file = rolling.status()["balancers"][0]["config"]
    rolling.change()
    rolling.rewrite('"""An application', '"""Another application', "app/app.py")
    rolling.rewrite("  bind: [{port: 80}]", "  bind: [{port: 80}]\n  algorithm: leastconn")
    rolling.applied()
    assert rolling.status()["balancers"][0]["config"] != file
    ran = rolling.lab.run("rollback", "-y", "--json", "-i", rolling.inventory, cwd=tmp_path)
    finished = ran.finished()
    assert (ran.code, finished["outcome"]) == (0, "complete"), ran.out + ran.err
    assert {row["node"]: row["fingerprint"] for row in rolling.status()["nodes"]} == before
    assert rolling.status()["balancers"][0]["config"] == file
    assert finished["seconds"] <= 10 + DRAIN


def test_a_kept_plan_is_refused_once_a_host_has_moved_on(swift: RollingFleet, tmp_path: Path) -> None:
    """A container that was stopped meanwhile is named and nothing is changed; the plan of now is done as it stands."""
    rolling = swift
    rolling.change()
    kept = str(tmp_path / "change.plan")
    assert rolling.run("plan", "-o", kept).code == 0
    rolling.lab.on("web2", f"docker stop -t 1 {rolling.container('web2')}")
    ran = rolling.run("apply", "-y", kept)
    assert (ran.code, "web2: container" in ran.err) == (1, True), ran.err
    assert rolling.run("plan", "-o", kept).code == 0
    assert rolling.run("apply", "-y", kept).code == 0
