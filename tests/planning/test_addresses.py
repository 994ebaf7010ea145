"""Addresses that a host does not have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import AddressUnknown
from provisioner.planning.addresses import refuse_foreign_addresses
from tests import fleets


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
