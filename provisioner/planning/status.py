"""What runs where, and whether it is the same everywhere: the last release against what was just seen."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from provisioner.model.balancer import ServerState
from provisioner.model.desired import Desired, DesiredBalancer, DesiredNode
from provisioner.model.observed import Observed, ObservedContainer, ObservedHost
from provisioner.model.placement import Slot, server_name
from provisioner.model.release import Release
from provisioner.model.status import BalancerStatus, FleetStatus, HostStatus, NodeState, NodeStatus
from provisioner.planning.balancer_slots import balancer_containers
from provisioner.planning.diff import BALANCER_NODE, diff
from provisioner.planning.drained import drained_nodes
from provisioner.planning.fields import ports_text
from provisioner.planning.pairing import NodeView, desired_fingerprint, observed_fingerprint, unenforceable, view

DRAINED = "drained"
"""What a balancer says of a node that a person took out of rotation."""


def status(fleet: str, desired: Desired | None, observed: Observed, last: Release | None) -> FleetStatus:
    """Return the state of every node of `desired`, which is the last release's wish, or the spec's before any."""
    nodes = tuple(_nodes(desired, observed, last)) if desired else ()
    balancers = tuple(_balancers(desired, observed)) if desired else ()
    return FleetStatus(
        fleet=fleet,
        release=last.name if last else None,
        uniform=last is not None
        and not observed.unreachable
        and _uniform(nodes, balancers, last)
        and not _drifted(desired, observed),
        hosts=tuple(_hosts(observed)),
        nodes=nodes,
        balancers=balancers,
        drained=drained_nodes(observed),
    )


def _uniform(nodes: tuple[NodeStatus, ...], balancers: tuple[BalancerStatus, ...], last: Release) -> bool:
    by_service: dict[str, set[str]] = {}
    for node in nodes:
        by_service.setdefault(node.service, set()).add(node.fingerprint)
    return (
        bool(nodes)
        and all(node.state == "healthy" and node.release == last.name for node in nodes)
        and all(node.balancer in {"ready", "", DRAINED} for node in nodes)
        and all(balancer.state == "healthy" for balancer in balancers)
        and all(len(fingerprints) == 1 for fingerprints in by_service.values())
    )


def _drifted(desired: Desired | None, observed: Observed) -> bool:
    """Tell whether anything declared is not as the release has it; what nobody declared makes nothing less uniform.

    Where somebody drained a node the balancers' files are not the release's own, and are told by their digests.
    """
    left_aside = {"config", "rotation"} if drained_nodes(observed) else set[str]()
    rows = diff(desired, observed, desired) if desired else ()
    return any(row.drift_class == "drift" and row.node and row.kind not in left_aside for row in rows)


def _hosts(observed: Observed) -> Iterator[HostStatus]:
    for host in observed.hosts:
        yield HostStatus(host.name, reachable=True, engine=host.engine.version, route=host.engine.route)
    for lost in observed.unreachable:
        yield HostStatus(lost.name, reachable=False, reason=lost.reason, hint=lost.hint)


def _nodes(desired: Desired, observed: Observed, last: Release | None) -> Iterator[NodeStatus]:
    absent = unenforceable(observed)
    for node in desired.nodes:
        host = observed.host(node.node.host)
        if host is None:
            yield _absent(node, "unknown")
            continue
        seen = view(desired.fleet, node, host, absent)
        yield _present(seen, observed, desired, last, absent) if seen.current else _absent(node, "missing")


def _absent(node: DesiredNode, state: NodeState) -> NodeStatus:
    return NodeStatus(node.node.host, node.node.service, str(node.node), "", state, "", "", "", "")


def _present(
    seen: NodeView, observed: Observed, desired: Desired, last: Release | None, absent: Collection[str]
) -> NodeStatus:
    current, node = seen.current, seen.desired.node
    if current is None:
        return _absent(seen.desired, "missing")
    container = current.container
    print_seen = observed_fingerprint(container, absent)
    by_hand = str(node) in {each.node for each in drained_nodes(observed)}
    on_last = last is not None and print_seen == desired_fingerprint(seen.desired, container, absent)
    servers = tuple(_servers(desired, observed, seen.desired, current.slot))
    return NodeStatus(
        host=node.host,
        service=node.service,
        node=str(node),
        slot=current.slot,
        state=_state(container, servers),
        release=last.name if last and on_last else container.release,
        image_id=container.image_id,
        fingerprint=print_seen,
        balancer=_rotation(servers, by_hand) if seen.desired.port is not None and desired.balancers else "",
    )


def _servers(desired: Desired, observed: Observed, node: DesiredNode, slot: Slot) -> Iterator[ServerState | None]:
    name = server_name(node.node, slot)
    for balancer in desired.balancers:
        host = observed.host(balancer.host)
        states = host.balancer.servers if host and host.balancer else ()
        yield next((each for each in states if (each.backend, each.name) == (node.node.service, name)), None)


def _state(container: ObservedContainer, servers: tuple[ServerState | None, ...]) -> NodeState:
    if not container.running:
        return "stopped"
    if container.health == "starting":
        return "starting"
    if container.health == "unhealthy" or any(server and server.health == "down" for server in servers):
        return "unhealthy"
    return "healthy"


def _rotation(servers: tuple[ServerState | None, ...], by_hand: bool) -> str:  # noqa: FBT001 - said of the node
    words = [DRAINED if by_hand and _out(server) else _word(server) for server in servers]
    return next((word for word in words if word != "ready"), "ready" if words else "unknown")


def _out(server: ServerState | None) -> bool:
    return server is not None and server.admin != "maint" and not server.weight


def _word(server: ServerState | None) -> str:
    if server is None:
        return "absent"
    return "down" if server.admin == "ready" and server.health == "down" else server.admin


def _balancers(desired: Desired, observed: Observed) -> Iterator[BalancerStatus]:
    for balancer in desired.balancers:
        host = observed.host(balancer.host)
        containers = balancer_containers(desired.fleet, host.containers) if host else ()
        container = containers[0] if containers else None
        yield BalancerStatus(
            host=balancer.host,
            node=f"{balancer.host}/{BALANCER_NODE}",
            state=_balancer_state(host, container),
            image_id=container.image_id if container else "",
            config=host.balancer.running_digest if host and host.balancer else "",
            ports=_ports(balancer),
        )


def _ports(balancer: DesiredBalancer) -> tuple[str, ...]:
    if balancer.config.network == "host":
        return tuple(f"{bind.address or '*'}:{bind.port}/tcp" for bind in balancer.config.bind)
    return tuple(ports_text((port,)) for port in balancer.ports)


def _balancer_state(host: ObservedHost | None, container: ObservedContainer | None) -> NodeState:
    if host is None:
        return "unknown"
    if container is None:
        return "missing"
    if not container.running:
        return "stopped"
    return "healthy" if host.balancer and host.balancer.running_digest else "unhealthy"
