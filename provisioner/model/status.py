"""The answer to: what runs where, and is it the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from provisioner.model.balancer import Drained

NodeState = Literal["healthy", "starting", "unhealthy", "stopped", "missing", "unknown"]


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host: reached or not and then why, its engine's version, and the way to that engine."""

    host: str
    reachable: bool
    engine: str = ""
    route: str = ""
    reason: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node: the slot that serves, its state, release, image, fingerprint, and what the balancer says of it."""

    host: str
    service: str
    node: str
    slot: str
    state: NodeState
    release: str
    image_id: str
    fingerprint: str
    balancer: str


@dataclass(frozen=True, slots=True)
class BalancerStatus:
    """The balancer of one host: its state, the digest of the file it runs, and where it answers."""

    host: str
    node: str
    state: NodeState
    image_id: str
    config: str
    ports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """The whole fleet; `uniform` when every node of the release is there, equal, healthy and in rotation.

    `drained` are nodes that a person took out of rotation, which makes no fleet less uniform.
    """

    fleet: str
    release: str | None
    uniform: bool
    hosts: tuple[HostStatus, ...]
    nodes: tuple[NodeStatus, ...]
    balancers: tuple[BalancerStatus, ...] = ()
    drained: tuple[Drained, ...] = ()
