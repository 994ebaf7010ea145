"""Ports on hosts: which each service takes, who takes the same one, and which would be free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from provisioner.errors import Diagnostic
from provisioner.model.inventory import Inventory
from provisioner.model.placement import SLOTS
from provisioner.model.spec import LOAD_BALANCER, FleetSpec, Service
from provisioner.spec.tree import Location, Positions

_FIRST_UNPRIVILEGED, _SHIFT, _LAST = 1024, 10_000, 65_535
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - recognised, not bound
Chosen = Mapping[str, tuple[str, ...]]
"""The hosts of each service."""


def first_port(service: Service) -> int | None:
    """Return the port that slot `a` of a service's first replica takes on its host, None for a worker."""
    if service.port is None:
        return None
    if service.host_port is not None:
        return service.host_port
    return service.port if service.port >= _FIRST_UNPRIVILEGED else service.port + _SHIFT


@dataclass(frozen=True, slots=True)
class _Claim:
    """A run of ports that one part of the fleet takes on each of its hosts."""

    owner: str
    hosts: tuple[str, ...]
    first: int
    count: int
    addresses: Mapping[str, str]

    def meets(self, other: _Claim) -> str:
        """Return the first host on which both take the same port, empty where there is none."""
        if self.first >= other.first + other.count or other.first >= self.first + self.count:
            return ""
        shared = (host for host in self.hosts if host in other.hosts and self._same_address(other, host))
        return next(shared, "")

    def _same_address(self, other: _Claim, host: str) -> bool:
        mine, theirs = self.addresses.get(host, ""), other.addresses.get(host, "")
        return not mine or not theirs or mine == theirs


def port_faults(
    spec: FleetSpec, inventory: Inventory, chosen: Chosen, balancers: tuple[str, ...], positions: Positions
) -> Iterator[Diagnostic]:
    """Yield each clash of ports once, placed at the later of the two, with a `host_port` that is free."""
    claims: list[_Claim] = [*_bound(spec, balancers)]
    wanted = [claim for name, service in spec.services.items() if (claim := _of(service, chosen[name], inventory))]
    for claim in wanted:
        location = _location(claim.owner, positions)
        others = [*claims, *(other for other in wanted if other is not claim)]
        if claim.first + claim.count - 1 > _LAST:
            message = f"service '{claim.owner}' needs ports {_run(claim)}, beyond {_LAST}"
            yield positions.at_value(location, message, _free(claim, others))
        clash = next((other for other in claims if claim.meets(other)), None)
        if clash is not None:
            message = (
                f"service '{claim.owner}' takes ports {_run(claim)} on '{claim.meets(clash)}', where {_who(clash)}"
            )
            yield positions.at_value(location, message, _free(claim, others))
        claims.append(claim)


def _bound(spec: FleetSpec, balancers: tuple[str, ...]) -> Iterator[_Claim]:
    for bind in spec.load_balancer.bind if spec.load_balancer else ():
        address = "" if bind.address in _EVERY_ADDRESS else bind.address or ""
        yield _Claim(LOAD_BALANCER, balancers, bind.port, 1, dict.fromkeys(balancers, address))


def _of(service: Service, hosts: tuple[str, ...], inventory: Inventory) -> _Claim | None:
    first = first_port(service)
    if first is None:
        return None
    addresses = {host: inventory.hosts[host].private_address for host in hosts}
    return _Claim(service.name, hosts, first, service.replicas * len(SLOTS), addresses)


def _location(service: str, positions: Positions) -> Location:
    location = ("services", service, "host_port")
    return location if positions.find(location) else ("services", service, "port")


def _run(claim: _Claim) -> str:
    return f"{claim.first} to {claim.first + claim.count - 1}"


def _who(claim: _Claim) -> str:
    if claim.owner == LOAD_BALANCER:
        return f"the load balancer answers on {claim.first}"
    return f"service '{claim.owner}' takes {_run(claim)}"


def _free(claim: _Claim, others: list[_Claim]) -> str:
    """Return the proposal of the nearest run of ports that nobody takes, above first, else from below."""
    above = range(claim.first, _LAST + 2 - claim.count)
    below = range(_FIRST_UNPRIVILEGED + _SHIFT, min(claim.first, _LAST + 2 - claim.count))
    for first in (*above, *below):
        moved = _Claim(claim.owner, claim.hosts, first, claim.count, claim.addresses)
        if not any(moved.meets(other) for other in others):
            return f"host_port: {first} is free"
    return "spread the services over more hosts"
