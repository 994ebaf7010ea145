"""What a plan does to a balancer's container and its file."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.model.balancer import Drained
from provisioner.model.container import ContainerOptions, PublishedPort
from provisioner.model.image import ImageTarget


@dataclass(frozen=True, slots=True)
class StartBalancer:
    """Create the balancer's container with its file in place, start it, and see the file run.

    `drained` are the nodes that its file leaves out because a person wants it so.
    """

    host: str
    node: str
    name: str
    image: ImageTarget
    options: ContainerOptions
    ports: tuple[PublishedPort, ...]
    text: str
    digest: str
    reason: str = ""
    drained: tuple[Drained, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigureBalancer:
    """Give the running balancer another file: written beside, checked, renamed, reloaded, proven by its digest.

    `drained` takes the place of the record of nodes that a person drained; None leaves it.
    """

    host: str
    node: str
    text: str
    digest: str
    reason: str = ""
    drained: tuple[Drained, ...] | None = None


@dataclass(frozen=True, slots=True)
class HandOverBalancer:
    """Let a second container take over the listening sockets of the balancer, and see it serve them.

    `predecessor` names the container that serves now and goes on serving. `container_id` is that of a second one that
    is there already, because an earlier run was cut short: then it is only seen to serve.
    """

    host: str
    node: str
    name: str
    image: ImageTarget
    options: ContainerOptions
    text: str
    digest: str
    predecessor: str
    container_id: str = ""
    reason: str = ""
