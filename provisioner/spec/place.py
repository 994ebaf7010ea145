"""Hosts matched to services: which node lies where, on which ports, and what cannot be so."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from provisioner.errors import Diagnostic, InvalidInput, UsageError
from provisioner.model.inventory import Host, Inventory
from provisioner.model.placement import SLOTS, Node, PlacedNode, Placement, SlotAddress
from provisioner.model.spec import FleetSpec, Service
from provisioner.spec.patterns import select
from provisioner.spec.ports import first_port, port_faults
from provisioner.spec.source import in_order
from provisioner.spec.tree import Location, Positions


def place(spec: FleetSpec, inventory: Inventory, positions: Positions) -> Placement:
    """Return every node of the fleet, by service as declared and by host in inventory order, and its balancers.

    Raise InvalidInput, placed in the spec, for patterns that match nothing and ports or addresses that cannot work.
    """
    found = _Matches(inventory, positions, [])
    chosen = {name: found.hosts(("services", name, "hosts"), each.hosts) for name, each in spec.services.items()}
    balancer = spec.load_balancer
    balancers = found.hosts(("load_balancer", "hosts"), balancer.hosts) if balancer else ()
    for index, each in enumerate(spec.ignored):
        if each.hosts:
            found.hosts(("drift", "ignore", index, "hosts"), each.hosts)
    faults = [*found.faults, *port_faults(spec, inventory, chosen, balancers, positions)]
    faults += _loopback_faults(spec, inventory, chosen, balancers, positions)
    if faults:
        raise InvalidInput(in_order(faults))
    nodes = tuple(
        _placed(spec.services[service], inventory.hosts[host], index)
        for service, hosts in chosen.items()
        for host in hosts
        for index in range(1, spec.services[service].replicas + 1)
    )
    used = {*balancers, *(placed.node.host for placed in nodes)}
    return Placement(nodes, balancers, {name: host for name, host in inventory.hosts.items() if name in used})


@dataclass(frozen=True, slots=True)
class _Matches:
    """Looks patterns up, keeping what is wrong with them."""

    inventory: Inventory
    positions: Positions
    faults: list[Diagnostic]

    def hosts(self, location: Location, pattern: str) -> tuple[str, ...]:
        try:
            names = select(self.inventory, pattern)
        except UsageError as error:
            self.faults.append(self.positions.at_value(location, error.message, error.hint))
            return ()
        if not names:
            message = f"'{pattern}' matches no host of {self.inventory.path}"
            self.faults.append(self.positions.at_value(location, message, "name a group that has hosts"))
        return names


def _placed(service: Service, host: Host, index: int) -> PlacedNode:
    node = Node(host.name, service.name, index)
    first = first_port(service)
    if first is None:
        return PlacedNode(node)
    port = first + 2 * (index - 1)
    slots = (SlotAddress(slot, host.private_address, port + step) for step, slot in enumerate(SLOTS))
    return PlacedNode(node, tuple(slots))


def _loopback_faults(
    spec: FleetSpec,
    inventory: Inventory,
    chosen: Mapping[str, tuple[str, ...]],
    balancers: tuple[str, ...],
    positions: Positions,
) -> Iterator[Diagnostic]:
    for service, hosts in chosen.items():
        if spec.services[service].port is None:
            continue
        for host in hosts:
            address = inventory.hosts[host].private_address
            others = [balancer for balancer in balancers if balancer != host]
            if others and _is_loopback(address):
                message = f"the balancer on '{others[0]}' cannot reach '{host}' at its private address {address}"
                suggestion = f"set private_address of '{host}' in {inventory.path}"
                yield positions.at_value(("services", service, "hosts"), message, suggestion)


def _is_loopback(address: str) -> bool:
    if address == "localhost" or address.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
