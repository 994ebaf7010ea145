"""From differences to ordered steps: images, balancer, nodes in batches, what has to go, the final file, the record."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from provisioner.model.balancer import BalancerConfig
from provisioner.model.container import NODE_LABEL, SERVICE_LABEL
from provisioner.model.desired import DesiredNode
from provisioner.model.drift import Drift
from provisioner.model.image import Known
from provisioner.model.observed import ObservedContainer
from provisioner.model.placement import Node, Slot
from provisioner.model.plan import Change, Plan, RecordRelease, Step
from provisioner.model.spec import HealthCheck
from provisioner.planning.balancer_steps import closing_steps, in_the_way, opening_steps
from provisioner.planning.commands import command_steps
from provisioner.planning.departure import departure_steps
from provisioner.planning.diff import diff, surplus
from provisioner.planning.drained import drained_nodes
from provisioner.planning.image_steps import image_steps
from provisioner.planning.keeping import earlier_keepsakes, lost, missing_inputs
from provisioner.planning.lane import floor, lane_steps
from provisioner.planning.moves import Move, move
from provisioner.planning.node_steps import (
    Leaving,
    Rota,
    recheck_steps,
    remove,
    retire_steps,
    steps,
    stray_steps,
)
from provisioner.planning.pairing import NodeView, Occupant, view
from provisioner.planning.scene import Scene, applied_config
from provisioner.planning.transition import Serving, transitional


def plan(scene: Scene, release: str | None) -> Plan:
    """Return the steps from what is to what should be; none where nothing differs.

    `release` names what the fleet will be on; it is left out while an image has still to be made.
    """
    rows = tuple(row for row in diff(scene.desired, scene.observed, scene.applied) if _actionable(scene, row))
    ordered = (*image_steps(scene), *_fleet_steps(scene), *_keep(scene, release), *_record(scene, release))
    unreachable = tuple(host.name for host in scene.observed.unreachable)
    images = [node.image for node in scene.desired.nodes] + [balancer.image for balancer in scene.desired.balancers]
    known = all(isinstance(image, Known) for image in images) and all(
        secret.digest for node in scene.desired.nodes for secret in node.secrets
    )
    losses = lost(scene.last, scene.before_last, scene.observed, scene.cached)
    kept = tuple(row for row in losses if _actionable(scene, row))
    lines = (*changes(tuple(sorted((*rows, *kept)))), *_unproven(scene, rows))
    drained = drained_nodes(scene.observed)
    return Plan(scene.desired.fleet, ordered, lines, release if known else None, unreachable, drained=drained)


def _actionable(scene: Scene, row: Drift) -> bool:
    balancers = {balancer.host for balancer in scene.desired.balancers}
    return row.drift_class in {"drift", "pending"} and (scene.in_scope(row.host) or row.host in balancers)


def _fleet_steps(scene: Scene) -> Iterator[Step]:
    every = _views(scene)
    views = tuple(each for each in every if scene.in_scope(each.desired.node.host))
    moves = tuple(found for each in views if (found := move(scene, each)) is not None)
    taken = {each.container.container_id for m in moves for each in (m.outgoing, m.dead, m.there) if each}
    stale = tuple((v, v.leftover) for v in views if v.leftover and v.leftover.container.container_id not in taken)
    moving = {each.node for each in moves}
    gone = _gone(scene)
    config = _config_for(scene, _serving(every, moves))
    yield from command_steps(scene, views, moves)
    if config is not None:
        yield from opening_steps(scene, config)
    rota = Rota(scene, config)
    yield from lane_steps(rota, every, moves)
    yield from recheck_steps(rota, tuple(each for each in views if str(each.desired.node) not in moving))
    yield from retire_steps(rota, (*stale, *gone), floor(rota, every, moves))
    if config is not None and scene.scope is None:
        # With a limit the file has to go on serving, as they are, the nodes that were left out.
        yield from closing_steps(scene, config)
    old: Leaving = tuple((each.view, each.outgoing) for each in moves if each.outgoing is not None)
    yield from _removal((*old, *stale, *gone))
    yield from stray_steps(scene, moves)
    yield from departure_steps(scene)


def _config_for(scene: Scene, serving: Serving) -> BalancerConfig | None:
    balancers = scene.desired.balancers
    return transitional(applied_config(scene), balancers[0].config, serving) if balancers else None


def _serving(views: tuple[NodeView, ...], moves: tuple[Move, ...]) -> Serving:
    taken = {(each.node, each.slot) for each in moves if each.begins == "create"}
    occupants = [(str(v.desired.node), each) for v in views for each in (v.current, v.leftover) if each]
    # One that somebody published on every address of its host answers on the declared one as well.
    declared = {(str(v.desired.node), at.slot): at.address for v in views for at in v.desired.slots}
    at = {
        (node, each.slot): (port.address or declared.get((node, each.slot), ""), port.host_port)
        for node, each in occupants
        for port in each.container.ports
        if each.container.running and (node, each.slot) not in taken
    }
    return Serving(at, frozenset((node, each.slot) for node, each in occupants if each.matches))


def _views(scene: Scene) -> tuple[NodeView, ...]:
    found = []
    for node in scene.desired.nodes:
        host = scene.observed.host(node.node.host)
        if host is not None:
            found.append(view(scene.desired.fleet, node, host, scene.absent))
    return tuple(found)


def _gone(scene: Scene) -> Leaving:
    """Return the containers of this fleet that nothing desired accounts for, as leaving occupants of their nodes."""
    ended = {each.container_id for balancer in scene.desired.balancers for each in in_the_way(scene, balancer)}
    return tuple(
        (former, Occupant(_slot(former, container), container, matches=False))
        for host in scene.observed.hosts
        if scene.in_scope(host.name)
        for container in surplus(scene.desired, host)
        if container.container_id not in ended
        for former in (_former(scene, host.name, container),)
    )


def _former(scene: Scene, host: str, container: ObservedContainer) -> NodeView:
    label = container.labels.get(NODE_LABEL, "")
    for node in scene.applied.nodes if scene.applied else ():
        if str(node.node) == label and node.node.host == host:
            return NodeView(node, None, None)
    service = container.labels.get(SERVICE_LABEL, "unknown")
    index = label.rsplit("-", 1)[-1]
    stand_in = Node(host, service, int(index) if index.isdigit() else 1)
    return NodeView(_unknown(stand_in, container), None, None)


def _unknown(node: Node, container: ObservedContainer) -> DesiredNode:
    return DesiredNode(node, Known("", container.image_id), container.options, (), None, HealthCheck())


def _slot(former: NodeView, container: ObservedContainer) -> Slot:
    held = {port.host_port for port in container.ports}
    by_port = next((at.slot for at in former.desired.slots if at.host_port in held), None)
    return by_port or ("b" if container.name.endswith(".b") else "a")


def _removal(leaving: Leaving) -> Iterator[Step]:
    yield from steps("remove old containers", (remove(each, old, _why(each)) for each, old in leaving))


def _why(each: NodeView) -> str:
    return "replaced" if each.current else "nothing declares it any more"


def _keep(scene: Scene, release: str | None) -> Iterator[Step]:
    """Yield the keeping of what the release is made from, and of what the one to go back to needs."""
    if _left_out(scene):
        return
    inputs = tuple(missing_inputs(scene.inputs, scene.desired, scene.observed)) if scene.inputs else ()
    yield from steps("keep what it is made from", (each.action for each in inputs if _reaches(scene, each.host)))
    unchanged = scene.last is not None and scene.last.name == release
    back = scene.before_last if unchanged else scene.last
    earlier = earlier_keepsakes(back, scene.desired, scene.observed, scene.cached)
    yield from steps("keep what to go back to", (each.action for each in earlier if _reaches(scene, each.host)))


def _reaches(scene: Scene, host: str) -> bool:
    return scene.in_scope(host) or host in {each.host for each in scene.desired.balancers}


def _record(scene: Scene, release: str | None) -> Iterator[Step]:
    wanted = [host for host in scene.desired.hosts if _records(scene, host, release)]
    if wanted and not _left_out(scene):
        yield Step("record the release", tuple(RecordRelease(host) for host in wanted))


def _left_out(scene: Scene) -> bool:
    """Tell whether a limit leaves nodes behind that are not as wanted: the fleet is on no release then."""
    return scene.scope is not None and any(
        row.drift_class in {"drift", "pending"} and row.node and not _actionable(scene, row)
        for row in diff(scene.desired, scene.observed, scene.applied)
    )


def _records(scene: Scene, name: str, release: str | None) -> bool:
    host = scene.observed.host(name)
    if host is None or not _reaches(scene, name):
        return False
    return release is None or all(each.name != release for each in host.releases)


def changes(rows: tuple[Drift, ...]) -> tuple[Change, ...]:
    """Return one line per node or balancer: added, changed or removed, and why."""
    found = []
    for (host, node), group in groupby(rows, key=lambda row: (row.host, row.node)):
        each = tuple(group)
        found.append(Change(host, node, _kind(each), tuple(_reason(row) for row in each)))
    return tuple(found)


def _unproven(scene: Scene, rows: tuple[Drift, ...]) -> Iterator[Change]:
    told = {row.node for row in rows}
    for each in _views(scene):
        name = str(each.desired.node)
        if name not in told and scene.in_scope(each.desired.node.host) and move(scene, each) is not None:
            yield Change(
                each.desired.node.host, name, "change", ("it runs, and the balancer does not send it requests",)
            )


def _kind(rows: tuple[Drift, ...]) -> str:
    first = rows[0]
    if first.kind == "container" and not first.key and first.observed == "absent":
        return "add"
    if all(row.kind in {"container", "volume"} and row.desired == "absent" for row in rows):
        return "remove"
    return "change"


def _reason(row: Drift) -> str:
    what = f"{row.kind} {row.key}".strip()
    return f"{what}: {row.observed} -> {row.desired} ({row.drift_class})"
