"""Hosts matched to services: nodes, slots, ports, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from provisioner.model.inventory import Host
from provisioner.model.spec import LOAD_BALANCER

Slot = Literal["a", "b"]
SLOTS: tuple[Slot, Slot] = ("a", "b")


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """One replica of a service on a host, named `HOST/SERVICE-N`; `index` counts from 1."""

    host: str
    service: str
    index: int

    def __str__(self) -> str:
        """Return the name people use: `web3/web-1`."""
        return f"{self.host}/{self.service}-{self.index}"


@dataclass(frozen=True, slots=True)
class SlotAddress:
    """Where one slot of a node answers: the host's private address and the published port."""

    slot: Slot
    address: str
    host_port: int


@dataclass(frozen=True, slots=True)
class PlacedNode:
    """A node with its two slots; a worker's slots have no address."""

    node: Node
    slots: tuple[SlotAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class Placement:
    """Every node of the fleet and the hosts of its balancer, in inventory order.

    `hosts` are the hosts any of them lies on, by name.
    """

    nodes: tuple[PlacedNode, ...]
    balancers: tuple[str, ...]
    hosts: Mapping[str, Host]


def container_name(fleet: str, service: str, index: int, slot: Slot) -> str:
    """Return the fixed name of the container of a slot, which makes its creation atomic: `shop.web-1.a`."""
    return f"{fleet}.{service}-{index}.{slot}"


def server_place(name: str) -> str:
    """Return what all servers of one node have in common, of whatever slot and release: `web1.1`."""
    return name.removesuffix(".next").rpartition(".")[0]


def balancer_names(fleet: str) -> tuple[str, str]:
    """Return the fixed names of the two containers that a host's balancer may have, by slot."""
    first, second = (container_name(fleet, LOAD_BALANCER, 1, slot) for slot in SLOTS)
    return first, second


def server_name(node: Node, slot: Slot) -> str:
    """Return the balancer's name for a slot, unique within the service's backend."""
    return f"{node.host}.{node.index}.{slot}"
