"""What people do to a fleet behind our back, and `apply` afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.hosts.memory import AppBehaviour
from provisioner.model.container import ContainerRequest
from provisioner.model.spec import HealthCheck
from provisioner.planning.fields import words
from provisioner.ports import FileContent
from provisioner.reconcile.apply import Consent
from tests import fleets
from tests.reconcile.test_apply import served
from tests.simulation import WEBS, Simulation, spec

BALANCER = "shop.load-balancer-1.a"


@pytest.mark.parametrize("text", [b"backend web\n  server x\n", b""], ids=["broken", "empty"])
def test_a_balancer_that_cannot_start_from_its_file_comes_back(fleet: Simulation, text: bytes) -> None:
    """Reviving it as it is would loop for ever, with no worker to give a file to: it has to be made anew."""
    fleet.apply(spec(A="1"))
    lb1 = fleet.hosts["lb1"]
    lb1.shell.put(BALANCER, "/etc/haproxy", (FileContent("haproxy.cfg", text),))
    lb1.behave(BALANCER, AppBehaviour(exits_after=0.5, exit_code=1))
    while (seen := fleet.hosts.reader(fleet.inventory["lb1"]).container(BALANCER)) and seen.state != "restarting":
        fleet.hosts.clock.sleep(0.1)
    finished = fleet.apply(spec(A="1"))
    assert (finished.outcome, finished.exit_code) == ("complete", 0), finished.message
    assert served(fleet) == {"web1.1.a", "web2.1.a", "web3.1.a"}
    assert fleet.drift(spec(A="1")) == []


def test_a_node_that_cannot_be_made_takes_no_healthy_one_out_of_rotation(fleet: Simulation) -> None:
    """The balancer is new, so every node is judged again; web2's ends at once; web1 and web3 have to serve."""
    fleet.apply(spec(A="1"))
    image = fleet.builder.find(fleet.intent(spec(A="1")).tags["web"])
    assert image is not None
    fleet.hosts.own_behaviours["web2"][image.image_id] = AppBehaviour(exits_after=0.1, exit_code=1)
    fleet.hosts["web2"].containers.remove("shop.web-1.a")
    fleet.hosts["lb1"].containers.remove(BALANCER)
    assert fleet.apply(spec(A="1")).exit_code != 0
    fleet.hosts.clock.sleep(10)
    assert served(fleet) == {"web1.1.a", "web3.1.a"}


@pytest.mark.parametrize("slot", ["a", "b"])
def test_a_container_that_was_renamed_does_not_keep_its_node_from_coming_back(fleet: Simulation, slot: str) -> None:
    """Ours by its label, under a name that stands for no slot, it holds the port of one, and serves until replaced."""
    fleet.apply(spec(A="0"))
    if slot == "b":
        fleet.apply(spec(A="1"))
    wish = spec(A="1" if slot == "b" else "0")
    rename(fleet, "web2", f"shop.web-1.{slot}")
    fewest: list[int] = []
    fleet.hosts.effects.before = lambda host, name: fewest.append(len(served(fleet)))
    finished = fleet.apply(wish)
    assert (finished.outcome, finished.exit_code) == ("complete", 0), finished.message
    assert min(fewest) >= len(WEBS)
    assert {name.split(".")[0] for name in served(fleet)} == set(WEBS)
    assert fleet.drift(wish) == []


def rename(fleet: Simulation, host: str, name: str) -> None:
    """Put a container in another's place that has all of it but its name."""
    machine = fleet.hosts[host]
    seen = fleet.hosts.reader(fleet.inventory[host]).container(name)
    assert seen is not None
    machine.containers.remove(seen.container_id)
    request = ContainerRequest("renamed-by-hand", seen.image_id, seen.options, host, seen.ports, seen.labels)
    machine.containers.start(machine.containers.create(request))


def test_what_the_plan_changes_drift_names(fleet: Simulation) -> None:
    """A field that makes a node's container another one is a difference of that field, not a matter of rotation."""
    checked = HealthCheck(test=("CMD", "true"))
    before = fleets.spec(replace(fleets.web_service(environment={}), healthcheck=checked))
    after = fleets.spec(replace(fleets.web_service(environment={}), healthcheck=replace(checked, start_period=5.0)))
    assert fleet.apply(before).outcome == "complete", fleet.sink.events
    assert {kind for _, kind, _, _ in fleet.drift(after)} == {"healthcheck"}


def test_two_commands_that_differ_read_differently() -> None:
    """One word with a blank is not two words with quotes."""
    assert words(("a b",)) != words(("'a", "b'"))


def test_a_balancer_that_was_renamed_makes_way_for_its_successor(fleet: Simulation) -> None:
    """Ours by its label, it holds the ports that the new one binds: replacing it interrupts, and needs consent."""
    fleet.apply(spec(A="1"))
    rename(fleet, "lb1", BALANCER)
    finished = fleet.apply(spec(A="1"), consent=Consent(interruption=True))
    assert (finished.outcome, finished.exit_code) == ("complete", 0), finished.message
    assert served(fleet) == {"web1.1.a", "web2.1.a", "web3.1.a"}
    assert fleet.drift(spec(A="1")) == []
