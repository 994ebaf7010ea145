"""The private network of a lab, and the addresses on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import docker
from docker.types import IPAMConfig, IPAMPool

from provisioner.lab.labels import LAB, labelled

FIRST_HOST = 11
"""Where host addresses start within the subnet; the bridge and whoever joins by hand stay below."""


@dataclass(frozen=True, slots=True)
class LabNetwork:
    """A bridge network whose subnet was fixed when it was made, so that addresses can be fixed too."""

    network_id: str
    name: str
    subnet: IPv4Network

    def free_addresses(self, taken: frozenset[str]) -> Iterator[str]:
        """Yield addresses for hosts, lowest first."""
        for offset in range(FIRST_HOST, self.subnet.num_addresses - 1):
            address = str(self.subnet[offset])
            if address not in taken:
                yield address


def network_name(lab: str) -> str:
    """Return the name of a lab's network."""
    return f"{lab}-network"


def find_network(engine: docker.APIClient, lab: str) -> LabNetwork | None:
    """Return the network of a lab, None where there is none."""
    found = engine.networks(names=[network_name(lab)], filters={"label": f"{LAB}={lab}"})
    return next((_read(network) for network in found if network["Name"] == network_name(lab)), None)


def make_network(engine: docker.APIClient, lab: str) -> LabNetwork:
    """Return the network of a lab, made where there is none."""
    found = find_network(engine, lab)
    if found is not None:
        return found
    pool = IPAMConfig(pool_configs=[IPAMPool(subnet=_free_subnet(engine, lab))])
    made = _create(engine, lab, network_name(lab), ipam=pool)
    return _read(engine.inspect_network(made))


def _free_subnet(engine: docker.APIClient, lab: str) -> str:
    # Only a subnet asked for by name allows fixed addresses, and only the engine knows which one is free.
    scout = _create(engine, lab, f"{lab}-scout")
    try:
        return str(_read(engine.inspect_network(scout)).subnet)
    finally:
        engine.remove_network(scout)


def _create(engine: docker.APIClient, lab: str, name: str, ipam: IPAMConfig | None = None) -> str:
    answer = engine.create_network(name, "bridge", ipam=ipam, labels=labelled(lab), check_duplicate=True)
    return str(answer["Id"])


def _read(answer: Mapping[str, Any]) -> LabNetwork:
    subnet = IPv4Network(answer["IPAM"]["Config"][0]["Subnet"])
    return LabNetwork(answer["Id"], answer["Name"], subnet)
