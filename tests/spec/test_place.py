"""Which node lies where, on which ports."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import InvalidInput
from provisioner.model.placement import Node, PlacedNode, Placement, SlotAddress
from provisioner.spec.inventory import read_inventory
from provisioner.spec.place import place
from provisioner.spec.read import read_fleet
from provisioner.spec.source import SourceText

INVENTORY = """\
lb: {hosts: {lb1: {ansible_host: 10.0.0.1}}}
web: {hosts: {web2: {ansible_host: 203.0.113.2, private_address: 10.0.0.2}, web1: {ansible_host: 10.0.0.3}}}
spare: {hosts: {spare1: }}
"""
FLEET = """\
name: shop
services:
  web: {image: web, hosts: web, port: 80, replicas: 2}
  jobs: {image: jobs, hosts: lb}
load_balancer: {hosts: lb}
"""


def _place(fleet: str, inventory: str = INVENTORY) -> Placement:
    read = read_fleet(SourceText("fleet.yaml", fleet), {})
    return place(read.spec, read_inventory(SourceText("lab.yaml", inventory), {}, {}), read.positions)


def _faults(fleet: str, inventory: str = INVENTORY) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        _place(fleet, inventory)
    return [f"{fault.line}: {fault.suggestion}" for fault in caught.value.diagnostics]


def test_nodes_lie_in_inventory_order_with_two_slots_each() -> None:
    """Each replica on each host is a node; slot a and slot b have ports of their own on the private address."""
    placement = _place(FLEET)
    assert placement.nodes[:2] == (
        PlacedNode(Node("web2", "web", 1), (SlotAddress("a", "10.0.0.2", 10080), SlotAddress("b", "10.0.0.2", 10081))),
        PlacedNode(Node("web2", "web", 2), (SlotAddress("a", "10.0.0.2", 10082), SlotAddress("b", "10.0.0.2", 10083))),
    )
    assert [str(placed.node) for placed in placement.nodes] == [
        "web2/web-1", "web2/web-2", "web1/web-1", "web1/web-2", "lb1/jobs-1",
    ]  # fmt: skip


def test_a_worker_has_no_address() -> None:
    """A service without a port takes no port of its host."""
    assert _place(FLEET).nodes[-1] == PlacedNode(Node("lb1", "jobs", 1))


def test_only_hosts_that_carry_something_are_placed() -> None:
    """A host no service and no balancer lies on is none of the placement's."""
    placement = _place(FLEET)
    assert list(placement.hosts) == ["lb1", "web2", "web1"]
    assert placement.balancers == ("lb1",)


@pytest.mark.parametrize(("port", "extra", "first"), [(8000, "", 8000), (80, "", 10080), (80, ", host_port: 90", 90)])
def test_the_first_host_port(port: int, extra: str, first: int) -> None:
    """Ports from 1024 are taken as they are, lower ones 10000 higher, and a host_port as it is written."""
    fleet = f"name: a\nservices: {{web: {{image: a, hosts: web1, port: {port}{extra}}}}}\n"
    assert _place(fleet).nodes[0].slots[0].host_port == first


def test_services_on_other_hosts_may_share_a_port() -> None:
    """Ports clash per host only."""
    fleet = "name: a\nservices:\n  a: {image: a, hosts: web1, port: 8000}\n  b: {image: b, hosts: web2, port: 8000}\n"
    assert len(_place(fleet).nodes) == 2


def test_a_balancer_on_another_address_clashes_with_nobody() -> None:
    """A bind that names an address leaves the same port of the private address free."""
    fleet = "name: a\nservices: {web: {image: a, hosts: web1, port: 8000}}\nload_balancer: {hosts: web1, bind: [%s]}\n"
    assert _place(fleet % "{port: 8000, address: 203.0.113.9}").balancers == ("web1",)
    for address in ("", ", address: 10.0.0.3", ", address: 0.0.0.0"):
        assert _faults(fleet % f"{{port: 8000{address}}}") == ["2: host_port: 8001 is free"]


def test_the_proposed_port_is_free_of_all() -> None:
    """A proposal looks at every service, the later ones too, and at both slots of every replica."""
    fleet = """\
name: shop
services:
  a: {image: a, hosts: web, port: 8000}
  b: {image: b, hosts: web1, port: 8001, replicas: 2}
  c: {image: c, hosts: all, port: 8005}
"""
    assert _faults(fleet) == ["4: host_port: 8007 is free"]


def test_a_loopback_address_is_no_use_to_another_host() -> None:
    """A node on a loopback address is refused, unless its only balancer is on the same host or it is a worker."""
    inventory = INVENTORY.replace("10.0.0.3", "127.0.0.1").replace("lb1: {ansible_host: 10.0.0.1}", "lb1: ")
    assert _faults(FLEET, inventory) == ["3: set private_address of 'web1' in lab.yaml"]
    alone = "name: a\nservices: {web: {image: a, hosts: web1, port: 8000}}\nload_balancer: {hosts: web1}\n"
    assert _place(alone, inventory).nodes
    worker = "name: a\nservices: {jobs: {image: a, hosts: web1}, web: {image: a, hosts: web2, port: 1}}\n"
    assert _place(worker + "load_balancer: {hosts: lb1}\n", inventory).nodes


@given(st.permutations(["lb", "web", "spare"]), st.integers(1, 3))
def test_placing_is_the_same_each_time(order: list[str], replicas: int) -> None:
    """The same fleet on the same hosts has the same nodes, in whatever order the groups are written."""
    lines = {line.split(":")[0]: line for line in INVENTORY.splitlines()}
    shuffled = "\n".join(lines[group] for group in order)
    fleet = FLEET.replace("replicas: 2", f"replicas: {replicas}")
    assert set(_place(fleet, shuffled).nodes) == set(_place(fleet).nodes)
