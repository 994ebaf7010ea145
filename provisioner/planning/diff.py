"""The one diff: what should be against what is, node by node and balancer by balancer."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from provisioner.model.container import NODE_LABEL, PublishedPort
from provisioner.model.desired import Desired, DesiredBalancer
from provisioner.model.drift import Drift, DriftClass
from provisioner.model.observed import Observed, ObservedContainer, ObservedHost
from provisioner.model.secret import is_secrets_volume
from provisioner.model.spec import LOAD_BALANCER
from provisioner.planning.balancer_slots import balancer_containers
from provisioner.planning.effective import enforceable
from provisioner.planning.fields import (
    ABSENT,
    PRESENT,
    Difference,
    deviation_differences,
    health_difference,
    hostname_difference,
    image_difference,
    option_differences,
    port_difference,
    secret_differences,
)
from provisioner.planning.pairing import (
    NodeView,
    belongs,
    desired_options,
    slot_ports,
    unenforceable,
    view,
)
from provisioner.planning.rotation import rotation_differences
from provisioner.planning.unified import unified
from provisioner.planning.unmanaged import unmanaged

SHOWN_DIGEST = re.compile(r"description cfg=([0-9a-f]{64})")
"""Where a balancer's file says which file it is; it proves nothing, somebody may have edited the rest."""

UNPROVEN = "unproven"
_TOUCHED = "somebody wrote the file by hand, and its worker may have read something else before that"

BALANCER_NODE = f"{LOAD_BALANCER}-1"


def diff(desired: Desired, observed: Observed, applied: Desired | None = None) -> tuple[Drift, ...]:
    """Return every difference, sorted.

    `applied` is what the last release wanted: a difference from it too was made behind our back (drift),
    one that only the new wish has is pending. Where nothing was ever applied everything is pending.
    """
    absent = unenforceable(observed)
    rows = list(_unknown(observed))
    for host in observed.hosts:
        rows += _unseen(desired, host)
        rows += _host_rows(desired, host, absent, _explained(applied, host, absent))
        rows += unmanaged(desired, host)
    return tuple(sorted(rows))


def _explained(
    applied: Desired | None, host: ObservedHost, absent: Collection[str]
) -> frozenset[tuple[str, ...]] | None:
    if applied is None:
        return None
    return frozenset((row.node, row.kind, row.key) for row in _differences(applied, host, absent, "drift"))


def _host_rows(
    desired: Desired, host: ObservedHost, absent: Collection[str], behind: frozenset[tuple[str, ...]] | None
) -> Iterator[Drift]:
    for row in _differences(desired, host, absent, "pending"):
        drifted = behind is not None and (row.node, row.kind, row.key) in behind
        yield replace(row, drift_class="drift") if drifted else row


def _differences(
    desired: Desired, host: ObservedHost, absent: Collection[str], drift_class: DriftClass
) -> Iterator[Drift]:
    for node in desired.nodes:
        if node.node.host == host.name:
            seen = view(desired.fleet, node, host, absent)
            for row in node_differences(seen, absent):
                yield _row(host.name, str(node.node), row, drift_class)
    for balancer in desired.balancers:
        if balancer.host == host.name:
            for row in balancer_differences(desired, balancer, host, absent):
                yield _row(host.name, f"{host.name}/{BALANCER_NODE}", row, drift_class)
    for container in surplus(desired, host):
        row = Difference("container", container.name, ABSENT, container.state)
        yield _row(host.name, container.labels.get(NODE_LABEL, ""), row, drift_class)
    for volume in stray_volumes(desired.fleet, host):
        yield _row(host.name, "", Difference("volume", volume, ABSENT, PRESENT), drift_class)


def _row(host: str, node: str, row: Difference, drift_class: DriftClass) -> Drift:
    return Drift(host, node, row.kind, row.key, row.desired, row.observed, drift_class, row.detail, row.note)


def node_differences(seen: NodeView, absent: Collection[str]) -> Iterator[Difference]:
    """Yield what differs at one node: its container, and whatever lies in its other slot."""
    if seen.leftover is not None:
        container = seen.leftover.container
        yield Difference("container", container.name, ABSENT, container.state)
    if seen.current is None:
        yield Difference("container", "", PRESENT, ABSENT)
        return
    container = seen.current.container
    wanted = tuple(
        PublishedPort(inside, outside, address)
        for inside, outside, address in slot_ports(seen.desired, seen.current.slot)
    )
    yield from _container(
        image_difference(seen.desired.image, container.image_id),
        port_difference(wanted, container.ports),
        hostname_difference(container, seen.desired.node.host),
        health_difference(container),
    )
    yield from option_differences(
        desired_options(seen.desired, container, absent), enforceable(container.options, absent)
    )
    yield from secret_differences(seen.desired.secrets, container.secrets)
    yield from deviation_differences(container, seen.desired.volatile)
    yield from _state(container)


def balancer_differences(
    desired: Desired, balancer: DesiredBalancer, host: ObservedHost, absent: Collection[str]
) -> Iterator[Difference]:
    """Yield what differs at one balancer: its container, its file, what it runs, and the states of its servers."""
    found = balancer_containers(desired.fleet, host.containers)
    for other in found[1:]:
        yield Difference("container", other.name, ABSENT, other.state)
    if not found:
        yield Difference("container", "", PRESENT, ABSENT)
        return
    container = found[0]
    yield from container_differences(balancer, container, absent)
    yield from _state(container)
    if host.balancer is None:
        return
    yield from _file(balancer, host.balancer.text)
    if container.running and host.balancer.running_digest != balancer.digest:
        yield Difference("config", "running", balancer.digest, host.balancer.running_digest or "no answer")
    elif container.running and host.balancer.touched and host.balancer.text == balancer.text:
        yield Difference("config", "running", balancer.digest, UNPROVEN, note=_TOUCHED)
    if container.running and host.balancer.running_digest == balancer.digest:
        yield from rotation_differences(desired, balancer.config, host.balancer)


def container_differences(
    balancer: DesiredBalancer, container: ObservedContainer, absent: Collection[str]
) -> Iterator[Difference]:
    """Yield what differs at a balancer's container, its file and its state left aside."""
    yield from _container(
        image_difference(balancer.image, container.image_id),
        port_difference(balancer.ports, container.ports),
        hostname_difference(container, balancer.host),
    )
    yield from option_differences(desired_options(balancer, container, absent), enforceable(container.options, absent))
    yield from deviation_differences(container)


def _container(*differences: Difference | None) -> Iterator[Difference]:
    yield from (difference for difference in differences if difference is not None)


def _state(container: ObservedContainer) -> Iterator[Difference]:
    if not container.running:
        yield Difference("state", "", "running", container.state)


def _file(balancer: DesiredBalancer, text: str | None) -> Iterator[Difference]:
    if text is None:
        yield Difference("config", "file", balancer.digest, ABSENT)
    elif text != balancer.text:
        claimed = SHOWN_DIGEST.search(text)
        other = claimed is not None and claimed[1] != balancer.digest
        detail = unified("haproxy.cfg", balancer.text, text)
        yield Difference("config", "file", balancer.digest, claimed[1] if claimed and other else "edited", detail)


def surplus(desired: Desired, host: ObservedHost) -> tuple[ObservedContainer, ...]:
    """Return the containers of this fleet on a host that no desired node or balancer accounts for."""
    return tuple(
        container
        for container in host.containers
        if container.fleet == desired.fleet and not belongs(desired, container, host.name)
    )


def stray_volumes(fleet: str, host: ObservedHost) -> tuple[str, ...]:
    """Return the volumes with secrets that belong to no container of a host: a run that died left them."""
    used = {container.secrets_volume for container in host.containers}
    return tuple(each for each in host.volumes if is_secrets_volume(fleet, each) and each not in used)


def _unseen(desired: Desired, host: ObservedHost) -> Iterator[Drift]:
    """Yield what of our containers could not be looked at: that is never clean."""
    for container in host.containers:
        for each in container.unseen if belongs(desired, container, host.name) else ():
            node = container.labels.get(NODE_LABEL, "")
            yield Drift(host.name, node, each.kind, container.name, "observed", each.reason, "unknown")


def _unknown(observed: Observed) -> Iterator[Drift]:
    for host in observed.unreachable:
        yield Drift(host.name, "", "host", "", "reachable", host.reason, "unknown")
