"""Refuses to publish a node on an address that its host does not have."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.errors import AddressUnknown
from provisioner.model.desired import Desired
from provisioner.model.inventory import Host
from provisioner.model.observed import Observed


def refuse_foreign_addresses(desired: Desired, observed: Observed, hosts: Mapping[str, Host]) -> None:
    """Raise AddressUnknown for the first host that would publish on an address it does not have."""
    publishing = {node.node.host for node in desired.nodes if node.slots}
    for host in observed.hosts:
        wanted = hosts[host.name].private_address
        if host.name in publishing and host.addresses and wanted not in host.addresses:
            raise AddressUnknown(host.name, _fault(wanted), hint=f"its addresses are {', '.join(host.addresses)}")


def _fault(wanted: str) -> str:
    if wanted.replace(".", "").isdigit() or ":" in wanted:
        return f"private_address {wanted} is on no interface of this host"
    return f"private_address {wanted} is a name that this machine cannot resolve"
