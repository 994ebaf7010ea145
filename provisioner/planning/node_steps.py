"""The steps that give nodes a new container: hold the slot, start, healthy, in; then the old one out and stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from provisioner.model.balancer import FULL_SHARE, BalancerConfig, Server
from provisioner.model.container import PublishedPort
from provisioner.model.observed import ALIVE, ObservedContainer
from provisioner.model.placement import Slot, container_name
from provisioner.model.plan import (
    Action,
    AwaitHealthy,
    AwaitRunning,
    ConfirmCapacity,
    DrainSlot,
    EnterRotation,
    HoldSlot,
    LeaveRotation,
    RemoveContainer,
    RemoveVolume,
    RestSlot,
    ReviveContainer,
    StartNode,
    Step,
    StopContainer,
    WatchSlot,
)
from provisioner.model.secret import secrets_volume
from provisioner.planning.diff import stray_volumes
from provisioner.planning.effective import enforceable
from provisioner.planning.moves import Move
from provisioner.planning.pairing import NodeView, Occupant, slot_ports
from provisioner.planning.scene import Scene
from provisioner.planning.transition import NEXT, newest, variants

Leaving = tuple[tuple[NodeView, Occupant], ...]
"""Containers that have to go, each with the node it stood for."""

Floor = Callable[[str], int]
"""Tells how many nodes of a service have to stay in rotation, 0 where nobody asks."""


def no_floor(_service: str) -> int:
    """Ask for nothing: what leaves does not serve."""
    return 0


def enter_steps(rota: Rota, moves: tuple[Move, ...], share: int = FULL_SHARE) -> Iterator[Step]:
    """Yield the steps that bring the new containers of nodes into rotation, beside what serves there still."""
    names = ", ".join(each.node for each in moves)
    undo = undoing(rota, moves)
    starting = tuple(each for each in moves if each.begins != "judge")
    yield from evict_steps(rota, tuple((each.view, each.dead) for each in moves if each.dead is not None))
    held = (action for each in starting for action in rota.hold(each.view, each.slot))
    yield from steps(f"{names}: hold the free slot", held, undo)
    yield from steps(f"{names}: start", (_start(rota.scene, each) for each in starting), undo)
    yield from steps(f"{names}: wait until healthy", (a for each in moves for a in _await(rota, each)), undo)
    entering = (a for each in moves for a in rota.enter(each.view, each.slot, share))
    part = "" if share == FULL_SHARE else f" at {share} % of a peer's share"
    yield from steps(f"{names}: into rotation{part}", entering, undo)


def watch_steps(rota: Rota, moves: tuple[Move, ...], seconds: float, share: int, why: str) -> Iterator[Step]:
    """Yield the step that waits until nodes were judged by real requests for so long, counted from their entry."""
    names = ", ".join(each.node for each in moves)
    if seconds > 0:
        watching = (a for each in moves for a in rota.watch(each.view, each.slot, seconds, share))
        yield from steps(f"{names}: {why} for {seconds:g} s", watching, undoing(rota, moves, drained=True))


def full_steps(rota: Rota, moves: tuple[Move, ...], share: int) -> Iterator[Step]:
    """Yield the step that gives nodes which were capped their full share."""
    names = ", ".join(each.node for each in moves)
    if share != FULL_SHARE:
        entering = (a for each in moves for a in rota.enter(each.view, each.slot))
        yield from steps(f"{names}: the full share", entering, undoing(rota, moves, drained=True))


def leave_steps(rota: Rota, moves: tuple[Move, ...], floor: Floor) -> Iterator[Step]:
    """Yield the steps that let no new request reach what nodes served from before, and wait for nothing."""
    leaving = _outgoing(moves)
    yield from confirm_steps(rota, leaving, floor)
    left = (action for view, old in leaving for action in rota.leave(view, old.slot))
    yield from steps(f"{_slots(leaving)}: out of rotation", left, restoring(rota, moves))


def end_steps(
    rota: Rota, moves: tuple[Move, ...], floor: Floor = no_floor, undo: tuple[Action, ...] = ()
) -> Iterator[Step]:
    """Yield the steps that retire what nodes served from before."""
    yield from retire_steps(rota, _outgoing(moves), floor, undo)


def _outgoing(moves: tuple[Move, ...]) -> Leaving:
    return tuple((each.view, each.outgoing) for each in moves if each.outgoing is not None)


def retire_steps(
    rota: Rota, leaving: Leaving, floor: Floor = no_floor, undo: tuple[Action, ...] = ()
) -> Iterator[Step]:
    """Yield the steps that take containers out of rotation and stop them, and leave their slots enabled and empty.

    First every balancer is asked whether enough nodes stay.
    """
    names = _slots(leaving)
    yield from confirm_steps(rota, leaving, floor)
    yield from steps(f"{names}: drain", (a for view, old in leaving for a in rota.drain(view, old.slot)))
    yield from steps(f"{names}: stop", (_stop(view, old) for view, old in leaving if _alive(old)), undo)
    yield from steps(f"{names}: enable the empty slot", (a for view, old in leaving for a in rota.rest(view, old.slot)))


def confirm_steps(rota: Rota, leaving: Leaving, floor: Floor) -> Iterator[Step]:
    """Yield the step that asks every balancer whether enough nodes stay when some slots leave."""
    alive = tuple((view, occupant) for view, occupant in leaving if _alive(occupant))
    yield from steps(f"{_slots(leaving)}: see that enough nodes stay", rota.confirm(alive, floor))


def _slots(leaving: Leaving) -> str:
    return ", ".join(f"{view.desired.node} slot {occupant.slot}" for view, occupant in leaving)


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

    def _servers(self, view: NodeView, slot: Slot) -> tuple[str, ...]:
        node = view.desired.node
        return variants(self.config, node.service, str(node), slot) if self.config else ()

    def _each(self, view: NodeView, slot: Slot) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        service, servers = view.desired.node.service, self._servers(view, slot)
        for balancer in self.scene.desired.balancers:
            if servers:
                yield balancer.host, service, servers

    def hold(self, view: NodeView, slot: Slot) -> tuple[Action, ...]:
        """Return what takes a slot out of rotation at once."""
        node = str(view.desired.node)
        return tuple(HoldSlot(host, node, slot, backend, names) for host, backend, names in self._each(view, slot))

    def enter(self, view: NodeView, slot: Slot, share: int = FULL_SHARE) -> tuple[Action, ...]:
        """Return what lets requests into a slot, under its newest address, port and check."""
        node, server = str(view.desired.node), self.newest(view, slot)
        entries = self._each(view, slot) if server else ()
        return tuple(
            EnterRotation(host, node, slot, backend, (server.name,), share=share)
            for host, backend, _ in entries
            if server
        )

    def watch(self, view: NodeView, slot: Slot, seconds: float, share: int) -> tuple[Action, ...]:
        """Return what judges a slot by real requests at every balancer; a worker by its container alone."""
        node, server = view.desired.node, self.newest(view, slot)
        name = container_name(self.scene.desired.fleet, node.service, node.index, slot)
        entries = tuple((host, (server.name,)) for host, _, _ in self._each(view, slot)) if server else ()
        return tuple(
            WatchSlot(host, str(node), slot, node.service, servers, name, node.host, seconds, share)
            for host, servers in entries or ((node.host, ()),)
        )

    def confirm(self, leaving: Leaving, floor: Floor) -> Iterator[Action]:
        """Yield what asks every balancer whether enough nodes stay in rotation when some slots leave it."""
        listed = [
            (balancer.host, view.desired.node.service, server, str(view.desired.node))
            for view, occupant in leaving
            for balancer in self.scene.desired.balancers
            for server in self._servers(view, occupant.slot)
        ]
        for host, service in dict.fromkeys((host, service) for host, service, _, _ in listed):
            if floor(service) > 0:
                mine = [(server, node) for at, of, server, node in listed if (at, of) == (host, service)]
                mine += [pair for pair in self._drained(service) if pair not in mine]
                servers, nodes = tuple(server for server, _ in mine), tuple(node for _, node in mine)
                yield ConfirmCapacity(host, service, servers, nodes, floor(service))

    def _drained(self, service: str) -> Iterator[tuple[str, str]]:
        """Yield the servers, each with its node, that are enabled and get no requests because a person wants it so."""
        for backend in self.config.backends if self.config else ():
            if backend.service == service:
                yield from ((each.name, each.node) for each in backend.servers if each.node in self.scene.drained)

    def newest(self, view: NodeView, slot: Slot) -> Server | None:
        """Return the server that stands for a slot as the new release has it."""
        desired = view.desired.node
        return newest(self.config, desired.service, str(desired), slot) if self.config else None

    def leave(self, view: NodeView, slot: Slot) -> Iterator[Action]:
        """Yield what sends a slot no new requests."""
        node = str(view.desired.node)
        for host, backend, names in self._each(view, slot):
            yield LeaveRotation(host, node, slot, backend, names)

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
    if each.begins == "revive" and each.there:
        return _revive(each, each.there.container)
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


def _revive(each: Move, container: ObservedContainer) -> ReviveContainer:
    wanted = each.view.desired.options.restart
    return ReviveContainer(
        host=each.view.desired.node.host,
        node=each.node,
        name=container.name,
        container_id=container.container_id,
        reason=container.state,
        restart="" if container.options.restart == wanted else wanted,
    )


def _await(rota: Rota, each: Move) -> tuple[Action, ...]:
    return _gate(rota, each, each.slot)


def _gate(rota: Rota, each: Move, slot: Slot) -> tuple[Action, ...]:
    desired, policy = each.view.desired, rota.scene.policy
    name = container_name(rota.scene.desired.fleet, desired.node.service, desired.node.index, slot)
    server = rota.newest(each.view, slot)
    test = bool(desired.healthcheck.test)
    if server is None or not rota.scene.desired.balancers:
        host = desired.node.host
        return (AwaitRunning(host, each.node, name, test, policy.min_healthy_time, policy.healthy_deadline),)
    return rota.judge(each.view, slot, server)


def undoing(rota: Rota, moves: tuple[Move, ...], *, drained: bool = False) -> tuple[Action, ...]:
    """Return what takes back, node by node, containers that failed their gate or their watch.

    One that has nothing beside it stays to be looked at. With `drained` it may finish the requests it has.
    """
    return tuple(action for each in moves for action in _undo(rota, each, drained=drained))


def restoring(rota: Rota, moves: tuple[Move, ...]) -> tuple[Action, ...]:
    """Return what takes back, node by node, containers that failed after they had taken the place of others."""
    return tuple(action for each in moves for action in (*_back(rota, each), *_gone(rota, each, drained=True)))


def _undo(rota: Rota, each: Move, *, drained: bool) -> tuple[Action, ...]:
    first_out = each.serves and rota.scene.policy.order == "stop-first"
    return (*_gone(rota, each, drained=drained), *(_back(rota, each) if first_out else ()))


def _gone(rota: Rota, each: Move, *, drained: bool) -> tuple[Action, ...]:
    """Return what removes the new container of a node."""
    if each.begins != "create" and each.outgoing is None:
        return ()
    desired = each.view.desired.node
    name = container_name(rota.scene.desired.fleet, desired.service, desired.index, each.slot)
    there = each.there.container.container_id if each.begins != "create" and each.there else ""
    volume = secrets_volume(name) if any(not secret.environment for secret in each.view.desired.secrets) else ""
    gone = RemoveContainer(desired.host, each.node, name, there, "it did not pass its gate", volume)
    out = rota.drain(each.view, each.slot) if drained else rota.hold(each.view, each.slot)
    return (*out, gone, *rota.rest(each.view, each.slot))


def _back(rota: Rota, each: Move) -> Iterator[Action]:
    """Yield what brings the old container of a node back into rotation, whether it was stopped or not."""
    if each.outgoing is None:
        return
    old, desired = each.outgoing, each.view.desired.node
    there, restart = old.container, old.container.options.restart
    yield from rota.hold(each.view, old.slot)
    yield ReviveContainer(desired.host, each.node, there.name, there.container_id, "its successor failed", restart)
    yield from _gate(rota, each, old.slot)
    yield from rota.enter(each.view, old.slot)


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
