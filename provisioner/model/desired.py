"""What the release says the fleet should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioner.model.balancer import BalancerConfig
from provisioner.model.container import ContainerOptions, PublishedPort
from provisioner.model.image import ImageTarget
from provisioner.model.later import later
from provisioner.model.placement import Node, SlotAddress
from provisioner.model.secret import DesiredSecret
from provisioner.model.spec import HealthCheck


@dataclass(frozen=True, slots=True)
class DesiredNode:
    """One node: the image it runs, its options, where its slots answer and how it is judged.

    `port` is inside the container, None for a worker; `volatile` are paths inside that its program writes itself.
    """

    node: Node
    image: ImageTarget
    options: ContainerOptions
    slots: tuple[SlotAddress, ...]
    port: int | None
    healthcheck: HealthCheck
    secrets: tuple[DesiredSecret, ...] = later(())
    volatile: tuple[str, ...] = later(())


@dataclass(frozen=True, slots=True)
class DesiredBalancer:
    """The balancer of one host: container and configuration file, with the digest the running worker shows."""

    host: str
    name: str
    image: ImageTarget
    options: ContainerOptions
    ports: tuple[PublishedPort, ...]
    config: BalancerConfig
    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class Desired:
    """The whole fleet as it should be; `images` maps references and tags to ids as far as they are known."""

    fleet: str
    nodes: tuple[DesiredNode, ...]
    balancers: tuple[DesiredBalancer, ...]
    images: Mapping[str, str] = field(default_factory=dict)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the names of all hosts that carry something, in order, each once."""
        names = [balancer.host for balancer in self.balancers] + [node.node.host for node in self.nodes]
        return tuple(dict.fromkeys(names))
