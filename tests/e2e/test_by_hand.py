"""A node out of rotation by hand on a real lab, through whatever happens to the balancer."""

from __future__ import annotations

import time

import pytest

from tests.lab_fleet import WEBS, Fleet
from tests.strict_client import StrictClient

pytestmark = pytest.mark.lab

NODE = "web2/web-1"
REST = {"web1", "web3"}


def serving(fleet: Fleet, seconds: float = 3.0) -> set[str]:
    """Return the hosts that answer requests for a while."""
    deadline, seen = time.monotonic() + seconds, set[str]()
    while time.monotonic() < deadline:
        page = fleet.lab.get()
        seen |= {host for host in WEBS if f"<b>{host}</b>" in page}
    return seen


def test_a_drained_node_stays_out_until_it_is_undrained(hello: Fleet) -> None:
    """Through a rollout, a restart of the balancer : nothing is lost, nothing differs."""
    with StrictClient(hello.lab.port) as client:
        drained = hello.run("drain", NODE, "--reason", "noisy disk")
        assert drained.code == 0, drained.out + drained.err
        assert serving(hello) == REST
        hello.variables["NAME"] = "Ada"
        assert hello.applied()["outcome"] == "complete"
        assert serving(hello) == REST
    assert client.failures == []
    status = hello.status()
    assert [(each["node"], each["reason"]) for each in status["drained"]] == [(NODE, "noisy disk")]
    assert status["uniform"] is True
    hello.lab.on("lb1", f"docker restart -t 1 {hello.container('lb1', 'load-balancer')}")
    assert hello.lab.serving_hosts(2) == REST
    assert serving(hello) == REST
    assert hello.drift() == []
    with StrictClient(hello.lab.port) as client:
        undrained = hello.run("undrain", NODE)
        assert undrained.code == 0, undrained.out + undrained.err
        assert hello.lab.serving_hosts(3) == set(WEBS)
    assert client.failures == []
    assert hello.drift() == []


def test_the_last_node_is_not_drained(hello: Fleet) -> None:
    """Two of three are out: the third is refused, by name, and goes on serving."""
    for host in ("web1", "web3"):
        assert hello.run("drain", f"{host}/web-1").code == 0
    refused = hello.run("drain", NODE)
    assert refused.code == 1
    assert "web2/web-1 is the last node of web that serves" in refused.out + refused.err
    assert serving(hello) == {"web2"}
    for host in ("web1", "web3"):
        assert hello.run("undrain", f"{host}/web-1").code == 0
