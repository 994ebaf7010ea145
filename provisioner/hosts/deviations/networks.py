"""The networks a container is attached to and the addresses its ports are bound to, against what was asked for."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.hosts.image_reading import Answer
from provisioner.hosts.inspection import read_ports
from provisioner.model.deviation import Deviation
from provisioner.planning.fields import ABSENT, PRESENT, ports_text

_SHORT_ID = 12
_ATTACHED = frozenset({"running", "paused"})


def networks(inspection: Answer) -> Iterator[Deviation]:
    """Yield networks that are too many or missing, other names and fixed addresses there, ports bound elsewhere."""
    mode = inspection["HostConfig"].get("NetworkMode") or ""
    own = "bridge" if mode in {"", "default"} else mode
    found = (inspection.get("NetworkSettings") or {}).get("Networks") or {}
    shared = own.startswith("container:")
    if not shared and own not in found and inspection["State"]["Status"] in _ATTACHED and not _by_id(own, found):
        yield Deviation("networks", own, PRESENT, ABSENT)
    for name, network in sorted(found.items()):
        if name != own and not _is(own, network):
            yield Deviation("networks", name, ABSENT, network.get("IPAddress") or PRESENT)
        yield from _endpoint(inspection, name, network)
    yield from _bound(inspection, own)


def _by_id(own: str, found: Answer) -> bool:
    return any(_is(own, network) for network in found.values())


def _is(own: str, network: Answer) -> bool:
    """Tell whether a network that was asked for by id is this one."""
    known = network.get("NetworkID") or ""
    return len(own) >= _SHORT_ID and known.startswith(own)


def _endpoint(inspection: Answer, name: str, network: Answer) -> Iterator[Deviation]:
    usual = {inspection["Id"][:_SHORT_ID], inspection["Name"].removeprefix("/"), inspection["Config"].get("Hostname")}
    aliases = sorted({*(network.get("Aliases") or ())} - usual)
    if aliases:
        yield Deviation("networks", f"{name} aliases", ABSENT, " ".join(aliases))
    fixed = network.get("IPAMConfig") or {}
    addresses = [str(fixed[key]) for key in ("IPv4Address", "IPv6Address") if fixed.get(key)]
    if addresses:
        yield Deviation("networks", f"{name} address", ABSENT, " ".join(addresses))
    if network.get("Links"):
        yield Deviation("networks", f"{name} links", ABSENT, " ".join(sorted(network["Links"])))


def _bound(inspection: Answer, own: str) -> Iterator[Deviation]:
    """Yield ports that a running container was promised and that are bound otherwise, or not at all."""
    if inspection["State"]["Status"] != "running" or own in {"host", "none"} or own.startswith("container:"):
        return
    wanted = read_ports(inspection["HostConfig"].get("PortBindings") or {})
    really = read_ports((inspection.get("NetworkSettings") or {}).get("Ports") or {})
    # One that was asked for without a number gets one of the engine's choice.
    chosen = {(port.container_port, port.protocol) for port in wanted if not port.host_port}
    desired = {port for port in wanted if port.host_port}
    observed = {port for port in really if (port.container_port, port.protocol) not in chosen}
    if desired != observed:
        yield Deviation("ports", "bound", ports_text(tuple(desired)) or ABSENT, ports_text(tuple(observed)) or ABSENT)
