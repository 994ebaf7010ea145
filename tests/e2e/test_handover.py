"""The balancer's own container changes under load, on its host's network: nobody notices."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab_fleet import CHECKOUT, WEBS, Fleet, LabFleet
from tests.strict_client import StrictClient

pytestmark = pytest.mark.lab

TLS_OFFSET = 363
BALANCER = "lb1/load-balancer-1"
SECONDS = 60.0
"""From the start of the second container to the end of the first; making its image is not counted."""


@pytest.fixture(scope="module")
def shared(lab: LabFleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Return the fleet `hello` with its balancer on its host's network."""
    fleet = Fleet(lab, tmp_path_factory.mktemp("shared"))
    fleet.rewrite("parallelism: 1", "parallelism: 100%")
    fleet.rewrite("  hosts: lb\n", "  hosts: lb\n  network: host\n")
    fleet.applied("--allow-interruption")
    assert lab.serving_hosts(3) == set(WEBS)
    yield fleet
    fleet.destroy()


def balancers(fleet: Fleet) -> list[str]:
    """Return the names of all containers of the balancer."""
    shown = "docker ps -a --filter label=provisioner.service=load-balancer --format '{{.Names}}'"
    return fleet.lab.on("lb1", shown).split()


def handed_over(fleet: Fleet) -> None:
    """Apply under a client that never retries: quickly, to the other slot, and without a lost request."""
    before = balancers(fleet)
    with StrictClient(fleet.lab.port) as client:
        ran = fleet.apply()
    assert client.failures == []
    assert client.answered > 200
    assert ran.finished()["outcome"] == "complete"
    lines = [json.loads(line) for line in ran.out.splitlines()]
    done = [line for line in lines if line["type"] == "action_succeeded" and line.get("node") == BALANCER]
    assert [line["action"] for line in done] == ["hand_over_balancer", "stop_container", "remove_container"]
    assert sum(line["seconds"] for line in done) < SECONDS
    (name,) = balancers(fleet)
    assert [name] != before
    assert fleet.drift() == []
    assert fleet.status()["uniform"] is True


def test_another_image_takes_over_under_load(shared: Fleet) -> None:
    """A balancer made from another Dockerfile serves, the one before it is gone, and no request was lost."""
    ours = (CHECKOUT / "templates" / "haproxy" / "Dockerfile.j2").read_text()
    own = shared.folder / "templates" / "haproxy"
    own.mkdir(parents=True, exist_ok=True)
    (own / "Dockerfile.j2").write_text(ours + f"LABEL made={time.monotonic_ns()}\n")
    handed_over(shared)


def test_another_bind_takes_over_under_load(shared: Fleet) -> None:
    """A port is added while clients of the other one notice nothing, and given up again."""
    shared.rewrite("bind: [{port: 80}]", "bind: [{port: 80}, {port: 443}]")
    handed_over(shared)
    assert "Hello" in shared.lab.get(port=shared.lab.port + TLS_OFFSET)
    shared.rewrite(", {port: 443}", "")
    handed_over(shared)
    with pytest.raises(OSError, match=r".*"):
        shared.lab.get(port=shared.lab.port + TLS_OFFSET)


def test_other_limits_take_over_under_load_and_a_reload_follows(shared: Fleet) -> None:
    """Limits are the container's; what the file says afterwards is taken by a reload of whoever serves now."""
    shared.rewrite("  network: host\n", "  network: host\n  resources: {memory: 256m, pids: 200}\n")
    handed_over(shared)
    (name,) = balancers(shared)
    shared.rewrite("  network: host\n", "  network: host\n  algorithm: leastconn\n")
    with StrictClient(shared.lab.port) as client:
        assert shared.applied()["outcome"] == "complete"
    assert client.failures == []
    assert balancers(shared) == [name]


def test_a_bind_that_cannot_be_is_refused_before_anything_moves(shared: Fleet, tmp_path: Path) -> None:
    """An address on no interface, a port that another program holds: told, and the listeners are never paused."""
    own = Fleet(shared.lab, tmp_path)
    own.file.write_text(shared.file.read_text())
    own.rewrite("bind: [{port: 80}]", "bind: [{port: 80}, {port: 443, address: 192.0.2.77}]")
    with StrictClient(shared.lab.port) as client:
        ran = own.apply()
        own.rewrite("{port: 443, address: 192.0.2.77}", "{port: 22}")
        taken = own.apply()
    assert (ran.code, taken.code) == (1, 1)
    assert "192.0.2.77, which is on no interface" in ran.out + ran.err
    assert "port 22, where somebody else listens" in taken.out + taken.err
    assert client.failures == []


def test_a_second_balancer_left_by_a_dead_controller_converges(shared: Fleet) -> None:
    """Both slots run because nobody came back to end the first: the same command ends it, and nobody notices."""
    (name,) = balancers(shared)
    other = name[:-1] + ("b" if name.endswith("a") else "a")
    copy = (
        f"docker run -d --name {other} --network host --user 0:0 --read-only --restart unless-stopped --cap-drop ALL "
        "--cap-add DAC_OVERRIDE --cap-add KILL --cap-add NET_BIND_SERVICE --cap-add SETGID "
        "--cap-add SETUID "
        f"--security-opt no-new-privileges:true --volumes-from {name} --label provisioner.fleet=hello "
        "--label provisioner.service=load-balancer --label provisioner.node=lb1/load-balancer-1 "
        "--tmpfs /run/master:mode=0700,nodev,noexec,nosuid,size=1m --entrypoint haproxy "
        f"$(docker inspect -f '{{{{.Image}}}}' {name}) -W -db -S /run/master/master.sock,mode,600 "
        "-x /run/haproxy/admin.sock -f /etc/haproxy/haproxy.cfg"
    )
    with StrictClient(shared.lab.port) as client:
        shared.lab.on("lb1", copy)
        time.sleep(1)
        assert shared.drift() != []
        assert shared.applied()["outcome"] == "complete"
    assert client.failures == []
    assert len(balancers(shared)) == 1
    assert shared.drift() == []


def test_it_comes_back_by_itself(shared: Fleet) -> None:
    """After a restart of its host nobody is there to hand sockets over, and the balancer binds its own."""
    shared.lab.restart_host("lb1")
    assert shared.lab.serving_hosts(3, 90.0) == set(WEBS)
    assert shared.drift() == []


def test_leaving_the_hosts_network_interrupts_and_says_so(shared: Fleet) -> None:
    """Between the two networks no socket can be handed over: it is refused, and allowed by name."""
    shared.rewrite("  network: host\n", "")
    ran = shared.apply()
    assert ran.code == 1
    assert "moves off its host's network" in ran.out + ran.err
    assert shared.applied("--allow-interruption")["outcome"] == "complete"
    assert shared.lab.serving_hosts(3) == set(WEBS)
