"""How each node gets to where it should be: the slot that will serve, and what becomes of what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from provisioner.errors import ProvisionerError
from provisioner.model.placement import SLOTS, Slot, server_name
from provisioner.planning.pairing import NodeView, Occupant, slot_ports
from provisioner.planning.scene import Scene

Beginning = Literal["create", "revive", "judge"]
"""How a node's change begins: with a new container, with one that does not run, or with one that runs unproven."""


@dataclass(frozen=True, slots=True)
class Move:
    """One node's change: the slot that will serve, how it begins, what serves until then, what is dead in its way."""

    view: NodeView
    slot: Slot
    begins: Beginning
    outgoing: Occupant | None = None
    dead: Occupant | None = None

    @property
    def node(self) -> str:
        """Return the node's name."""
        return str(self.view.desired.node)

    @property
    def serves(self) -> bool:
        """Tell whether the node has a container that goes on serving until its new one does."""
        return self.outgoing is not None and self.outgoing.container.running

    @property
    def there(self) -> Occupant | None:
        """Return the container that is in the slot already."""
        both = (self.view.current, self.view.leftover)
        return next((each for each in both if each is not None and each.slot == self.slot), None)


def move(scene: Scene, view: NodeView) -> Move | None:
    """Return how a node gets to where it should be; None where it is already, and proven to be."""
    current = view.current
    if current is None:
        return Move(view, _free_slot(scene, view), "create")
    if current.matches and not current.container.running:
        return Move(view, current.slot, "revive", view.leftover)
    if current.matches:
        return _judged(scene, view, current)
    if view.leftover is not None and view.leftover.matches:
        return Move(view, view.leftover.slot, "revive", current)
    if current.container.running or current.container.state == "paused":
        other = _other(current.slot)
        _refuse_own_port(view, current, other)
        return Move(view, other, "create", current, view.leftover)
    if view.leftover is None:
        return Move(view, _other(current.slot), "create", current)
    return Move(view, current.slot, "create", view.leftover, current)


def _judged(scene: Scene, view: NodeView, current: Occupant) -> Move | None:
    """Return how a node goes on whose container is right: what else runs serves until that is proven."""
    if view.leftover is None and in_rotation(scene, view, current.slot):
        return None
    return Move(view, current.slot, "judge", view.leftover)


def in_rotation(scene: Scene, view: NodeView, slot: Slot) -> bool:
    """Tell whether every balancer sends requests to a slot; what has just been loaded counts until its first check."""
    if view.desired.port is None:
        return True
    name, service = server_name(view.desired.node, slot), view.desired.node.service
    for balancer in scene.desired.balancers:
        host = scene.observed.host(balancer.host)
        states = host.balancer.servers if host and host.balancer else ()
        state = next((each for each in states if (each.backend, each.name) == (service, name)), None)
        if state is None or state.admin != "ready" or state.health == "down":
            return False
    return True


def _free_slot(scene: Scene, view: NodeView) -> Slot:
    """Return the first slot whose port nobody of ours holds under another name; `a` where both are held."""
    host = scene.observed.host(view.desired.node.host)
    containers = host.containers if host else ()
    held = {port.host_port for each in containers if each.running and each.fleet for port in each.ports}
    free = [slot for slot in SLOTS if not {outside for _, outside, _ in slot_ports(view.desired, slot)} & held]
    return free[0] if free else SLOTS[0]


def _other(slot: Slot) -> Slot:
    return SLOTS[1] if slot == SLOTS[0] else SLOTS[0]


def _refuse_own_port(view: NodeView, current: Occupant, slot: Slot) -> None:
    wanted = {outside for _, outside, _ in slot_ports(view.desired, slot)}
    taken = wanted & {port.host_port for port in current.container.ports}
    if taken:
        port = min(taken)
        raise ProvisionerError(
            f"{view.desired.node}: its new slot {slot} would need port {port}, which its running container holds",
            hint=f"choose a host_port whose two slots keep clear of {port}",
        )
