"""Which container stands for which node: found by the fixed name of its slot, because a label is only a claim."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from provisioner.model.container import ContainerOptions
from provisioner.model.desired import Desired, DesiredBalancer, DesiredNode
from provisioner.model.image import Known
from provisioner.model.observed import ALIVE, Observed, ObservedContainer, ObservedHost
from provisioner.model.placement import SLOTS, Slot, balancer_names, container_name
from provisioner.planning.effective import effective, enforceable, fingerprint
from provisioner.planning.fields import deviation_differences, health_difference, hostname_difference

STOPPED = "no"
"""The restart policy of a container that was stopped for good."""

_Equal = tuple[str, ContainerOptions, frozenset[int], Mapping[str, str]]
"""All that is equal on peers, as `fingerprint` takes it: image, effective options, ports inside, secrets."""


@dataclass(frozen=True, slots=True)
class Occupant:
    """A container in a slot of a node, and whether it is exactly what the node should run."""

    slot: Slot
    container: ObservedContainer
    matches: bool


@dataclass(frozen=True, slots=True)
class NodeView:
    """A desired node as it was seen: the container that stands for it, and the other one if both slots are taken."""

    desired: DesiredNode
    current: Occupant | None
    leftover: Occupant | None


def view(fleet: str, desired: DesiredNode, host: ObservedHost, absent: Collection[str]) -> NodeView:
    """Pair a node with its containers on a host; `absent` names the limits nobody there can enforce."""
    occupants = []
    for slot in SLOTS:
        name = container_name(fleet, desired.node.service, desired.node.index, slot)
        container = next((each for each in host.containers if each.name == name), None)
        if container is not None:
            occupants.append(Occupant(slot, container, is_as_desired(desired, slot, container, absent)))
    occupants.sort(key=_worth)
    return NodeView(desired, occupants[0] if occupants else None, occupants[1] if len(occupants) > 1 else None)


def _worth(occupant: Occupant) -> tuple[bool, bool, str]:
    return (not (occupant.matches and occupant.container.running), not occupant.container.running, occupant.slot)


def is_as_desired(desired: DesiredNode, slot: Slot, container: ObservedContainer, absent: Collection[str]) -> bool:
    """Tell whether a container, running or not, has the image, the options and the port its slot should have.

    One that we stopped has lost its restart policy, and gets it back with its next start. One that has anything beside,
    or whose own test fails, is not as desired.
    """
    deviates = any(deviation_differences(container, desired.volatile))
    if deviates or health_difference(container) or hostname_difference(container, desired.node.host):
        return False
    container = _restartable(desired, container)
    ports = tuple((port.container_port, port.host_port, port.address) for port in container.ports)
    return ports == slot_ports(desired, slot) and _wanted(desired, container, absent) == _seen(container, absent)


def _restartable(desired: DesiredNode, container: ObservedContainer) -> ObservedContainer:
    if container.state in ALIVE or container.options.restart != STOPPED:
        return container
    return replace(container, options=replace(container.options, restart=desired.options.restart))


def slot_ports(desired: DesiredNode, slot: Slot) -> tuple[tuple[int, int, str], ...]:
    """Return (container port, host port, address) of what a slot publishes; a worker publishes nothing."""
    if desired.port is None:
        return ()
    return tuple((desired.port, at.host_port, at.address) for at in desired.slots if at.slot == slot)


def desired_fingerprint(desired: DesiredNode, container: ObservedContainer, absent: Collection[str]) -> str:
    """Return the fingerprint a node should have; its image's defaults are read off the container's image.

    They are the right ones whenever the image is, and where it is not the fingerprints differ anyway.
    """
    return fingerprint(*_wanted(desired, container, absent))


def desired_options(
    desired: DesiredNode | DesiredBalancer, container: ObservedContainer, absent: Collection[str]
) -> ContainerOptions:
    """Return the effective options of a container made from what is desired, secret variables left aside."""
    options = enforceable(effective(desired.options, container.image_defaults), absent)
    secret = {each.environment for each in desired.secrets} if isinstance(desired, DesiredNode) else set[str]()
    if secret.isdisjoint(options.environment):
        return options
    plain = {name: value for name, value in options.environment.items() if name not in secret}
    return replace(options, environment=plain)


def observed_fingerprint(container: ObservedContainer, absent: Collection[str]) -> str:
    """Return the fingerprint of a container as it was seen."""
    return fingerprint(*_seen(container, absent))


def _wanted(desired: DesiredNode, container: ObservedContainer, absent: Collection[str]) -> _Equal:
    image_id = desired.image.image_id if isinstance(desired.image, Known) else ""
    ports = frozenset[int]() if desired.port is None else frozenset({desired.port})
    secrets = {secret.key: secret.digest for secret in desired.secrets}
    return image_id, desired_options(desired, container, absent), ports, secrets


def _seen(container: ObservedContainer, absent: Collection[str]) -> _Equal:
    ports = frozenset(port.container_port for port in container.ports)
    return container.image_id, enforceable(container.options, absent), ports, container.secrets


def unenforceable(observed: Observed) -> frozenset[str]:
    """Return the limits that some engine of the fleet cannot enforce: they are compared as absent on all."""
    return frozenset(limit for host in observed.hosts for limit in host.engine.unenforceable)


def has_image(host: ObservedHost, image_id: str) -> bool:
    """Tell whether a host has an image."""
    return any(image.image_id == image_id for image in host.images)


def belongs(desired: Desired, container: ObservedContainer, host: str) -> bool:
    """Tell whether a container's name is that of a slot of a desired node or balancer on its host."""
    ours = any(balancer.host == host for balancer in desired.balancers)
    names = set(balancer_names(desired.fleet) if ours else ())
    for node in (each.node for each in desired.nodes if each.node.host == host):
        names |= {container_name(desired.fleet, node.service, node.index, slot) for slot in SLOTS}
    return container.name in names
