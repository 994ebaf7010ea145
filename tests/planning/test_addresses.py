"""Addresses that a host does not have, and ports that somebody else holds there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import AddressUnknown, PortTaken
from provisioner.model.desired import Desired
from provisioner.model.observed import Observed
from provisioner.model.spec import Bind, FleetSpec
from provisioner.planning.addresses import refuse_foreign_addresses, refuse_impossible_binds
from provisioner.planning.desire import ImageIndex, desire
from tests import fleets
from tests.simulation import render


@pytest.mark.parametrize(
    ("address", "told"),
    [("10.9.9.9", "is on no interface of this host"), ("web2.internal", "is a name that this machine cannot resolve")],
)
def test_a_host_that_lacks_its_private_address_is_named_with_those_it_has(address: str, told: str) -> None:
    """An address of no interface, and a name that stands for none, are refused before anything moves."""
    wanted = fleets.desired()
    hosts = {name: fleets.host(name) for name in wanted.hosts}
    hosts["web2"] = replace(hosts["web2"], private_address=address)
    with pytest.raises(AddressUnknown, match=told) as caught:
        refuse_foreign_addresses(wanted, fleets.at_rest(wanted), hosts)
    assert (caught.value.host, fleets.host("web2").private_address in caught.value.hint) == ("web2", True)


def test_a_fleet_whose_hosts_have_their_addresses_passes() -> None:
    """Nothing is refused where every host has what the inventory says."""
    wanted = fleets.desired()
    refuse_foreign_addresses(wanted, fleets.at_rest(wanted), {name: fleets.host(name) for name in wanted.hosts})


def bound(network: str, *bind: Bind) -> Desired:
    """Return the fleet with its balancer on a network, listening there."""
    standard = fleets.spec()
    assert standard.load_balancer is not None
    balancer = replace(standard.load_balancer, bind=bind, network=network)  # type: ignore[arg-type]  # tests name it
    spec: FleetSpec = replace(standard, load_balancer=balancer)
    return desire(spec, fleets.placement(spec), ImageIndex(fleets.TAGS, fleets.IDS), render)


def listening(wanted: Desired, *listeners: tuple[str, int]) -> Observed:
    """Return a fleet at rest on whose balancer host these listen."""
    return fleets.edit(fleets.at_rest(wanted), "lb1", listeners=listeners)


@pytest.mark.parametrize("network", ["bridge", "host"])
def test_a_balancer_answers_on_addresses_of_its_host_only(network: str) -> None:
    """Its own address, loopback and all of them pass; another is refused with those the host has."""
    seen = fleets.at_rest(bound(network, Bind(80)))
    for address in (fleets.host("lb1").private_address, "127.0.0.1", "0.0.0.0", None):
        refuse_impossible_binds(bound(network, Bind(80, address)), seen)
    with pytest.raises(AddressUnknown, match=r"10\.9\.9\.9, which is on no interface") as caught:
        refuse_impossible_binds(bound(network, Bind(80), Bind(81, "10.9.9.9")), seen)
    assert fleets.host("lb1").private_address in caught.value.hint


@pytest.mark.parametrize("network", ["bridge", "host"])
@pytest.mark.parametrize(("address", "refused"), [("", True), ("10.0.0.11", True), ("10.0.0.99", False)])
def test_a_port_that_somebody_else_holds_is_refused(network: str, address: str, *, refused: bool) -> None:
    """On all addresses or on the same one; what listens on another address is in nobody's way."""
    wanted = bound(network, Bind(80), Bind(443, "10.0.0.11"))
    seen = listening(bound(network, Bind(80)), ("", 80), (address, 443))
    if not refused:
        refuse_impossible_binds(wanted, seen)
        return
    with pytest.raises(PortTaken, match="port 443, where somebody else listens"):
        refuse_impossible_binds(wanted, seen)


@pytest.mark.parametrize(("before", "after"), [("bridge", "host"), ("host", "bridge"), ("host", "host")])
def test_ports_of_the_balancer_itself_are_in_nobodys_way(before: str, after: str) -> None:
    """Whether the engine publishes them or it listens on its host, and when nobody can read where that is."""
    seen = listening(bound(before, Bind(80)), ("", 80), ("127.0.0.1", 8404))
    refuse_impossible_binds(bound(after, Bind(80)), seen)
    host = seen.host("lb1")
    assert host is not None
    assert host.balancer is not None
    blind = fleets.edit(seen, "lb1", balancer=replace(host.balancer, text=None))
    refuse_impossible_binds(bound("host", Bind(80), Bind(81)), blind)


def test_two_balancers_on_one_hosts_network_are_refused() -> None:
    """What observes them answers on one port of loopback, which only one of them can have."""
    wanted = bound("host", Bind(81))
    nobody = fleets.edit(listening(wanted, ("127.0.0.1", 8404)), "lb1", containers=(), balancer=None)
    with pytest.raises(PortTaken, match="port 8404"):
        refuse_impossible_binds(wanted, nobody)
