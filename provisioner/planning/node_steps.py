"""The steps that give nodes a new container: hold the slot, start, healthy, in; then the old one out and stopped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from provisioner.errors import ProvisionerError
from provisioner.model.balancer import BalancerConfig, Server
from provisioner.model.container import PublishedPort
from provisioner.model.observed import ALIVE
from provisioner.model.placement import SLOTS, Slot, container_name, server_name
from provisioner.model.plan import (
    Action,
    AwaitHealthy,
    AwaitRunning,
    DrainSlot,
    EnterRotation,
    HoldSlot,
    RemoveContainer,
    RemoveVolume,
    RestSlot,
    ReviveContainer,
    StartNode,
    Step,
    StopContainer,
)
from provisioner.model.secret import secrets_volume
from provisioner.planning.diff import stray_volumes
from provisioner.planning.effective import enforceable
from provisioner.planning.pairing import NodeView, Occupant, slot_ports
from provisioner.planning.scene import Scene
from provisioner.planning.transition import NEXT, newest, variants

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


def move(scene: Scene, view: NodeView) -> Move | None:
    """Return how a node gets to where it should be; None where it is already, and proven to be."""
    current = view.current
    if current is None:
        return Move(view, _free_slot(scene, view), "create")
    if current.matches and not current.container.running:
        return Move(view, current.slot, "revive", view.leftover)
    if current.matches:
        proven = view.leftover is None and in_rotation(scene, view, current.slot)
        return None if proven else Move(view, current.slot, "judge", view.leftover)
    if current.container.running or current.container.state == "paused":
        other = _other(current.slot)
        _refuse_own_port(view, current, other)
        return Move(view, other, "create", current, view.leftover)
    if view.leftover is None:
        return Move(view, _other(current.slot), "create", current)
    return Move(view, current.slot, "create", view.leftover, current)


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


def batch_steps(scene: Scene, config: BalancerConfig | None, moves: tuple[Move, ...]) -> Iterator[Step]:
    """Yield the steps for nodes that change together."""
    rota = Rota(scene, config)
    names = ", ".join(each.node for each in moves)
    undo = tuple(action for each in moves for action in _undo(rota, each))
    starting = tuple(each for each in moves if each.begins != "judge")
    yield from evict_steps(rota, tuple((each.view, each.dead) for each in moves if each.dead is not None))
    held = (action for each in starting for action in rota.hold(each.view, each.slot))
    yield from steps(f"{names}: hold the free slot", held, undo)
    yield from steps(f"{names}: start", (_start(scene, each) for each in starting), undo)
    yield from steps(f"{names}: wait until healthy", (a for each in moves for a in _await(rota, each)), undo)
    yield from steps(f"{names}: into rotation", (a for each in moves for a in rota.enter(each.view, each.slot)), undo)
    yield from retire_steps(rota, tuple((each.view, each.outgoing) for each in moves if each.outgoing is not None))


Leaving = tuple[tuple[NodeView, Occupant], ...]
"""Containers that have to go, each with the node it stood for."""


def retire_steps(rota: Rota, leaving: Leaving) -> Iterator[Step]:
    """Yield the steps that take containers out of rotation and stop them, and leave their slots enabled and empty."""
    names = ", ".join(f"{view.desired.node} slot {occupant.slot}" for view, occupant in leaving)
    alive = tuple((view, occupant) for view, occupant in leaving if _alive(occupant))
    yield from steps(f"{names}: drain", (a for view, old in leaving for a in rota.drain(view, old.slot)))
    yield from steps(f"{names}: stop", (_stop(view, old) for view, old in alive))
    yield from steps(f"{names}: enable the empty slot", (a for view, old in leaving for a in rota.rest(view, old.slot)))


def evict_steps(rota: Rota, leaving: Leaving) -> Iterator[Step]:
    """Yield the steps that retire containers and remove them at once."""
    yield from retire_steps(rota, leaving)
    names = ", ".join(str(view.desired.node) for view, _ in leaving)
    yield from steps(f"{names}: remove what is left over", (remove(view, old, "left over") for view, old in leaving))


def stray_steps(scene: Scene, moves: tuple[Move, ...]) -> Iterator[Step]:
    """Yield the removal of volumes with secrets that a run which died left; a slot that is filled gets a fresh one."""
    fleet = scene.desired.fleet
    made = {(each.view.desired.node.host, secrets_volume(_container_name(fleet, each))) for each in moves}
    strays = (
        RemoveVolume(host.name, volume, "no container has these secrets")
        for host in scene.observed.hosts
        if scene.in_scope(host.name) and host.name in scene.desired.hosts
        for volume in stray_volumes(fleet, host)
        if (host.name, volume) not in made
    )
    yield from steps("remove secrets that are left over", strays)


def _container_name(fleet: str, each: Move) -> str:
    node = each.view.desired.node
    return container_name(fleet, node.service, node.index, each.slot)


def steps(title: str, actions: Iterable[Action], undo: tuple[Action, ...] = ()) -> Iterator[Step]:
    """Yield one step, or none where there is nothing to do."""
    if found := tuple(actions):
        yield Step(title, found, undo)


@dataclass(frozen=True, slots=True)
class Rota:
    """Addresses the servers of a slot on every balancer."""

    scene: Scene
    config: BalancerConfig | None

    def _each(self, view: NodeView, slot: Slot) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        service = view.desired.node.service
        servers = variants(self.config, service, str(view.desired.node), slot) if self.config else ()
        for balancer in self.scene.desired.balancers:
            if servers:
                yield balancer.host, service, servers

    def hold(self, view: NodeView, slot: Slot) -> tuple[Action, ...]:
        """Return what takes a slot out of rotation at once."""
        node = str(view.desired.node)
        return tuple(HoldSlot(host, node, slot, backend, names) for host, backend, names in self._each(view, slot))

    def enter(self, view: NodeView, slot: Slot) -> tuple[Action, ...]:
        """Return what lets requests into a slot, under its newest address, port and check."""
        node, server = str(view.desired.node), self.newest(view, slot)
        entries = self._each(view, slot) if server else ()
        return tuple(EnterRotation(host, node, slot, backend, (server.name,)) for host, backend, _ in entries if server)

    def newest(self, view: NodeView, slot: Slot) -> Server | None:
        """Return the server that stands for a slot as the new release has it."""
        desired = view.desired.node
        return newest(self.config, desired.service, str(desired), slot) if self.config else None

    def drain(self, view: NodeView, slot: Slot) -> tuple[Action, ...]:
        """Return what empties a slot of its sessions."""
        node, timeout = str(view.desired.node), self.scene.policy.drain_timeout
        entries = self._each(view, slot)
        return tuple(DrainSlot(host, node, slot, backend, names, timeout) for host, backend, names in entries)

    def judge(self, view: NodeView, slot: Slot, server: Server) -> tuple[Action, ...]:
        """Return what waits until every balancer's own checks of a slot have passed for a while."""
        node, policy = view.desired.node, self.scene.policy
        return tuple(
            AwaitHealthy(
                host=balancer.host,
                node=str(node),
                slot=slot,
                backend=node.service,
                server=server.name,
                name=container_name(self.scene.desired.fleet, node.service, node.index, slot),
                node_host=node.host,
                check=server.check,
                engine_test=bool(view.desired.healthcheck.test),
                min_healthy_time=policy.min_healthy_time,
                healthy_deadline=policy.healthy_deadline,
            )
            for balancer in self.scene.desired.balancers
        )

    def rest(self, view: NodeView, slot: Slot) -> tuple[Action, ...]:
        """Return what enables an empty slot again."""
        node = str(view.desired.node)
        return tuple(RestSlot(host, node, slot, backend, names) for host, backend, names in self._each(view, slot))


def recheck_steps(rota: Rota, staying: tuple[NodeView, ...]) -> Iterator[Step]:
    """Yield the step that judges containers which stay by the check or address they get, beside the old one.

    A check that no node passes would otherwise take the whole service down with the final file.
    """
    judged: list[Action] = []
    for view in staying:
        server = rota.newest(view, view.current.slot) if view.current else None
        if view.current and view.current.matches and server and server.name.endswith(NEXT):
            judged += rota.judge(view, view.current.slot, server)
    yield from steps("judge what stays by its new check", judged)


def _start(scene: Scene, each: Move) -> Action:
    desired = each.view.desired
    if each.begins == "revive" and each.view.current:
        container = each.view.current.container
        return ReviveContainer(desired.node.host, each.node, container.name, container.container_id, container.state)
    host = scene.observed.host(desired.node.host)
    return StartNode(
        host=desired.node.host,
        node=each.node,
        service=desired.node.service,
        slot=each.slot,
        name=container_name(scene.desired.fleet, desired.node.service, desired.node.index, each.slot),
        image=desired.image,
        options=enforceable(desired.options, host.engine.unenforceable if host else ()),
        ports=tuple(PublishedPort(inside, outside, at) for inside, outside, at in slot_ports(desired, each.slot)),
        secrets=desired.secrets,
    )


def _await(rota: Rota, each: Move) -> tuple[Action, ...]:
    desired, policy = each.view.desired, rota.scene.policy
    name = container_name(rota.scene.desired.fleet, desired.node.service, desired.node.index, each.slot)
    server = rota.newest(each.view, each.slot)
    test = bool(desired.healthcheck.test)
    if server is None or not rota.scene.desired.balancers:
        host = desired.node.host
        return (AwaitRunning(host, each.node, name, test, policy.min_healthy_time, policy.healthy_deadline),)
    return rota.judge(each.view, each.slot, server)


def _undo(rota: Rota, each: Move) -> tuple[Action, ...]:
    """Return what takes back a container that failed its gate; one that has nothing beside it stays to be looked at."""
    if each.begins != "create" and each.outgoing is None:
        return ()
    desired = each.view.desired.node
    name = container_name(rota.scene.desired.fleet, desired.service, desired.index, each.slot)
    there = each.view.current.container.container_id if each.begins != "create" and each.view.current else ""
    volume = secrets_volume(name) if any(not secret.environment for secret in each.view.desired.secrets) else ""
    gone = RemoveContainer(desired.host, each.node, name, there, "it did not pass its gate", volume)
    return (*rota.hold(each.view, each.slot), gone, *rota.rest(each.view, each.slot))


def _alive(occupant: Occupant) -> bool:
    return occupant.container.state in ALIVE


def _stop(view: NodeView, occupant: Occupant) -> StopContainer:
    container, node = occupant.container, view.desired.node
    return StopContainer(node.host, str(node), container.name, container.container_id, container.options.stop_timeout)


def remove(view: NodeView, occupant: Occupant, reason: str) -> RemoveContainer:
    """Return what removes a container of a node."""
    container, node = occupant.container, view.desired.node
    owned = container.secrets_volume
    return RemoveContainer(node.host, str(node), container.name, container.container_id, reason, owned)
