"""Which sockets of a host nobody accounts for: no container's port, not the sshd we came through, not the engine."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator

from provisioner.hosts.image_reading import Answer
from provisioner.hosts.inspection import read_ports
from provisioner.hosts.probe import BoundSocket, Probed
from provisioner.model.container import PublishedPort
from provisioner.model.sockets import OpenSocket

OWNERS = """\
ls -l /proc/[0-9]*/fd 2>/dev/null | grep -E "^/proc/|socket:\\\\[($1)\\\\]" | while read -r line; do
    case $line in
    /proc/*) pid=${line#/proc/} pid=${pid%%/*} ;;
    *)
        inode=${line##*'socket:['}
        read -r name <"/proc/$pid/comm"
        echo "${inode%]} $(grep -soEm1 '[0-9a-f]{64}' "/proc/$pid/cgroup" | tail -n 1) $name"
        ;;
    esac
done
exit 0
"""
"""Prints who has sockets: their inode, the container of the process or nothing, its name. `$1` inodes with `|` between.

It shows what this user may see.
"""

_ENGINE = frozenset({"containerd", "dockerd"})
_EMBEDDED = "127.0.0.11"
"""Where an outer engine answers for names in a host that is itself a container."""

_OWNER = re.compile(r"^(\d+) ([0-9a-f]{64})? ?(.+)$", re.MULTILINE)


def unaccounted(probed: Probed, inspections: Iterable[Answer]) -> tuple[BoundSocket, ...]:
    """Return the sockets that neither a published port of a container nor the sshd we came through explains."""
    published = {(port.protocol, port.host_port) for each in inspections for port in _ports(each)}
    nested = f"nameserver {_EMBEDDED}" in probed.resolvers
    return tuple(
        each
        for each in probed.sockets
        if (each.protocol, each.port) not in published
        and not (each.protocol == "tcp" and each.port == probed.entrance)
        and not (nested and each.address == _EMBEDDED)
        and not _of_chance(each, probed)
    )


def _ports(inspection: Answer) -> Iterator[PublishedPort]:
    bound = (inspection.get("NetworkSettings") or {}).get("Ports") or {}
    yield from read_ports(bound)


def _of_chance(socket: BoundSocket, probed: Probed) -> bool:
    """Tell whether a UDP socket has a port that the kernel gave it: it waits for answers, not for whoever comes."""
    return socket.protocol == "udp" and probed.chance[0] <= socket.port <= probed.chance[1]


def open_sockets(found: Iterable[BoundSocket], owners: str) -> tuple[OpenSocket, ...]:
    """Return the sockets with whose they are, as `OWNERS` printed it; the engine's own on loopback are left out."""
    known = {inode: (name, container_id) for inode, container_id, name in _OWNER.findall(owners)}
    sockets = (OpenSocket(each.protocol, each.address, each.port, *known.get(each.inode, ("", ""))) for each in found)
    return tuple(sorted({each for each in sockets if not (each.program in _ENGINE and _is_loopback(each.address))}))


def _is_loopback(address: str) -> bool:
    return bool(address) and ipaddress.ip_address(address).is_loopback
