"""What is on a host and no fleet of ours put there: containers, and sockets that nobody declared."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.model.container import FLEET_LABEL, KIND_LABEL, LEASE_LABEL
from provisioner.model.desired import Desired
from provisioner.model.drift import Drift
from provisioner.model.image import image_repository
from provisioner.model.observed import ObservedContainer, ObservedHost
from provisioner.model.sockets import OpenSocket
from provisioner.planning.fields import ABSENT
from provisioner.planning.pairing import belongs

PAGE_PORT = 8404
"""Where a balancer on its host's network tells who asks on loopback how its servers are."""

_UNKNOWN_PROGRAM = "listens"


def unmanaged(desired: Desired, host: ObservedHost) -> Iterator[Drift]:
    """Yield what is not ours on a host, each with a command that shows it, or ends it."""
    for container in host.containers:
        if not is_ours(desired, container, host):
            remedy = f"docker stop {container.name}"
            yield Drift(host.name, "", "container", container.name, ABSENT, container.state, "unmanaged", remedy=remedy)
    for socket in host.sockets:
        if not _is_declared(desired, socket, host):
            yield _row(host, socket)


def is_ours(desired: Desired, container: ObservedContainer, host: ObservedHost) -> bool:
    """Tell whether a container is this fleet's, a lease, or another fleet's that is proven to be on that host.

    Its label is only a claim: a lease is never started, and a fleet leaves images of its own where it runs.
    """
    if belongs(desired, container, host.name) or container.fleet == desired.fleet:
        return True
    if LEASE_LABEL in container.labels:
        return container.state == "created"
    fleet = container.fleet
    return bool(fleet) and container.name.startswith(f"{fleet}.") and _lives_there(fleet, container, host)


def _lives_there(fleet: str, container: ObservedContainer, host: ObservedHost) -> bool:
    for image in host.images:
        if image.labels.get(KIND_LABEL) == "release" and image.labels.get(FLEET_LABEL) == fleet:
            return True
        of_fleet = any(tag.startswith(image_repository(fleet, "")) for tag in image.tags)
        if image.image_id == container.image_id and of_fleet:
            return True
    return False


def _is_declared(desired: Desired, socket: OpenSocket, host: ObservedHost) -> bool:
    """Tell whether a socket belongs to a container, which has a row of its own where it is not ours, or is declared."""
    if any(container.container_id == socket.container_id for container in host.containers):
        return True
    if socket.program:
        return False
    # Whose it is cannot be seen: what the balancer listens on itself is taken for the balancer's.
    return socket.protocol == "tcp" and any(
        socket.port in {PAGE_PORT, *(bind.port for bind in balancer.config.bind)}
        for balancer in desired.balancers
        if balancer.host == host.name and balancer.config.network == "host"
    )


def _row(host: ObservedHost, socket: OpenSocket) -> Drift:
    address = f"[{socket.address}]" if ":" in socket.address else socket.address or "*"
    key = f"{socket.protocol} {address}:{socket.port}"
    kind = "t" if socket.protocol == "tcp" else "u"
    remedy = f"ss -ln{kind}p 'sport = :{socket.port}'"
    program = socket.program or _UNKNOWN_PROGRAM
    return Drift(host.name, "", "socket", key, ABSENT, program, "unmanaged", remedy=remedy)
