"""Refuses to publish or listen on an address that a host does not have, or on a port that somebody else holds."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from provisioner.errors import AddressUnknown, PortTaken
from provisioner.model.desired import Desired, DesiredBalancer
from provisioner.model.inventory import Host
from provisioner.model.observed import Observed, ObservedHost
from provisioner.model.spec import Bind
from provisioner.planning.handover import bind_lines


def refuse_foreign_addresses(desired: Desired, observed: Observed, hosts: Mapping[str, Host]) -> None:
    """Raise AddressUnknown for the first host that would publish on an address it does not have."""
    publishing = {node.node.host for node in desired.nodes if node.slots}
    for host in observed.hosts:
        wanted = hosts[host.name].private_address
        if host.name in publishing and host.addresses and wanted not in host.addresses:
            raise AddressUnknown(host.name, _fault(wanted), hint=_own(host))


def _fault(wanted: str) -> str:
    if wanted.replace(".", "").isdigit() or ":" in wanted:
        return f"private_address {wanted} is on no interface of this host"
    return f"private_address {wanted} is a name that this machine cannot resolve"


def _own(host: ObservedHost) -> str:
    return f"its addresses are {', '.join(host.addresses)}"


def refuse_impossible_binds(desired: Desired, observed: Observed) -> None:
    """Raise AddressUnknown or PortTaken where a balancer could not listen as it should.

    HAProxy's own check of a file binds nothing, and a reload or a start that fails is found out by clients.
    """
    for balancer in desired.balancers:
        host = observed.host(balancer.host)
        if host is not None:
            _refuse_addresses(balancer, host)
            _refuse_ports(desired.fleet, balancer, host)


def _wanted(balancer: DesiredBalancer) -> tuple[Bind, ...]:
    """Return what the balancer takes on its host: all its file listens on, or what the engine publishes of that."""
    if balancer.config.network == "host":
        return tuple(_binds(balancer.text))
    return tuple(Bind(port.host_port, port.address or None) for port in balancer.ports)


def _binds(text: str) -> Iterator[Bind]:
    for line in bind_lines(text):
        address, _, port = line.split()[0].rpartition(":")
        if port.isdigit():
            yield Bind(int(port), address.strip("[]*") or None)


def _refuse_addresses(balancer: DesiredBalancer, host: ObservedHost) -> None:
    for bind in _wanted(balancer):
        if (
            bind.address
            and host.addresses
            and not _is_on_every_host(bind.address)
            and bind.address not in host.addresses
        ):
            fault = f"the balancer should answer on {bind.address}, which is on no interface of this host"
            raise AddressUnknown(host.name, fault, hint=_own(host))


def _is_on_every_host(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return parsed.is_loopback or parsed.is_unspecified


def _refuse_ports(fleet: str, balancer: DesiredBalancer, host: ObservedHost) -> None:
    if host.balancer is not None and host.balancer.text is None:
        return  # it listens, and nobody can say where
    ours = set(_held_by_us(fleet, host))
    for bind in _wanted(balancer):
        taken = any(port == bind.port and _meet(address, bind.address) for address, port in host.listeners)
        if taken and bind.port not in ours:
            fault = f"the balancer should answer on port {bind.port}, where somebody else listens"
            raise PortTaken(host.name, fault, hint=f"`ss -ltnp 'sport = :{bind.port}'` on that host says who")


def _held_by_us(fleet: str, host: ObservedHost) -> Iterator[int]:
    """Yield the ports that this fleet's containers hold: what becomes of those is the plan's business."""
    for container in host.containers:
        if container.fleet == fleet:
            yield from (port.host_port for port in container.ports)
    yield from (bind.port for bind in _binds((host.balancer.text if host.balancer else None) or ""))


def _meet(one: str, other: str | None) -> bool:
    return not one or not other or ipaddress.ip_address(other).is_unspecified or one == other
